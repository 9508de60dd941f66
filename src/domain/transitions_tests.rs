//! The table against `apply()`, and the properties that the table must have by itself.

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::domain::state::{Absences, Decision, ParkCause, Parking, Refusal};
use crate::domain::{Evidence, Grade, Source, UnixMillis};

const AT: UnixMillis = UnixMillis::new(1_000);

fn evidence() -> Evidence {
    Evidence { grade: Grade::A, source: Source::Query, at: AT }
}

fn parking() -> Parking {
    Parking {
        cause: ParkCause::Horizon,
        message: String::new(),
        evidence: evidence(),
        lines: Vec::new(),
    }
}

fn refusal() -> Refusal {
    Refusal { code: "0014".to_owned(), message: "parameter".to_owned(), grade: Grade::B }
}

fn by() -> Decision {
    Decision { who: "ann".to_owned(), reason: "the bank says so".to_owned() }
}

fn sample_state(kind: StateKind) -> RefundState {
    match kind {
        StateKind::Requested => RefundState::Requested { waits: 0 },
        StateKind::Submitting => RefundState::Submitting { waits: 0 },
        StateKind::Unconfirmed => RefundState::Unconfirmed { polls: 0, absences: None },
        StateKind::Refused => RefundState::Refused { refusal: refusal(), polls: 0, absences: None },
        StateKind::Processing => RefundState::Processing { polls: 0 },
        StateKind::Parked => RefundState::Parked(parking()),
        StateKind::Settled => {
            RefundState::Settled(Settlement::by_query(Outcome::Succeeded, evidence(), &[]))
        }
    }
}

fn sample_event(kind: EventKind) -> Event {
    let note = String::new();
    match kind {
        EventKind::SubmitStarted => Event::SubmitStarted,
        EventKind::NotSent => Event::NotSent { note, retry_after_ms: None },
        EventKind::Accepted => Event::Accepted { gateway_refund_no: None },
        EventKind::AnswerUnknown => Event::AnswerUnknown { note },
        EventKind::SubmitRefused => Event::SubmitRefused(refusal()),
        EventKind::StillProcessing => Event::StillProcessing { gateway_refund_no: None },
        EventKind::Inconclusive => Event::Inconclusive { note },
        EventKind::NotFound => Event::NotFound { note },
        EventKind::NoAnswer => Event::NoAnswer { note, retry_after_ms: None },
        EventKind::ResubmitCleared => Event::ResubmitCleared,
        EventKind::Succeeded => Event::Succeeded { evidence: evidence(), lines: Vec::new() },
        EventKind::Failed => Event::Failed { evidence: evidence(), lines: Vec::new() },
        EventKind::RefusalConfirmed => Event::RefusalConfirmed { at: AT },
        EventKind::SetAside => Event::SetAside(parking()),
        EventKind::WritesLost => Event::WritesLost { note },
        EventKind::Confirmed => Event::Confirmed { note },
        EventKind::Released => Event::Released(by()),
        EventKind::Resolved => Event::Resolved { outcome: Outcome::Succeeded, at: AT, by: by() },
        EventKind::Abandoned => Event::Abandoned { at: AT, by: by() },
    }
}

fn table(state: StateKind, event: EventKind) -> Option<StateKind> {
    TRANSITIONS.iter().find(|(s, e, _)| (*s, *e) == (state, event)).map(|(_, _, next)| *next)
}

#[test]
fn apply_is_the_table_for_every_state_and_event() {
    for state in StateKind::ALL {
        for event in EventKind::ALL {
            let next = apply(sample_state(*state), &sample_event(*event));
            let kind = next.as_ref().map(RefundState::kind).ok();
            assert_eq!(kind, table(*state, *event), "{state:?} + {event:?}");
            if let Err(err) = next {
                assert_eq!((err.state, err.event), (*state, *event));
            }
        }
    }
}

#[test]
fn no_edge_stands_twice() {
    let edges: HashSet<_> = TRANSITIONS.iter().map(|(s, e, _)| (s, e)).collect();
    assert_eq!(edges.len(), TRANSITIONS.len());
}

#[test]
fn a_settled_refund_moves_only_by_a_correction_and_never_to_a_submit() {
    let mut ways: Vec<_> = TRANSITIONS
        .iter()
        .filter(|(state, event, _)| *state == StateKind::Settled && !event.is_query())
        .map(|(_, event, next)| (*event, *next))
        .collect();
    ways.sort_unstable();
    assert_eq!(
        ways,
        [
            (EventKind::Succeeded, StateKind::Settled),
            (EventKind::Failed, StateKind::Settled),
            (EventKind::SetAside, StateKind::Parked),
            (EventKind::Resolved, StateKind::Settled),
        ]
    );
}

#[test]
fn only_requested_may_submit() {
    let submitters: Vec<_> =
        TRANSITIONS.iter().filter(|(_, _, next)| *next == StateKind::Submitting).collect();
    assert_eq!(
        submitters,
        [&(StateKind::Requested, EventKind::SubmitStarted, StateKind::Submitting)]
    );
}

#[test]
fn the_only_ways_back_to_requested_are_proof_of_no_send_and_the_guarded_resubmit() {
    let ways: BTreeSet<_> = TRANSITIONS
        .iter()
        .filter(|(_, _, next)| *next == StateKind::Requested)
        .map(|(state, event, _)| (*state, *event))
        .collect();
    assert_eq!(
        ways,
        BTreeSet::from([
            (StateKind::Submitting, EventKind::NotSent),
            (StateKind::Unconfirmed, EventKind::ResubmitCleared),
        ])
    );
}

#[test]
fn every_state_can_reach_settled() {
    let mut reaching = BTreeSet::from([StateKind::Settled]);
    loop {
        let before = reaching.len();
        for (state, _, next) in TRANSITIONS {
            if reaching.contains(next) {
                reaching.insert(*state);
            }
        }
        if reaching.len() == before {
            break;
        }
    }
    assert_eq!(reaching, StateKind::ALL.iter().copied().collect());
}

#[test]
fn whatever_shows_the_refund_ends_the_count_of_its_absences() {
    let absences = Some(Absences { count: 2, first_at: AT });
    let shown = Event::Inconclusive { note: "4".to_owned() };
    for state in [
        RefundState::Unconfirmed { polls: 2, absences },
        RefundState::Refused { refusal: refusal(), polls: 2, absences },
    ] {
        assert_eq!(apply(state, &shown), Ok(RefundState::Processing { polls: 0 }));
    }
}

#[test]
fn names_round_trip() {
    for kind in StateKind::ALL {
        assert_eq!(StateKind::parse(kind.as_str()), Some(*kind));
    }
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
    }
}
