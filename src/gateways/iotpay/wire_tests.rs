//! IOTPay's requests and answers against the page's sample, and against every kind of bad answer.

use proptest::prelude::*;

use super::*;
use crate::domain::refund::tests::refund;
use crate::domain::{GatewayName, GatewayOrderNo, OrderNo, refund::OrderRef};
use crate::gateways::codes::CodeRow;
use crate::ports::Certainty;

const KEY: &str = "192006250b4c09247ec02edce69f6a2d"; // the family's public example key

fn settings() -> Settings {
    Settings::new(
        GatewayName::parse("iotpay").unwrap(),
        "https://api.iotpaycloud.com",
        "10000576",
        "vincent",
        KEY.into(),
    )
}

/// The refund of the page's Note.
fn sample() -> Refund {
    let order = GatewayOrderNo::parse("U00180918065500913991007022").unwrap();
    Refund {
        order: OrderRef::new(Some(order), None, None).unwrap(),
        device: Some(String::new()),
        ..refund("1537224899791", 1)
    }
}

fn params_of(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// A body without a signature.
fn unsigned(pairs: &[(&str, &str)]) -> Vec<u8> {
    serde_json::to_vec(&params_of(pairs)).unwrap()
}

/// A body with a right signature.
fn signed(pairs: &[(&str, &str)]) -> Vec<u8> {
    signed_json(params_of(pairs), &KEY.into()).unwrap().into_bytes()
}

fn submit(body: &[u8]) -> Result<Acceptance, GatewayError> {
    read_submit(&settings(), &sample(), body)
}

fn query(body: &[u8]) -> Result<QueryAnswer, GatewayError> {
    read_query(&settings(), &sample(), body)
}

fn certainty(body: &[u8]) -> Certainty {
    submit(body).unwrap_err().certainty()
}

const OK: [(&str, &str); 2] = [("retCode", "SUCCESS"), ("resCode", "SUCCESS")];

fn ok_with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    OK.iter().chain(more).copied().collect()
}

#[test]
fn the_sample_of_the_page_is_reproduced_but_for_what_is_empty_or_undocumented() {
    let params = submit_params(&settings(), &sample(), Some("24.80.45.254"));
    let text = signed_json(params, &KEY.into()).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"clientIp":"24.80.45.254","loginName":"vincent","mchId":"10000576","#,
            r#""mchRefundNo":"1537224899791","payOrderId":"U00180918065500913991007022","#,
            r#""refundAmount":"1","sign":"ABAA4894599333429D5F4F44808F8D2A"}"#
        )
    );
}

#[test]
fn device_and_currency_are_sent_only_when_there_is_a_reason_to() {
    let with_device = Refund { device: Some("WEB".to_owned()), ..sample() };
    let plain = submit_params(&settings(), &with_device, Some("1.2.3.4"));
    assert_eq!(plain.get("device").map(String::as_str), Some("WEB"));
    assert_eq!(plain.get("currency"), None);
    let with_currency = Settings { send_currency: true, ..settings() };
    let params = submit_params(&with_currency, &with_device, Some("1.2.3.4"));
    assert_eq!(params.get("currency").map(String::as_str), Some("CAD"));
}

#[test]
fn the_check_names_the_field_of_the_request_and_the_rule() {
    let text = |refund: &Refund, ip: Option<&str>| {
        check_submit(refund, ip).map_or_else(|err| err.to_string(), |()| "fine".to_owned())
    };
    let ip = Some("24.80.45.254");
    assert_eq!(text(&sample(), ip), "fine");
    let by_order = Refund {
        order: OrderRef::new(None, Some(OrderNo::parse("O1").unwrap()), None).unwrap(),
        ..sample()
    };
    assert_eq!(
        text(&by_order, ip),
        "order.gateway_order_no is needed by this gateway (payOrderId)"
    );
    assert!(text(&sample(), None).starts_with("client_ip is needed"));
    assert_eq!(
        text(&sample(), Some("2001:0db8:0000:0000:0000:ff00:0042:8329")),
        "client_ip must have 1 to 32 characters for this gateway, got 39"
    );
    let device = |n: usize| Refund { device: Some("D".repeat(n)), ..sample() };
    assert_eq!(text(&device(64), ip), "fine");
    assert!(text(&device(65), ip).starts_with("device must have 1 to 64"));
}

