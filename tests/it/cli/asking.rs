//! `refundd show`, `list` and `results`: what the ledger has, for people and for scripts.

use refundd::sandbox::{Fault, On, Rule};
use serde_json::{Value, json};

use super::{assert_told, folder, refundd};
use crate::support::service::{Shop, gateway, request};

/// A shop in which four refunds have ended, one of each outcome, and nothing runs any more.
async fn closed_shop() -> Shop {
    let mut settings = gateway();
    settings.faults.rules = vec![
        Rule::new(On::Submits, Fault::FailFinal).refund_no("R-2-failed"),
        Rule::new(On::Submits, Fault::Change).refund_no("R-3-parked"),
    ];
    let mut shop = Shop::open(settings).await;
    // However busy the machine is, no answer comes too late: the timelines are snapshots.
    let text = std::fs::read_to_string(shop.config()).unwrap();
    let patient = text.replace(" 600\n", " 5000\n").replace("lease_ms = 3000", "lease_ms = 9000");
    let patient = patient.replace("shutdown_ms = 2000", "shutdown_ms = 9000");
    std::fs::write(shop.config(), patient).unwrap();
    shop.run();
    // One after the other, so that the results have an order.
    shop.push(&request("R-1-paid", "shop-ca"));
    shop.results(1).await;
    shop.push(&request("R-2-failed", "shop-ca"));
    shop.results(2).await;
    shop.push(&request("R-3-parked", "shop-hk"));
    shop.results(3).await;
    let mut wrong = request("R-4-rejected", "shop-hk");
    wrong["currency"] = json!("CAD");
    shop.push(&wrong);
    shop.results(4).await;
    assert!(shop.terminate(0).success());
    shop
}

fn objects(stdout: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_results_are_shown_as_they_ended() {
    let shop = closed_shop().await;
    show(&shop);
    list(&shop);
    results(&shop);
    groups(&shop);
}

fn show(shop: &Shop) {
    assert_told("show", &shop.call(&["show", "R-1-paid"]));
    assert_told("show_parked", &shop.call(&["show", "R-3-parked"]));
    assert_told("show_not_found", &shop.call(&["show", "R-9"]));
    // A request that was rejected left no refund.
    assert_eq!(shop.call(&["show", "R-4-rejected"]).status.code(), Some(3));
    assert_told("show_illegal_number", &shop.call(&["show", "R 1"]));
    let json = shop.call(&["show", "R-2-failed", "--json"]);
    assert_eq!((json.status.code(), json.stderr.len()), (Some(0), 0));
    let [view] = <[Value; 1]>::try_from(objects(&json.stdout)).expect("one object");
    assert_eq!(view["state"], "settled");
    assert_eq!(view["outcome"], "failed");
    assert_eq!((&view["amount_cents"], &view["currency"]), (&json!(500), &json!("CAD")));
    assert_eq!(view["history"][0]["event"], "submit_started");
    let absent = shop.call(&["show", "R-9", "--json"]);
    assert_eq!((absent.status.code(), absent.stdout.len()), (Some(3), 0));
}

fn list(shop: &Shop) {
    assert_told("list", &shop.call(&["list"]));
    let numbers = |args: &[&str]| {
        let output = shop.call(&[&["list", "--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = objects(&output.stdout);
        objects.iter().map(|view| view["refund_no"].as_str().unwrap().to_owned()).collect()
    };
    let expect = |args: &[&str], expected: &[&str]| {
        let listed: Vec<String> = numbers(args);
        assert_eq!(listed, expected, "{args:?}");
    };
    expect(&[], &["R-1-paid", "R-2-failed", "R-3-parked"]);
    expect(&["--state", "settled"], &["R-1-paid", "R-2-failed"]);
    expect(&["--state", "parked"], &["R-3-parked"]);
    expect(&["--account", "shop-ca", "--state", "parked"], &[]);
    expect(&["--account", "shop-hk"], &["R-3-parked"]);
    expect(&["--reason", "abnormal"], &["R-3-parked"]);
    expect(&["--older-than", "1d"], &[]);
    expect(&["--older-than", "0s"], &["R-1-paid", "R-2-failed", "R-3-parked"]);
    expect(&["--limit", "2"], &["R-1-paid", "R-2-failed"]);
    assert_told("list_limit", &shop.call(&["list", "--limit", "1"]));
    assert_told("list_nothing", &shop.call(&["list", "--account", "shop-pair"]));
    let quiet = shop.call(&["list", "--limit", "1", "--json", "--quiet"]);
    assert!(quiet.stderr.is_empty());
    assert_told("list_bad_state", &shop.call(&["list", "--state", "done"]));
    assert_told("list_bad_age", &shop.call(&["list", "--older-than", "2 weeks"]));
    assert_told("list_bad_account", &shop.call(&["list", "--account", "Shop CA"]));
}

fn results(shop: &Shop) {
    assert_told("results", &shop.call(&["results"]));
    let json = shop.call(&["results", "--json"]);
    let published = shop.results_now();
    let printed = objects(&json.stdout);
    assert_eq!(printed.len(), 4);
    for (printed, published) in printed.iter().zip(&published) {
        assert_eq!(printed, &serde_json::to_value(published).unwrap());
    }
    // Reading without a group takes nothing away.
    assert_eq!(shop.call(&["results", "--json"]).stdout, json.stdout);
}

fn groups(shop: &Shop) {
    let read = || {
        let output = shop.call(&["results", "--json", "--group", "books"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = objects(&output.stdout);
        objects.iter().map(|one| one["refund_no"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(read(), ["R-1-paid", "R-2-failed", "R-3-parked", "R-4-rejected"]);
    assert_eq!(read(), Vec::<String>::new(), "each is given to a group once");
    // Given, but its reader was gone before it could acknowledge.
    let mut again = request("R-5", "shop-ca");
    again["amount_cents"] = json!(0);
    let fields = ["event_id", "R-5.1", "refund_no", "R-5", "outcome", "succeeded", "result"];
    let again = again.to_string();
    let entry = [&["XADD", "{refunds}:results", "*"], &fields[..], &[again.as_str()]].concat();
    let _: String = shop.redis.cmd(&entry);
    let take = "XREADGROUP GROUP books refundd-results STREAMS {refunds}:results >";
    let _: redis::Value = shop.redis.run(take);
    assert_eq!(read(), ["R-5"], "what was not acknowledged comes again");
    assert_eq!(read(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_gateway_cannot_look_like_a_line_of_ours() {
    let mut settings = gateway();
    let word = "ODD\u{1b}[2J\nR-2-forged succeeded".to_owned();
    settings.faults.rules = vec![Rule::new(On::Queries, Fault::Status { word }).times(1)];
    let mut shop = Shop::open(settings).await;
    shop.run();
    shop.push(&request("R-1", "shop-hk"));
    shop.results(1).await;
    assert!(shop.terminate(0).success());
    let shown = shop.call(&["show", "R-1"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    for text in [text, shop.log(0)] {
        assert!(text.contains("ODD"), "the word itself is shown: {text}");
        assert!(!text.contains('\u{1b}') && !text.contains("\nR-2-forged"), "{text}");
    }
}

#[test]
fn asking_starts_and_stops_a_redis_of_its_own_where_none_is_configured() {
    let folder = folder();
    let output = refundd(folder.path(), &["show", "R-1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let socket = folder.path().join("refundd-data/redis.sock");
    assert!(!socket.exists(), "the server has gone with the command");
}
