//! Faults of the matrix in `docs/guarantees.md` that only the whole program can show, one test each.
//!
//! The tests run on several threads because they wait for processes that call the sandbox in this
//! one.

use refundd::contract::result::OutcomeV1;
use refundd::sandbox::{Fault, On, Rule};
use serde_json::Value;

use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

/// Refunds that are under way when Redis changes its mind.
const REFUNDS: usize = 6;

/// `refundd show NO --json`, `None` while it is not stored.
fn shown(shop: &Shop, no: &str) -> Option<Value> {
    serde_json::from_slice(&shop.call(&["show", no, "--json"]).stdout).ok()
}

async fn logged(shop: &Shop, worker: usize, words: &str) {
    wait_until(words, async || shop.log(worker).contains(words).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_answer_is_not_used_and_told_as_a_matter_of_security() {
    let mut settings = gateway();
    settings.processing_polls = 0;
    settings.faults.rules = vec![
        Rule::new(On::Submits, Fault::BadSignature).times(1),
        Rule::new(On::Queries, Fault::BadSignature).times(2), // both say SUCCESS
    ];
    let mut shop = Shop::open(settings).await;
    let worker = shop.run();
    shop.push(&request("F1", "shop-hk"));
    let result = shop.results(1).await.remove(0);
    assert_eq!((result.outcome, result.attempts), (OutcomeV1::Succeeded, 1));
    assert!(result.polls >= 3, "the two forged answers settle nothing, {} polls", result.polls);
    assert_eq!(shop.book().effects("F1"), 1);
    logged(&shop, worker, "security: answer not used").await;
    let alarms = shop.log(worker).matches("security: answer not used").count();
    assert_eq!(alarms, 3, "one for the submit, two for the queries");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_that_is_too_low_is_waited_for_and_told() {
    let mut settings = gateway();
    settings.faults.rules =
        vec![Rule::new(On::Submits, Fault::Refuse { code: "NOTENOUGH".into() })];
    let mut shop = Shop::open(settings).await;
    let worker = shop.run();
    shop.push(&request("B1", "shop-hk"));
    logged(&shop, worker, "is the balance too low?").await;
    let stored = wait_until("the refund to wait", async || {
        shown(&shop, "B1").filter(|view| view["state"] == "requested" && view["leased"] == false)
    })
    .await;
    assert_eq!(stored["attempts"], 0, "nothing was executed: {stored}");
    assert!(shop.results_now().is_empty(), "it has not failed");
    assert_eq!(shop.book().effects("B1"), 0);
}

/// A worker whose gateway holds back the answers to its first submits, all of them sent.
async fn waiting_for_answers() -> (Shop, usize) {
    let mut settings = gateway();
    settings.faults.rules = vec![Rule::new(On::Submits, Fault::AnswerLate { ms: 400 })];
    let mut shop = Shop::open(settings).await;
    // However slow the machine is, nobody else takes them over meanwhile.
    shop.configure(|toml| toml.replace("lease_ms = 3000\n", "lease_ms = 20000\n"));
    let worker = shop.run();
    for i in 0..REFUNDS {
        shop.push(&request(&format!("M{i}"), ["shop-ca", "shop-hk"][i % 2]));
    }
    wait_until("every submit", async || {
        let submits = shop.sandbox.sandbox().totals().submits;
        (usize::try_from(submits) == Ok(REFUNDS)).then_some(())
    })
    .await;
    (shop, worker)
}

/// Whether each of these refunds was paid, sent once, and its answer not lost.
fn assert_no_answer_was_lost(shop: &Shop) {
    for i in 0..REFUNDS {
        let no = format!("M{i}");
        let view = shown(shop, &no).unwrap();
        assert_eq!(view["state"], "settled", "{view}");
        assert_eq!(shop.book().refund(&no).unwrap().submits, 1, "{no} was resent");
        let history = view["history"].to_string();
        assert!(history.contains("accepted"), "its answer was kept: {history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_writes_is_waited_for_with_every_answer_in_memory() {
    let (shop, worker) = waiting_for_answers().await;
    let _: String = shop.redis.run("REPLICAOF 127.0.0.1 1"); // it answers READONLY from now on
    logged(&shop, worker, "its answer waits in memory").await;
    let _: String = shop.redis.run("REPLICAOF NO ONE");
    assert_eq!(shop.results(REFUNDS).await.len(), REFUNDS);
    assert_no_answer_was_lost(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full_takes_nothing_in_and_settles_what_is_under_way() {
    let (shop, worker) = waiting_for_answers().await;
    // Once Redis is full nobody can push, so one is pushed that the worker has not seen by then.
    shop.signal(worker, "STOP");
    shop.push(&request("M-last", "shop-ca"));
    let _: String = shop.redis.run("CONFIG SET maxmemory 1");
    shop.signal(worker, "CONT");
    assert_eq!(shop.results(REFUNDS).await.len(), REFUNDS);
    assert_no_answer_was_lost(&shop);
    logged(&shop, worker, "trying again").await;
    assert!(shown(&shop, "M-last").is_none(), "it was taken in");
    let _: String = shop.redis.run("CONFIG SET maxmemory 0");
    let results = shop.results(REFUNDS + 1).await;
    assert!(results.iter().any(|result| result.refund_no == "M-last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_refund_that_is_not_found_for_a_while_is_asked_on() {
    let mut settings = gateway();
    // More often, and over a longer time, than would be believed of a refund that is in doubt.
    settings.faults.rules = vec![Rule::new(On::Queries, Fault::NotFound).times(6)];
    let mut shop = Shop::open(settings).await;
    shop.run();
    for account in ["shop-ca", "shop-hk", "shop-pair"] {
        shop.push(&request(&format!("V-{account}"), account));
    }
    for result in shop.results(3).await {
        assert_eq!((result.outcome, result.attempts), (OutcomeV1::Succeeded, 1), "{result:?}");
        assert!(result.polls > 6, "{result:?}");
        assert_eq!(shop.book().refund(&result.refund_no).unwrap().submits, 1, "never resent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_under_a_number_that_nobody_asked_for_is_told_and_settles_nothing() {
    let mut settings = gateway();
    settings.faults.rules = vec![Rule::new(On::Queries, Fault::StrangerLine)];
    settings.processing_polls = 3;
    let mut shop = Shop::open(settings).await;
    let worker = shop.run();
    shop.push(&request("U1", "shop-hk"));
    let result = shop.results(1).await.remove(0);
    assert_eq!((result.outcome, result.attempts), (OutcomeV1::Succeeded, 1));
    assert!(result.polls > 3, "the stranger's SUCCESS is not ours, {} polls", result.polls);
    assert!(result.statuses.iter().all(|line| line.n == 1), "{:?}", result.statuses);
    logged(&shop, worker, "a refund of this order that nobody asked refundd for").await;
}