#[test]
fn both_codes_must_say_success_before_a_refund_counts_as_taken() {
    assert_eq!(submit(&unsigned(&OK)).unwrap().gateway_refund_no, None);
    let named = submit(&signed(&ok_with(&[("refundOrderId", "RF1")]))).unwrap();
    assert_eq!(named.gateway_refund_no.unwrap().as_str(), "RF1");
    for (ret, res) in [
        ("SUCCESS", ""),
        ("SUCCESS", "success"),
        ("SUCCESS", "FAIL"),
        ("FAIL", "SUCCESS"),
        ("0", "SUCCESS"),
        ("success", "SUCCESS"),
        ("", "SUCCESS"),
    ] {
        let body = signed(&[("retCode", ret), ("resCode", res)]);
        assert_eq!(certainty(&body), Certainty::Unknown, "{ret} {res}");
    }
}

#[test]
fn the_numeric_status_beside_success_decides() {
    for status in ["0", "1", "2"] {
        assert!(submit(&signed(&ok_with(&[("status", status)]))).is_ok());
    }
    let bare = br#"{"retCode":"SUCCESS","resCode":"SUCCESS","status":2}"#;
    assert!(submit(bare).is_ok());
    for status in ["4", "9", "SUCCESS", "-1", "02"] {
        let body = signed(&ok_with(&[("status", status)]));
        assert_eq!(certainty(&body), Certainty::Unknown, "{status}");
    }
    // 3 is a refusal only where the gateway is certified to mean it.
    let mut certified = settings();
    certified.status_map.insert("3".to_owned(), StatusWord::Failed);
    for (body, grade) in [
        (signed(&ok_with(&[("status", "3")])), Grade::A),
        (unsigned(&ok_with(&[("status", "3")])), Grade::B),
    ] {
        assert_eq!(certainty(&body), Certainty::Unknown);
        let refused = read_submit(&certified, &sample(), &body).unwrap_err().certainty();
        let Certainty::Refused(refusal) = refused else {
            panic!("status 3 is a refusal");
        };
        assert_eq!((refusal.code.as_str(), refusal.grade), ("status 3", grade));
    }
}

#[test]
fn every_listed_code_has_its_class_in_a_refund_and_says_nothing_in_a_query() {
    let not_executed = ["0011", "0012", "0013", "0014", "0015", "0112"];
    let ambiguous = ["0010", "0110", "0111", "0113", "0118"];
    let mut listed: Vec<&str> = CODES.iter().map(|row: &CodeRow| row.code).collect();
    listed.sort_unstable();
    let mut expected = [not_executed.as_slice(), &ambiguous].concat();
    expected.sort_unstable();
    assert_eq!(listed, expected, "each code stands in one of the two lists");
    for codes in [["FAIL", ""], ["SUCCESS", "FAIL"]] {
        let body = |code| {
            vec![
                ("retCode", codes[0]),
                ("resCode", codes[1]),
                ("errCode", code),
                ("errCodeDes", "because"),
                ("retMsg", "not this"),
            ]
        };
        for code in not_executed {
            for (body, grade) in
                [(unsigned(&body(code)), Grade::B), (signed(&body(code)), Grade::A)]
            {
                let refusal =
                    Refusal { code: code.to_owned(), message: "because".to_owned(), grade };
                assert_eq!(certainty(&body), Certainty::Refused(refusal));
            }
        }
        for code in ambiguous.into_iter().chain(["0119", "9999", "10", ""]) {
            assert_eq!(certainty(&signed(&body(code))), Certainty::Unknown, "{code}");
        }
        for code in listed.iter().filter(|code| **code != "0112") {
            let err = query(&signed(&body(code))).unwrap_err();
            assert!(matches!(err, GatewayError::Ambiguous { .. }), "{code}: {err}");
        }
    }
}

#[test]
fn words_without_a_code_refuse_nothing() {
    for text in ["signature error", "already refunded", "refund order exists", ""] {
        let body = signed(&[("retCode", "FAIL"), ("retMsg", text)]);
        assert_eq!(certainty(&body), Certainty::Unknown, "{text}");
    }
}

