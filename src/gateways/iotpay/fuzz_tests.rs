//! Spoilt bodies of IOTPay: without the key nothing is settled, with the key nothing is settled that
//! the fields do not say.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a target names the verdicts that decide something; every other decides nothing"
)]

use super::wire::{read_query, read_submit};
use super::*;
use crate::domain::evidence::{Verdict, judge};
use crate::domain::refund::tests::refund;
use crate::domain::{GatewayOrderNo, Grade, refund::OrderRef};
use crate::fuzzing::Target;
use crate::gateways::fuzz_tests::{Honest, KEY, fields_of, forged, resigned, signed, unsigned};

fn settings() -> Settings {
    let name = GatewayName::parse("iotpay").unwrap();
    let mut settings =
        Settings::new(name, "https://api.iotpaycloud.com", "10000576", "vincent", KEY.into());
    // As for a gateway that has been certified, so that failure can be decided at all.
    settings.status_map.insert("3".to_owned(), StatusWord::Failed);
    settings
}

fn refund_r1() -> Refund {
    let order = OrderRef::new(GatewayOrderNo::parse("U1").ok(), None, None).unwrap();
    Refund { order, ..refund("R1", 500) }
}

fn corpus() -> Vec<Vec<u8>> {
    let ok = [("retCode", "SUCCESS"), ("resCode", "SUCCESS"), ("mchId", "10000576")];
    let line = |status| [("mchRefundNo", "R1"), ("refundAmount", "500"), ("status", status)];
    let more = [("refundOrderId", "RF1"), ("refundSuccTime", "1537224899791")];
    // What a payer may write is his attempt to bring another status under the signature.
    let payer = [("subject", "Tea&resCode=SUCCESS&retCode=SUCCESS&status=2")];
    let failed = |code| {
        [("retCode", "SUCCESS"), ("resCode", "FAIL"), ("errCode", code), ("errCodeDes", "because")]
    };
    let success = [ok.as_slice(), &line("2"), &more].concat();
    let numbers = String::from_utf8(signed(&success)).unwrap();
    vec![
        numbers.replace("\"500\"", "500").replace("\"2\"", "2").into_bytes(),
        unsigned(&success),
        signed(&[ok.as_slice(), &line("1"), &more, &payer].concat()),
        signed(&[ok.as_slice(), &line("3"), &more].concat()),
        unsigned(&[ok.as_slice(), &line("3")].concat()),
        signed(&[ok.as_slice(), &line("4")].concat()),
        signed(&failed("0112")),
        unsigned(&failed("0112")),
        signed(&failed("0014")),
        signed(&failed("0113")),
        unsigned(&[("retCode", "FAIL"), ("retMsg", "refund order not found")]),
        b"<html><body>502 Bad Gateway</body></html>".to_vec(),
    ]
}

/// Both readers on one body.
type Read = (Result<Acceptance, GatewayError>, Result<QueryAnswer, GatewayError>);

fn read(body: &[u8]) -> Read {
    let (settings, refund) = (settings(), refund_r1());
    (read_submit(&settings, &refund, body), read_query(&settings, &refund, body))
}

/// What an answer decides on the strength of its signature. IOTPay's page promises none for the
/// answer to a submit, so acceptance is none of it; it settles nothing.
fn decided((submit, query): &Read) -> Vec<String> {
    let submit = match submit {
        Err(GatewayError::Refused(refusal)) if refusal.grade == Grade::A => {
            Some(format!("refused {}", refusal.code))
        }
        Err(GatewayError::PutOff { .. }) => Some("not sent".to_owned()),
        _ => None,
    };
    let query = match query {
        Ok(QueryAnswer::NotFound { grade: Grade::A, .. }) => Some("not found".to_owned()),
        Ok(QueryAnswer::Found(found)) => match judge(&refund_r1(), found) {
            verdict @ (Verdict::Succeeded | Verdict::Failed) => Some(format!("{verdict:?}")),
            Verdict::Absent if found.grade == Grade::A => Some("absent".to_owned()),
            _ => None,
        },
        _ => None,
    };
    submit.into_iter().chain(query).collect()
}

const TARGET: Target =
    Target { name: "iotpay", cases: 2_000, memory_per_byte: 8, memory_more: 32_768 };

#[test]
fn fuzz_of_iotpay_bodies_without_the_key_decides_nothing_that_the_gateway_has_not_said() {
    let corpus = corpus();
    let honest = Honest::new(&corpus, |body| decided(&read(body)));
    let target = Target { name: "iotpay-forged", ..TARGET };
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
fn fuzz_of_signed_iotpay_bodies_settles_only_what_is_ours_and_adds_up() {
    let corpus = corpus();
    let target = Target { name: "iotpay-signed", ..TARGET };
    target.run(
        |dice| resigned(dice, &corpus),
        read,
        |body, (submit, query)| {
            if let Ok(QueryAnswer::Found(found)) = &query {
                let verdict = judge(&refund_r1(), found);
                if matches!(verdict, Verdict::Succeeded | Verdict::Failed) {
                    let fields = fields_of(body).unwrap();
                    assert_eq!(fields["mchRefundNo"], "R1");
                    assert_eq!(fields["refundAmount"].parse(), Ok(500_u64));
                    let status = if verdict == Verdict::Succeeded { "2" } else { "3" };
                    assert_eq!(fields["status"], status);
                }
                assert_ne!(verdict, Verdict::Absent, "an answer without our number is none");
            }
            submit.is_ok() || query.is_ok()
        },
    );
}
