//! What the scripts take, one item a refund, and what they answer.

use redis::{FromRedisValue, RedisError, ScriptInvocation};

use super::unknown;
use crate::ledger::bins::Shift;
use crate::ledger::held::Hold;

/// One refund as `admit.lua` takes it.
#[derive(Debug)]
pub(in crate::ledger) struct AdmitItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) entry: String,
    pub(in crate::ledger) record: Vec<u8>,
    pub(in crate::ledger) state: Vec<u8>,
    pub(in crate::ledger) amount: u64,
    pub(in crate::ledger) paid: Option<u64>,
    pub(in crate::ledger) due: i64,
    pub(in crate::ledger) orders: (String, String),
    pub(in crate::ledger) bin: String,
    pub(in crate::ledger) admitted_at: i64,
}

/// What `admit.lua` says of one refund.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ledger) enum AdmitReply {
    New,
    Waiting,
    Known(Vec<u8>),
    OverRefund { paid: u64, held: u64 },
    OrderMismatch,
    Decided,
}

/// One refund as `claim.lua` hands it out.
#[derive(Debug)]
pub(in crate::ledger) struct ClaimItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) record: Vec<u8>,
    pub(in crate::ledger) state: Vec<u8>,
    pub(in crate::ledger) lease: Hold,
    /// As Redis spells a score.
    pub(in crate::ledger) due: f64,
}

/// The answer of `claim.lua`.
#[derive(Debug)]
pub(in crate::ledger) struct ClaimReply {
    /// As Redis spells a score: a double.
    pub(in crate::ledger) next_due: Option<f64>,
    pub(in crate::ledger) fence: u64,
    pub(in crate::ledger) lost_at: Option<i64>,
    pub(in crate::ledger) items: Vec<ClaimItem>,
}

/// One refund as `commit.lua` takes it.
#[derive(Debug)]
pub(in crate::ledger) struct CommitItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) proof: String,
    pub(in crate::ledger) step: StepItem,
}

/// A refund as `act.lua` takes it.
#[derive(Debug)]
pub(in crate::ledger) struct ActItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) seen: Vec<u8>,
    pub(in crate::ledger) lost_at: String,
    pub(in crate::ledger) step: StepItem,
    pub(in crate::ledger) audit: Vec<(&'static str, String)>,
}

/// What a step of a refund writes, as `commit.lua` and `act.lua` take it.
#[derive(Debug)]
pub(in crate::ledger) struct StepItem {
    pub(in crate::ledger) state: Vec<u8>,
    pub(in crate::ledger) due: Option<i64>,
    pub(in crate::ledger) result: Option<(String, &'static str, String)>,
    pub(in crate::ledger) order: Option<OrderStep>,
    pub(in crate::ledger) shift: Shift,
}

/// What a step of a refund means for its order, as the scripts take it.
#[derive(Debug)]
pub(in crate::ledger) struct OrderStep {
    pub(in crate::ledger) ids: (String, String),
    /// Minor units, negative if they are held again.
    pub(in crate::ledger) freed: String,
    pub(in crate::ledger) next_at: i64,
}

/// A refund as `forget.lua` takes it.
#[derive(Debug)]
pub(in crate::ledger) struct ForgetItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) orders: (String, String),
    pub(in crate::ledger) bin: String,
    pub(in crate::ledger) amount: u64,
    pub(in crate::ledger) found: String,
}

/// One refund as `put_back.lua` takes it.
#[derive(Debug)]
pub(in crate::ledger) struct PutBackItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) proof: String,
    pub(in crate::ledger) due: i64,
}

/// One refund as `clear.lua` takes it.
#[derive(Debug)]
pub(in crate::ledger) struct ClearItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) proof: String,
    pub(in crate::ledger) account: String,
    pub(in crate::ledger) orders: (String, String),
    /// Day, amount, limit.
    pub(in crate::ledger) daily: Option<(u64, u64, u64)>,
}

/// What `clear.lua` says of one refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum ClearReply {
    Go,
    Lost,
    Paused,
    Limit,
    /// More of its order is held than was paid.
    Overdrawn,
}

/// What `act.lua` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum ActReply {
    Stored,
    Changed,
    Submitting,
    /// Not the Redis that wrote last.
    Replaced,
}

/// What `epoch.lua` says of this Redis.
#[derive(Debug)]
pub(in crate::ledger) struct EpochReply {
    pub(in crate::ledger) run_id: String,
    pub(in crate::ledger) losses: u64,
    pub(in crate::ledger) counter: u64,
    /// Whether this call has recorded a loss.
    pub(in crate::ledger) recorded: bool,
}

