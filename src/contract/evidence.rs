//! The parts of a result that come from the gateway: its lines about the refund, and how far an
//! answer can be believed.
//!
//! The words and the fields are public and belong to the version of the result that carries them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::evidence::StatusLine;
use crate::domain::{Evidence, Grade, Source};

/// One line of the gateway's answer about this refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusV1 {
    /// The `$n` of the line, from 0.
    pub n: u32,
    /// The gateway's own refund id of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_refund_no: Option<String>,
    /// The amount of the line, minor units.
    pub amount_cents: u64,
    /// The status as the gateway spelt it.
    pub status: String,
    /// When the gateway says it happened, RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub time: Option<String>,
    /// The gateway's words for why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why refundd believes an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceV1 {
    /// How far the gateway's answer can be believed.
    pub grade: GradeV1,
    /// Where the evidence came from.
    pub source: SourceV1,
    /// When it arrived, RFC 3339 UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}

/// How far a gateway's answer can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GradeV1 {
    /// A valid response signature, and ids and amounts that match.
    A,
    /// An unsigned answer over verified TLS with a listed meaning.
    B,
    /// No evidence of a gateway. Always so if rejected, since no gateway was asked; that nothing
    /// was sent for this request is refundd's own knowledge and needs none.
    C,
}

/// Where a piece of evidence came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceV1 {
    /// The answer to a submit.
    Submit,
    /// The answer to a refund query.
    Query,
    /// A notification of the gateway.
    Callback,
    /// A person, with a reason.
    Operator,
    /// refundd itself: a limit was reached or a rule was broken.
    Refundd,
}

impl GradeV1 {
    /// The word that results carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

impl SourceV1 {
    /// The word that results carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Query => "query",
            Self::Callback => "callback",
            Self::Operator => "operator",
            Self::Refundd => "refundd",
        }
    }
}

impl From<&Evidence> for EvidenceV1 {
    fn from(evidence: &Evidence) -> Self {
        Self {
            grade: match evidence.grade {
                Grade::A => GradeV1::A,
                Grade::B => GradeV1::B,
                Grade::C => GradeV1::C,
            },
            source: match evidence.source {
                Source::Submit => SourceV1::Submit,
                Source::Query => SourceV1::Query,
                Source::Callback => SourceV1::Callback,
                Source::Operator => SourceV1::Operator,
                Source::Refundd => SourceV1::Refundd,
            },
            at: evidence.at.to_string(),
        }
    }
}

impl From<&StatusLine> for StatusV1 {
    fn from(line: &StatusLine) -> Self {
        Self {
            n: line.n,
            gateway_refund_no: line.gateway_refund_no.as_ref().map(ToString::to_string),
            amount_cents: line.amount_cents,
            status: line.status.clone(),
            time: line.time.map(|at| at.to_string()),
            reason: line.reason.clone(),
        }
    }
}
