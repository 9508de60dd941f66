//! How the figures come about: readings before and after, and times from three places that share the
//! machine's clock (the ids of Redis's streams, the gateway's arrivals, this process).

use std::collections::HashMap;
use std::time::Duration;

use super::figures::{
    Cost, Idle, Latencies, ProcessCost, Rate, RedisCost, Spread, TopCommand, per,
};
use super::load::Loaded;
use super::stage::Stage;
use super::{Args, POLL_MS, process};
use crate::cli::CliError;
use crate::ledger::{Gauge, Reading, ResultsEntry};
use crate::ports::ledger::EntryId;
use crate::sandbox::Arrival;

/// How long the idle run looks at an empty queue.
const REST: Duration = Duration::from_secs(10);

/// Commands of Redis that are named in the report.
const TOP: usize = 8;

/// CPU time of the worker, the gateway and this process so far, microseconds.
type Processes = [Option<u64>; 3];

/// Takes readings around the load.
#[derive(Debug)]
pub(super) struct Recorder {
    gauge: Gauge,
    redis: Reading,
    processes: Processes,
}

fn pids(stage: &Stage) -> [Option<u32>; 3] {
    [stage.worker(), stage.sandbox(), Some(std::process::id())]
}

fn processes(stage: &Stage) -> Processes {
    pids(stage).map(|pid| pid.and_then(process::cpu_us))
}

impl Recorder {
    /// Reads what was spent before the load.
    pub(super) async fn start(stage: &Stage, gauge: Gauge) -> Result<Self, CliError> {
        let redis = gauge.read().await?;
        Ok(Self { gauge, redis, processes: processes(stage) })
    }

    /// How many results are out.
    pub(super) async fn results(&self) -> Result<u64, CliError> {
        Ok(self.gauge.results().await?)
    }

    /// Reads what was spent since, less what this process has asked of Redis for itself.
    pub(super) async fn finish(&self, stage: &Stage, loaded: &Loaded) -> Result<Cost, CliError> {
        let after = processes(stage);
        let redis = self.gauge.read().await?;
        let refunds = u64::try_from(loaded.pushed.len()).unwrap_or(u64::MAX);
        let own = [("xadd", refunds), ("xlen", loaded.looks), ("info", u64::MAX)];
        let each = |at: usize| -> Option<ProcessCost> {
            let spent = after[at]?.saturating_sub(self.processes[at]?);
            Some(ProcessCost {
                cpu_us_per_refund: per(spent, refunds),
                peak_rss_kib: pids(stage)[at].and_then(process::peak_rss_kib),
            })
        };
        let redis_us = redis.cpu_us.saturating_sub(self.redis.cpu_us);
        let both =
            |worker: u64, before: u64| per(worker.saturating_sub(before) + redis_us, refunds);
        Ok(Cost {
            worker_and_redis_us_per_refund: after[0]
                .zip(self.processes[0])
                .map(|(a, b)| both(a, b)),
            redis: redis_cost(&self.redis, &redis, &own, refunds),
            worker: each(0),
            gateway: each(1),
            load: each(2),
        })
    }

    /// What an empty queue costs.
    pub(super) async fn rest(&self, stage: &Stage) -> Result<Idle, CliError> {
        let (redis, [worker, ..]) = (self.gauge.read().await?, processes(stage));
        tokio::time::sleep(REST).await;
        let (after, [worker_after, ..]) = (self.gauge.read().await?, processes(stage));
        let seconds = REST.as_secs();
        let hundredth_us = seconds * 10_000; // one per cent of that time
        let calls = spent(&redis, &after, &[("info", u64::MAX)]);
        let commands = calls.iter().map(|(_, calls, _)| calls).sum();
        Ok(Idle {
            seconds,
            redis_commands_per_s: per(commands, seconds),
            worker_cpu_percent: worker_after
                .zip(worker)
                .map(|(after, before)| per(after.saturating_sub(before), hundredth_us)),
            redis_cpu_percent: per(after.cpu_us.saturating_sub(redis.cpu_us), hundredth_us),
        })
    }
}

/// Name, calls and microseconds of each command between two readings, less this process's `own` calls.
fn spent(before: &Reading, after: &Reading, own: &[(&str, u64)]) -> Vec<(String, u64, u64)> {
    let since = |(name, now): (&String, &crate::ledger::Spent)| {
        let then = before.commands.get(name).copied().unwrap_or_default();
        let own = own.iter().find(|(own, _)| own == name).map_or(0, |(_, calls)| *calls);
        let calls = now.calls.saturating_sub(then.calls).saturating_sub(own);
        (name.clone(), calls, now.micros.saturating_sub(then.micros))
    };
    after.commands.iter().map(since).filter(|(_, calls, _)| *calls > 0).collect()
}

