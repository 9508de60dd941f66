//! Pages of refunds. With a state, in order: the oldest first, settled ones the newest first. Without
//! one, all that are there from beginning to end of the listing, in no order.

use super::{RedisLedger, map_error};
use crate::domain::StateKind;
use crate::ports::ledger::{Filter, Page};
use crate::ports::{LedgerError, chain};

impl RedisLedger {
    /// See `Ledger::list`.
    pub(super) async fn page(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Page, LedgerError> {
        let (refund_nos, cursor) = match filter.state {
            Some(state) => self.in_order(state, cursor, count).await?,
            None => self.scan(cursor, count).await?,
        };
        let mut refunds = Vec::with_capacity(refund_nos.len());
        for stored in self.read_many(&refund_nos).await? {
            match stored {
                Ok(stored) if filter.matches(&stored.record) => refunds.push(stored),
                Ok(_) => {}
                Err(err) => tracing::warn!(err = %chain(&err), "left out of the list"),
            }
        }
        Ok(Page { refunds, cursor })
    }

    async fn scan(
        &self,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<(Vec<String>, Option<String>), LedgerError> {
        let mut cmd = redis::cmd("HSCAN");
        // A cursor of another listing begins at the beginning, too.
        let from = cursor.and_then(|cursor| cursor.parse::<u64>().ok()).unwrap_or_default();
        cmd.arg(self.keys.refunds()).arg(from).arg("COUNT").arg(count);
        let (next, found): (String, Vec<(String, Vec<u8>)>) =
            cmd.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let mut refund_nos: Vec<String> = found.into_iter().map(|(no, _)| no).collect();
        refund_nos.sort_unstable(); // a scan may name one refund twice
        refund_nos.dedup();
        Ok((refund_nos, (next != "0").then_some(next)))
    }

    /// By the sorted set of a state. The cursor names the last refund of the page before and its score:
    /// if it has left the set meanwhile, the page begins with its score, and some may come again.
    async fn in_order(
        &self,
        state: StateKind,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<(Vec<String>, Option<String>), LedgerError> {
        let newest_first = state == StateKind::Settled;
        let key = match state {
            StateKind::Settled => self.keys.settled(),
            // What is being submitted is stored as requested; the lease says so.
            StateKind::Submitting => self.keys.of_state(StateKind::Requested.as_str()),
            StateKind::Requested
            | StateKind::Unconfirmed
            | StateKind::Refused
            | StateKind::Processing
            | StateKind::Parked => self.keys.of_state(state.as_str()),
        };
        let from = match cursor.and_then(|cursor| cursor.split_once('.')) {
            Some((score, refund_no)) => self.rank(&key, newest_first, (score, refund_no)).await?,
            None => 0,
        };
        let mut cmd = redis::cmd(if newest_first { "ZREVRANGE" } else { "ZRANGE" });
        let last = from.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)).saturating_sub(1);
        cmd.arg(&key).arg(from).arg(last).arg("WITHSCORES");
        let rows: Vec<(String, String)> =
            cmd.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let more = rows.len() == count;
        let next = rows.last().filter(|_| more).map(|(no, score)| format!("{score}.{no}"));
        Ok((rows.into_iter().map(|(no, _)| no).collect(), next))
    }

    /// How many of the set come before the next page.
    async fn rank(
        &self,
        key: &str,
        newest_first: bool,
        (score, refund_no): (&str, &str),
    ) -> Result<u64, LedgerError> {
        // What nobody gave as a cursor begins at the beginning.
        let Ok(score) = score.parse::<i64>() else { return Ok(0) };
        let before = format!("({score}");
        let (rank, range) = if newest_first {
            ("ZREVRANK", [before.as_str(), "+inf"])
        } else {
            ("ZRANK", ["-inf", before.as_str()])
        };
        let mut pipe = redis::pipe();
        pipe.cmd(rank).arg(key).arg(refund_no);
        pipe.cmd("ZCOUNT").arg(key).arg(range[0]).arg(range[1]);
        let (rank, count): (Option<u64>, u64) =
            pipe.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        Ok(rank.map_or(count, |rank| rank + 1))
    }
}
