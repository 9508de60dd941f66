//! How much there is, by commands that never look at a record; and how long the others take.
//!
//! Counts by state and currency would need a scan, or counters that the scripts keep; neither is
//! here.

use std::future::Future;

use tokio::time::Instant;

use super::{RedisLedger, from_score, map_error};
use crate::domain::UnixMillis;
use crate::ports::LedgerError;
use crate::ports::ledger::{Counts, OVERDUE_MS};
use crate::telemetry::metrics;

impl RedisLedger {
    /// One round trip. The numbers are of one moment only as far as nobody writes in between.
    pub(super) async fn count(&self, now: UnixMillis) -> Result<Counts, LedgerError> {
        type Replies = (u64, u64, u64, u64, u64, u64, u64, u64, Vec<(String, f64)>);
        let due = self.keys.due();
        let mut pipe = redis::pipe();
        pipe.cmd("HLEN").arg(self.keys.refunds());
        pipe.cmd("ZCARD").arg(&due);
        pipe.cmd("ZCOUNT").arg(&due).arg("-inf").arg(now.get());
        pipe.cmd("ZCOUNT").arg(&due).arg("-inf").arg(now.minus(OVERDUE_MS).get());
        pipe.cmd("ZCOUNT").arg(&due).arg("+inf").arg("+inf");
        pipe.cmd("HLEN").arg(self.keys.leases());
        pipe.cmd("ZCARD").arg(self.keys.settled());
        pipe.cmd("XLEN").arg(self.keys.requests());
        pipe.cmd("ZRANGE").arg(&due).arg(0).arg(0).arg("WITHSCORES");
        let replies: Replies = pipe.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let (stored, open, due, overdue, waiting, leased, settled, backlog, first) = replies;
        let oldest = first.first().map(|(_, score)| *score).filter(|score| score.is_finite());
        let oldest_due = oldest.map(from_score);
        Ok(Counts { stored, open, due, overdue, waiting, leased, settled, backlog, oldest_due })
    }
}

/// Waits for a call and measures it, whatever comes of it.
pub(super) async fn timed<T>(operation: &'static str, call: impl Future<Output = T>) -> T {
    let sent = Instant::now();
    let answer = call.await;
    metrics::ledger(operation, sent.elapsed());
    answer
}