fn redis_cost(before: &Reading, after: &Reading, own: &[(&str, u64)], refunds: u64) -> RedisCost {
    let mut commands = spent(before, after, own);
    commands.sort_by_key(|(_, _, micros)| std::cmp::Reverse(*micros));
    let is_script = |name: &str| name.starts_with("eval") || name.starts_with("fcall");
    let scripts = commands.iter().filter(|(name, ..)| is_script(name)).map(|(_, calls, _)| calls);
    let grown = |from: u64, to: u64| per(to.saturating_sub(from), refunds);
    RedisCost {
        commands_per_refund: per(commands.iter().map(|(_, calls, _)| calls).sum(), refunds),
        scripts_per_refund: per(scripts.sum(), refunds),
        cpu_us_per_refund: grown(before.cpu_us, after.cpu_us),
        main_thread_us_per_refund: grown(before.main_cpu_us, after.main_cpu_us),
        memory_bytes_per_refund: grown(before.used_memory, after.used_memory),
        aof_bytes_per_refund: grown(before.aof_bytes, after.aof_bytes),
        top: commands
            .iter()
            .take(TOP)
            .map(|(command, calls, micros)| TopCommand {
                command: command.clone(),
                calls_per_refund: per(*calls, refunds),
                us_per_refund: per(*micros, refunds),
            })
            .collect(),
    }
}

/// When a result was published, Unix microseconds to the millisecond.
fn published_us(entry: &ResultsEntry) -> Option<i64> {
    let at = EntryId(entry.id.clone()).pushed_at()?;
    Some(at.get().saturating_mul(1_000))
}

/// From the first request to the last result.
pub(super) fn rate(loaded: &Loaded, published: &[ResultsEntry]) -> Rate {
    let first = loaded.pushed.iter().map(|pushed| pushed.at_us).min().unwrap_or(0);
    let last = published.iter().filter_map(published_us).max().unwrap_or(first);
    let elapsed_ms = u64::try_from(last.saturating_sub(first)).unwrap_or(0) / 1_000;
    let settled = u64::try_from(loaded.pushed.len()).unwrap_or(u64::MAX);
    Rate { elapsed_ms, settled_per_s: per(settled.saturating_mul(1_000), elapsed_ms) }
}

/// All latencies of the run.
pub(super) fn latencies(
    args: &Args,
    loaded: &Loaded,
    published: &[ResultsEntry],
    arrivals: Option<&[Arrival]>,
) -> Latencies {
    let pushed: HashMap<&str, i64> =
        loaded.pushed.iter().map(|pushed| (&*pushed.refund_no, pushed.at_us)).collect();
    let results = published.iter().filter_map(|entry| {
        Some(published_us(entry)?.saturating_sub(*pushed.get(&*entry.refund_no)?))
    });
    let wire = arrivals.map(|arrivals| on_the_wire(args, &pushed, arrivals));
    let (submits, queries) = wire.unwrap_or_default();
    Latencies {
        enqueue_to_submit: Spread::of(submits),
        query_lateness: Spread::of(queries),
        enqueue_to_result: Spread::of(results.collect()),
    }
}

/// From the push of each refund to its first submit, and by how much each query came later than the
/// poll delay after the answer before it.
fn on_the_wire(
    args: &Args,
    pushed: &HashMap<&str, i64>,
    arrivals: &[Arrival],
) -> (Vec<i64>, Vec<i64>) {
    let wait_us = args.gateway_latency_ms.saturating_add(POLL_MS).saturating_mul(1_000);
    let wait_us = i64::try_from(wait_us).unwrap_or(i64::MAX);
    let (mut submits, mut queries) = (Vec::new(), Vec::new());
    let mut last: HashMap<&str, i64> = HashMap::with_capacity(pushed.len());
    for arrival in arrivals {
        let Some(pushed) = pushed.get(&*arrival.refund_no) else { continue };
        let before = last.insert(&arrival.refund_no, arrival.at_us);
        match before {
            None if !arrival.query => submits.push(arrival.at_us.saturating_sub(*pushed)),
            Some(before) if arrival.query => {
                queries.push(arrival.at_us.saturating_sub(before).saturating_sub(wait_us));
            }
            _ => {}
        }
    }
    (submits, queries)
}
