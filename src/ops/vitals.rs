//! Health, and the gauges that are read from the ledger: both by counting, neither by looking at a
//! refund, and neither more often than every second however often somebody asks.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::body::Json;
use super::problem::Problem;
use super::{Parts, Room};
use crate::domain::{AccountName, UnixMillis};
use crate::ports::figures::GONE_MS;
use crate::ports::ledger::Counts;
use crate::ports::{LedgerError, chain};
use crate::telemetry::levels::{self, Levels};
use crate::telemetry::metrics;

/// How long what was read is good for.
const COUNTS_FRESH: Duration = Duration::from_secs(1);

/// How long a look at the store's fitness is good for; a bad one only [`COUNTS_FRESH`].
const FITNESS_FRESH: Duration = Duration::from_secs(10);

/// How long the ledger may take to answer: longer than a hiccup, shorter than a probe waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether this process lives.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
    /// Of refundd.
    pub version: &'static str,
}

/// Whether this process does its work.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Readiness {
    /// Whether every check passed.
    pub ready: bool,
    /// What was checked.
    pub checks: Vec<Check>,
}

/// One check of the readiness.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Check {
    /// `redis`, `preflight`, `claims` or `running`.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Check {
    fn of(name: &'static str, found: Result<(), String>) -> Self {
        Self { name, ok: found.is_ok(), why: found.err() }
    }
}

/// What was read last, and when.
type Kept<T> = Mutex<Option<(Instant, Result<T, String>)>>;

/// What health and metrics read, kept for a moment. Whoever comes while it is being read waits for
/// that one reading.
#[derive(Debug)]
pub(super) struct Vitals {
    silence_ms: u64,
    started_at: UnixMillis,
    counts: Kept<Counts>,
    levels: Kept<Levels>,
    fitness: Kept<()>,
}

impl Vitals {
    pub(super) fn new(silence_ms: u64, started_at: UnixMillis) -> Self {
        Self {
            silence_ms,
            started_at,
            counts: Mutex::default(),
            levels: Mutex::default(),
            fitness: Mutex::default(),
        }
    }

    async fn counts(&self, parts: &Parts) -> Result<Counts, String> {
        let read = || parts.ledger.counts(parts.clock.now());
        kept(&self.counts, COUNTS_FRESH, read).await
    }

    /// Everything that is counted.
    async fn levels(&self, parts: &Parts) -> Result<Levels, String> {
        kept(&self.levels, COUNTS_FRESH, || read_levels(parts)).await
    }

    async fn fitness(&self, parts: &Parts) -> Result<(), String> {
        kept(&self.fitness, FITNESS_FRESH, || parts.fitness.fit()).await
    }

    /// Whether the workers hear from the ledger.
    fn claims(&self, parts: &Parts) -> Result<(), String> {
        let Some(last) = parts.pulse.last() else {
            return Err("no claim has been answered yet".to_owned());
        };
        let silence_ms = parts.clock.now().since(last);
        if silence_ms > self.silence_ms {
            return Err(format!("the last claim was answered {silence_ms} ms ago"));
        }
        Ok(())
    }
}

async fn kept<T: Clone, F: Future<Output = Result<T, LedgerError>>>(
    kept: &Kept<T>,
    fresh: Duration,
    read: impl FnOnce() -> F,
) -> Result<T, String> {
    let mut kept = kept.lock().await;
    if let Some((at, found)) = &*kept
        && at.elapsed() < if found.is_ok() { fresh } else { COUNTS_FRESH.min(fresh) }
    {
        return found.clone();
    }
    let found = match tokio::time::timeout(PATIENCE, read()).await {
        Ok(Ok(found)) => Ok(found),
        // Addresses and such are for the log alone: health is open to everybody.
        Ok(Err(err @ LedgerError::Unfit(_))) => Err(err.to_string()),
        Ok(Err(err)) => {
            tracing::warn!(err = %chain(&err), "the ledger cannot be read");
            Err("the ledger cannot be read".to_owned())
        }
        Err(_) => Err("the ledger does not answer".to_owned()),
    };
    *kept = Some((Instant::now(), found.clone()));
    found
}

async fn read_levels(parts: &Parts) -> Result<Levels, LedgerError> {
    let now = parts.clock.now();
    let figures = parts.watch.figures(now).await?;
    let reports = parts.watch.reports().await?;
    let heard = reports.iter().filter(|report| now.since(report.at) <= GONE_MS).count();
    let pauses = parts.ledger.pauses().await?;
    let name = |account: Option<AccountName>| account.map_or("*".to_owned(), |a| a.to_string());
    Ok(Levels {
        figures,
        workers: u64::try_from(heard).unwrap_or(u64::MAX),
        paused: pauses.into_iter().map(|pause| name(pause.account)).collect(),
    })
}

/// `GET /healthz`.
pub(super) async fn healthz() -> Json<Health> {
    Json(StatusCode::OK, Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// `GET /readyz`.
pub(super) async fn readyz(State(room): State<Arc<Room>>) -> Json<Readiness> {
    let (parts, vitals) = (&room.parts, &room.vitals);
    let redis = vitals.counts(parts).await.map(drop);
    let running = if *room.stop.borrow() { Err("refundd is stopping".to_owned()) } else { Ok(()) };
    let checks = vec![
        Check::of("running", running),
        Check::of("redis", redis),
        Check::of("preflight", vitals.fitness(parts).await),
        Check::of("claims", vitals.claims(parts)),
    ];
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Json(status, Readiness { ready, checks })
}

/// `GET /metrics`.
pub(super) async fn scrape(State(room): State<Arc<Room>>) -> Result<Response, Problem> {
    let recorder = metrics::start().map_err(|err| {
        tracing::error!(err, "there are no metrics");
        Problem::defect()
    })?;
    let parts = &room.parts;
    let levels = room.vitals.levels(parts).await.ok();
    levels::show(levels.as_ref(), parts.clock.now());
    // Workers that were never answered are as silent as this process is old.
    let heard = parts.pulse.last().unwrap_or(room.vitals.started_at);
    metrics::last_claim(heard.get());
    let mut response = Body::from(recorder.render()).into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
