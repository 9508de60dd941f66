//! What the scripts take, one item a refund, and what they answer.

use redis::{RedisError, ScriptInvocation};
use serde::Deserialize;

use super::pack::{Pack, Packer};
use super::unknown;
use crate::ledger::bins::Move;
use crate::ledger::held::Hold;

/// A batch as the scripts take it, in `MessagePack`: the names of the bins that it moves refunds between,
/// and one row a refund.
#[derive(Debug)]
pub(in crate::ledger) struct Batch<T> {
    pub(in crate::ledger) bins: Vec<String>,
    pub(in crate::ledger) rows: Vec<T>,
}

/// One refund as `admit.lua` takes it; the fields in the order of its header.
#[derive(Debug)]
pub(in crate::ledger) struct AdmitItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) entry: String,
    pub(in crate::ledger) record: Vec<u8>,
    pub(in crate::ledger) state: Vec<u8>,
    pub(in crate::ledger) amount: u64,
    pub(in crate::ledger) paid: Option<String>,
    pub(in crate::ledger) due: String,
    pub(in crate::ledger) order: String,
    pub(in crate::ledger) second_order: String,
    /// The place of its bin among the names.
    pub(in crate::ledger) bin: usize,
    pub(in crate::ledger) admitted_at: String,
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

/// The answer of `claim.lua`, in the order of its header; the columns are equally long.
#[derive(Debug, Deserialize)]
pub(in crate::ledger) struct ClaimReply<'a> {
    fence: &'a str,
    next_due: &'a str,
    lost_at: &'a str,
    clear: &'a str,
    refund_nos: Vec<&'a [u8]>,
    dues: Vec<&'a str>,
    records: Vec<&'a [u8]>,
    states: Vec<&'a [u8]>,
    marks: Vec<&'a str>,
}

/// One refund as `claim.lua` hands it out.
#[derive(Debug)]
pub(in crate::ledger) struct ClaimItem<'a> {
    pub(in crate::ledger) refund_no: &'a [u8],
    pub(in crate::ledger) record: &'a [u8],
    pub(in crate::ledger) state: &'a [u8],
    pub(in crate::ledger) lease: Hold,
    /// As Redis spells a score.
    pub(in crate::ledger) due: f64,
}

/// What the answer of `claim.lua` says of the whole batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::ledger) struct ClaimHead {
    pub(in crate::ledger) fence: u64,
    /// As Redis spells a score: a double.
    pub(in crate::ledger) next_due: Option<f64>,
    pub(in crate::ledger) lost_at: Option<i64>,
    /// Nothing is paused, and no order holds more than was paid.
    pub(in crate::ledger) clear: bool,
}

impl<'a> ClaimReply<'a> {
    /// Reads it.
    pub(in crate::ledger) fn read(reply: &'a [u8]) -> Result<Self, RedisError> {
        let read: Self =
            rmp_serde::from_slice(reply).map_err(|err| unknown("claim", &err.to_string()))?;
        let lengths = [read.dues.len(), read.records.len(), read.states.len(), read.marks.len()];
        if lengths.iter().any(|length| *length != read.refund_nos.len()) {
            return Err(unknown("claim", "columns of different lengths"));
        }
        Ok(read)
    }

    /// What it says of the whole batch.
    pub(in crate::ledger) fn head(&self) -> Result<ClaimHead, RedisError> {
        Ok(ClaimHead {
            fence: number(self.fence)?,
            next_due: optional(self.next_due)?,
            lost_at: optional(self.lost_at)?,
            clear: match self.clear {
                "1" => true,
                "" => false,
                other => return Err(unknown("claim", other)),
            },
        })
    }

    /// The refunds.
    pub(in crate::ledger) fn items(
        &self,
    ) -> impl Iterator<Item = Result<ClaimItem<'a>, RedisError>> {
        let texts = self.refund_nos.iter().zip(&self.records).zip(&self.states);
        texts.zip(&self.dues).zip(&self.marks).map(|((((no, record), state), due), mark)| {
            let lease = Hold::of_mark(mark).ok_or_else(|| unknown("claim", mark))?;
            Ok(ClaimItem { refund_no: no, record, state, lease, due: number(due)? })
        })
    }
}

/// A number as a script spells it.
fn number<T: std::str::FromStr>(text: &str) -> Result<T, RedisError> {
    text.parse().map_err(|_| unknown("claim", text))
}

/// A number, or nothing where there is none.
fn optional<T: std::str::FromStr>(text: &str) -> Result<Option<T>, RedisError> {
    (!text.is_empty()).then(|| number(text)).transpose()
}

