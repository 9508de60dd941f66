//! Health and metrics.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Desk, Seen};
use crate::support::service::request;
use crate::support::{wait_until, wait_within};

/// The names of the checks that did not pass.
fn red(seen: &Seen) -> Vec<&str> {
    let checks = seen.body["checks"].as_array().unwrap();
    let red = checks.iter().filter(|check| check["ok"] == false);
    red.map(|check| check["name"].as_str().unwrap()).collect()
}

async fn green(desk: &Desk) {
    wait_within(Duration::from_secs(30), "the worker to be ready", async || {
        (desk.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_ready_while_redis_answers_and_red_while_it_does_not() {
    let mut desk = Desk::open().await;
    green(&desk).await;
    desk.shop.redis.kill();
    let seen = wait_until("the worker to be red", async || {
        let seen = desk.get("/readyz").await;
        (seen.status == 503).then_some(seen)
    })
    .await;
    assert!(red(&seen).contains(&"redis"), "{seen:?}");
    assert_eq!(desk.get("/healthz").await.status, 200, "the process itself is well");
    // Claims go silent for longer than a lease.
    wait_until("the claims to be missed", async || {
        red(&desk.get("/readyz").await).contains(&"claims").then_some(())
    })
    .await;
    assert!(!seen.text.contains(&desk.shop.redis.url()), "no address: {}", seen.text);
    desk.shop.redis.restart();
    green(&desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_begins_to_evict_makes_the_worker_red() {
    let desk = Desk::open().await;
    green(&desk).await;
    let _: String = desk.shop.redis.run("CONFIG SET maxmemory-policy allkeys-lru");
    let seen = wait_within(Duration::from_secs(30), "the worker to be red", async || {
        let seen = desk.get("/readyz").await;
        (seen.status == 503).then_some(seen)
    })
    .await;
    assert_eq!(red(&seen), ["preflight"]);
    assert!(seen.text.contains("noeviction"), "it says what to change: {}", seen.text);
}

/// The samples of a scrape by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let read = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_tells_what_happened_and_never_names_a_refund() {
    let mut desk = Desk::open().await;
    green(&desk).await;
    for n in 0..3 {
        desk.push(&request(&format!("SECRET-{n}"), "shop-ca")).await;
    }
    desk.shop.push(&request("SECRET-9", "shop-hk"));
    desk.shop.push_raw("{}");
    desk.shop.results(4).await;
    // What is counted in the ledger may be a second old.
    let text = wait_until("the gauges to follow", async || {
        let text = desk.get("/metrics").await.text;
        (samples(&text)["refund_settled"] > 3.5).then_some(text)
    })
    .await;
    let seen = samples(&text);
    let is = |name: &str, value: f64| {
        let found = seen.get(name).unwrap_or_else(|| panic!("{name} is not in:\n{text}"));
        assert!((found - value).abs() < 0.1, "{name} is {found}, not {value}");
    };
    is("refund_requests_total{source=\"http\",result=\"admitted\"}", 3.0);
    is("refund_requests_total{source=\"stream\",result=\"admitted\"}", 1.0);
    is("refund_requests_total{source=\"stream\",result=\"quarantined\"}", 1.0);
    is("refund_submits_total{account=\"shop-ca\",gateway=\"iotpay\",outcome=\"accepted\"}", 3.0);
    is("refund_results_published_total{outcome=\"succeeded\"}", 4.0);
    is("refund_settle_duration_seconds_count{account=\"shop-hk\",outcome=\"succeeded\"}", 1.0);
    is("http_client_request_duration_seconds_count{gateway=\"iotpay\",call=\"submit\"}", 3.0);
    is("refund_http_requests_total{route=\"/v1/refunds\",method=\"POST\",status=\"202\"}", 3.0);
    is("refund_ledger_up", 1.0);
    is("refund_stored", 4.0);
    is("refund_waiting", 0.0);
    is("refund_requests_backlog", 0.0);
    is(&format!("refund_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
    assert!(text.contains("http_client_request_duration_seconds_bucket{"), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
    for known in refundd::telemetry::metrics::ALL {
        let told = text.contains(&format!("# TYPE {} ", known.name));
        assert!(!told || text.contains(&format!("# HELP {} ", known.name)), "{}", known.name);
    }
    legal(&text);
    // Never zeros while the ledger cannot be read.
    desk.shop.redis.kill();
    let seen = wait_until("the gauges to know nothing", async || {
        let seen = samples(&desk.get("/metrics").await.text);
        (seen["refund_ledger_up"] < 0.5).then_some(seen)
    })
    .await;
    assert!(seen["refund_stored"].is_nan() && seen["refund_due"].is_nan(), "{seen:?}");
    desk.shop.redis.restart();
}

/// What Prometheus's own tool says of it, where it is installed; else every name, by our own rules.
fn legal(text: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    if let Ok(mut tool) = tool {
        tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let told = tool.wait_with_output().unwrap();
        assert!(told.status.success(), "{told:?}");
    }
    for name in samples(text).keys() {
        let base = name.split('{').next().unwrap();
        let known = refundd::telemetry::metrics::ALL.iter().any(|known| {
            base.strip_prefix(known.name)
                .is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        });
        assert!(known, "{base} is not in the list of metrics");
    }
}
