//! Connections to Redis: one that multiplexes commands, others that may block; preflight checks.
//!
//! Commands fail at once while Redis is away and the connection mends itself; every loop above
//! retries. Nothing here retries a command by itself.

use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind,
};

use crate::ports::{Fitness, LedgerError};

/// How long one command may take. Longer than any `fsync` worth waiting for; the redis crate's own
/// default of 500 ms gives up on a disk that hiccups.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sent bytes may stay unacknowledged, or a connection silent before it is probed.
const DEAD_PATH: Duration = Duration::from_secs(10);

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The oldest Redis that has all commands refundd uses (`XAUTOCLAIM`).
const REDIS_MIN: (u32, u32) = (6, 2);

/// Makes connections to one Redis.
#[derive(Debug, Clone)]
pub struct Connector {
    client: Client,
}

/// What Redis says of itself, for preflight and doctor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Its version, as it writes it.
    pub version: String,
    /// Its eviction policy.
    pub maxmemory_policy: String,
    /// Whether it keeps an append-only file.
    pub aof: bool,
    /// Its run id: a change means a restart or a failover.
    pub run_id: String,
    /// Whether it is a primary.
    pub primary: bool,
}

impl Connector {
    /// Prepares connections to `url`; does not connect yet.
    ///
    /// # Errors
    /// [`LedgerError::Unfit`] if the URL is not one of a Redis.
    pub fn new(url: &str) -> Result<Self, LedgerError> {
        let info = url.into_connection_info().map(|info| info.set_tcp_settings(tcp_settings()));
        let client = info.and_then(Client::open).map_err(|err| {
            // The URL may hold a password, so the error does not show it.
            LedgerError::Unfit(format!("redis.url cannot be used: {}", err.category()))
        })?;
        Ok(Self { client })
    }

    /// A connection that many tasks may use at once and that reconnects by itself: once after each
    /// command that failed. With retries of its own it would keep every command waiting, and the
    /// first connect too, for as long as Redis is away.
    pub(super) async fn shared(&self) -> Result<ConnectionManager, LedgerError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_number_of_retries(0);
        ConnectionManager::new_with_config(self.client.clone(), config).await.map_err(map_error)
    }

    /// A connection of its own for commands that block; no reconnect, no time limit on answers.
    pub(super) async fn blocking(&self) -> Result<MultiplexedConnection, LedgerError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        connect.await.map_err(map_error)
    }

    /// A connection of its own that listens to channels.
    pub(super) async fn listening(&self) -> Result<PubSub, LedgerError> {
        self.client.get_async_pubsub().await.map_err(map_error)
    }

    /// Asks Redis about itself.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`] if it does not answer.
    pub async fn health(&self) -> Result<Health, LedgerError> {
        let mut con = self.blocking().await?;
        let info: redis::InfoDict =
            redis::cmd("INFO").query_async(&mut con).await.map_err(map_error)?;
        Ok(Health::of(&info))
    }

    /// Makes sure that this Redis may keep refunds.
    ///
    /// # Errors
    /// [`LedgerError::Unfit`] says what to change: too old, evicts keys, or is a replica.
    pub async fn preflight(&self) -> Result<Health, LedgerError> {
        let health = self.health().await?;
        health.check()?;
        Ok(health)
    }
}

#[async_trait]
impl Fitness for Connector {
    async fn fit(&self) -> Result<(), LedgerError> {
        self.preflight().await.map(drop)
    }
}

