//! What stands between a claim and the bytes of its submit: leases that go back, switches, limits.

use refundd::domain::state::{Outcome, StateKind};
use refundd::ports::ledger::{Claim, Clearance, Cleared, Committed, Daily, PutBack};

use super::{Subject, by_number, on_both_ledgers, seen};
use crate::support::refunds::{LEASE_MS, T0, accepted, ask, at, commit, no, parked, pause, settle};

on_both_ledgers!(
    what_is_put_back_is_as_if_it_had_never_been_claimed,
    what_is_put_back_after_a_crash_keeps_the_crash_and_the_lost_intent,
    a_lease_that_is_no_longer_held_is_not_put_back,
    a_settled_refund_that_is_put_back_is_still_asked_about,
    a_settled_refund_whose_first_query_crashed_is_still_asked_about_after_it_is_put_back,
    a_held_lease_is_cleared_and_a_lost_one_is_not,
    a_pause_of_an_account_stops_its_submits_only,
    a_pause_of_all_stops_every_account_until_it_ends,
    a_pause_is_new_once_and_tells_who_and_why,
    what_is_cleared_counts_once_against_the_day,
    the_amounts_of_one_batch_add_up_in_order,
    a_limit_is_of_one_account_and_one_day,
    yesterday_still_counts_for_a_clock_that_is_behind,
    a_refund_that_was_counted_is_cleared_again_that_day_whatever_the_limit,
    a_refund_counts_anew_in_each_day_in_which_it_is_cleared,
    what_is_not_cleared_does_not_count,
    a_nudged_end_is_asked_about_again,
    a_refund_that_is_asked_about_again_is_not_forgotten,
    a_correction_holds_the_amount_again,
    a_correction_to_parked_is_due_again_and_not_forgotten,
    an_order_that_a_correction_has_overdrawn_sends_nothing_more,
    an_order_that_names_no_paid_amount_is_never_overdrawn,
);

fn back(claim: &Claim, ms: u64) -> PutBack {
    PutBack { lease: claim.lease.clone(), due_at: at(ms) }
}

fn asks(claim: &Claim, daily: Option<(u64, u64)>) -> Clearance {
    let refund = &claim.record.refund;
    let daily = daily.map(|(day, limit_cents)| Daily { day, amount: refund.amount, limit_cents });
    let order = (claim.record.order_scope.clone(), refund.order.clone());
    Clearance { lease: claim.lease.clone(), account: refund.account.clone(), order, daily }
}

async fn clear(on: &Subject, asked: &[Clearance]) -> Vec<Cleared> {
    on.ledger().clear(asked, T0).await.unwrap()
}

async fn what_is_put_back_is_as_if_it_had_never_been_claimed(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.ledger().put_back(&[back(&claim, 700)], at(1)).await.unwrap();
    let stored = on.find("R1").await.unwrap();
    assert_eq!((stored.record, stored.leased), (ask("R1").record(), false));
    assert_eq!(stored.due_at, Some(at(700)));
    assert!(on.claim_all(at(699)).await.is_empty());
    let again = on.claim_one(at(700)).await;
    assert_eq!((again.facts.crashes, again.facts.intent_lost), (0, false));
    let late = settle(&claim, Outcome::Failed, at(701));
    assert_eq!(on.commit_one(late, at(701)).await, Committed::StaleFence);
}

async fn what_is_put_back_after_a_crash_keeps_the_crash_and_the_lost_intent(on: Subject) {
    on.admit_one(&ask("R1")).await;
    on.claim_one(T0).await;
    let second = on.claim_one(at(LEASE_MS)).await;
    on.ledger().put_back(&[back(&second, LEASE_MS + 5)], at(LEASE_MS)).await.unwrap();
    let stored = on.find("R1").await.unwrap();
    assert_eq!((stored.due_at, stored.leased), (Some(at(LEASE_MS + 5)), true));
    let third = on.claim_one(at(LEASE_MS + 5)).await;
    assert_eq!((third.facts.crashes, third.facts.intent_lost), (1, true));
    let late = settle(&second, Outcome::Failed, at(LEASE_MS + 6));
    assert_eq!(on.commit_one(late, at(LEASE_MS + 6)).await, Committed::StaleFence);
}

