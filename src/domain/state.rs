//! The state machine of a refund, as one table.
//!
//! [`TRANSITIONS`] is the machine, the oracle of its tests and the source of `docs/states.md`.
//! [`apply`] follows it; nothing else changes a state. No edge leads from [`RefundState::Unconfirmed`]
//! to a submit: only [`RefundState::Requested`] may submit, and the way back there is the guarded
//! [`Event::ResubmitCleared`].

pub use super::event::{Event, EventKind};
use super::evidence::StatusLine;
use super::{Evidence, Grade, UnixMillis};

/// "Not found" answers about a refund that was or may have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absences {
    /// How many since the last answer that showed the refund. Errors in between do not count.
    pub count: u32,
    /// When the first of them came.
    pub first_at: UnixMillis,
}

/// A refusal from the gateway's positive list "definitely not executed".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The gateway's code.
    pub code: String,
    /// The gateway's words.
    pub message: String,
    /// Whether the refusal was signed (A) or only listed (B).
    pub grade: Grade,
}

/// Why a refund was stopped for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParkCause {
    /// Asked about up to the horizon without a final answer.
    Horizon,
    /// Sent with unknown outcome, and the gateway does not know it; a resend is not allowed.
    NotFound,
    /// The gateway shows another amount or number than was asked.
    Discrepancy,
    /// The money went back to the merchant's account.
    Abnormal,
    /// The gateway calls it failed, in a way that does not prove it.
    UnprovenFailure,
    /// The parameters of a resend would differ from those of the first send.
    ParamsChanged,
    /// Handling it crashed or panicked several times.
    Poison,
}

impl ParkCause {
    /// Every cause, for tables and tests.
    pub const ALL: &[Self] = &[
        Self::Horizon,
        Self::NotFound,
        Self::Discrepancy,
        Self::Abnormal,
        Self::UnprovenFailure,
        Self::ParamsChanged,
        Self::Poison,
    ];

    /// The code that results and records carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Horizon => "horizon",
            Self::NotFound => "not_found",
            Self::Discrepancy => "discrepancy",
            Self::Abnormal => "abnormal",
            Self::UnprovenFailure => "unproven_failure",
            Self::ParamsChanged => "params_changed",
            Self::Poison => "poison",
        }
    }
}

/// How a refund ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The money went back to the payer.
    Succeeded,
    /// The gateway refused or failed it; no money moved.
    Failed,
}

/// The final outcome of one refund with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// How it ended.
    pub outcome: Outcome,
    /// Why refundd believes it.
    pub evidence: Evidence,
    /// The `$n` lines that belong to this refund.
    pub lines: Vec<StatusLine>,
    /// The gateway's code, for failure.
    pub code: Option<String>,
    /// The gateway's words, for failure.
    pub message: Option<String>,
}

/// Stopped for a person: why, and on what evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// Why.
    pub cause: ParkCause,
    /// In words.
    pub message: String,
    /// On what evidence.
    pub evidence: Evidence,
    /// The `$n` lines that led here, if any.
    pub lines: Vec<StatusLine>,
}

/// Where a refund stands. Each state holds only what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundState {
    /// Admitted; the next step is a submit. `waits` counts submits that provably did not happen.
    Requested {
        /// Submits in a row that provably did not happen; index into the retry schedule.
        waits: u32,
    },
    /// The intent is recorded; bytes may be leaving.
    Submitting {
        /// As in `Requested`, kept for the way back.
        waits: u32,
    },
    /// Sent or maybe sent, answer unknown. Only a query may follow.
    Unconfirmed {
        /// Queries since; index into the schedule.
        polls: u32,
        /// "Not found" answers so far.
        absences: Option<Absences>,
    },
    /// The gateway refused; queries must confirm that nothing was executed.
    Refused {
        /// What the gateway said.
        refusal: Refusal,
        /// Queries since; index into the schedule.
        polls: u32,
        /// "Not found" answers so far.
        absences: Option<Absences>,
    },
    /// The gateway holds it, not final.
    Processing {
        /// Queries since; index into the schedule.
        polls: u32,
    },
    /// Stopped for a person, amount still reserved, still queried daily.
    Parked(Parking),
    /// Ended.
    Settled(Settlement),
}

