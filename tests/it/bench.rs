//! `refundd bench`: figures that were checked, or none. What the figures are is not tested: machines differ.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use refundd::sandbox::{Fault, On, Rule, Sandbox, Settings};
use serde_json::Value;

use crate::support::redis::TestRedis;

fn bench(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refundd"));
    command.arg("bench").args(args).current_dir(folder).env("NO_COLOR", "1");
    command.env("TMPDIR", folder).env_remove("REFUNDD_CONFIG").stdin(Stdio::null());
    command.output().expect("refundd can be run")
}

fn folder() -> tempfile::TempDir {
    // Short: the socket of the private Redis lies two folders deeper.
    tempfile::TempDir::with_prefix("rb-").expect("a temporary folder")
}

/// The figures of a run that must have succeeded.
fn figures(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Everything that is left in a folder, and every process that works in it.
fn left_in(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|process| {
        let process = process.unwrap().path();
        let at = std::fs::read_link(process.join("cwd")).ok()?;
        at.starts_with(folder).then_some(process)
    });
    files.chain(processes).collect()
}

#[test]
fn a_small_run_counts_every_refund_and_leaves_nothing_behind() {
    let folder = folder();
    let args =
        ["--refunds", "200", "--polls", "3", "--scheduled", "600", "--settled", "501", "--json"];
    let figures = figures(&bench(folder.path(), &args));
    let count = |pointer: &str| figures.pointer(pointer).and_then(Value::as_u64);
    for (pointer, expected) in [
        ("/check/settled_exactly_once", 200),
        ("/check/paid_by_the_book", 200),
        ("/check/submits", 200),
        ("/check/queries", 600),
        ("/latency/enqueue_to_submit/count", 200),
        ("/latency/query_lateness/count", 600),
        ("/latency/enqueue_to_result/count", 200),
        ("/setup/scheduled", 600),
        ("/setup/settled", 501),
    ] {
        assert_eq!(count(pointer), Some(expected), "{pointer} in {figures}");
    }
    let measured = |pointer: &str| figures.pointer(pointer).and_then(Value::as_f64) > Some(0.0);
    for pointer in [
        "/rate/settled_per_s",
        "/cost/redis/commands_per_refund",
        "/cost/redis/scripts_per_refund",
        "/cost/redis/aof_bytes_per_refund",
        "/cost/worker/peak_rss_kib",
        "/preload/memory_per_scheduled_bytes",
        "/preload/memory_per_settled_bytes",
    ] {
        assert!(measured(pointer), "{pointer} in {figures}");
    }
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_run_for_people_is_a_few_tables_and_a_verdict() {
    let folder = folder();
    let output = bench(folder.path(), &["--refunds", "50", "--gateway-latency-ms", "5"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for expected in [
        "refunds settled a second: 50 in ",
        "gateway latency 5 ms, concurrency 64, appendfsync always",
        "request to submit on the wire",
        "worker and Redis",
        "evalsha",
        "50 refunds settled and paid exactly once, 50 submits, 50 queries. OK",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn an_idle_run_tells_what_an_empty_queue_costs() {
    let folder = folder();
    let figures = figures(&bench(folder.path(), &["--idle", "--refunds", "5", "--json"]));
    assert_eq!(figures["check"]["settled_exactly_once"], 5);
    assert!(figures["idle"]["redis_commands_per_s"].is_number(), "{figures}");
}

/// A gateway that says SUCCESS of the eighth refund and never pays it.
fn liar() -> Settings {
    let ending = "-0000007";
    let mut settings = Settings { auto_orders: Some(10_000), ..Settings::default() };
    settings.faults.rules = vec![
        Rule::new(On::Submits, Fault::NeverSettle).suffix(ending),
        Rule::new(On::Queries, Fault::Status { word: "2".to_owned() }).suffix(ending),
    ];
    settings
}

#[tokio::test]
async fn a_run_on_a_gateway_that_did_not_pay_has_no_figures() {
    let folder = folder();
    let gateway = Sandbox::start(liar()).await.expect("the sandbox starts");
    let (path, url) = (folder.path().to_owned(), gateway.base_url());
    let run = move || bench(&path, &["--refunds", "20", "--gateway-url", &url, "--json"]);
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(output.stdout, b"", "no figures");
    assert!(told.contains("found 1 problems"), "{told}");
    assert!(told.contains("-0000007: the book shows 0 payments"), "{told}");
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_run_on_a_given_redis_deletes_what_it_wrote_and_nothing_else() {
    let redis = TestRedis::start();
    let _: String = redis.cmd(&["SET", "{refunds}:due", "untouched"]);
    let folder = folder();
    let args = ["--refunds", "20", "--settled", "30", "--redis-url", &redis.url(), "--json"];
    let figures = figures(&bench(folder.path(), &args));
    assert_eq!(figures["check"]["settled_exactly_once"], 20);
    assert_eq!(figures["setup"]["sync"], Value::Null);
    let left: Vec<String> = redis.cmd(&["KEYS", "*"]);
    assert_eq!(left, ["{refunds}:due"]);
}
