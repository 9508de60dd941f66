//! The result entry of each outcome, field by field.

use std::collections::BTreeMap;

use refundd::domain::UnixMillis;
use refundd::sandbox::{Fault, On, Rule};
use serde_json::{Value, json};

use super::{add, assert_all_taken_in, results, schema};
use crate::support::service::{Shop, gateway, request};

/// Takes a field out of an object.
fn take(result: &mut Value, name: &str) -> Value {
    result.as_object_mut().unwrap().remove(name).unwrap_or_default()
}

/// Takes a time out; it must not lie before `not_before`.
fn take_time(result: &mut Value, name: &str, not_before: UnixMillis) -> UnixMillis {
    let at = take(result, name);
    let at = UnixMillis::parse_rfc3339(at.as_str().expect("a time")).expect("RFC 3339");
    assert!(at >= not_before, "{name} is too early");
    at
}

/// The request with everything that an order system may say.
fn full(refund_no: &str, account: &str) -> Value {
    let mut request = request(refund_no, account);
    request["reason"] = json!("returned goods");
    request["requested_at"] = json!("2026-11-22T09:30:00.5Z");
    request["metadata"] = json!({"cart": [1, "zwei"], "große": null});
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_each_outcome_has_the_fields_of_the_contract() {
    let mut settings = gateway();
    settings.faults.rules = vec![
        Rule::new(On::Submits, Fault::FailFinal).refund_no("R-failed"),
        Rule::new(On::Submits, Fault::Change).refund_no("R-parked"),
    ];
    let mut shop = Shop::open(settings).await;
    shop.run();
    let pushed = [
        full("R-succeeded", "shop-ca"),
        full("R-failed", "shop-hk"),
        full("R-parked", "shop-hk"),
        full("R-rejected", "shop-none"),
    ];
    let ids: Vec<String> = pushed
        .iter()
        .map(|request| add(&shop, &[(b"request", request.to_string().as_bytes())]))
        .collect();
    shop.results(4).await;
    let mut by_no: BTreeMap<String, Value> = BTreeMap::new();
    for entry in results(&shop) {
        let names: Vec<&str> = entry.keys().map(String::as_str).collect();
        assert_eq!(names, ["event_id", "outcome", "refund_no", "result"]);
        let result: Value = serde_json::from_str(&entry["result"]).unwrap();
        assert_eq!(schema::faults(&result), Vec::<String>::new());
        for name in ["event_id", "outcome", "refund_no"] {
            assert_eq!(result[name], entry[name].as_str(), "{name}");
        }
        let metadata = r#""metadata":{"cart":[1,"zwei"],"große":null}"#;
        assert!(entry["result"].contains(metadata), "not as it was sent: {}", entry["result"]);
        assert!(by_no.insert(entry["refund_no"].clone(), result).is_none());
    }
    succeeded(&shop, by_no.remove("R-succeeded").unwrap());
    failed(&shop, by_no.remove("R-failed").unwrap());
    parked(&shop, by_no.remove("R-parked").unwrap());
    rejected(by_no.remove("R-rejected").unwrap(), &ids[3]);
    assert!(by_no.is_empty(), "{by_no:?}");
    assert_all_taken_in(&shop).await;
}

/// Takes out what a result of a submitted refund echoes and measures, and checks it.
fn take_common(shop: &Shop, result: &mut Value, no: &str, account: &str, currency: &str) {
    let requested = take_time(result, "requested_at", UnixMillis::default());
    assert_eq!(requested, UnixMillis::parse_rfc3339("2026-11-22T09:30:00.500Z").unwrap());
    take_time(result, "submitted_at", UnixMillis::default());
    assert!(take(result, "polls").as_u64().unwrap() >= 2, "the first poll shows it processing");
    assert_eq!(take(result, "metadata"), json!({"cart": [1, "zwei"], "große": null}));
    let order = json!({
        "gateway_order_no": format!("P-{no}"), "order_no": format!("O-{no}"), "paid_cents": 10_000,
    });
    assert_eq!(take(result, "order"), order);
    assert_eq!(take(result, "account"), account);
    assert_eq!(
        (take(result, "amount_cents"), take(result, "currency")),
        (json!(500), json!(currency))
    );
    let book = shop.book();
    let known = &book.refund(no).expect("the gateway has it").gateway_refund_no;
    assert_eq!(take(result, "gateway_refund_no"), known.as_str());
    let mut line = take(result, "statuses")[0].take();
    assert_eq!(take(&mut line, "gateway_refund_no"), known.as_str());
    assert_eq!((take(&mut line, "n"), take(&mut line, "amount_cents")), (json!(0), json!(500)));
    result["status"] = take(&mut line, "status");
    for name in ["v", "version", "attempts"] {
        assert_eq!(take(result, name), 1, "{name}");
    }
}

/// Takes the evidence out, with its grade and source; it must not be older than the submit.
fn take_evidence(result: &mut Value) -> (Value, Value) {
    let mut evidence = take(result, "evidence");
    take_time(&mut evidence, "at", UnixMillis::default());
    (take(&mut evidence, "grade"), take(&mut evidence, "source"))
}

fn succeeded(shop: &Shop, mut result: Value) {
    let submitted = UnixMillis::parse_rfc3339(result["submitted_at"].as_str().unwrap()).unwrap();
    take_common(shop, &mut result, "R-succeeded", "shop-ca", "CAD");
    take_time(&mut result, "settled_at", submitted);
    assert_eq!(take_evidence(&mut result), (json!("A"), json!("query")));
    let rest = json!({
        "event_id": "R-succeeded.1.succeeded", "refund_no": "R-succeeded", "outcome": "succeeded",
        "gateway": "iotpay", "status": "2",
    });
    assert_eq!(result, rest, "neither more nor less");
    assert_eq!(shop.book().effects("R-succeeded"), 1);
}

fn failed(shop: &Shop, mut result: Value) {
    let submitted = UnixMillis::parse_rfc3339(result["submitted_at"].as_str().unwrap()).unwrap();
    take_common(shop, &mut result, "R-failed", "shop-hk", "HKD");
    take_time(&mut result, "settled_at", submitted);
    assert_eq!(take_evidence(&mut result), (json!("A"), json!("query")));
    let (code, status) = (take(&mut result, "code"), take(&mut result, "status"));
    assert_eq!(code, status, "the gateway gave no other code than the status");
    assert!(["FAIL", "FAILED", "REFUNDCLOSE"].contains(&status.as_str().unwrap()), "{status}");
    assert_eq!(take(&mut result, "message"), "the gateway failed it and gave no reason");
    let rest = json!({
        "event_id": "R-failed.1.failed", "refund_no": "R-failed", "outcome": "failed",
        "gateway": "ionlinepay",
    });
    assert_eq!(result, rest, "neither more nor less");
    assert_eq!(shop.book().effects("R-failed"), 0);
}

fn parked(shop: &Shop, mut result: Value) {
    take_common(shop, &mut result, "R-parked", "shop-hk", "HKD");
    assert_eq!(take_evidence(&mut result), (json!("A"), json!("query")));
    assert!(!take(&mut result, "message").as_str().unwrap().is_empty());
    let rest = json!({
        "event_id": "R-parked.1.parked", "refund_no": "R-parked", "outcome": "parked",
        "gateway": "ionlinepay", "code": "abnormal", "status": "CHANGE",
    });
    assert_eq!(result, rest, "neither more nor less; it has not settled");
}

fn rejected(mut result: Value, entry: &str) {
    take_time(&mut result, "requested_at", UnixMillis::default());
    assert_eq!(take_evidence(&mut result), (json!("C"), json!("refundd")));
    let message = "account must be one of shop-ca, shop-hk, shop-pair, got \"shop-none\"";
    let rest = json!({
        "v": 1, "version": 1, "event_id": format!("R-rejected.rejected.{entry}"),
        "refund_no": "R-rejected", "account": "shop-none", "outcome": "rejected",
        "amount_cents": 500, "currency": "HKD", "code": "unknown_account", "message": message,
        "order": {"gateway_order_no": "P-R-rejected", "order_no": "O-R-rejected", "paid_cents": 10_000},
        "metadata": {"cart": [1, "zwei"], "große": null},
        "statuses": [], "attempts": 0, "polls": 0,
    });
    assert_eq!(result, rest, "neither more nor less");
}
