//! How often somebody may try to sign in: few enough that guessing is hopeless.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Over what time tries are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Most tries of one network.
const OF_ONE: usize = 5;

/// Most tries of all; also how many are remembered.
const OF_ALL: usize = 20;

/// The tries of the last minute.
#[derive(Debug, Default)]
pub(in crate::ops) struct Attempts(Mutex<VecDeque<(Instant, String)>>);

impl Attempts {
    /// Counts one try of a network.
    ///
    /// # Errors
    /// How many seconds to wait, if there were too many; then it is not counted.
    pub(super) fn allow(&self, network: &str, now: Instant) -> Result<(), u16> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tries.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            tries.pop_front();
        }
        let own = || tries.iter().filter(|(_, by)| by == network);
        let blocks = if own().count() >= OF_ONE {
            own().next()
        } else {
            tries.front().filter(|_| tries.len() >= OF_ALL)
        };
        if let Some((at, _)) = blocks {
            let left = WINDOW.saturating_sub(now.duration_since(*at)).as_secs() + 1;
            return Err(u16::try_from(left).unwrap_or(60));
        }
        tries.push_back((now, network.to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn five_tries_a_minute_of_one_network_and_twenty_of_all() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(attempts.allow("a", now), Ok(()));
        }
        assert_eq!(attempts.allow("a", now + Duration::from_secs(20)), Err(41));
        for network in ["b", "c", "d"] {
            for _ in 0..5 {
                assert_eq!(attempts.allow(network, now), Ok(()));
            }
        }
        assert_eq!(attempts.allow("e", now), Err(61), "twenty of all");
        let later = now + WINDOW;
        assert_eq!(attempts.allow("a", later), Ok(()));
        assert_eq!(attempts.0.lock().unwrap().len(), 1, "what is past is forgotten");
    }
}
