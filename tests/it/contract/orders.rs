//! Several refunds of one order.

use refundd::domain::UnixMillis;
use serde_json::{Value, json};

use super::{assert_all_taken_in, results_of};
use crate::support::service::{Shop, gateway, request};

/// A refund of the one order, of which 100.00 were paid.
fn partial(refund_no: &str, account: &str, amount_cents: u64) -> Value {
    let mut request = request(refund_no, account);
    request["amount_cents"] = json!(amount_cents);
    request["order"] = json!({"gateway_order_no": "P-1", "order_no": "O-1", "paid_cents": 10_000});
    request
}

fn at(text: &str) -> UnixMillis {
    UnixMillis::parse_rfc3339(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_refunds_of_one_order_settle_one_after_the_other_and_never_pass_what_was_paid() {
    for account in ["shop-ca", "shop-hk", "shop-pair"] {
        let mut shop = Shop::open(gateway()).await;
        // All are there before anybody looks.
        for (no, cents) in [("R-1", 3_000), ("R-2", 3_000), ("R-3", 3_000), ("R-4", 1_001)] {
            shop.push(&partial(no, account, cents));
        }
        shop.run();
        shop.run();
        let results = shop.results(4).await;
        let last = results_of(&shop, "R-4").remove(0);
        assert_eq!((&last["outcome"], &last["code"]), (&json!("rejected"), &json!("over_refund")));
        let message = "amount_cents must be at most 1000: 10000 were paid and 9000 are refunded \
                       or reserved, got 1001";
        assert_eq!(last["message"], message);
        let order: Vec<&str> = results
            .iter()
            .map(|result| result.refund_no.as_str())
            .filter(|refund_no| *refund_no != "R-4")
            .collect();
        assert_eq!(order, ["R-1", "R-2", "R-3"], "{account}: in the order of the requests");
        let book = shop.book();
        assert_eq!(book.violations, []);
        assert_eq!(book.orders[0].refunded_cents, 9_000);
        assert_eq!((book.totals.submits, book.effects("R-4")), (3, 0));
        for pair in book.refunds.windows(2) {
            let settled = pair[0].settled_at.as_deref().expect("settled");
            assert!(
                at(settled) <= at(&pair[1].first_submit_at),
                "{account}: {} was submitted while {} was in flight",
                pair[1].refund_no,
                pair[0].refund_no
            );
        }
        // What is left may still go back.
        shop.push(&partial("R-5", account, 1_000));
        shop.results(5).await;
        assert_eq!(shop.book().orders[0].refunded_cents, 10_000);
        assert_all_taken_in(&shop).await;
    }
}