async fn a_lease_that_is_no_longer_held_is_not_put_back(on: Subject) {
    on.admit(&[ask("R1"), ask("R2")]).await;
    let old = by_number(on.claim_all(T0).await);
    on.store(commit(&old["R2"], &[accepted()], T0), T0).await;
    let new = by_number(on.claim_all(at(LEASE_MS)).await);
    let before = seen(on.find("R1").await.as_ref()) + &seen(on.find("R2").await.as_ref());
    let mut forged = back(&new["R1"], 1);
    forged.lease.fence.word = "x.1".into();
    let late = [back(&old["R1"], 1), back(&old["R2"], 1), forged];
    on.ledger().put_back(&late, at(LEASE_MS)).await.unwrap();
    on.ledger().put_back(&[], at(LEASE_MS)).await.unwrap();
    let after = seen(on.find("R1").await.as_ref()) + &seen(on.find("R2").await.as_ref());
    assert_eq!(after, before);
    let twice = [back(&new["R1"], 40_000), back(&new["R1"], 50_000)];
    on.ledger().put_back(&twice, at(LEASE_MS)).await.unwrap();
    assert_eq!(on.find("R1").await.unwrap().due_at, Some(at(40_000)), "the first counts");
}

/// R1 has succeeded and is claimed again, because somebody wants to know.
async fn asked_again(on: &Subject) -> Claim {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    on.ledger().nudge(&[no("R1")], at(1)).await.unwrap();
    on.claim_one(at(1)).await
}

async fn a_settled_refund_that_is_put_back_is_still_asked_about(on: Subject) {
    let claim = asked_again(&on).await;
    on.ledger().put_back(&[back(&claim, 5)], at(2)).await.unwrap();
    let stored = on.find("R1").await.unwrap();
    assert_eq!((stored.due_at, stored.leased), (Some(at(5)), false));
    let again = on.claim_one(at(5)).await;
    assert_eq!((again.record.state.kind(), again.facts.crashes), (StateKind::Settled, 0));
    // Its answer is lost: it is as if it had not been claimed, but it is due.
    assert_eq!(on.ledger().unclaim(claim.lease.fence.number, at(6)).await.unwrap(), 1);
    assert_eq!(on.find("R1").await.unwrap().due_at, Some(at(6)));
}

async fn a_settled_refund_whose_first_query_crashed_is_still_asked_about_after_it_is_put_back(
    on: Subject,
) {
    asked_again(&on).await;
    let second = on.claim_one(at(LEASE_MS + 1)).await;
    on.ledger().put_back(&[back(&second, LEASE_MS + 5)], at(LEASE_MS + 2)).await.unwrap();
    assert_eq!(on.claim_one(at(LEASE_MS + 5)).await.facts.crashes, 1);
}

async fn a_held_lease_is_cleared_and_a_lost_one_is_not(on: Subject) {
    on.admit_one(&ask("R1")).await;
    assert_eq!(clear(&on, &[]).await, []);
    let old = on.claim_one(T0).await;
    assert_eq!(clear(&on, &[asks(&old, None)]).await, [Cleared::Go]);
    let new = on.claim_one(at(LEASE_MS)).await;
    let mut forged = asks(&new, None);
    forged.lease.fence.word = "x.1".into();
    let mut of_nobody = asks(&new, None);
    of_nobody.lease.refund_no = no("R9");
    let asked = [asks(&old, None), asks(&new, None), forged, of_nobody];
    let expected = [Cleared::Lost, Cleared::Go, Cleared::Lost, Cleared::Lost];
    assert_eq!(clear(&on, &asked).await, expected);
    on.store(commit(&new, &[accepted()], at(LEASE_MS)), at(LEASE_MS)).await;
    assert_eq!(clear(&on, &[asks(&new, None)]).await, [Cleared::Lost]);
}

