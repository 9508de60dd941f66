//! Spoilt bodies of iOnline Pay: without the key nothing is decided, with the key nothing is decided
//! that the fields do not say.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a target names the verdicts that decide something; every other decides nothing"
)]

use super::answers::{read_query, read_submit};
use super::*;
use crate::domain::evidence::{Verdict, judge};
use crate::domain::refund::OrderRef;
use crate::domain::refund::tests::refund;
use crate::domain::{AmountCents, Grade, OrderNo};
use crate::fuzzing::Target;
use crate::gateways::fuzz_tests::{Honest, KEY, fields_of, forged, resigned, signed};
use crate::ports::Certainty;

fn settings() -> Settings {
    let url = "https://pay.ionlinepay.com/gateway/";
    Settings::new(GatewayName::parse("ionlinepay").unwrap(), url, "100520000116", KEY.into())
}

fn refund_r1() -> Refund {
    let paid = AmountCents::new(900).ok();
    let order = OrderRef::new(None, OrderNo::parse("O1").ok(), paid).unwrap();
    Refund { order, ..refund("R1", 500) }
}

/// What a query's answer has in front of its lines. The text of the order is a payer's attempt to
/// bring an answer of his own under the signature.
const HEAD: &[(&str, &str)] = &[
    ("status", "0"),
    ("result_code", "0"),
    ("mch_id", "100520000116"),
    ("nonce_str", "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"),
    ("out_trade_no", "O1"),
    ("trade_type", "ionline.pay.weixin.native.intl"),
];

const SMUGGLED: &str = "Tea&mch_id=100520000116&out_refund_no_0=R1&refund_count=1&refund_fee_0=500&refund_status_0=SUCCESS&result_code=0&status=0&z=";

fn line<'a>(n: usize, no: &'a str, fee: &'a str, status: &'a str) -> [(&'a str, &'a str); 3] {
    let names = [
        ["out_refund_no_0", "refund_fee_0", "refund_status_0"],
        ["out_refund_no_1", "refund_fee_1", "refund_status_1"],
    ][n];
    [(names[0], no), (names[1], fee), (names[2], status)]
}

fn corpus() -> Vec<Vec<u8>> {
    let body = |lists: &[&[(&str, &str)]]| signed(&lists.concat());
    let one = [("refund_count", "1"), ("refund_id_0", "RID1"), ("refund_time_0", "20170520094130")];
    let two = [("refund_count", "2"), ("refund_reason_0", "late & cold")];
    let failed = |code| [("result_code", "1"), ("err_code", code), ("err_msg", "because")];
    let numbers = String::from_utf8(body(&[HEAD, &one, &line(0, "R1", "500", "SUCCESS")])).unwrap();
    vec![
        numbers.replace("\"500\"", "500").replace("\"0\"", "0").into_bytes(),
        body(&[HEAD, &one, &line(0, "R1", "500", "PROCESSING"), &[("body", SMUGGLED)]]),
        body(&[HEAD, &one, &line(0, "R1", "500", "FAIL")]),
        body(&[HEAD, &one, &line(0, "R1", "500", "CHANGE")]),
        body(&[HEAD, &two, &line(0, "R1", "200", "SUCCESS"), &line(1, "R1", "300", "SUCCESS")]),
        body(&[HEAD, &two, &line(0, "R2", "400", "SUCCESS"), &line(1, "R1", "500", "NOTSURE")]),
        body(&[HEAD, &one, &line(0, "R2", "500", "SUCCESS")]),
        body(&[HEAD, &[("refund_count", "0")]]),
        body(&[HEAD, &[("out_refund_no", "R1"), ("refund_fee", "500"), ("refund_id", "RID1")]]),
        body(&[&HEAD[2..], &[("status", "0")], &failed("REFUNDNOTEXIST")]),
        body(&[&HEAD[2..], &[("status", "0")], &failed("PARAM_ERROR")]),
        body(&[&HEAD[2..], &[("status", "0")], &failed("FREQUENCY_LIMITED")]),
        br#"{"status":"500","message":"busy"}"#.to_vec(),
        b"<html><body>502 Bad Gateway</body></html>".to_vec(),
    ]
}

