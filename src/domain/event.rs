//! What can happen to a refund. What an event makes of a state stands in [`super::state`].

use super::evidence::StatusLine;
use super::state::{Outcome, Parking, Refusal};
use super::{Evidence, GatewayRefundNo, UnixMillis};

/// Who decided something that a machine must not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The person, by the name of their login or token.
    pub who: String,
    /// Their words for why.
    pub reason: String,
}

/// Something that happened to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The intent to submit was recorded; from here on bytes may leave.
    SubmitStarted,
    /// Proof that the submit did not happen: no byte left, or the gateway said "not accepted".
    NotSent {
        /// What stopped it.
        note: String,
        /// How long the gateway asked to wait, ms.
        retry_after_ms: Option<u64>,
    },
    /// The gateway took it. Acceptance is not settlement.
    Accepted {
        /// The gateway's id of the refund, if the answer named it.
        gateway_refund_no: Option<GatewayRefundNo>,
    },
    /// The submit may or may not have happened.
    AnswerUnknown {
        /// What makes it unknown.
        note: String,
    },
    /// The gateway says that it did not execute the refund.
    SubmitRefused(Refusal),
    /// A query shows it under way.
    StillProcessing {
        /// The gateway's id of the refund, if the answer named it.
        gateway_refund_no: Option<GatewayRefundNo>,
    },
    /// A query shows it, but nothing that could settle it: the gateway knows it after all.
    Inconclusive {
        /// What makes it so.
        note: String,
    },
    /// A query shows nothing of this number.
    NotFound {
        /// The gateway's code and words.
        note: String,
    },
    /// A query taught nothing: error, timeout, bad signature, a word nobody listed.
    NoAnswer {
        /// What went wrong.
        note: String,
        /// How long the gateway asked to wait, ms.
        retry_after_ms: Option<u64>,
    },
    /// All guards of a resubmit of the same number are met.
    ResubmitCleared,
    /// A query proves success.
    Succeeded {
        /// The evidence.
        evidence: Evidence,
        /// The lines of this refund.
        lines: Vec<StatusLine>,
    },
    /// A query proves failure.
    Failed {
        /// The evidence.
        evidence: Evidence,
        /// The lines of this refund.
        lines: Vec<StatusLine>,
    },
    /// Enough absences confirm an earlier refusal.
    RefusalConfirmed {
        /// When the last absence came.
        at: UnixMillis,
    },
    /// A person is needed.
    SetAside(Parking),
    /// Redis may have lost the record of a send: nothing is submitted before the gateway was asked.
    WritesLost {
        /// What is known about the loss.
        note: String,
    },
    /// A query says again what the refund has ended with.
    Confirmed {
        /// The gateway's words.
        note: String,
    },
    /// A person lets a parked refund go on, by query first.
    Released(Decision),
    /// A person says how it ended, on evidence of their own.
    Resolved {
        /// How it ended.
        outcome: Outcome,
        /// When they said so.
        at: UnixMillis,
        /// Who, and on what evidence.
        by: Decision,
    },
    /// A person ends the work on it. Nothing is cancelled at the gateway.
    Abandoned {
        /// When they did.
        at: UnixMillis,
        /// Who, and why.
        by: Decision,
    },
}

/// An [`Event`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// See [`Event::SubmitStarted`].
    SubmitStarted,
    /// See [`Event::NotSent`].
    NotSent,
    /// See [`Event::Accepted`].
    Accepted,
    /// See [`Event::AnswerUnknown`].
    AnswerUnknown,
    /// See [`Event::SubmitRefused`].
    SubmitRefused,
    /// See [`Event::StillProcessing`].
    StillProcessing,
    /// See [`Event::Inconclusive`].
    Inconclusive,
    /// See [`Event::NotFound`].
    NotFound,
    /// See [`Event::NoAnswer`].
    NoAnswer,
    /// See [`Event::ResubmitCleared`].
    ResubmitCleared,
    /// See [`Event::Succeeded`].
    Succeeded,
    /// See [`Event::Failed`].
    Failed,
    /// See [`Event::RefusalConfirmed`].
    RefusalConfirmed,
    /// See [`Event::SetAside`].
    SetAside,
    /// See [`Event::WritesLost`].
    WritesLost,
    /// See [`Event::Confirmed`].
    Confirmed,
    /// See [`Event::Released`].
    Released,
    /// See [`Event::Resolved`].
    Resolved,
    /// See [`Event::Abandoned`].
    Abandoned,
}

