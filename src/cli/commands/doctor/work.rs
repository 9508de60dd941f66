//! The work: requests, results, refunds, pauses, and whether Redis may have lost writes.

use std::time::Duration;

use super::report::Finding;
use super::spoken;
use crate::config::Settings;
use crate::domain::{StateKind, UnixMillis};
use crate::ledger::{Checkup, Connector, Group, Keys, RedisLedger, Requests, Streams};
use crate::ports::figures::Level;
use crate::ports::ledger::{Counts, Pause};
use crate::ports::{Ledger, LedgerError, Watch, chain};

/// A request that waits longer was not seen by any intake.
const REQUEST_WAITS_MS: u64 = 60_000;

/// How many times `intake.reclaim_idle_ms` a request may be in the hands of one process: two to be taken
/// over, more to be sure.
const STUCK_TIMES: u32 = 6;

/// A result that nobody has read for longer is late for whoever waits for it.
const RESULT_WAITS_MS: u64 = 15 * 60_000;

/// Results after which memory is worth a thought; about 1 KiB each.
const RESULTS_MANY: u64 = 1_000_000;

/// What lies back longer than a day is known to somebody by now.
const DAY_MS: u64 = 86_400_000;

/// Everything that is kept in the namespace.
pub(super) async fn check(
    settings: &Settings,
    connector: &Connector,
    checkup: &Checkup,
) -> Vec<Finding> {
    let now = match checkup.time().await {
        Ok(now) => now,
        Err(err) => return vec![Finding::unknown("refunds", chain(&err))],
    };
    let idle = Duration::from_millis(settings.intake.reclaim_idle_ms) * STUCK_TIMES;
    let mut findings = match checkup.streams(idle).await {
        Ok(streams) => streams_findings(&streams, now),
        Err(err) => vec![Finding::unknown("streams", chain(&err))],
    };
    let keys = Keys::new(&settings.redis.namespace);
    match refunds(connector, keys, now).await {
        Ok(found) => findings.extend(found),
        Err(err) => findings.push(Finding::unknown("refunds", chain(&err))),
    }
    findings
}

fn streams_findings(streams: &Streams, now: UnixMillis) -> Vec<Finding> {
    let mut findings = vec![requests(&streams.requests, now)];
    if streams.requests.stuck > 0 {
        let found = format!("{} were read by a process and not taken in", streams.requests.stuck);
        findings.push(
            Finding::warning("requests.pending", found)
                .because("the process that read them is gone, and no other takes them over.")
                .remedy("start refundd run; its log says why if they stay"),
        );
    }
    findings.extend(streams.groups.iter().map(|group| results_group(group, now)));
    findings.push(results(streams));
    findings.push(quarantine(streams, now));
    findings
}

fn requests(requests: &Requests, now: UnixMillis) -> Finding {
    let (check, entries) = ("requests", requests.entries);
    let waited_ms = requests.oldest_at.map_or(0, |oldest| now.since(oldest));
    if entries == 0 {
        let made = if requests.group { "" } else { "; the first refundd run makes the group" };
        return Finding::ok(check, format!("none waits{made}"));
    }
    let age = spoken(Duration::from_millis(waited_ms));
    let found = format!("{entries} wait to be taken in, the oldest for {age}");
    if !requests.group {
        return Finding::warning(check, found)
            .because("there is no consumer group refundd: intake has never run on this namespace.")
            .remedy("start refundd run; is redis.namespace the one that producers write to?");
    }
    if waited_ms > REQUEST_WAITS_MS {
        return Finding::error(check, found).because("no refundd takes requests in.").remedy(
            "start refundd run, or see why the running one is not ready (/readyz, its log)",
        );
    }
    Finding::ok(check, found)
}

fn results_group(group: &Group, now: UnixMillis) -> Finding {
    let check = format!("results.{}", group.name);
    let lag = group.lag.map_or("an unknown number of".to_owned(), |lag| lag.to_string());
    let found = format!("{lag} results unread, {} read and not acknowledged", group.pending);
    let waited_ms = group.waiting_since.map_or(0, |since| now.since(since));
    if waited_ms > RESULT_WAITS_MS {
        let age = spoken(Duration::from_millis(waited_ms));
        return Finding::warning(check, format!("{found}, the first for {age}"))
            .because("that consumer is slow or dead; what it has not read is never trimmed.")
            .remedy(format!(
                "start its consumer; if nobody needs the group any more: XGROUP DESTROY of {}",
                group.name
            ));
    }
    Finding::ok(check, found)
}

