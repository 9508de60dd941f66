//! Between the words of the port and those of the scripts.

use redis::RedisError;
use serde::{Deserialize, Serialize};

use crate::domain::order::{OrderChange, Reserve};
use crate::domain::step::Plan;
use crate::domain::{AccountName, RefundNo, RefundRecord, UnixMillis};
use crate::ledger::bins::{self, Move, Names};
use crate::ledger::held::{as_held, order_ids};
use crate::ledger::record::{
    RecordError, decode_refund, decode_state, encode_refund, encode_state,
};
use crate::ledger::scripts::{
    ActItem, AdmitItem, AdmitReply, Batch, ClaimHead, ClaimItem, ClaimReply, ClearItem, OrderStep,
    PutBackItem, StepItem,
};
use crate::ports::figures::Bin;
use crate::ports::ledger::{
    Act, Admission, Admitted, Audit, Claim, Claims, Clearance, Commit, Fence, Lease, Pause,
    Publication, PutBack,
};
use crate::ports::{LedgerError, chain};

pub(super) fn admit_batch(batch: &[Admission]) -> Result<Batch<AdmitItem>, LedgerError> {
    let mut names = Names::default();
    let rows = batch
        .iter()
        .map(|admission| admit_item(admission, &mut names))
        .collect::<Result<_, _>>()?;
    Ok(Batch { bins: names.finish(), rows })
}

fn admit_item(admission: &Admission, names: &mut Names) -> Result<AdmitItem, LedgerError> {
    let record = &admission.record;
    let no = record.refund.refund_no.as_str();
    let (order, second_order) = order_ids(&record.order_scope, &record.refund.order);
    Ok(AdmitItem {
        refund_no: no.to_owned(),
        entry: admission.entry.as_ref().map(|entry| entry.0.clone()).unwrap_or_default(),
        record: encode_refund(record).map_err(|err| corrupt(no, &err))?,
        state: encode_state(record).map_err(|err| corrupt(no, &err))?,
        amount: record.refund.amount.get(),
        paid: record.refund.order.paid.map(|paid| paid.get().to_string()),
        due: admission.due_at.get().to_string(),
        order,
        second_order,
        bin: names.place(&Bin::of(record)),
        admitted_at: record.admitted_at.get().to_string(),
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

/// What a claim under `word` has leased at `now`, `until` then.
pub(super) fn claims(
    reply: &ClaimReply<'_>,
    word: &str,
    (now, until): (UnixMillis, UnixMillis),
) -> Result<Claims, RedisError> {
    let head = reply.head()?;
    let mut claims = Claims { next_due: head.next_due.map(from_score), ..Claims::default() };
    let fence = Fence { number: head.fence, word: word.into() };
    let lease = |refund_no| Lease { refund_no, fence: fence.clone(), until };
    for item in reply.items() {
        let item = item?;
        let refund_no =
            std::str::from_utf8(item.refund_no).ok().and_then(|no| RefundNo::parse(no).ok());
        // The whole batch is leased by now, so one alien entry must not lose the others.
        let Some(refund_no) = refund_no else {
            let entry = String::from_utf8_lossy(item.refund_no);
            tracing::error!(%entry, "not a refund number among the due");
            continue;
        };
        match decode(refund_no.as_str(), item.record, item.state) {
            Ok(record) => claims.claims.push(claim(lease(refund_no), record, &item, (now, head))),
            Err(err) => claims.unreadable.push((lease(refund_no), chain(&err))),
        }
    }
    Ok(claims)
}

fn claim(
    lease: Lease,
    record: RefundRecord,
    item: &ClaimItem<'_>,
    (now, head): (UnixMillis, ClaimHead),
) -> Claim {
    let facts = item.lease.facts(head.lost_at.map(UnixMillis::new));
    let (due_at, cleared_at) = (from_score(item.due), head.clear.then_some(now));
    Claim { lease, record: as_held(record, item.lease), facts, due_at, cleared_at }
}

pub(super) fn commit_batch(
    batch: &[Commit],
    now: UnixMillis,
) -> Result<Batch<StepItem>, LedgerError> {
    let mut names = Names::default();
    let row = |commit: &Commit| {
        let (plan, result, order) = (commit.plan, commit.result.as_ref(), commit.order.as_ref());
        let shift = Move::of(&commit.from, &commit.record, now, &mut names);
        Ok(StepItem {
            refund_no: commit.record.refund.refund_no.to_string(),
            proof: proof(&commit.lease.fence),
            ..step_item(&commit.record, plan, (result, order), shift)?
        })
    };
    let rows = batch.iter().map(row).collect::<Result<_, LedgerError>>()?;
    Ok(Batch { bins: names.finish(), rows })
}

pub(super) fn act_item(act: &Act, now: UnixMillis) -> Result<ActItem, LedgerError> {
    let no = act.record.refund.refund_no.as_str();
    let mut names = Names::default();
    let shift = Move::of(&Bin::of(&act.seen.record), &act.record, now, &mut names);
    let (result, order) = (act.result.as_ref(), act.order.as_ref());
    Ok(ActItem {
        refund_no: no.to_owned(),
        seen: encode_state(&act.seen.record).map_err(|err| corrupt(no, &err))?,
        lost_at: act.seen.lost_at.map(|at| at.get().to_string()).unwrap_or_default(),
        step: Batch {
            rows: vec![step_item(&act.record, act.plan, (result, order), shift)?],
            bins: names.finish(),
        },
        audit: audit_line(&act.audit, now),
    })
}

/// What a step writes, without the refund's number and lease.
fn step_item(
    record: &RefundRecord,
    plan: Plan,
    (result, order): (Option<&Publication>, Option<&OrderChange>),
    shift: Option<Move>,
) -> Result<StepItem, LedgerError> {
    let no = record.refund.refund_no.as_str();
    Ok(StepItem {
        refund_no: String::new(),
        proof: String::new(),
        state: encode_state(record).map_err(|err| corrupt(no, &err))?,
        due: match plan {
            Plan::Due(at) => Some(at.get().to_string()),
            Plan::Ended => None,
        },
        result: result.map(|one| (one.event_id.clone(), one.outcome, one.json.clone())),
        order: order.map(|change| order_step(record, change)),
        shift,
        found: bins::found(record),
    })
}

fn order_step(record: &RefundRecord, change: &OrderChange) -> OrderStep {
    let (order, second_order) = order_ids(&record.order_scope, &record.refund.order);
    let freed = match change.reserve {
        Reserve::Keep => 0,
        Reserve::Free(amount) => amount.get().cast_signed(),
        Reserve::HoldAgain(amount) => amount.get().cast_signed().saturating_neg(),
    };
    OrderStep { order, second_order, freed, next_at: change.next_at.get().to_string() }
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
    refund: &[u8],
    state: &[u8],
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
