//! The requests stream through a consumer group, and the one command that enqueues.

use std::time::Duration;

use async_trait::async_trait;
use redis::RedisError;
use redis::aio::{ConnectionManager, MultiplexedConnection};
use tokio::sync::Mutex;

use super::connection::{Connector, map_error};
use super::keys::Keys;
use super::scripts::GROUP;
use crate::ports::ledger::EntryId;
use crate::ports::{LedgerError, RawRequest, RequestSource};

/// A blocking read that is not answered this long after its end is given up: the peer is gone.
const ANSWER_SLACK: Duration = Duration::from_secs(5);

/// Reads `{ns}:requests` as one consumer of the group `refundd`.
#[derive(Debug)]
pub struct RedisRequests {
    connector: Connector,
    con: ConnectionManager,
    /// A connection of its own for the reads that block; made again when it broke.
    reader: Mutex<Option<MultiplexedConnection>>,
    keys: Keys,
    consumer: String,
}

impl RedisRequests {
    /// Connects. `consumer` names this process in the group and must be its own.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(
        connector: &Connector,
        keys: Keys,
        consumer: String,
    ) -> Result<Self, LedgerError> {
        let con = connector.shared().await?;
        Ok(Self { connector: connector.clone(), con, reader: Mutex::new(None), keys, consumer })
    }

    /// Appends one request, as any order system may. Durable on `Ok` as far as Redis syncs.
    ///
    /// # Errors
    /// [`LedgerError`]; the entry may or may not be there. Pushing the same request again is
    /// harmless.
    pub async fn push(&self, request: &[u8]) -> Result<EntryId, LedgerError> {
        let mut con = self.con.clone();
        let mut cmd = redis::cmd("XADD");
        cmd.arg(self.keys.requests()).arg("*").arg("request").arg(request);
        cmd.query_async(&mut con).await.map(EntryId).map_err(map_error)
    }

    /// Appends many requests in one round trip, in order; answers their entries.
    ///
    /// # Errors
    /// As [`Self::push`]; some may be there.
    pub async fn push_all(&self, requests: &[Vec<u8>]) -> Result<Vec<EntryId>, LedgerError> {
        let mut pipe = redis::pipe();
        for request in requests {
            pipe.cmd("XADD").arg(self.keys.requests()).arg("*").arg("request");
            pipe.arg(request.as_slice());
        }
        let entries = pipe.query_async::<Vec<String>>(&mut self.con.clone()).await;
        Ok(entries.map_err(map_error)?.into_iter().map(EntryId).collect())
    }

    /// Makes the group, reading from the beginning of the stream. Harmless to repeat.
    async fn make_group(&self) -> Result<(), LedgerError> {
        let mut con = self.con.clone();
        let mut cmd = redis::cmd("XGROUP");
        cmd.arg("CREATE").arg(self.keys.requests()).arg(GROUP).arg("0").arg("MKSTREAM");
        match cmd.query_async::<()>(&mut con).await {
            Err(err) if err.code() != Some("BUSYGROUP") => Err(map_error(err)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn read_once(
        &self,
        con: &mut MultiplexedConnection,
        max: usize,
        block: Duration,
    ) -> Result<Vec<RawRequest>, RedisError> {
        let mut cmd = redis::cmd("XREADGROUP");
        cmd.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(max);
        let block = u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1); // 0 is for ever
        cmd.arg("BLOCK").arg(block).arg("STREAMS").arg(self.keys.requests()).arg(">");
        let reply: Option<Vec<(Vec<u8>, Vec<RawEntry>)>> = cmd.query_async(con).await?;
        Ok(reply.into_iter().flatten().flat_map(|(_, entries)| entries).map(raw).collect())
    }
}

#[async_trait]
impl RequestSource for RedisRequests {
    async fn read(&self, max: usize, block: Duration) -> Result<Vec<RawRequest>, LedgerError> {
        let mut reader = self.reader.lock().await;
        let mut con = if let Some(con) = reader.take() {
            con
        } else {
            let con = self.connector.blocking().await?;
            self.make_group().await?;
            con
        };
        let read = tokio::time::timeout(block + ANSWER_SLACK, self.read_once(&mut con, max, block));
        let read = read.await.map_err(|late| LedgerError::Unavailable(Box::new(late)))?;
        // After an error the connection is left behind; the next read makes one, and the group.
        let requests = read.map_err(map_error)?;
        *reader = Some(con);
        Ok(requests)
    }

    async fn reclaim(&self, max: usize, idle: Duration) -> Result<Vec<RawRequest>, LedgerError> {
        self.make_group().await?;
        let mut con = self.con.clone();
        let mut cmd = redis::cmd("XAUTOCLAIM");
        cmd.arg(self.keys.requests()).arg(GROUP).arg(&self.consumer);
        cmd.arg(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)).arg("0-0");
        cmd.arg("COUNT").arg(max);
        let reply: Vec<redis::Value> = cmd.query_async(&mut con).await.map_err(map_error)?;
        let entries = reply.into_iter().nth(1).unwrap_or(redis::Value::Nil);
        // Redis 6.2 answers nil for an entry that somebody has deleted.
        let entries: Vec<Option<RawEntry>> =
            redis::from_redis_value(entries).map_err(|err| map_error(err.into()))?;
        Ok(entries.into_iter().flatten().map(raw).collect())
    }
}

/// An entry as Redis answers it: id, then fields and values in turn. Read as bytes, because field
/// names and values that are not UTF-8 must not stop the loop.
type RawEntry = (String, Vec<Vec<u8>>);

fn raw((id, flat): RawEntry) -> RawRequest {
    let mut flat = flat.into_iter();
    let mut fields = Vec::new();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        fields.push((name, value));
    }
    RawRequest { entry: EntryId(id), fields }
}
