//! How soon after a call a loop that talks to the ledger makes its next one.
//!
//! A call costs the ledger much the same for one refund and for fifty, so while a worker is busy
//! fewer and larger calls serve more. A loop keeps a least time between the beginnings of its calls,
//! in which the next batch gathers. Whoever was quiet for so long waits for nothing, so an idle worker
//! is as quick as ever, and neither does a batch that cannot grow.

use std::time::Duration;

use tokio::time::Instant;

/// Least time between the beginnings of two calls: the finest that tokio's timer can wait, which rounds
/// up, so that it is one to two milliseconds in fact.
const LEAST: Duration = Duration::from_millis(1);

/// The pace of one loop.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last call began.
    began: Option<Instant>,
}

impl Pace {
    /// Returns when the next call may begin, and takes it to begin then. With `full` that is now.
    ///
    /// May be dropped while it waits; then no call has begun.
    pub(super) async fn keep(&mut self, full: bool) {
        // Asked first, because a timer that is due already may still wait for its next tick.
        if let Some(began) = self.began
            && !full
            && began.elapsed() < LEAST
        {
            tokio::time::sleep_until(began + LEAST).await;
        }
        self.began = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long after `since` a call of this pace may begin.
    async fn begins(pace: &mut Pace, full: bool, since: Instant) -> Duration {
        pace.keep(full).await;
        since.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_in_a_row_keep_their_distance_and_the_first_waits_for_nothing() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for n in 0..5 {
            assert_eq!(begins(&mut pace, false, start).await, LEAST * n);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_quiet_time_or_a_long_call_nobody_waits() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.keep(false).await;
        tokio::time::sleep(LEAST).await;
        assert_eq!(begins(&mut pace, false, start).await, LEAST);
        assert_eq!(
            begins(&mut pace, false, start).await,
            LEAST * 2,
            "and then the pace holds again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_leaves_at_once_and_counts_as_a_call() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.keep(false).await;
        assert_eq!(begins(&mut pace, true, start).await, Duration::ZERO);
        assert_eq!(begins(&mut pace, false, start).await, LEAST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_is_no_call() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.keep(false).await;
        tokio::select! {
            biased;
            () = pace.keep(false) => panic!("it has to wait"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(begins(&mut pace, false, start).await, LEAST);
    }
}
