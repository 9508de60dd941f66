//! iOnline Pay's requests and answers against the page's tables, and against every kind of bad
//! answer.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::wire;
use super::*;
use crate::domain::evidence::{Verdict, judge};
use crate::domain::refund::OrderRef;
use crate::domain::refund::tests::refund;
use crate::domain::{AmountCents, GatewayName};
use crate::gateways::sign::{self, Params};
use crate::ports::Certainty;

const KEY: &str = "192006250b4c09247ec02edce69f6a2d"; // the family's public example key

fn settings() -> Settings {
    Settings::new(
        GatewayName::parse("ionlinepay").unwrap(),
        "https://pay.ionlinepay.com/gateway/",
        "100520000116",
        KEY.into(),
    )
}

fn refund_r1() -> Refund {
    let order = OrderRef::new(
        Some(GatewayOrderNo::parse("T1").unwrap()),
        Some(OrderNo::parse("O1").unwrap()),
        Some(AmountCents::new(900).unwrap()),
    );
    Refund { order: order.unwrap(), reason: Some("late & cold".to_owned()), ..refund("R1", 500) }
}

/// The fields of an answer that was understood, as the page's table has them.
const HEAD: &[(&str, &str)] = &[
    ("version", "1.0"),
    ("charset", "UTF-8"),
    ("sign_type", "MD5"),
    ("status", "0"),
    ("result_code", "0"),
    ("mch_id", "100520000116"),
    ("nonce_str", "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"),
];

/// The fields of the order in a query's answer.
const ORDER: &[(&str, &str)] = &[
    ("transaction_id", "T1"),
    ("out_trade_no", "O1"),
    ("trade_channel", "WECHATPAY"),
    ("trade_type", "ionline.pay.weixin.native.intl"),
    ("body", "Tea"),
];

/// Joins lists of fields; a later one replaces an earlier one, an empty value removes it.
fn fields(lists: &[&[(&str, &str)]]) -> Params {
    let mut params = Params::new();
    for (name, value) in lists.iter().copied().flatten() {
        params.insert((*name).to_owned(), (*value).to_owned());
    }
    params.retain(|_, value| !value.is_empty());
    params
}

fn body(mut params: Params) -> Vec<u8> {
    let signature = sign::sign(&params, KEY);
    params.insert("sign".to_owned(), signature);
    serde_json::to_vec(&params).unwrap()
}

fn query_fields(lists: &[&[(&str, &str)]]) -> Result<QueryAnswer, GatewayError> {
    query(&body(fields(&[&[HEAD, ORDER], lists].concat())))
}

fn query(body: &[u8]) -> Result<QueryAnswer, GatewayError> {
    read_query(&settings(), &refund_r1(), body)
}

fn submit_fields(more: &[(&str, &str)]) -> Result<Acceptance, GatewayError> {
    read_submit(&settings(), &refund_r1(), &body(fields(&[HEAD, more])))
}

fn found(answer: Result<QueryAnswer, GatewayError>) -> Found {
    match answer.unwrap() {
        QueryAnswer::Found(found) => found,
        QueryAnswer::NotFound { note, .. } => panic!("not found: {note}"),
    }
}

const OUR_LINE: &[(&str, &str)] = &[
    ("refund_count", "1"),
    ("out_refund_no_0", "R1"),
    ("refund_id_0", "RID1"),
    ("refund_fee_0", "500"),
    ("refund_time_0", "20170520094130"),
    ("refund_status_0", "SUCCESS"),
    ("refund_reason_0", "late"),
];

