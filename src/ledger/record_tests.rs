//! Whatever the domain can hold comes back as it was; whatever else is stored is an error.

use proptest::prelude::*;

use super::*;
use crate::domain::policy::Policy;
use crate::domain::refund::tests::admitted;
use crate::domain::state::{Event, StateKind};
use crate::domain::step;

fn back(record: &RefundRecord) -> RefundRecord {
    let asked = encode_refund(record).unwrap();
    let asked = decode_refund(record.refund.refund_no.as_str(), &asked).unwrap();
    decode_state(asked, &encode_state(record).unwrap()).unwrap()
}

pub(super) fn asked() -> (Refund, GatewayName) {
    let record = admitted("R1", 500, UnixMillis::new(0));
    (record.refund, record.order_scope)
}

const AT: UnixMillis = UnixMillis::new(1_700_000_000_123);

pub(super) fn sample(kind: StateKind) -> RefundRecord {
    let at = AT;
    let mut record = admitted("R1", 500, at);
    record.refund.metadata = Some("{\"a\": 1.50}".to_owned());
    record.params_hash = Some(ParamsHash([7; 32]));
    record.tally = Tally { attempts: 1, polls: 4, submitted_at: Some(at), results: 1, revision: 3 };
    let event = Event::NoAnswer { note: "HTTP 502".to_owned(), retry_after_ms: None };
    record.remember(&event, at);
    record.remember(&event, at.plus(5_000));
    record.state = sample_state(kind);
    record
}

fn sample_state(kind: StateKind) -> RefundState {
    let at = AT;
    let evidence = Evidence { grade: Grade::A, source: Source::Query, at };
    let lines = vec![StatusLine {
        n: 2,
        refund_no: "R1".to_owned(),
        gateway_refund_no: Some(GatewayRefundNo::parse("G-1").unwrap()),
        amount_cents: 500,
        word: StatusWord::Failed,
        status: "REFUNDCLOSE".to_owned(),
        time: Some(at),
        reason: Some("card \"void\"".to_owned()),
    }];
    let absences = Some(Absences { count: 2, first_at: at });
    match kind {
        StateKind::Requested => RefundState::Requested { waits: 3 },
        StateKind::Submitting => RefundState::Submitting { waits: 3 },
        StateKind::Unconfirmed => RefundState::Unconfirmed { polls: 2, absences },
        StateKind::Refused => RefundState::Refused {
            refusal: Refusal {
                code: "0014".to_owned(), message: "nö".to_owned(), grade: Grade::B
            },
            polls: 1,
            absences: None,
        },
        StateKind::Processing => RefundState::Processing { polls: 9 },
        StateKind::Parked => RefundState::Parked(Parking {
            cause: ParkCause::Discrepancy,
            message: "499".to_owned(),
            evidence,
            lines,
        }),
        StateKind::Settled => RefundState::Settled(Settlement {
            outcome: Outcome::Failed,
            evidence,
            lines,
            code: Some("REFUNDCLOSE".to_owned()),
            message: None,
        }),
    }
}

#[test]
fn every_state_comes_back_as_it_was() {
    for kind in StateKind::ALL {
        let record = sample(*kind);
        assert_eq!(back(&record), record, "{kind:?}");
    }
}

#[test]
fn only_a_requested_refund_begins_with_the_letter_that_a_claim_submits() {
    for kind in StateKind::ALL {
        let text = encode_state(&sample(*kind)).unwrap();
        assert_eq!(text.starts_with('r'), *kind == StateKind::Requested, "{kind:?}");
    }
}

#[test]
fn a_newer_version_is_left_for_a_newer_worker() {
    let text = encode_state(&sample(StateKind::Processing)).unwrap();
    let newer = text.replace("\"v\":1", "\"v\":2").replace("\"h\":", "\"hist\":");
    let err = decode_state(asked(), &newer).unwrap_err();
    assert!(matches!(err, RecordError::Newer(2)), "{err}");
}

#[test]
fn another_version_is_refused_even_if_it_looks_the_same() {
    let record = sample(StateKind::Processing);
    let (asked_text, text) = (encode_refund(&record).unwrap(), encode_state(&record).unwrap());
    let with = |text: &str, v: &str| text.replacen("\"v\":1", v, 1);
    let newer = decode_state(asked(), &with(&text, "\"v\":2")).unwrap_err();
    assert!(matches!(newer, RecordError::Newer(2)), "{newer}");
    let newer = decode_refund("R1", &with(&asked_text, "\"v\":2")).unwrap_err();
    assert!(matches!(newer, RecordError::Newer(2)), "{newer}");
    for older in [with(&text, "\"v\":0"), with(&text, "\"v\":0").replace("\"h\":", "\"x\":")] {
        let older = decode_state(asked(), &older).unwrap_err();
        assert!(matches!(older, RecordError::Value("version")), "{older}");
    }
}

#[test]
fn a_state_under_the_letter_of_another_is_refused() {
    for kind in StateKind::ALL {
        let text = encode_state(&sample(*kind)).unwrap();
        for letter in ["r", "s", "u", "f", "p", "k", "z", "x"] {
            let read = decode_state(asked(), &format!("{letter}{}", &text[1..]));
            assert_eq!(read.is_ok(), text.starts_with(letter), "{kind:?} under {letter}");
        }
    }
}

#[test]
fn records_stay_small() {
    let at = UnixMillis::new(1_700_000_000_123);
    let plain = admitted("R20261122-000001", 500, at);
    let submitted = step::advance(plain, &Event::SubmitStarted, at, &Policy::default()).unwrap();
    let accepted = Event::Accepted { gateway_refund_no: None };
    let record = step::advance(submitted.record, &accepted, at, &Policy::default()).unwrap().record;
    let bytes = encode_refund(&record).unwrap().len() + encode_state(&record).unwrap().len();
    assert!(bytes < 300, "an open refund takes {bytes} bytes");
}

proptest! {
    #[test]
    fn no_stored_text_can_bring_the_reader_down(text in "\\PC{0,200}") {
        let _ = decode_state(asked(), &text);
        let _ = decode_refund("R1", &text);
    }
}
