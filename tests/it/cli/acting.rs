//! What an operator does to refunds and submits, with real workers at work meanwhile.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use refundd::contract::ResultV1;
use refundd::contract::evidence::SourceV1;
use refundd::contract::result::OutcomeV1;
use refundd::sandbox::{Fault, FaultPlan, On, Rule, Settings};
use serde_json::{Value, json};

use super::assert_told;
use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

/// A gateway that shows how a refund ended at the first query, disturbed by `rules`.
fn disturbed(rules: Vec<Rule>) -> Settings {
    let mut settings = Settings { processing_polls: 0, ..gateway() };
    settings.faults.rules = rules;
    settings
}

/// A shop with two workers.
async fn shop(rules: Vec<Rule>) -> Shop {
    let mut shop = Shop::open(disturbed(rules)).await;
    shop.run();
    shop.run();
    shop
}

/// A request for a part of the order of `R-1`.
fn of_the_same_order(refund_no: &str, cents: u64) -> Value {
    let mut request = request(refund_no, "shop-hk");
    request["order"]["gateway_order_no"] = json!("P-R-1");
    request["order"]["order_no"] = json!("O-R-1");
    request["amount_cents"] = json!(cents);
    request
}

/// Runs an action by `ann`, who is agreed.
fn act(shop: &Shop, args: &[&str]) -> Output {
    shop.call(&[args, &["--reason", "as the bank says", "--by", "ann"]].concat())
}

fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one object")
}

fn shown(shop: &Shop, refund_no: &str) -> Value {
    json_of(&shop.call(&["show", refund_no, "--json"]))
}

/// Waits until the refund is in that state.
async fn is(shop: &Shop, refund_no: &str, state: &str) {
    wait_until(&format!("{refund_no} to be {state}"), async || {
        let output = shop.call(&["show", refund_no, "--json"]);
        let view: Value = serde_json::from_slice(&output.stdout).ok()?;
        (view["state"] == state).then_some(())
    })
    .await;
}