impl EventKind {
    /// Every event.
    pub const ALL: &[Self] = &[
        Self::SubmitStarted,
        Self::NotSent,
        Self::Accepted,
        Self::AnswerUnknown,
        Self::SubmitRefused,
        Self::StillProcessing,
        Self::Inconclusive,
        Self::NotFound,
        Self::NoAnswer,
        Self::ResubmitCleared,
        Self::Succeeded,
        Self::Failed,
        Self::RefusalConfirmed,
        Self::SetAside,
        Self::WritesLost,
        Self::Confirmed,
        Self::Released,
        Self::Resolved,
        Self::Abandoned,
    ];

    /// The word that people and stored records carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubmitStarted => "submit_started",
            Self::NotSent => "not_sent",
            Self::Accepted => "accepted",
            Self::AnswerUnknown => "answer_unknown",
            Self::SubmitRefused => "refused",
            Self::StillProcessing => "processing",
            Self::Inconclusive => "inconclusive",
            Self::NotFound => "not_found",
            Self::NoAnswer => "no_answer",
            Self::ResubmitCleared => "resubmit_cleared",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RefusalConfirmed => "refusal_confirmed",
            Self::SetAside => "parked",
            Self::WritesLost => "writes_lost",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Resolved => "resolved",
            Self::Abandoned => "abandoned",
        }
    }

    /// The event of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// Whether it is the answer to a query that changed nothing final.
    pub const fn is_query(self) -> bool {
        matches!(
            self,
            Self::StillProcessing
                | Self::Inconclusive
                | Self::NotFound
                | Self::NoAnswer
                | Self::Confirmed
        )
    }
}

impl Event {
    /// The event without its data.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::SubmitStarted => EventKind::SubmitStarted,
            Self::NotSent { .. } => EventKind::NotSent,
            Self::Accepted { .. } => EventKind::Accepted,
            Self::AnswerUnknown { .. } => EventKind::AnswerUnknown,
            Self::SubmitRefused(_) => EventKind::SubmitRefused,
            Self::StillProcessing { .. } => EventKind::StillProcessing,
            Self::Inconclusive { .. } => EventKind::Inconclusive,
            Self::NotFound { .. } => EventKind::NotFound,
            Self::NoAnswer { .. } => EventKind::NoAnswer,
            Self::ResubmitCleared => EventKind::ResubmitCleared,
            Self::Succeeded { .. } => EventKind::Succeeded,
            Self::Failed { .. } => EventKind::Failed,
            Self::RefusalConfirmed { .. } => EventKind::RefusalConfirmed,
            Self::SetAside(_) => EventKind::SetAside,
            Self::WritesLost { .. } => EventKind::WritesLost,
            Self::Confirmed { .. } => EventKind::Confirmed,
            Self::Released(_) => EventKind::Released,
            Self::Resolved { .. } => EventKind::Resolved,
            Self::Abandoned { .. } => EventKind::Abandoned,
        }
    }

    /// The words for the history.
    pub fn note(&self) -> String {
        match self {
            Self::NotSent { note, .. }
            | Self::AnswerUnknown { note }
            | Self::Inconclusive { note }
            | Self::NotFound { note }
            | Self::WritesLost { note }
            | Self::Confirmed { note }
            | Self::NoAnswer { note, .. } => note.clone(),
            Self::Released(by) | Self::Abandoned { by, .. } => by.to_string(),
            Self::Resolved { outcome, by, .. } => format!("{} {by}", outcome.as_str()),
            Self::SubmitRefused(refusal) => format!("{}: {}", refusal.code, refusal.message),
            Self::SetAside(parking) => format!("{}: {}", parking.cause.as_str(), parking.message),
            Self::Succeeded { lines, .. } | Self::Failed { lines, .. } => lines
                .iter()
                .map(|line| format!("line {}: {} {}", line.n, line.status, line.amount_cents))
                .collect::<Vec<_>>()
                .join(", "),
            Self::SubmitStarted
            | Self::Accepted { .. }
            | Self::StillProcessing { .. }
            | Self::ResubmitCleared
            | Self::RefusalConfirmed { .. } => String::new(),
        }
    }
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "by {}: {}", self.who, self.reason)
    }
}