impl Health {
    /// What is no reason to refuse this Redis, but a person should know, in whole sentences.
    pub fn doubts(&self) -> Vec<&'static str> {
        let mut doubts = Vec::new();
        if !self.aof {
            doubts.push(
                "this Redis keeps no append-only file: refunds are lost when it restarts; set \
                 appendonly yes and appendfsync always",
            );
        }
        if self.run_id.is_empty() {
            doubts.push(
                "this Redis names no run_id in INFO: a restart or failover that loses writes is noticed \
                 by refundd's own counter only; let INFO name it",
            );
        }
        doubts
    }

    /// From the answer of `INFO`.
    pub(super) fn of(info: &redis::InfoDict) -> Self {
        let text = |key: &str| info.get::<String>(key).unwrap_or_default();
        Self {
            version: text("redis_version"),
            maxmemory_policy: text("maxmemory_policy"),
            aof: text("aof_enabled") == "1",
            run_id: text("run_id"),
            primary: text("role") == "master",
        }
    }

    /// All reasons to refuse this Redis, each alone.
    fn check(&self) -> Result<(), LedgerError> {
        self.new_enough()?;
        self.keeps_all()?;
        self.takes_writes()
    }

    /// Whether it has every command that refundd uses.
    ///
    /// # Errors
    /// [`LedgerError::Unfit`] names both versions.
    pub fn new_enough(&self) -> Result<(), LedgerError> {
        let mut parts = self.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if version < REDIS_MIN {
            return Err(LedgerError::Unfit(format!(
                "Redis {} is too old: refundd needs Redis 6.2 or newer, or Valkey",
                self.version
            )));
        }
        Ok(())
    }

    /// Whether it never deletes a key by itself.
    ///
    /// # Errors
    /// [`LedgerError::Unfit`] names the policy and the right one.
    pub fn keeps_all(&self) -> Result<(), LedgerError> {
        if self.maxmemory_policy != "noeviction" {
            return Err(LedgerError::Unfit(format!(
                "Redis would delete refunds when memory is short: maxmemory-policy is \"{}\", set \
                 it to \"noeviction\"",
                self.maxmemory_policy
            )));
        }
        Ok(())
    }

    /// Whether it is a primary.
    ///
    /// # Errors
    /// [`LedgerError::Unfit`] says where to point `redis.url`.
    pub fn takes_writes(&self) -> Result<(), LedgerError> {
        if !self.primary {
            return Err(LedgerError::Unfit(
                "this Redis is a replica and takes no writes: set redis.url to the primary"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// A path to Redis that has died silently is noticed in seconds, not in the quarter of an hour that
/// the kernel would take.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(DEAD_PATH).with_interval(DEAD_PATH / 5);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(DEAD_PATH)
}

/// Sorts an error of the redis crate: did Redis refuse, or is nothing known?
pub(super) fn map_error(err: RedisError) -> LedgerError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the redis crate may add kinds")]
    let refused = match err.kind() {
        ErrorKind::Server(kind) => !matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
        ),
        ErrorKind::Extension // a code the redis crate does not list: OOM, MISCONF, NOAUTH, ...
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig => true,
        // Everything else is about the way to Redis, not about what Redis said.
        _ => false,
    };
    if refused {
        LedgerError::Refused(Box::new(err))
    } else {
        LedgerError::Unavailable(Box::new(err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(version: &str, policy: &str) -> Health {
        Health {
            version: version.to_owned(),
            maxmemory_policy: policy.to_owned(),
            primary: true,
            ..Health::default()
        }
    }

    #[test]
    fn a_redis_that_evicts_or_is_too_old_is_refused_with_what_to_change() {
        assert!(health("6.2.0", "noeviction").check().is_ok());
        assert!(health("8.0.1", "noeviction").check().is_ok());
        let old = health("6.0.16", "noeviction").check().unwrap_err().to_string();
        assert!(old.contains("6.0.16") && old.contains("6.2"), "{old}");
        let evicts = health("7.0.15", "allkeys-lru").check().unwrap_err().to_string();
        assert!(evicts.contains("noeviction"), "{evicts}");
        let replica = Health { primary: false, ..health("7.0.15", "noeviction") };
        assert!(replica.check().is_err());
    }

    #[test]
    fn what_a_person_should_know_of_a_redis_that_will_do_is_said() {
        let plain = health("7.0.15", "noeviction");
        let [aof, run_id] = plain.doubts()[..] else { panic!("{:?}", plain.doubts()) };
        assert!(aof.contains("appendonly yes") && run_id.contains("run_id"), "{aof} {run_id}");
        let named = Health { run_id: "1f".to_owned(), ..plain.clone() };
        assert_eq!(named.doubts(), [aof]);
        assert_eq!(Health { aof: true, ..plain }.doubts(), [run_id]);
        assert!(Health { aof: true, ..named }.doubts().is_empty());
    }

    #[test]
    fn a_bad_url_is_refused_without_showing_its_password() {
        let err = Connector::new("http://user:hunter2@host").unwrap_err().to_string();
        assert!(!err.contains("hunter2"), "{err}");
    }
}
