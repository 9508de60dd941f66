//! Forgets what has settled long ago.

use redis::AsyncCommands;

use super::translate::decode;
use super::{RedisLedger, map_error};
use crate::domain::{RefundRecord, UnixMillis};
use crate::ledger::bins::{self, Names};
use crate::ledger::held::order_ids;
use crate::ledger::scripts::{Batch, ForgetItem};
use crate::ports::figures::Bin;
use crate::ports::ledger::BATCH_MAX;
use crate::ports::{LedgerError, chain};

impl RedisLedger {
    /// Forgets one batch of refunds that settled before `before`.
    pub(super) async fn forget(&self, before: UnixMillis) -> Result<usize, LedgerError> {
        let mut con = self.con.clone();
        let mut cmd = redis::cmd("ZRANGEBYSCORE");
        cmd.arg(self.keys.settled()).arg("-inf").arg(format!("({}", before.get()));
        cmd.arg("LIMIT").arg(0).arg(BATCH_MAX);
        let old: Vec<String> = cmd.query_async(&mut con).await.map_err(map_error)?;
        if old.is_empty() {
            return Ok(0);
        }
        let refunds: Vec<Option<Vec<u8>>> =
            con.hmget(self.keys.refunds(), &old).await.map_err(map_error)?;
        let states: Vec<Option<Vec<u8>>> =
            con.hmget(self.keys.states(), &old).await.map_err(map_error)?;
        let (mut names, mut rows) = (Names::default(), Vec::with_capacity(old.len()));
        for ((no, refund), state) in old.into_iter().zip(refunds).zip(states) {
            let (Some(refund), Some(state)) = (refund, state) else {
                rows.push(nothing_of(no)); // only its number is left
                continue;
            };
            match decode(&no, &refund, &state) {
                Ok(record) => rows.push(item(&record, &mut names)),
                // Left for the newer worker that wrote it, or for a person.
                Err(err) => {
                    tracing::warn!(refund.no = no, why = chain(&err), "settled refund kept");
                }
            }
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let batch = Batch { bins: names.finish(), rows };
        let forget = self.scripts.forget(&mut con, &self.keys, before.get(), &batch);
        forget.await.map_err(map_error)
    }
}

fn item(record: &RefundRecord, names: &mut Names) -> ForgetItem {
    let (order, second_order) = order_ids(&record.order_scope, &record.refund.order);
    ForgetItem {
        refund_no: record.refund.refund_no.to_string(),
        order,
        second_order,
        bin: names.place(&Bin::of(record)),
        amount: record.refund.amount.get(),
        found: bins::found(record),
    }
}

fn nothing_of(refund_no: String) -> ForgetItem {
    let (order, second_order) = Default::default();
    ForgetItem { refund_no, order, second_order, bin: 0, amount: 0, found: None }
}
