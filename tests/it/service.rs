//! `refundd run` as a real process: what an order system relies on.

use refundd::contract::result::OutcomeV1;

use crate::support::service::{Shop, gateway, request};

#[tokio::test]
async fn a_request_goes_in_and_its_settled_result_comes_out_for_every_account() {
    let mut shop = Shop::open(gateway()).await;
    shop.run();
    for account in ["shop-ca", "shop-hk", "shop-pair"] {
        shop.push(&request(&format!("R-{account}"), account));
    }
    let results = shop.results(3).await;
    for account in ["shop-ca", "shop-hk", "shop-pair"] {
        let no = format!("R-{account}");
        let result = results.iter().find(|result| result.refund_no == no).unwrap();
        assert_eq!(result.outcome, OutcomeV1::Succeeded);
        assert_eq!((result.attempts, result.event_id.as_str()), (1, format!("{no}.1").as_str()));
        assert_eq!(shop.book().effects(&no), 1);
    }
}
