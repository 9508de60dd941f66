//! How the gateways do, summed over what every living process says of them.

use std::collections::BTreeMap;

use crate::domain::UnixMillis;
use crate::ports::Accounts;
use crate::ports::figures::{GONE_MS, Report};

/// Fewer calls than this say nothing about a gateway that answers some of them.
const VOLUME_MIN: u64 = 10;

/// Fewer calls than this say nothing about a gateway that answers none: a chance failure of one refund.
const SILENCE_MIN: u64 = 3;

/// One gateway, over all processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// Submits.
    pub(super) submits: u64,
    /// Queries.
    pub(super) queries: u64,
    /// Calls that the gateway did not answer with a meaning.
    pub(super) errors: u64,
    /// Processes whose breaker is open.
    pub(super) open: u64,
    /// Processes that speak of it.
    pub(super) processes: u64,
    /// Calls that a limit has put off.
    pub(super) put_off: u64,
    /// How often each outcome came with each code, most first.
    pub(super) codes: Vec<(String, u64)>,
}

impl Traffic {
    /// All calls.
    pub(super) fn calls(&self) -> u64 {
        self.submits.saturating_add(self.queries)
    }

    /// How many of a thousand calls failed; `None` without calls.
    pub(super) fn error_per_mille(&self) -> Option<u64> {
        self.errors.saturating_mul(1_000).checked_div(self.calls())
    }

    /// Whether it was called and has answered nothing.
    pub(super) fn is_silent(&self) -> bool {
        self.calls() > 0 && self.errors >= self.calls()
    }

    /// Why it must be taken for unreachable, if it must.
    pub(super) fn alarm(&self) -> Option<String> {
        if self.open > 0 {
            return Some("does not answer: submits are stopped, queries go on".to_owned());
        }
        let calls = self.calls();
        if self.is_silent() && calls >= SILENCE_MIN {
            return Some(format!("answers none of its {calls} calls"));
        }
        let share = self.error_per_mille().filter(|share| *share >= 500)?;
        (calls >= VOLUME_MIN).then(|| format!("fails {} % of its {calls} calls", share / 10))
    }
}

/// Whether a process still lives, as far as can be told.
pub(super) fn is_alive(report: &Report, now: UnixMillis) -> bool {
    now.since(report.at) <= GONE_MS
}

/// Every gateway that an account uses or a process speaks of, by name.
pub(super) fn traffic(
    reports: &[Report],
    accounts: &Accounts,
    now: UnixMillis,
) -> BTreeMap<String, Traffic> {
    let mut all = BTreeMap::<String, Traffic>::new();
    for account in accounts.iter() {
        for gateway in [account.submitter.gateway(), account.querier.gateway()] {
            all.entry(gateway.to_string()).or_default();
        }
    }
    let mut codes = BTreeMap::<(String, String), u64>::new();
    let said = reports.iter().filter(|report| is_alive(report, now)).flat_map(|one| &one.gateways);
    for report in said {
        let sum = all.entry(report.gateway.clone()).or_default();
        sum.processes += 1;
        sum.open += u64::from(report.breaker_open);
        sum.put_off = sum.put_off.saturating_add(report.put_off);
        for calls in &report.calls {
            let kind = if calls.call == "submit" { &mut sum.submits } else { &mut sum.queries };
            *kind = kind.saturating_add(calls.count);
            if !calls.is_answered() {
                sum.errors = sum.errors.saturating_add(calls.count);
            }
            if !calls.is_answered() || !calls.code.is_empty() {
                let code = format!("{} {}", calls.outcome, calls.code).trim_end().to_owned();
                *codes.entry((report.gateway.clone(), code)).or_default() += calls.count;
            }
        }
    }
    for ((gateway, code), count) in codes {
        if let Some(sum) = all.get_mut(&gateway) {
            sum.codes.push((code, count));
        }
    }
    for sum in all.values_mut() {
        sum.codes.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::figures::{Calls, GatewayReport};

    fn report(worker: &str, at: i64, open: bool, calls: &[(&str, &str, &str, u64)]) -> Report {
        let call = |(call, outcome, code, count): &(&str, &str, &str, u64)| Calls {
            call: (*call).to_owned(),
            outcome: (*outcome).to_owned(),
            code: (*code).to_owned(),
            count: *count,
        };
        let gateway = GatewayReport {
            gateway: "gw".to_owned(),
            breaker_open: open,
            put_off: 2,
            calls: calls.iter().map(call).collect(),
        };
        Report {
            worker: worker.to_owned(),
            version: "1".to_owned(),
            started_at: UnixMillis::new(0),
            at: UnixMillis::new(at),
            holds: 0,
            gateways: vec![gateway],
        }
    }

    #[test]
    fn what_living_processes_say_is_summed_and_what_the_gone_said_is_not() {
        let now = UnixMillis::new(100_000);
        let calls = [("submit", "accepted", "", 8), ("query", "timeout", "", 2)];
        let reports = [
            report("a", 99_000, false, &calls),
            report("b", 98_000, false, &[("query", "refused", "E1", 5)]),
            report("gone", 1_000, true, &[("query", "timeout", "", 999)]),
        ];
        let all = traffic(&reports, &Accounts::default(), now);
        let sum = &all["gw"];
        assert_eq!((sum.submits, sum.queries, sum.errors), (8, 7, 2));
        assert_eq!((sum.processes, sum.open, sum.put_off), (2, 0, 4));
        assert_eq!(sum.codes, [("refused E1".to_owned(), 5), ("timeout".to_owned(), 2)]);
        assert_eq!((sum.error_per_mille(), sum.alarm()), (Some(133), None));
    }

    #[test]
    fn an_open_breaker_or_half_of_enough_calls_is_an_alarm() {
        let now = UnixMillis::new(0);
        let alarm = |open, calls: &[_]| {
            traffic(&[report("a", 0, open, calls)], &Accounts::default(), now)["gw"].alarm()
        };
        assert!(alarm(true, &[]).unwrap().contains("does not answer"));
        let mixed = |bad, good| [("query", "timeout", "", bad), ("query", "found", "", good)];
        assert_eq!(alarm(false, &mixed(8, 1)), None, "too few to tell");
        assert_eq!(alarm(false, &mixed(5, 5)).unwrap(), "fails 50 % of its 10 calls");
        // Silence needs fewer: a shop with one refund asks a few times in five minutes.
        assert_eq!(alarm(false, &mixed(2, 0)), None);
        assert_eq!(alarm(false, &mixed(3, 0)).unwrap(), "answers none of its 3 calls");
        assert_eq!(alarm(false, &mixed(30, 0)).unwrap(), "answers none of its 30 calls");
        assert_eq!(Traffic::default().error_per_mille(), None);
    }
}
