//! Records as results: what each carries, and that rejections are no versions of a refund.

use super::*;
use crate::contract::{RequestError, parse};
use crate::domain::evidence::StatusWord;
use crate::domain::refund::tests::refund;
use crate::domain::state::{ParkCause, Parking, Settlement};
use crate::domain::{GatewayRefundNo, StateKind};

fn evidence() -> Evidence {
    Evidence { grade: Grade::A, source: Source::Query, at: UnixMillis::new(1_764_000_000_000) }
}

fn line(no: &str, n: u32) -> StatusLine {
    StatusLine {
        n,
        refund_no: no.to_owned(),
        gateway_refund_no: Some(GatewayRefundNo::parse("G9").unwrap()),
        amount_cents: 500,
        word: StatusWord::Success,
        status: "SUCCESS".to_owned(),
        time: Some(UnixMillis::new(1_763_999_999_000)),
        reason: None,
    }
}

fn record(state: RefundState) -> RefundRecord {
    let mut asked = refund("R1", 500);
    asked.metadata = Some(r#"{"b" : 1,"a":2.50}"#.to_owned());
    let mut record =
        RefundRecord::admitted(asked, GatewayName::parse("gw").unwrap(), UnixMillis::new(0));
    record.state = state;
    record.tally.results = 2;
    record.tally.attempts = 1;
    record.tally.polls = 7;
    record.tally.submitted_at = Some(UnixMillis::new(1_763_000_000_000));
    record
}

fn settled(outcome: Outcome) -> RefundState {
    RefundState::Settled(Settlement {
        outcome,
        evidence: evidence(),
        lines: vec![line("R0", 0), line("R1", 1)],
        code: None,
        message: None,
    })
}

fn gateway() -> GatewayName {
    GatewayName::parse("iotpay").unwrap()
}

#[test]
fn a_settled_refund_says_all_that_is_known() {
    let publication = result_of(&record(settled(Outcome::Succeeded)), &gateway()).unwrap();
    assert_eq!(publication.event_id, "R1.2.succeeded");
    assert_eq!(publication.refund_no, "R1");
    assert_eq!(publication.outcome, "succeeded");
    assert_eq!(
        publication.json,
        r#"{"v":1,"event_id":"R1.2.succeeded","version":2,"refund_no":"R1","account":"shop","#
            .to_owned()
            + r#""gateway":"iotpay","outcome":"succeeded","amount_cents":500,"currency":"CAD","#
            + r#""order":{"gateway_order_no":"P1"},"metadata":{"b" : 1,"a":2.50},"#
            + r#""gateway_refund_no":"G9","statuses":[{"n":1,"gateway_refund_no":"G9","#
            + r#""amount_cents":500,"status":"SUCCESS","time":"2025-11-24T15:59:59.000Z"}],"#
            + r#""evidence":{"grade":"A","source":"query","at":"2025-11-24T16:00:00.000Z"},"#
            + r#""attempts":1,"polls":7,"submitted_at":"2025-11-13T02:13:20.000Z","#
            + r#""settled_at":"2025-11-24T16:00:00.000Z"}"#
    );
}

#[test]
fn a_parked_refund_carries_its_cause_and_is_not_settled() {
    let parked = record(RefundState::Parked(Parking {
        cause: ParkCause::NotFound,
        message: "the gateway does not know it".to_owned(),
        evidence: evidence(),
        lines: Vec::new(),
    }));
    let publication = result_of(&parked, &gateway()).unwrap();
    assert_eq!(publication.outcome, "parked");
    let result: ResultV1 = serde_json::from_str(&publication.json).unwrap();
    assert_eq!(result.code.as_deref(), Some("not_found"));
    assert_eq!(result.message.as_deref(), Some("the gateway does not know it"));
    assert_eq!((result.settled_at, result.statuses), (None, Vec::new()));
}

#[test]
fn a_refund_under_way_has_no_result() {
    for state in [
        RefundState::Requested { waits: 0 },
        RefundState::Submitting { waits: 0 },
        RefundState::Processing { polls: 1 },
        RefundState::Unconfirmed { polls: 0, absences: None },
    ] {
        let kind: StateKind = state.kind();
        assert_eq!(result_of(&record(state), &gateway()), None, "{kind:?}");
    }
}

#[test]
fn a_rejection_echoes_what_was_readable() {
    let request =
        br#"{"v":1,"refund_no":"R1","account":"shop","amount_cents":0,"metadata":{"k":1}}"#;
    let Err(RequestError::Invalid(invalid)) = parse(request) else {
        panic!("the number is legal");
    };
    let rejection = Rejection::of(&invalid, EntryId("17-0".to_owned()));
    let publication = rejected(&rejection, UnixMillis::new(0));
    assert_eq!(publication.event_id, "R1.rejected.17-0");
    assert_eq!(publication.outcome, "rejected");
    assert_eq!(
        publication.json,
        r#"{"v":1,"event_id":"R1.rejected.17-0","version":1,"refund_no":"R1","#.to_owned()
            + r#""account":"shop","outcome":"rejected","metadata":{"k":1},"statuses":[],"#
            + r#""code":"invalid","message":"amount_cents must be an integer from 1 to "#
            + r#"999999999999 in minor units, got 0","evidence":{"grade":"C","#
            + r#""source":"refundd","at":"1970-01-01T00:00:00.000Z"},"attempts":0,"polls":0}"#
    );
}

#[test]
fn results_are_read_back_and_never_hold_a_null() {
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        let publication = result_of(&record(settled(outcome)), &gateway()).unwrap();
        assert!(!publication.json.contains("null"));
        let read: ResultV1 = serde_json::from_str(&publication.json).unwrap();
        assert_eq!(read.outcome.as_str(), publication.outcome);
        assert_eq!(serde_json::to_string(&read).unwrap(), publication.json);
    }
}

#[test]
fn words_are_the_same_in_the_domain_and_in_the_result() {
    let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    for (grade, source) in [
        (Grade::A, Source::Submit),
        (Grade::B, Source::Query),
        (Grade::C, Source::Callback),
        (Grade::A, Source::Operator),
        (Grade::A, Source::Refundd),
    ] {
        let at = UnixMillis::new(0);
        let shown = EvidenceV1::from(&Evidence { grade, source, at });
        assert_eq!(word(serde_json::to_value(shown.grade).unwrap()), grade.as_str());
        assert_eq!(word(serde_json::to_value(shown.source).unwrap()), source.as_str());
    }
}