/// A refund as `act.lua` takes it.
#[derive(Debug)]
pub(in crate::ledger) struct ActItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) seen: Vec<u8>,
    pub(in crate::ledger) lost_at: String,
    /// One row.
    pub(in crate::ledger) step: Batch<StepItem>,
    pub(in crate::ledger) audit: Vec<(&'static str, String)>,
}

/// What a step of a refund writes, as `commit.lua` and `act.lua` take it; the fields in the order of
/// their headers. Moments and what a script only hands on are texts: a script pays for each number that
/// it has to spell.
#[derive(Debug)]
pub(in crate::ledger) struct StepItem {
    /// Empty where the script is told otherwise.
    pub(in crate::ledger) refund_no: String,
    /// Fence and word of the lease; empty where none is needed.
    pub(in crate::ledger) proof: String,
    pub(in crate::ledger) state: Vec<u8>,
    pub(in crate::ledger) due: Option<String>,
    pub(in crate::ledger) result: Option<(String, &'static str, String)>,
    pub(in crate::ledger) order: Option<OrderStep>,
    pub(in crate::ledger) shift: Option<Move>,
    /// The gateway's number of it.
    pub(in crate::ledger) found: Option<String>,
}

/// What a step of a refund means for its order, as the scripts take it.
#[derive(Debug)]
pub(in crate::ledger) struct OrderStep {
    pub(in crate::ledger) order: String,
    pub(in crate::ledger) second_order: String,
    /// Minor units, negative if they are held again.
    pub(in crate::ledger) freed: i64,
    pub(in crate::ledger) next_at: String,
}

/// A refund as `forget.lua` takes it; the fields in the order of its header.
#[derive(Debug)]
pub(in crate::ledger) struct ForgetItem {
    pub(in crate::ledger) refund_no: String,
    pub(in crate::ledger) order: String,
    pub(in crate::ledger) second_order: String,
    /// The place of its bin among the names.
    pub(in crate::ledger) bin: usize,
    pub(in crate::ledger) amount: u64,
    pub(in crate::ledger) found: Option<String>,
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

impl<T: Pack> Pack for Batch<T> {
    fn pack(&self, to: &mut Packer) {
        to.array(2).array(self.bins.len());
        for name in &self.bins {
            to.text(name);
        }
        to.array(self.rows.len());
        for row in &self.rows {
            row.pack(to);
        }
    }
}

impl Pack for AdmitItem {
    fn pack(&self, to: &mut Packer) {
        to.array(12).text(&self.refund_no).text(&self.entry).text(&self.record).text(&self.state);
        to.number(self.amount).perhaps(self.paid.as_ref());
        to.text(&self.due).text(&self.order).text(&self.second_order).place(self.bin);
        to.text(&self.admitted_at).text(self.amount.to_string());
    }
}

impl Pack for StepItem {
    fn pack(&self, to: &mut Packer) {
        to.array(8).text(&self.refund_no).text(&self.proof).text(&self.state);
        to.perhaps(self.due.as_ref());
        match &self.result {
            Some((event_id, outcome, json)) => to.array(3).text(event_id).text(outcome).text(json),
            None => to.nothing(),
        };
        to.option(self.order.as_ref()).option(self.shift.as_ref()).perhaps(self.found.as_ref());
    }
}

impl Pack for OrderStep {
    fn pack(&self, to: &mut Packer) {
        to.array(4).text(&self.order).text(&self.second_order).signed(self.freed);
        to.text(&self.next_at);
    }
}

impl Pack for Move {
    fn pack(&self, to: &mut Packer) {
        to.array(5).place(self.from).place(self.to).number(self.amount).text(&self.since);
        to.perhaps(self.ended.as_ref());
    }
}

impl Pack for ForgetItem {
    fn pack(&self, to: &mut Packer) {
        to.array(6).text(&self.refund_no).text(&self.order).text(&self.second_order);
        to.place(self.bin).number(self.amount).perhaps(self.found.as_ref());
    }
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

pub(super) fn admit_reply(reply: &redis::Value) -> Result<AdmitReply, RedisError> {
    use redis::Value::{Array, BulkString, Int};
    let number = |value| redis::from_redis_value_ref::<u64>(value).map_err(RedisError::from);
    let parts = if let Array(parts) = reply { parts } else { std::slice::from_ref(reply) };
    match parts {
        [Int(0)] => Ok(AdmitReply::New),
        [Int(1)] => Ok(AdmitReply::Waiting),
        [Int(2), BulkString(record)] => Ok(AdmitReply::Known(record.clone())),
        [Int(3), paid, held] => {
            Ok(AdmitReply::OverRefund { paid: number(paid)?, held: number(held)? })
        }
        [Int(4)] => Ok(AdmitReply::OrderMismatch),
        [Int(5)] => Ok(AdmitReply::Decided),
        _ => Err(unknown("admit", &format!("{reply:?}"))),
    }
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
