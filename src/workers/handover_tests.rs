//! A slot ends with the hand-over: claims go on while commits are on their way, within a bound, and
//! whatever was handed over is stored. In virtual time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::house::{Flaky, House};
use super::script::{Script, timeout};
use crate::domain::RefundNo;
use crate::domain::policy::CallLimits;
use crate::domain::state::StateKind;
use crate::ports::{Acceptance, Ledger};

const ACCEPTED: Acceptance = Acceptance { gateway_refund_no: None };

/// Calls at once of a [`House`], refunds that it holds at most, and writes that its channel takes.
const SLOTS: usize = 4;
const HELD: usize = SLOTS + SLOTS / 4;
const ROOM: usize = 2 * SLOTS;

fn nos(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("R{n:02}")).collect()
}

async fn open(count: usize, prepare: impl FnOnce(&Flaky)) -> House {
    let scripted = |gateway: &Script, ledger: &Flaky| {
        (0..40).for_each(|_| gateway.submit_answers(Ok(ACCEPTED)));
        (0..900).for_each(|_| gateway.query_fails(timeout()));
        prepare(ledger);
    };
    let nos = nos(count);
    let nos: Vec<&str> = nos.iter().map(String::as_str).collect();
    House::open_with(scripted, &nos, CallLimits::default()).await
}

/// How many refunds are stored as accepted.
async fn accepted(house: &House) -> usize {
    let mut count = 0;
    for no in nos(40) {
        let no = RefundNo::parse(&no).unwrap();
        let Some(stored) = house.ledger.find(&no).await.unwrap() else { break };
        let is = stored.record.state.kind() == StateKind::Processing && !stored.leased;
        count += usize::from(is);
    }
    count
}

/// Waits until all are stored as accepted.
async fn all_accepted(house: &House, count: usize) {
    for _ in 0..1_000 {
        if accepted(house).await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} of {count} within 5 s", accepted(house).await);
}

fn submits(house: &House) -> usize {
    house.gateway.called().iter().filter(|call| **call == "submit").count()
}

#[tokio::test(start_paused = true)]
async fn claims_go_on_while_commits_are_on_their_way_until_the_channel_is_full() {
    let house = open(40, |_| {}).await;
    let gate = house.ledger.commits_gate.write().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sent = house.gateway.called().len();
    assert!(sent > SLOTS, "{sent}: no slot waits for a commit");
    // One batch is with the ledger, which was at most what the slots have handed over by then.
    assert!(sent <= HELD + ROOM + HELD, "{sent}: who hands over waits for room, with its slot");
    assert!(sent >= ROOM + SLOTS, "{sent}");
    assert_eq!(accepted(&house).await, 0, "and nothing is stored yet");
    drop(gate);
    all_accepted(&house, 40).await;
    assert_eq!(submits(&house), 40);
    let calls = house.ledger.commits.load(Ordering::SeqCst);
    assert!(calls <= 20, "{calls} calls: what has gathered goes in one");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_before_a_stop_is_stored_before_the_workers_end() {
    let house = open(40, |_| {}).await;
    let gate = house.ledger.commits_gate.write().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    house.stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!house.running.is_finished(), "it waits for the ledger");
    drop(gate);
    let House { ledger, gateway, running, .. } = house;
    running.await.unwrap();
    let sent = gateway.called().len();
    let mut kept = 0;
    for no in nos(40) {
        let stored = ledger.find(&RefundNo::parse(&no).unwrap()).await.unwrap().unwrap();
        assert!(!stored.leased, "{no} is left to its lease");
        kept += usize::from(stored.record.state.kind() == StateKind::Processing);
    }
    assert!(sent > SLOTS);
    assert_eq!(kept, sent, "every answer");
}

#[tokio::test(start_paused = true)]
async fn what_was_next_when_a_stop_came_goes_back_untouched_and_begins_no_call() {
    let slow = |gateway: &Script, _: &Flaky| {
        (0..SLOTS).for_each(|_| gateway.submit_answers(Ok(ACCEPTED)));
        gateway.submits_take(1_000);
    };
    let nos = nos(8);
    let nos: Vec<&str> = nos.iter().map(String::as_str).collect();
    let house = House::open_with(slow, &nos, CallLimits::default()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(submits(&house), SLOTS, "all hands are busy");
    let mut leased = 0;
    for no in &nos {
        let stored = house.ledger.find(&RefundNo::parse(no).unwrap()).await.unwrap().unwrap();
        leased += usize::from(stored.leased);
    }
    assert_eq!(leased, HELD, "and one refund is next");
    house.stop.send(true).unwrap();
    let House { ledger, gateway, running, .. } = house;
    running.await.unwrap();
    assert_eq!(gateway.called().len(), SLOTS);
    for no in &nos {
        let stored = ledger.find(&RefundNo::parse(no).unwrap()).await.unwrap().unwrap();
        assert!(!stored.leased, "{no} is left to its lease");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_before_every_answer_that_waited_for_the_ledger_is_stored() {
    // Away for longer than a lease lasts: a claim in between would make answers stale.
    // As many as are under way at once, so that a claim could only take over one of them.
    let house = open(ROOM + SLOTS, |ledger| {
        ledger.commits_to_fail.store(40, Ordering::SeqCst);
        ledger.commits_take_ms.store(100, Ordering::SeqCst);
    })
    .await;
    let gate = house.ledger.commits_gate.write().await;
    tokio::time::sleep(Duration::from_millis(500)).await; // the channel is full
    drop(gate);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(house.ledger.commits_to_fail.load(Ordering::SeqCst) > 0);
    assert!(!house.gateway.called().contains(&"query"));
    while house.ledger.commits_to_fail.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    all_accepted(&house, ROOM + SLOTS).await;
    assert_eq!(submits(&house), ROOM + SLOTS);
    assert_eq!(house.ledger.stale.load(Ordering::SeqCst), 0, "no answer came too late");
    house.close().await;
}
