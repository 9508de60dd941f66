//! The Redis server: whether it can be reached, and whether it may keep money.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tokio::process::Command;
use tokio::time::Instant;

use super::report::Finding;
use super::{spoken, work};
use crate::config::{Settings, masked};
use crate::domain::UnixMillis;
use crate::ledger::{Checkup, Connector, Embedded, Keys, Server};
use crate::ports::{LedgerError, chain};

/// How long all questions to Redis may take together.
const PATIENCE: Duration = Duration::from_secs(20);

/// Round trips that are measured.
const ROUND_TRIPS: usize = 5;

/// A median round trip above the first slows every refund down, one above the second stops them.
const SLOW_MS: (u128, u128) = (20, 500);

/// How far this machine's clock may be from that of Redis, ms.
const DRIFT_MAX_MS: u64 = 2_000;

/// Share of `maxmemory` in percent that is nearly, and as good as, all.
const FULL_PERCENT: (u64, u64) = (75, 90);

/// The server and everything in it.
pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let (place, url) = match &settings.redis.url {
        Some(url) => (url.to_string(), url.expose().to_owned()),
        None => match Embedded::running(Path::new(&settings.redis.data_dir)).await {
            Some(url) => (format!("the private Redis {url}"), url),
            None => return not_running(settings).await,
        },
    };
    let looked = tokio::time::timeout(PATIENCE, look(settings, &place, &url)).await;
    looked.unwrap_or_else(|_| {
        vec![
            Finding::error("redis.reach", format!("{place} took more than {}", spoken(PATIENCE)))
                .because("nothing can be taken in or sent.")
                .remedy("look at the load, the disk and SLOWLOG GET of that Redis"),
        ]
    })
}

/// The embedded server is started by whoever needs it; doctor only looks.
async fn not_running(settings: &Settings) -> Vec<Finding> {
    let folder = &settings.redis.data_dir;
    let note = Finding::note(
        "redis.reach",
        format!(
            "redis.url is not set, and the private Redis of {folder} does not run: refundd run \
             starts it; refunds, streams and settings were not looked at"
        ),
    );
    let version = Command::new("redis-server").arg("--version").stdin(Stdio::null()).output().await;
    let server = match version {
        Ok(told) if told.status.success() => {
            Finding::ok("redis.server", String::from_utf8_lossy(&told.stdout).trim())
        }
        _ => Finding::error("redis.server", "there is no redis-server on PATH")
            .because("refundd run cannot start its private Redis.")
            .remedy("install it (Debian: apt-get install redis-server), or set redis.url"),
    };
    vec![note, server]
}

async fn look(settings: &Settings, place: &str, url: &str) -> Vec<Finding> {
    let reached = async {
        let connector = Connector::new(url)?;
        let checkup = Checkup::connect(&connector, Keys::new(&settings.redis.namespace)).await?;
        let server = checkup.server().await?;
        Ok::<_, LedgerError>((connector, checkup, server))
    };
    let (connector, checkup, server) = match reached.await {
        Ok(reached) => reached,
        Err(err) => return vec![unreachable(place, &err)],
    };
    let mut findings = vec![Finding::ok("redis.reach", format!("{place} answers"))];
    findings.extend(server_findings(&server));
    match clock(&checkup).await {
        Ok(found) => findings.extend(found),
        Err(err) => findings.push(Finding::unknown("redis.clock", chain(&err))),
    }
    findings.extend(work::check(settings, &connector, &checkup).await);
    findings
}

fn unreachable(place: &str, err: &LedgerError) -> Finding {
    Finding::error("redis.reach", format!("{place}: {}", masked(&chain(err))))
        .because("nothing can be taken in or sent; answers under way wait in memory.")
        .remedy(
            "start that Redis, or write the right address, user and password into redis.url \
             (variable REFUNDD__REDIS__URL)",
        )
}

fn server_findings(server: &Server) -> Vec<Finding> {
    vec![
        version(server),
        role(server),
        persistence(server),
        eviction(server),
        memory(server),
        replicas(server),
        run_id(server),
    ]
}

fn version(server: &Server) -> Finding {
    let version = &server.health.version;
    match server.health.new_enough() {
        Err(err) => Finding::error("redis.version", err.to_string())
            .because("refundd does not start.")
            .remedy("upgrade that Redis, or point redis.url to a newer one"),
        Ok(()) if version.starts_with("6.") => Finding::note(
            "redis.version",
            format!("{version} will do; before 7.0 nobody can tell the lag of results consumers"),
        ),
        Ok(()) => Finding::ok("redis.version", version),
    }
}

fn role(server: &Server) -> Finding {
    match server.health.takes_writes() {
        Ok(()) => Finding::ok("redis.role", "a primary"),
        Err(err) => Finding::error("redis.role", err.to_string())
            .because("refundd does not start.")
            .remedy("redis.url: the address of the primary"),
    }
}

fn persistence(server: &Server) -> Finding {
    let check = "redis.persistence";
    // The doubts are those that refundd run logs; the first is about the file, if there is none.
    if !server.health.aof {
        let doubt = server.health.doubts().into_iter().next().unwrap_or_default();
        return Finding::error(check, "appendonly is no").because(doubt).remedy(
            "redis.conf: appendonly yes, appendfsync always; now: CONFIG SET, CONFIG REWRITE",
        );
    }
    if !server.aof_written {
        return Finding::error(check, "the last write to the append-only file failed")
            .because("Redis refuses writes until it succeeds; the disk may be full or broken.")
            .remedy("make room on the disk of that Redis and look at its log");
    }
    match server.appendfsync.as_deref() {
        Some("always") => Finding::ok(check, "appendonly yes, appendfsync always"),
        Some(other) => Finding::warning(check, format!("appendfsync is {other}"))
            .because(
                "a power cut can lose writes that were confirmed: a request or a result that is \
                 lost stays lost.",
            )
            .remedy("redis.conf: appendfsync always"),
        None => Finding::unknown(check, "appendonly yes; appendfsync may not be read (CONFIG GET)")
            .remedy("let the user of redis.url run CONFIG GET, or look into redis.conf"),
    }
}