async fn a_pause_of_an_account_stops_its_submits_only(on: Subject) {
    on.admit(&[ask("R1"), ask("R2").account("other")]).await;
    let claims = by_number(on.claim_all(T0).await);
    assert!(on.ledger().pause(&pause(Some("shop"), T0)).await.unwrap());
    let asked = [asks(&claims["R1"], Some((1, 9_999))), asks(&claims["R2"], None)];
    assert_eq!(clear(&on, &asked).await, [Cleared::Paused, Cleared::Go]);
    assert!(on.ledger().resume(&pause(Some("shop"), T0), None).await.unwrap());
    assert_eq!(clear(&on, &asked).await, [Cleared::Go, Cleared::Go]);
}

async fn a_pause_of_all_stops_every_account_until_it_ends(on: Subject) {
    on.admit(&[ask("R1"), ask("R2").account("other")]).await;
    let claims = by_number(on.claim_all(T0).await);
    let asked = [asks(&claims["R1"], None), asks(&claims["R2"], None)];
    on.ledger().pause(&pause(None, T0)).await.unwrap();
    on.ledger().pause(&pause(Some("shop"), T0)).await.unwrap();
    assert_eq!(clear(&on, &asked).await, [Cleared::Paused, Cleared::Paused]);
    on.ledger().resume(&pause(None, T0), None).await.unwrap();
    assert_eq!(clear(&on, &asked).await, [Cleared::Paused, Cleared::Go]);
    // A claim says nothing of any refund while anything is paused, and all is well once nothing is.
    on.admit_one(&ask("R3").account("other")).await;
    assert_eq!(on.claim_one(T0).await.cleared_at, None);
    on.ledger().resume(&pause(Some("shop"), T0), None).await.unwrap();
    on.admit_one(&ask("R4")).await;
    assert_eq!(on.claim_one(T0).await.cleared_at, Some(T0));
}

async fn a_pause_is_new_once_and_tells_who_and_why(on: Subject) {
    let (all, shop) = (pause(None, at(1)), pause(Some("shop"), at(2)));
    assert!(on.ledger().pause(&shop).await.unwrap());
    assert!(on.ledger().pause(&all).await.unwrap());
    let again = refundd::ports::ledger::Pause { who: "bo".to_owned(), ..pause(None, at(3)) };
    assert!(!on.ledger().pause(&again).await.unwrap());
    assert_eq!(on.ledger().pauses().await.unwrap(), [all.clone(), shop.clone()]);
    // Whoever saw another pause lifts none.
    assert!(!on.ledger().resume(&again, Some(at(3))).await.unwrap());
    assert_eq!(on.ledger().pauses().await.unwrap().len(), 2);
    assert!(on.ledger().resume(&again, Some(at(1))).await.unwrap());
    assert!(!on.ledger().resume(&again, None).await.unwrap());
    assert_eq!(on.ledger().pauses().await.unwrap(), [shop]);
    let told: Vec<_> =
        on.audit().into_iter().map(|line| [line.action.to_owned(), line.subject]).collect();
    let expected = [["pause", "shop"], ["pause", "*"], ["resume", "*"]];
    assert_eq!(told, expected.map(|line| line.map(str::to_owned)));
    let last = on.audit().pop().unwrap();
    assert_eq!((&*last.who, &*last.reason), ("bo", "asked by phone"));
}

/// Claims of refunds of these amounts, of one account, each of an order of its own.
async fn held(on: &Subject, amounts: &[u64]) -> Vec<Claim> {
    let asked = amounts.iter().enumerate();
    let asked: Vec<_> = asked.map(|(n, cents)| ask(&format!("R{n}")).cents(*cents)).collect();
    on.admit(&asked).await;
    on.claim_all(T0).await
}

