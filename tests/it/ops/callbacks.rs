//! Gateways' notices: a signed one makes refundd ask, any other does nothing.

use refundd::gateways::sign::{Params, SIGN_FIELD, sign};
use reqwest::Method;
use serde_json::json;

use super::{Desk, Seen};
use crate::support::service::request;
use crate::support::wait_until;

const KEY: &str = "sandbox-iotpay-key";

/// A notice about a refund, signed with `key`; it claims success, whatever the truth.
fn notice(refund_no: &str, key: &str) -> String {
    let mut params = Params::from(
        [("mchId", "10000576"), ("mchRefundNo", refund_no), ("status", "2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    params.insert(SIGN_FIELD.to_owned(), sign(&params, key));
    let pairs: Vec<_> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

async fn send(desk: &Desk, account: &str, body: &str) -> Seen {
    // Gateways come through proxies and from anywhere.
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("host", "refunds.example"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    desk.ask(Method::POST, &format!("/callbacks/{account}"), &headers, body).await
}

/// A desk whose refunds are not asked about by themselves for an hour.
async fn patient() -> Desk {
    let desk = Desk::with(|toml| {
        toml.replace(
            "poll = { initial_ms = 50, multiplier = 1.5, max_ms = 400,",
            "poll = { initial_ms = 3600000, multiplier = 1.5, max_ms = 3600000,",
        )
        .replace("horizon_ms = 600000", "horizon_ms = 36000000")
    });
    desk.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_notice_makes_refundd_ask_and_the_answer_decides() {
    let desk = patient().await;
    desk.push(&request("C-1", "shop-ca")).await;
    desk.reaches("C-1", "processing").await;
    // The gateway keeps it in processing for one poll, whatever its notice says.
    let seen = send(&desk, "shop-ca", &notice("C-1", KEY)).await;
    assert_eq!((seen.status, seen.text.as_str()), (200, "success"));
    wait_until("the gateway to be asked", async || {
        (desk.get("/v1/refunds/C-1").await.body["polls"] == 1).then_some(())
    })
    .await;
    assert_eq!(desk.get("/v1/refunds/C-1").await.body["state"], "processing");
    assert_eq!(send(&desk, "shop-ca", &notice("C-1", KEY)).await.status, 200);
    let settled = desk.reaches("C-1", "settled").await;
    assert_eq!((&settled["outcome"], &settled["polls"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(settled["evidence"]["source"], "query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_is_forged_or_about_something_else_changes_nothing() {
    let desk = patient().await;
    desk.push(&request("C-1", "shop-ca")).await;
    let before = desk.reaches("C-1", "processing").await;
    let forged = send(&desk, "shop-ca", &notice("C-1", "a guess")).await;
    assert_eq!(forged.problem(), (401, "forged", ""));
    let unsigned = send(&desk, "shop-ca", "mchId=10000576&mchRefundNo=C-1&status=2").await;
    assert_eq!(unsigned.problem(), (401, "forged", ""));
    assert_eq!(send(&desk, "shop-ca", "{").await.problem(), (400, "unreadable", ""));
    assert_eq!(send(&desk, "shop-xx", &notice("C-1", KEY)).await.problem().0, 404);
    let large = send(&desk, "shop-ca", &"a".repeat(20_000)).await;
    assert_eq!(large.problem(), (413, "too_large", "request"));
    // Rightly signed, but not this account's, or of nobody: the gateway need not send it again.
    assert_eq!(send(&desk, "shop-pair", &notice("C-1", KEY)).await.status, 200);
    assert_eq!(send(&desk, "shop-ca", &notice("C-9", KEY)).await.status, 200);
    let after = desk.get("/v1/refunds/C-1").await.body;
    assert_eq!(
        (&after["polls"], &after["version"], &after["due_at"]),
        (&before["polls"], &before["version"], &before["due_at"])
    );
    let log = desk.shop.log(0);
    assert!(log.contains("security=true") && log.contains("without a valid signature"), "{log}");
    let metrics = desk.get("/metrics").await.text;
    for (result, account, count) in
        [("forged", "shop-ca", 2), ("unreadable", "shop-ca", 1), ("unknown", "shop-pair", 1)]
    {
        let sample =
            format!("refund_notices_total{{account=\"{account}\",result=\"{result}\"}} {count}");
        assert!(metrics.contains(&sample), "{sample} is not in:\n{metrics}");
    }
}
