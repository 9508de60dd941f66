//! Between the words of the port and those of the scripts.

use serde::{Deserialize, Serialize};

use crate::domain::order::{OrderChange, Reserve};
use crate::domain::step::Plan;
use crate::domain::{AccountName, AmountCents, RefundNo, RefundRecord, UnixMillis};
use crate::ledger::bins::{self, Shift};
use crate::ledger::held::{as_held, order_ids};
use crate::ledger::record::{
    RecordError, decode_refund, decode_state, encode_refund, encode_state,
};
use crate::ledger::scripts::{
    ActItem, AdmitItem, AdmitReply, ClaimItem, ClaimReply, ClearItem, CommitItem, OrderStep,
    PutBackItem, StepItem,
};
use crate::ports::figures::Bin;
use crate::ports::ledger::{
    Act, Admission, Admitted, Audit, Claim, Claims, Clearance, Commit, Fence, Lease, Pause,
    Publication, PutBack,
};
use crate::ports::{LedgerError, chain};

pub(super) fn admit_item(admission: &Admission) -> Result<AdmitItem, LedgerError> {
    let record = &admission.record;
    let no = record.refund.refund_no.as_str();
    Ok(AdmitItem {
        refund_no: no.to_owned(),
        entry: admission.entry.as_ref().map(|entry| entry.0.clone()).unwrap_or_default(),
        record: encode_refund(record).map_err(|err| corrupt(no, &err))?,
        state: encode_state(record).map_err(|err| corrupt(no, &err))?,
        amount: record.refund.amount.get(),
        paid: record.refund.order.paid.map(AmountCents::get),
        due: admission.due_at.get(),
        orders: order_ids(&record.order_scope, &record.refund.order),
        bin: bins::encode(&Bin::of(record)),
        admitted_at: record.admitted_at.get(),
    })
}

pub(super) fn admitted(admission: &Admission, reply: AdmitReply) -> Admitted {
    match reply {
        AdmitReply::New => Admitted::New,
        AdmitReply::Waiting => Admitted::Waiting,
        AdmitReply::Known(text) => {
            match decode_refund(admission.record.refund.refund_no.as_str(), &text) {
                Ok((refund, _)) => Admitted::Known(Box::new(refund)),
                Err(err) => Admitted::Unreadable(chain(&err)),
            }
        }
        AdmitReply::OverRefund { paid, held } => {
            Admitted::OverRefund { paid_cents: paid, held_cents: held }
        }
        AdmitReply::OrderMismatch => Admitted::OrderMismatch,
        AdmitReply::Decided => Admitted::Decided,
    }
}

/// What a claim under `word` has leased.
pub(super) fn claims(reply: ClaimReply, word: &str, until: UnixMillis) -> Claims {
    let next_due = reply.next_due.map(from_score);
    let lost_at = reply.lost_at.map(UnixMillis::new);
    let mut claims = Claims { next_due, ..Claims::default() };
    let fence = Fence { number: reply.fence, word: word.into() };
    let lease = |refund_no| Lease { refund_no, fence: fence.clone(), until };
    for item in reply.items {
        // The whole batch is leased by now, so one alien entry must not lose the others.
        let refund_no = match RefundNo::parse(&item.refund_no) {
            Ok(refund_no) => refund_no,
            Err(err) => {
                tracing::error!(entry = item.refund_no, %err, "not a refund number among the due");
                continue;
            }
        };
        match decode(&item.refund_no, &item.record, &item.state) {
            Ok(record) => claims.claims.push(claim(lease(refund_no), record, &item, lost_at)),
            Err(err) => claims.unreadable.push((lease(refund_no), chain(&err))),
        }
    }
    claims
}

fn claim(
    lease: Lease,
    record: RefundRecord,
    item: &ClaimItem,
    lost_at: Option<UnixMillis>,
) -> Claim {
    let (facts, due_at) = (item.lease.facts(lost_at), from_score(item.due));
    Claim { lease, record: as_held(record, item.lease), facts, due_at, cleared_at: None }
}

pub(super) fn commit_item(commit: &Commit, now: UnixMillis) -> Result<CommitItem, LedgerError> {
    let (plan, result, order) = (commit.plan, commit.result.as_ref(), commit.order.as_ref());
    let shift = Shift::of(&commit.from, &commit.record, now);
    Ok(CommitItem {
        refund_no: commit.record.refund.refund_no.to_string(),
        proof: proof(&commit.lease.fence),
        step: step_item(&commit.record, plan, (result, order), shift)?,
    })
}

