//! Claiming: order, bounds, intent, leases that run out, fences.

use refundd::domain::EventKind;
use refundd::domain::state::{Outcome, StateKind};
use refundd::domain::step::ClaimFacts;
use refundd::ports::ledger::{Clearance, Cleared, Committed, PutBack};

use super::{Subject, numbers, on_both_ledgers, seen};
use crate::support::refunds::{
    LEASE_MS, T0, accepted, answer_unknown, ask, at, commit, no, not_sent, processing, settle,
};

on_both_ledgers!(
    the_oldest_due_refunds_are_claimed_first,
    refunds_due_at_one_moment_are_claimed_in_the_order_of_their_numbers,
    no_more_are_claimed_than_wanted,
    nothing_wanted_claims_nothing,
    the_next_due_moment_is_told_when_fewer_than_wanted_are_due,
    nothing_is_claimed_early,
    the_end_of_a_lease_is_the_next_due_moment,
    a_claim_records_the_intent_to_submit,
    a_claimed_refund_is_not_claimed_again_before_its_lease_ends,
    a_lost_submit_comes_back_as_lost_and_counts_crashes,
    a_lost_submit_stays_lost_until_it_is_committed,
    a_lost_query_is_no_lost_intent,
    a_commit_ends_the_count_of_crashes,
    a_submit_put_off_is_a_new_intent_when_it_is_claimed_again,
    a_later_claim_has_a_higher_fence,
    the_holder_of_an_old_fence_is_refused_and_changes_nothing,
    a_released_lease_is_stale_even_with_the_right_fence,
    an_invented_lease_is_refused,
    a_claim_that_nobody_heard_of_is_as_if_it_had_not_been,
    what_was_lost_before_stays_lost_when_a_claim_is_given_back,
);

fn crashes(intent_lost: bool, crashes: u32) -> ClaimFacts {
    ClaimFacts { intent_lost, crashes, lost_at: None }
}

async fn the_oldest_due_refunds_are_claimed_first(on: Subject) {
    let due = |no: &str, ms| ask(no).not_before(at(ms));
    on.admit(&[due("R1", 30), due("R2", 10), due("R3", 20)]).await;
    let claims = on.claim_all(at(100)).await;
    assert_eq!(numbers(&claims), ["R2", "R3", "R1"]);
}

async fn refunds_due_at_one_moment_are_claimed_in_the_order_of_their_numbers(on: Subject) {
    on.admit(&[ask("b"), ask("a"), ask("R10"), ask("R2")]).await;
    assert_eq!(numbers(&on.claim_all(T0).await), ["R10", "R2", "a", "b"]);
}

async fn no_more_are_claimed_than_wanted(on: Subject) {
    on.admit(&[ask("R1"), ask("R2"), ask("R3")]).await;
    let first = on.claims(2, T0).await;
    assert_eq!(numbers(&first.claims), ["R1", "R2"]);
    assert_eq!(first.next_due, None);
    let second = on.claims(2, T0).await;
    assert_eq!(numbers(&second.claims), ["R3"]);
}

async fn nothing_wanted_claims_nothing(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let none = on.claims(0, T0).await;
    assert!(none.claims.is_empty());
    assert_eq!(on.claim_all(T0).await.len(), 1);
}

async fn the_next_due_moment_is_told_when_fewer_than_wanted_are_due(on: Subject) {
    assert_eq!(on.claims(1, T0).await.next_due, None);
    let due = |no: &str, ms| ask(no).not_before(at(ms));
    on.admit(&[due("R1", 0), due("R2", 700), due("R3", 900)]).await;
    let claims = on.claims(2, T0).await;
    assert_eq!(numbers(&claims.claims), ["R1"]);
    assert_eq!(claims.next_due, Some(at(700)));
}

