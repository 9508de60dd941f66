//! Forgets what has settled long ago.

use redis::AsyncCommands;

use super::translate::decode;
use super::{RedisLedger, map_error};
use crate::domain::{RefundRecord, UnixMillis};
use crate::ledger::bins;
use crate::ledger::held::order_ids;
use crate::ledger::scripts::ForgetItem;
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
        let mut items = Vec::with_capacity(old.len());
        for ((no, refund), state) in old.into_iter().zip(refunds).zip(states) {
            let (Some(refund), Some(state)) = (refund, state) else {
                items.push(nothing_of(no)); // only its number is left
                continue;
            };
            match decode(&no, &refund, &state) {
                Ok(record) => items.push(item(&record)),
                // Left for the newer worker that wrote it, or for a person.
                Err(err) => {
                    tracing::warn!(refund.no = no, why = chain(&err), "settled refund kept");
                }
            }
        }
        if items.is_empty() {
            return Ok(0);
        }
        let forget = self.scripts.forget(&mut con, &self.keys, before.get(), &items);
        forget.await.map_err(map_error)
    }
}

fn item(record: &RefundRecord) -> ForgetItem {
    ForgetItem {
        refund_no: record.refund.refund_no.to_string(),
        orders: order_ids(&record.order_scope, &record.refund.order),
        bin: bins::encode(&Bin::of(record)),
        amount: record.refund.amount.get(),
        found: bins::found(record),
    }
}

fn nothing_of(refund_no: String) -> ForgetItem {
    let (orders, bin, found) = Default::default();
    ForgetItem { refund_no, orders, bin, amount: 0, found }
}