async fn what_is_cleared_counts_once_against_the_day(on: Subject) {
    let claims = held(&on, &[600, 300, 101, 100]).await;
    let daily = Some((20_000, 1_000));
    for _ in 0..3 {
        assert_eq!(clear(&on, &[asks(&claims[0], daily)]).await, [Cleared::Go]);
        assert_eq!(clear(&on, &[asks(&claims[1], daily)]).await, [Cleared::Go]);
    }
    assert_eq!(clear(&on, &[asks(&claims[2], daily)]).await, [Cleared::DailyLimit]);
    assert_eq!(clear(&on, &[asks(&claims[3], daily)]).await, [Cleared::Go], "exactly the limit");
}

async fn the_amounts_of_one_batch_add_up_in_order(on: Subject) {
    let claims = held(&on, &[600, 500, 400, 1]).await;
    let mut asked: Vec<_> = claims.iter().map(|one| asks(one, Some((20_000, 1_000)))).collect();
    asked.push(asked[0].clone());
    let expected =
        [Cleared::Go, Cleared::DailyLimit, Cleared::Go, Cleared::DailyLimit, Cleared::Go];
    assert_eq!(clear(&on, &asked).await, expected);
}

async fn a_limit_is_of_one_account_and_one_day(on: Subject) {
    on.admit(&[ask("R1"), ask("R2").account("other"), ask("R3"), ask("R4")]).await;
    let claims = by_number(on.claim_all(T0).await);
    let asked = [
        asks(&claims["R1"], Some((20_000, 500))),
        asks(&claims["R2"], Some((20_000, 500))),
        asks(&claims["R3"], Some((20_001, 500))),
    ];
    assert_eq!(clear(&on, &asked).await, [Cleared::Go; 3]);
    let over = asks(&claims["R4"], Some((20_001, 500)));
    assert_eq!(clear(&on, &[over]).await, [Cleared::DailyLimit]);
}

async fn yesterday_still_counts_for_a_clock_that_is_behind(on: Subject) {
    let claims = held(&on, &[500, 500, 500]).await;
    let on_day = |n: usize, day| asks(&claims[n], Some((day, 500)));
    assert_eq!(clear(&on, &[on_day(0, 20_000)]).await, [Cleared::Go]);
    assert_eq!(clear(&on, &[on_day(1, 20_001)]).await, [Cleared::Go]);
    assert_eq!(clear(&on, &[on_day(2, 20_000)]).await, [Cleared::DailyLimit]);
}

async fn a_refund_that_was_counted_is_cleared_again_that_day_whatever_the_limit(on: Subject) {
    let claims = held(&on, &[500]).await;
    assert_eq!(clear(&on, &[asks(&claims[0], Some((1, 500)))]).await, [Cleared::Go]);
    let lower = |day| asks(&claims[0], Some((day, 100)));
    assert_eq!(clear(&on, &[lower(1)]).await, [Cleared::Go], "what may have left is not undone");
    assert_eq!(clear(&on, &[lower(2)]).await, [Cleared::DailyLimit]);
}

async fn a_refund_counts_anew_in_each_day_in_which_it_is_cleared(on: Subject) {
    // Each is cleared on a day of its own, and none leaves: later they must not all leave in one.
    let claims = held(&on, &[500, 500, 500]).await;
    let on_day = |n: usize, day| asks(&claims[n], Some((day, 1_000)));
    let mut day = 0;
    for n in 0..claims.len() {
        day += 1;
        assert_eq!(clear(&on, &[on_day(n, day)]).await, [Cleared::Go]);
    }
    day += 1;
    for _ in 0..2 {
        let all: Vec<_> = (0..claims.len()).map(|n| on_day(n, day)).collect();
        let expected = [Cleared::Go, Cleared::Go, Cleared::DailyLimit];
        assert_eq!(clear(&on, &all).await, expected, "twice a day counts once");
    }
    assert_eq!(clear(&on, &[on_day(2, day + 1)]).await, [Cleared::Go]);
}

