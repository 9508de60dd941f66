//! How often somebody may try to sign in: few enough that guessing is hopeless.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Over what time wrong tokens are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Most wrong tokens of one network.
const OF_ONE: usize = 5;

/// Most wrong tokens of all that are told that they are wrong.
const OF_ALL: usize = 20;

/// Most wrong tokens that are remembered; the oldest makes room.
const REMEMBERED: usize = 1_000;

/// The wrong tokens of the last minute.
#[derive(Debug, Default)]
pub(in crate::ops) struct Attempts(Mutex<VecDeque<(Instant, String)>>);

impl Attempts {
    /// Judges one try of a network, and counts it if its token is wrong.
    ///
    /// A right token is let in whatever other networks do: else anybody could lock everybody out. From
    /// a network that guesses not even a right one is, so that no answer tells a guesser anything.
    ///
    /// # Errors
    /// How many seconds to wait, if there were too many.
    pub(super) fn judge(&self, network: &str, is_right: bool, now: Instant) -> Result<(), u16> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tries.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            tries.pop_front();
        }
        let left = |at: Instant| {
            let left = WINDOW.saturating_sub(now.duration_since(at)).as_secs() + 1;
            u16::try_from(left).unwrap_or(60)
        };
        let own: Vec<_> = tries.iter().filter(|(_, by)| by == network).map(|(at, _)| *at).collect();
        if own.len() >= OF_ONE {
            return Err(own.first().map_or(60, |at| left(*at)));
        }
        if is_right {
            return Ok(());
        }
        let all = tries.len().checked_sub(OF_ALL).and_then(|nth| tries.get(nth));
        let wait = all.map(|(at, _)| left(*at));
        if tries.len() >= REMEMBERED {
            tries.pop_front();
        }
        // Counted even if it is not answered, or it would be free.
        tries.push_back((now, network.to_owned()));
        wait.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn five_wrong_tokens_a_minute_of_one_network_and_twenty_of_all() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(attempts.judge("a", false, now), Ok(()));
        }
        let soon = now + Duration::from_secs(20);
        assert_eq!(attempts.judge("a", false, soon), Err(41));
        assert_eq!(attempts.judge("a", true, soon), Err(41), "nor a right one: it may be guessed");
        for network in ["b", "c", "d"] {
            for _ in 0..5 {
                assert_eq!(attempts.judge(network, false, now), Ok(()));
            }
        }
        assert_eq!(attempts.judge("e", false, now), Err(61), "twenty of all");
        let later = now + WINDOW;
        assert_eq!(attempts.judge("a", false, later), Ok(()));
        assert_eq!(attempts.0.lock().unwrap().len(), 1, "what is past is forgotten");
    }

    #[tokio::test]
    async fn nobody_locks_out_the_right_tokens_of_other_networks() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..2_000 {
            let _ = attempts.judge(&format!("n-{}", n / 5), false, now);
        }
        for _ in 0..100 {
            assert_eq!(attempts.judge("desk", true, now), Ok(()), "and it is not counted");
        }
        // What is beyond twenty is still counted for its own network.
        for _ in 0..5 {
            assert_eq!(attempts.judge("late", false, now), Err(61));
        }
        assert_eq!(attempts.judge("late", true, now), Err(61));
        assert_eq!(attempts.0.lock().unwrap().len(), REMEMBERED);
    }
}
