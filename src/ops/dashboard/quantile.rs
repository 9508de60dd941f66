//! How long refunds took to settle, from counts by bound. Integers only.

use crate::domain::state::Outcome;
use crate::ports::figures::{Ended, SETTLE_BOUNDS_MS};

/// How many took how long, place by place as in [`Ended::took`].
pub(super) type Took = [u64; SETTLE_BOUNDS_MS.len() + 1];

/// A quantile of settle times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantile {
    /// About so many ms: somewhere between two bounds, as if evenly spread there.
    About(u64),
    /// Longer than the last bound.
    Beyond,
}

/// What has ended by an answer, succeeded or failed, between two countings. A count that has gone back,
/// as after a loss of writes, counts as none.
pub(super) fn between(earlier: &[Ended], later: &[Ended]) -> Took {
    let mut took = Took::default();
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        let (before, after) = (of(earlier, outcome), of(later, outcome));
        for ((sum, before), after) in took.iter_mut().zip(before).zip(after) {
            *sum = sum.saturating_add(after.saturating_sub(before));
        }
    }
    took
}

/// How many refunds have ended so.
pub(super) fn ended_as(ended: &[Ended], outcome: Outcome) -> u64 {
    of(ended, outcome).iter().sum()
}

fn of(ended: &[Ended], outcome: Outcome) -> Took {
    ended.iter().find(|ended| ended.outcome == outcome).map_or(Took::default(), |found| found.took)
}

/// The time that `per_mille` of a thousand refunds did not exceed; `None` if there were none.
pub(super) fn quantile(took: &Took, per_mille: u64) -> Option<Quantile> {
    let all: u64 = took.iter().sum();
    if all == 0 {
        return None;
    }
    // The how many-eth refund it is, from 1.
    let rank = all.saturating_mul(per_mille).div_ceil(1_000).clamp(1, all);
    let (mut below, mut lower) = (0_u64, 0_u64);
    for (count, upper) in took.iter().zip(SETTLE_BOUNDS_MS) {
        if below + count >= rank {
            let inside = (upper - lower).saturating_mul(rank - below) / (*count).max(1);
            return Some(Quantile::About(lower + inside));
        }
        below += count;
        lower = upper;
    }
    Some(Quantile::Beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(counts: &[(usize, u64)]) -> Took {
        let mut took = Took::default();
        for (place, count) in counts {
            took[*place] = *count;
        }
        took
    }

    #[test]
    fn a_quantile_lies_between_the_bounds_of_its_place() {
        assert_eq!(quantile(&Took::default(), 500), None);
        // 100 refunds up to 500 ms, 100 up to 1 s.
        let even = took(&[(0, 100), (1, 100)]);
        assert_eq!(quantile(&even, 250), Some(Quantile::About(250)));
        assert_eq!(quantile(&even, 500), Some(Quantile::About(500)));
        assert_eq!(quantile(&even, 750), Some(Quantile::About(750)));
        assert_eq!(quantile(&even, 1_000), Some(Quantile::About(1_000)));
        // One refund decides all.
        let one = took(&[(8, 1)]);
        assert_eq!(quantile(&one, 1), Some(Quantile::About(900_000)));
        let last = SETTLE_BOUNDS_MS.len();
        assert_eq!(quantile(&took(&[(0, 98), (last, 2)]), 990), Some(Quantile::Beyond));
        assert_eq!(quantile(&took(&[(0, 99), (last, 1)]), 990), Some(Quantile::About(500)));
    }

    #[test]
    fn only_answers_count_and_a_count_that_went_back_counts_as_none() {
        let ended = |outcome, place, count| Ended { outcome, took: took(&[(place, count)]) };
        let earlier = [ended(Outcome::Succeeded, 0, 5), ended(Outcome::Failed, 1, 9)];
        let later = [
            ended(Outcome::Succeeded, 0, 8),
            ended(Outcome::Failed, 1, 2),
            ended(Outcome::Withdrawn, 2, 7),
        ];
        assert_eq!(between(&earlier, &later), took(&[(0, 3)]));
        assert_eq!(between(&[], &later), took(&[(0, 8), (1, 2)]));
        assert_eq!(ended_as(&later, Outcome::Withdrawn), 7);
    }
}
