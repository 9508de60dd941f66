//! The breaker of a gateway: after so many submits in a row without an understood answer, none leaves
//! for a while, then one tries.
//!
//! Fed by submits only. Queries go on whatever it says: they move no money, and they are how a
//! refund with an unknown outcome gets out of it. It only delays; no refund is decided by it.
//!
//! Its own because the crates for it read a clock of their own (`failsafe`, `recloser`), run the call
//! themselves, or let any number of trials through at once; here time is an argument and a trial is
//! one, which a page of code says.
//!
//! ```
//! use refundd::domain::breaker::{Ask, Breaker, BreakerPolicy};
//! use refundd::domain::UnixMillis;
//! let (policy, at) = (BreakerPolicy { failures: 1, open_ms: 100 }, UnixMillis::new(0));
//! let mut breaker = Breaker::default();
//! breaker.failed(at, policy);
//! assert_eq!(breaker.ask(at, policy), Ask::Wait(at.plus(100)));
//! assert_eq!(breaker.ask(at.plus(100), policy), Ask::Trial);
//! breaker.understood();
//! assert_eq!(breaker.ask(at.plus(100), policy), Ask::Go);
//! ```

use super::UnixMillis;

/// When a breaker opens, and for how long (`[gateways.*.breaker]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Submits in a row without an understood answer, at least 1.
    pub failures: u32,
    /// How long no submit leaves then, ms. A trial that nobody hears of again is given up after the
    /// same time.
    pub open_ms: u64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { failures: 10, open_ms: 30_000 }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Submits leave; so many in a row have failed.
    Closed(u32),
    /// No submit leaves before this moment; then one does.
    Open(UnixMillis),
    /// One submit is under way to try the gateway. Without word of it another one tries then.
    Trial(UnixMillis),
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed(0)
    }
}

/// Whether a submit may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// It may.
    Go,
    /// It may, alone: what becomes of it decides for the others.
    Trial,
    /// Not before this moment.
    Wait(UnixMillis),
}

impl Breaker {
    /// Whether a submit may leave at `now`. After [`Ask::Trial`] the caller says what became of it:
    /// [`understood`](Self::understood), [`failed`](Self::failed) or [`not_tried`](Self::not_tried).
    pub fn ask(&mut self, now: UnixMillis, policy: BreakerPolicy) -> Ask {
        match *self {
            Self::Closed(_) => Ask::Go,
            Self::Open(until) | Self::Trial(until) if now < until => Ask::Wait(until),
            Self::Open(_) | Self::Trial(_) => {
                *self = Self::Trial(now.plus(policy.open_ms));
                Ask::Trial
            }
        }
    }

    /// The gateway answered a submit with something that is understood, a refusal included.
    pub fn understood(&mut self) {
        *self = Self::Closed(0);
    }

    /// A submit could not connect, or its outcome is unknown. Returns whether this opened the breaker.
    pub fn failed(&mut self, now: UnixMillis, policy: BreakerPolicy) -> bool {
        let open = Self::Open(now.plus(policy.open_ms));
        *self = match *self {
            Self::Closed(failures) if failures.saturating_add(1) < policy.failures => {
                Self::Closed(failures.saturating_add(1))
            }
            Self::Closed(_) | Self::Trial(_) => open,
            // Sent before it opened: says nothing new.
            Self::Open(until) => Self::Open(until),
        };
        *self == open
    }

    /// The trial was not sent after all: the next submit is the trial.
    pub fn not_tried(&mut self, now: UnixMillis) {
        if let Self::Trial(_) = *self {
            *self = Self::Open(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy { failures: 3, open_ms: 1_000 };

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(ms)
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(at(0), POLICY));
        assert!(!breaker.failed(at(0), POLICY));
        breaker.understood();
        assert!(!breaker.failed(at(1), POLICY));
        assert!(!breaker.failed(at(2), POLICY));
        assert_eq!(breaker.ask(at(2), POLICY), Ask::Go);
        assert!(breaker.failed(at(3), POLICY));
        assert_eq!(breaker.ask(at(3), POLICY), Ask::Wait(at(1_003)));
        assert_eq!(breaker.ask(at(1_002), POLICY), Ask::Wait(at(1_003)));
    }

    #[test]
    fn one_trial_goes_alone_and_its_outcome_decides() {
        for (good, then) in [(true, Ask::Go), (false, Ask::Wait(at(2_500)))] {
            let mut breaker = Breaker::Open(at(1_000));
            assert_eq!(breaker.ask(at(1_000), POLICY), Ask::Trial);
            assert_eq!(breaker.ask(at(1_200), POLICY), Ask::Wait(at(2_000)), "one at a time");
            if good {
                breaker.understood();
            } else {
                assert!(breaker.failed(at(1_500), POLICY));
            }
            assert_eq!(breaker.ask(at(1_500), POLICY), then);
        }
    }

    #[test]
    fn a_trial_that_was_not_sent_or_is_never_heard_of_is_followed_by_another() {
        let mut breaker = Breaker::Open(at(1_000));
        breaker.ask(at(1_000), POLICY);
        breaker.not_tried(at(1_100));
        assert_eq!(breaker.ask(at(1_100), POLICY), Ask::Trial);
        assert_eq!(breaker.ask(at(2_099), POLICY), Ask::Wait(at(2_100)));
        assert_eq!(breaker.ask(at(2_100), POLICY), Ask::Trial);
    }

    #[test]
    fn a_failure_of_before_it_opened_does_not_keep_it_open_longer() {
        let mut breaker = Breaker::Open(at(1_000));
        assert!(!breaker.failed(at(900), POLICY));
        assert_eq!(breaker.ask(at(1_000), POLICY), Ask::Trial);
    }

    proptest! {
        /// Whatever happens in whatever order, it never keeps a submit waiting longer than `open_ms`,
        /// and while it is open at most one submit leaves in that time.
        #[test]
        fn it_waits_no_longer_than_it_says_and_tries_one_at_a_time(
            steps in prop::collection::vec((0_u8..4, 0_u64..700), 1..200),
        ) {
            let mut breaker = Breaker::default();
            let mut now = at(0);
            let mut trial: Option<UnixMillis> = None;
            for (what, later) in steps {
                now = now.plus(later);
                match what {
                    0 => match breaker.ask(now, POLICY) {
                        Ask::Wait(until) => prop_assert!(now < until && until <= now.plus(1_000)),
                        Ask::Trial => {
                            prop_assert!(trial.is_none_or(|last| now.since(last) >= 1_000));
                            trial = Some(now);
                        }
                        Ask::Go => prop_assert!(matches!(breaker, Breaker::Closed(_))),
                    },
                    1 => { breaker.understood(); trial = None; }
                    2 => { breaker.failed(now, POLICY); }
                    _ => { breaker.not_tried(now); trial = None; }
                }
            }
        }
    }
}
