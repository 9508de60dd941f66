//! The result as a type, and how a record becomes one.
//!
//! A result is built from the record alone, in the same write that stores the final state, so that
//! neither exists without the other. Optional fields are left out, never null.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::evidence::{EvidenceV1, StatusV1};
use super::fault::{Invalid, RejectCode};
use super::parse::Readable;
use super::request::OrderV1;
use super::view::words;
use crate::domain::evidence::{self, StatusLine};
use crate::domain::state::{Outcome, RefundState};
use crate::domain::{
    AmountCents, Evidence, GatewayName, Grade, RefundNo, RefundRecord, Source, UnixMillis,
};
use crate::ports::ledger::{EntryId, Publication};

/// A result, version 1: one entry of the results stream, field `result`.
///
/// Consumers dedupe on `event_id`. A later result of the same refund has a higher `version` and
/// replaces the earlier one. A `rejected` result is about one request, not about a stored refund (if the
/// refund number is known from an earlier request, that refund goes on untouched), but for the code
/// `abandoned`: a person withdrew a stored refund before anything was sent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "refundd result v1")]
pub struct ResultV1 {
    /// Version of this form: 1.
    #[schemars(schema_with = "super::schema::one")]
    pub v: u8,
    /// Unique: `<refund_no>.<version>.<outcome>` of a stored refund, or `<refund_no>.rejected.<request entry id>`
    /// of a request that led to none.
    pub event_id: String,
    /// 1 for the first result of a refund, 1 more for each correction.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// As requested.
    pub refund_no: String,
    /// As requested. Left out only if rejected and not readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The `[gateways.*]` entry that the refund is submitted to. Left out only if rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// How it ended, or that a person is needed.
    pub outcome: OutcomeV1,
    /// As requested, minor units. Left out only if rejected and not readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<u64>,
    /// As requested. Left out only if rejected and not readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// As requested. Left out only if rejected and not readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderV1>,
    /// As requested, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub metadata: Option<Box<RawValue>>,
    /// The gateway's own refund id, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_refund_no: Option<String>,
    /// The `$n` lines of the gateway's answer that belong to this refund; may be empty.
    pub statuses: Vec<StatusV1>,
    /// For failed the gateway's code, for parked the cause (`horizon`, `not_found`, `discrepancy`,
    /// `abnormal`, `unproven_failure`, `params_changed`, `poison`, `contradiction`, `over_refund`,
    /// `daily_limit`), for rejected one
    /// of `invalid`, `conflict`, `over_refund`, `order_mismatch`, `unknown_account`. Where a person
    /// decided: `resolved`, or `abandoned` for rejected (never sent) and parked (given up).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The reason in words, for anything but success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why refundd believes it.
    pub evidence: EvidenceV1,
    /// Submits that may have reached the gateway.
    pub attempts: u32,
    /// Queries made, answered or not.
    pub polls: u32,
    /// When the order system says it asked, RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub requested_at: Option<String>,
    /// When the first submit was recorded, RFC 3339 UTC. Left out if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub submitted_at: Option<String>,
    /// When the outcome became known, RFC 3339 UTC. Only for succeeded and failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub settled_at: Option<String>,
}

/// How a refund ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeV1 {
    /// The money went back to the payer.
    Succeeded,
    /// The gateway refused or failed it; money did not move.
    Failed,
    /// Never sent: the request itself is at fault.
    Rejected,
    /// A machine cannot decide; a person is needed, and a later correction carries the final
    /// outcome. The amount stays reserved.
    Parked,
}

impl OutcomeV1 {
    /// The word, as the stream field `outcome` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Parked => "parked",
        }
    }
}

impl From<Outcome> for OutcomeV1 {
    /// What a person gave up was never sent, or else it is still open at the gateway.
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::Withdrawn => Self::Rejected,
            Outcome::GivenUp => Self::Parked,
        }
    }
}

/// What differs between a settled and a parked record.
struct End<'a> {
    outcome: OutcomeV1,
    evidence: &'a Evidence,
    lines: &'a [StatusLine],
    code: Option<String>,
    message: Option<String>,
    settled_at: Option<String>,
}