/// Both readers on one body.
type Read = (Result<Acceptance, GatewayError>, Result<QueryAnswer, GatewayError>);

fn read(body: &[u8]) -> Read {
    let (settings, refund) = (settings(), refund_r1());
    (read_submit(&settings, &refund, body), read_query(&settings, &refund, body))
}

/// What an answer decides on the strength of its signature.
fn decided((submit, query): &Read) -> Vec<String> {
    let submit = match submit {
        Ok(_) => Some("accepted".to_owned()),
        Err(err) => match err.certainty() {
            Certainty::NotSent { .. } => Some("not sent".to_owned()),
            Certainty::Refused(refusal) => Some(format!("refused {:?}", refusal.grade)),
            Certainty::Contradicted | Certainty::Unknown => None,
        },
    };
    let query = match query {
        Ok(QueryAnswer::NotFound { grade, .. }) => Some(format!("not found {grade:?}")),
        Ok(QueryAnswer::Found(found)) => match judge(&refund_r1(), found) {
            verdict @ (Verdict::Succeeded | Verdict::Failed | Verdict::Absent) => {
                Some(format!("{verdict:?}"))
            }
            _ => None,
        },
        Err(_) => None,
    };
    submit.into_iter().chain(query).collect()
}

const TARGET: Target =
    Target { name: "ionlinepay", cases: 2_000, memory_per_byte: 8, memory_more: 32_768 };

#[test]
fn fuzz_of_ionlinepay_bodies_without_the_key_decides_nothing_that_the_gateway_has_not_said() {
    let corpus = corpus();
    let honest = Honest::new(&corpus, |body| decided(&read(body)));
    let target = Target { name: "ionlinepay-forged", ..TARGET };
    target.run(
        |dice| forged(dice, &corpus),
        read,
        |body, read| {
            honest.hold(body, &decided(&read));
            read.0.is_ok() || read.1.is_ok()
        },
    );
}

#[test]
fn fuzz_of_signed_ionlinepay_bodies_settles_only_lines_that_add_up() {
    let corpus = corpus();
    let target = Target { name: "ionlinepay-signed", ..TARGET };
    target.run(
        |dice| resigned(dice, &corpus),
        read,
        |body, (submit, query)| {
            if let Ok(QueryAnswer::Found(found)) = &query {
                assert_eq!(found.grade, Grade::A);
                holds_in_the_fields(body, &judge(&refund_r1(), found));
            }
            submit.is_ok() || query.is_ok()
        },
    );
}

/// Counts the lines of R1 anew, from the fields alone.
fn holds_in_the_fields(body: &[u8], verdict: &Verdict) {
    let fields = fields_of(body).unwrap();
    let ours = fields.iter().filter(|(_, value)| *value == "R1");
    let suffixes: Vec<&str> =
        ours.filter_map(|(name, _)| name.strip_prefix("out_refund_no_")).collect();
    let sum: u64 = suffixes
        .iter()
        .map(|n| fields[&format!("refund_fee_{n}")].parse::<u64>().unwrap())
        .fold(0, u64::saturating_add);
    let all = |words: &[&str]| {
        let mut lines = suffixes.iter().map(|n| fields[&format!("refund_status_{n}")].as_str());
        lines.all(|word| words.contains(&word.trim().to_ascii_uppercase().as_str()))
    };
    match verdict {
        Verdict::Succeeded => assert!(sum == 500 && all(&["SUCCESS"])),
        Verdict::Failed => {
            assert!(sum == 500 && all(&["FAIL", "FAILED", "REFUNDCLOSE", "CLOSED"]));
        }
        Verdict::Absent => {
            let shown = fields.keys().filter(|name| name.starts_with("out_refund_no_")).count();
            assert!(suffixes.is_empty());
            assert!(fields["refund_count"].parse::<usize>().unwrap() <= shown);
        }
        _ => {}
    }
}
