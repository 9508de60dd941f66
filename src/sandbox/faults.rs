//! Faults that can be switched on: which request is disturbed, and how.
//!
//! Everything is a pure function of the rules, the seed, the refund number and how often that
//! number came by, so that a run that fails can be run again. What a fault does to the money is
//! decided in `exchange`, what it does to the connection in `server`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// One way in which a gateway misbehaves.
///
/// *Processes* means that the book takes the submit, or counts the query, as if nothing were wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// No disturbance: a place in a queue of faults that is to be skipped.
    Pass,

    /// Fate of a new refund: it ends as failed. No effect on queries.
    FailFinal,
    /// Fate of a new refund: the money goes to the merchant's account. No effect on queries.
    Change,
    /// Fate of a new refund: it never ends. No effect on queries.
    NeverSettle,

    /// Resets the connection; nothing is processed.
    ResetBefore,
    /// Processes, then resets the connection without an answer.
    ResetAfter,
    /// Processes, then holds the answer back.
    AnswerLate {
        /// For how long, ms. A shutdown lets it go at once.
        ms: u64,
    },
    /// Answers with an HTTP status and a page of HTML.
    Http {
        /// The status.
        status: u16,
        /// Whether it processes first.
        #[serde(default)]
        processed: bool,
    },
    /// Answers 429 with `Retry-After`; nothing is processed.
    TooFrequent {
        /// `Retry-After`, seconds.
        retry_after_s: u64,
    },
    /// Processes, then answers 200 with a page of HTML.
    Html,
    /// Processes, then answers 200 with nothing.
    EmptyBody,
    /// Processes, then answers with the first half of the JSON as if that were all.
    Truncated,
    /// Processes, then closes the connection in the middle of the announced answer.
    BreakOff,
    /// Processes, then answers with 10 MB: the right JSON, then spaces without an announced end.
    HugeBody,
    /// Processes, then signs the answer wrongly.
    BadSignature,
    /// Processes, then leaves the signature out.
    NoSignature,

    /// Processes, then names one cent more than it should.
    WrongAmount,
    /// Processes, then names another refund number.
    WrongNumber,
    /// Answers with the protocol's system error, signed: nobody can tell whether it processed.
    SysError {
        /// The code; `None` for the protocol's usual one (0010, SYSTEMERROR).
        #[serde(default)]
        code: Option<String>,
        /// Whether it processes first.
        #[serde(default)]
        processed: bool,
    },
    /// Answers with this business error code, signed; nothing is processed.
    Refuse {
        /// The code, such as `0112` or `NOTENOUGH`.
        code: String,
    },
    /// A query says that it knows no such refund, as while a refund is not yet visible; submits
    /// are not disturbed. It counts as a query of the refund, but not towards its end.
    NotFound,
    /// Processes, then shows that the gateway is not sure (NOTSURE; IOTPay status 0).
    NotSure,
    /// Processes, then shows a status that no document lists (REVERSING; IOTPay status 7).
    UnlistedStatus,
    /// Processes, then shows this status, whatever is true.
    Status {
        /// The status as it is spelt in the answer.
        word: String,
    },
    /// Processes, then adds a successful refund of the order that nobody asked for, as first line.
    /// IOTPay answers have no lines and stay as they are.
    StrangerLine,
}

impl Fault {
    /// Whether it decides how a new refund ends, and not how the request is answered.
    const fn is_fate(&self) -> bool {
        matches!(self, Self::FailFinal | Self::Change | Self::NeverSettle)
    }
}

/// Which of the two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A refund is submitted.
    Submit,
    /// A refund is asked for.
    Query,
}

/// Which requests a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Submits only.
    Submits,
    /// Queries only.
    Queries,
    /// Both.
    #[default]
    Both,
}

/// When a fault strikes. All conditions must hold; a condition that is not given always does.
///
/// Several rules with the same `refund_no` and `times` 1 are a queue: the first one strikes the
/// first request, the second one the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(default)]
    pub on: On,
    /// Exactly this refund number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_no: Option<String>,
    /// Refund numbers that begin so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Refund numbers that end so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// How many of a refund number's matching requests go by first.
    #[serde(default)]
    pub after: u32,
    /// How many of a refund number's matching requests, after those, are struck at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many of a thousand are struck, drawn anew for each request from the seed. Default 1000.
    #[serde(default = "always")]
    pub per_mille: u32,
    /// What happens.
    pub fault: Fault,
}

/// `per_mille` of a rule that always strikes.
const fn always() -> u32 {
    1000
}

impl Rule {
    /// A rule for every request of this kind.
    pub const fn new(on: On, fault: Fault) -> Self {
        Self {
            on,
            refund_no: None,
            prefix: None,
            suffix: None,
            after: 0,
            times: None,
            per_mille: always(),
            fault,
        }
    }

    /// Only this refund number.
    #[must_use]
    pub fn refund_no(mut self, refund_no: &str) -> Self {
        self.refund_no = Some(refund_no.to_owned());
        self
    }

