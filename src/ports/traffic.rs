//! What this process has heard from gateways in the last minutes, for its reports.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::figures::{Calls, GatewayReport, TRAFFIC_MS};
use crate::domain::{GatewayName, UnixMillis};

/// How finely time is divided, ms.
const SPAN_MS: u64 = 30_000;

/// Most kinds of answers that are told apart within a span; what comes on top is counted together.
const KINDS_MAX: usize = 200;

/// Call, class of the answer, the gateway's code.
type Kind = (&'static str, &'static str, String);

/// What was heard within one span of time.
#[derive(Debug, Default)]
struct Span {
    number: u64,
    calls: BTreeMap<(GatewayName, Kind), u64>,
    put_off: BTreeMap<GatewayName, u64>,
}

#[derive(Debug, Default)]
struct Seen {
    spans: VecDeque<Span>,
    /// Until when a breaker counts as open.
    open: BTreeMap<GatewayName, UnixMillis>,
}

/// Counts calls by what came of them. Every method is cheap and none waits.
#[derive(Debug, Default)]
pub struct Traffic {
    holds: AtomicU64,
    seen: Mutex<Seen>,
}

/// A refund that is being handled, until it is dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a AtomicU64);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Traffic {
    /// One more refund is being handled.
    pub fn hold(&self) -> Held<'_> {
        self.holds.fetch_add(1, Ordering::Relaxed);
        Held(&self.holds)
    }

    /// How many are.
    pub fn holds(&self) -> u64 {
        self.holds.load(Ordering::Relaxed)
    }

    /// A call has come to its end: `call`, class of the answer, the gateway's code or nothing.
    pub fn called(
        &self,
        gateway: &GatewayName,
        (call, outcome, code): (&'static str, &'static str, &str),
        now: UnixMillis,
    ) {
        let mut seen = self.seen();
        let calls = &mut seen.span(now).calls;
        let mut key = (gateway.clone(), (call, outcome, code.to_owned()));
        if calls.len() >= KINDS_MAX && !calls.contains_key(&key) {
            "other".clone_into(&mut key.1.2);
        }
        *calls.entry(key).or_default() += 1;
    }

    /// A limit has put a call off.
    pub fn put_off(&self, gateway: &GatewayName, now: UnixMillis) {
        *self.seen().span(now).put_off.entry(gateway.clone()).or_default() += 1;
    }

    /// A breaker has opened, and counts as open until then if nothing more is heard: without a submit
    /// nobody tries the gateway, and nothing is held back either. `None`: it has closed.
    pub fn breaker(&self, gateway: &GatewayName, open_until: Option<UnixMillis>) {
        let mut seen = self.seen();
        match open_until {
            Some(until) => seen.open.insert(gateway.clone(), until),
            None => seen.open.remove(gateway),
        };
    }

    /// What there is to say of each of `gateways`.
    pub fn report<'a>(
        &self,
        gateways: impl IntoIterator<Item = &'a GatewayName>,
        now: UnixMillis,
    ) -> Vec<GatewayReport> {
        let mut seen = self.seen();
        seen.forget(now);
        gateways.into_iter().map(|gateway| seen.report(gateway, now)).collect()
    }

    /// A panic elsewhere leaves the counts as they are.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(now: UnixMillis) -> u64 {
    u64::try_from(now.get()).unwrap_or_default() / SPAN_MS
}

impl Seen {
    /// The span of this moment; a clock that goes back counts into the latest.
    fn span(&mut self, now: UnixMillis) -> &mut Span {
        let current = number(now);
        if self.spans.back().is_none_or(|span| span.number < current) {
            self.forget(now);
            self.spans.push_back(Span { number: current, ..Span::default() });
        }
        let last = self.spans.len() - 1;
        &mut self.spans[last]
    }

    fn forget(&mut self, now: UnixMillis) {
        let Some(last) = number(now).checked_sub(TRAFFIC_MS / SPAN_MS) else { return };
        while self.spans.front().is_some_and(|span| span.number <= last) {
            self.spans.pop_front();
        }
    }

    fn report(&self, gateway: &GatewayName, now: UnixMillis) -> GatewayReport {
        let mut sums: BTreeMap<&Kind, u64> = BTreeMap::new();
        for ((of, kind), count) in self.spans.iter().flat_map(|span| &span.calls) {
            if of == gateway {
                *sums.entry(kind).or_default() += count;
            }
        }
        let calls = sums.into_iter().map(|((call, outcome, code), count)| Calls {
            call: (*call).to_owned(),
            outcome: (*outcome).to_owned(),
            code: code.clone(),
            count,
        });
        GatewayReport {
            gateway: gateway.to_string(),
            breaker_open: self.open.get(gateway).is_some_and(|until| now < *until),
            put_off: self.spans.iter().filter_map(|span| span.put_off.get(gateway)).sum(),
            calls: calls.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(ms)
    }

    #[test]
    fn calls_are_counted_alike_and_forgotten_after_five_minutes() {
        let traffic = Traffic::default();
        let gateway = GatewayName::parse("gw").unwrap();
        let told = |now| {
            let report = traffic.report([&gateway], now).remove(0);
            let calls = report.calls.into_iter();
            (calls.map(|calls| (calls.code, calls.count)).collect::<Vec<_>>(), report.put_off)
        };
        for (code, ms) in [("A", 0), ("A", 40_000), ("B", 40_000)] {
            traffic.called(&gateway, ("submit", "refused", code), at(ms));
        }
        traffic.put_off(&gateway, at(50_000));
        let (a, b) = (("A".to_owned(), 2), ("B".to_owned(), 1));
        assert_eq!(told(at(60_000)), (vec![a, b.clone()], 1));
        assert_eq!(told(at(310_000)), (vec![("A".to_owned(), 1), b], 1));
        assert_eq!(told(at(400_000)), (vec![], 0));
    }

    #[test]
    fn a_gateway_that_invents_codes_takes_no_memory() {
        let traffic = Traffic::default();
        let gateway = GatewayName::parse("gw").unwrap();
        for n in 0..1_000 {
            traffic.called(&gateway, ("query", "unknown", &n.to_string()), at(0));
        }
        let calls = traffic.report([&gateway], at(0)).remove(0).calls;
        assert_eq!(calls.len(), KINDS_MAX + 1);
        assert_eq!(calls.iter().map(|calls| calls.count).sum::<u64>(), 1_000);
    }

    #[test]
    fn a_breaker_and_a_refund_in_hand_show_until_they_are_over() {
        let traffic = Traffic::default();
        let gateway = GatewayName::parse("gw").unwrap();
        let open = |now| traffic.report([&gateway], at(now)).remove(0).breaker_open;
        traffic.breaker(&gateway, Some(at(60_000)));
        assert!(open(59_999) && !open(60_000), "nobody tries it, and nothing is held back");
        traffic.breaker(&gateway, None);
        assert!(!open(0));
        let held = traffic.hold();
        assert_eq!(traffic.holds(), 1);
        drop(held);
        assert_eq!(traffic.holds(), 0);
    }
}