async fn what_is_not_cleared_does_not_count(on: Subject) {
    let claims = held(&on, &[500, 500]).await;
    let daily = Some((20_000, 500));
    on.ledger().pause(&pause(None, T0)).await.unwrap();
    assert_eq!(clear(&on, &[asks(&claims[0], daily)]).await, [Cleared::Paused]);
    on.ledger().resume(&pause(None, T0), None).await.unwrap();
    let mut forged = asks(&claims[0], daily);
    forged.lease.fence.number += 1;
    assert_eq!(clear(&on, &[forged]).await, [Cleared::Lost]);
    assert_eq!(clear(&on, &[asks(&claims[1], daily)]).await, [Cleared::Go]);
}

async fn a_nudged_end_is_asked_about_again(on: Subject) {
    let claim = asked_again(&on).await;
    assert_eq!(claim.record.state.kind(), StateKind::Settled);
    assert!(!claim.facts.intent_lost);
    assert!(on.find("R1").await.unwrap().leased);
    let agrees = commit(&claim, &[crate::support::refunds::not_found()], at(3));
    on.store(agrees, at(3)).await;
    let stored = on.find("R1").await.unwrap();
    assert_eq!((stored.due_at, stored.leased), (None, false));
    assert_eq!(on.results().await.len(), 1, "nothing new is published");
}

async fn a_refund_that_is_asked_about_again_is_not_forgotten(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    on.ledger().nudge(&[no("R1")], at(1)).await.unwrap();
    assert_eq!(on.ledger().purge(at(9_999), T0).await.unwrap(), 0, "due");
    let claim = on.claim_one(at(1)).await;
    assert_eq!(on.ledger().purge(at(9_999), T0).await.unwrap(), 0, "held");
    on.ledger().put_back(&[back(&claim, 2)], at(2)).await.unwrap();
    assert_eq!(on.ledger().purge(at(9_999), T0).await.unwrap(), 0, "due again");
    let claim = on.claim_one(at(2)).await;
    on.store(commit(&claim, &[crate::support::refunds::not_found()], at(3)), at(3)).await;
    assert_eq!(on.ledger().purge(at(9_999), T0).await.unwrap(), 1, "it has been asked about");
}

/// R1 of order P1 has failed and is claimed again; nothing else is refunded of the 100 that were paid.
async fn failed_and_asked_again(on: &Subject) -> Claim {
    on.admit_one(&ask("R1").of_gateway_order("P1").cents(60).paid(100)).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Failed, T0), T0).await;
    on.ledger().nudge(&[no("R1")], at(1)).await.unwrap();
    on.claim_one(at(1)).await
}

async fn a_correction_holds_the_amount_again(on: Subject) {
    let claim = failed_and_asked_again(&on).await;
    let other = ask("R2").of_gateway_order("P1");
    on.admit_one(&other.clone().cents(100)).await;
    on.store(settle(&claim, Outcome::Succeeded, at(2)), at(2)).await;
    let over = on.admit_one(&ask("R3").of_gateway_order("P1").cents(1)).await;
    assert!(format!("{over:?}").contains("held_cents: 160"), "{over:?}");
    let told = on.results().await;
    let told: Vec<_> = told.iter().map(|told| (&*told.0, &*told.2)).collect();
    assert_eq!(told, [("R1:1", "failed"), ("R1:2", "succeeded")]);
    assert_eq!(on.find("R1").await.unwrap().due_at, None);
}

