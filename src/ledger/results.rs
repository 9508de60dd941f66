//! The results stream, as a consumer reads it: for the CLI, the demo and the bench.

use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::streams::{StreamId, StreamReadReply};

use super::connection::{Connector, map_error};
use super::keys::Keys;
use crate::ports::LedgerError;

/// One entry of the results stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsEntry {
    /// Its id in the stream.
    pub id: String,
    /// The unique id of the event; consumers dedupe on it.
    pub event_id: String,
    /// The refund number as the request had it.
    pub refund_no: String,
    /// `succeeded`, `failed`, `rejected` or `parked`.
    pub outcome: String,
    /// The result, JSON.
    pub json: String,
}

/// Reads `{ns}:results`.
#[derive(Debug)]
pub struct Results {
    connector: Connector,
    con: ConnectionManager,
    keys: Keys,
}

impl Results {
    /// Connects.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(connector: &Connector, keys: Keys) -> Result<Self, LedgerError> {
        Ok(Self { connector: connector.clone(), con: connector.shared().await?, keys })
    }

    /// At most `max` entries after the entry `after` (`0` for the beginning); waits up to `block`
    /// for the first. Keeps nothing; any number may read.
    ///
    /// # Errors
    /// [`LedgerError`]; harmless to repeat.
    pub async fn read(
        &self,
        after: &str,
        max: usize,
        block: Option<Duration>,
    ) -> Result<Vec<ResultsEntry>, LedgerError> {
        let mut cmd = redis::cmd("XREAD");
        cmd.arg("COUNT").arg(max);
        if let Some(block) = block {
            cmd.arg("BLOCK").arg(millis(block));
        }
        cmd.arg("STREAMS").arg(self.keys.results()).arg(after);
        let reply: Option<StreamReadReply> = if block.is_some() {
            let mut con = self.connector.blocking().await?;
            cmd.query_async(&mut con).await.map_err(map_error)?
        } else {
            cmd.query_async(&mut self.con.clone()).await.map_err(map_error)?
        };
        Ok(entries(reply))
    }

    /// At most `max` entries that the consumer group `group` has not been given yet; waits up to
    /// `block` for the first. The group is made if it is not there, from the beginning.
    ///
    /// # Errors
    /// [`LedgerError`]; entries may have become pending for `consumer`.
    pub async fn read_group(
        &self,
        consumer: (&str, &str),
        max: usize,
        block: Duration,
    ) -> Result<Vec<ResultsEntry>, LedgerError> {
        self.read_as(consumer, ">", max, block).await
    }

    /// At most `max` entries after `after` (`0` for the beginning) that the consumer was given and
    /// has not acknowledged: what it did not finish before it ended.
    ///
    /// # Errors
    /// [`LedgerError`]; harmless to repeat.
    pub async fn read_unfinished(
        &self,
        consumer: (&str, &str),
        after: &str,
        max: usize,
    ) -> Result<Vec<ResultsEntry>, LedgerError> {
        self.read_as(consumer, after, max, Duration::ZERO).await
    }

    async fn read_as(
        &self,
        (group, consumer): (&str, &str),
        from: &str,
        max: usize,
        block: Duration,
    ) -> Result<Vec<ResultsEntry>, LedgerError> {
        let mut make = redis::cmd("XGROUP");
        make.arg("CREATE").arg(self.keys.results()).arg(group).arg("0").arg("MKSTREAM");
        if let Err(err) = make.query_async::<()>(&mut self.con.clone()).await
            && err.code() != Some("BUSYGROUP")
        {
            return Err(map_error(err));
        }
        let mut cmd = redis::cmd("XREADGROUP");
        cmd.arg("GROUP").arg(group).arg(consumer).arg("COUNT").arg(max);
        cmd.arg("BLOCK").arg(millis(block)).arg("STREAMS").arg(self.keys.results()).arg(from);
        let mut con = self.connector.blocking().await?;
        Ok(entries(cmd.query_async(&mut con).await.map_err(map_error)?))
    }

    /// Tells the group that `ids` have been dealt with.
    ///
    /// # Errors
    /// [`LedgerError`]; harmless to repeat.
    pub async fn acknowledge(&self, group: &str, ids: &[String]) -> Result<(), LedgerError> {
        let mut cmd = redis::cmd("XACK");
        cmd.arg(self.keys.results()).arg(group).arg(ids);
        cmd.query_async(&mut self.con.clone()).await.map_err(map_error)
    }
}

/// `BLOCK 0` would wait for ever.
fn millis(block: Duration) -> u64 {
    u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn entries(reply: Option<StreamReadReply>) -> Vec<ResultsEntry> {
    let ids = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
    ids.map(entry).collect()
}

fn entry(id: StreamId) -> ResultsEntry {
    let field = |name: &str| id.get::<String>(name).unwrap_or_default();
    ResultsEntry {
        event_id: field("event_id"),
        refund_no: field("refund_no"),
        outcome: field("outcome"),
        json: field("result"),
        id: id.id,
    }
}