#[test]
fn a_refund_carries_what_is_assumed_and_a_query_what_the_page_says() {
    let refund = refund_r1();
    let submit = wire::submit_params(&settings(), &refund);
    let expected = fields(&[&[
        ("service", "ionline.unified.trade.refund"),
        ("version", "1.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("mch_id", "100520000116"),
        ("out_trade_no", "O1"),
        ("transaction_id", "T1"),
        ("out_refund_no", "R1"),
        ("total_fee", "900"),
        ("refund_fee", "500"),
        ("op_user_id", "100520000116"),
    ]]);
    assert_eq!(submit, expected);
    let chosen = Settings { op_user_id: Some("clerk".to_owned()), send_reason: true, ..settings() };
    let chosen = wire::submit_params(&chosen, &refund);
    assert_eq!(chosen["op_user_id"], "clerk");
    assert_eq!(chosen["refund_reason"], "late & cold");
    let query = wire::query_params(&settings(), &refund);
    let expected = fields(&[&[
        ("service", "ionline.unified.trade.refundquery"),
        ("version", "1.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("mch_id", "100520000116"),
        ("out_refund_no", "R1"),
    ]]);
    assert_eq!(query, expected);
    let signed = wire::signed(query.clone(), &KEY.into()).unwrap();
    assert!(sign::verify(&signed, KEY));
    assert_eq!(signed["nonce_str"].len(), 32);
    let again = wire::signed(query, &KEY.into()).unwrap();
    assert_ne!(signed["nonce_str"], again["nonce_str"]);
}

#[test]
fn the_check_names_the_field_of_the_request_and_the_rule() {
    let text = |order: OrderRef| {
        let refund = Refund { order, ..refund_r1() };
        wire::check_submit(&settings(), &refund)
            .map_or_else(|err| err.to_string(), |()| "fine".to_owned())
    };
    let paid = AmountCents::new(900).ok();
    let by_gateway = |n| GatewayOrderNo::parse(&"T".repeat(n)).ok();
    let by_order = |n| OrderNo::parse(&"O".repeat(n)).ok();
    let order = |gateway, order, paid| OrderRef::new(gateway, order, paid).unwrap();
    assert_eq!(text(order(by_gateway(32), by_order(32), paid)), "fine");
    assert_eq!(
        text(order(by_gateway(33), None, paid)),
        "order.gateway_order_no must have 1 to 32 characters for this gateway, got 33"
    );
    assert!(text(order(None, by_order(33), paid)).starts_with("order.order_no must"));
    assert_eq!(
        text(order(by_gateway(1), None, None)),
        "order.paid_cents is needed by this gateway (total_fee)"
    );
}

#[test]
fn every_field_of_a_line_is_read() {
    let found = found(query_fields(&[OUR_LINE]));
    assert_eq!(found.grade, Grade::A);
    let expected = StatusLine {
        n: 0,
        refund_no: "R1".to_owned(),
        gateway_refund_no: crate::domain::GatewayRefundNo::parse("RID1").ok(),
        amount_cents: 500,
        word: StatusWord::Success,
        status: "SUCCESS".to_owned(),
        time: Some(UnixMillis::parse_rfc3339("2017-05-20T09:41:30+08:00").unwrap()),
        reason: Some("late".to_owned()),
    };
    assert_eq!(found.lines, [expected]);
}

#[test]
fn three_lines_out_of_order_with_the_pages_own_count_are_told_apart_by_number() {
    let lines: &[(&str, &str)] = &[
        ("refund_count", "e"),
        ("out_refund_no_7", "R1"),
        ("refund_fee_7", "500"),
        ("refund_status_7", "PROCESSING"),
        ("out_refund_no_2", "R3"),
        ("refund_fee_2", "100"),
        ("refund_status_2", "SUCCESS"),
        ("out_refund_no_0", "R2"),
        ("refund_fee_0", "300"),
        ("refund_status_0", "FAIL"),
        ("refund_status_info_0", "unknown to us"),
        ("refund_channel_0", "ORIGINAL"),
    ];
    let found = found(query_fields(&[lines]));
    let seen: Vec<_> = found
        .lines
        .iter()
        .map(|line| (line.n, line.refund_no.as_str(), line.status.as_str()))
        .collect();
    assert_eq!(seen, [(0, "R2", "FAIL"), (2, "R3", "SUCCESS"), (7, "R1", "PROCESSING")]);
    assert_eq!(judge(&refund_r1(), &found), Verdict::Processing);
}

#[test]
fn absence_is_not_concluded_from_an_answer_that_may_show_less_than_there_is() {
    let other: &[(&str, &str)] =
        &[("out_refund_no_0", "R2"), ("refund_fee_0", "300"), ("refund_status_0", "SUCCESS")];
    for count in ["e", "2", "", "-1"] {
        let err = query_fields(&[other, &[("refund_count", count)]]).unwrap_err();
        assert!(matches!(err, GatewayError::Ambiguous { .. }), "{count}: {err}");
    }
    for count in ["0", "1"] {
        let found = found(query_fields(&[other, &[("refund_count", count)]]));
        assert_eq!(judge(&refund_r1(), &found), Verdict::Absent);
    }
    let empty = found(query_fields(&[&[("refund_count", "0")]]));
    assert_eq!(judge(&refund_r1(), &empty), Verdict::Absent);
    for hidden in ["out_refund_no_$n", "out_refund_no_00", "out_refund_no_", "refund_status_1"] {
        let lines: &[(&str, &str)] = &[("refund_count", "1"), (hidden, "R1")];
        let err = query_fields(&[other, lines]).unwrap_err();
        assert!(matches!(err, GatewayError::Unreadable(_)), "{hidden}: {err}");
    }
}

#[test]
fn a_broken_line_counts_only_if_it_is_ours() {
    for broken in [("refund_fee_0", "5.00"), ("refund_fee_0", ""), ("refund_status_0", "")] {
        let err = query_fields(&[OUR_LINE, &[broken]]).unwrap_err();
        assert!(matches!(err, GatewayError::Unreadable(_)), "{broken:?}: {err}");
        let others: &[(&str, &str)] = &[("out_refund_no_0", "R2"), broken];
        let ours: &[(&str, &str)] = &[
            ("out_refund_no_1", "R1"),
            ("refund_fee_1", "500"),
            ("refund_status_1", "FAIL"),
            ("refund_time_1", "20170231000000"),
            ("refund_id_1", "with a space"),
        ];
        let found = found(query_fields(&[OUR_LINE, others, ours]));
        let [line] = found.lines.as_slice() else {
            panic!("one line: {found:?}");
        };
        assert_eq!((line.n, line.time, line.gateway_refund_no.clone()), (1, None, None));
        assert_eq!(judge(&refund_r1(), &found), Verdict::Failed);
    }
}

#[test]
fn a_flood_of_lines_is_refused() {
    let many = |n: usize| {
        let mut params = fields(&[HEAD, ORDER]);
        for i in 0..n {
            params.insert(format!("out_refund_no_{i}"), format!("X{i}"));
            params.insert(format!("refund_fee_{i}"), "1".to_owned());
            params.insert(format!("refund_status_{i}"), "SUCCESS".to_owned());
        }
        params.insert("refund_count".to_owned(), n.to_string());
        query(&body(params))
    };
    assert_eq!(found(many(1_000)).lines.len(), 1_000);
    assert!(matches!(many(1_001), Err(GatewayError::Unreadable(_))));
}

#[test]
fn numbers_and_strings_are_the_same_and_unknown_fields_are_signed_too() {
    let text =
        String::from_utf8(body(fields(&[HEAD, ORDER, OUR_LINE, &[("brand_new", "x")]]))).unwrap();
    let bare = text
        .replace("\"500\"", "500")
        .replace("\"refund_count\":\"1\"", "\"refund_count\":1")
        .replace("\"status\":\"0\"", "\"status\":0");
    assert_ne!(text, bare);
    assert_eq!(found(query(bare.as_bytes())), found(query(text.as_bytes())));
    let sign = text.split("\"sign\":\"").nth(1).unwrap().split('"').next().unwrap();
    let lower = text.replace(sign, &sign.to_ascii_lowercase());
    assert!(query(lower.as_bytes()).is_ok());
    for forged in [
        text.replace("\"x\"", "\"y\""),
        text.replace("R1", "R2"),
        text.replace("\"sign\"", "\"sing\""),
        text.replace("FAIL", "SUCCESS").replace("\"500\"", "\"501\""),
    ] {
        let err = query(forged.as_bytes()).unwrap_err();
        assert!(matches!(err, GatewayError::BadSignature(_)), "{forged}: {err}");
        let err = read_submit(&settings(), &refund_r1(), forged.as_bytes()).unwrap_err();
        assert!(matches!(err, GatewayError::BadSignature(_)), "{forged}: {err}");
    }
}

#[test]
fn a_status_other_than_zero_teaches_nothing_even_if_it_is_signed_and_says_much() {
    for status in ["1", "500", "00", "SUCCESS"] {
        let says: &[(&str, &str)] =
            &[("status", status), ("err_code", "REFUNDNOTEXIST"), ("message", "no such refund")];
        let err = query_fields(&[says]).unwrap_err();
        assert!(matches!(err, GatewayError::Ambiguous { .. }), "{err}");
        let err = submit_fields(&[says, &[("err_code", "PARAM_ERROR")]].concat()).unwrap_err();
        assert_eq!(err.certainty(), Certainty::Unknown);
    }
    assert!(matches!(
        query_fields(&[OUR_LINE, &[("status", "")]]),
        Err(GatewayError::Unreadable(_))
    ));
}

#[test]
fn an_answer_to_another_merchant_is_a_contradiction() {
    let err = query_fields(&[OUR_LINE, &[("mch_id", "2")]]).unwrap_err();
    assert!(matches!(err, GatewayError::Contradiction(_)), "{err}");
    let err = submit_fields(&[("mch_id", "2")]).unwrap_err();
    assert_eq!(err.certainty(), Certainty::Contradicted);
    let err = submit_fields(&[("mch_id", "")]).unwrap_err();
    assert_eq!(err.certainty(), Certainty::Unknown);
}

#[test]
fn a_taken_refund_must_echo_what_was_asked() {
    let same: &[(&str, &str)] = &[
        ("out_refund_no", "R1"),
        ("refund_fee", "500"),
        ("out_trade_no", "O1"),
        ("transaction_id", "T1"),
        ("refund_id", "RID1"),
    ];
    let taken = submit_fields(same).unwrap();
    assert_eq!(taken.gateway_refund_no.unwrap().as_str(), "RID1");
    assert!(submit_fields(&[]).is_ok());
    for other in [
        ("out_refund_no", "R2"),
        ("refund_fee", "501"),
        ("out_trade_no", "O2"),
        ("transaction_id", "T2"),
    ] {
        let err = submit_fields(&[same, &[other]].concat()).unwrap_err();
        assert_eq!(err.certainty(), Certainty::Contradicted, "{other:?}");
    }
    let err = submit_fields(&[("refund_fee", "5.00")]).unwrap_err();
    assert_eq!(err.certainty(), Certainty::Unknown);
    let err = submit_fields(&[("result_code", "")]).unwrap_err();
    assert_eq!(err.certainty(), Certainty::Unknown);
}

#[test]
fn every_listed_code_has_its_class_in_a_refund_and_in_a_query() {
    let put_off = [
        ("BIZERR_NEED_RETRY", 5_000),
        ("FREQUENCY_LIMITED", 60_000),
        ("INVALID_REQ_TOO_MUCH", 60_000),
        ("NOTENOUGH", 900_000),
    ];
    let unknown =
        ["SYSTEMERROR", "ERROR", "INVALID_REQUEST", "REFUND_FEE_MISMATCH", "REFUNDNOTEXIST"];
    let listed: BTreeSet<&str> = CODES.iter().map(|row| row.code).collect();
    assert_eq!(listed.len(), CODES.len(), "no code is listed twice");
    let unlisted = ["TRADE_STATE_ERROR", "systemerror", "REFUND_EXISTS", ""];
    for code in listed.iter().copied().chain(unlisted) {
        let says: &[(&str, &str)] =
            &[("result_code", "1"), ("err_code", code), ("err_msg", "because")];
        let certainty = submit_fields(says).unwrap_err().certainty();
        let wait = put_off.iter().find(|(name, _)| *name == code);
        let expected = if let Some((_, wait)) = wait {
            Certainty::NotSent { retry_after_ms: Some(*wait) }
        } else if unknown.contains(&code) || unlisted.contains(&code) {
            Certainty::Unknown
        } else {
            Certainty::Refused(Refusal {
                code: code.to_owned(),
                message: "because".to_owned(),
                grade: Grade::A,
            })
        };
        assert_eq!(certainty, expected, "{code}");
        match query_fields(&[says]) {
            Ok(QueryAnswer::NotFound { grade, note }) => {
                assert_eq!(code, "REFUNDNOTEXIST");
                assert_eq!((grade, note.as_str()), (Grade::A, "REFUNDNOTEXIST because"));
            }
            Ok(QueryAnswer::Found(found)) => panic!("{code}: {found:?}"),
            Err(err) => {
                assert_ne!(code, "REFUNDNOTEXIST");
                assert_eq!(err.retry_after_ms(), wait.map(|(_, wait)| *wait), "{code}");
                assert!(!matches!(err.certainty(), Certainty::Refused(_)), "{code}");
            }
        }
    }
}

/// Bodies that resemble an answer, and bodies that do not. None carries a right signature.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        "[a-z_]{0,8}",
        "(out_refund_no|refund_fee|refund_status|refund_id)_[0-9]{0,2}",
        Just("sign".to_owned()),
        Just("status".to_owned()),
        Just("result_code".to_owned()),
        Just("mch_id".to_owned()),
    ];
    let value = prop_oneof![
        Just("0".to_owned()),
        Just("\"R1\"".to_owned()),
        Just("\"SUCCESS\"".to_owned()),
        Just("\"100520000116\"".to_owned()),
        "\\PC{0,6}",
    ];
    let object = proptest::collection::vec((name, value), 0..10).prop_map(|pairs| {
        let fields: Vec<String> =
            pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), object]
}

proptest! {
    #[test]
    fn no_body_panics_and_none_without_the_key_proves_anything(body in any_body()) {
        prop_assert!(query(&body).is_err());
        let err = read_submit(&settings(), &refund_r1(), &body).unwrap_err();
        prop_assert_eq!(err.certainty(), Certainty::Unknown);
    }

    #[test]
    fn signed_lines_of_any_shape_never_panic_and_never_make_up_a_refund(
        lines in proptest::collection::vec(
            ("(out_refund_no|refund_fee|refund_status|refund_time)_[0-9]{1,11}", "[R0-9A-Z]{1,14}"),
            0..12,
        ),
    ) {
        let mut params = fields(&[HEAD, ORDER]);
        params.extend(lines.iter().cloned());
        if let Ok(QueryAnswer::Found(found)) = query(&body(params.clone())) {
            for line in &found.lines {
                prop_assert_eq!(&params[&format!("out_refund_no_{}", line.n)], &line.refund_no);
                prop_assert_eq!(&params[&format!("refund_status_{}", line.n)], &line.status);
            }
        }
    }
}