async fn a_correction_to_parked_is_due_again_and_not_forgotten(on: Subject) {
    let claim = failed_and_asked_again(&on).await;
    on.store(commit(&claim, &[parked(at(2))], at(2)), at(2)).await;
    let stored = on.find("R1").await.unwrap();
    assert_eq!(stored.record.state.kind(), StateKind::Parked);
    assert!(stored.due_at.is_some());
    let over = on.admit_one(&ask("R2").of_gateway_order("P1").cents(41)).await;
    assert!(format!("{over:?}").contains("held_cents: 60"), "{over:?}");
    let due = stored.due_at.unwrap();
    assert_eq!(on.ledger().purge(due, T0).await.unwrap(), 0);
    let claim = on.claim_one(due).await;
    on.store(settle(&claim, Outcome::Failed, due), due).await;
    assert_eq!(on.ledger().purge(due, T0).await.unwrap(), 0, "it has ended anew");
    assert_eq!(on.ledger().purge(due.plus(1), T0).await.unwrap(), 1);
}

async fn an_order_that_a_correction_has_overdrawn_sends_nothing_more(on: Subject) {
    failed_and_asked_again(&on).await;
    // By its second id, so that the account is found under the first.
    on.admit_one(&ask("R2").of_orders(Some("P1"), Some("M1")).cents(70)).await;
    on.admit_one(&ask("R3").of_order("M1").cents(30)).await;
    on.admit_one(&ask("S1").cents(70).paid(70)).await;
    let now = at(60_000);
    let claims = by_number(on.claim_all(now).await);
    let daily = Some((20_000, 100));
    let second = asks(&claims["R2"], None);
    let mut by_merchant = asks(&claims["R2"], None);
    by_merchant.order.1 = ask("R3").of_order("M1").refund().order;
    assert_eq!(clear(&on, std::slice::from_ref(&second)).await, [Cleared::Go], "all, and no more");
    assert_eq!(claims["R2"].cleared_at, Some(now));
    on.store(settle(&claims["R1"], Outcome::Succeeded, now), now).await;
    on.admit_one(&ask("S2")).await;
    assert_eq!(on.claim_one(now).await.cleared_at, None, "another order's claim may not say so");
    let other = asks(&claims["S1"], daily);
    let asked = [asks(&claims["R2"], daily), other, second.clone(), by_merchant];
    let never = Cleared::OverRefund;
    assert_eq!(clear(&on, &asked).await, [never, Cleared::Go, never, never], "R2 does not count");
    let mut elsewhere = second.clone();
    elsewhere.order.0 = ask("R9").scope("other").record().order_scope;
    assert_eq!(clear(&on, &[elsewhere]).await, [Cleared::Go], "an order of another gateway");
    on.ledger().pause(&pause(None, T0)).await.unwrap();
    assert_eq!(clear(&on, std::slice::from_ref(&second)).await, [Cleared::Paused]);
    on.ledger().resume(&pause(None, T0), None).await.unwrap();
    on.store(settle(&claims["R2"], Outcome::Failed, now), now).await;
    assert_eq!(clear(&on, &[second]).await, [Cleared::Lost]);
    let claims = by_number(on.claim_all(now.plus(60_000)).await);
    assert_eq!(clear(&on, &[asks(&claims["R3"], None)]).await, [Cleared::Go], "90 of 100 by now");
    assert_eq!(claims["R3"].cleared_at, Some(now.plus(60_000)), "nothing is overdrawn any more");
}

async fn an_order_that_names_no_paid_amount_is_never_overdrawn(on: Subject) {
    on.admit_one(&ask("R1").of_gateway_order("P1").cents(60)).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Failed, T0), T0).await;
    on.ledger().nudge(&[no("R1")], at(1)).await.unwrap();
    on.admit_one(&ask("R2").of_gateway_order("P1").cents(100)).await;
    let claims = by_number(on.claim_all(at(60_000)).await);
    on.store(settle(&claims["R1"], Outcome::Succeeded, at(60_000)), at(60_000)).await;
    assert_eq!(clear(&on, &[asks(&claims["R2"], None)]).await, [Cleared::Go]);
}
