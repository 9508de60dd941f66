//! A line of refunds that wait for a limit: who waits gets a moment of its own to come back at.
//!
//! Places are handed out in the order in which the refunds are claimed, which is the order in which
//! they are due, one interval behind the other. So a backlog comes back oldest first, one at a time,
//! at the pace at which it can be served, and is not touched in between.
//!
//! Nobody gets a place more than [`AHEAD_MAX_MS`] ahead, so that a limit that is raised, or a process
//! that is added, is felt soon. From there on the line is closed: whoever comes goes behind
//! everybody else, a millisecond apart, and all of them are given new places when the first of them is
//! back.

use std::collections::HashSet;

use crate::domain::{RefundNo, UnixMillis};

/// Farthest place, ms. Those who come when that is taken stand close together behind it.
pub(super) const AHEAD_MAX_MS: u64 = 300_000;

/// Who waits for one limit, and until when.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The last place that was handed out at the line's pace.
    place: UnixMillis,
    /// The last place of somebody who came back and found its own taken.
    late: UnixMillis,
    /// When the last of all comes back.
    end: UnixMillis,
    /// When the first of those comes back who came after the line was full.
    closed_until: Option<UnixMillis>,
    /// Who has a place: whoever comes back too late for it does not go to the end.
    known: HashSet<RefundNo>,
}

impl Line {
    /// When `no` is to come back, which has to wait at least `wait_ms`; the next one comes `every_ms`
    /// later.
    pub(super) fn place(
        &mut self,
        no: &RefundNo,
        now: UnixMillis,
        wait_ms: u64,
        every_ms: u64,
    ) -> UnixMillis {
        let first = now.plus(wait_ms.max(1));
        if self.end <= now {
            *self = Self::default(); // everybody has been back
        }
        if self.closed_until.is_some_and(|until| until <= now) {
            self.closed_until = None;
            self.place = self.place.max(self.late);
            self.known.clear();
        }
        let at = if self.known.contains(no) {
            self.late = self.late.plus(every_ms).max(first);
            self.late
        } else if self.closed_until.is_some() {
            self.end.plus(1)
        } else {
            let place = self.place.plus(every_ms).max(first);
            if place > now.plus(AHEAD_MAX_MS.max(wait_ms)) {
                let behind = place.max(self.end.plus(1));
                self.closed_until = Some(behind);
                behind
            } else {
                self.place = place;
                self.known.insert(no.clone());
                place
            }
        };
        self.end = self.end.max(at);
        at
    }

    /// `no` waits no longer.
    pub(super) fn leave(&mut self, no: &RefundNo) {
        self.known.remove(no);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no(n: u64) -> RefundNo {
        RefundNo::parse(&format!("R{n}")).unwrap()
    }

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(ms)
    }

    #[test]
    fn places_are_an_interval_apart_in_the_order_of_asking() {
        let mut line = Line::default();
        let places: Vec<_> = (0..3).map(|n| line.place(&no(n), at(1_000), 40, 100)).collect();
        assert_eq!(places, [at(1_040), at(1_140), at(1_240)]);
        assert_eq!(line.place(&no(3), at(9_000), 40, 100), at(9_040), "nobody waits any more");
    }

    #[test]
    fn beyond_the_farthest_place_the_order_stays_and_new_places_follow_the_old() {
        let (mut line, every) = (Line::default(), 100_000);
        let start = at(1_000_000);
        let places: Vec<_> = (0..6).map(|n| line.place(&no(n), start, 1, every)).collect();
        let after: Vec<u64> = places.iter().map(|place| place.since(start)).collect();
        assert_eq!(after, [1, 100_001, 200_001, 300_001, 300_002, 300_003]);
        let no_short_cut = line.place(&no(9), start.plus(200_002), 1, every);
        assert_eq!(no_short_cut, start.plus(300_004));
        let again = (3..6).map(|n| line.place(&no(n), start.plus(300_001), 1, every));
        let after: Vec<u64> = again.map(|place| place.since(start)).collect();
        assert_eq!(after, [300_002, 400_002, 500_002]);
    }

    #[test]
    fn whoever_comes_too_late_for_its_place_does_not_go_to_the_end() {
        let mut line = Line::default();
        for n in 0..2_000 {
            line.place(&no(n), at(1_000), 100, 100);
        }
        assert_eq!(line.place(&no(3), at(1_500), 100, 100), at(1_600));
        assert_eq!(line.place(&no(4), at(1_500), 100, 100), at(1_700));
        line.leave(&no(5));
        assert_eq!(line.place(&no(5), at(1_600), 100, 100), at(201_100), "it has been served");
    }
}
