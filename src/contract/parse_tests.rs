//! Requests that are read, and every way in which one can break a rule.

use proptest::prelude::*;

use super::*;
use crate::contract::RequestV1;

/// A legal request with `change` made to its JSON text.
fn request(change: impl Fn(&str) -> String) -> String {
    change(
        r#"{"v":1,"refund_no":"R1","account":"shop","amount_cents":500,"currency":"CAD",
        "order":{"gateway_order_no":"P1","order_no":"A-7","paid_cents":1000},
        "reason":"broken","client_ip":"203.0.113.7","device":"WEB",
        "requested_at":"2026-11-22T09:30:00+08:00","not_before":"2026-11-23T00:00:00Z",
        "metadata":{"a": [1, 2.50]}}"#,
    )
}

fn with(from: &str, to: &str) -> String {
    let text = request(|text| text.replacen(from, to, 1));
    assert_ne!(text, request(str::to_owned), "{from} is not in the request");
    text
}

fn error(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_full_request_becomes_a_refund() {
    let refund = parse(request(str::to_owned).as_bytes()).unwrap();
    assert_eq!(refund.refund_no.as_str(), "R1");
    assert_eq!(refund.account.as_str(), "shop");
    assert_eq!(refund.amount.get(), 500);
    assert_eq!(refund.currency.as_str(), "CAD");
    assert_eq!(refund.order.gateway_order_no().unwrap().as_str(), "P1");
    assert_eq!(refund.order.order_no().unwrap().as_str(), "A-7");
    assert_eq!(refund.order.paid.unwrap().get(), 1000);
    assert_eq!(refund.reason.as_deref(), Some("broken"));
    assert_eq!(refund.client_ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(refund.device.as_deref(), Some("WEB"));
    let requested_at = refund.requested_at.unwrap().to_string();
    assert_eq!(requested_at, "2026-11-22T01:30:00.000Z");
    assert_eq!(refund.not_before.unwrap().to_string(), "2026-11-23T00:00:00.000Z");
    assert_eq!(refund.metadata.as_deref(), Some(r#"{"a": [1, 2.50]}"#));
}

/// What to change in a legal request, into what, and the error.
const BROKEN_RULES: &[(&str, &str, &str)] = &[
    (r#""v":1"#, r#""v":2"#, "v must be 1, got 2"),
    (r#""v":1"#, r#""v":"1""#, r#"v must be 1, got the string "1""#),
    (r#""v":1"#, r#""v":null"#, "v must be 1, got null"),
    (r#""v":1,"#, "", "v is missing"),
    (r#""account":"shop","#, "", "account is missing"),
    (r#""account":"shop""#, r#""account":7"#, "account must be a string, got 7"),
    (
        r#""account":"shop""#,
        r#""account":"Shop""#,
        r#"account must be 1 to 64 of a-z 0-9 _ -, got "Shop""#,
    ),
    (r#""amount_cents":500,"#, "", "amount_cents is missing"),
    ("500", "12.5", "amount_cents must be an integer in minor units, got 12.5"),
    ("500", "5e2", "amount_cents must be an integer in minor units, got 5e2"),
    ("500", "500.0", "amount_cents must be an integer in minor units, got 500.0"),
    ("500", "null", "amount_cents must be an integer in minor units, got null"),
    ("500", "[500]", "amount_cents must be an integer in minor units, got an array"),
    ("500", r#""500""#, r#"amount_cents must be an integer in minor units, got the string "500""#),
    ("500", "0", "amount_cents must be an integer from 1 to 999999999999 in minor units, got 0"),
    ("500", "-5", "amount_cents must be an integer from 1 to 999999999999 in minor units, got -5"),
    (
        "500",
        "99999999999999999999999",
        "amount_cents must be an integer from 1 to 999999999999 in minor units, \
             got 99999999999999999999999",
    ),
    ("500", "1001", "amount_cents must be at most order.paid_cents, 1000, got 1001"),
    (
        r#""CAD""#,
        r#""cad""#,
        r#"currency must be an ISO 4217 code of three capital letters A-Z, got "cad""#,
    ),
    (r#""reason":"broken""#, r#""reason":1"#, "reason must be a string, got 1"),
    (
        "203.0.113.7",
        "203.0.113",
        r#"client_ip must be an IPv4 or IPv6 address such as 203.0.113.7, got "203.0.113""#,
    ),
    (
        "2026-11-23T00:00:00Z",
        "tomorrow",
        r#"not_before must be an RFC 3339 time such as 2026-11-22T09:30:00Z, got "tomorrow""#,
    ),
    (r#"{"a": [1, 2.50]}"#, "[]", "metadata must be an object, got an array"),
    (
        r#"{"a": [1, 2.50]}"#,
        r#"{"a":1,"a":2}"#,
        "metadata must be JSON without repeated keys, at most 100 levels deep: \
             the key \"a\" is written twice at line 1 column 10",
    ),
    (r#""metadata":"#, r#""metdata":"#, "metdata is not a known field, did you mean metadata?"),
    (
        r#""device":"#,
        r#""Q\n":"#,
        "Q\\n is not a known field, known are v, refund_no, account, amount_cents, currency, \
             order, reason, client_ip, device, requested_at, not_before, metadata",
    ),
    (r#""device":"#, r#""reason":"#, "reason is written twice"),
    (
        r#""paid_cents":1000"#,
        r#""paid_cents":"x""#,
        "order.paid_cents must be an integer in minor units, got the string \"x\"",
    ),
    (
        r#""paid_cents":1000"#,
        r#""payed_cents":1000"#,
        "order.payed_cents is not a known field, did you mean order.paid_cents?",
    ),
    (r#""paid_cents":1000"#, r#""order_no":"B""#, "order.order_no is written twice"),
    (
        r#""gateway_order_no":"P1""#,
        r#""gateway_order_no":"P 1""#,
        "order.gateway_order_no must be 1 to 64 of printable ASCII without spaces, got \"P 1\"",
    ),
    (
        r#""gateway_order_no":"P1","order_no":"A-7","#,
        "",
        "order must have gateway_order_no, order_no or both",
    ),
];

#[test]
fn every_broken_rule_names_its_field_and_what_was_got() {
    let long = "R".repeat(31);
    for (from, to, expected) in BROKEN_RULES {
        let err = parse(with(from, to).as_bytes()).unwrap_err();
        assert_eq!(err.to_string(), *expected);
        assert_eq!(err.refund_no().map(RefundNo::as_str), Some("R1"), "{expected}");
    }
    let rule =
        format!("refund_no must be 1 to 30 of A-Z a-z 0-9 _ -, got \"{long}\" (31 characters)");
    assert_eq!(error(&with("R1", &long)), rule);
    assert_eq!(error(&with(r#""refund_no":"R1","#, "")), "refund_no is missing");
}

#[test]
fn lengths_are_counted_in_the_contracts_units() {
    let reason = |n| with("broken", &"é".repeat(n));
    assert!(parse(reason(127).as_bytes()).is_ok());
    assert!(error(&reason(128)).starts_with("reason must be at most 127 characters, got"));
    let device = |n| with("WEB", &"d".repeat(n));
    assert!(parse(device(64).as_bytes()).is_ok());
    assert!(error(&device(65)).starts_with("device must be at most 64 characters, got"));
    let metadata = |bytes: usize| {
        let text = format!(r#"{{"k":"{}"}}"#, "m".repeat(bytes - 8));
        assert_eq!(text.len(), bytes);
        with(r#"{"a": [1, 2.50]}"#, &text)
    };
    assert!(parse(metadata(4096).as_bytes()).is_ok());
    let over = error(&metadata(4097));
    assert_eq!(over, "metadata must be at most 4096 bytes, got 4097");
    assert!(parse(with("203.0.113.7", "2001:db8::7").as_bytes()).is_ok());
}

#[test]
fn times_are_rfc_3339_to_the_letter() {
    let at = |text: &str| parse(with("2026-11-23T00:00:00Z", text).as_bytes());
    for good in [
        "2026-11-23T00:00:00.123456789Z",
        "2026-11-23t00:00:00z",
        "2026-11-23 00:00:00-00:00",
        "2026-11-23T08:00:00.5+08:00",
    ] {
        assert!(at(good).is_ok(), "{good}: {:?}", at(good));
    }
    for bad in [
        "",
        "2026-11-23",
        "2026-11-23T00:00:00",
        "2026-11-23T00:00Z",
        "2026-13-23T00:00:00Z",
        "2026-11-23T00:00:00.Z",
        "2026-11-23T00:00:00,5Z",
        "2026-11-23T00:00:00+08",
        "2026-11-23T00:00:00+08:00[Asia/Hong_Kong]",
        "+002026-11-23T00:00:00Z",
        "1764806400",
    ] {
        assert!(at(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_json_object_goes_to_the_quarantine() {
    let table: [(&[u8], &str); 8] = [
        (b"", "request must be a JSON object, got nothing"),
        (b" \n", "request must be a JSON object, got nothing"),
        (b"{\"v\":\xff}", "request must be UTF-8, is not from byte 5 on"),
        (b"[1]", "request must be a JSON object, got an array"),
        (b"null", "request must be a JSON object, got null"),
        (b"hello", "request must be JSON: expected value at line 1 column 1"),
        (
            b"{\"v\":1,\n\"refund_no\":\"R1\"",
            "request must be JSON: EOF while parsing an object at line 2 column 16",
        ),
        (b"{}{}", "request must be JSON: trailing characters at line 1 column 3"),
    ];
    for (bytes, expected) in table {
        let err = parse(bytes).unwrap_err();
        assert_eq!(err.to_string(), expected);
        assert!(matches!(err, RequestError::Unreadable(_)), "{expected}");
    }
}

#[test]
fn a_number_written_twice_or_illegal_is_unreadable() {
    for (from, to) in [
        (r#""v":1"#, r#""refund_no":"R2""#),
        (r#""R1""#, "17"),
        (r#""R1""#, r#""R 1""#),
        (r#""R1""#, r#""\ud800""#),
    ] {
        let err = parse(with(from, to).as_bytes()).unwrap_err();
        assert!(matches!(err, RequestError::Unreadable(_)), "{err}");
    }
}

#[test]
fn a_large_request_is_refused_with_its_number_and_a_huge_one_without() {
    let padded = |len: usize| {
        let mut text = request(str::to_owned);
        text.push_str(&" ".repeat(len - text.len()));
        text
    };
    assert!(parse(padded(MAX_BYTES).as_bytes()).is_ok());
    let large = parse(padded(MAX_BYTES + 1).as_bytes()).unwrap_err();
    assert_eq!(large.to_string(), "request must be at most 65536 bytes, got 65537");
    assert_eq!(large.refund_no().unwrap().as_str(), "R1");
    let huge = parse(padded(MAX_BYTES_LOOKED_AT + 1).as_bytes()).unwrap_err();
    assert!(matches!(huge, RequestError::Unreadable(_)));
}

#[test]
fn bombs_of_brackets_are_refused_and_nothing_overflows() {
    let open = "[".repeat(32_000);
    let close = "]".repeat(32_000);
    for text in [
        open.clone(),
        format!("{open}{close}"),
        r#"{"a":"#.repeat(12_000),
        with(r#""order":{"#, &format!(r#""order":{open}{close},"x":{{"#)),
        with("[1, 2.50]", &format!("{}{}", "[".repeat(1_000), "]".repeat(1_000))),
    ] {
        assert!(parse(text.as_bytes()).is_err());
    }
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        with("[1, 2.50]", &format!("{open}{close}"))
    };
    assert!(parse(nested(METADATA_MAX_DEPTH).as_bytes()).is_ok());
    let deep = error(&nested(METADATA_MAX_DEPTH + 1));
    assert!(deep.contains("at most 100 levels deep: nested too deeply"), "{deep}");
}

#[test]
fn an_optional_field_may_be_null() {
    let text = r#"{"v":1,"refund_no":"R1","account":"shop","amount_cents":500,"currency":"CAD",
        "order":{"gateway_order_no":null,"order_no":"A","paid_cents":null},"reason":null,
        "client_ip":null,"device":null,"requested_at":null,"not_before":null,"metadata":null}"#;
    let refund = parse(text.as_bytes()).unwrap();
    assert_eq!((refund.reason, refund.metadata), (None, None));
    assert!(serde_json::from_str::<RequestV1>(text).is_ok());
}

#[test]
fn what_is_legal_of_an_invalid_request_is_kept_for_the_echo() {
    let text = with("\"CAD\"", "\"cad\"").replace("\"paid_cents\":1000", "\"paid\":1");
    let Err(RequestError::Invalid(invalid)) = parse(text.as_bytes()) else {
        panic!("the number is legal");
    };
    let kept = Readable {
        account: Some(AccountName::parse("shop").unwrap()),
        amount: Some(AmountCents::new(500).unwrap()),
        currency: None,
        order: None,
        metadata: Some(r#"{"a": [1, 2.50]}"#.to_owned()),
        requested_at: Some(UnixMillis::parse_rfc3339("2026-11-22T01:30:00Z").unwrap()),
    };
    assert_eq!(invalid.readable, kept);
    let twice = with(r#""v":1"#, r#""account":"other""#);
    let Err(RequestError::Invalid(invalid)) = parse(twice.as_bytes()) else {
        panic!("the number is legal");
    };
    assert_eq!(invalid.readable.account, None, "nobody can say which was meant");
}

#[test]
fn over_refund_has_a_code_of_its_own() {
    let code = |text: String| parse(text.as_bytes()).unwrap_err().fault().code;
    assert_eq!(code(with("500", "1001")), RejectCode::OverRefund);
    assert_eq!(code(with("500", "0")), RejectCode::Invalid);
}

/// What the type accepts and the parser refuses is a rule, never a shape: every shape error of the
/// type is one of the parser too.
#[test]
fn the_parser_accepts_nothing_that_the_type_refuses() {
    let base = request(str::to_owned);
    let value: serde_json::Value = serde_json::from_str(&base).unwrap();
    let names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    let odd = ["null", "1", "-1", "1.5", "true", "\"x\"", "[]", "{}", "{\"x\":1}"];
    for name in &names {
        for odd in odd {
            let mut changed = value.clone();
            changed[name] = serde_json::from_str(odd).unwrap();
            let text = changed.to_string();
            if parse(text.as_bytes()).is_ok() {
                let typed = serde_json::from_str::<RequestV1>(&text);
                assert!(typed.is_ok(), "{name} = {odd}: {typed:?}");
            }
        }
        let mut without = value.clone();
        without.as_object_mut().unwrap().remove(name);
        let text = without.to_string();
        let typed = serde_json::from_str::<RequestV1>(&text).is_ok();
        assert_eq!(parse(text.as_bytes()).is_ok(), typed, "without {name}");
    }
}

fn text(pattern: &str) -> impl Strategy<Value = Option<String>> + use<> {
    proptest::option::of(proptest::string::string_regex(pattern).unwrap())
}

fn any_order() -> impl Strategy<Value = (Option<String>, Option<String>, Option<u64>)> {
    (text("[!-~]{1,64}"), text("[!-~]{1,64}"), proptest::option::of(0_u64..1_000))
}

prop_compose! {
    fn any_refund()(
        refund_no in "[A-Za-z0-9_-]{1,30}",
        account in "[a-z0-9_-]{1,64}",
        amount in 1..=AmountCents::MAX - 1_000,
        currency in "[A-Z]{3}",
        (gateway_order_no, order_no, over) in any_order(),
        reason in text("\\PC{0,127}"),
        client_ip in proptest::option::of(any::<IpAddr>()),
        device in text("(?s).{0,64}"),
        times in (proptest::option::of(0_i64..253_402_300_799_999), proptest::option::of(0_i64..1)),
        metadata in text("\\{ *\"[a-z]{0,9}\" *: *(-?[1-9][0-9]{0,8}|\"[a-zé ]*\"|\\[\\]) *\\}"),
    ) -> Refund {
        let order_no = order_no.map(|no| OrderNo::parse(&no).unwrap());
        let gateway_order_no = match gateway_order_no {
            Some(no) => Some(GatewayOrderNo::parse(&no).unwrap()),
            None if order_no.is_none() => Some(GatewayOrderNo::parse("P1").unwrap()),
            None => None,
        };
        let paid = over.map(|over| AmountCents::new(amount + over).unwrap());
        Refund {
            refund_no: RefundNo::parse(&refund_no).unwrap(),
            account: AccountName::parse(&account).unwrap(),
            amount: AmountCents::new(amount).unwrap(),
            currency: Currency::parse(&currency).unwrap(),
            order: OrderRef::new(gateway_order_no, order_no, paid).unwrap(),
            reason,
            client_ip: client_ip.map(|ip| ip.to_string()),
            device,
            requested_at: times.0.map(UnixMillis::new),
            not_before: times.1.map(UnixMillis::new),
            metadata,
        }
    }
}

proptest! {
    #[test]
    fn any_legal_refund_survives_the_way_through_json(refund in any_refund()) {
        let json = RequestV1::of(&refund).to_json();
        prop_assert_eq!(parse(json.as_bytes()), Ok(refund));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_legal_request_with_any_bytes_in_it_never_panics(
        at in 0_usize..400,
        bytes in proptest::collection::vec(any::<u8>(), 1..9),
    ) {
        let mut text = request(str::to_owned).into_bytes();
        let at = at.min(text.len());
        let end = (at + bytes.len()).min(text.len());
        text.splice(at..end, bytes);
        if let Err(err) = parse(&text) {
            prop_assert!(!err.to_string().chars().any(char::is_control), "{}", err);
        }
    }
}
