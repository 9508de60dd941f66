//! `refundd doctor` on installations in good and in bad shape.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use refundd::sandbox::{Fault, On, Rule};
use serde_json::Value;

use super::{call, folder, refundd, told};
use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

/// What differs from run to run and from machine to machine.
const VARIES: [(&str, &str); 8] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"127\.0\.0\.1:[1-9]\d*", "127.0.0.1:[port]"),
    (r"/\S*/(refundd-(it|shop|cli))-[A-Za-z0-9]+", "[$1]"),
    (r"\b\d+ (ms|s|min)\b", "[while]"),
    (r"\b\d+ MiB", "[n] MiB"),
    (r"redis\.version: \S+", "redis.version: [version]"),
    (r#""(found|version)":"\d+\.\d+\.\d+""#, "\"$1\":\"[version]\""),
    (r"\d+ may be open", "[n] may be open"),
];

/// Compares with a snapshot, words only: lines break elsewhere when a number is longer.
fn assert_report(name: &str, output: &Output) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, shown) in VARIES {
        settings.add_filter(pattern, shown);
    }
    let text = told(output);
    for line in text.lines().filter(|line| !line.contains('/') && !line.starts_with('{')) {
        assert!(line.chars().count() <= 80, "wider than 80: {line}");
    }
    let joined = text.replace("\n         ", " ");
    settings.bind(|| insta::assert_snapshot!(name, joined));
}

/// The findings by check; a check may have several.
fn findings(output: &Output) -> BTreeMap<String, Vec<Value>> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|err| panic!("{err}: {}", told(output)));
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for check in report["checks"].as_array().expect("a list of checks") {
        let name = check["check"].as_str().expect("a name").to_owned();
        found.entry(name).or_default().push(check.clone());
    }
    let worst = if output.status.code() == Some(0) { ["ok", "note"] } else { ["warning", "error"] };
    assert!(worst.contains(&report["status"].as_str().unwrap()), "{report}");
    found
}

/// The only finding of a check: level, and all that is said.
fn only<'a>(found: &'a BTreeMap<String, Vec<Value>>, check: &str) -> (&'a str, String) {
    let [one] = found.get(check).map(Vec::as_slice).unwrap_or_default() else {
        panic!("{check} in {found:#?}");
    };
    let text = |key: &str| one[key].as_str().unwrap_or_default();
    (text("level"), [text("found"), text("wrong"), text("do")].join(" | "))
}

fn doctor(shop: &Shop) -> BTreeMap<String, Vec<Value>> {
    findings(&shop.call(&["doctor", "--json"]))
}

