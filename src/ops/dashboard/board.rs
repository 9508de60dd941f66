//! What the pages show, read at most once a second for everybody who looks, and only while somebody
//! does. A reading that fails hides nothing: what was read before stays, with its time and the reason.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join3;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::chart::{DAY_MS, SAMPLES};
use crate::domain::UnixMillis;
use crate::ops::Parts;
use crate::ports::figures::{Figures, Report, Sample};
use crate::ports::ledger::Pause;
use crate::ports::{LedgerError, chain};

/// How long a reading is good for.
const FRESH: Duration = Duration::from_secs(1);

/// How long the samples of the chart are good for: there is a new one every minute.
const HISTORY_FRESH: Duration = Duration::from_secs(20);

/// How long the ledger may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that was read at one moment.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The counts.
    pub(super) figures: Figures,
    /// A day of samples.
    pub(super) history: Vec<Sample>,
    /// What every process said last.
    pub(super) reports: Vec<Report>,
    /// What is paused.
    pub(super) pauses: Vec<Pause>,
}

/// What there is to show.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// Why nothing newer could be read.
    pub(super) trouble: Option<&'static str>,
    /// The last reading that succeeded; `None` if none ever did.
    pub(super) last: Option<Arc<Reading>>,
}

impl View {
    /// The moment by which ages are told: now, or that of the last reading while nothing newer can be
    /// read. By the clock of today an outage would make workers look gone and gateways unused.
    pub(super) fn as_of(&self, now: UnixMillis) -> UnixMillis {
        let old = self.last.as_ref().filter(|_| self.trouble.is_some());
        old.map_or(now, |last| last.figures.at)
    }
}

/// Keeps the last reading.
#[derive(Debug, Default)]
pub(in crate::ops) struct Board {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    view: View,
    read_at: Option<Instant>,
    history_at: Option<Instant>,
}

impl Board {
    /// What there is to show now. Whoever comes while it is being read waits for that one reading.
    pub(super) async fn view(&self, parts: &Parts) -> View {
        let mut kept = self.kept.lock().await;
        let is_fresh = |at: Option<Instant>, fresh| at.is_some_and(|at| at.elapsed() < fresh);
        if is_fresh(kept.read_at, FRESH) {
            return kept.view.clone();
        }
        let with_history = !is_fresh(kept.history_at, HISTORY_FRESH);
        let old = kept.view.last.clone().filter(|_| !with_history);
        let now = parts.clock.now();
        match tokio::time::timeout(PATIENCE, read(parts, now, old)).await {
            Ok(Ok(reading)) => {
                kept.view = View { trouble: None, last: Some(Arc::new(reading)) };
                if with_history {
                    kept.history_at = Some(Instant::now());
                }
            }
            Ok(Err(err)) => {
                // Addresses and such are for the log alone.
                tracing::warn!(err = %chain(&err), "the dashboard cannot read the ledger");
                kept.view.trouble = Some(reason(&err));
            }
            Err(_) => kept.view.trouble = Some("Redis does not answer"),
        }
        kept.read_at = Some(Instant::now());
        kept.view.clone()
    }
}

/// Why a reading failed, in words for a page.
pub(super) fn reason(err: &LedgerError) -> &'static str {
    match err {
        LedgerError::Unavailable(_) => "Redis cannot be reached",
        LedgerError::Refused(_) => "Redis refuses to answer; the log says why",
        LedgerError::Corrupt { .. } => "something stored cannot be read; the log says what",
        LedgerError::Unfit(_) => "this Redis is not fit to keep refunds; the log says why",
    }
}

/// Reads everything; the samples of `old` are taken over if there is one.
async fn read(
    parts: &Parts,
    now: UnixMillis,
    old: Option<Arc<Reading>>,
) -> Result<Reading, LedgerError> {
    let (watch, ledger) = (&parts.watch, &parts.ledger);
    let (figures, reports, pauses) =
        try_join3(watch.figures(now), watch.reports(), ledger.pauses()).await?;
    let history = match old {
        Some(old) => old.history.clone(),
        None => watch.history(now.minus(DAY_MS), now, SAMPLES).await?,
    };
    Ok(Reading { figures, history, reports, pauses })
}