/// The arguments of a step, from the state on.
pub(super) fn step_args(call: &mut ScriptInvocation<'_>, step: &StepItem) {
    call.arg(&step.state);
    call.arg(step.due.map(|due| due.to_string()).unwrap_or_default());
    match &step.result {
        Some((event_id, outcome, json)) => call.arg(event_id).arg(*outcome).arg(json),
        None => call.arg("").arg("").arg(""),
    };
    match &step.order {
        Some(end) => call.arg(&end.ids.0).arg(&end.ids.1).arg(&end.freed).arg(end.next_at),
        None => call.arg("").arg("").arg(0).arg(0),
    };
    let Shift { from, to, amount, admitted_at, ended, found } = &step.shift;
    call.arg(from).arg(to).arg(*amount).arg(*admitted_at).arg(ended).arg(found);
}

pub(super) fn clear_args(call: &mut ScriptInvocation<'_>, item: &ClearItem) {
    call.arg(&item.refund_no).arg(&item.proof).arg(&item.account);
    match item.daily {
        Some((day, amount, limit)) => call.arg(day).arg(amount).arg(limit),
        None => call.arg("").arg(0).arg(0),
    };
    call.arg(&item.orders.0).arg(&item.orders.1);
}

pub(super) fn line_args(call: &mut ScriptInvocation<'_>, line: &[(&'static str, String)]) {
    for (name, value) in line {
        call.arg(*name).arg(value);
    }
}

pub(super) fn admit_reply(reply: &[redis::Value]) -> Result<AdmitReply, RedisError> {
    let number = |value: &redis::Value| {
        let number = redis::from_redis_value_ref::<u64>(value);
        number.map_err(|_| unknown("admit", &format!("{value:?}")))
    };
    let (code, rest) = reply.split_first().ok_or_else(|| unknown("admit", "nothing"))?;
    match (number(code)?, rest) {
        (0, []) => Ok(AdmitReply::New),
        (1, []) => Ok(AdmitReply::Waiting),
        (2, [record]) => Ok(AdmitReply::Known(redis::from_redis_value_ref(record)?)),
        (3, [paid, held]) => {
            Ok(AdmitReply::OverRefund { paid: number(paid)?, held: number(held)? })
        }
        (4, []) => Ok(AdmitReply::OrderMismatch),
        (5, []) => Ok(AdmitReply::Decided),
        (code, _) => Err(unknown("admit", &format!("{code} and {} more", rest.len()))),
    }
}

/// `None`: this is not the Redis that the handle knows.
pub(super) fn claim_reply(reply: Vec<redis::Value>) -> Result<Option<ClaimReply>, RedisError> {
    if reply.is_empty() {
        return Ok(None);
    }
    let mut values = reply.into_iter();
    let next_due: String = next(&mut values)?;
    let fence = next(&mut values)?;
    let lost_at: String = next(&mut values)?;
    let mut items = Vec::with_capacity(values.len() / 5);
    while values.len() > 0 {
        items.push(ClaimItem {
            refund_no: next(&mut values)?,
            record: next(&mut values)?,
            state: next(&mut values)?,
            lease: lease(&next::<String>(&mut values)?)?,
            due: next(&mut values)?,
        });
    }
    let (next_due, lost_at) = (optional(&next_due)?, optional(&lost_at)?);
    Ok(Some(ClaimReply { next_due, fence, lost_at, items }))
}

fn lease(text: &str) -> Result<Hold, RedisError> {
    Hold::parse(text).ok_or_else(|| unknown("claim", text))
}

fn next<T: FromRedisValue>(
    values: &mut impl Iterator<Item = redis::Value>,
) -> Result<T, RedisError> {
    let value = values.next().ok_or_else(|| unknown("claim", "too few values"))?;
    Ok(T::from_redis_value(value)?)
}

/// A number, or nothing where there is none.
fn optional<T: std::str::FromStr>(text: &str) -> Result<Option<T>, RedisError> {
    let some = (!text.is_empty()).then(|| text.parse().map_err(|_| unknown("claim", text)));
    some.transpose()
}

pub(super) fn clear_reply(code: i64) -> Result<ClearReply, RedisError> {
    match code {
        1 => Ok(ClearReply::Go),
        2 => Ok(ClearReply::Lost),
        3 => Ok(ClearReply::Paused),
        4 => Ok(ClearReply::Limit),
        5 => Ok(ClearReply::Overdrawn),
        other => Err(unknown("clear", &other.to_string())),
    }
}

pub(super) fn act_reply(code: i64) -> Result<ActReply, RedisError> {
    match code {
        0 => Ok(ActReply::Changed),
        1 => Ok(ActReply::Stored),
        2 => Ok(ActReply::Submitting),
        3 => Ok(ActReply::Replaced),
        other => Err(unknown("act", &other.to_string())),
    }
}

/// A yes or no as scripts say it.
pub(super) fn flag(script: &'static str, code: i64) -> Result<bool, RedisError> {
    match code {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(unknown(script, &other.to_string())),
    }
}
