//! One stored refund as people and scripts look at it: what `refundd show --json` and
//! `refundd list --json` print.

use schemars::JsonSchema;
use serde::Serialize;

use super::evidence::{EvidenceV1, StatusV1};
use super::request::OrderV1;
use super::result::OutcomeV1;
use crate::domain::state::{Outcome, RefundState, Settlement};
use crate::domain::{AccountName, AmountCents, UnixMillis};
use crate::ports::ledger::{Pause, Stored};

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
    /// The version that an action is held against (`--version`): it rises with all that happens to the
    /// refund but queries that change nothing. Not the `version` of a result.
    pub version: u32,
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
    /// What refundd does next and when, in words.
    pub next: String,
    /// What stops the submits of its account, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<PauseView>,
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
    /// The gateway's or refundd's words; left out where there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(default)]
    pub note: String,
}

/// Submits that a person has stopped.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PauseView {
    /// Of which account; left out for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Who.
    pub by: String,
    /// Their words for why.
    pub reason: String,
    /// Since when, RFC 3339.
    pub since: String,
}

impl PauseView {
    /// The view of a pause.
    pub fn of(pause: &Pause) -> Self {
        Self {
            account: pause.account.as_ref().map(ToString::to_string),
            by: pause.who.clone(),
            reason: pause.reason.clone(),
            since: pause.at.to_string(),
        }
    }
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
    /// The view of a stored refund, and of what is paused.
    pub fn of(stored: &Stored, pauses: &[Pause]) -> Self {
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
            version: record.tally.revision,
            admitted_at: record.admitted_at.to_string(),
            submitted_at: record.tally.submitted_at.map(text),
            due_at: stored.due_at.map(text),
            leased: stored.leased,
            waiting: stored.waiting,
            next: next_of(stored, pauses),
            paused: pause_of(&refund.account, pauses).map(PauseView::of),
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

/// What stops the submits of an account: its own pause before that of all.
fn pause_of<'a>(account: &AccountName, pauses: &'a [Pause]) -> Option<&'a Pause> {
    let own = pauses.iter().find(|pause| pause.account.as_ref() == Some(account));
    own.or_else(|| pauses.iter().find(|pause| pause.account.is_none()))
}

/// What refundd does next with a refund and when, in words.
pub fn next_of(stored: &Stored, pauses: &[Pause]) -> String {
    let state = &stored.record.state;
    let when = stored.due_at.map(|at| format!(" at {at}")).unwrap_or_default();
    if stored.waiting {
        return "waits for its turn: another refund of its order is not settled yet".to_owned();
    }
    let submits = matches!(state, RefundState::Submitting { .. });
    if submits && stored.leased {
        return format!("a worker submits it; if that worker dies, the gateway is asked{when}");
    }
    if stored.leased {
        return format!("a worker asks the gateway; if it dies, another one asks{when}");
    }
    match state {
        RefundState::Requested { .. } | RefundState::Submitting { .. } => {
            match pause_of(&stored.record.refund.account, pauses) {
                Some(_) => "waits: submits are paused".to_owned(),
                None => format!("is submitted{when}"),
            }
        }
        RefundState::Unconfirmed { .. }
        | RefundState::Refused { .. }
        | RefundState::Processing { .. } => format!("the gateway is asked{when}"),
        RefundState::Parked(_) => format!("waits for a person; the gateway is asked{when}"),
        RefundState::Settled(_) if stored.due_at.is_some() => {
            format!("has ended; the gateway is asked once more{when}")
        }
        RefundState::Settled(end) if end.outcome == Outcome::GivenUp => {
            "nothing: a person has given it up; its amount stays reserved".to_owned()
        }
        RefundState::Settled(_) => "nothing: it has ended".to_owned(),
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
