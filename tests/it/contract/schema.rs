//! Enough of JSON Schema to hold a result against `docs/schemas/refund-result-v1.json`: the words
//! that file uses. A word that is not known here is a panic, so that nothing passes unlooked at.

use refundd::domain::UnixMillis;
use serde_json::Value;

/// Everything in which `value` breaks the schema of results.
pub(super) fn faults(value: &Value) -> Vec<String> {
    let root: Value =
        serde_json::from_str(include_str!("../../../docs/schemas/refund-result-v1.json")).unwrap();
    let mut faults = Vec::new();
    check(value, &root, &root, "result", &mut faults);
    faults
}

fn check(value: &Value, schema: &Value, root: &Value, at: &str, faults: &mut Vec<String>) {
    let passes = |schema: &Value| {
        let mut inner = Vec::new();
        check(value, schema, root, at, &mut inner);
        inner.is_empty()
    };
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        let obeyed = match word.as_str() {
            "$schema" | "title" | "description" | "$defs" | "properties" => true,
            "$ref" => {
                let path = rule.as_str().unwrap().trim_start_matches('#');
                passes(root.pointer(path).expect("a definition"))
            }
            "type" => is_a(value, rule.as_str().unwrap()),
            "const" => value == rule,
            "minimum" => value.as_u64().is_none_or(|n| n >= rule.as_u64().unwrap()),
            "maximum" => value.as_u64().is_none_or(|n| n <= rule.as_u64().unwrap()),
            "format" => has_format(value, rule.as_str().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| printable(text, rule)),
            "oneOf" => rule.as_array().unwrap().iter().filter(|one| passes(one)).count() == 1,
            "anyOf" => rule.as_array().unwrap().iter().any(passes),
            "required" => {
                let names = rule.as_array().unwrap();
                names.iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "additionalProperties" => {
                let known = |name: &String| schema["properties"].get(name).is_some();
                rule == &Value::Bool(true)
                    || value.as_object().is_none_or(|object| object.keys().all(known))
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(item, rule, root, &format!("{at}[{n}]"), faults);
                }
                true
            }
            other => panic!("the schema has grown: {other}"),
        };
        if !obeyed {
            faults.push(format!("{at} breaks {word} {rule}: {value}"));
        }
    }
    for (name, rule) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(inner) = value.get(name) {
            check(inner, rule, root, &format!("{at}.{name}"), faults);
        }
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        other => panic!("the schema has grown: type {other}"),
    }
}

fn has_format(value: &Value, format: &str) -> bool {
    match format {
        "date-time" => value.as_str().is_some_and(|text| UnixMillis::parse_rfc3339(text).is_ok()),
        "uint32" => value.as_u64().is_some_and(|n| u32::try_from(n).is_ok()),
        "uint64" => value.is_u64(),
        other => panic!("the schema has grown: format {other}"),
    }
}

/// The one pattern that the schema has.
fn printable(text: &str, pattern: &Value) -> bool {
    assert_eq!(pattern, "^[!-~]{1,64}$", "the schema has grown");
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[test]
fn the_check_of_the_schema_finds_what_is_wrong() {
    let good = serde_json::json!({
        "v": 1, "event_id": "R-1.1", "version": 1, "refund_no": "R-1", "outcome": "succeeded",
        "statuses": [{"n": 0, "amount_cents": 5, "status": "SUCCESS"}], "attempts": 1, "polls": 1,
        "order": {"order_no": "O-1"},
        "evidence": {"grade": "A", "source": "query", "at": "2026-11-22T00:00:00Z"},
    });
    assert_eq!(faults(&good), Vec::<String>::new());
    for (pointer, bad) in [
        ("/v", Value::from(2)),
        ("/version", Value::from(0)),
        ("/outcome", Value::from("paid")),
        ("/polls", Value::from(-1)),
        ("/statuses/0/n", Value::from("0")),
        ("/order/order_no", Value::from("")),
        ("/order", serde_json::json!({})),
        ("/evidence/at", Value::from("yesterday")),
        ("/evidence", serde_json::json!({"grade": "A", "source": "query", "at": "x", "by": 1})),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = bad;
        assert!(!faults(&wrong).is_empty(), "{pointer}");
    }
}
