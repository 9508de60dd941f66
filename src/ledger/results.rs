//! The results stream, as a consumer reads it: for the CLI, the demo and the bench.

use std::time::Duration;

use super::connection::{Connector, map_error};
use super::keys::Keys;
use super::stream::{Entry, Stream};
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
pub struct Results(Stream);

impl Results {
    /// Connects.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(connector: &Connector, keys: &Keys) -> Result<Self, LedgerError> {
        Ok(Self(Stream::connect(connector, keys.results()).await?))
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
        Ok(results(self.0.read(after, max, block).await?))
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
        self.make_group(consumer.0).await?;
        Ok(results(self.0.read_as(consumer, ">", max, block).await?))
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
        self.make_group(consumer.0).await?;
        Ok(results(self.0.read_as(consumer, after, max, Duration::ZERO).await?))
    }

    async fn make_group(&self, group: &str) -> Result<(), LedgerError> {
        let mut make = redis::cmd("XGROUP");
        make.arg("CREATE").arg(self.0.key()).arg(group).arg("0").arg("MKSTREAM");
        match make.query_async::<()>(&mut self.0.at_once()).await {
            Err(err) if err.code() != Some("BUSYGROUP") => Err(map_error(err)),
            _ => Ok(()),
        }
    }

    /// Tells the group that `ids` have been dealt with.
    ///
    /// # Errors
    /// [`LedgerError`]; harmless to repeat.
    pub async fn acknowledge(&self, group: &str, ids: &[String]) -> Result<(), LedgerError> {
        let mut cmd = redis::cmd("XACK");
        cmd.arg(self.0.key()).arg(group).arg(ids);
        cmd.query_async(&mut self.0.at_once()).await.map_err(map_error)
    }
}

fn results(entries: Vec<Entry>) -> Vec<ResultsEntry> {
    let result = |mut entry: Entry| ResultsEntry {
        event_id: entry.take("event_id"),
        refund_no: entry.take("refund_no"),
        outcome: entry.take("outcome"),
        json: entry.take("result"),
        id: entry.id,
    };
    entries.into_iter().map(result).collect()
}