async fn nothing_is_claimed_early(on: Subject) {
    on.admit_one(&ask("R1").not_before(at(1))).await;
    let none = on.claims(1, T0).await;
    assert!(none.claims.is_empty());
    assert_eq!(none.next_due, Some(at(1)));
    assert_eq!(on.claims(1, at(1)).await.claims.len(), 1);
}

async fn the_end_of_a_lease_is_the_next_due_moment(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    assert_eq!(claim.lease.until, at(LEASE_MS));
    assert_eq!(on.claims(1, at(1)).await.next_due, Some(at(LEASE_MS)));
    on.admit_one(&ask("R2")).await;
    let own = on.claims(2, at(5)).await;
    assert_eq!(own.next_due, Some(at(LEASE_MS)));
    let own = on.claims(2, at(LEASE_MS)).await;
    assert_eq!(own.next_due, Some(at(LEASE_MS + 5)), "the lease just given");
}

async fn a_claim_records_the_intent_to_submit(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(at(7)).await;
    assert_eq!(claim.record.state.kind(), StateKind::Submitting);
    assert_eq!(claim.record.tally.attempts, 1);
    assert_eq!(claim.record.tally.submitted_at, Some(at(7)));
    assert_eq!(claim.record.history[0].event, EventKind::SubmitStarted);
    assert_eq!(claim.facts, crashes(false, 0));
    let stored = on.find("R1").await.unwrap();
    assert_eq!(stored.record.state.kind(), StateKind::Submitting);
    assert_eq!(stored.record.tally.attempts, 1);
    assert!(stored.leased);
    assert_eq!(stored.due_at, Some(at(7 + LEASE_MS)));
}

async fn a_claimed_refund_is_not_claimed_again_before_its_lease_ends(on: Subject) {
    on.admit_one(&ask("R1")).await;
    on.claim_one(T0).await;
    assert!(on.claim_all(at(LEASE_MS - 1)).await.is_empty());
    assert_eq!(on.claim_all(at(LEASE_MS)).await.len(), 1);
}

async fn a_lost_submit_comes_back_as_lost_and_counts_crashes(on: Subject) {
    on.admit_one(&ask("R1")).await;
    assert_eq!(on.claim_one(T0).await.facts, crashes(false, 0));
    for lost in 1..4 {
        let claim = on.claim_one(at(u64::from(lost) * LEASE_MS)).await;
        assert_eq!(claim.facts, crashes(true, lost));
        assert_eq!(claim.record.state.kind(), StateKind::Submitting);
        assert_eq!(claim.record.tally.attempts, 1, "one submit, however often lost");
    }
}

async fn a_lost_submit_stays_lost_until_it_is_committed(on: Subject) {
    on.admit_one(&ask("R1")).await;
    on.claim_one(T0).await;
    let now = at(LEASE_MS);
    let claim = on.claim_one(now).await;
    assert!(claim.facts.intent_lost);
    on.store(commit(&claim, &[answer_unknown()], now), now).await;
    assert_eq!(on.state("R1").await, StateKind::Unconfirmed);
    let query = on.claim_one(at(10 * LEASE_MS)).await;
    assert_eq!(query.facts, crashes(false, 0));
}

async fn a_lost_query_is_no_lost_intent(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[accepted()], T0), T0).await;
    let first = on.claim_one(at(LEASE_MS)).await;
    assert_eq!(first.facts, crashes(false, 0));
    let second = on.claim_one(at(2 * LEASE_MS)).await;
    assert_eq!(second.facts, crashes(false, 1));
    assert_eq!(second.record.state.kind(), StateKind::Processing);
    assert_eq!(second.record.tally.attempts, 1);
}

async fn a_commit_ends_the_count_of_crashes(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[accepted()], T0), T0).await;
    on.claim_one(at(LEASE_MS)).await;
    let now = at(2 * LEASE_MS);
    let claim = on.claim_one(now).await;
    assert_eq!(claim.facts.crashes, 1);
    on.store(commit(&claim, &[processing()], now), now).await;
    assert_eq!(on.claim_one(at(9 * LEASE_MS)).await.facts.crashes, 0);
}

