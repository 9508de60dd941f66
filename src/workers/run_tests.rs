//! The workers as a whole, on apalis, in virtual time: tokio's clock is paused and moves by itself
//! whenever everybody waits.

use std::sync::atomic::Ordering;

use super::house::{Flaky, House};
use super::script::Script;
use super::*;
use crate::domain::RefundNo;
use crate::domain::policy::CallLimits;
use crate::domain::state::StateKind;
use crate::ports::Acceptance;
use crate::ports::ledger::Stored;

const ACCEPTED: Acceptance = Acceptance { gateway_refund_no: None };

#[tokio::test(start_paused = true)]
async fn a_refund_goes_through_the_whole_runtime() {
    let house = House::open(|gateway, _| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("PROCESSING", 500);
        gateway.query_answers("SUCCESS", 500);
    })
    .await;
    house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query", "query"]);
    assert_eq!(house.ledger.inner.results().len(), 1);
    assert_eq!(house.ledger.clears.load(Ordering::SeqCst), 0, "its claim has cleared it");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_nobody_else_and_three_queries_that_panic_set_the_refund_aside() {
    // A script without answers panics. After the submit that did, only queries follow.
    let house = House::open(|_, _| {}).await;
    let stored = house.reach(StateKind::Parked).await;
    assert_eq!(house.gateway.called(), ["submit", "query", "query", "query"]);
    assert_eq!(stored.record.tally.attempts, 1);
    assert_eq!(house.ledger.inner.results()[0].outcome, "parked");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_in_memory_until_the_ledger_is_back() {
    let house = House::open(|gateway, ledger| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("SUCCESS", 500);
        ledger.commits_to_fail.store(15, Ordering::SeqCst);
        ledger.claims_to_fail.store(15, Ordering::SeqCst);
    })
    .await;
    let stored = house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query"], "nothing was asked twice");
    assert_eq!((stored.record.tally.attempts, stored.record.tally.polls), (1, 1));
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_at_once() {
    let house = House::open(|gateway, _| gateway.submit_answers(Ok(ACCEPTED))).await;
    house.reach(StateKind::Processing).await;
    let before = tokio::time::Instant::now();
    house.close().await;
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_is_lost_is_given_back_and_costs_nobody_a_question() {
    let house = House::open(|gateway, ledger| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("SUCCESS", 500);
        ledger.claims_to_lose.store(2, Ordering::SeqCst);
    })
    .await;
    let stored = house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query"]);
    assert_eq!(stored.record.tally.attempts, 1);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_the_ledger_does_not_clear_it() {
    let house = House::open(|gateway, ledger| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("SUCCESS", 500);
        ledger.claims_clear_nothing.store(true, Ordering::SeqCst);
        ledger.clears_to_fail.store(3, Ordering::SeqCst);
    })
    .await;
    let stored = house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query"]);
    assert_eq!(house.ledger.clears.load(Ordering::SeqCst), 4, "asked until it cleared");
    assert_eq!(stored.record.tally.attempts, 1);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn refunds_that_are_ready_together_are_cleared_in_fewer_calls_and_keep_to_the_rate() {
    let limits = CallLimits { submit_every_ms: Some(20), ..CallLimits::default() };
    for (limits, clears, within) in [(CallLimits::default(), 1..=2, 1), (limits, 4..=4, 80)] {
        let before = tokio::time::Instant::now();
        let house = House::open_with(
            |gateway, ledger| {
                ledger.claims_clear_nothing.store(true, Ordering::SeqCst);
                (0..4).for_each(|_| gateway.submit_answers(Ok(ACCEPTED)));
            },
            &["R1", "R2", "R3", "R4"],
            limits,
        )
        .await;
        while house.gateway.called().len() < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = before.elapsed();
        assert!(clears.contains(&house.ledger.clears.load(Ordering::SeqCst)), "{limits:?}");
        assert!(took >= Duration::from_millis(within - 1).min(Duration::from_millis(60)));
        assert!(took <= Duration::from_millis(within + 10), "{took:?}");
        house.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_limited_account_with_a_backlog_does_not_hold_up_another() {
    for limits in [
        CallLimits { submit_every_ms: Some(10_000), ..CallLimits::default() },
        CallLimits { submit_every_ms: Some(40), ..CallLimits::default() },
    ] {
        let mut nos: Vec<String> = (0..200).map(|n| format!("R{n:03}")).collect();
        nos.push("Q1".to_owned());
        let nos: Vec<&str> = nos.iter().map(String::as_str).collect();
        let scripted = |gateway: &Script, _: &Flaky| {
            (0..201).for_each(|_| gateway.submit_answers(Ok(ACCEPTED)));
            (0..201).for_each(|_| gateway.query_fails(super::script::timeout()));
        };
        let house = House::open_with(scripted, &nos, limits).await;
        let before = tokio::time::Instant::now();
        let no = RefundNo::parse("Q1").unwrap();
        let sent = |stored: Stored| stored.record.state.kind() == StateKind::Processing;
        while !house.ledger.find(&no).await.unwrap().is_some_and(sent) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
        house.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn wake_ups_in_a_row_are_one_claim_a_millisecond_and_none_is_lost() {
    let house = House::open_with(|_, _| {}, &[], CallLimits::default()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let claims = || house.ledger.claims.load(Ordering::SeqCst);
    let before = claims();
    for _ in 0..1_000 {
        house.parts.wake.notify_one();
        tokio::task::yield_now().await;
    }
    assert_eq!(claims(), before + 1, "the first claims at once, the others gather");
    tokio::time::sleep(Duration::from_millis(5)).await;
    // One when it may, and one for what has come while that one waited.
    assert_eq!(claims(), before + 3);
    house.close().await;
}
