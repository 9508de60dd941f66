//! The figures as tables for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::figures::{ProcessCost, Report, Spread};

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let mut parts = vec![heading(report), latencies(report), costs(report), commands(report)];
    parts.extend(rest(report));
    let check = &report.check;
    parts.push(format!(
        "Check against the gateway's own book: {} refunds settled and paid exactly once, {} submits, \
         {} queries. OK",
        check.settled_exactly_once, check.submits, check.queries
    ));
    parts.join("\n\n")
}

fn heading(report: &Report) -> String {
    let (setup, rate) = (&report.setup, &report.rate);
    let sync = setup.sync.map_or("a given Redis".to_owned(), |sync| format!("appendfsync {sync}"));
    let load = setup.load_before.as_deref().unwrap_or("unknown");
    format!(
        "{:.0} refunds settled a second: {} in {} ms\n\
         {} queries each, gateway latency {} ms, concurrency {}, {sync} ({})\n\
         {} scheduled and {} settled refunds before; {} cores, load average {load} before; worker ready \
         after {} ms",
        rate.settled_per_s,
        setup.refunds,
        rate.elapsed_ms,
        setup.polls,
        setup.gateway_latency_ms,
        setup.concurrency,
        setup.redis_version,
        setup.scheduled,
        setup.settled,
        setup.cores,
        report.start_ms,
    )
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn latencies(report: &Report) -> String {
    let mut table = table(&["ms", "min", "p50", "p95", "p99", "max"]);
    let rows: [(&str, Option<Spread>); 3] = [
        ("request to submit on the wire", report.latency.enqueue_to_submit),
        ("query later than due", report.latency.query_lateness),
        ("request to result", report.latency.enqueue_to_result),
    ];
    for (name, spread) in rows {
        let times = spread.map(|of| [of.min_us, of.p50_us, of.p95_us, of.p99_us, of.max_us]);
        let shown = times.map_or([(); 5].map(|()| "-".to_owned()), |times| times.map(ms));
        table.add_row(std::iter::once(name.to_owned()).chain(shown));
    }
    table.trim_fmt()
}

/// Microseconds as milliseconds with one digit.
fn ms(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let tenths = us.unsigned_abs() / 100;
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}

fn costs(report: &Report) -> String {
    let (cost, redis) = (&report.cost, &report.cost.redis);
    let mut table = table(&["a refund costs", "CPU µs", "peak RSS KiB"]);
    let mut process = |name: &str, cost: Option<&ProcessCost>| {
        let cpu = cost.map_or("-".to_owned(), |cost| format!("{:.1}", cost.cpu_us_per_refund));
        let rss = cost.and_then(|cost| cost.peak_rss_kib);
        table.add_row([name.to_owned(), cpu, rss.map_or("-".to_owned(), |rss| rss.to_string())]);
    };
    process("worker", cost.worker.as_ref());
    process("gateway", cost.gateway.as_ref());
    process("load generator", cost.load.as_ref());
    let mut redis_row = |name: &str, us: f64| {
        table.add_row([name.to_owned(), format!("{us:.1}"), "-".to_owned()]);
    };
    redis_row("Redis", redis.cpu_us_per_refund);
    redis_row("Redis, main thread", redis.main_thread_us_per_refund);
    if let Some(both) = cost.worker_and_redis_us_per_refund {
        redis_row("worker and Redis", both);
    }
    format!(
        "{}\n\n{:.2} Redis commands and {:.3} script calls a refund; {:.0} B of Redis memory, {:.0} B of \
         append-only file",
        table.trim_fmt(),
        redis.commands_per_refund,
        redis.scripts_per_refund,
        redis.memory_bytes_per_refund,
        redis.aof_bytes_per_refund,
    )
}

fn commands(report: &Report) -> String {
    let mut table = table(&["Redis command", "calls a refund", "µs a refund"]);
    for top in &report.cost.redis.top {
        table.add_row([
            top.command.clone(),
            format!("{:.3}", top.calls_per_refund),
            format!("{:.2}", top.us_per_refund),
        ]);
    }
    table.trim_fmt()
}

/// What only some runs have.
fn rest(report: &Report) -> Vec<String> {
    let bytes = |size: Option<u64>| size.map_or("-".to_owned(), |size| size.to_string());
    let preload = report.preload.as_ref().map(|preload| {
        format!(
            "Redis memory a scheduled refund: {} B, a settled one: {} B",
            bytes(preload.memory_per_scheduled_bytes),
            bytes(preload.memory_per_settled_bytes)
        )
    });
    let idle = report.idle.as_ref().map(|idle| {
        format!(
            "{} s with an empty queue: {:.1} Redis commands a second, worker {} % CPU, Redis {:.1} % CPU",
            idle.seconds,
            idle.redis_commands_per_s,
            idle.worker_cpu_percent.map_or("-".to_owned(), |percent| format!("{percent:.1}")),
            idle.redis_cpu_percent,
        )
    });
    preload.into_iter().chain(idle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_with_one_digit() {
        assert_eq!((ms(1_290), ms(-50), ms(-1_290)), ("1.2".into(), "-0.0".into(), "-1.2".into()));
    }
}