fn eviction(server: &Server) -> Finding {
    match server.health.keeps_all() {
        Ok(()) => Finding::ok("redis.eviction", "maxmemory-policy noeviction"),
        Err(err) => Finding::error("redis.eviction", err.to_string())
            .because("refundd does not start, and one that runs is not ready.")
            .remedy("redis.conf: maxmemory-policy noeviction; now: CONFIG SET, CONFIG REWRITE"),
    }
}

fn memory(server: &Server) -> Finding {
    let (check, used) = ("redis.memory", server.used_memory >> 20);
    if server.maxmemory == 0 {
        return Finding::note(
            check,
            format!(
                "{used} MiB used, no maxmemory: when memory is short the system kills Redis; set it \
                 in redis.conf below what the machine has"
            ),
        );
    }
    let percent = server.used_memory.saturating_mul(100) / server.maxmemory;
    let found = format!("{used} MiB used, {percent} % of maxmemory");
    let full = "at the limit Redis refuses every write: nothing is taken in or sent.";
    let remedy = "redis.conf: a larger maxmemory; or retention.settled_ms, retention.results_ms";
    if percent >= FULL_PERCENT.1 {
        Finding::error(check, found).because(full).remedy(remedy)
    } else if percent >= FULL_PERCENT.0 {
        Finding::warning(check, found).because(full).remedy(remedy)
    } else {
        Finding::ok(check, found)
    }
}

fn replicas(server: &Server) -> Finding {
    let (check, replicas) = ("redis.replicas", server.replicas);
    match (replicas, server.min_replicas) {
        (_, Some(min)) if replicas < min => {
            Finding::error(check, format!("{replicas}, and min-replicas-to-write is {min}"))
                .because("Redis refuses every write.")
                .remedy("start the replicas, or redis.conf: a lower min-replicas-to-write")
        }
        (0, _) => Finding::ok(check, "none: nothing fails over to a copy that lags behind"),
        (_, Some(0) | None) => Finding::note(
            check,
            format!(
                "{replicas}, and a write is confirmed before they have it: a failover may lose \
                 some, after which refundd asks the gateways before it sends; \
                 min-replicas-to-write 1 makes that rarer"
            ),
        ),
        (_, Some(min)) => Finding::ok(check, format!("{replicas}, min-replicas-to-write {min}")),
    }
}

fn run_id(server: &Server) -> Finding {
    if !server.health.run_id.is_empty() {
        return Finding::ok("redis.run_id", "named in INFO: a restart or failover is noticed");
    }
    let doubts = server.health.doubts();
    Finding::warning("redis.run_id", "INFO names none")
        .because(doubts.last().copied().unwrap_or_default())
        .remedy("let INFO name run_id: no proxy in between that strips it")
}

/// Round trips, and how far the two clocks are apart.
async fn clock(checkup: &Checkup) -> Result<[Finding; 2], LedgerError> {
    let mut trips = Vec::with_capacity(ROUND_TRIPS);
    let mut apart = None;
    for _ in 0..ROUND_TRIPS {
        let (asked, before) = (Instant::now(), wall());
        let there = checkup.time().await?;
        let (took, after) = (asked.elapsed(), wall());
        // The moment of the answer lies between the two looks at our own clock.
        let drift = there.since(after).max(before.since(there));
        apart = Some(apart.map_or(drift, |least: u64| least.min(drift)));
        trips.push(took);
    }
    trips.sort_unstable();
    let median = trips.get(ROUND_TRIPS / 2).copied().unwrap_or_default();
    let slowest = trips.last().copied().unwrap_or_default();
    Ok([latency(median, slowest), drift(apart.unwrap_or_default())])
}

fn latency(median: Duration, slowest: Duration) -> Finding {
    let check = "redis.latency";
    let found = format!(
        "{} in the middle of {ROUND_TRIPS} round trips, {} at most",
        spoken(median),
        spoken(slowest)
    );
    let slow = "each step of each refund waits for two such round trips and a sync of the disk.";
    let remedy = "run refundd near its Redis; look at SLOWLOG GET, LATENCY DOCTOR and its load";
    match median.as_millis() {
        ms if ms >= SLOW_MS.1 => Finding::error(check, found).because(slow).remedy(remedy),
        ms if ms >= SLOW_MS.0 => Finding::warning(check, found).because(slow).remedy(remedy),
        _ => Finding::ok(check, found),
    }
}

fn drift(drift_ms: u64) -> Finding {
    let apart = spoken(Duration::from_millis(drift_ms));
    if drift_ms <= DRIFT_MAX_MS {
        return Finding::ok("redis.clock", format!("{apart} from this machine's"));
    }
    Finding::warning("redis.clock", format!("{apart} from this machine's"))
        .because(
            "refundd goes by the clock of Redis; logs, gateways and people go by others, so times \
             will not match.",
        )
        .remedy("let NTP set both clocks (timedatectl status)")
}

/// This machine's own clock, which is what is compared here.
#[expect(clippy::disallowed_methods, reason = "the clock under test is the machine's")]
fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