/// A [`RefundState`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKind {
    /// See [`RefundState::Requested`].
    Requested,
    /// See [`RefundState::Submitting`].
    Submitting,
    /// See [`RefundState::Unconfirmed`].
    Unconfirmed,
    /// See [`RefundState::Refused`].
    Refused,
    /// See [`RefundState::Processing`].
    Processing,
    /// See [`RefundState::Parked`].
    Parked,
    /// See [`RefundState::Settled`].
    Settled,
}

impl StateKind {
    /// Every state, in the order of a refund's life.
    pub const ALL: &[Self] = &[
        Self::Requested,
        Self::Submitting,
        Self::Unconfirmed,
        Self::Refused,
        Self::Processing,
        Self::Parked,
        Self::Settled,
    ];

    /// The word that people and scripts see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Submitting => "submitting",
            Self::Unconfirmed => "unconfirmed",
            Self::Refused => "refused",
            Self::Processing => "processing",
            Self::Parked => "parked",
            Self::Settled => "settled",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// What the state means and who moves it on after a crash, one sentence for the docs.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Requested => {
                "Admitted, nothing under way; any worker claims it when it is due and submits."
            }
            Self::Submitting => {
                "The intent is stored and bytes may be leaving. If the worker dies, the lease runs \
                 out and another worker moves it to unconfirmed."
            }
            Self::Unconfirmed => {
                "Sent or maybe sent, answer unknown. Any worker queries it when due; nobody submits."
            }
            Self::Refused => {
                "The gateway says it did not execute the refund. Any worker asks for confirmation \
                 when due."
            }
            Self::Processing => "The gateway holds it. Any worker queries it when due.",
            Self::Parked => {
                "Stopped for a person, with the amount still reserved. Any worker still queries it \
                 from time to time, once a day by default."
            }
            Self::Settled => "Ended, with evidence. Nothing moves it on.",
        }
    }
}

impl RefundState {
    /// The state without its data.
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Requested { .. } => StateKind::Requested,
            Self::Submitting { .. } => StateKind::Submitting,
            Self::Unconfirmed { .. } => StateKind::Unconfirmed,
            Self::Refused { .. } => StateKind::Refused,
            Self::Processing { .. } => StateKind::Processing,
            Self::Parked(_) => StateKind::Parked,
            Self::Settled(_) => StateKind::Settled,
        }
    }
}

