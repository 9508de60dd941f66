//! The composition root: the only file that names every concrete adapter.
//!
//! [`Store`] is the way to Redis, embedded or not. [`Service`] is a running refundd: intake,
//! workers, retention. Commands build what they need from these two.

mod gateways;
mod ops;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{self, Config};
use crate::domain::{GatewayName, UnixMillis};
use crate::gateways::http;
use crate::ledger::{
    Connector, Embedded, Keys, RedisClock, RedisLedger, RedisRequests, Results, keep_in_step,
    listen,
};
use crate::operator::{Desk, Terms};
use crate::ports::{Accounts, Clock, FieldError, Ledger, LedgerError, Watch};
use crate::workers;
use crate::{intake, reporting, retention};
pub use gateways::accounts;

/// How often a worker looks for requests that another one has left behind, ms.
const RECLAIM_EVERY_MS: u64 = 15_000;

/// Why refundd does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Redis cannot be used.
    #[error("the ledger cannot be used")]
    Ledger(#[from] LedgerError),
    /// The HTTP client cannot be built.
    #[error("no gateway can be called")]
    Http(#[from] http::BuildError),
    /// A gateway's settings break a rule of its protocol.
    #[error("gateways.{gateway}.{}", .source.field)]
    Gateway {
        /// The `[gateways.*]` entry.
        gateway: GatewayName,
        /// The setting and the rule.
        source: FieldError,
    },
    /// The ops server's address cannot be had.
    #[error(
        "the ops server cannot listen on {listen}; set another ops.listen, port 0 picks a free one"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A Redis that refunds may be kept in, and the server behind it if it is our own.
#[derive(Debug)]
pub struct Store {
    /// Makes connections.
    pub connector: Connector,
    /// The keys of the namespace.
    pub keys: Keys,
    embedded: Option<Embedded>,
}

impl Store {
    /// Opens the Redis of the configuration; without `redis.url`, starts or joins the embedded one.
    /// Checks that it may keep refunds.
    ///
    /// # Errors
    /// [`LedgerError`] says what to change.
    pub async fn open(settings: &config::model::Redis) -> Result<Self, LedgerError> {
        let embedded = match &settings.url {
            Some(_) => None,
            None => Some(Embedded::start(Path::new(&settings.data_dir)).await?),
        };
        let url = match (&settings.url, &embedded) {
            (Some(url), _) => url.expose().to_owned(),
            (None, Some(embedded)) => embedded.url(),
            (None, None) => String::new(),
        };
        let connector = Connector::new(&url)?;
        let health = connector.preflight().await?;
        for doubt in health.doubts() {
            tracing::warn!("{doubt}");
        }
        Ok(Self { connector, keys: Keys::new(&settings.namespace), embedded })
    }

    /// The ledger.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn ledger(&self) -> Result<RedisLedger, LedgerError> {
        RedisLedger::connect(&self.connector, self.keys.clone()).await
    }

    /// The requests stream, as the consumer of that name.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn requests(&self, consumer: &str) -> Result<RedisRequests, LedgerError> {
        RedisRequests::connect(&self.connector, self.keys.clone(), consumer.to_owned()).await
    }

    /// The results stream.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn results(&self) -> Result<Results, LedgerError> {
        Results::connect(&self.connector, &self.keys).await
    }

    /// Stops the embedded server if this process is its last user.
    ///
    /// # Errors
    /// [`LedgerError`] if it does not stop; it goes on, and nothing is lost.
    pub async fn close(self) -> Result<(), LedgerError> {
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
}

