//! Committing: each refund stands by itself, a repeat is harmless, results come with the state.

use refundd::domain::state::{Outcome, StateKind};
use refundd::domain::step::Plan;
use refundd::ports::ledger::Committed::{StaleFence, Stored};

use super::{Subject, by_number, on_both_ledgers, seen};
use crate::support::refunds::{
    LEASE_MS, T0, accepted, ask, at, commit, no, parked, processing, refused, settle,
};

on_both_ledgers!(
    what_was_committed_is_found_again,
    a_refund_that_ended_is_never_due_again,
    the_result_comes_with_the_final_state,
    a_refund_under_way_publishes_nothing,
    a_parked_refund_publishes_and_settles_later_with_a_second_result,
    a_repeated_commit_is_stale_and_publishes_nothing_twice,
    a_stale_item_does_not_hinder_the_others_of_its_batch,
    of_two_commits_of_one_refund_in_a_batch_the_first_is_stored,
    ends_of_one_batch_release_what_waits_behind_each,
    a_nudged_poll_is_due_now,
    a_nudge_leaves_alone_what_is_not_waiting_for_a_query,
    a_nudge_leaves_alone_a_query_that_a_worker_holds,
    a_nudge_never_makes_a_refund_later,
);

async fn what_was_committed_is_found_again(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    let done = commit(&claim, &[refused()], at(3));
    let Plan::Due(due) = done.plan else {
        panic!("a refused refund is asked about");
    };
    on.store(done.clone(), at(3)).await;
    let stored = on.find("R1").await.unwrap();
    assert_eq!(stored.record, done.record);
    assert_eq!(stored.due_at, Some(due));
    assert!(!stored.leased && !stored.waiting);
}

async fn a_refund_that_ended_is_never_due_again(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    let stored = on.find("R1").await.unwrap();
    assert_eq!(stored.due_at, None);
    assert!(!stored.leased && !stored.waiting);
    let claims = on.claims(10, at(999_999_999)).await;
    assert!(claims.claims.is_empty());
    assert_eq!(claims.next_due, None);
}

async fn the_result_comes_with_the_final_state(on: Subject) {
    on.admit(&[ask("R1"), ask("R2")]).await;
    let mut claims = by_number(on.claim_all(T0).await);
    let one = settle(&claims.remove("R1").unwrap(), Outcome::Succeeded, T0);
    let two = settle(&claims.remove("R2").unwrap(), Outcome::Failed, T0);
    on.ledger().commit(&[one, two], T0).await.unwrap();
    let told: Vec<_> = on.results().await;
    let told: Vec<_> =
        told.iter().map(|(event, no, outcome, json)| [event.as_str(), no, outcome, json]).collect();
    let expected = [
        ["R1:1", "R1", "succeeded", "{\"refund_no\":\"R1\"}"],
        ["R2:1", "R2", "failed", "{\"refund_no\":\"R2\"}"],
    ];
    assert_eq!(told, expected);
    assert_eq!(on.state("R1").await, StateKind::Settled);
}

async fn a_refund_under_way_publishes_nothing(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[accepted()], T0), T0).await;
    let claim = on.claim_one(at(LEASE_MS)).await;
    on.store(commit(&claim, &[processing()], at(LEASE_MS)), at(LEASE_MS)).await;
    assert!(on.results().await.is_empty());
}

async fn a_parked_refund_publishes_and_settles_later_with_a_second_result(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[parked(T0)], T0), T0).await;
    let later = at(90_000_000);
    let claim = on.claim_one(later).await;
    on.store(settle(&claim, Outcome::Failed, later), later).await;
    let told = on.results().await;
    let events: Vec<_> = told.iter().map(|told| (&*told.0, &*told.2)).collect();
    assert_eq!(events, [("R1:1", "parked"), ("R1:2", "failed")]);
}

async fn a_repeated_commit_is_stale_and_publishes_nothing_twice(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(50).paid(100);
    on.admit(&[order("R1"), order("R2")]).await;
    let done = settle(&on.claim_one(T0).await, Outcome::Failed, T0);
    on.store(done.clone(), T0).await;
    let before = seen(on.find("R1").await.as_ref()) + &seen(on.find("R2").await.as_ref());
    assert_eq!(on.commit_one(done, T0).await, StaleFence);
    let after = seen(on.find("R1").await.as_ref()) + &seen(on.find("R2").await.as_ref());
    assert_eq!(after, before);
    assert_eq!(on.results().await.len(), 1);
    // Freed once: 50 of 100 are held by R2, so 51 do not fit.
    let over = on.admit_one(&order("R3").cents(51)).await;
    assert!(format!("{over:?}").contains("held_cents: 50"), "{over:?}");
}

