//! The state machine of a refund, as one table.
//!
//! [`TRANSITIONS`] is the machine, the oracle of its tests and the source of `docs/states.md`.
//! [`apply`] follows it; nothing else changes a state. No edge leads from [`RefundState::Unconfirmed`]
//! to a submit: only [`RefundState::Requested`] may submit, and the way back there is the guarded
//! [`Event::ResubmitCleared`]. What has settled moves only by a correction: a signed answer or a
//! person contradicts it.

use super::event::{Event, EventKind};
use super::state::{Outcome, RefundState, Settlement, StateKind};

/// The whole machine: state, event, next state. What is not here cannot happen.
pub const TRANSITIONS: &[(StateKind, EventKind, StateKind)] = {
    use {EventKind as E, StateKind as S};
    &[
        (S::Requested, E::SubmitStarted, S::Submitting),
        (S::Requested, E::SetAside, S::Parked),
        (S::Requested, E::Abandoned, S::Settled),
        (S::Submitting, E::NotSent, S::Requested),
        (S::Submitting, E::Accepted, S::Processing),
        (S::Submitting, E::AnswerUnknown, S::Unconfirmed),
        (S::Submitting, E::SubmitRefused, S::Refused),
        (S::Submitting, E::SetAside, S::Parked),
        (S::Submitting, E::WritesLost, S::Unconfirmed),
        (S::Unconfirmed, E::StillProcessing, S::Processing),
        (S::Unconfirmed, E::Inconclusive, S::Processing),
        (S::Unconfirmed, E::NotFound, S::Unconfirmed),
        (S::Unconfirmed, E::NoAnswer, S::Unconfirmed),
        (S::Unconfirmed, E::ResubmitCleared, S::Requested),
        (S::Unconfirmed, E::Succeeded, S::Settled),
        (S::Unconfirmed, E::Failed, S::Settled),
        (S::Unconfirmed, E::SetAside, S::Parked),
        (S::Unconfirmed, E::Resolved, S::Settled),
        (S::Unconfirmed, E::Abandoned, S::Settled),
        (S::Refused, E::StillProcessing, S::Processing),
        (S::Refused, E::Inconclusive, S::Processing),
        (S::Refused, E::NotFound, S::Refused),
        (S::Refused, E::NoAnswer, S::Refused),
        (S::Refused, E::RefusalConfirmed, S::Settled),
        (S::Refused, E::Succeeded, S::Settled),
        (S::Refused, E::Failed, S::Settled),
        (S::Refused, E::SetAside, S::Parked),
        (S::Refused, E::Resolved, S::Settled),
        (S::Refused, E::Abandoned, S::Settled),
        (S::Processing, E::StillProcessing, S::Processing),
        (S::Processing, E::Inconclusive, S::Processing),
        (S::Processing, E::NotFound, S::Processing),
        (S::Processing, E::NoAnswer, S::Processing),
        (S::Processing, E::Succeeded, S::Settled),
        (S::Processing, E::Failed, S::Settled),
        (S::Processing, E::SetAside, S::Parked),
        (S::Processing, E::Resolved, S::Settled),
        (S::Processing, E::Abandoned, S::Settled),
        (S::Parked, E::StillProcessing, S::Parked),
        (S::Parked, E::Inconclusive, S::Parked),
        (S::Parked, E::NotFound, S::Parked),
        (S::Parked, E::NoAnswer, S::Parked),
        (S::Parked, E::Succeeded, S::Settled),
        (S::Parked, E::Failed, S::Settled),
        (S::Parked, E::Released, S::Unconfirmed),
        (S::Parked, E::Resolved, S::Settled),
        (S::Parked, E::Abandoned, S::Settled),
        (S::Settled, E::Confirmed, S::Settled),
        (S::Settled, E::StillProcessing, S::Settled),
        (S::Settled, E::Inconclusive, S::Settled),
        (S::Settled, E::NotFound, S::Settled),
        (S::Settled, E::NoAnswer, S::Settled),
        (S::Settled, E::Succeeded, S::Settled),
        (S::Settled, E::Failed, S::Settled),
        (S::Settled, E::SetAside, S::Parked),
        (S::Settled, E::Resolved, S::Settled),
    ]
};

/// An event that may not follow a state. A defect of the caller, never of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot follow {}", .event.as_str(), .state.as_str())]
pub struct IllegalTransition {
    /// The state.
    pub state: StateKind,
    /// The event.
    pub event: EventKind,
}

