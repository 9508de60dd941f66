//! Keys and signing strings are in no output and no log, whatever the level; and the log says once
//! for each transition what became of which refund.

use refundd::sandbox::{Fault, On, Rule};
use serde_json::Value;

use crate::support::service::{Shop, gateway, request};

const ACCOUNTS: [&str; 3] = ["shop-ca", "shop-hk", "shop-pair"];

/// A run over all accounts with good and bad answers, at that level; its log.
async fn log_of_a_run(level: &str) -> (Shop, String) {
    let mut settings = gateway();
    let rule = |on, fault| Rule::new(on, fault).times(1);
    settings.faults.rules = vec![
        rule(On::Submits, Fault::BadSignature).suffix("-forged"),
        rule(On::Submits, Fault::ResetAfter).suffix("-reset"),
        rule(On::Submits, Fault::Html).suffix("-html"),
        rule(On::Queries, Fault::NoSignature).suffix("-unsigned"),
    ];
    let mut shop = Shop::open(settings).await;
    let text = std::fs::read_to_string(shop.config()).unwrap();
    let log = format!("{text}\n[log]\nlevel = \"{level}\"\nformat = \"json\"\n");
    std::fs::write(shop.config(), log).unwrap();
    shop.run();
    for account in ACCOUNTS {
        for ending in ["plain", "forged", "reset", "html", "unsigned"] {
            shop.push(&request(&format!("R-{account}-{ending}"), account));
        }
    }
    shop.results(15).await;
    assert!(shop.terminate(0).success());
    let log = shop.log(0);
    (shop, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_no_signing_string_is_ever_printed() {
    let (shop, log) = log_of_a_run("trace").await;
    let mut all = vec![log];
    for args in [
        &["config"][..],
        &["list", "--json"],
        &["results", "--json"],
        &["show", "R-shop-ca-forged"],
        &["show", "R-shop-hk-forged", "--json"],
    ] {
        let output = shop.call(args);
        assert!(output.status.success(), "{output:?}");
        all.push(String::from_utf8(output.stdout).unwrap());
        all.push(String::from_utf8(output.stderr).unwrap());
    }
    for text in all {
        for secret in
            ["sandbox-iotpay-key", "sandbox-ionlinepay-key", "&key=", "&sign=", "\"sign\""]
        {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is printed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transition_is_one_line_that_names_refund_state_and_attempt() {
    let (shop, log) = log_of_a_run("info").await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    for no in shop.results_now().iter().map(|result| &result.refund_no) {
        let own = lines.iter().filter(|line| line["refund.no"] == no.as_str());
        let of = |state: &str| own.clone().filter(|line| line["state.to"] == state).count();
        assert_eq!(of("settled"), 1, "{no}");
        for line in own.clone().filter(|line| line["state.to"].is_string()) {
            assert_eq!(line["level"], "INFO");
            assert_eq!(line["attempt.no"], 1, "{line}");
            assert!(line["poll.no"].is_u64() && line["amount_cents"] == 500, "{line}");
            let state = line["state.to"].as_str().unwrap();
            assert_eq!(line["message"], format!("refund is {state}"));
        }
        let view = shop.call(&["show", no, "--json"]);
        let view: Value = serde_json::from_slice(&view.stdout).unwrap();
        let events = view["history"].as_array().unwrap().iter();
        // The start of a submit is stored by the claim; every other event is one commit.
        let happened: u64 = events
            .filter(|event| event["event"] != "submit_started")
            .map(|event| event["times"].as_u64().unwrap())
            .sum();
        let logged = own.clone().filter(|line| line["state.to"].is_string()).count();
        assert_eq!(u64::try_from(logged).unwrap(), happened, "{no}: {view}");
    }
}
