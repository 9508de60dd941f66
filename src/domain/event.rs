//! What can happen to a refund. What an event makes of a state stands in [`super::state`].

use super::evidence::StatusLine;
use super::state::{Parking, Refusal};
use super::{Evidence, GatewayRefundNo, UnixMillis};

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
        }
    }

    /// The event of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// Whether it is the answer to a query that changed nothing final.
    pub const fn is_query(self) -> bool {
        matches!(self, Self::StillProcessing | Self::Inconclusive | Self::NotFound | Self::NoAnswer)
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
        }
    }

    /// The words for the history.
    pub fn note(&self) -> String {
        match self {
            Self::NotSent { note, .. }
            | Self::AnswerUnknown { note }
            | Self::Inconclusive { note }
            | Self::NotFound { note }
            | Self::NoAnswer { note, .. } => note.clone(),
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
