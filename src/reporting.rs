//! Says every few seconds what this process does, and keeps a sample of everything once a minute, so
//! that pages show all processes and charts survive a restart. Nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::{GatewayName, StateKind, UnixMillis};
use crate::ports::figures::{Figures, REPORT_EVERY_MS, Report, SAMPLE_EVERY_MS, Sample, Watch};
use crate::ports::traffic::Traffic;
use crate::ports::{Clock, LedgerError, chain};
use crate::telemetry::metrics;

/// What reporting needs of the world.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where it is kept.
    pub watch: Arc<dyn Watch>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// What this process has heard.
    pub traffic: Arc<Traffic>,
    /// This process's name among the workers.
    pub worker: String,
    /// The gateways of the configuration.
    pub gateways: Vec<GatewayName>,
}

/// Reports until `stop` says so.
pub async fn run(parts: Parts, mut stop: watch::Receiver<bool>) {
    let started_at = parts.clock.now();
    let mut sampled = None;
    loop {
        let now = parts.clock.now();
        if let Err(err) = once(&parts, started_at, now, &mut sampled).await {
            tracing::debug!(err = %chain(&err), "a report was not kept");
        }
        let pause = tokio::time::sleep(Duration::from_millis(REPORT_EVERY_MS));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = pause => {}
        }
    }
}

async fn once(
    parts: &Parts,
    started_at: UnixMillis,
    now: UnixMillis,
    sampled: &mut Option<UnixMillis>,
) -> Result<(), LedgerError> {
    let report = Report {
        worker: parts.worker.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at,
        at: now,
        holds: parts.traffic.holds(),
        gateways: parts.traffic.report(&parts.gateways, now),
    };
    for gateway in &report.gateways {
        metrics::breaker(&gateway.gateway, gateway.breaker_open);
    }
    parts.watch.keep_report(&report).await?;
    let minute = minute_of(now);
    if *sampled < Some(minute) {
        let figures = parts.watch.figures(now).await?;
        parts.watch.keep_sample(&sample(minute, figures)).await?;
        *sampled = Some(minute);
    }
    Ok(())
}

/// The beginning of the minute.
fn minute_of(now: UnixMillis) -> UnixMillis {
    let step = i64::try_from(SAMPLE_EVERY_MS).unwrap_or(i64::MAX);
    UnixMillis::new(now.get() - now.get().rem_euclid(step))
}

/// What charts show of all that is counted.
fn sample(at: UnixMillis, figures: Figures) -> Sample {
    let many = |state: Option<StateKind>| {
        let levels = figures.levels.iter().filter(|level| match state {
            Some(state) => level.bin.state == state,
            None => level.bin.state != StateKind::Settled,
        });
        levels.map(|level| level.refunds).sum()
    };
    let moving = figures.oldest.iter().filter(|(state, _)| *state != StateKind::Parked);
    Sample {
        at,
        unsettled: many(None),
        parked: many(Some(StateKind::Parked)),
        unconfirmed: many(Some(StateKind::Unconfirmed)),
        overdue: figures.counts.overdue,
        backlog: figures.counts.backlog,
        oldest_at: moving.map(|(_, at)| *at).min(),
        ended: figures.ended,
    }
}

#[cfg(test)]
#[path = "reporting_tests.rs"]
mod tests;