/// The state after `event`.
///
/// # Errors
/// [`IllegalTransition`] exactly where [`TRANSITIONS`] has no edge; nothing has changed then.
///
/// ```
/// use refundd::domain::state::{apply, Event, RefundState, StateKind};
/// let submitting = apply(RefundState::Requested { waits: 0 }, &Event::SubmitStarted).unwrap();
/// assert_eq!(submitting.kind(), StateKind::Submitting);
/// let unknown = Event::AnswerUnknown { note: "timeout".to_owned() };
/// let unconfirmed = apply(submitting, &unknown).unwrap();
/// assert!(apply(unconfirmed, &Event::SubmitStarted).is_err());
/// ```
pub fn apply(state: RefundState, event: &Event) -> Result<RefundState, IllegalTransition> {
    use {Event as E, RefundState as S};
    Ok(match (state, event) {
        (S::Requested { waits }, E::SubmitStarted) => S::Submitting { waits },
        (S::Submitting { waits }, E::NotSent { .. }) => {
            S::Requested { waits: waits.saturating_add(1) }
        }
        (S::Submitting { .. }, E::AnswerUnknown { .. } | E::WritesLost { .. })
        | (S::Parked(_), E::Released(_)) => S::Unconfirmed { polls: 0, absences: None },
        (S::Submitting { .. }, E::SubmitRefused(refusal)) => {
            S::Refused { refusal: refusal.clone(), polls: 0, absences: None }
        }
        (S::Unconfirmed { .. }, E::ResubmitCleared) => S::Requested { waits: 0 },
        (S::Submitting { .. }, E::Accepted { .. })
        | (
            S::Unconfirmed { .. } | S::Refused { .. },
            E::StillProcessing { .. } | E::Inconclusive { .. },
        ) => S::Processing { polls: 0 },
        (
            S::Processing { polls },
            E::StillProcessing { .. }
            | E::Inconclusive { .. }
            | E::NotFound { .. }
            | E::NoAnswer { .. },
        ) => S::Processing { polls: polls.saturating_add(1) },
        (S::Unconfirmed { polls, absences }, E::NotFound { .. } | E::NoAnswer { .. }) => {
            S::Unconfirmed { polls: polls.saturating_add(1), absences }
        }
        (S::Refused { refusal, polls, absences }, E::NotFound { .. } | E::NoAnswer { .. }) => {
            S::Refused { refusal, polls: polls.saturating_add(1), absences }
        }
        (
            same @ (S::Parked(_) | S::Settled(_)),
            E::StillProcessing { .. }
            | E::Inconclusive { .. }
            | E::NotFound { .. }
            | E::NoAnswer { .. },
        )
        | (same @ S::Settled(_), E::Confirmed { .. }) => same,
        (S::Refused { refusal, .. }, E::RefusalConfirmed { at }) => {
            S::Settled(refusal.confirmed(*at))
        }
        (state, event) => return end(&state, event),
    })
}

/// The edges that end a refund or stop it for a person.
fn end(state: &RefundState, event: &Event) -> Result<RefundState, IllegalTransition> {
    use {Event as E, RefundState as S};
    match (state, event) {
        (
            S::Unconfirmed { .. }
            | S::Refused { .. }
            | S::Processing { .. }
            | S::Parked(_)
            | S::Settled(_),
            E::Succeeded { evidence, lines },
        ) => Ok(S::Settled(Settlement::by_query(Outcome::Succeeded, *evidence, lines))),
        (
            S::Unconfirmed { .. }
            | S::Refused { .. }
            | S::Processing { .. }
            | S::Parked(_)
            | S::Settled(_),
            E::Failed { evidence, lines },
        ) => Ok(S::Settled(Settlement::by_query(Outcome::Failed, *evidence, lines))),
        (
            S::Requested { .. }
            | S::Submitting { .. }
            | S::Unconfirmed { .. }
            | S::Refused { .. }
            | S::Processing { .. }
            | S::Settled(_),
            E::SetAside(parking),
        ) => Ok(S::Parked(parking.clone())),
        (
            S::Unconfirmed { .. }
            | S::Refused { .. }
            | S::Processing { .. }
            | S::Parked(_)
            | S::Settled(_),
            E::Resolved { outcome, at, by },
        ) => Ok(S::Settled(Settlement::by_person(*outcome, *at, "resolved", by))),
        (S::Requested { .. }, E::Abandoned { at, by }) => {
            Ok(S::Settled(Settlement::by_person(Outcome::Withdrawn, *at, "abandoned", by)))
        }
        (
            S::Unconfirmed { .. } | S::Refused { .. } | S::Processing { .. } | S::Parked(_),
            E::Abandoned { at, by },
        ) => Ok(S::Settled(Settlement::by_person(Outcome::GivenUp, *at, "abandoned", by))),
        (state, event) => Err(IllegalTransition { state: state.kind(), event: event.kind() }),
    }
}

#[cfg(test)]
#[path = "transitions_tests.rs"]
mod tests;
