//! Faults of the matrix in `docs/guarantees.md` that only the whole program can show, one test each.
//!
//! The tests run on several threads because they wait for processes that call the sandbox in this
//! one.

use refundd::contract::result::OutcomeV1;
use refundd::sandbox::{Fault, On, Rule};
use serde_json::Value;

use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_writes_is_waited_for_with_every_answer_in_memory() {
    const REFUNDS: usize = 6;
    // Out of memory, and a master that has become a replica.
    let refusals = [
        ("OOM", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("READONLY", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    ];
    for (error, refuse, allow) in refusals {
        let mut settings = gateway();
        // The answers come while nothing can be written.
        let late = Fault::AnswerLate { ms: 400 };
        settings.faults.rules = vec![Rule::new(On::Submits, late)];
        let mut shop = Shop::open(settings).await;
        let worker = shop.run();
        for i in 0..REFUNDS {
            shop.push(&request(&format!("M{i}"), ["shop-ca", "shop-hk"][i % 2]));
        }
        wait_until("every submit", async || {
            let submits = shop.sandbox.sandbox().totals().submits;
            (usize::try_from(submits) == Ok(REFUNDS)).then_some(())
        })
        .await;
        let _: String = shop.redis.run(refuse);
        logged(&shop, worker, "answers wait in memory").await;
        let _: String = shop.redis.run(allow);
        let results = shop.results(REFUNDS).await;
        assert_eq!(results.len(), REFUNDS, "{error}");
        for result in results {
            let no = &result.refund_no;
            assert_eq!((result.outcome, result.attempts), (OutcomeV1::Succeeded, 1), "{error}");
            assert_eq!(shop.book().refund(no).unwrap().submits, 1, "{error}: {no} was resent");
            let history = shown(&shop, no).unwrap()["history"].to_string();
            assert!(history.contains("accepted"), "{error}: its answer was kept: {history}");
        }
    }
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
