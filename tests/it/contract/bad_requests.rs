//! Requests that lead to no refund: each is answered as documented, and the next good one settles.

use serde_json::{Value, json};

use super::{Fields, add, assert_all_taken_in, entries, results_of, schema};
use crate::support::service::{Shop, gateway, request};

/// What becomes of a bad request.
enum Fate {
    /// Kept with this in its reason; nobody can be told.
    Quarantined(&'static str),
    /// Kept, and its producer is told by a result: number and message.
    QuarantinedAndTold(&'static str, &'static str),
    /// Only told: number, code and message.
    Rejected(&'static str, &'static str, &'static str),
}
use Fate::{Quarantined, QuarantinedAndTold, Rejected};

/// One bad entry of the requests stream.
struct Bad {
    what: &'static str,
    fields: Fields,
    fate: Fate,
}

fn bad(what: &'static str, request: impl Into<Vec<u8>>, fate: Fate) -> Bad {
    Bad { what, fields: vec![(b"request".to_vec(), request.into())], fate }
}

fn entry(what: &'static str, fields: &[(&str, &str)], fate: Fate) -> Bad {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Bad { what, fields: fields.iter().map(|(k, v)| (bytes(k), bytes(v))).collect(), fate }
}

/// A request in which one field is another one.
fn with(refund_no: &str, field: &str, value: Value) -> String {
    let mut request = request(refund_no, "shop-ca");
    request[field] = value;
    request.to_string()
}

fn unreadable() -> Vec<Bad> {
    let good = request("R-entry", "shop-ca").to_string();
    let long = "R123456789012345678901234567890";
    let mut raw = request("R-raw", "shop-ca").to_string().into_bytes();
    raw.splice(10..10, *b"\xff\xfe");
    let field = "push with: XADD <namespace>:requests * request '<JSON>'";
    vec![
        bad("not JSON", "refund 5 CAD please", Quarantined("request must be JSON")),
        bad("no object", "[1]", Quarantined("request must be a JSON object, got an array")),
        bad("31 characters", with(long, "v", json!(1)), Quarantined("refund_no must be 1 to 30")),
        bad("no number", r#"{"v":1}"#, Quarantined("refund_no is missing")),
        bad("not UTF-8", raw, Quarantined("request must be UTF-8, is not from byte 10 on")),
        bad("nothing", "", Quarantined("request must be a JSON object, got nothing")),
        bad("bottomless", "[".repeat(60_000), Quarantined("request must be JSON")),
        bad(
            "over 1 MiB",
            vec![b' '; 1_100_000],
            Quarantined("request must be at most 65536 bytes"),
        ),
        entry("another field", &[("refund", &good)], Quarantined(field)),
        entry("two fields", &[("request", &good), ("source", "pos")], Quarantined(field)),
        entry("the field twice", &[("request", &good), ("request", &good)], Quarantined(field)),
    ]
}

fn invalid() -> Vec<Bad> {
    let told = QuarantinedAndTold;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(120), "}".repeat(120));
    let with_raw = |refund_no: &str, field: &str, raw: &str| {
        with(refund_no, field, json!("RAW")).replace("\"RAW\"", raw)
    };
    let twice = request("R-twice", "shop-ca").to_string();
    let twice = twice.replace("\"v\":1", "\"v\":1,\"amount_cents\":1");
    let integer = "amount_cents must be an integer in minor units, got 5.5";
    let positive = "amount_cents must be an integer from 1 to 999999999999 in minor units, got";
    let over = "amount_cents must be at most order.paid_cents, 10000, got 10001";
    vec![
        bad(
            "unknown field",
            with("R-unknown", "amount", json!(5)),
            told("R-unknown", "amount is not a known field, did you mean amount_cents?"),
        ),
        bad("fraction", with("R-float", "amount_cents", json!(5.5)), told("R-float", integer)),
        bad("negative", with("R-minus", "amount_cents", json!(-5)), told("R-minus", positive)),
        bad("zero", with("R-zero", "amount_cents", json!(0)), told("R-zero", positive)),
        bad("v2", with("R-v2", "v", json!(2)), told("R-v2", "v must be 1, got 2")),
        bad("duplicate keys", twice, told("R-twice", "amount_cents is written twice")),
        bad("over paid", with("R-over", "amount_cents", json!(10_001)), told("R-over", over)),
        bad(
            "deep",
            with_raw("R-deep", "metadata", &deep),
            told("R-deep", "metadata must be JSON without repeated keys, at most 100 levels deep"),
        ),
        bad(
            "70 KiB",
            with("R-large", "reason", json!("x".repeat(70 * 1024))),
            told("R-large", "request must be at most 65536 bytes, got 71"),
        ),
        bad(
            "unknown account",
            with("R-nobody", "account", json!("shop-us")),
            Rejected("R-nobody", "unknown_account", "account must be one of shop-ca, shop-hk"),
        ),
        bad(
            "wrong currency",
            with("R-money", "currency", json!("HKD")),
            Rejected("R-money", "invalid", "currency must be CAD"),
        ),
    ]
}

fn assert_fate(shop: &Shop, bad: &Bad, id: &str, quarantine: &[(String, Fields)]) {
    let what = bad.what;
    let kept = quarantine.iter().find(|(_, kept)| kept[0] == (b"entry".to_vec(), id.into()));
    let assert_kept = |expected: &str| {
        let (_, kept) = kept.unwrap_or_else(|| panic!("{what} is not in the quarantine"));
        let reason = String::from_utf8(kept[1].1.clone()).unwrap();
        assert!(kept[1].0 == b"reason" && reason.contains(expected), "{what}: {reason}");
        let pair = |(name, value): &(Vec<u8>, Vec<u8>)| {
            [(b"field".to_vec(), name.clone()), (b"value".to_vec(), value.clone())]
        };
        let raw: Fields = bad.fields.iter().flat_map(pair).collect();
        assert!(kept[3..] == raw, "{what}: the raw bytes are kept");
    };
    let assert_told = |refund_no: &str, code: Option<&str>, expected: &str| {
        let results = results_of(shop, refund_no);
        assert_eq!(results.len(), 1, "{what}: one result");
        let result = &results[0];
        assert_eq!(schema::faults(result), Vec::<String>::new(), "{what}");
        assert_eq!(result["outcome"], "rejected", "{what}");
        assert_eq!(result["event_id"], format!("{refund_no}.rejected.{id}"), "{what}");
        assert!(result["message"].as_str().unwrap().starts_with(expected), "{what}: {result}");
        assert!(code.is_none_or(|code| result["code"] == code), "{what}: {result}");
        assert_eq!(shop.book().effects(refund_no), 0, "{what}");
    };
    match bad.fate {
        Quarantined(reason) => assert_kept(reason),
        QuarantinedAndTold(refund_no, message) => {
            assert_kept(message);
            assert_told(refund_no, None, message);
        }
        Rejected(refund_no, code, message) => {
            assert!(kept.is_none(), "{what} could be read, nothing is to be kept");
            assert_told(refund_no, Some(code), message);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_is_answered_as_documented_and_the_next_good_one_settles() {
    let mut shop = Shop::open(gateway()).await;
    shop.run();
    let table: Vec<Bad> = unreadable().into_iter().chain(invalid()).collect();
    let mut ids = Vec::new();
    for (n, bad) in table.iter().enumerate() {
        let fields: Vec<(&[u8], &[u8])> =
            bad.fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        ids.push(add(&shop, &fields));
        shop.push(&request(&format!("R-good-{n}"), "shop-ca"));
    }
    let told = table.iter().filter(|bad| !matches!(bad.fate, Quarantined(_))).count();
    shop.results(table.len() + told).await;
    assert_all_taken_in(&shop).await;
    let quarantine = entries(&shop, "quarantine");
    for (bad, id) in table.iter().zip(&ids) {
        assert_fate(&shop, bad, id, &quarantine);
    }
    for (n, bad) in table.iter().enumerate() {
        let good = results_of(&shop, &format!("R-good-{n}"));
        assert_eq!(good.len(), 1, "the good request after {}", bad.what);
        assert_eq!(good[0]["outcome"], "succeeded", "after {}", bad.what);
    }
    assert_eq!(shop.results_now().len(), table.len() + told, "nothing else was published");
    assert_eq!(quarantine.len(), table.len() - 2, "nothing else was kept");
    assert_eq!(shop.book().violations, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_pushed_twice_is_one_refund_and_with_other_content_a_conflict() {
    let mut shop = Shop::open(gateway()).await;
    shop.run();
    let first = request("R-1", "shop-ca");
    // The same content, spelt another way.
    let again = serde_json::to_string_pretty(&first).unwrap();
    let other = with("R-1", "amount_cents", json!(499));
    shop.push(&first);
    shop.push_raw(&again);
    let id = add(&shop, &[(b"request", other.as_bytes())]);
    shop.push(&request("R-2", "shop-ca"));
    shop.results(3).await;
    assert_all_taken_in(&shop).await;
    // After it has settled as well.
    shop.push_raw(&again);
    shop.push(&request("R-3", "shop-ca"));
    let results = shop.results(4).await;
    assert_all_taken_in(&shop).await;
    assert_eq!(results.len(), 4);
    let of_first = results_of(&shop, "R-1");
    let (rejected, settled): (Vec<_>, Vec<_>) =
        of_first.iter().partition(|result| result["outcome"] == "rejected");
    assert_eq!((rejected.len(), settled.len()), (1, 1));
    assert_eq!(
        (&rejected[0]["code"], &rejected[0]["amount_cents"]),
        (&json!("conflict"), &json!(499))
    );
    assert_eq!(rejected[0]["event_id"], format!("R-1.rejected.{id}"));
    let message = rejected[0]["message"].as_str().unwrap();
    assert!(message.starts_with("refund_no must be a new one"), "{message}");
    assert_eq!(
        (&settled[0]["outcome"], &settled[0]["amount_cents"]),
        (&json!("succeeded"), &json!(500))
    );
    let book = shop.book();
    let paid = book.refund("R-1").unwrap();
    assert_eq!((paid.effects, paid.submits, paid.paid_out_cents), (1, 1, 500));
    assert_eq!(entries(&shop, "quarantine").len(), 0);
}
