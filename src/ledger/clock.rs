//! The clock that all workers of a namespace share: Redis `TIME`, carried on by a monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::ConnectionManager;

use super::connection::{Connector, map_error};
use crate::domain::UnixMillis;
use crate::ports::{Clock, LedgerError};

/// How often the clock is set again. Quartz drifts by well under 1 ms in that time.
const RESYNC: Duration = Duration::from_secs(10);

/// A round trip above this tells too little about the moment at which Redis answered: half of it is
/// the possible error, and leases have a margin of two seconds.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(500);

/// A jump of Redis's clock above this is worth a line in the log.
const JUMP_MS: i64 = 1_000;

/// Redis time: an offset to this process's monotonic clock, so that setting the machine's wall
/// clock moves nothing.
#[derive(Debug)]
pub struct RedisClock {
    start: Instant,
    /// Redis's Unix ms at `start`.
    base: AtomicI64,
}

impl RedisClock {
    /// Asks Redis for the time.
    ///
    /// # Errors
    /// [`LedgerError`] if it does not answer.
    pub async fn connect(connector: &Connector) -> Result<Arc<Self>, LedgerError> {
        let mut con = connector.shared().await?;
        let clock = Self { start: monotonic(), base: AtomicI64::new(0) };
        let (base, _) = clock.measure(&mut con).await?;
        clock.base.store(base, Ordering::SeqCst);
        Ok(Arc::new(clock))
    }

    /// What `base` should be, and how long it took to find out.
    async fn measure(&self, con: &mut ConnectionManager) -> Result<(i64, Duration), LedgerError> {
        let before = monotonic();
        let (secs, micros): (i64, i64) =
            redis::cmd("TIME").query_async(con).await.map_err(map_error)?;
        let round_trip = monotonic().saturating_duration_since(before);
        let at_answer = before.saturating_duration_since(self.start) + round_trip / 2;
        let redis_ms = secs.saturating_mul(1_000).saturating_add(micros / 1_000);
        Ok((redis_ms.saturating_sub(millis(at_answer)), round_trip))
    }
}

impl Clock for RedisClock {
    fn now(&self) -> UnixMillis {
        let elapsed = millis(monotonic().saturating_duration_since(self.start));
        UnixMillis::new(self.base.load(Ordering::SeqCst).saturating_add(elapsed))
    }
}

/// Sets the clock again from time to time, for ever. Runs in a task of its own.
pub async fn keep_in_step(clock: Arc<RedisClock>, connector: Connector) {
    loop {
        tokio::time::sleep(RESYNC).await;
        let Ok(mut con) = connector.shared().await else { continue };
        let Ok((base, round_trip)) = clock.measure(&mut con).await else {
            continue;
        };
        if round_trip > ROUND_TRIP_MAX {
            continue;
        }
        let jump = base.saturating_sub(clock.base.swap(base, Ordering::SeqCst));
        if jump.abs() > JUMP_MS {
            tracing::warn!(jump_ms = jump, "the clock of Redis has jumped");
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
fn monotonic() -> Instant {
    Instant::now()
}
