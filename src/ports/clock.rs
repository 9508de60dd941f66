//! The one clock: every due time and lease comes from it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::UnixMillis;

/// Tells the time that all workers of a namespace share.
///
/// The real one is synchronised to Redis `TIME`, so that two machines whose own clocks differ agree
/// on when a lease ends.
pub trait Clock: Send + Sync + Debug {
    /// Now.
    fn now(&self) -> UnixMillis;
}

/// A clock that stands still until it is moved, for tests and the simulator.
///
/// ```
/// use refundd::{domain::UnixMillis, ports::{Clock, ManualClock}};
/// let clock = ManualClock::new(UnixMillis::new(1_000));
/// clock.advance(500);
/// assert_eq!(clock.now(), UnixMillis::new(1_500));
/// ```
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `at`.
    pub fn new(at: UnixMillis) -> Self {
        Self(AtomicI64::new(at.get()))
    }

    /// Moves the clock forward by `millis`.
    pub fn advance(&self, millis: u64) {
        self.set(self.now().plus(millis));
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, at: UnixMillis) {
        self.0.store(at.get(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.load(Ordering::SeqCst))
    }
}
