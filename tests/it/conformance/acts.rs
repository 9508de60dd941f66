//! What people do to refunds: only to what they saw, never into a submit, always with a line.

use refundd::domain::state::{Outcome, StateKind};
use refundd::ports::ledger::{Acted, Committed, Stored};

use super::{Subject, by_number, on_both_ledgers, seen};
use crate::support::refunds::{
    LEASE_MS, T0, abandoned, accepted, act, answer_unknown, ask, at, commit, no, parked,
    processing, released, resolved, settle,
};

on_both_ledgers!(
    a_parked_refund_is_released_and_asked_about,
    what_a_person_resolves_ends_publishes_and_lets_the_next_go,
    nothing_is_written_if_the_refund_has_changed,
    nobody_acts_while_a_submit_is_under_way,
    a_lost_submit_is_still_under_way,
    an_act_takes_the_lease_of_a_worker_that_is_asking,
    a_refund_that_was_never_sent_is_withdrawn_and_frees_its_amount,
    a_refund_withdrawn_while_it_waits_never_gets_a_turn,
    a_refund_set_aside_while_it_waits_keeps_its_place,
    what_is_given_up_keeps_its_amount,
    an_end_that_a_person_corrects_holds_or_frees_anew,
    an_unknown_refund_cannot_be_acted_on,
);

async fn found(on: &Subject, refund_no: &str) -> Stored {
    on.find(refund_no).await.unwrap()
}

async fn parked_one(on: &Subject) -> Stored {
    on.admit_one(&ask("R1").of_gateway_order("P1").cents(60).paid(100)).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[parked(T0)], T0), T0).await;
    found(on, "R1").await
}

async fn a_parked_refund_is_released_and_asked_about(on: Subject) {
    let saw = parked_one(&on).await;
    let released = act(&saw, &released(), at(9));
    assert_eq!(on.ledger().act(&released, at(9)).await.unwrap(), Acted::Stored);
    let stored = found(&on, "R1").await;
    assert_eq!(stored.record, released.record);
    assert_eq!(stored.record.state.kind(), StateKind::Unconfirmed);
    assert!(stored.due_at < saw.due_at && !stored.leased);
    assert_eq!(on.audit(), [released.audit]);
}

async fn what_a_person_resolves_ends_publishes_and_lets_the_next_go(on: Subject) {
    let saw = parked_one(&on).await;
    on.admit_one(&ask("R2").of_gateway_order("P1").cents(40)).await;
    let done = act(&saw, &resolved(Outcome::Failed, at(9)), at(9));
    assert_eq!(on.ledger().act(&done, at(9)).await.unwrap(), Acted::Stored);
    let stored = found(&on, "R1").await;
    assert_eq!((stored.record, stored.due_at), (done.record.clone(), None));
    let told = on.results().await;
    assert_eq!((&*told[1].0, &*told[1].2), ("R1:2", "failed"));
    assert_eq!(found(&on, "R2").await.due_at, Some(at(60_009)));
    let over = on.admit_one(&ask("R3").of_gateway_order("P1").cents(61)).await;
    assert!(format!("{over:?}").contains("held_cents: 40"), "{over:?}");
    assert_eq!(on.ledger().purge(at(10), T0).await.unwrap(), 1);
    let again = on.ledger().act(&done, at(9)).await.unwrap();
    assert_eq!((again, on.audit().len()), (Acted::Changed, 1), "a repeat");
}

async fn nothing_is_written_if_the_refund_has_changed(on: Subject) {
    let saw = parked_one(&on).await;
    on.ledger().nudge(&[no("R1")], at(5)).await.unwrap();
    let claim = on.claim_one(at(5)).await;
    on.store(commit(&claim, &[processing()], at(5)), at(5)).await;
    let before = seen(on.find("R1").await.as_ref());
    let late = act(&saw, &resolved(Outcome::Failed, at(9)), at(9));
    assert_eq!(on.ledger().act(&late, at(9)).await.unwrap(), Acted::Changed);
    assert_eq!(seen(on.find("R1").await.as_ref()), before);
    assert!(on.audit().is_empty());
    assert_eq!(on.results().await.len(), 1);
}

async fn nobody_acts_while_a_submit_is_under_way(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let saw = found(&on, "R1").await;
    let claim = on.claim_one(T0).await;
    let before = seen(on.find("R1").await.as_ref());
    let withdrawn = act(&saw, &abandoned(at(1)), at(1));
    assert_eq!(on.ledger().act(&withdrawn, at(1)).await.unwrap(), Acted::Submitting);
    assert_eq!(seen(on.find("R1").await.as_ref()), before);
    on.store(commit(&claim, &[accepted()], at(2)), at(2)).await;
    assert!(on.audit().is_empty());
}

async fn a_lost_submit_is_still_under_way(on: Subject) {
    on.admit_one(&ask("R1")).await;
    let saw = found(&on, "R1").await;
    on.claim_one(T0).await;
    on.claim_one(at(LEASE_MS)).await;
    let withdrawn = act(&saw, &abandoned(at(LEASE_MS)), at(LEASE_MS));
    assert_eq!(on.ledger().act(&withdrawn, at(LEASE_MS)).await.unwrap(), Acted::Submitting);
}