pub(super) fn act_item(act: &Act, now: UnixMillis) -> Result<ActItem, LedgerError> {
    let no = act.record.refund.refund_no.as_str();
    let shift = Shift::of(&Bin::of(&act.seen.record), &act.record, now);
    let (result, order) = (act.result.as_ref(), act.order.as_ref());
    Ok(ActItem {
        refund_no: no.to_owned(),
        seen: encode_state(&act.seen.record).map_err(|err| corrupt(no, &err))?,
        lost_at: act.seen.lost_at.map(|at| at.get().to_string()).unwrap_or_default(),
        step: step_item(&act.record, act.plan, (result, order), shift)?,
        audit: audit_line(&act.audit, now),
    })
}

fn step_item(
    record: &RefundRecord,
    plan: Plan,
    (result, order): (Option<&Publication>, Option<&OrderChange>),
    shift: Shift,
) -> Result<StepItem, LedgerError> {
    let no = record.refund.refund_no.as_str();
    Ok(StepItem {
        state: encode_state(record).map_err(|err| corrupt(no, &err))?,
        due: match plan {
            Plan::Due(at) => Some(at.get()),
            Plan::Ended => None,
        },
        result: result.map(|one| (one.event_id.clone(), one.outcome, one.json.clone())),
        order: order.map(|change| OrderStep {
            ids: order_ids(&record.order_scope, &record.refund.order),
            freed: match change.reserve {
                Reserve::Keep => "0".to_owned(),
                Reserve::Free(amount) => amount.get().to_string(),
                Reserve::HoldAgain(amount) => format!("-{}", amount.get()),
            },
            next_at: change.next_at.get(),
        }),
        shift,
    })
}

pub(super) fn put_back_item(back: &PutBack) -> PutBackItem {
    PutBackItem {
        refund_no: back.lease.refund_no.to_string(),
        proof: proof(&back.lease.fence),
        due: back.due_at.get(),
    }
}

pub(super) fn clear_item(ask: &Clearance) -> ClearItem {
    ClearItem {
        refund_no: ask.lease.refund_no.to_string(),
        proof: proof(&ask.lease.fence),
        account: ask.account.to_string(),
        orders: order_ids(&ask.order.0, &ask.order.1),
        daily: ask.daily.map(|daily| (daily.day, daily.amount.get(), daily.limit_cents)),
    }
}

/// A lease's fence as the scripts compare it: the number and the word.
fn proof(fence: &Fence) -> String {
    format!("{} {}", fence.number, fence.word)
}

/// A line of the audit trail, as field and value.
pub(super) fn audit_line(audit: &Audit, at: UnixMillis) -> Vec<(&'static str, String)> {
    vec![
        ("kind", "operator".to_owned()),
        ("action", audit.action.to_owned()),
        ("subject", audit.subject.clone()),
        ("who", audit.who.clone()),
        ("reason", audit.reason.clone()),
        ("change", audit.change.clone()),
        ("at", at.get().to_string()),
    ]
}

/// Stands for all accounts among the pauses; no account is called so.
const ALL_ACCOUNTS: &str = "*";

/// A pause as it is stored, in JSON.
#[derive(Serialize, Deserialize)]
struct StoredPause {
    who: String,
    reason: String,
    at: i64,
}

/// The field of `pauses` that a pause stands in.
pub(super) fn pause_field(pause: &Pause) -> String {
    pause.account.as_ref().map_or_else(|| ALL_ACCOUNTS.to_owned(), ToString::to_string)
}

pub(super) fn encode_pause(pause: &Pause) -> Result<String, LedgerError> {
    let (who, reason) = (pause.who.clone(), pause.reason.clone());
    let stored = StoredPause { who, reason, at: pause.at.get() };
    serde_json::to_string(&stored).map_err(|err| bad_pause(&pause_field(pause), &err.into()))
}

pub(super) fn decode_pause(field: &str, text: &str) -> Result<Pause, LedgerError> {
    let read = || -> Result<Pause, RecordError> {
        let StoredPause { who, reason, at } = serde_json::from_str(text)?;
        let named = (field != ALL_ACCOUNTS).then(|| AccountName::parse(field));
        Ok(Pause { account: named.transpose()?, who, reason, at: UnixMillis::new(at) })
    };
    read().map_err(|err| bad_pause(field, &err))
}

fn bad_pause(field: &str, err: &RecordError) -> LedgerError {
    LedgerError::Corrupt { key: format!("pause of {field}"), why: chain(err) }
}

pub(super) fn decode(
    refund_no: &str,
    refund: &str,
    state: &str,
) -> Result<RefundRecord, RecordError> {
    decode_state(decode_refund(refund_no, refund)?, state)
}

pub(super) fn corrupt(refund_no: &str, err: &RecordError) -> LedgerError {
    LedgerError::Corrupt { key: refund_no.to_owned(), why: chain(err) }
}

/// A score of the due set; what refundd writes are whole milliseconds far below 2^53, or the end
/// of time for a gateway that asks for a wait beyond it, where the cast stops.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "whole milliseconds far below 2^53"
)]
pub(super) fn from_score(score: f64) -> UnixMillis {
    UnixMillis::new(score as i64)
}