async fn a_stale_item_does_not_hinder_the_others_of_its_batch(on: Subject) {
    on.admit(&[ask("R1"), ask("R2"), ask("R3")]).await;
    let mut claims = by_number(on.claim_all(T0).await);
    let mut done = |no: &str| settle(&claims.remove(no).unwrap(), Outcome::Succeeded, T0);
    let (one, mut two, three) = (done("R1"), done("R2"), done("R3"));
    two.lease.fence.number += 1;
    let answers = on.ledger().commit(&[one, two, three], T0).await.unwrap();
    assert_eq!(answers, [Stored, StaleFence, Stored]);
    assert_eq!(on.state("R1").await, StateKind::Settled);
    assert_eq!(on.state("R2").await, StateKind::Submitting);
    assert_eq!(on.state("R3").await, StateKind::Settled);
    assert_eq!(on.results().await.len(), 2);
}

async fn of_two_commits_of_one_refund_in_a_batch_the_first_is_stored(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    let first = settle(&claim, Outcome::Failed, T0);
    let second = settle(&claim, Outcome::Succeeded, T0);
    let batch = [first.clone(), second];
    let answers = on.ledger().commit(&batch, T0).await.unwrap();
    assert_eq!(answers, [Stored, StaleFence]);
    assert_eq!(on.find("R1").await.unwrap().record, first.record);
    assert_eq!(on.results().await.len(), 1);
}

async fn ends_of_one_batch_release_what_waits_behind_each(on: Subject) {
    let of = |no: &str, order| ask(no).of_gateway_order(order);
    let asked = [of("R1", "P1"), of("R2", "P2"), of("R3", "P1"), of("R4", "P2")];
    on.admit(&asked).await;
    let claims = on.claim_all(T0).await;
    let done: Vec<_> = claims.iter().map(|claim| settle(claim, Outcome::Succeeded, T0)).collect();
    assert_eq!(on.ledger().commit(&done, T0).await.unwrap(), [Stored, Stored]);
    for released in ["R3", "R4"] {
        let stored = on.find(released).await.unwrap();
        assert_eq!(stored.due_at, Some(at(60_000)), "{released}");
    }
}

async fn a_nudged_poll_is_due_now(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[accepted()], T0), T0).await;
    on.ledger().nudge(&[no("R1")], at(1)).await.unwrap();
    assert_eq!(on.find("R1").await.unwrap().due_at, Some(at(1)));
    let claim = on.claim_one(at(1)).await;
    on.store(commit(&claim, &[parked(at(1))], at(1)), at(1)).await;
    on.ledger().nudge(&[no("R1")], at(2)).await.unwrap();
    assert_eq!(on.claim_all(at(2)).await.len(), 1, "parked ones too");
}

async fn a_nudge_leaves_alone_what_is_not_waiting_for_a_query(on: Subject) {
    let of = |no: &str| ask(no).of_gateway_order("P1");
    let later = ask("R3").not_before(at(500_000));
    on.admit(&[of("R1"), of("R2"), later]).await;
    on.claim_one(T0).await;
    let numbers = ["R1", "R2", "R3", "R5"].map(no);
    let mut before = String::new();
    for number in &numbers {
        before += &seen(on.find(number.as_str()).await.as_ref());
    }
    on.ledger().nudge(&numbers, at(1)).await.unwrap();
    let mut after = String::new();
    for number in &numbers {
        after += &seen(on.find(number.as_str()).await.as_ref());
    }
    assert_eq!(after, before, "leased, waiting, unsent, unknown");
}

async fn a_nudge_leaves_alone_a_query_that_a_worker_holds(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[accepted()], T0), T0).await;
    on.claim_one(at(LEASE_MS)).await;
    on.ledger().nudge(&[no("R1")], at(LEASE_MS + 1)).await.unwrap();
    assert!(on.claim_all(at(LEASE_MS + 1)).await.is_empty());
    let until = on.find("R1").await.unwrap().due_at;
    assert_eq!(until, Some(at(2 * LEASE_MS)));
}

async fn a_nudge_never_makes_a_refund_later(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[accepted()], T0), T0).await;
    let due = on.find("R1").await.unwrap().due_at;
    on.ledger().nudge(&[no("R1")], at(LEASE_MS)).await.unwrap();
    assert_eq!(on.find("R1").await.unwrap().due_at, due);
}
