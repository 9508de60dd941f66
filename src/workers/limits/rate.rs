//! Calls per second, by the crate `governor`, whose clock is ours: it is told the moment of each
//! question. Calls keep an even distance, none are saved up, so no second ever sees more than it may.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::line::Line;
use crate::domain::UnixMillis;

/// The moment of the question, as `governor` reads it.
#[derive(Debug)]
struct Asked(Cell<Duration>);

impl Clock for Asked {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

/// What `governor` remembers, in a place from which it can be put back: a call takes its turn at
/// several limits or at none.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Option<Nanos>>>);

impl Kept {
    /// Nothing can fail between a look and a change, so a panic elsewhere leaves it whole.
    fn cell(&self) -> MutexGuard<'_, Option<Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Kept {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut cell = self.cell();
        let (answer, next) = f(*cell)?;
        *cell = Some(next);
        Ok(answer)
    }
}

/// One rate, and who waits for it.
#[derive(Debug)]
pub(super) struct Rate {
    limiter: RateLimiter<NotKeyed, Kept, Asked, NoOpMiddleware<Duration>>,
    kept: Kept,
    /// Least time between two calls, ms.
    pub(super) every_ms: u64,
    /// Who waits.
    pub(super) line: Line,
}

/// What a rate was before a turn was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before(Option<Nanos>);

impl Rate {
    /// One call every so many ms, at least 1.
    pub(super) fn every(every_ms: u64, now: UnixMillis) -> Option<Self> {
        let every_ms = every_ms.max(1);
        let quota = Quota::with_period(Duration::from_millis(every_ms))?;
        let quota = quota.allow_burst(NonZeroU32::MIN);
        let kept = Kept::default();
        let limiter = RateLimiter::new(quota, kept.clone(), Asked(Cell::new(moment(now))));
        Some(Self { limiter, kept, every_ms, line: Line::default() })
    }

    /// Takes a turn, which [`put_back`](Self::put_back) undoes.
    ///
    /// # Errors
    /// How long to wait, ms, at least 1.
    pub(super) fn take(&mut self, now: UnixMillis) -> Result<Before, u64> {
        let before = Before(*self.kept.cell());
        self.limiter.clock().0.set(moment(now));
        match self.limiter.check() {
            Ok(()) => Ok(before),
            Err(not_until) => {
                let wait = not_until.wait_time_from(moment(now));
                Err(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1))
            }
        }
    }

    /// Gives back the turn that was just taken.
    pub(super) fn put_back(&mut self, before: Before) {
        *self.kept.cell() = before.0;
    }
}

fn moment(at: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(at.get()).unwrap_or(0))
}
