//! Which action is allowed where: one table, pure.
//!
//! A refusal says what to do instead. What is allowed here is legal in the state machine; the tests
//! hold the two against each other.

use crate::domain::RefundRecord;
use crate::domain::state::{Decision, Event, Outcome, RefundState};
use crate::domain::step::is_doubted;
use crate::domain::time::UnixMillis;

/// How a person says that a refund ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The money went back to the payer.
    Succeeded,
    /// No money moved, and none will.
    Failed,
}

impl Resolution {
    /// Both.
    pub const ALL: &[Self] = &[Self::Succeeded, Self::Failed];

    /// The outcome that is recorded.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Succeeded => Outcome::Succeeded,
            Self::Failed => Outcome::Failed,
        }
    }

    /// The resolution of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.outcome().as_str() == text)
    }
}

/// What a person may do to one refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the gateway now, whatever the schedule says; also about what has ended.
    Check,
    /// Let a parked refund go on, by query first.
    Release,
    /// Say how it ended, on evidence of one's own.
    Resolve(Resolution),
    /// End the work on it. Nothing is cancelled at the gateway.
    Abandon,
}

impl Action {
    /// Every action.
    pub const ALL: &[Self] = &[
        Self::Check,
        Self::Release,
        Self::Resolve(Resolution::Succeeded),
        Self::Resolve(Resolution::Failed),
        Self::Abandon,
    ];

    /// The word that people, scripts and the audit trail see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Release => "release",
            Self::Resolve(_) => "resolve",
            Self::Abandon => "abandon",
        }
    }

    /// What it makes happen to the refund; `None` for a check, which changes nothing by itself.
    pub(super) fn event(self, at: UnixMillis, by: Decision) -> Option<Event> {
        match self {
            Self::Check => None,
            Self::Release => Some(Event::Released(by)),
            Self::Resolve(said) => Some(Event::Resolved { outcome: said.outcome(), at, by }),
            Self::Abandon => Some(Event::Abandoned { at, by }),
        }
    }
}

/// Where a refund stands, as far as it decides what a person may do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Requested, and nothing has been sent.
    Unsent,
    /// Requested, and the ledger may have lost that it was sent.
    Doubted,
    /// Requested, and an earlier send may have left something behind at the gateway.
    Resends,
    /// A worker is submitting it.
    Submitting,
    /// Sent or maybe sent; refundd asks about it.
    Open,
    /// Stopped for a person.
    Parked,
    /// Ended.
    Ended(Outcome),
}

impl Place {
    /// The place of a refund, in a ledger that was last found to have lost writes at `lost_at`.
    pub fn of(record: &RefundRecord, lost_at: Option<UnixMillis>) -> Self {
        match &record.state {
            RefundState::Requested { .. }
                if record.tally.attempts == 0 && is_doubted(record, lost_at) =>
            {
                Self::Doubted
            }
            RefundState::Requested { .. } if record.tally.attempts == 0 => Self::Unsent,
            RefundState::Requested { .. } => Self::Resends,
            RefundState::Submitting { .. } => Self::Submitting,
            RefundState::Unconfirmed { .. }
            | RefundState::Refused { .. }
            | RefundState::Processing { .. } => Self::Open,
            RefundState::Parked(_) => Self::Parked,
            RefundState::Settled(end) => Self::Ended(end.outcome),
        }
    }
}

/// Whether an action may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Go,
    /// Not while a worker is submitting it.
    Busy,
    /// No; the text says why, and what to do instead.
    No(&'static str),
}

/// Whether `action` may be done to a refund at `place`.
pub const fn judge(place: Place, action: Action) -> Verdict {
    use {Action as A, Outcome as O, Place as P, Resolution as R, Verdict as V};
    match (place, action) {
        (P::Submitting, _) => V::Busy,

        (P::Unsent, A::Check) => V::No(
            "nothing has been sent, so the gateway has nothing to tell; it is sent when it is due",
        ),
        (P::Unsent, A::Release) => {
            V::No("it is not parked: it is sent when it is due; abandon withdraws it before that")
        }
        (P::Unsent, A::Resolve(_)) => {
            V::No("nothing has been sent, so nothing can have ended; abandon withdraws it")
        }
        (P::Doubted, A::Abandon) => V::No(
            "Redis may have lost that it was sent, so the gateway is asked about it before its first \
             submit; abandon it after that",
        ),
        (P::Doubted, A::Check | A::Release) => V::No(
            "Redis may have lost that it was sent, so refundd asks the gateway about it by itself when \
             it is due, before anything is sent",
        ),
        (P::Doubted, A::Resolve(_)) => V::No(
            "Redis may have lost that it was sent, so the gateway is asked about it before its first \
             submit; resolve it after that, if it is still needed",
        ),
        (P::Resends, A::Check) => V::No(
            "the gateway was asked and does not know it, so it is about to be sent again; check it \
             after that",
        ),
        (P::Resends, A::Release) => {
            V::No("it is not parked: it is about to be sent again by itself")
        }
        (P::Resends, A::Resolve(_)) => V::No(
            "it was sent before and is about to be sent again; abandon keeps it from that, and resolve \
             then says how it ended",
        ),
        (P::Open, A::Release) => {
            V::No("it is not parked: refundd goes on asking about it by itself; check asks at once")
        }
        (P::Ended(O::Succeeded | O::Failed), A::Release) => V::No(
            "it has ended and is not parked; check asks the gateway again, resolve corrects the end",
        ),
        (P::Ended(O::Withdrawn), A::Release) => {
            V::No("it was withdrawn before anything was sent; push a new refund instead")
        }
        (P::Ended(O::GivenUp), A::Release) => V::No(
            "it was abandoned and is not parked; check asks the gateway again, resolve says how it \
             ended",
        ),
        (P::Ended(O::Succeeded), A::Resolve(R::Succeeded)) => {
            V::No("it has ended as succeeded already; there is nothing to do")
        }
        (P::Ended(O::Failed), A::Resolve(R::Failed)) => {
            V::No("it has ended as failed already; there is nothing to do")
        }
        (P::Ended(O::Withdrawn), A::Resolve(R::Failed)) => V::No(
            "it was withdrawn before anything was sent: no money moved and its amount is free already",
        ),
        (P::Ended(O::Withdrawn | O::GivenUp), A::Abandon) => {
            V::No("it was abandoned already; there is nothing to do")
        }
        (P::Ended(O::Succeeded | O::Failed), A::Abandon) => {
            V::No("it has ended, so there is nothing to abandon; resolve corrects how it ended")
        }

        (P::Unsent | P::Resends, A::Abandon)
        | (P::Open | P::Parked, A::Check | A::Resolve(_) | A::Abandon)
        | (P::Parked, A::Release)
        | (P::Ended(_), A::Check)
        | (P::Ended(O::Succeeded | O::GivenUp), A::Resolve(R::Failed))
        | (P::Ended(O::Failed | O::Withdrawn | O::GivenUp), A::Resolve(R::Succeeded)) => V::Go,
    }
}
