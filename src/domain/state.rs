//! Where a refund can stand, and what each of these states holds. What may follow what stands in
//! [`super::transitions`].

pub use super::event::{Decision, Event, EventKind};
use super::evidence::StatusLine;
pub use super::transitions::{IllegalTransition, TRANSITIONS, apply};
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
    /// It had settled, and the gateway now tells otherwise.
    Contradiction,
    /// Its order would give back more than was paid: another refund of it turned out to have moved
    /// money after all.
    OverRefund,
    /// It is more than its account may send in a day.
    DailyLimit,
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
        Self::Contradiction,
        Self::OverRefund,
        Self::DailyLimit,
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
            Self::Contradiction => "contradiction",
            Self::OverRefund => "over_refund",
            Self::DailyLimit => "daily_limit",
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
    /// Given up by a person before anything was sent; no money moved.
    Withdrawn,
    /// Given up by a person after something may have been sent: it may still succeed at the gateway.
    GivenUp,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: &[Self] = &[Self::Succeeded, Self::Failed, Self::Withdrawn, Self::GivenUp];

    /// The word that records carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::GivenUp => "given_up",
        }
    }

    /// The outcome of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|outcome| outcome.as_str() == text)
    }

    /// Whether its amount may be refunded anew: it is certain that no money moved.
    pub const fn frees(self) -> bool {
        matches!(self, Self::Failed | Self::Withdrawn)
    }
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
                "Sent or maybe sent, answer unknown; or Redis may have lost the record of a send. Any \
                 worker queries it when due; nobody submits."
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
            Self::Settled => {
                "Ended, with evidence. Nothing moves it on but a correction: somebody asks the gateway \
                 again and a signed answer contradicts it, or a person says otherwise."
            }
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

impl RefundState {
    /// What a result tells: a change of it is published.
    pub(super) fn standing(&self) -> (StateKind, Option<Outcome>) {
        let outcome = match self {
            Self::Settled(end) => Some(end.outcome),
            Self::Requested { .. }
            | Self::Submitting { .. }
            | Self::Unconfirmed { .. }
            | Self::Refused { .. }
            | Self::Processing { .. }
            | Self::Parked(_) => None,
        };
        (self.kind(), outcome)
    }

    /// Whether the amount counts against the order: always, unless it is certain that no money moved.
    pub fn holds(&self) -> bool {
        self.standing().1.is_none_or(|outcome| !outcome.frees())
    }

    /// The state without the "not found" answers from before a loss of writes: what was sent after them
    /// may be lost, and they say nothing of it.
    #[must_use]
    pub fn without_absences_before(self, lost_at: UnixMillis) -> Self {
        let later = |seen: Option<Absences>| seen.filter(|seen| seen.first_at > lost_at);
        match self {
            Self::Unconfirmed { polls, absences } => {
                Self::Unconfirmed { polls, absences: later(absences) }
            }
            Self::Refused { refusal, polls, absences } => {
                Self::Refused { refusal, polls, absences: later(absences) }
            }
            other @ (Self::Requested { .. }
            | Self::Submitting { .. }
            | Self::Processing { .. }
            | Self::Parked(_)
            | Self::Settled(_)) => other,
        }
    }

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
    pub(super) fn confirmed(self, at: UnixMillis) -> Settlement {
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
    pub(super) fn by_query(outcome: Outcome, evidence: Evidence, lines: &[StatusLine]) -> Self {
        let failed = (outcome == Outcome::Failed).then(|| lines.first()).flatten();
        Self {
            outcome,
            evidence,
            lines: lines.to_vec(),
            code: failed.map(|line| line.status.clone()),
            message: failed.and_then(|line| line.reason.clone()),
        }
    }

    /// A settlement that a person decided. Their word is no evidence of a gateway.
    pub(super) fn by_person(outcome: Outcome, at: UnixMillis, code: &str, by: &Decision) -> Self {
        Self {
            outcome,
            evidence: Evidence { grade: Grade::C, source: super::Source::Operator, at },
            lines: Vec::new(),
            code: Some(code.to_owned()),
            message: Some(by.to_string()),
        }
    }
}