#[test]
fn an_echo_that_differs_is_a_contradiction_if_signed_and_else_teaches_nothing() {
    for (field, value) in
        [("mchRefundNo", "1537224899792"), ("refundAmount", "2"), ("mchId", "10000577")]
    {
        for more in [vec![], vec![("status", "3")]] {
            let mut pairs = ok_with(&[(field, value)]);
            pairs.extend(more);
            assert_eq!(certainty(&signed(&pairs)), Certainty::Contradicted, "{field}");
            assert_eq!(certainty(&unsigned(&pairs)), Certainty::Unknown, "{field}");
        }
    }
    let same =
        ok_with(&[("mchRefundNo", "1537224899791"), ("refundAmount", "1"), ("mchId", "10000576")]);
    assert!(submit(&signed(&same)).is_ok());
    let garbled = submit(&signed(&ok_with(&[("refundAmount", "1.00")]))).unwrap_err();
    assert!(matches!(garbled, GatewayError::Unreadable(_)), "{garbled}");
}

#[test]
fn a_signature_covers_every_field_received_in_either_case_and_by_exact_text() {
    let text = String::from_utf8(signed(&ok_with(&[("new", "x y"), ("empty", "")]))).unwrap();
    assert!(submit(text.as_bytes()).is_ok());
    let sign = text.split("\"sign\":\"").nth(1).unwrap().split('"').next().unwrap();
    let lower = text.replace(sign, &sign.to_ascii_lowercase());
    assert!(submit(lower.as_bytes()).is_ok());
    // A number is signed by its text, whether it stands in quotes or not; nulls may count or not.
    let number =
        String::from_utf8(signed(&ok_with(&[("rate", "1.50"), ("refundAmount", "1")]))).unwrap();
    let bare = number.replace("\"1.50\"", "1.50").replace("\"1\"", "1");
    assert!(submit(bare.as_bytes()).is_ok());
    let with_null = bare.replace('{', r#"{"gone":null,"#);
    assert!(submit(with_null.as_bytes()).is_ok());
    for forged in [
        text.replace("x y", "x z"),
        text.replace('{', r#"{"more":"1","#),
        bare.replace("1.50", "1.5"),
        text.replace(sign, "C380BEC2BFD727A4B6845133519F3AD6"),
        text.replace(sign, "no"),
    ] {
        let err = submit(forged.as_bytes()).unwrap_err();
        assert!(matches!(err, GatewayError::BadSignature(_)), "{forged}: {err}");
        let err = query(forged.as_bytes()).unwrap_err();
        assert!(matches!(err, GatewayError::BadSignature(_)), "{forged}: {err}");
    }
}

/// The answer to a query as assumed.
fn found(status: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("retCode", "SUCCESS"),
        ("mchId", "10000576"),
        ("mchRefundNo", "1537224899791"),
        ("refundAmount", "1"),
        ("refundOrderId", "RF1"),
        ("refundSuccTime", "1537224900123"),
        ("status", status),
    ]
}

#[test]
fn a_query_gives_one_line_with_the_status_as_spelt_and_as_mapped() {
    for (status, word) in [
        ("0", StatusWord::Processing),
        ("1", StatusWord::Processing),
        ("2", StatusWord::Success),
        ("3", StatusWord::FailedUnproven),
        ("4", StatusWord::Unlisted),
        ("SUCCESS", StatusWord::Unlisted),
    ] {
        for (body, grade) in
            [(signed(&found(status)), Grade::A), (unsigned(&found(status)), Grade::B)]
        {
            let QueryAnswer::Found(found) = query(&body).unwrap() else {
                panic!("found");
            };
            assert_eq!(found.grade, grade);
            let [line] = found.lines.as_slice() else {
                panic!("one line");
            };
            assert_eq!((line.word, line.status.as_str()), (word, status));
            assert_eq!((line.n, line.amount_cents), (0, 1));
            assert_eq!(line.refund_no, "1537224899791");
            assert_eq!(line.gateway_refund_no.as_ref().unwrap().as_str(), "RF1");
            assert_eq!(line.time, Some(UnixMillis::new(1_537_224_900_123)));
        }
    }
}

#[test]
fn a_query_answer_about_another_refund_or_about_none_is_no_information() {
    for missing in ["mchRefundNo", "refundAmount", "status", "retCode"] {
        let mut pairs = found("2");
        pairs.retain(|(name, _)| *name != missing);
        let err = query(&signed(&pairs)).unwrap_err();
        assert!(matches!(err, GatewayError::Unreadable(_)), "{missing}: {err}");
    }
    for (field, value) in [("mchRefundNo", "R2"), ("mchId", "1")] {
        let pairs: Vec<_> = found("2")
            .into_iter()
            .map(|(name, old)| (name, if name == field { value } else { old }))
            .collect();
        let err = query(&signed(&pairs)).unwrap_err();
        assert!(matches!(err, GatewayError::Contradiction(_)), "{err}");
        let err = query(&unsigned(&pairs)).unwrap_err();
        assert!(matches!(err, GatewayError::Ambiguous { .. }), "{err}");
    }
    let mut failed = found("2");
    failed.push(("resCode", "FAIL"));
    assert!(query(&signed(&failed)).is_err());
}

#[test]
fn absence_needs_a_listed_code_or_a_listed_text_without_a_code() {
    let absent = |pairs: &[(&str, &str)]| match query(&unsigned(pairs)) {
        Ok(QueryAnswer::NotFound { grade, note }) => {
            assert_eq!(grade, Grade::B, "{note}");
            true
        }
        Ok(QueryAnswer::Found(found)) => panic!("{found:?}"),
        Err(_) => false,
    };
    assert!(absent(&[("retCode", "FAIL"), ("errCode", "0112")]));
    assert!(absent(&[("retCode", "SUCCESS"), ("resCode", "FAIL"), ("errCode", "0112")]));
    assert!(absent(&[("retCode", "FAIL"), ("retMsg", " Refund order NOT found ")]));
    assert!(!absent(&[("retCode", "FAIL"), ("retMsg", "refund order not found yet")]));
    assert!(!absent(&[("retCode", "FAIL"), ("retMsg", "order not found")]));
    assert!(!absent(&[
        ("retCode", "FAIL"),
        ("errCode", "0010"),
        ("retMsg", "refund order not found"),
    ]));
    assert!(!absent(&[("retCode", "FAIL")]));
    let blank = Settings { not_found_texts: vec![String::new()], ..settings() };
    assert!(read_query(&blank, &sample(), &unsigned(&[("retCode", "FAIL")])).is_err());
    let body = signed(&[("retCode", "FAIL"), ("errCode", "0112")]);
    let Ok(QueryAnswer::NotFound { grade, .. }) = query(&body) else {
        panic!("absent");
    };
    assert_eq!(grade, Grade::A);
}

/// Bodies that resemble an answer, and bodies that do not. None carries a right signature.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        "[a-zA-Z_]{0,8}",
        Just("sign".to_owned()),
        Just("retCode".to_owned()),
        Just("resCode".to_owned()),
        Just("status".to_owned()),
        Just("mchRefundNo".to_owned()),
        Just("refundAmount".to_owned()),
    ];
    let value = prop_oneof![
        Just("\"SUCCESS\"".to_owned()),
        Just("\"1537224899791\"".to_owned()),
        Just("null".to_owned()),
        "-?[0-9]{1,20}",
        "\\PC{0,6}",
    ];
    let object = proptest::collection::vec((name, value), 0..8).prop_map(|pairs| {
        let fields: Vec<String> =
            pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), object]
}

proptest! {
    #[test]
    fn no_body_panics_and_none_without_the_key_proves_anything(body in any_body()) {
        match submit(&body) {
            Ok(_) => {
                let text = String::from_utf8(body.clone()).unwrap();
                prop_assert!(text.matches("SUCCESS").count() >= 2 && !text.contains("\"sign\":\""));
            }
            Err(err) => prop_assert_ne!(err.certainty(), Certainty::Contradicted),
        }
        match query(&body) {
            Ok(QueryAnswer::Found(found)) => prop_assert_eq!(found.grade, Grade::B),
            Ok(QueryAnswer::NotFound { grade, .. }) => prop_assert_eq!(grade, Grade::B),
            Err(_) => {}
        }
    }

    #[test]
    fn a_signed_answer_cut_short_anywhere_is_unreadable(cut in 0_usize..300) {
        let body = signed(&ok_with(&[("status", "2"), ("refundAmount", "1")]));
        let cut = cut.min(body.len() - 1);
        prop_assert!(matches!(submit(&body[..cut]), Err(GatewayError::Unreadable(_))));
        prop_assert!(matches!(query(&body[..cut]), Err(GatewayError::Unreadable(_))));
    }
}
