//! What the answer to a query makes happen to a refund: the only place where a [`Verdict`] becomes
//! an [`Event`], before and after the end of a refund.

use super::evidence::{Found, Verdict, judge, own_lines};
use super::refund::RefundRecord;
use super::state::{Event, Outcome, ParkCause, Parking, RefundState, StateKind};
use super::{Evidence, Grade, Source, UnixMillis};

/// Turns the answer to a query into the event it proves.
pub fn query_event(record: &RefundRecord, found: &Found, at: UnixMillis) -> Event {
    let lines = || own_lines(&record.refund, &found.lines).cloned().collect::<Vec<_>>();
    let evidence = Evidence { grade: found.grade, source: Source::Query, at };
    let set_aside =
        |cause, message| Event::SetAside(Parking { cause, message, evidence, lines: lines() });
    let parked = record.state.kind() == StateKind::Parked;
    let verdict = judge(&record.refund, found);
    // As before the end, an unsigned answer decides nothing.
    if let RefundState::Settled(end) = &record.state
        && found.grade == Grade::A
        && let Some(verdict) = against_the_end(end.outcome, &verdict)
    {
        return match verdict {
            AfterTheEnd::Agrees(note) => Event::Confirmed { note },
            AfterTheEnd::Contradicts(message) => set_aside(ParkCause::Contradiction, message),
        };
    }
    match verdict {
        Verdict::Succeeded => Event::Succeeded { evidence, lines: lines() },
        // It was published as ended otherwise: repeating itself does not make the gateway right.
        Verdict::Failed if is_contradicted(record) => {
            let note = "the gateway still calls it failed".to_owned();
            Event::NoAnswer { note, retry_after_ms: None }
        }
        Verdict::Failed => Event::Failed { evidence, lines: lines() },
        Verdict::Processing => Event::StillProcessing {
            gateway_refund_no: lines().into_iter().find_map(|line| line.gateway_refund_no),
        },
        Verdict::Absent => {
            Event::NotFound { note: "no line of the answer has this refund number".to_owned() }
        }
        // What is parked already stays so: the answer adds to its history only.
        Verdict::Discrepancy(note) | Verdict::Abnormal(note) | Verdict::UnprovenFailure(note)
            if parked =>
        {
            Event::NoAnswer { note, retry_after_ms: None }
        }
        Verdict::Discrepancy(message) => set_aside(ParkCause::Discrepancy, message),
        Verdict::Abnormal(message) => set_aside(ParkCause::Abnormal, message),
        Verdict::UnprovenFailure(message) => set_aside(ParkCause::UnprovenFailure, message),
        Verdict::Inconclusive(note) => Event::Inconclusive { note },
        Verdict::NoInformation(note) => Event::NoAnswer { note, retry_after_ms: None },
    }
}

/// Whether a person has to decide between what was published and what the gateway tells now.
fn is_contradicted(record: &RefundRecord) -> bool {
    let RefundState::Parked(parking) = &record.state else { return false };
    parking.cause == ParkCause::Contradiction
}

/// What an answer says about a refund that has settled, where it does not simply replace the end.
enum AfterTheEnd {
    /// Nothing new.
    Agrees(String),
    /// It cannot both be true: a person must look.
    Contradicts(String),
}

/// Holds a verdict against the end that was published. `None`: the verdict has its usual meaning, as
/// a success has whatever was published before, because money that moved has moved.
fn against_the_end(outcome: Outcome, verdict: &Verdict) -> Option<AfterTheEnd> {
    use {AfterTheEnd as A, Outcome as O, Verdict as V};
    let contradicts = |note: &str| {
        Some(A::Contradicts(format!("it had ended as {}, and now {note}", outcome.as_str())))
    };
    match (outcome, verdict) {
        (O::Succeeded, V::Succeeded) | (O::Failed | O::Withdrawn, V::Failed) => {
            Some(A::Agrees(format!("the gateway still says {}", outcome.as_str())))
        }
        (O::Succeeded, V::Failed) => contradicts("the gateway calls it failed"),
        (O::Failed | O::Withdrawn, V::Processing) => contradicts("the gateway is at work on it"),
        (O::Failed | O::Withdrawn, V::Inconclusive(note))
        | (
            O::Succeeded | O::Failed | O::Withdrawn | O::GivenUp,
            V::Discrepancy(note) | V::Abnormal(note) | V::UnprovenFailure(note),
        ) => contradicts(note),
        (O::Failed | O::Withdrawn | O::GivenUp, V::Succeeded)
        | (O::GivenUp, V::Failed)
        | (O::Succeeded | O::GivenUp, V::Processing | V::Inconclusive(_))
        | (_, V::Absent | V::NoInformation(_)) => None,
    }
}

/// The event that stops a refund for a person, on refundd's own decision.
pub fn set_aside(cause: ParkCause, message: String, at: UnixMillis) -> Event {
    let evidence = Evidence { grade: Grade::C, source: Source::Refundd, at };
    Event::SetAside(Parking { cause, message, evidence, lines: Vec::new() })
}