/// The whole machine: state, event, next state. What is not here cannot happen.
pub const TRANSITIONS: &[(StateKind, EventKind, StateKind)] = {
    use {EventKind as E, StateKind as S};
    &[
        (S::Requested, E::SubmitStarted, S::Submitting),
        (S::Requested, E::SetAside, S::Parked),
        (S::Submitting, E::NotSent, S::Requested),
        (S::Submitting, E::Accepted, S::Processing),
        (S::Submitting, E::AnswerUnknown, S::Unconfirmed),
        (S::Submitting, E::SubmitRefused, S::Refused),
        (S::Submitting, E::SetAside, S::Parked),
        (S::Unconfirmed, E::StillProcessing, S::Processing),
        (S::Unconfirmed, E::Inconclusive, S::Processing),
        (S::Unconfirmed, E::NotFound, S::Unconfirmed),
        (S::Unconfirmed, E::NoAnswer, S::Unconfirmed),
        (S::Unconfirmed, E::ResubmitCleared, S::Requested),
        (S::Unconfirmed, E::Succeeded, S::Settled),
        (S::Unconfirmed, E::Failed, S::Settled),
        (S::Unconfirmed, E::SetAside, S::Parked),
        (S::Refused, E::StillProcessing, S::Processing),
        (S::Refused, E::Inconclusive, S::Processing),
        (S::Refused, E::NotFound, S::Refused),
        (S::Refused, E::NoAnswer, S::Refused),
        (S::Refused, E::RefusalConfirmed, S::Settled),
        (S::Refused, E::Succeeded, S::Settled),
        (S::Refused, E::Failed, S::Settled),
        (S::Refused, E::SetAside, S::Parked),
        (S::Processing, E::StillProcessing, S::Processing),
        (S::Processing, E::Inconclusive, S::Processing),
        (S::Processing, E::NotFound, S::Processing),
        (S::Processing, E::NoAnswer, S::Processing),
        (S::Processing, E::Succeeded, S::Settled),
        (S::Processing, E::Failed, S::Settled),
        (S::Processing, E::SetAside, S::Parked),
        (S::Parked, E::StillProcessing, S::Parked),
        (S::Parked, E::Inconclusive, S::Parked),
        (S::Parked, E::NotFound, S::Parked),
        (S::Parked, E::NoAnswer, S::Parked),
        (S::Parked, E::Succeeded, S::Settled),
        (S::Parked, E::Failed, S::Settled),
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
        (S::Submitting { .. }, E::AnswerUnknown { .. }) => {
            S::Unconfirmed { polls: 0, absences: None }
        }
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
            parked @ S::Parked(_),
            E::StillProcessing { .. }
            | E::Inconclusive { .. }
            | E::NotFound { .. }
            | E::NoAnswer { .. },
        ) => parked,
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
            S::Unconfirmed { .. } | S::Refused { .. } | S::Processing { .. } | S::Parked(_),
            E::Succeeded { evidence, lines },
        ) => Ok(S::Settled(Settlement::by_query(Outcome::Succeeded, *evidence, lines))),
        (
            S::Unconfirmed { .. } | S::Refused { .. } | S::Processing { .. } | S::Parked(_),
            E::Failed { evidence, lines },
        ) => Ok(S::Settled(Settlement::by_query(Outcome::Failed, *evidence, lines))),
        (
            S::Requested { .. }
            | S::Submitting { .. }
            | S::Unconfirmed { .. }
            | S::Refused { .. }
            | S::Processing { .. },
            E::SetAside(parking),
        ) => Ok(S::Parked(parking.clone())),
        (state, event) => Err(IllegalTransition { state: state.kind(), event: event.kind() }),
    }
}

impl RefundState {
    /// Counts a "not found" answer in the states that wait for absence to be believed.
    #[must_use]
    pub(super) fn with_absence(self, at: UnixMillis) -> Self {
        let counted = |absences: Option<Absences>| {
            Some(absences.map_or(Absences { count: 1, first_at: at }, |seen| Absences {
                count: seen.count.saturating_add(1),
                ..seen
            }))
        };
        match self {
            Self::Unconfirmed { polls, absences } => {
                Self::Unconfirmed { polls, absences: counted(absences) }
            }
            Self::Refused { refusal, polls, absences } => {
                Self::Refused { refusal, polls, absences: counted(absences) }
            }
            other @ (Self::Requested { .. }
            | Self::Submitting { .. }
            | Self::Processing { .. }
            | Self::Parked(_)
            | Self::Settled(_)) => other,
        }
    }
}

impl Refusal {
    /// The failure that this refusal has become.
    fn confirmed(self, at: UnixMillis) -> Settlement {
        Settlement {
            outcome: Outcome::Failed,
            evidence: Evidence { grade: self.grade, source: super::Source::Submit, at },
            lines: Vec::new(),
            code: Some(self.code),
            message: Some(self.message),
        }
    }
}

impl Settlement {
    /// A settlement that a query proved.
    fn by_query(outcome: Outcome, evidence: Evidence, lines: &[StatusLine]) -> Self {
        let failed = (outcome == Outcome::Failed).then(|| lines.first()).flatten();
        Self {
            outcome,
            evidence,
            lines: lines.to_vec(),
            code: failed.map(|line| line.status.clone()),
            message: failed.and_then(|line| line.reason.clone()),
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
