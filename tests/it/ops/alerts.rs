//! The alert rules, the dashboard and the runbook, held against each other and against a real scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use refundd::sandbox::{Fault, FaultPlan, On, Rule};
use reqwest::Method;
use serde_json::Value;

use super::Desk;
use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

const RULES: &str = "deploy/prometheus/alerts.yml";
const TESTS: &str = "deploy/prometheus/alerts_test.yml";
const BOARD: &str = "deploy/grafana/refundd.json";

/// Runs Prometheus's own tool; what it says.
fn promtool(args: &[&str], input: &str) -> Result<String, String> {
    let mut tool = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests need promtool on PATH (Debian: apt-get install prometheus)");
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let told = told.concat();
    if output.status.success() { Ok(told) } else { Err(told) }
}

#[test]
fn the_alert_rules_are_legal_and_do_what_their_tests_say() {
    let rules = path(RULES).display().to_string();
    promtool(&["check", "rules", &rules], "").unwrap_or_else(|told| panic!("{told}"));
    let tests = path(TESTS).display().to_string();
    promtool(&["test", "rules", &tests], "").unwrap_or_else(|told| panic!("{told}"));
}

/// The rules of the alerts: name, and the lines up to the next rule.
fn alerts() -> BTreeMap<String, String> {
    let text = read(RULES);
    let rules = text.split("\n      - ").filter_map(|rule| rule.strip_prefix("alert: "));
    let alerts: BTreeMap<_, _> = rules
        .map(|rule| {
            let (name, rest) = rule.split_once('\n').unwrap();
            (name.to_owned(), rest.to_owned())
        })
        .collect();
    assert!(alerts.len() > 15, "the rules are read as they are written: {alerts:?}");
    alerts
}

