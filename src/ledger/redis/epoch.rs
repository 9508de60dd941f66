//! Whether this is the Redis that wrote last, with all that it wrote.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use redis::AsyncCommands;

use super::{RedisLedger, map_error};
use crate::domain::UnixMillis;
use crate::ports::LedgerError;
use crate::telemetry::metrics;

/// What one handle knows of the Redis that it writes to.
#[derive(Debug, Clone, Default)]
pub(in crate::ledger) struct Known {
    /// Its run id; empty before the first look.
    pub(in crate::ledger) run_id: String,
    /// How many losses of writes were recorded.
    pub(in crate::ledger) losses: u64,
    /// The highest value of the counter that this handle was told of.
    pub(in crate::ledger) seen: u64,
}

/// Losses of writes, certain or possible, that were found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// When the last one was found.
    pub last_at: Option<UnixMillis>,
    /// How many.
    pub count: u64,
}

impl RedisLedger {
    /// Losses of writes that were found so far: Redis was replaced or restarted, or its counter had
    /// gone back.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached or the record of them cannot be read.
    pub async fn losses(&self) -> Result<Losses, LedgerError> {
        let fields = ["lost_at", "losses"];
        let read = self.con.clone().hmget(self.keys.epoch(), &fields).await;
        let (last_at, count): (Option<i64>, Option<u64>) = read.map_err(map_error)?;
        Ok(Losses { last_at: last_at.map(UnixMillis::new), count: count.unwrap_or_default() })
    }

    /// What this handle knows now.
    pub(super) fn known(&self) -> Known {
        self.knowledge().clone()
    }

    /// Remembers that this moment was used: should the clock go back with another Redis, what was
    /// done until then is known to be older than the loss.
    pub(super) fn used(&self, now: UnixMillis) {
        self.latest.fetch_max(now.get(), Ordering::SeqCst);
    }

    /// Remembers how far the counter was.
    pub(super) fn saw(&self, counter: u64) {
        let mut known = self.knowledge();
        known.seen = known.seen.max(counter);
    }

    /// Looks for the first time, so that a new ledger is known to be new before anything is in it.
    pub(super) async fn first_look(&self, now: UnixMillis) -> Result<(), LedgerError> {
        self.used(now);
        if self.knowledge().run_id.is_empty() {
            self.look(now).await?;
        }
        Ok(())
    }

    /// Finds out which Redis this is, and records it if it may have lost writes.
    pub(super) async fn look(&self, now: UnixMillis) -> Result<(), LedgerError> {
        self.used(now);
        let before = self.known();
        let moments = (now.get(), self.latest.load(Ordering::SeqCst));
        let mut con = self.con.clone();
        let found = self.scripts.epoch(&mut con, &self.keys, moments, &before);
        let found = found.await.map_err(map_error)?;
        let (counter, losses) = (found.counter, found.losses);
        if found.recorded {
            metrics::writes_lost();
            tracing::error!(
                counter,
                seen = before.seen,
                losses,
                "Redis was restarted or replaced, or its counter went back: it may have lost writes, so \
                 the gateway is asked about every refund that seems unsent before it is sent"
            );
        } else if losses > before.losses && !before.run_id.is_empty() {
            tracing::warn!(losses, "another process has found that Redis may have lost writes");
        }
        let mut known = self.knowledge();
        let seen = known.seen.max(counter);
        *known = Known { run_id: found.run_id, losses, seen };
        Ok(())
    }

    /// A panic elsewhere leaves it as it was: it is only ever replaced as a whole.
    fn knowledge(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
