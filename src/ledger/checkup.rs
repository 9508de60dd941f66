//! What `refundd doctor` reads of a Redis: its settings and the streams. Reads only, one bounded command
//! after another; a setting that Redis does not tell is `None`, not an error.
//!
//! Keys: `requests`, `results`, `quarantine`.

use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::streams::{
    StreamInfoGroup, StreamInfoGroupsReply, StreamPendingCountReply, StreamRangeReply,
};

use super::connection::{Connector, Health, map_error};
use super::keys::Keys;
use super::scripts::GROUP;
use crate::domain::UnixMillis;
use crate::ports::LedgerError;
use crate::ports::ledger::EntryId;

/// Most pending entries that are counted one by one.
const PENDING_MAX: usize = 1_000;

/// Looks at one Redis and one namespace.
#[derive(Debug)]
pub struct Checkup {
    con: ConnectionManager,
    keys: Keys,
}

/// What a Redis server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// What preflight looks at, too.
    pub health: Health,
    /// When it syncs its append-only file: `always`, `everysec`, `no`.
    pub appendfsync: Option<String>,
    /// Whether its last write to the append-only file succeeded.
    pub aof_written: bool,
    /// The most memory that it takes, bytes; 0 is no limit.
    pub maxmemory: u64,
    /// The memory that it takes now, bytes.
    pub used_memory: u64,
    /// Replicas that follow it.
    pub replicas: u64,
    /// Replicas without which it refuses writes.
    pub min_replicas: Option<u64>,
}

/// What is on the three public streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    /// Requests that are not taken in.
    pub requests: Requests,
    /// Entries of the results stream.
    pub results: u64,
    /// Who reads results by a consumer group.
    pub groups: Vec<Group>,
    /// Entries of the quarantine.
    pub quarantined: u64,
    /// When the newest of them was put there.
    pub quarantined_at: Option<UnixMillis>,
}

/// Requests that are not taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many.
    pub entries: u64,
    /// When the first of them was pushed, if its id tells.
    pub oldest_at: Option<UnixMillis>,
    /// Whether intake has made its consumer group.
    pub group: bool,
    /// Read by a process and not taken in, for longer than was asked; counted up to 1,000.
    pub stuck: u64,
}

/// A consumer group of the results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Results that it has not been given; `None` if Redis cannot tell (before 7.0).
    pub lag: Option<u64>,
    /// Results that it was given and has not acknowledged.
    pub pending: u64,
    /// When the first result was published that it has not been given or not acknowledged.
    pub waiting_since: Option<UnixMillis>,
}

