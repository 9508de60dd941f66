//! The request of a stream entry.

use std::collections::BTreeMap;

use refundd::contract::{Invalid, Rejection, RequestError, parse, rejected};
use refundd::domain::{Refund, UnixMillis};
use refundd::ports::ledger::EntryId;
use serde_json::Value;
use serde_json::value::RawValue;

use super::engine::Target;
use super::engine::mutate::mutated;

/// Longest reason of a rejection, characters: it goes into a log line and into a result.
const FAULT_MAX: usize = 600;

fn corpus() -> Vec<Vec<u8>> {
    let small = r#"{"v":1,"refund_no":"R1","account":"shop","amount_cents":500,"currency":"CAD","order":{"order_no":"A-7"}}"#;
    let full = r#"{
  "v": 1, "refund_no": "R20261122-0001", "account": "shop-ca", "amount_cents": 12345,
  "currency": "CAD",
  "order": {"gateway_order_no": "U0018", "order_no": "A-7", "paid_cents": 20000},
  "reason": "late \u0026 cold \ud83c\udf75", "client_ip": "2001:db8::1", "device": "WEB",
  "requested_at": "2026-11-22T09:30:00.25+00:00", "not_before": "2026-11-23T00:00:00Z",
  "metadata": {"ticket": 1.50, "tags": ["a", null, {"deep": [[]]}], "e": 1e2}
}"#;
    let nothing_optional = r#"{"metadata":null,"reason":null,"order":{"gateway_order_no":"T1","paid_cents":null},"currency":"JPY","amount_cents":999999999999,"account":"a","refund_no":"123456789012345678901234567890","v":1}"#;
    [small, full, nothing_optional].map(|text| text.as_bytes().to_vec()).into()
}

#[test]
fn fuzz_of_a_request_gives_a_legal_refund_or_a_short_reason() {
    let corpus = corpus();
    for good in &corpus {
        parse(good).unwrap_or_else(|err| panic!("{err}"));
    }
    let target = Target { name: "request", cases: 3_000, memory_per_byte: 8, memory_more: 16_384 };
    target.run(
        |dice| mutated(dice, &corpus),
        parse,
        |bytes, read| {
            match &read {
                Ok(refund) => is_what_the_bytes_say(bytes, refund),
                Err(err) => is_told(err),
            }
            read.is_ok()
        },
    );
}

/// Holds a refund against another reader of the same bytes.
fn is_what_the_bytes_say(bytes: &[u8], refund: &Refund) {
    let raw: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes).unwrap();
    let amount: u64 = raw["amount_cents"].get().parse().unwrap();
    let text = |name: &str| serde_json::from_str::<String>(raw[name].get()).unwrap();
    assert_eq!(refund.amount.get(), amount);
    assert_eq!(refund.refund_no.as_str(), text("refund_no"));
    assert_eq!(refund.account.as_str(), text("account"));
    assert_eq!(refund.currency.as_str(), text("currency"));
    assert!(refund.order.paid.is_none_or(|paid| refund.amount <= paid));
    assert!(refund.order.order_no().is_some() || refund.order.gateway_order_no().is_some());
    let metadata = raw.get("metadata").map(|raw| raw.get()).filter(|raw| *raw != "null");
    assert_eq!(refund.metadata.as_deref(), metadata);
}

/// Holds the reason of a refusal to what its readers rely on: a log line, a result of legal JSON.
fn is_told(err: &RequestError) {
    let text = err.to_string();
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    assert!(text.chars().count() <= FAULT_MAX, "{} characters: {text}", text.len());
    if let RequestError::Invalid(invalid) = err {
        is_published(invalid);
    }
}

fn is_published(invalid: &Invalid) {
    let rejection = Rejection::of(invalid, EntryId("1-1".to_owned()));
    let result = rejected(&rejection, UnixMillis::new(1_700_000_000_000));
    let json: Value = serde_json::from_str(&result.json).unwrap();
    assert_eq!(json["refund_no"], invalid.refund_no.as_str());
    assert_eq!(json["outcome"], "rejected");
}