fn audit(shop: &Shop) -> Vec<Value> {
    let output = shop.call(&["audit", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(results: &'a [ResultV1], refund_no: &str) -> &'a ResultV1 {
    results.iter().rev().find(|result| result.refund_no == refund_no).expect("a result")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_refund_is_resolved_once_on_a_persons_word() {
    let failed = Rule::new(On::Submits, Fault::FailFinal).refund_no("R-1");
    let odd = Rule::new(On::Queries, Fault::WrongAmount).refund_no("R-1");
    let shop = shop(vec![failed, odd]).await;
    shop.push(&request("R-1", "shop-hk"));
    assert_eq!(shop.results(1).await[0].code.as_deref(), Some("discrepancy"));
    assert_told("show_next_parked", &shop.call(&["show", "R-1"]));
    let version = shown(&shop, "R-1")["version"].to_string();
    // Nobody has agreed, or the page is old: nothing happens.
    let resolve = ["resolve", "R-1", "--outcome", "failed"];
    assert_told("resolve_unasked", &act(&shop, &resolve));
    let old = act(&shop, &[&resolve[..], &["--yes", "--version", "1"]].concat());
    assert_told("resolve_stale", &old);
    assert_eq!(
        (shown(&shop, "R-1")["version"].to_string(), audit(&shop).len()),
        (version.clone(), 0)
    );
    shop.push(&of_the_same_order("R-2", 9_800));
    assert_eq!(of(&shop.results(2).await, "R-2").code.as_deref(), Some("over_refund"));

    let done = [&resolve[..], &["--yes", "--version", &version]].concat();
    assert_told("resolve", &act(&shop, &done));
    let results = shop.results(3).await;
    let end = of(&results, "R-1");
    assert_eq!(
        (end.version, end.outcome, end.evidence.source),
        (2, OutcomeV1::Failed, SourceV1::Operator)
    );
    assert_eq!(end.message.as_deref(), Some("by ann: as the bank says"));
    // Said twice is said once.
    assert_eq!(act(&shop, &done).status.code(), Some(4));
    assert_told("resolve_again", &act(&shop, &[&resolve[..], &["--yes"]].concat()));
    let trail = audit(&shop);
    assert_eq!(trail.len(), 1, "{trail:?}");
    assert_eq!((&trail[0]["action"], &trail[0]["subject"]), (&json!("resolve"), &json!("R-1")));
    assert_eq!(
        (&trail[0]["who"], &trail[0]["reason"]),
        (&json!("ann"), &json!("as the bank says"))
    );
    assert_eq!(trail[0]["change"], "parked -> settled (failed)");
    assert_told("audit", &shop.call(&["audit"]));
    // Its amount is free again.
    shop.push(&of_the_same_order("R-3", 9_800));
    let results = shop.results(4).await;
    assert_eq!((results.len(), of(&results, "R-3").outcome), (4, OutcomeV1::Succeeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_refund_is_asked_about_and_never_sent_again() {
    let wrong_once = Rule::new(On::Queries, Fault::WrongAmount).times(1);
    let shop = shop(vec![wrong_once]).await;
    shop.push(&request("R-1", "shop-hk"));
    assert_eq!(shop.results(1).await[0].outcome, OutcomeV1::Parked);
    assert_eq!(shop.book().refund("R-1").unwrap().queries, 1);
    assert_told("release", &act(&shop, &["release", "R-1", "--yes"]));
    let results = shop.results(2).await;
    assert_eq!((results[1].version, results[1].outcome), (2, OutcomeV1::Succeeded));
    let book = shop.book();
    let refund = book.refund("R-1").unwrap();
    assert_eq!((refund.submits, refund.effects), (1, 1));
    assert!(refund.queries > 1, "it was asked about");
    assert_told("release_ended", &act(&shop, &["release", "R-1", "--yes"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_the_submits_of_every_worker_while_queries_go_on() {
    let shop = shop(vec![Rule::new(On::Submits, Fault::NeverSettle).refund_no("R-1")]).await;
    shop.push(&request("R-1", "shop-hk"));
    is(&shop, "R-1", "processing").await;
    assert_told("pause", &act(&shop, &["pause", "--account", "shop-hk"]));
    assert_told("pause_again", &act(&shop, &["pause", "--account", "shop-hk"]));
    assert_told("pause_unknown", &act(&shop, &["pause", "--account", "shop-hq"]));
    let stopped = ["R-2", "R-3", "R-4", "R-5"];
    for refund_no in stopped {
        shop.push(&request(refund_no, "shop-hk"));
    }
    // Another account goes on, and so do the queries.
    shop.push(&request("R-6", "shop-ca"));
    assert_eq!(of(&shop.results(1).await, "R-6").outcome, OutcomeV1::Succeeded);
    for refund_no in stopped {
        is(&shop, refund_no, "requested").await;
    }
    let before = shop.book().refund("R-1").unwrap().queries;
    wait_until("queries to go on", async || {
        (shop.book().refund("R-1").unwrap().queries > before + 3).then_some(())
    })
    .await;
    assert!(stopped.iter().all(|no| shop.book().refund(no).is_none()), "nothing was sent");
    let view = shown(&shop, "R-2");
    assert_eq!(
        (&view["paused"]["by"], &view["paused"]["account"]),
        (&json!("ann"), &json!("shop-hk"))
    );
    assert_eq!(view["next"], "waits: submits are paused");
    assert_eq!(view["attempts"], 0);
    assert_told("resume", &act(&shop, &["resume", "--account", "shop-hk"]));
    let results = shop.results(5).await;
    for refund_no in stopped {
        assert_eq!(of(&results, refund_no).outcome, OutcomeV1::Succeeded);
        assert_eq!(shop.book().refund(refund_no).unwrap().submits, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_abandoned_while_it_waits_is_never_sent() {
    let shop = shop(vec![Rule::new(On::Submits, Fault::NeverSettle).refund_no("R-1")]).await;
    for (refund_no, cents) in [("R-1", 500), ("R-2", 600), ("R-3", 700)] {
        shop.push(&of_the_same_order(refund_no, cents));
        is(&shop, refund_no, if refund_no == "R-1" { "processing" } else { "requested" }).await;
    }
    assert_told("abandon_waiting", &act(&shop, &["abandon", "R-2", "--yes"]));
    let withdrawn = &shop.results(1).await[0];
    assert_eq!(
        (withdrawn.outcome, withdrawn.code.as_deref()),
        (OutcomeV1::Rejected, Some("abandoned"))
    );
    let sent = json_of(&act(&shop, &["abandon", "R-1", "--yes", "--json"]));
    assert_eq!(
        (&sent["change"], &sent["event_id"]),
        (&json!("processing -> settled (given_up)"), &json!("R-1.1.parked"))
    );
    let results = shop.results(3).await;
    assert_eq!(of(&results, "R-1").outcome, OutcomeV1::Parked);
    assert_eq!(of(&results, "R-3").outcome, OutcomeV1::Succeeded);
    assert!(shop.book().refund("R-2").is_none(), "it was never sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_redis_an_unsent_refund_is_asked_about_before_it_is_abandoned() {
    let mut shop = shop(vec![Rule::new(On::Submits, Fault::NeverSettle).refund_no("R-1")]).await;
    for (refund_no, cents) in [("R-1", 500), ("R-2", 600)] {
        shop.push(&of_the_same_order(refund_no, cents));
        is(&shop, refund_no, if refund_no == "R-1" { "processing" } else { "requested" }).await;
    }
    shop.redis.restart();
    let refused = act(&shop, &["abandon", "R-2", "--yes"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(4), "{told}");
    let why =
        "Redis may have lost that it was sent, so the gateway is asked about it before its first";
    assert!(told.contains(why), "{told}");
    assert_eq!(shown(&shop, "R-2")["state"], "requested");
    // With its turn comes the question; the gateway does not know it, and it is sent once.
    json_of(&act(&shop, &["abandon", "R-1", "--yes", "--json"]));
    let results = shop.results(2).await;
    assert_eq!(of(&results, "R-2").outcome, OutcomeV1::Succeeded);
    assert_eq!(shop.book().refund("R-2").unwrap().submits, 1);
    let view = shown(&shop, "R-2");
    let history = view["history"].as_array().unwrap().iter();
    let events: Vec<_> = history.map(|line| line["event"].as_str().unwrap()).collect();
    let place = |event| events.iter().position(|one| *one == event);
    let (asked, cleared) = (place("not_found"), place("resubmit_cleared"));
    assert!(place("writes_lost") < asked && asked < cleared && cleared.is_some(), "{events:?}");
    assert!(place("writes_lost").is_some() && cleared < place("accepted"), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_an_ended_refund_that_the_gateway_now_contradicts_corrects_it() {
    let shop = shop(Vec::new()).await;
    shop.push(&request("R-1", "shop-ca"));
    assert_eq!(shop.results(1).await[0].outcome, OutcomeV1::Succeeded);
    // As the sandbox has it, 3 means failed.
    let failed = Rule::new(On::Queries, Fault::Status { word: "3".to_owned() });
    shop.sandbox.sandbox().set_faults(FaultPlan { rules: vec![failed], ..FaultPlan::default() });
    assert_told("check", &act(&shop, &["check", "R-1"]));
    let results = shop.results(2).await;
    assert_eq!((results[1].version, results[1].outcome), (2, OutcomeV1::Parked));
    assert_eq!(results[1].code.as_deref(), Some("contradiction"));
    shop.sandbox.sandbox().set_faults(FaultPlan::default());
    assert_eq!(act(&shop, &["check", "R-1"]).status.code(), Some(0));
    let results = shop.results(3).await;
    assert_eq!((results[2].version, results[2].outcome), (3, OutcomeV1::Succeeded));
    assert_eq!(shop.book().refund("R-1").unwrap().submits, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_by_the_exit_code() {
    let shop = Shop::open(gateway()).await;
    assert_told("act_absent", &act(&shop, &["check", "R-9"]));
    assert_told("act_illegal_number", &act(&shop, &["abandon", "R 9", "--yes"]));
    assert_told("act_no_reason", &shop.call(&["check", "R-9"]));
    let blank = shop.call(&["pause", "--reason", " ", "--by", "ann"]);
    assert_told("act_blank_reason", &blank);
    let bad = act(&shop, &["resolve", "R-9", "--outcome", "withdrawn"]);
    assert_told("resolve_bad_outcome", &bad);
    let mut nobody = shop.refundd(&["pause", "--reason", "why"]);
    for name in ["SUDO_USER", "LOGNAME", "USER"] {
        nobody.env_remove(name);
    }
    assert_told("act_nobody", &nobody.output().unwrap());
    assert_eq!(audit(&shop), Vec::<Value>::new());
    let mut login = shop.refundd(&["pause", "--reason", "why", "--json"]);
    login.env_remove("SUDO_USER").env("LOGNAME", "carol");
    let done = json_of(&login.output().unwrap());
    assert_eq!((&done["changed"], &done["paused"][0]["by"]), (&json!(true), &json!("carol")));
}

/// Runs a command on a terminal of its own, and types `text`.
fn typed(shop: &Shop, args: &[&str], text: &str) -> Output {
    let program = "import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut command = Command::new("python3");
    command.args(["-c", program, env!("CARGO_BIN_EXE_refundd"), "--config"]).arg(shop.config());
    command.args(args).env("NO_COLOR", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 is needed by the tests");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_the_refund_number_is_typed_to_agree() {
    let shop = shop(vec![Rule::new(On::Queries, Fault::WrongAmount)]).await;
    shop.push(&request("R-1", "shop-hk"));
    shop.results(1).await;
    let args = ["resolve", "R-1", "--outcome", "succeeded", "--reason", "seen", "--by", "ann"];
    let other = typed(&shop, &args, "yes\n");
    assert_eq!(other.status.code(), Some(4), "{other:?}");
    assert_eq!(audit(&shop).len(), 0);
    let agreed = typed(&shop, &args, "R-1\n");
    assert_eq!(agreed.status.code(), Some(0), "{agreed:?}");
    let told = String::from_utf8_lossy(&agreed.stdout).into_owned();
    assert!(told.contains("Type the refund number to go on: "), "{told}");
    assert_eq!(of(&shop.results(2).await, "R-1").outcome, OutcomeV1::Succeeded);
}