/// The result of a refund that has settled or is parked; `None` in every other state.
///
/// `record.tally.results` must count this result already: it is the version, and with the refund
/// number and the outcome it makes the event id, so a repeat of the same write publishes the same
/// event. The outcome is part of it because Redis may lose a result that was read, and end the refund
/// otherwise then: who dedupes by the id must not miss that.
pub fn result_of(record: &RefundRecord, gateway: &GatewayName) -> Option<Publication> {
    let end = end_of(&record.state)?;
    let refund = &record.refund;
    let version = record.tally.results;
    let own = || evidence::own_lines(refund, end.lines);
    let gateway_refund_no = record
        .gateway_refund_no
        .as_ref()
        .or_else(|| own().find_map(|line| line.gateway_refund_no.as_ref()));
    let result = ResultV1 {
        event_id: format!("{}.{version}.{}", refund.refund_no, end.outcome.as_str()),
        version,
        gateway: Some(gateway.to_string()),
        gateway_refund_no: gateway_refund_no.map(ToString::to_string),
        statuses: own().map(StatusV1::from).collect(),
        code: end.code,
        message: end.message,
        attempts: record.tally.attempts,
        polls: record.tally.polls,
        submitted_at: record.tally.submitted_at.map(|at| at.to_string()),
        settled_at: end.settled_at,
        ..echo(&refund.refund_no, &Readable::from(refund), end.outcome, end.evidence)
    };
    Some(result.publication())
}

fn end_of(state: &RefundState) -> Option<End<'_>> {
    match state {
        RefundState::Settled(end) => Some(End {
            outcome: end.outcome.into(),
            evidence: &end.evidence,
            lines: &end.lines,
            code: end.code.clone(),
            message: words(end),
            settled_at: (end.outcome != Outcome::GivenUp).then(|| end.evidence.at.to_string()),
        }),
        RefundState::Parked(parking) => Some(End {
            outcome: OutcomeV1::Parked,
            evidence: &parking.evidence,
            lines: &parking.lines,
            code: Some(parking.cause.as_str().to_owned()),
            message: Some(parking.message.clone()),
            settled_at: None,
        }),
        RefundState::Requested { .. }
        | RefundState::Submitting { .. }
        | RefundState::Unconfirmed { .. }
        | RefundState::Refused { .. }
        | RefundState::Processing { .. } => None,
    }
}

/// A request that leads to no refund, and why.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Its refund number, which is legal.
    pub refund_no: RefundNo,
    /// The request entry that it answers.
    pub entry: EntryId,
    /// Which rule family it breaks.
    pub code: RejectCode,
    /// The field and the rule, for a person.
    pub message: String,
    /// What to echo.
    pub readable: Readable,
    /// Where it would have been submitted, if the account is known.
    pub gateway: Option<GatewayName>,
}

impl Rejection {
    /// The rejection of a request that could not be parsed.
    pub fn of(invalid: &Invalid, entry: EntryId) -> Self {
        Self {
            refund_no: invalid.refund_no.clone(),
            entry,
            code: invalid.fault.code,
            message: invalid.fault.to_string(),
            readable: invalid.readable.clone(),
            gateway: None,
        }
    }
}

/// The result of a request that leads to no refund.
///
/// A rejection answers one request entry, which is in its event id; it is no version of the refund
/// that may be stored under the same number, and carries version 1. Its evidence is refundd's own:
/// nothing was sent for this request, no gateway was asked (grade C).
pub fn rejected(rejection: &Rejection, at: UnixMillis) -> Publication {
    let evidence = Evidence { grade: Grade::C, source: Source::Refundd, at };
    let no = &rejection.refund_no;
    let result = ResultV1 {
        event_id: format!("{no}.rejected.{}", rejection.entry.0),
        gateway: rejection.gateway.as_ref().map(ToString::to_string),
        code: Some(rejection.code.as_str().to_owned()),
        message: Some(rejection.message.clone()),
        ..echo(no, &rejection.readable, OutcomeV1::Rejected, &evidence)
    };
    result.publication()
}

/// A result that echoes what was asked and says nothing more.
fn echo(
    refund_no: &RefundNo,
    asked: &Readable,
    outcome: OutcomeV1,
    evidence: &Evidence,
) -> ResultV1 {
    let metadata = asked.metadata.clone();
    ResultV1 {
        v: 1,
        event_id: String::new(),
        version: 1,
        refund_no: refund_no.to_string(),
        account: asked.account.as_ref().map(ToString::to_string),
        gateway: None,
        outcome,
        amount_cents: asked.amount.map(AmountCents::get),
        currency: asked.currency.map(|currency| currency.to_string()),
        order: asked.order.as_ref().map(OrderV1::of),
        metadata: metadata.and_then(|text| RawValue::from_string(text).ok()),
        gateway_refund_no: None,
        statuses: Vec::new(),
        code: None,
        message: None,
        evidence: EvidenceV1::from(evidence),
        attempts: 0,
        polls: 0,
        requested_at: asked.requested_at.map(|at| at.to_string()),
        submitted_at: None,
        settled_at: None,
    }
}

impl ResultV1 {
    /// The entry of the results stream.
    fn publication(self) -> Publication {
        Publication {
            // Cannot fail: every key is a string and no field has a Serialize of its own.
            json: serde_json::to_string(&self).unwrap_or_default(),
            event_id: self.event_id,
            refund_no: self.refund_no,
            outcome: self.outcome.as_str(),
        }
    }
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