async fn an_act_takes_the_lease_of_a_worker_that_is_asking(on: Subject) {
    parked_one(&on).await;
    on.ledger().nudge(&[no("R1")], at(5)).await.unwrap();
    let claim = on.claim_one(at(5)).await;
    let saw = found(&on, "R1").await;
    assert!(saw.leased);
    let done = act(&saw, &resolved(Outcome::Succeeded, at(9)), at(9));
    assert_eq!(on.ledger().act(&done, at(9)).await.unwrap(), Acted::Stored);
    let stored = found(&on, "R1").await;
    assert_eq!((stored.leased, stored.due_at), (false, None));
    let late = commit(&claim, &[processing()], at(10));
    assert_eq!(on.commit_one(late, at(10)).await, Committed::StaleFence);
    assert_eq!(on.state("R1").await, StateKind::Settled);
}

async fn a_refund_that_was_never_sent_is_withdrawn_and_frees_its_amount(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(100).paid(100);
    on.admit_one(&order("R1")).await;
    let withdrawn = act(&found(&on, "R1").await, &abandoned(at(1)), at(1));
    assert_eq!(on.ledger().act(&withdrawn, at(1)).await.unwrap(), Acted::Stored);
    assert!(on.claim_all(at(999_999)).await.is_empty());
    let next = order("R2").admitted_at(at(2));
    assert_eq!(on.admit_one(&next).await, refundd::ports::ledger::Admitted::New);
}

async fn a_refund_withdrawn_while_it_waits_never_gets_a_turn(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(10);
    on.admit(&[order("R1"), order("R2"), order("R3"), order("R4")]).await;
    for refund_no in ["R2", "R4"] {
        let withdrawn = act(&found(&on, refund_no).await, &abandoned(at(1)), at(1));
        assert_eq!(on.ledger().act(&withdrawn, at(1)).await.unwrap(), Acted::Stored);
        let stored = found(&on, refund_no).await;
        assert_eq!((stored.due_at, stored.waiting), (None, false));
    }
    let first = on.claim_one(T0).await;
    on.store(settle(&first, Outcome::Succeeded, T0), T0).await;
    let next = on.claim_one(at(60_000)).await;
    assert_eq!(next.lease.refund_no.as_str(), "R3");
    on.store(settle(&next, Outcome::Succeeded, at(60_000)), at(60_000)).await;
    assert!(on.claim_all(at(999_999)).await.is_empty());
    let over = on.admit_one(&order("R5").cents(1_000).paid(100)).await;
    assert!(format!("{over:?}").contains("held_cents: 20"), "{over:?}");
}

async fn a_refund_set_aside_while_it_waits_keeps_its_place(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(10);
    on.admit(&[order("R1"), order("R2").not_before(at(70_000))]).await;
    let aside = act(&found(&on, "R2").await, &parked(at(1)), at(1));
    assert_eq!(on.ledger().act(&aside, at(1)).await.unwrap(), Acted::Stored);
    let stored = found(&on, "R2").await;
    assert_eq!((stored.due_at, stored.waiting), (None, true));
    on.ledger().nudge(&[no("R2")], at(2)).await.unwrap();
    assert!(found(&on, "R2").await.waiting, "its order's turn is nobody's to give");
    let first = on.claim_one(T0).await;
    on.store(settle(&first, Outcome::Succeeded, at(3)), at(3)).await;
    assert_eq!(found(&on, "R2").await.due_at, Some(at(70_000)));
}

async fn what_is_given_up_keeps_its_amount(on: Subject) {
    on.admit_one(&ask("R1").of_gateway_order("P1").cents(60).paid(100)).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[answer_unknown()], T0), T0).await;
    let given_up = act(&found(&on, "R1").await, &abandoned(at(1)), at(1));
    assert_eq!(on.ledger().act(&given_up, at(1)).await.unwrap(), Acted::Stored);
    let over = on.admit_one(&ask("R2").of_gateway_order("P1").cents(41)).await;
    assert!(format!("{over:?}").contains("held_cents: 60"), "{over:?}");
}

async fn an_end_that_a_person_corrects_holds_or_frees_anew(on: Subject) {
    let saw = parked_one(&on).await;
    let mut now = at(9);
    let mut ended = act(&saw, &resolved(Outcome::Failed, now), now);
    for (outcome, held) in [(Outcome::Succeeded, 60), (Outcome::Failed, 0)] {
        assert_eq!(on.ledger().act(&ended, now).await.unwrap(), Acted::Stored);
        now = now.plus(1);
        ended = act(&found(&on, "R1").await, &resolved(outcome, now), now);
        assert_eq!(on.ledger().act(&ended, now).await.unwrap(), Acted::Stored);
        let over = on.admit_one(&ask("R9").of_gateway_order("P1").cents(101)).await;
        assert!(format!("{over:?}").contains(&format!("held_cents: {held} ")), "{over:?}");
        now = now.plus(1);
        ended = act(&found(&on, "R1").await, &resolved(outcome, now), now);
    }
    let claims = by_number(on.claim_all(at(999_999)).await);
    assert!(claims.is_empty());
}

async fn an_unknown_refund_cannot_be_acted_on(on: Subject) {
    let saw = parked_one(&on).await;
    let mut done = act(&saw, &resolved(Outcome::Failed, at(9)), at(9));
    done.record.refund.refund_no = no("R9");
    done.seen.record.refund.refund_no = no("R9");
    assert_eq!(on.ledger().act(&done, at(9)).await.unwrap(), Acted::Changed);
    assert!(on.find("R9").await.is_none() && on.audit().is_empty());
}
