//! What a run tells. Its JSON form is the report itself: every time in microseconds or milliseconds and
//! every size in bytes or KiB, as the field's name says.

use serde::Serialize;

/// All figures of a run that was checked.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) setup: Setup,
    /// From the start of `refundd run` until it took requests, ms.
    pub(super) start_ms: u64,
    pub(super) rate: Rate,
    pub(super) latency: Latencies,
    pub(super) cost: Cost,
    pub(super) preload: Option<Preload>,
    pub(super) idle: Option<Idle>,
    pub(super) check: Check,
}

/// What was measured, and where.
#[derive(Debug, Serialize)]
pub(super) struct Setup {
    pub(super) refunds: u32,
    pub(super) polls: u32,
    pub(super) gateway_latency_ms: u64,
    pub(super) concurrency: u32,
    /// `appendfsync`; none of a Redis that was given.
    pub(super) sync: Option<&'static str>,
    pub(super) scheduled: u32,
    pub(super) settled: u32,
    pub(super) log_level: String,
    pub(super) redis_version: String,
    pub(super) cores: usize,
    /// The load average before the run: above 0, others were at work as well.
    pub(super) load_before: Option<String>,
}

/// How fast.
#[derive(Debug, Serialize)]
pub(super) struct Rate {
    /// From the first request on the stream to the last result on the stream.
    pub(super) elapsed_ms: u64,
    pub(super) settled_per_s: f64,
}

/// How long things took.
#[derive(Debug, Serialize)]
pub(super) struct Latencies {
    /// From the request on the stream to the submit at the gateway; none if the gateway keeps no arrivals.
    pub(super) enqueue_to_submit: Option<Spread>,
    /// How much later than 50 ms after the gateway's last answer the next query came to the gateway:
    /// the way of the answer and its handling included. Below 0 would be too early.
    pub(super) query_lateness: Option<Spread>,
    /// From the request on the stream to the result on the stream.
    pub(super) enqueue_to_result: Option<Spread>,
}

/// Percentiles of many times, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Spread {
    pub(super) count: usize,
    pub(super) min_us: i64,
    pub(super) p50_us: i64,
    pub(super) p95_us: i64,
    pub(super) p99_us: i64,
    pub(super) max_us: i64,
}

impl Spread {
    /// Of these times; none of none. A percentile is the smallest time that so many are not above.
    pub(super) fn of(mut times: Vec<i64>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = times.len().saturating_mul(percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied()
        };
        Some(Self {
            count: times.len(),
            min_us: at(0)?,
            p50_us: at(50)?,
            p95_us: at(95)?,
            p99_us: at(99)?,
            max_us: at(100)?,
        })
    }
}

/// What a refund costs, this process's own commands left out.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) redis: RedisCost,
    pub(super) worker: Option<ProcessCost>,
    pub(super) gateway: Option<ProcessCost>,
    /// This process, which makes the load and waits.
    pub(super) load: Option<ProcessCost>,
    /// CPU time of worker and Redis together, a refund.
    pub(super) worker_and_redis_us_per_refund: Option<f64>,
}

/// What a refund costs Redis.
#[derive(Debug, Serialize)]
pub(super) struct RedisCost {
    /// Commands, those that scripts call included.
    pub(super) commands_per_refund: f64,
    /// Calls of scripts.
    pub(super) scripts_per_refund: f64,
    pub(super) cpu_us_per_refund: f64,
    pub(super) main_thread_us_per_refund: f64,
    /// Growth of the data: record, result, and what else stays.
    pub(super) memory_bytes_per_refund: f64,
    pub(super) aof_bytes_per_refund: f64,
    /// The commands that took most of its time.
    pub(super) top: Vec<TopCommand>,
}

/// One kind of command.
#[derive(Debug, Serialize)]
pub(super) struct TopCommand {
    pub(super) command: String,
    pub(super) calls_per_refund: f64,
    /// Time in it; of a script with all that it calls, which are counted by themselves as well.
    pub(super) us_per_refund: f64,
}

/// What a refund costs a process.
#[derive(Debug, Serialize)]
pub(super) struct ProcessCost {
    pub(super) cpu_us_per_refund: f64,
    /// The most memory it has had in RAM.
    pub(super) peak_rss_kib: Option<u64>,
}

/// What a stored refund takes of Redis's memory. Results are not in it.
#[derive(Debug, Serialize)]
pub(super) struct Preload {
    pub(super) memory_per_scheduled_bytes: Option<u64>,
    pub(super) memory_per_settled_bytes: Option<u64>,
}

/// An empty queue.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    pub(super) seconds: u64,
    pub(super) redis_commands_per_s: f64,
    pub(super) worker_cpu_percent: Option<f64>,
    pub(super) redis_cpu_percent: f64,
}

/// What was compared with the gateway's book.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) settled_exactly_once: u64,
    pub(super) paid_by_the_book: u64,
    pub(super) submits: u64,
    pub(super) queries: u64,
}

/// `total` divided among `count`, to a thousandth.
#[expect(clippy::float_arithmetic, reason = "a figure for people; nothing is computed from it")]
pub(super) fn per(total: u64, count: u64) -> f64 {
    let thousandths = total.saturating_mul(1_000) / count.max(1);
    f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        assert_eq!(Spread::of(Vec::new()), None);
        let spread = Spread::of((1..=200).rev().collect()).unwrap();
        assert_eq!((spread.min_us, spread.p50_us, spread.p95_us), (1, 100, 190));
        assert_eq!((spread.p99_us, spread.max_us, spread.count), (198, 200, 200));
        let one = Spread::of(vec![-3]).unwrap();
        assert_eq!((one.min_us, one.p99_us), (-3, -3));
    }

    #[test]
    fn a_share_has_three_digits() {
        assert!((per(1, 3) - 0.333).abs() < 1e-9 && per(7, 0) > 6.9);
    }
}