#[test]
fn every_alert_is_tested_both_ways() {
    let text = read(TESTS);
    for alert in alerts().keys() {
        let named = format!("alertname: {alert}\n");
        let after: Vec<_> = text.split(&named).skip(1).collect();
        let silent = after.iter().filter(|test| test.trim_start().starts_with("exp_alerts: []"));
        let silent = silent.count();
        assert!(silent > 0, "no test in which {alert} does not fire");
        assert!(after.len() > silent, "no test in which {alert} fires");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_what_to_look_at_and_has_its_section_in_the_runbook() {
    let runbook = read("docs/runbook.md");
    let sections: BTreeSet<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut named = BTreeSet::new();
    for (alert, rule) in alerts() {
        let severity = rule.split("severity: ").nth(1).unwrap_or_default();
        let known = ["critical", "warning", "info"].iter().any(|word| severity.starts_with(word));
        assert!(known, "{alert} has no severity");
        for part in ["summary: ", "description: ", "runbook: docs/runbook.md#"] {
            assert!(rule.contains(part), "{alert} has no {part}");
        }
        let description =
            rule.split("description: ").nth(1).unwrap().replace("\n            ", " ");
        let helps = ["refundd doctor", "refundd list", "refundd show", "refundd audit"];
        assert!(helps.iter().any(|help| description.contains(help)), "{alert}: {description}");
        let anchor = rule.split("docs/runbook.md#").nth(1).unwrap().lines().next().unwrap();
        let section = sections.iter().find(|section| section.to_lowercase() == anchor);
        named.insert(*section.unwrap_or_else(|| panic!("the runbook has no section {anchor}")));
    }
    assert_eq!(named, sections, "a section for each alert and no other");
    for section in runbook.split("\n## ").skip(1) {
        for part in ["*Means:*", "*Check:*", "*Do:*", "*Never:*"] {
            assert!(section.contains(part), "no {part} in: {section}");
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_from_a_source_of_choice() {
    let board: Value = serde_json::from_str(&read(BOARD)).unwrap();
    let variables = board["templating"]["list"].as_array().unwrap();
    let source = |one: &Value| one["type"] == "datasource" && one["name"] == "datasource";
    assert!(variables.iter().any(source));
    let (mut ids, mut seen) = (BTreeSet::new(), 0);
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        seen += 1;
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{panel}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            assert!(target["expr"].as_str().is_some_and(|expr| !expr.is_empty()));
        }
    }
    assert!(seen > 20, "{seen} panels");
}

/// Every metric that a text names, without the endings that a histogram adds.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !word(c));
    let metrics =
        words.filter(|word| word.starts_with("refund_") || word.starts_with("http_client_"));
    metrics.map(base).collect()
}

fn base(name: &str) -> String {
    let ends = ["_bucket", "_count", "_sum"];
    let cut = ends.iter().find_map(|end| name.strip_suffix(end));
    cut.unwrap_or(name).to_owned()
}

/// A service to which everything happens once that is counted.
async fn eventful() -> Desk {
    let mut settings = gateway();
    let late = Fault::AnswerLate { ms: 400 };
    settings.faults.rules = vec![
        Rule::new(On::Submits, Fault::ResetBefore).refund_no("R-breaker").times(1),
        Rule::new(On::Queries, Fault::WrongAmount).refund_no("R-parked"),
        Rule::new(On::Submits, late).refund_no("R-late"),
    ];
    let mut shop = Shop::open(settings).await;
    let slow = "[accounts.shop-pair.limits]\nsubmit_per_s = 1\n";
    let fuse = "[gateways.iotpay.breaker]\nfailures = 1\nopen_ms = 100\n";
    shop.configure(|toml| format!("{toml}\n{slow}\n{fuse}"));
    let _: String = shop.redis.run("XGROUP CREATE {refunds}:results books 0 MKSTREAM");
    let n = shop.run();
    let address = shop.ops(n).await;
    Desk { shop, address, client: super::client() }
}

/// Takes the lease of a refund away while its submit is under way.
async fn steal(desk: &Desk, refund_no: &str) {
    let hget = ["HGET", "{refunds}:leases", refund_no];
    let lease: String =
        wait_until("a lease", async || desk.shop.redis.cmd::<Option<String>>(&hget)).await;
    let (fence, rest) = lease.split_once(' ').unwrap();
    let other = format!("{} {rest}", fence.parse::<u64>().unwrap() + 1);
    let _: i64 = desk.shop.redis.cmd(&["HSET", "{refunds}:leases", refund_no, &other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_a_rule_or_a_panel_names_is_in_a_real_scrape() {
    let desk = eventful().await;
    desk.shop.push(&request("R-late", "shop-hk"));
    steal(&desk, "R-late").await;
    for no in ["R-breaker", "R-plain"] {
        desk.shop.push(&request(no, "shop-ca"));
    }
    desk.shop.push(&request("R-parked", "shop-hk"));
    for n in 0..3 {
        desk.shop.push(&request(&format!("R-limit-{n}"), "shop-pair"));
    }
    desk.post("/callbacks/shop-ca", &Value::Null).await;
    let denied = desk.ask(Method::POST, "/v1/pause", &[("origin", "http://evil.example")], "{}");
    assert_eq!(denied.await.status, 403);
    desk.shop.call(&["pause", "--account", "shop-pair", "--reason", "test", "--by", "ann"]);
    desk.shop.results(3).await;
    desk.shop.sandbox.sandbox().set_faults(FaultPlan::default());
    let events = [
        "refund_commits_refused_total",
        "refund_breaker_open",
        "refund_limit_waits_total",
        "refund_notices_total",
        "refund_settle_duration_seconds",
    ];
    let text = wait_until("everything to have happened", async || {
        let text = desk.get("/metrics").await.text;
        events.iter().all(|name| text.contains(&format!("# TYPE {name} "))).then_some(text)
    })
    .await;
    promtool(&["check", "metrics"], &text).unwrap_or_else(|told| panic!("{told}\n{text}"));
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let scraped: BTreeSet<_> = samples.flat_map(named).collect();
    let wanted = named(&[read(RULES), read(BOARD), read(TESTS)].concat());
    assert!(wanted.len() > 25, "{wanted:?}");
    let missing: Vec<_> = wanted.difference(&scraped).collect();
    assert!(missing.is_empty(), "named and not in a scrape: {missing:?}");
    // The bucket of the objective is one that there is.
    assert!(text.contains("le=\"21600\""), "{text}");
}