fn results(streams: &Streams) -> Finding {
    let (check, entries) = ("results", streams.results);
    let found = format!("{entries} kept, {} consumer groups", streams.groups.len());
    if entries > RESULTS_MANY {
        return Finding::warning(check, found)
            .because("they take memory.")
            .remedy("a shorter retention.results_ms, or a consumer group that reads on");
    }
    if streams.groups.is_empty() && entries > 0 {
        let why = "; nobody reads by a consumer group, so they go after retention.results_ms";
        return Finding::note(check, found + why);
    }
    Finding::ok(check, found)
}

fn quarantine(streams: &Streams, now: UnixMillis) -> Finding {
    let (check, entries) = ("quarantine", streams.quarantined);
    let Some(newest) = streams.quarantined_at else {
        return Finding::ok(check, "empty");
    };
    let age_ms = now.since(newest);
    let age = spoken(Duration::from_millis(age_ms));
    let found = format!("{entries} requests could not be read, the newest {age} ago");
    if age_ms > DAY_MS {
        return Finding::note(check, found);
    }
    Finding::warning(check, found)
        .because("a producer sends what is no request; whoever waits for that refund gets none.")
        .remedy("XREVRANGE {namespace}:quarantine + - COUNT 10 shows them with the reason")
}

async fn refunds(
    connector: &Connector,
    keys: Keys,
    now: UnixMillis,
) -> Result<Vec<Finding>, LedgerError> {
    let ledger = RedisLedger::connect(connector, keys).await?;
    let figures = ledger.figures(now).await?;
    let mut findings = vec![steps(&figures.counts, now), parked(&figures.levels)];
    findings.extend(paused(&ledger.pauses().await?, now));
    let losses = ledger.losses().await?;
    findings.push(lost(losses.count, losses.last_at, now));
    Ok(findings)
}

fn steps(counts: &Counts, now: UnixMillis) -> Finding {
    let found = format!(
        "{} kept, {} open, {} due, {} overdue, {} held by workers, {} wait for their order",
        counts.stored, counts.open, counts.due, counts.overdue, counts.leased, counts.waiting
    );
    if counts.overdue == 0 {
        return Finding::ok("refunds", found);
    }
    let late = counts.oldest_due.map_or(0, |due| now.since(due));
    let late = spoken(Duration::from_millis(late));
    Finding::warning("refunds", format!("{found}; the first has been due for {late}"))
        .because("no worker claims them, or there are more than the workers can handle.")
        .remedy(
            "start refundd run, or more of them; raise limits of the gateway if it may take more",
        )
}

fn parked(levels: &[Level]) -> Finding {
    let parked = || levels.iter().filter(|level| level.bin.state == StateKind::Parked);
    let total: u64 = parked().map(|level| level.refunds).sum();
    if total == 0 {
        return Finding::ok("refunds.parked", "none");
    }
    let say = |level: &Level| {
        let money = level.bin.currency.format(level.amount_cents);
        format!("{} {} of {}: {money}", level.refunds, level.bin.detail, level.bin.account)
    };
    let found = format!("{total} ({})", parked().map(say).collect::<Vec<_>>().join(", "));
    Finding::warning("refunds.parked", found)
        .because("no machine can decide them: their amount stays held until a person does.")
        .remedy("refundd list --state parked, then refundd show NO; docs/runbook.md")
}

fn paused(pauses: &[Pause], now: UnixMillis) -> Vec<Finding> {
    if pauses.is_empty() {
        return vec![Finding::ok("pauses", "none")];
    }
    let say = |pause: &Pause| {
        let age_ms = now.since(pause.at);
        let age = spoken(Duration::from_millis(age_ms));
        let account = pause.account.as_ref().map_or("all accounts", |account| account.as_str());
        let found = format!("{account}, for {age}, by {}: {}", pause.who, pause.reason);
        if age_ms < DAY_MS {
            return Finding::note("pauses", found);
        }
        Finding::warning("pauses", found)
            .because("nothing is sent for that long; has it been forgotten?")
            .remedy("refundd resume --reason WHY, with --account for one alone")
    };
    pauses.iter().map(say).collect()
}

fn lost(count: u64, last_at: Option<UnixMillis>, now: UnixMillis) -> Finding {
    let check = "redis.writes";
    let Some(last_at) = last_at.filter(|_| count > 0) else {
        return Finding::ok(check, "no restart or failover that may have lost writes");
    };
    let age_ms = now.since(last_at);
    let found = format!("may have been lost {count} times, last {last_at}");
    if age_ms > DAY_MS {
        return Finding::note(check, found);
    }
    Finding::warning(check, found)
        .because(
            "Redis was restarted or replaced; the gateways are asked about every refund that \
             seems unsent before it is sent. Requests and results may be missing.",
        )
        .remedy("why did it restart? Producers push again what has no result; docs/runbook.md")
}
