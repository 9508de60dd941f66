//! `refundd enqueue`: from flags and from JSON lines.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::{assert_told, call, folder};
use crate::support::service::{Shop, gateway, request};

const GOOD: [&str; 11] = [
    "enqueue",
    "--refund-no",
    "R-1",
    "--account",
    "shop-ca",
    "--amount-cents",
    "500",
    "--currency",
    "CAD",
    "--order-no",
    "O-1",
];

/// What is on the requests stream.
fn pushed(shop: &Shop) -> Vec<Value> {
    let entries: Vec<(String, (String, String))> = shop.redis.run("XRANGE {refunds}:requests - +");
    let request = |(_, (field, json)): (String, (String, String))| {
        assert_eq!(field, "request");
        serde_json::from_str(&json).unwrap()
    };
    entries.into_iter().map(request).collect()
}

/// Runs with that standard input.
fn feed(shop: &Shop, args: &[&str], input: &[u8]) -> Output {
    let mut command = shop.refundd(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_from_flags_is_pushed_as_any_client_would() {
    let shop = Shop::open(gateway()).await;
    assert_told("enqueue", &shop.call(&GOOD));
    let all = [
        "--gateway-order-no",
        "P-1",
        "--paid-cents",
        "900",
        "--reason",
        "too \"small\"",
        "--client-ip",
        "2001:db8::1",
        "--device",
        "till-7",
        "--not-before",
        "2026-11-22T10:00:00Z",
        "--metadata",
        "{\"cart\": 12345678901234567890123}",
        "--json",
    ];
    let output = shop.call(&[&GOOD[..], &all].concat());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"pushed\":1,\"refused\":0}\n");
    let pushed = pushed(&shop);
    let first = json!({
        "v": 1, "refund_no": "R-1", "account": "shop-ca", "amount_cents": 500, "currency": "CAD",
        "order": {"order_no": "O-1"},
    });
    assert_eq!(pushed[0], first);
    let order = json!({"gateway_order_no": "P-1", "order_no": "O-1", "paid_cents": 900});
    assert_eq!(pushed[1]["order"], order);
    assert_eq!(pushed[1]["reason"], "too \"small\"");
    assert_eq!(pushed[1]["not_before"], "2026-11-22T10:00:00Z");
    let raw: Vec<(String, (String, String))> = shop.redis.run("XRANGE {refunds}:requests - +");
    // As it was written: a reader that goes through floats would have rounded it.
    assert!(raw[1].1.1.contains("{\"cart\": 12345678901234567890123}"), "{}", raw[1].1.1);
}

#[test]
fn a_bad_flag_is_refused_with_its_field_and_the_rule() {
    let folder = folder();
    let with = |flag: &str, value: &str| {
        let mut args = GOOD.to_vec();
        if let Some(at) = args.iter().position(|known| *known == flag) {
            args[at + 1] = value;
        } else {
            args.extend([flag, value]);
        }
        call(folder.path(), &args)
    };
    let long = "x".repeat(128);
    let table = [
        ("--refund-no", "R 1", "refund_no must be 1 to 30"),
        ("--refund-no", "R123456789012345678901234567890", "refund_no must be 1 to 30"),
        ("--account", "Shop", "account must be"),
        ("--amount-cents", "0", "amount_cents must be"),
        ("--amount-cents", "-5", "amount_cents must be"),
        ("--amount-cents", "12.5", "amount_cents must be an integer in minor units, got 12.5"),
        (
            "--amount-cents",
            "five",
            "amount_cents must be an integer in minor units, got the string \"five\"",
        ),
        ("--amount-cents", "99999999999999", "amount_cents must be"),
        ("--currency", "cad", "currency must be"),
        ("--order-no", "", "order.order_no must be"),
        ("--paid-cents", "1e3", "order.paid_cents must be an integer in minor units"),
        ("--paid-cents", "499", "amount_cents must be at most order.paid_cents, 499, got 500"),
        ("--reason", &long, "reason must be at most 127 characters"),
        ("--device", &long, "device must be at most 64 characters"),
        ("--client-ip", "localhost", "client_ip must be an IPv4 or IPv6 address"),
        ("--not-before", "tomorrow", "not_before must be an RFC 3339 time"),
        ("--metadata", "[1]", "metadata must be an object"),
        ("--metadata", "{", "metadata must be a JSON object"),
        ("--metadata", "{\"a\":1,\"a\":2}", "metadata must be JSON without repeated keys"),
        ("--metadata", "{},\"reason\":\"x\"", "metadata must be a JSON object"),
    ];
    for (flag, value, expected) in table {
        let output = with(flag, value);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(&format!("error: {expected}")), "{flag} {value}: {told}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{flag} {value}");
    }
    assert!(!folder.path().join("refundd-data").exists(), "nothing was opened for it");
}

#[test]
fn flags_that_are_missing_or_contradict_each_other_are_wrong_usage() {
    let folder = folder();
    assert_told("enqueue_nothing", &call(folder.path(), &["enqueue"]));
    assert_told("enqueue_half", &call(folder.path(), &["enqueue", "--refund-no", "R-1"]));
    assert_told("enqueue_no_order", &call(folder.path(), &GOOD[..9]));
    let both = ["enqueue", "refunds.jsonl", "--amount-cents", "5"];
    assert_told("enqueue_both", &call(folder.path(), &both));
}

#[tokio::test(flavor = "multi_thread")]
async fn good_lines_are_pushed_and_bad_ones_are_told_by_their_number() {
    let shop = Shop::open(gateway()).await;
    let good = |n: u32| request(&format!("R-{n}"), "shop-ca").to_string();
    let mut lines = format!(
        "{}\n\n{{\"v\":1}}\n{}\r\nnot json\n{}\n",
        good(1),
        good(2),
        good(3).replace("500", "5.5")
    )
    .into_bytes();
    lines.extend(b"\xff\xfe\n");
    lines.extend(good(4).into_bytes()); // no line break at the end
    std::fs::write(shop.path("refunds.jsonl"), &lines).unwrap();
    let from_file = shop.call(&["enqueue", "refunds.jsonl"]);
    assert_told("enqueue_lines", &from_file);
    let numbers = |pushed: Vec<Value>| -> Vec<String> {
        pushed.iter().map(|one| one["refund_no"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(numbers(pushed(&shop)), ["R-1", "R-2", "R-4"]);
    let from_stdin = feed(&shop, &["enqueue", "-", "--json"], &lines);
    assert_eq!(from_stdin.status.code(), Some(1));
    assert_eq!(from_stdin.stderr, from_file.stderr[..from_stdin.stderr.len()]);
    let counts: Value = serde_json::from_slice(&from_stdin.stdout).unwrap();
    assert_eq!(counts, json!({"pushed": 3, "refused": 4}));
    assert_eq!(pushed(&shop).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_lines_are_pushed_in_order_and_a_missing_file_is_a_failure() {
    let shop = Shop::open(gateway()).await;
    let number = |n: usize| format!("R-{n:04}");
    let lines: Vec<String> =
        (0..1_001).map(|n| request(&number(n), "shop-ca").to_string()).collect();
    let output = feed(&shop, &["enqueue", "-"], lines.join("\n").as_bytes());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let pushed = pushed(&shop);
    assert_eq!(pushed.len(), 1_001);
    assert!(pushed.iter().enumerate().all(|(n, one)| one["refund_no"] == number(n)));
    assert_told("enqueue_absent", &shop.call(&["enqueue", "absent.jsonl"]));
}
