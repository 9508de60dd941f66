//! `refundd run` and `refundd sandbox` as an operator starts and stops them.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use super::{assert_told, call, folder, refundd};
use crate::support::redis::{TestRedis, signal};
use crate::support::service::{Shop, ended, gateway};

#[test]
fn without_an_account_there_is_nothing_to_run() {
    let folder = folder();
    assert_told("run_without_accounts", &call(folder.path(), &["run"]));
    assert!(!folder.path().join("refundd-data").exists(), "nothing was started for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_cannot_be_reached_is_a_failure_with_a_hint() {
    let shop = Shop::open(gateway()).await;
    shop.redis.kill();
    assert_told("run_redis_away", &shop.call(&["run"]));
    assert_told("show_redis_away", &shop.call(&["show", "R-1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_evicts_is_refused_with_what_to_change() {
    let shop = Shop::open(gateway()).await;
    let _: String = shop.redis.run("CONFIG SET maxmemory-policy allkeys-lru");
    assert_told("run_redis_evicts", &shop.call(&["run"]));
    assert_told("list_redis_evicts", &shop.call(&["list"]));
}

#[test]
fn an_address_that_is_not_a_redis_is_wrong_configuration_and_shows_no_password() {
    let folder = folder();
    for url in
        ["http://user:hunter2@localhost", "redis:/:hunter2@localhost", "unix:/x?pass=hunter2"]
    {
        let output =
            refundd(folder.path(), &["list"]).env("REFUNDD__REDIS__URL", url).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = format!("{output:?}");
        assert!(!told.contains("hunter2") && told.contains("redis.url must be"), "{told}");
    }
}

#[test]
fn a_refused_password_is_told_without_the_password() {
    let redis = TestRedis::start();
    let _: String = redis.run("CONFIG SET requirepass correct-horse");
    let folder = folder();
    for url in [redis.url(), format!("{}?pass=hunter2", redis.url())] {
        let output =
            refundd(folder.path(), &["list"]).env("REFUNDD__REDIS__URL", &url).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = format!("{output:?}");
        assert!(!told.contains("hunter2") && told.contains("error: "), "{told}");
    }
}

/// Starts `refundd run` in that shop and waits until it says that it runs.
fn running(shop: &Shop) -> (Child, BufReader<ChildStderr>) {
    let mut command = shop.refundd(&["run"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("refundd is running") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    (child, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_is_a_normal_end_and_ctrl_c_an_interruption() {
    let shop = Shop::open(gateway()).await;
    for (by, expected) in [("-TERM", 0), ("-INT", 130)] {
        let (mut child, log) = running(&shop);
        signal(by, &child.id().to_string());
        let last = log.lines().map(Result::unwrap).last().unwrap();
        assert_eq!(ended(&mut child).code(), Some(expected), "{by}");
        assert!(last.ends_with("stopped"), "{last}");
    }
}

#[test]
fn the_sandbox_prints_where_it_listens_and_ends_at_sigterm() {
    let folder = folder();
    let mut command = refundd(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told: Vec<String> = lines.by_ref().take(4).map(Result::unwrap).collect();
    let address = told[2].rsplit("http://").next().unwrap().trim_end_matches("/book");
    assert!(std::net::TcpStream::connect(address).is_ok(), "nobody listens on {address}");
    // The port is taken now.
    let second = call(folder.path(), &["sandbox", "--listen", address]);
    assert_told("sandbox_port_taken", &second);
    signal("-TERM", &child.id().to_string());
    let mut output = child.wait_with_output().unwrap();
    output.stdout = (told.join("\n") + "\n").into_bytes();
    assert_told("sandbox", &output);
}

#[test]
fn a_misspelt_setting_of_the_sandbox_is_wrong_usage() {
    let folder = folder();
    std::fs::write(folder.path().join("faults.json"), r#"{"duplicate":"replays"}"#).unwrap();
    let output = call(folder.path(), &["sandbox", "--settings", "faults.json"]);
    assert_told("sandbox_settings", &output);
    assert_told("sandbox_listen", &call(folder.path(), &["sandbox", "--listen", "here"]));
}
