//! How long to wait: pure functions of the refund number, the count and the settings.
//!
//! The n-th delay of a refund is the same whenever and wherever it is computed, so a crash, a
//! restart or another worker does not change the schedule. The growth of an interval comes from
//! the `backoff` crate (its random part switched off); the spread comes from a hash of the refund
//! number, so that a thousand refunds submitted in one second are not polled in one second.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use md5::{Digest, Md5};

use super::policy::{PollPolicy, UnknownPolicy};
use super::{Policy, RefundNo};

/// After this many steps every interval has reached its cap: 1.01^2,000 is more than 10^8.
const GROWTH_STEPS_MAX: u32 = 2_000;

/// Each query after an unknown outcome waits three times as long as the one before:
/// 5 s, 15 s, 45 s, 135 s, 300 s by default.
const UNKNOWN_MULTIPLIER: f64 = 3.0;

/// The dense queries after an unknown outcome end after this many; then the poll schedule rules.
const UNKNOWN_DENSE_POLLS: u32 = 5;

/// The dense queries never wait longer than this multiple of the first delay (5 s → 5 min).
const UNKNOWN_CAP_FACTOR: u64 = 60;

/// A submit that provably did not happen is tried again after 1, 2, 4, … times the first delay.
const RETRY_MULTIPLIER: f64 = 2.0;

/// Spread of the retries, so that an outage does not end in a stampede.
const RETRY_JITTER: f64 = 0.2;

/// The delay before poll number `n` (from 0), ms.
///
/// Lies within `[initial × (1 − jitter), max × (1 + jitter)]`.
///
/// ```
/// use refundd::domain::{policy::Policy, schedule, RefundNo};
/// let poll = Policy::default().poll;
/// let no = RefundNo::parse("R1").unwrap();
/// let first = schedule::poll_delay_ms(&no, 0, &poll);
/// assert!((4_000..=6_000).contains(&first));
/// assert_eq!(first, schedule::poll_delay_ms(&no, 0, &poll));
/// ```
pub fn poll_delay_ms(refund_no: &RefundNo, n: u32, poll: &PollPolicy) -> u64 {
    let base = grown_ms(poll.initial_ms, poll.multiplier, poll.max_ms, n);
    spread(base, poll.jitter, refund_no, n)
}

/// The delay before query number `n` (from 0) after a submit with an unknown outcome, ms.
///
/// The first few are dense, because most such refunds did happen; then the poll schedule rules,
/// but never more often than the last dense one.
pub fn unknown_delay_ms(
    refund_no: &RefundNo,
    n: u32,
    unknown: &UnknownPolicy,
    poll: &PollPolicy,
) -> u64 {
    let cap = unknown.first_query_ms.saturating_mul(UNKNOWN_CAP_FACTOR);
    let dense = grown_ms(unknown.first_query_ms, UNKNOWN_MULTIPLIER, cap, n);
    let base = if n < UNKNOWN_DENSE_POLLS {
        dense
    } else {
        dense.max(grown_ms(poll.initial_ms, poll.multiplier, poll.max_ms, n))
    };
    spread(base, poll.jitter, refund_no, n)
}

/// The delay before a submit is tried again after `n` (from 0) that provably did not happen, ms.
pub fn retry_delay_ms(refund_no: &RefundNo, n: u32, policy: &Policy) -> u64 {
    let base = grown_ms(policy.retry_initial_ms, RETRY_MULTIPLIER, policy.retry_max_ms, n);
    spread(base, RETRY_JITTER, refund_no, n)
}

/// `initial × multiplier^n`, at most `max`, by the `backoff` crate with its jitter off.
///
/// The crate reads a clock to enforce a time limit; none is set, so the clock has no effect.
fn grown_ms(initial_ms: u64, multiplier: f64, max_ms: u64, n: u32) -> u64 {
    let mut interval = ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(initial_ms.min(max_ms)))
        .with_multiplier(multiplier)
        .with_max_interval(Duration::from_millis(max_ms))
        .with_randomization_factor(0.0)
        .with_max_elapsed_time(None)
        .build();
    for _ in 0..n.min(GROWTH_STEPS_MAX) {
        interval.next_backoff();
        if interval.current_interval >= interval.max_interval {
            break;
        }
    }
    u64::try_from(interval.current_interval.as_millis()).unwrap_or(max_ms)
}

/// Moves `base` by up to ± `jitter` of itself, by a hash of the refund number and `n`.
///
/// MD5 because anyone can recompute it in any language; nothing secret hangs on it.
#[expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a delay, not money; the result is bounded by 2 × base"
)]
fn spread(base: u64, jitter: f64, refund_no: &RefundNo, n: u32) -> u64 {
    let digest = Md5::digest(format!("{refund_no}:{n}"));
    let high = digest.iter().take(4).fold(0_u32, |acc, byte| (acc << 8) | u32::from(*byte));
    let position = f64::from(high) / f64::from(u32::MAX); // 0 to 1, evenly spread
    let factor = 1.0 + jitter * (2.0 * position - 1.0);
    (base as f64 * factor) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn poll() -> PollPolicy {
        Policy::default().poll
    }

    fn number(i: usize) -> RefundNo {
        RefundNo::parse(&format!("R{i}")).unwrap()
    }

    #[test]
    fn intervals_double_up_to_the_cap() {
        let steps: Vec<u64> = (0..6).map(|n| grown_ms(1_000, 2.0, 10_000, n)).collect();
        assert_eq!(steps, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    }

    #[test]
    fn an_unknown_outcome_is_asked_about_densely_first() {
        let plain = PollPolicy { jitter: 0.0, ..poll() };
        let unknown = Policy::default().unknown;
        let steps: Vec<u64> =
            (0..6).map(|n| unknown_delay_ms(&number(1), n, &unknown, &plain)).collect();
        assert_eq!(steps, [5_000, 15_000, 45_000, 135_000, 300_000, 300_000]);
    }

    #[test]
    fn delays_are_really_spread_over_the_whole_band() {
        let delays: Vec<u64> = (0..1_000).map(|i| poll_delay_ms(&number(i), 0, &poll())).collect();
        let distinct: std::collections::BTreeSet<_> = delays.iter().collect();
        assert!(distinct.len() > 600, "only {} distinct delays", distinct.len());
        // Every tenth of the band 4,000..6,000 ms holds its share, give or take.
        for tenth in 0..10 {
            let low = 4_000 + tenth * 200;
            let share = delays.iter().filter(|d| (low..low + 200).contains(*d)).count();
            assert!((50..=150).contains(&share), "{share} of 1,000 in {low}..{}", low + 200);
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_bounded_and_reproducible(
            i in 0_usize..10_000, n in 0_u32..5_000,
            initial in 1_u64..100_000, max in 1_u64..100_000_000,
            multiplier in 1.0_f64..10.0, jitter in 0.0_f64..1.0,
        ) {
            let settings = PollPolicy { initial_ms: initial, multiplier, max_ms: max, jitter, ..poll() };
            let delay = poll_delay_ms(&number(i), n, &settings);
            prop_assert_eq!(delay, poll_delay_ms(&number(i), n, &settings));
            prop_assert!(delay <= max * 2);
            if jitter == 0.0 { prop_assert!(delay >= initial.min(max)); }
        }

        #[test]
        fn without_spread_delays_never_shrink(n in 0_u32..200, multiplier in 1.0_f64..4.0) {
            let settings = PollPolicy { multiplier, jitter: 0.0, ..poll() };
            prop_assert!(
                poll_delay_ms(&number(1), n + 1, &settings) >= poll_delay_ms(&number(1), n, &settings)
            );
        }
    }
}