/// Where people's decisions about refunds are carried out; needs no gateway and no key.
pub fn desk(config: &Config, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Desk {
    let terms = |account: &config::AccountConfig| Terms {
        policy: account.policy,
        gateway: account.submit.clone(),
    };
    let accounts = config.accounts.iter().map(|(name, account)| (name.clone(), terms(account)));
    Desk::new(ledger, clock, accounts.collect())
}

/// A running refundd. Stop it with [`Service::stop`]; dropping it is a crash.
#[derive(Debug)]
pub struct Service {
    stop: watch::Sender<bool>,
    graceful: JoinSet<()>,
    background: Vec<JoinHandle<()>>,
    ledger: Arc<RedisLedger>,
    clock: Arc<RedisClock>,
    ops: SocketAddr,
}

impl Service {
    /// Starts the ops server, intake, workers and retention over the given store.
    ///
    /// # Errors
    /// [`AppError`] if Redis cannot be reached or the ops server's address is taken.
    pub async fn start(
        config: &Config,
        store: &Store,
        accounts: Accounts,
    ) -> Result<Self, AppError> {
        let listening = ops::listen(config).await?;
        let ops = listening.address();
        let clock = RedisClock::connect(&store.connector).await?;
        let ledger = Arc::new(store.ledger().await?);
        let (shared_ledger, shared_clock): (Arc<dyn Ledger>, Arc<dyn Clock>) =
            (ledger.clone(), clock.clone());
        let watch: Arc<dyn Watch> = ledger.clone();
        let name = worker_name(clock.now());
        let requests = Arc::new(store.requests(&name).await?);
        let wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let parts = workers::Parts {
            ledger: shared_ledger,
            clock: shared_clock,
            accounts: Arc::new(accounts),
            wake: Arc::clone(&wake),
            ledger_away: Arc::default(),
            pulse: Arc::default(),
            traffic: Arc::default(),
        };
        let background = vec![
            tokio::spawn(keep_in_step(Arc::clone(&clock), store.connector.clone())),
            tokio::spawn(ops::upkeep()),
            tokio::spawn(listen(store.connector.clone(), store.keys.clone(), wake)),
        ];
        let mut graceful = JoinSet::new();
        graceful.spawn(ops::serve(
            listening,
            config,
            (store, Arc::clone(&watch)),
            &parts,
            stopped.clone(),
        ));
        graceful.spawn(intake::run(
            intake::Parts {
                requests,
                ledger: Arc::clone(&parts.ledger),
                clock: Arc::clone(&parts.clock),
                accounts: Arc::clone(&parts.accounts),
                wake: Arc::clone(&parts.wake),
            },
            intake_settings(config),
            stopped.clone(),
        ));
        graceful.spawn(retention::run(
            Arc::clone(&parts.ledger),
            Arc::clone(&parts.clock),
            retention_settings(config),
            stopped.clone(),
        ));
        graceful.spawn(reporting::run(
            reporting::Parts {
                watch,
                clock: Arc::clone(&parts.clock),
                traffic: Arc::clone(&parts.traffic),
                worker: name.clone(),
                gateways: config.gateways.keys().cloned().collect(),
            },
            stopped.clone(),
        ));
        graceful.spawn(workers::run(parts, worker_settings(config, name), stopped));
        Ok(Self { stop, graceful, background, ledger, clock, ops })
    }

    /// Where the ops server listens.
    pub fn ops(&self) -> SocketAddr {
        self.ops
    }

    /// The ledger that this service works on.
    pub fn ledger(&self) -> &RedisLedger {
        &self.ledger
    }

    /// The clock that this service goes by.
    pub fn clock(&self) -> &RedisClock {
        &self.clock
    }

    /// Completes when a part of the service has ended by itself, which none should: half a service
    /// is worse than none, because nobody notices.
    pub async fn broken(&mut self) {
        if let Some(Err(err)) = self.graceful.join_next().await {
            tracing::error!(%err, "a part of the service failed");
        }
    }

    /// Stops: no new refunds, answers under way are waited for and stored.
    pub async fn stop(mut self) {
        // Fails only if every task has ended already.
        let _ = self.stop.send(true);
        while let Some(ended) = self.graceful.join_next().await {
            if let Err(err) = ended {
                tracing::error!(%err, "a part of the service failed");
            }
        }
        for task in self.background {
            task.abort();
        }
    }
}

/// Unique among the workers of a namespace: machines, processes and starts differ.
fn worker_name(now: UnixMillis) -> String {
    format!("{}-{}", std::process::id(), now.get())
}

fn intake_settings(config: &Config) -> intake::Settings {
    let intake = &config.settings.intake;
    intake::Settings {
        batch: usize::try_from(intake.batch).unwrap_or(usize::MAX),
        reclaim_idle: Duration::from_millis(intake.reclaim_idle_ms),
        reclaim_every_ms: RECLAIM_EVERY_MS.min(intake.reclaim_idle_ms),
    }
}

fn worker_settings(config: &Config, name: String) -> workers::Settings {
    let worker = &config.settings.worker;
    workers::Settings {
        name,
        concurrency: usize::try_from(worker.concurrency).unwrap_or(usize::MAX),
        lease_ms: worker.lease_ms,
        shutdown: Duration::from_millis(worker.shutdown_ms),
    }
}

fn retention_settings(config: &Config) -> retention::Settings {
    let keep = &config.settings.retention;
    retention::Settings { settled_ms: keep.settled_ms, results_ms: keep.results_ms }
}