/// A finding of that level that says what to write where.
fn says(found: &BTreeMap<String, Vec<Value>>, check: &str, level: &str, words: &[&str]) {
    let (is, text) = only(found, check);
    assert_eq!(is, level, "{check}: {text}");
    for word in words {
        assert!(text.contains(word), "{check} does not say {word:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_in_good_shape_is_well_and_the_exit_code_is_0() {
    let mut shop = Shop::open(gateway()).await;
    // The tests' own hurry is no good shape.
    shop.configure(|toml| toml.replace("visibility_ms = 1000", "visibility_ms = 4000"));
    shop.run();
    shop.push(&request("R-1", "shop-ca"));
    shop.results(1).await;
    assert!(shop.terminate(0).success());
    let told = shop.call(&["doctor"]);
    assert_eq!(told.status.code(), Some(0), "{}", super::told(&told));
    assert_report("doctor", &told);
    assert_report("doctor_json", &shop.call(&["doctor", "--json"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_lose_or_delete_refunds_is_named_with_the_line_of_redis_conf() {
    let shop = Shop::open(gateway()).await;
    let set = |setting: &str| shop.redis.run::<String>(&format!("CONFIG SET {setting}"));
    set("maxmemory-policy allkeys-lru");
    set("appendfsync everysec");
    let found = doctor(&shop);
    says(&found, "redis.eviction", "error", &["allkeys-lru", "maxmemory-policy noeviction"]);
    says(&found, "redis.persistence", "warning", &["everysec", "appendfsync always"]);
    set("appendonly no");
    set("maxmemory-policy noeviction");
    set("min-replicas-to-write 1");
    let output = shop.call(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let found = doctor(&shop);
    says(&found, "redis.persistence", "error", &["lost when it restarts", "appendonly yes"]);
    says(&found, "redis.replicas", "error", &["refuses every write", "min-replicas-to-write"]);
    says(&found, "redis.eviction", "ok", &[]);
    set("min-replicas-to-write 0");
    set("maxmemory 100mb");
    says(&doctor(&shop), "redis.memory", "ok", &["% of maxmemory"]);
    let used: redis::InfoDict = shop.redis.run("INFO memory");
    let used: u64 = used.get("used_memory").unwrap();
    set(&format!("maxmemory {}", used + used / 50));
    says(&doctor(&shop), "redis.memory", "error", &["redis.conf: a larger maxmemory"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_no_place_for_refunds() {
    let shop = Shop::open(gateway()).await;
    // Nobody listens there; a replica without a primary is a replica all the same.
    let _: String = shop.redis.run("REPLICAOF 127.0.0.1 1");
    says(&doctor(&shop), "redis.role", "error", &["replica", "redis.url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_everything_else_is_looked_at_all_the_same() {
    let shop = Shop::open(gateway()).await;
    shop.redis.kill();
    let output = shop.call(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = findings(&output);
    says(&found, "redis.reach", "error", &["redis.url", "REFUNDD__REDIS__URL"]);
    says(&found, "gateways.iotpay.base_url", "note", &["HEAD"]);
    says(&found, "machine.open_files", "ok", &[]);
    assert!(!found.contains_key("refunds.parked"), "what was not read is not told");
    assert_report("doctor_redis_away", &shop.call(&["doctor"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_overdue_and_paused_refunds_requests_and_quarantine_are_counted() {
    let mut settings = gateway();
    settings.faults.rules = vec![Rule::new(On::Queries, Fault::WrongAmount)];
    let mut shop = Shop::open(settings).await;
    shop.push(&request("R-9", "shop-ca"));
    says(&doctor(&shop), "requests", "warning", &["1 wait", "refundd run", "redis.namespace"]);
    shop.run();
    shop.push(&request("R-1", "shop-hk"));
    shop.push(&request("R-2", "shop-hk"));
    shop.push_raw("{}");
    shop.results(3).await;
    shop.call(&["pause", "--account", "shop-ca", "--reason", "audit", "--by", "ann"]);
    let _: String = shop.redis.run("XGROUP CREATE {refunds}:results books 0");
    wait_until("the quarantine to be told", async || {
        doctor(&shop)["quarantine"][0]["level"].eq("warning").then_some(())
    })
    .await;
    let found = doctor(&shop);
    says(
        &found,
        "refunds.parked",
        "warning",
        &[
            "3 (1 discrepancy of shop-ca: 5.00 CAD, 2 discrepancy of shop-hk: 10.00 HKD)",
            "refundd list",
        ],
    );
    says(&found, "pauses", "note", &["shop-ca", "by ann: audit"]);
    says(&found, "results.books", "ok", &["3 results unread"]);
    says(&found, "quarantine", "warning", &["1 requests", "{namespace}:quarantine"]);
    shop.kill(0);
    // As if it had been due for long: nobody claims it.
    let _: i64 = shop.redis.run("ZADD {refunds}:due 1000 R-1");
    says(&doctor(&shop), "refunds", "warning", &["1 overdue", "refundd run"]);
    // And results that nobody has read for long.
    let _: i64 = shop.redis.run("DEL {refunds}:results");
    let _: String = shop.redis.run("XADD {refunds}:results 1000-0 event_id x");
    let _: String = shop.redis.run("XGROUP CREATE {refunds}:results books 0");
    says(&doctor(&shop), "results.books", "warning", &["slow or dead", "XGROUP DESTROY"]);
    // Read, and then nothing more was heard of whoever read it.
    let read = "XREADGROUP GROUP books me STREAMS {refunds}:results >";
    let _: redis::Value = shop.redis.run(read);
    says(&doctor(&shop), "results.books", "warning", &["0 results unread, 1 read and not"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_a_dead_process_holds_are_told() {
    let shop = Shop::open(gateway()).await;
    let _: String = shop.redis.run("XADD {refunds}:requests 1000-0 request {}");
    let _: String = shop.redis.run("XGROUP CREATE {refunds}:requests refundd 0");
    let read = "XREADGROUP GROUP refundd gone COUNT 1 STREAMS {refunds}:requests >";
    let _: redis::Value = shop.redis.run(read);
    let held = "XCLAIM {refunds}:requests refundd gone 0 1000-0 IDLE 600000 JUSTID";
    let _: Vec<String> = shop.redis.run(held);
    let found = doctor(&shop);
    says(&found, "requests", "error", &["no refundd takes requests in", "/readyz"]);
    says(&found, "requests.pending", "warning", &["1 were read", "refundd run"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_redis_is_told_as_writes_that_may_be_lost() {
    let mut shop = Shop::open(gateway()).await;
    shop.run();
    shop.push(&request("R-1", "shop-ca"));
    shop.results(1).await;
    says(&doctor(&shop), "redis.writes", "ok", &[]);
    shop.redis.restart();
    shop.push(&request("R-2", "shop-ca"));
    shop.results(2).await;
    says(&doctor(&shop), "redis.writes", "warning", &["1 times", "gateways are asked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_refundd_is_told_from_another_program_on_its_address() {
    let mut shop = Shop::open(gateway()).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    shop.configure(|toml| toml.replace("127.0.0.1:0", &address));
    says(&doctor(&shop), "ops.listen", "error", &["another program", "another port"]);
    drop(taken);
    says(&doctor(&shop), "ops.listen", "note", &["is free"]);
    shop.run();
    shop.ops(0).await;
    wait_until("the worker to be ready", async || {
        let found = doctor(&shop);
        found.get("ops.ready").filter(|ready| ready[0]["level"] == "ok").map(drop)
    })
    .await;
    says(&doctor(&shop), "ops.listen", "ok", &["a refundd"]);
    let _: String = shop.redis.run("CONFIG SET maxmemory-policy allkeys-lru");
    wait_until("the worker to be red", async || {
        let found = doctor(&shop);
        let (level, text) = only(&found, "ops.ready");
        (level == "error" && text.contains("noeviction")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_cannot_be_reached_is_told_and_one_that_can_is_asked_for_nothing() {
    let shop = Shop::open(gateway()).await;
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = shop.sandbox.ionlinepay_url();
    shop.configure(|toml| toml.replace(&url, &format!("http://{gone}/gateway/")));
    let found = doctor(&shop);
    says(&found, "gateways.ionlinepay.base_url", "error", &["gateways.ionlinepay.base_url"]);
    says(&found, "gateways.iotpay.base_url", "note", &["answers HEAD", "emulator"]);
    assert!(shop.book().refunds.is_empty(), "nothing was asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_and_one_that_everybody_can_read_are_told_and_never_shown() {
    let shop = Shop::open(gateway()).await;
    let key = shop.path("iotpay.key");
    std::fs::write(&key, "very-secret-key").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    shop.configure(|toml| {
        toml.replace("key_env = \"IOTPAY_KEY\"", "key_file = \"iotpay.key\"")
            .replace("IONLINEPAY_KEY", "NO_SUCH_VARIABLE")
    });
    let mut all = String::new();
    for args in [&["doctor"][..], &["doctor", "--json"]] {
        let output = shop.call(args);
        assert_eq!(output.status.code(), Some(1));
        all.push_str(&told(&output));
    }
    let found = doctor(&shop);
    says(&found, "gateways.iotpay.key", "warning", &["everyone on this machine", "chmod 600"]);
    says(&found, "gateways.ionlinepay.key", "error", &["NO_SUCH_VARIABLE", "set it"]);
    for secret in ["very-secret-key", "sandbox-iotpay-key", "sandbox-ionlinepay-key"] {
        assert!(!all.contains(secret), "{secret} is printed: {all}");
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    says(&doctor(&shop), "gateways.iotpay.key", "ok", &["not shown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_problems_does_not_hide_the_state_of_redis() {
    let shop = Shop::open(gateway()).await;
    shop.configure(|toml| toml.replace("concurrency = 32", "concurency = 32"));
    let found = doctor(&shop);
    says(&found, "configuration", "error", &["worker.concurency", "concurrency"]);
    says(&found, "redis.persistence", "ok", &[]);
    shop.configure(|toml| toml.replace("[worker]", "[worker"));
    let found = doctor(&shop);
    says(&found, "configuration", "error", &["is not TOML"]);
    says(&found, "everything else", "unknown", &[]);
}

#[test]
fn an_embedded_redis_is_not_started_and_nothing_is_made() {
    let folder = folder();
    std::fs::write(folder.path().join("refundd.toml"), "[ops]\nlisten = \"127.0.0.1:0\"\n")
        .unwrap();
    let output = call(folder.path(), &["doctor", "--config", "refundd.toml", "--json"]);
    let found = findings(&output);
    says(&found, "redis.reach", "note", &["refundd-data", "refundd run starts it"]);
    says(&found, "redis.server", "ok", &["Redis server"]);
    says(&found, "machine.disk", only(&found, "machine.disk").0, &["MiB free"]);
    says(&found, "configuration", "error", &["0 accounts", "[accounts.*]"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the file only");
    let bare = refundd(folder.path(), &["doctor", "--config", "refundd.toml", "--json"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    says(&findings(&bare), "redis.server", "error", &["apt-get install redis-server"]);
}

#[test]
fn a_password_is_neither_shown_nor_left_open_to_everybody_without_a_word() {
    let folder = folder();
    let file = folder.path().join("refundd.toml");
    let text =
        "[redis]\nurl = \"redis://shop:hunter2@127.0.0.1:1/0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    for args in [
        &["doctor", "--config", "refundd.toml", "--json"][..],
        &["doctor", "--config", "refundd.toml"],
    ] {
        let output = call(folder.path(), args);
        assert_eq!(output.status.code(), Some(1));
        assert!(!told(&output).contains("hunter2"), "{}", told(&output));
    }
    let found = findings(&call(folder.path(), &["doctor", "--config", "refundd.toml", "--json"]));
    says(&found, "configuration.password", "warning", &["chmod 600", "REFUNDD__REDIS__URL"]);
    says(&found, "redis.reach", "error", &["redis://shop:****@127.0.0.1:1/0"]);
}
