//! A stream as a reader sees it: entries after an entry, in order, and a wait for the next.

use std::time::Duration;

use redis::Cmd;
use redis::aio::ConnectionManager;

use super::connection::{Connector, map_error};
use crate::ports::LedgerError;

/// What `XREAD` and `XREADGROUP` answer: streams with their entries, each an id and a flat list of
/// fields.
type Reply = Option<Vec<(String, Vec<(String, Vec<String>)>)>>;

/// One entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    /// Names and values, in the order in which they were written.
    pub(super) fields: Vec<(String, String)>,
}

impl Entry {
    fn new((id, flat): (String, Vec<String>)) -> Self {
        let mut flat = flat.into_iter();
        let mut fields = Vec::new();
        while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
            fields.push((name, value));
        }
        Self { id, fields }
    }

    /// The value of a field; empty if there is none.
    pub(super) fn take(&mut self, name: &str) -> String {
        let found = self.fields.iter_mut().find(|(field, _)| field == name);
        found.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }
}

/// Reads one stream.
#[derive(Debug)]
pub(super) struct Stream {
    connector: Connector,
    con: ConnectionManager,
    key: String,
}

impl Stream {
    /// Connects, to read the stream `key`.
    pub(super) async fn connect(connector: &Connector, key: String) -> Result<Self, LedgerError> {
        Ok(Self { connector: connector.clone(), con: connector.shared().await?, key })
    }

    /// The stream's key.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// A connection for commands that answer at once.
    pub(super) fn at_once(&self) -> ConnectionManager {
        self.con.clone()
    }

    /// At most `max` entries after the entry `after`; waits up to `block` for the first.
    pub(super) async fn read(
        &self,
        after: &str,
        max: usize,
        block: Option<Duration>,
    ) -> Result<Vec<Entry>, LedgerError> {
        self.run(&mut redis::cmd("XREAD"), after, max, block).await
    }

    /// The same as the consumer of a group; `from` is `>` for what the group was not given yet.
    pub(super) async fn read_as(
        &self,
        (group, consumer): (&str, &str),
        from: &str,
        max: usize,
        block: Duration,
    ) -> Result<Vec<Entry>, LedgerError> {
        let mut cmd = redis::cmd("XREADGROUP");
        cmd.arg("GROUP").arg(group).arg(consumer);
        self.run(&mut cmd, from, max, Some(block)).await
    }

    async fn run(
        &self,
        cmd: &mut Cmd,
        from: &str,
        max: usize,
        block: Option<Duration>,
    ) -> Result<Vec<Entry>, LedgerError> {
        cmd.arg("COUNT").arg(max);
        if let Some(block) = block {
            // `BLOCK 0` would wait for ever.
            cmd.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        cmd.arg("STREAMS").arg(&self.key).arg(from);
        let reply: Reply = if block.is_some() {
            let mut con = self.connector.blocking().await?;
            cmd.query_async(&mut con).await.map_err(map_error)?
        } else {
            cmd.query_async(&mut self.at_once()).await.map_err(map_error)?
        };
        let entries = reply.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(entries.map(Entry::new).collect())
    }
}