async fn a_submit_put_off_is_a_new_intent_when_it_is_claimed_again(on: Subject) {
    on.admit_one(&ask("R1")).await;
    on.claim_one(T0).await;
    let now = at(LEASE_MS);
    let lost = on.claim_one(now).await;
    on.store(commit(&lost, &[not_sent()], now), now).await;
    assert_eq!(on.state("R1").await, StateKind::Requested);
    let again = on.claim_one(at(9 * LEASE_MS)).await;
    assert_eq!(again.facts, crashes(false, 0));
    assert_eq!(again.record.state.kind(), StateKind::Submitting);
    assert_eq!(again.record.tally.attempts, 1);
}

async fn a_later_claim_has_a_higher_fence(on: Subject) {
    on.admit(&[ask("R1"), ask("R2").not_before(at(1))]).await;
    let first = on.claim_one(T0).await;
    let second = on.claim_one(at(1)).await;
    let third = on.claim_one(at(LEASE_MS)).await;
    assert!(first.lease.fence.number < second.lease.fence.number);
    assert!(second.lease.fence.number < third.lease.fence.number);
    assert_ne!(second.lease.fence.word, third.lease.fence.word);
}

async fn the_holder_of_an_old_fence_is_refused_and_changes_nothing(on: Subject) {
    on.admit_one(&ask("R1").of_gateway_order("P1")).await;
    on.admit_one(&ask("R2").of_gateway_order("P1")).await;
    let slow = on.claim_one(T0).await;
    let now = at(LEASE_MS);
    let holder = on.claim_one(now).await;
    let before = seen(on.find("R1").await.as_ref());
    let late = settle(&slow, Outcome::Succeeded, now);
    assert_eq!(on.commit_one(late, now).await, Committed::StaleFence);
    assert_eq!(seen(on.find("R1").await.as_ref()), before);
    assert!(on.find("R2").await.unwrap().waiting);
    assert!(on.results().await.is_empty());
    on.store(settle(&holder, Outcome::Failed, now), now).await;
    assert_eq!(on.results().await[0].2, "failed");
}

async fn a_released_lease_is_stale_even_with_the_right_fence(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[accepted()], T0), T0).await;
    let before = seen(on.find("R1").await.as_ref());
    let again = settle(&claim, Outcome::Succeeded, T0);
    assert_eq!(on.commit_one(again, T0).await, Committed::StaleFence);
    assert_eq!(seen(on.find("R1").await.as_ref()), before);
}

async fn an_invented_lease_is_refused(on: Subject) {
    on.admit(&[ask("R1"), ask("R2").not_before(at(5))]).await;
    let claim = on.claim_one(T0).await;
    let mut of_another = settle(&claim, Outcome::Succeeded, T0);
    of_another.lease.refund_no = no("R2");
    of_another.record.refund.refund_no = no("R2");
    assert_eq!(on.commit_one(of_another, T0).await, Committed::StaleFence);
    let mut of_nobody = settle(&claim, Outcome::Succeeded, T0);
    of_nobody.lease.refund_no = no("R9");
    of_nobody.record.refund.refund_no = no("R9");
    assert_eq!(on.commit_one(of_nobody, T0).await, Committed::StaleFence);
    assert!(on.find("R9").await.is_none());
    assert_eq!(on.state("R2").await, StateKind::Requested);
}