    /// Only refund numbers that begin so.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// Only refund numbers that end so.
    #[must_use]
    pub fn suffix(mut self, suffix: &str) -> Self {
        self.suffix = Some(suffix.to_owned());
        self
    }

    /// Not before this many requests of a refund number went by.
    #[must_use]
    pub const fn after(mut self, after: u32) -> Self {
        self.after = after;
        self
    }

    /// At most this many requests of a refund number.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only so many of a thousand.
    #[must_use]
    pub const fn per_mille(mut self, per_mille: u32) -> Self {
        self.per_mille = per_mille;
        self
    }

    fn matches(&self, op: Op, refund_no: &str) -> bool {
        let right_op = match self.on {
            On::Both => true,
            On::Submits => op == Op::Submit,
            On::Queries => op == Op::Query,
        };
        right_op
            && self.refund_no.as_ref().is_none_or(|no| no == refund_no)
            && self.prefix.as_ref().is_none_or(|p| refund_no.starts_with(p.as_str()))
            && self.suffix.as_ref().is_none_or(|s| refund_no.ends_with(s.as_str()))
    }

    /// Whether it must know how often a refund number came by.
    const fn counts(&self) -> bool {
        self.after > 0 || self.times.is_some() || self.per_mille < always()
    }

    /// Whether the `nth` matching request of `refund_no` (from 0) is struck.
    fn strikes(&self, seed: u64, refund_no: &str, nth: u32) -> bool {
        nth >= self.after
            && self.times.is_none_or(|times| nth - self.after < times)
            && draw(seed, refund_no, nth) < self.per_mille
    }
}

/// All rules, with the seed of their draws.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultPlan {
    /// Seed of the draws for `per_mille`.
    pub seed: u64,
    /// The rules. For each request the first one that strikes with a fate and the first one that
    /// strikes with anything else count.
    pub rules: Vec<Rule>,
}

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chosen {
    /// How a new refund ends, if not well.
    pub(super) fate: Option<Fault>,
    /// How the request is disturbed.
    pub(super) fault: Option<Fault>,
}

/// The faults that are on, and how often each was met.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Whether there is any rule, so that a gateway without faults takes no lock for them.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: FaultPlan,
    /// For each rule: matching requests so far, by refund number.
    met: Vec<HashMap<String, u32>>,
}

impl Faults {
    pub(super) fn new(plan: FaultPlan) -> Self {
        let faults = Self::default();
        faults.set(plan);
        faults
    }

    /// Replaces all rules and forgets what was counted.
    pub(super) fn set(&self, plan: FaultPlan) {
        let mut state = self.state();
        state.met = plan.rules.iter().map(|_| HashMap::new()).collect();
        self.any.store(!plan.rules.is_empty(), Ordering::SeqCst);
        state.plan = plan;
    }

    /// Adds a rule behind the others, whose counts go on.
    pub(super) fn push(&self, rule: Rule) {
        let mut state = self.state();
        state.plan.rules.push(rule);
        state.met.push(HashMap::new());
        self.any.store(true, Ordering::SeqCst);
    }

    /// The rules that are on.
    pub(super) fn plan(&self) -> FaultPlan {
        self.state().plan.clone()
    }

    /// Decides what happens to a request, and counts it.
    pub(super) fn choose(&self, op: Op, refund_no: &str) -> Chosen {
        let mut chosen = Chosen::default();
        if !self.any.load(Ordering::SeqCst) {
            return chosen;
        }
        let mut state = self.state();
        let State { plan, met } = &mut *state;
        for (index, (rule, met)) in (0_u64..).zip(plan.rules.iter().zip(met)) {
            let slot = if rule.fault.is_fate() { &mut chosen.fate } else { &mut chosen.fault };
            if slot.is_some() || !rule.matches(op, refund_no) {
                continue;
            }
            let nth = if rule.counts() { count(met, refund_no) } else { 0 };
            // Each rule draws for itself: two of 500 per mille must not always agree.
            if rule.strikes(plan.seed.wrapping_add(index), refund_no, nth) {
                *slot = Some(rule.fault.clone());
            }
        }
        chosen
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often `refund_no` was met before; counts this time.
fn count(met: &mut HashMap<String, u32>, refund_no: &str) -> u32 {
    if let Some(times) = met.get_mut(refund_no) {
        *times += 1;
        return *times - 1;
    }
    met.insert(refund_no.to_owned(), 1);
    0
}

/// A number below 1000 that depends on all three arguments and on nothing else.
fn draw(seed: u64, refund_no: &str, nth: u32) -> u32 {
    let text = refund_no.bytes().fold(seed, |mixed, byte| mix(mixed ^ u64::from(byte)));
    u32::try_from(mix(text ^ u64::from(nth)) % 1000).unwrap_or(0)
}

/// One step of splitmix64: spreads every bit of the input over the output.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
pub(super) const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
