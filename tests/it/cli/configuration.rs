//! `refundd config`, and what happens when the configuration is wrong.

use std::path::Path;

use super::{assert_told, call, folder, refundd};

const GOOD: &str = r#"
[redis]
url = "redis://shop:hunter2@127.0.0.1:6379/0"

[gateways.iotpay]
protocol = "iotpay"
base_url = "https://api.iotpaycloud.com"
merchant_id = "10000576"
login_name = "vincent"
key_env = "IOTPAY_KEY"

[accounts.shop-ca]
currency = "CAD"
submit = "iotpay"
"#;

fn write(folder: &Path, text: &str) {
    std::fs::write(folder.join("refundd.toml"), text).unwrap();
}

#[test]
fn the_configuration_is_printed_with_its_origins_and_without_a_secret() {
    let folder = folder();
    write(folder.path(), GOOD);
    let mut command = refundd(folder.path(), &["config", "--config", "refundd.toml"]);
    command.env("REFUNDD__WORKER__CONCURRENCY", "7").env("IOTPAY_KEY", "very-secret");
    let output = command.output().unwrap();
    assert_told("config", &output);
    let all = format!("{output:?}");
    assert!(!all.contains("hunter2") && !all.contains("very-secret"), "{all}");
}

#[test]
fn the_file_may_be_named_before_or_after_the_command_or_by_a_variable() {
    let folder = folder();
    write(folder.path(), GOOD);
    let after = call(folder.path(), &["config", "--config", "refundd.toml"]);
    let before = call(folder.path(), &["--config", "refundd.toml", "config"]);
    let named = refundd(folder.path(), &["config"]).env("REFUNDD_CONFIG", "refundd.toml").output();
    assert_eq!(after, before);
    assert_eq!(after, named.unwrap());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let folder = folder();
    let text = GOOD.replace("currency = \"CAD\"", "curency = \"CAD\"");
    let text = text.replace("https://", "http://").replace("[redis]", "[redis]\nnamspace = 1");
    write(folder.path(), &text);
    let output = refundd(folder.path(), &["config", "--config", "refundd.toml"])
        .env("REFUNDD__WORKER__LEASE_MS", "soon")
        .output();
    assert_told("config_wrong", &output.unwrap());
}

#[test]
fn a_file_that_cannot_be_read_or_is_not_toml_is_told_without_its_passwords() {
    let folder = folder();
    assert_told("config_absent", &call(folder.path(), &["config", "--config", "absent.toml"]));
    write(folder.path(), "[redis]\nurl = redis://shop:hunter2@host\n");
    let output = call(folder.path(), &["config", "--config", "refundd.toml"]);
    assert_told("config_not_toml", &output);
    assert!(!format!("{output:?}").contains("hunter2"));
}

#[test]
fn a_missing_key_stops_the_start_with_its_name() {
    let folder = folder();
    write(folder.path(), GOOD);
    let run = ["run", "--config", "refundd.toml"];
    assert_told("key_missing", &call(folder.path(), &run));
    let empty = refundd(folder.path(), &run).env("IOTPAY_KEY", " ").output().unwrap();
    assert_told("key_empty", &empty);
    write(folder.path(), &GOOD.replace("key_env = \"IOTPAY_KEY\"", "key_file = \"absent.key\""));
    assert_told("key_file_absent", &call(folder.path(), &run));
}