async fn a_claim_that_nobody_heard_of_is_as_if_it_had_not_been(on: Subject) {
    on.admit(&[ask("R1"), ask("R2").of_gateway_order("P2").not_before(at(5))]).await;
    let heard = on.claim_one(T0).await;
    let unheard = on.claim_one(at(5)).await;
    let fence = heard.lease.fence.number;
    assert_eq!(on.ledger().unclaim(fence, at(6)).await.unwrap(), 1);
    assert_eq!(on.ledger().unclaim(fence, at(6)).await.unwrap(), 0, "nothing further");
    assert_eq!(on.state("R1").await, StateKind::Submitting, "what was heard of is kept");
    let stored = on.find("R2").await.unwrap();
    assert_eq!((stored.record.state.kind(), stored.leased), (StateKind::Requested, false));
    assert_eq!(
        on.commit_one(settle(&unheard, Outcome::Failed, at(7)), at(7)).await,
        Committed::StaleFence
    );
    let again = on.claim_one(at(7)).await;
    assert_eq!((again.facts, again.record.tally.attempts), (crashes(false, 0), 1));
}

async fn what_was_lost_before_stays_lost_when_a_claim_is_given_back(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let first = on.claim_one(T0).await;
    on.claim_one(at(LEASE_MS)).await; // finds the first one lost; its answer is lost, too
    for given_back in [1, 0] {
        let unclaim = on.ledger().unclaim(first.lease.fence.number, at(LEASE_MS + 1));
        assert_eq!(unclaim.await.unwrap(), given_back);
    }
    let claim = on.claim_one(at(LEASE_MS + 1)).await;
    assert_eq!(claim.facts, crashes(true, 1), "the intent of the first may have been acted on");
}

#[tokio::test]
async fn a_lease_of_an_earlier_run_is_stale_in_memory_too() {
    // Of Redis: `scripts::losses`, where a run can end.
    let on = Subject::memory();
    let Subject::Memory(ledger) = &on else { panic!("it is in memory") };
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    ledger.lose_writes_since(ledger.backup(), at(1));
    let before = seen(on.find("R1").await.as_ref());
    let late = settle(&claim, Outcome::Failed, at(2));
    assert_eq!(on.commit_one(late, at(2)).await, Committed::StaleFence);
    let refund = &claim.record.refund;
    let order = (claim.record.order_scope.clone(), refund.order.clone());
    let (lease, account) = (claim.lease.clone(), refund.account.clone());
    let asked = Clearance { lease, account, order, daily: None };
    assert_eq!(on.ledger().clear(&[asked], at(2)).await.unwrap(), [Cleared::Lost]);
    let back = PutBack { lease: claim.lease, due_at: at(2) };
    on.ledger().put_back(&[back], at(2)).await.unwrap();
    assert_eq!(seen(on.find("R1").await.as_ref()), before);
    assert!(on.results().await.is_empty());
    let claim = on.claim_one(at(LEASE_MS)).await;
    assert!(claim.facts.intent_lost);
    on.store(commit(&claim, &[answer_unknown()], at(LEASE_MS)), at(LEASE_MS)).await;
}

#[tokio::test]
async fn the_end_of_a_run_is_no_crash_of_a_refund_in_memory_either() {
    // Of Redis: `scripts::losses`.
    let on = Subject::memory();
    let Subject::Memory(ledger) = &on else { panic!("it is in memory") };
    on.admit(&[ask("R1"), ask("R2").of_gateway_order("P2")]).await;
    let second = on.claim_all(T0).await.remove(1);
    on.store(commit(&second, &[accepted()], T0), T0).await;
    for run in 1..=4 {
        ledger.lose_writes_since(ledger.backup(), at(run * LEASE_MS));
        let claims = on.claim_all(at(run * LEASE_MS)).await;
        let of = |name| claims.iter().find(|one| one.lease.refund_no == no(name)).unwrap().facts;
        let told = [of("R1"), of("R2")].map(|facts| (facts.intent_lost, facts.crashes));
        assert_eq!(told, [(true, 0), (false, 0)], "{run}");
        let backs = claims.into_iter().map(|one| PutBack { lease: one.lease, due_at: at(run) });
        on.ledger().put_back(&backs.collect::<Vec<_>>(), at(run * LEASE_MS)).await.unwrap();
    }
}
