//! One stored refund as people and scripts look at it: what `refundd show --json` and
//! `refundd list --json` print.

use schemars::JsonSchema;
use serde::Serialize;

use super::request::OrderV1;
use super::result::{EvidenceV1, OutcomeV1, StatusV1};
use crate::domain::state::{Outcome, RefundState, Settlement};
use crate::domain::{AmountCents, UnixMillis};
use crate::ports::ledger::Stored;

/// A refund with its state, its money and its history.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RefundView {
    /// The merchant refund number.
    pub refund_no: String,
    /// The merchant account.
    pub account: String,
    /// Where it stands; one word of `docs/states.md`.
    pub state: &'static str,
    /// `succeeded`, `failed`, `rejected` or `parked`, once a result has been published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// Minor units of `currency`.
    pub amount_cents: u64,
    /// ISO 4217.
    pub currency: String,
    /// The paid order.
    pub order: OrderV1,
    /// The merchant's words for why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The gateway's own refund id, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_refund_no: Option<String>,
    /// The gateway's or refundd's code for anything but success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why refundd believes the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceV1>,
    /// The `$n` lines that belong to this refund.
    pub statuses: Vec<StatusV1>,
    /// Submits that may have reached the gateway.
    pub attempts: u32,
    /// Queries.
    pub polls: u32,
    /// Results published so far.
    pub results: u32,
    /// When it was taken in, RFC 3339.
    pub admitted_at: String,
    /// When it was first submitted, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<String>,
    /// When refundd looks at it next, RFC 3339; while a worker holds it, when the lease ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// Whether a worker holds it now.
    pub leased: bool,
    /// Whether it waits for another refund of its order.
    pub waiting: bool,
    /// What has happened, oldest first.
    pub history: Vec<HistoryView>,
}

/// One line of a refund's history.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HistoryView {
    /// When it first happened, RFC 3339.
    pub at: String,
    /// When it last happened, RFC 3339.
    pub last_at: String,
    /// How often in a row.
    pub times: u32,
    /// What it was.
    pub event: &'static str,
    /// The gateway's or refundd's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What a settled, parked or refused state adds.
#[derive(Default)]
struct End {
    outcome: Option<&'static str>,
    code: Option<String>,
    message: Option<String>,
    evidence: Option<EvidenceV1>,
    statuses: Vec<StatusV1>,
}

impl RefundView {
    /// The view of a stored refund.
    pub fn of(stored: &Stored) -> Self {
        let record = &stored.record;
        let refund = &record.refund;
        let end = End::of(&record.state);
        Self {
            refund_no: refund.refund_no.to_string(),
            account: refund.account.to_string(),
            state: record.state.kind().as_str(),
            outcome: end.outcome,
            amount_cents: AmountCents::get(refund.amount),
            currency: refund.currency.to_string(),
            order: OrderV1::of(&refund.order),
            reason: refund.reason.clone(),
            gateway_refund_no: record.gateway_refund_no.as_ref().map(ToString::to_string),
            code: end.code,
            message: end.message,
            evidence: end.evidence,
            statuses: end.statuses,
            attempts: record.tally.attempts,
            polls: record.tally.polls,
            results: record.tally.results,
            admitted_at: record.admitted_at.to_string(),
            submitted_at: record.tally.submitted_at.map(text),
            due_at: stored.due_at.map(text),
            leased: stored.leased,
            waiting: stored.waiting,
            history: record
                .history
                .iter()
                .map(|line| HistoryView {
                    at: line.at.to_string(),
                    last_at: line.last_at.to_string(),
                    times: line.times,
                    event: line.event.as_str(),
                    note: line.note.clone(),
                })
                .collect(),
        }
    }
}

fn text(at: UnixMillis) -> String {
    at.to_string()
}

impl End {
    fn of(state: &RefundState) -> Self {
        match state {
            RefundState::Settled(end) => Self {
                outcome: Some(OutcomeV1::from(end.outcome).as_str()),
                code: end.code.clone(),
                message: words(end),
                evidence: Some(EvidenceV1::from(&end.evidence)),
                statuses: end.lines.iter().map(StatusV1::from).collect(),
            },
            RefundState::Parked(parking) => Self {
                outcome: Some("parked"),
                code: Some(parking.cause.as_str().to_owned()),
                message: Some(parking.message.clone()),
                evidence: Some(EvidenceV1::from(&parking.evidence)),
                statuses: parking.lines.iter().map(StatusV1::from).collect(),
            },
            RefundState::Refused { refusal, .. } => Self {
                code: Some(refusal.code.clone()),
                message: Some(refusal.message.clone()),
                ..Self::default()
            },
            RefundState::Requested { .. }
            | RefundState::Submitting { .. }
            | RefundState::Unconfirmed { .. }
            | RefundState::Processing { .. } => Self::default(),
        }
    }
}

/// The reason of an end, in words: the gateway's, or that it gave none. Empty words are none.
pub(super) fn words(end: &Settlement) -> Option<String> {
    let given = end.message.clone().filter(|text| !text.trim().is_empty());
    match end.outcome {
        Outcome::Succeeded | Outcome::Withdrawn => given,
        Outcome::GivenUp => given.map(|text| {
            format!("given up {text}; it may still succeed at the gateway, and its amount stays reserved")
        }),
        Outcome::Failed => {
            Some(given.unwrap_or_else(|| "the gateway failed it and gave no reason".to_owned()))
        }
    }
}