impl Checkup {
    /// Connects.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(connector: &Connector, keys: Keys) -> Result<Self, LedgerError> {
        Ok(Self { con: connector.shared().await?, keys })
    }

    /// Its clock; one round trip.
    ///
    /// # Errors
    /// [`LedgerError`] if it does not answer.
    pub async fn time(&self) -> Result<UnixMillis, LedgerError> {
        let time = redis::cmd("TIME").query_async(&mut self.con.clone()).await;
        let (secs, micros): (i64, i64) = time.map_err(map_error)?;
        Ok(UnixMillis::new(secs.saturating_mul(1_000).saturating_add(micros / 1_000)))
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// [`LedgerError`] if it does not answer.
    pub async fn server(&self) -> Result<Server, LedgerError> {
        let info = redis::cmd("INFO").query_async(&mut self.con.clone()).await;
        let info: redis::InfoDict = info.map_err(map_error)?;
        let number = |key: &str| info.get::<u64>(key).unwrap_or_default();
        Ok(Server {
            health: Health::of(&info),
            appendfsync: self.setting("appendfsync").await,
            aof_written: info.get::<String>("aof_last_write_status").is_none_or(|is| is == "ok"),
            maxmemory: number("maxmemory"),
            used_memory: number("used_memory"),
            replicas: number("connected_slaves"),
            min_replicas: self.setting("min-replicas-to-write").await.and_then(|n| n.parse().ok()),
        })
    }

    /// One setting of the server; `None` if it may not be asked.
    async fn setting(&self, name: &str) -> Option<String> {
        let mut cmd = redis::cmd("CONFIG");
        cmd.arg("GET").arg(name);
        let told: Vec<String> = cmd.query_async(&mut self.con.clone()).await.ok()?;
        told.into_iter().nth(1)
    }

    /// What is on the public streams. A request counts as stuck after `idle`.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis does not answer or a key is not the stream that it should be.
    pub async fn streams(&self, idle: Duration) -> Result<Streams, LedgerError> {
        let results = self.keys.results();
        let mut groups = Vec::new();
        for group in self.groups(&results).await? {
            let after = format!("({}", group.last_delivered_id);
            let unread = self.first(&results, ("XRANGE", &after, "+")).await?;
            let held = self.first_pending(&results, &group.name).await?;
            groups.push(Group {
                name: group.name,
                lag: group.lag.and_then(|lag| u64::try_from(lag).ok()),
                pending: u64::try_from(group.pending).unwrap_or(u64::MAX),
                waiting_since: [unread, held].into_iter().flatten().min(),
            });
        }
        let quarantine = self.keys.quarantine();
        Ok(Streams {
            requests: self.requests(idle).await?,
            results: self.length(&results).await?,
            groups,
            quarantined: self.length(&quarantine).await?,
            quarantined_at: self.first(&quarantine, ("XREVRANGE", "+", "-")).await?,
        })
    }

    async fn requests(&self, idle: Duration) -> Result<Requests, LedgerError> {
        let key = self.keys.requests();
        let group = self.groups(&key).await?.iter().any(|group| group.name == GROUP);
        let mut stuck = Vec::new();
        if group {
            let mut cmd = redis::cmd("XPENDING");
            cmd.arg(&key).arg(GROUP).arg("IDLE");
            cmd.arg(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
            cmd.arg("-").arg("+").arg(PENDING_MAX);
            let pending = cmd.query_async(&mut self.con.clone()).await;
            stuck = pending.map_err(map_error)?;
        }
        let stuck: Vec<redis::Value> = stuck;
        Ok(Requests {
            entries: self.length(&key).await?,
            oldest_at: self.first(&key, ("XRANGE", "-", "+")).await?,
            group,
            stuck: u64::try_from(stuck.len()).unwrap_or(u64::MAX),
        })
    }

    async fn length(&self, key: &str) -> Result<u64, LedgerError> {
        let length = redis::cmd("XLEN").arg(key).query_async(&mut self.con.clone()).await;
        length.map_err(map_error)
    }

    /// The consumer groups of a stream; none if there is no stream.
    async fn groups(&self, key: &str) -> Result<Vec<StreamInfoGroup>, LedgerError> {
        if self.length(key).await? == 0 && !self.exists(key).await? {
            return Ok(Vec::new());
        }
        let mut cmd = redis::cmd("XINFO");
        cmd.arg("GROUPS").arg(key);
        let groups = cmd.query_async::<StreamInfoGroupsReply>(&mut self.con.clone()).await;
        groups.map(|reply| reply.groups).map_err(map_error)
    }

    async fn exists(&self, key: &str) -> Result<bool, LedgerError> {
        let found = redis::cmd("EXISTS").arg(key).query_async(&mut self.con.clone()).await;
        found.map_err(map_error)
    }

    /// The moment in the id of the first entry that a group was given and has not acknowledged.
    async fn first_pending(
        &self,
        key: &str,
        group: &str,
    ) -> Result<Option<UnixMillis>, LedgerError> {
        let mut cmd = redis::cmd("XPENDING");
        cmd.arg(key).arg(group).arg("-").arg("+").arg(1);
        let pending = cmd.query_async::<StreamPendingCountReply>(&mut self.con.clone()).await;
        let pending = pending.map_err(map_error)?;
        Ok(pending.ids.first().and_then(|entry| EntryId(entry.id.clone()).pushed_at()))
    }

    /// The moment in the id of the first entry of a range; ids that producers made up tell none.
    async fn first(
        &self,
        key: &str,
        (command, from, to): (&str, &str, &str),
    ) -> Result<Option<UnixMillis>, LedgerError> {
        let mut cmd = redis::cmd(command);
        cmd.arg(key).arg(from).arg(to).arg("COUNT").arg(1);
        let range = cmd.query_async::<StreamRangeReply>(&mut self.con.clone()).await;
        let range = range.map_err(map_error)?;
        Ok(range.ids.first().and_then(|entry| EntryId(entry.id.clone()).pushed_at()))
    }
}
