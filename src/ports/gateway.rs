//! The gateway ports: submit a refund, ask about a refund.
//!
//! An adapter never decides what a refund becomes. It says what an answer proves, and where it is
//! in doubt it says so: every doubt is [`Certainty::Unknown`].

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::domain::evidence::Found;
use crate::domain::refund::ParamsHash;
use crate::domain::state::Refusal;
use crate::domain::{GatewayName, GatewayRefundNo, Grade, Refund};

/// A field of a refund that a protocol cannot carry: which one, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct FieldError {
    /// The field as the request spells it, such as `order.gateway_order_no`.
    pub field: String,
    /// The rule, as `must be …, got …`.
    pub rule: String,
}

impl FieldError {
    /// Names the field that breaks `rule`.
    pub fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }
}

/// The gateway took the refund. Acceptance is not settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The gateway's id of the refund, if the answer named it.
    pub gateway_refund_no: Option<GatewayRefundNo>,
}

/// The understood answer to a refund query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryAnswer {
    /// The gateway shows these lines.
    Found(Found),
    /// The gateway says it knows no such refund, by a listed code.
    NotFound {
        /// How far the answer can be believed; C counts as no answer.
        grade: Grade,
        /// The gateway's code and words.
        note: String,
    },
}

/// Submits refunds over one protocol, for one account.
#[async_trait]
pub trait RefundSubmitter: Send + Sync + Debug {
    /// The `[gateways.*]` entry this submits to.
    fn gateway(&self) -> &GatewayName;

    /// Whether the protocol can carry this refund: required fields, lengths, characters.
    ///
    /// # Errors
    /// [`FieldError`] names the first field that it cannot; the refund is rejected, nothing sent.
    fn check(&self, refund: &Refund) -> Result<(), FieldError>;

    /// SHA-256 of the business parameters that [`submit`](Self::submit) would send: everything but
    /// nonce, time and signature. A resend must have the hash of the first send.
    fn params_hash(&self, refund: &Refund) -> ParamsHash;

    /// Sends the refund once. Never retries, never follows a redirect.
    ///
    /// The caller has stored the intent before it calls, and holds the lease for as long as connect
    /// and total timeout can take.
    ///
    /// # Errors
    /// [`GatewayError`]; its [`certainty`](GatewayError::certainty) says whether the gateway may
    /// have executed the refund. Dropping the future half way is an unknown outcome.
    async fn submit(&self, refund: &Refund) -> Result<Acceptance, GatewayError>;
}

/// Asks about refunds over one protocol, for one account.
#[async_trait]
pub trait RefundQuerier: Send + Sync + Debug {
    /// The `[gateways.*]` entry this asks.
    fn gateway(&self) -> &GatewayName;

    /// Whether the protocol can ask about this refund. See [`RefundSubmitter::check`].
    ///
    /// # Errors
    /// [`FieldError`] names the first field that it cannot carry.
    fn check(&self, refund: &Refund) -> Result<(), FieldError>;

    /// Asks for the refund by our own refund number. Harmless to repeat.
    ///
    /// # Errors
    /// [`GatewayError`], whatever its kind, is no information: nothing about the refund may be
    /// concluded from it, least of all absence.
    async fn query(&self, refund: &Refund) -> Result<QueryAnswer, GatewayError>;
}

/// What an error of a submit says about whether the refund was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certainty {
    /// Proof that it was not: the same number may be submitted again, after this wait.
    NotSent {
        /// How long the gateway asked to wait, ms.
        retry_after_ms: Option<u64>,
    },
    /// The gateway says it was not, by a listed code. Queries must confirm it.
    Refused(Refusal),
    /// It answered something that contradicts what was asked: a person must look.
    Contradicted,
    /// It may or may not have been: query first.
    Unknown,
}

/// Why a gateway gave no usable answer.
///
/// Messages are written to stand behind `refund R1: `.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// No request byte left: DNS, refused or timed-out connect, TLS handshake.
    #[error("could not connect to the gateway")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// The request could not be built; a defect or an impossible configuration. Nothing left.
    #[error("the request could not be built: {0}")]
    Request(String),
    /// The gateway's own signed "not accepted", or HTTP 429: it did nothing and asks to wait.
    #[error("the gateway did not take the request: {code} {message}")]
    PutOff {
        /// The gateway's code.
        code: String,
        /// The gateway's words.
        message: String,
        /// How long it asked to wait, ms.
        retry_after_ms: Option<u64>,
    },
    /// A code from the positive list "definitely not executed".
    #[error("the gateway refused: {} {}", .0.code, .0.message)]
    Refused(Refusal),
    /// A signed answer about another amount, number or order than was asked.
    #[error("the gateway's signed answer contradicts the request: {0}")]
    Contradiction(String),
    /// No answer within the time allowed, after bytes may have left.
    #[error("the gateway did not answer in time")]
    Timeout(#[source] Box<dyn Error + Send + Sync>),
    /// The connection broke after bytes may have left.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// An HTTP status that is not an answer of the protocol.
    #[error("the gateway answered with HTTP status {status}")]
    HttpStatus {
        /// The status.
        status: u16,
        /// `Retry-After`, ms, where the answer had one.
        retry_after_ms: Option<u64>,
    },
    /// A body that is not an answer of the protocol: HTML, empty, cut off, too large.
    #[error("the gateway's answer could not be read: {0}")]
    Unreadable(String),
    /// A signature that is wrong, or missing where one is due. A security alarm.
    #[error("the gateway's answer has no valid signature: {0}")]
    BadSignature(String),
    /// A code that nobody has listed, or one listed as ambiguous.
    #[error("the gateway's answer settles nothing: {code} {message}")]
    Ambiguous {
        /// The gateway's code.
        code: String,
        /// The gateway's words.
        message: String,
    },
}

impl GatewayError {
    /// Whether the refund may have been executed. The default of any doubt is
    /// [`Certainty::Unknown`]; a new variant must choose.
    pub fn certainty(&self) -> Certainty {
        match self {
            Self::Connect(_) | Self::Request(_) => Certainty::NotSent { retry_after_ms: None },
            Self::PutOff { retry_after_ms, .. } => {
                Certainty::NotSent { retry_after_ms: *retry_after_ms }
            }
            Self::Refused(refusal) => Certainty::Refused(refusal.clone()),
            Self::Contradiction(_) => Certainty::Contradicted,
            Self::Timeout(_)
            | Self::Broken(_)
            | Self::HttpStatus { .. }
            | Self::Unreadable(_)
            | Self::BadSignature(_)
            | Self::Ambiguous { .. } => Certainty::Unknown,
        }
    }

    /// How long the gateway asked to wait, ms.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::PutOff { retry_after_ms, .. } | Self::HttpStatus { retry_after_ms, .. } => {
                *retry_after_ms
            }
            Self::Connect(_)
            | Self::Request(_)
            | Self::Refused(_)
            | Self::Contradiction(_)
            | Self::Timeout(_)
            | Self::Broken(_)
            | Self::Unreadable(_)
            | Self::BadSignature(_)
            | Self::Ambiguous { .. } => None,
        }
    }
}
