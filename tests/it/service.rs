//! `refundd run` as a real process: what an order system relies on.
//!
//! The tests run on several threads because they wait for processes that call the sandbox in this
//! one.

use std::collections::BTreeSet;

use refundd::contract::ResultV1;
use refundd::contract::result::OutcomeV1;
use refundd::sandbox::{Fault, FaultPlan, On, Rule};

use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

const ACCOUNTS: [&str; 3] = ["shop-ca", "shop-hk", "shop-pair"];

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_in_and_its_settled_result_comes_out_for_every_account() {
    let mut shop = Shop::open(gateway()).await;
    shop.run();
    for account in ACCOUNTS {
        shop.push(&request(&format!("R-{account}"), account));
    }
    let results = shop.results(3).await;
    for account in ACCOUNTS {
        let no = format!("R-{account}");
        let result = results.iter().find(|result| result.refund_no == no).unwrap();
        assert_eq!(result.outcome, OutcomeV1::Succeeded);
        assert_eq!(
            (result.attempts, result.event_id.as_str()),
            (1, format!("{no}.1.succeeded").as_str())
        );
        assert_eq!(shop.book().effects(&no), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_came_is_asked_for_and_paid_once() {
    let mut settings = gateway();
    let late = Fault::AnswerLate { ms: 5_000 }; // the accounts wait for 600 ms
    settings.faults.rules = vec![Rule::new(On::Submits, late).times(1)];
    let mut shop = Shop::open(settings).await;
    shop.run();
    for account in ACCOUNTS {
        shop.push(&request(&format!("L-{account}"), account));
    }
    for result in shop.results(3).await {
        assert_eq!((result.outcome, result.attempts), (OutcomeV1::Succeeded, 1));
        assert_eq!(shop.book().refund(&result.refund_no).unwrap().submits, 1, "never resent");
        assert_eq!(shop.book().effects(&result.refund_no), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_that_the_gateway_never_saw_is_sent_again_under_its_number() {
    let mut settings = gateway();
    settings.faults.rules = vec![Rule::new(On::Submits, Fault::ResetBefore).times(1)];
    let mut shop = Shop::open(settings).await;
    shop.run();
    for account in ACCOUNTS {
        shop.push(&request(&format!("N-{account}"), account));
    }
    for result in shop.results(3).await {
        assert_eq!((result.outcome, result.attempts), (OutcomeV1::Succeeded, 2));
        assert!(result.polls >= 3, "three absences first, {} polls", result.polls);
        assert_eq!(shop.book().effects(&result.refund_no), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_in_every_state_lose_nothing_and_pay_once() {
    let mut settings = gateway();
    settings.settle_after_ms = 400;
    settings.faults = FaultPlan { seed: 7, rules: one_submit_in_three_goes_wrong() };
    let mut shop = Shop::open(settings).await;
    shop.configure(|toml| toml.replace("resubmits_max = 2", "resubmits_max = 10"));
    let refunds = 240;
    for i in 0..refunds {
        shop.push(&request(&format!("K{i}"), ACCOUNTS[i % 3]));
    }
    // Each worker is killed as soon as some more refunds have settled, in whatever states the
    // others are then; the last one finishes.
    for settled in [1, 40, 90, 140] {
        let worker = shop.run();
        shop.results(settled).await;
        shop.kill(worker);
    }
    shop.run();
    let results = shop.results(refunds).await;
    agree(&shop, &results, refunds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_frozen_beyond_its_leases_changes_nothing_when_it_wakes() {
    let mut settings = gateway();
    settings.settle_after_ms = 300;
    settings.faults = FaultPlan { seed: 11, rules: one_submit_in_three_goes_wrong() };
    let mut shop = Shop::open(settings).await;
    shop.configure(|toml| toml.replace("resubmits_max = 2", "resubmits_max = 10"));
    let frozen = shop.run();
    let refunds = 120;
    for i in 0..refunds {
        shop.push(&request(&format!("Z{i}"), ACCOUNTS[i % 3]));
    }
    shop.results(5).await;
    shop.signal(frozen, "STOP");
    shop.run(); // takes over once the leases of 3 s have run out
    let results = shop.results(refunds).await;
    shop.signal(frozen, "CONT");
    shop.push(&request("Z-last", "shop-ca"));
    shop.results(refunds + 1).await;
    assert!(shop.terminate(frozen).success());
    agree(&shop, &results, refunds);
    assert_eq!(shop.results_now().len(), refunds + 1, "the woken worker published nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_redis_loses_nothing_and_needs_nobody() {
    let mut settings = gateway();
    settings.settle_after_ms = 300;
    let mut shop = Shop::open(settings).await;
    shop.run();
    let refunds = 120;
    for i in 0..refunds {
        shop.push(&request(&format!("D{i}"), ACCOUNTS[i % 3]));
    }
    for settled in [10, 60] {
        shop.results(settled).await;
        shop.redis.kill();
        shop.redis.restart();
    }
    let results = shop.results(refunds).await;
    agree(&shop, &results, refunds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_answer_under_way_and_stores_it() {
    let mut settings = gateway();
    settings.faults.rules = vec![Rule::new(On::Submits, Fault::AnswerLate { ms: 300 })];
    let mut shop = Shop::open(settings).await;
    let worker = shop.run();
    shop.push(&request("S1", "shop-ca"));
    wait_until("the submit", async || shop.book().refund("S1").map(|_| ())).await;
    assert!(shop.terminate(worker).success());
    let shown = String::from_utf8(shop.call(&["show", "S1", "--json"]).stdout).unwrap();
    let view: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (view["state"].as_str(), view["leased"].as_bool()),
        (Some("processing"), Some(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_away_is_waited_for_without_counting_attempts() {
    let mut shop = Shop::open(gateway()).await;
    let (gateway, addr) = (shop.sandbox.sandbox().clone(), shop.sandbox.addr);
    let away = std::mem::replace(
        &mut shop.sandbox,
        gateway.listen("127.0.0.1:0".parse().unwrap()).await.unwrap(),
    );
    away.kill().await;
    shop.run();
    shop.push(&request("A1", "shop-hk"));
    wait_until("two refused connects", async || {
        let shown = shop.call(&["show", "A1", "--json"]).stdout;
        let view: serde_json::Value = serde_json::from_slice(&shown).ok()?;
        let line = view["history"].as_array()?.iter().find(|line| line["event"] == "not_sent")?;
        (line["times"].as_u64()? >= 1).then_some(())
    })
    .await;
    let _back = gateway.listen(addr).await.unwrap();
    let result = shop.results(1).await.remove(0);
    assert_eq!((result.outcome, result.attempts), (OutcomeV1::Succeeded, 1));
    assert_eq!(shop.book().effects("A1"), 1);
}

/// Answers that leave the outcome open, and submits that never arrive. Whoever is that unlucky several
/// times, and is killed in between, needs more resubmits than usual; else it is parked.
fn one_submit_in_three_goes_wrong() -> Vec<Rule> {
    let faults = [
        Fault::ResetAfter,
        Fault::ResetBefore,
        Fault::Http { status: 502, processed: true },
        Fault::Truncated,
        Fault::BadSignature,
    ];
    let rule = |fault| {
        let mut rule = Rule::new(On::Submits, fault);
        rule.per_mille = 80;
        rule
    };
    faults.into_iter().map(rule).collect()
}

/// Every request has exactly one result, and the gateway's own book says the same.
fn agree(shop: &Shop, results: &[ResultV1], refunds: usize) {
    let book = shop.book();
    assert_eq!(book.violations, []);
    let numbers: BTreeSet<&str> = results.iter().map(|result| result.refund_no.as_str()).collect();
    assert_eq!((results.len(), numbers.len()), (refunds, refunds), "one result each");
    for result in results {
        assert_eq!(result.outcome, OutcomeV1::Succeeded, "{result:?}");
        assert_eq!(book.effects(&result.refund_no), 1, "{}", result.refund_no);
    }
}
