//! `POST /v1/refunds`, and the ways to look.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, with};
use crate::support::service::request;
use crate::support::wait_within;

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_came_over_http_is_stored_at_202_and_paid_once() {
    let desk = Desk::open().await;
    let refund = request("H-1", "shop-ca");
    let first = desk.push(&refund).await;
    assert_eq!((first.status, first.kind.as_str()), (202, "application/json"));
    assert_eq!(first.body, json!({"refund_no": "H-1", "result": "admitted"}));
    assert_eq!(first.headers["location"], "/v1/refunds/H-1");
    let stored: Option<Vec<u8>> = desk.shop.redis.cmd(&["HGET", "{refunds}:refunds", "H-1"]);
    assert!(stored.is_some(), "it was stored before it was confirmed");
    let again = desk.push(&refund).await;
    assert_eq!((again.status, &again.body["result"]), (200, &json!("duplicate")));
    // A push onto the stream is the same request.
    desk.shop.push(&refund);
    let result = desk.shop.results(1).await.remove(0);
    assert_eq!((result.refund_no.as_str(), result.attempts), ("H-1", 1));
    let seen = desk.reaches("H-1", "settled").await;
    assert_eq!((&seen["outcome"], &seen["amount_cents"]), (&json!("succeeded"), &json!(500)));
    assert_eq!(desk.shop.book().effects("H-1"), 1);
    assert_eq!(desk.push(&refund).await.status, 200, "known after its end too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_leads_to_no_refund_is_told_by_field_and_rule_and_published_nowhere() {
    let desk = Desk::open().await;
    desk.push(&request("H-1", "shop-ca")).await;
    let over = json!({"gateway_order_no": "P-H-1", "order_no": "O-H-1", "paid_cents": 10_000});
    let mut too_much = with("H-2", "order", over);
    too_much["amount_cents"] = json!(9_501);
    for (body, expected) in [
        (with("H-1", "amount_cents", json!(501)), (409, "conflict", "refund_no")),
        (with("H-2", "amount_cents", json!(12.5)), (422, "invalid", "amount_cents")),
        (with("H-2", "account", json!("shop-cb")), (422, "unknown_account", "account")),
        (with("H-2", "currency", json!("HKD")), (422, "invalid", "currency")),
        (with("H-2", "amount", json!(1)), (422, "invalid", "amount")),
        (with("H 2", "v", json!(1)), (422, "invalid", "refund_no")),
        (too_much, (422, "over_refund", "amount_cents")),
        (json!([1]), (422, "invalid", "request")),
    ] {
        let seen = desk.push(&body).await;
        assert_eq!(seen.problem(), expected, "{body}");
        let rule = seen.body["rule"].as_str().unwrap();
        assert_eq!(seen.body["detail"], format!("{} {rule}", expected.2));
    }
    let large = with("H-2", "metadata", json!({"x": "y".repeat(70_000)}));
    assert_eq!(desk.push(&large).await.problem(), (413, "too_large", "request"));
    let plain = [("content-type", "text/plain")];
    let body = request("H-2", "shop-ca").to_string();
    let seen = desk.ask(Method::POST, "/v1/refunds", &plain, &body).await;
    assert_eq!(seen.problem(), (415, "not_json", ""));
    desk.reaches("H-1", "settled").await;
    assert_eq!(desk.shop.results_now().len(), 1, "the one that was paid");
    let quarantined: u64 = desk.shop.redis.cmd(&["XLEN", "{refunds}:quarantine"]);
    assert_eq!(quarantined, 0);
    assert_eq!(desk.get("/v1/refunds/H-2").await.problem(), (404, "not_found", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ledger_is_away_the_caller_is_asked_to_come_back_and_then_it_is_taken() {
    let mut desk = Desk::open().await;
    let refund = request("H-1", "shop-ca");
    desk.shop.redis.kill();
    let away = desk.push(&refund).await;
    assert_eq!(away.problem(), (503, "unavailable", ""));
    assert_eq!(away.retry_after.as_deref(), Some("2"));
    assert_eq!(desk.get("/v1/refunds/H-1").await.problem().0, 503);
    desk.shop.redis.restart();
    wait_within(Duration::from_secs(30), "the ledger to be back", async || {
        let seen = desk.push(&refund).await;
        assert!([200, 202, 503].contains(&seen.status), "{seen:?}");
        (seen.status != 503).then_some(())
    })
    .await;
    desk.reaches("H-1", "settled").await;
    assert_eq!(desk.shop.book().effects("H-1"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_and_read_page_by_page() {
    let desk = Desk::with(|toml| toml.replace("concurrency = 32", "concurrency = 1")).await;
    desk.post("/v1/pause", &json!({"reason": "counting"})).await;
    for n in 0..600 {
        desk.shop.push(&request(&format!("L-{n}"), "shop-ca"));
    }
    assert_eq!(desk.push(&request("OTHER", "shop-hk")).await.status, 202);
    crate::support::wait_until("all to be taken in", async || {
        let stored: u64 = desk.shop.redis.cmd(&["HLEN", "{refunds}:refunds"]);
        (stored == 601).then_some(())
    })
    .await;
    let (mut cursor, mut found, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = desk.get(&format!("/v1/refunds?account=shop-ca&limit=200{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let refunds = page.body["refunds"].as_array().unwrap();
        assert!(refunds.iter().all(|refund| refund["account"] == "shop-ca"));
        found.extend(refunds.iter().map(|refund| refund["refund_no"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page.body["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    found.sort();
    found.dedup();
    assert_eq!((found.len(), pages > 1), (600, true));
    let none = desk.get("/v1/refunds?state=parked&before=2020-01-01T00:00:00Z").await;
    assert_eq!((&none.body["refunds"], &none.body["cursor"]), (&json!([]), &Value::Null));
    for (query, field) in [("state=lost", "state"), ("limit=9999", "limit"), ("page=1", "page")] {
        let seen = desk.get(&format!("/v1/refunds?{query}")).await;
        assert_eq!(seen.problem(), (422, "invalid", field));
    }
    assert_eq!(desk.get("/v1/refunds/R%20X").await.problem(), (422, "invalid", "refund_no"));
}
