//! One refund of an order at a time, what its end means for the others, and which ids name it.

use refundd::domain::state::{Outcome, StateKind};
use refundd::ports::ledger::Admitted;

use super::{Subject, numbers, on_both_ledgers};
use crate::support::refunds::{T0, ask, at, commit, not_sent, parked, settle};

on_both_ledgers!(
    the_second_refund_of_an_order_waits,
    waiting_refunds_go_one_by_one_in_the_order_of_their_admission,
    a_released_refund_still_waits_for_its_own_moment,
    a_refund_admitted_within_the_gap_waits_for_its_end,
    a_failure_frees_its_amount,
    a_success_keeps_its_amount,
    a_parked_refund_keeps_its_amount_and_its_turn,
    a_submit_put_off_keeps_the_turn_of_its_order,
    a_parked_refund_that_settles_later_lets_the_next_go,
    either_id_alone_finds_the_order,
    an_order_known_by_the_merchants_id_learns_the_gateways,
    an_order_known_by_the_gateways_id_learns_the_merchants,
    two_ids_of_two_known_orders_are_a_mismatch_and_change_nothing,
    a_mismatch_arises_within_one_batch_too,
    orders_of_two_gateways_are_two_orders,
    an_order_learns_its_second_id_within_one_batch,
    ids_with_the_signs_of_the_stored_form_are_kept_apart,
);

/// What `Policy::order_gap_ms` is by default.
const GAP_MS: u64 = 60_000;

async fn the_second_refund_of_an_order_waits(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    let answers = on.admit(&[order("R1"), order("R2")]).await;
    assert_eq!(answers, [Admitted::New, Admitted::Waiting]);
    let waits = on.find("R2").await.unwrap();
    assert!(waits.waiting && !waits.leased && waits.due_at.is_none());
    assert_eq!(numbers(&on.claim_all(at(1_000_000)).await), ["R1"]);
}

async fn waiting_refunds_go_one_by_one_in_the_order_of_their_admission(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    on.admit(&[order("R3"), order("R1"), order("R2")]).await;
    let mut now = T0;
    for expected in ["R3", "R1", "R2"] {
        let claim = on.claim_one(now).await;
        assert_eq!(claim.lease.refund_no.as_str(), expected);
        on.store(settle(&claim, Outcome::Succeeded, now), now).await;
        assert!(on.claim_all(now.plus(GAP_MS - 1)).await.is_empty());
        now = now.plus(GAP_MS);
    }
    assert!(on.claim_all(at(9_000_000)).await.is_empty());
}

async fn a_released_refund_still_waits_for_its_own_moment(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    let late = order("R2").not_before(at(GAP_MS * 5));
    on.admit(&[order("R1"), late, order("R3")]).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    let released = on.find("R2").await.unwrap();
    assert_eq!(released.due_at, Some(at(GAP_MS * 5)));
    assert!(!released.waiting);
    assert!(on.find("R3").await.unwrap().waiting);
    assert!(on.claim_all(at(GAP_MS * 5 - 1)).await.is_empty());
    assert_eq!(numbers(&on.claim_all(at(GAP_MS * 5)).await), ["R2"]);
}

async fn a_refund_admitted_within_the_gap_waits_for_its_end(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    on.admit_one(&order("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Failed, T0), T0).await;
    let soon = order("R2").admitted_at(at(1));
    assert_eq!(on.admit_one(&soon).await, Admitted::New);
    assert_eq!(on.find("R2").await.unwrap().due_at, Some(at(GAP_MS)));
}

async fn a_failure_frees_its_amount(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(100).paid(100);
    on.admit_one(&order("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Failed, T0), T0).await;
    assert_eq!(on.admit_one(&order("R2")).await, Admitted::New);
}

async fn a_success_keeps_its_amount(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(100).paid(100);
    on.admit_one(&order("R1")).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    let over = on.admit_one(&order("R2")).await;
    assert!(matches!(over, Admitted::OverRefund { held_cents: 100, .. }));
}

async fn a_parked_refund_keeps_its_amount_and_its_turn(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(60).paid(100);
    on.admit(&[order("R1"), order("R2").cents(40)]).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[parked(T0)], T0), T0).await;
    assert_eq!(on.state("R1").await, StateKind::Parked);
    let over = on.admit_one(&order("R3").cents(1)).await;
    assert!(matches!(over, Admitted::OverRefund { held_cents: 100, .. }));
    assert!(on.find("R2").await.unwrap().waiting);
    assert!(on.claim_all(at(GAP_MS)).await.is_empty());
}

async fn a_submit_put_off_keeps_the_turn_of_its_order(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    on.admit(&[order("R2"), order("R1")]).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[not_sent()], T0), T0).await;
    assert!(on.find("R1").await.unwrap().waiting);
    assert_eq!(numbers(&on.claim_all(at(GAP_MS)).await), ["R2"]);
}

async fn a_parked_refund_that_settles_later_lets_the_next_go(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    on.admit(&[order("R1"), order("R2")]).await;
    let claim = on.claim_one(T0).await;
    on.store(commit(&claim, &[parked(T0)], T0), T0).await;
    let tomorrow = at(86_400_000);
    let claim = on.claim_one(tomorrow).await;
    on.store(settle(&claim, Outcome::Succeeded, tomorrow), tomorrow).await;
    let next = on.claim_one(tomorrow.plus(GAP_MS)).await;
    assert_eq!(next.lease.refund_no.as_str(), "R2");
}

async fn either_id_alone_finds_the_order(on: Subject) {
    let both = ask("R1").of_orders(Some("P1"), Some("M1"));
    on.admit_one(&both).await;
    let by_gateway = on.admit_one(&ask("R2").of_gateway_order("P1")).await;
    let by_merchant = on.admit_one(&ask("R3").of_order("M1")).await;
    assert_eq!([by_gateway, by_merchant], [Admitted::Waiting, Admitted::Waiting]);
    let now = on.claim_one(T0).await;
    on.store(settle(&now, Outcome::Succeeded, T0), T0).await;
    let next = on.claim_one(at(GAP_MS)).await;
    on.store(settle(&next, Outcome::Succeeded, at(GAP_MS)), at(GAP_MS)).await;
    let last = on.claim_one(at(2 * GAP_MS)).await;
    assert_eq!(last.lease.refund_no.as_str(), "R3");
}

async fn an_order_known_by_the_merchants_id_learns_the_gateways(on: Subject) {
    on.admit_one(&ask("R1").of_order("M1").cents(60).paid(100)).await;
    let both = ask("R2").of_orders(Some("P1"), Some("M1")).cents(30);
    assert_eq!(on.admit_one(&both).await, Admitted::Waiting);
    let over = on.admit_one(&ask("R3").of_gateway_order("P1").cents(11)).await;
    assert!(matches!(over, Admitted::OverRefund { held_cents: 90, .. }));
}

async fn an_order_known_by_the_gateways_id_learns_the_merchants(on: Subject) {
    on.admit_one(&ask("R1").of_gateway_order("P1").cents(60).paid(100)).await;
    let both = ask("R2").of_orders(Some("P1"), Some("M1")).cents(30);
    assert_eq!(on.admit_one(&both).await, Admitted::Waiting);
    let over = on.admit_one(&ask("R3").of_order("M1").cents(11)).await;
    assert!(matches!(over, Admitted::OverRefund { held_cents: 90, .. }));
}

async fn two_ids_of_two_known_orders_are_a_mismatch_and_change_nothing(on: Subject) {
    on.admit_one(&ask("R1").of_gateway_order("P1").cents(10)).await;
    on.admit_one(&ask("R2").of_order("M1").cents(20)).await;
    let entry = on.pending_entry(1);
    let crossed = ask("R3").of_orders(Some("P1"), Some("M1")).entry(&entry);
    assert_eq!(on.admit_one(&crossed).await, Admitted::OrderMismatch);
    assert!(on.find("R3").await.is_none());
    assert!(!on.is_acknowledged(&entry));
    let over = on.admit_one(&ask("R4").of_gateway_order("P1").cents(91).paid(100)).await;
    assert!(matches!(over, Admitted::OverRefund { held_cents: 10, .. }));
}

async fn a_mismatch_arises_within_one_batch_too(on: Subject) {
    let one = ask("R1").of_gateway_order("P1");
    let other = ask("R2").of_order("M1");
    let crossed = ask("R3").of_orders(Some("P1"), Some("M1"));
    let answers = on.admit(&[one, other, crossed]).await;
    assert_eq!(answers, [Admitted::New, Admitted::New, Admitted::OrderMismatch]);
}

async fn orders_of_two_gateways_are_two_orders(on: Subject) {
    let order = |no: &str, scope| ask(no).of_gateway_order("P1").scope(scope);
    on.admit_one(&order("R1", "one").paid(500)).await;
    assert_eq!(on.admit_one(&order("R2", "two")).await, Admitted::New);
}

async fn an_order_learns_its_second_id_within_one_batch(on: Subject) {
    let both = ask("R1").of_orders(Some("P1"), Some("M1")).cents(70).paid(100);
    let merchant = ask("R2").of_order("M1").cents(31);
    let answers = on.admit(&[both, merchant]).await;
    let over = Admitted::OverRefund { paid_cents: 100, held_cents: 70 };
    assert_eq!(answers, [Admitted::New, over]);
}

async fn ids_with_the_signs_of_the_stored_form_are_kept_apart(on: Subject) {
    let odd = ["=gw/o:M1", "a|b", "a|b,c:1", "%d+", "{x}", "=", "|||||"];
    for (n, id) in odd.iter().enumerate() {
        let asked = ask(&format!("R{n}")).of_orders(Some(id), Some(id)).cents(60);
        assert_eq!(on.admit_one(&asked.paid(100)).await, Admitted::New, "{id}");
        let over = ask(&format!("S{n}")).of_order(id).cents(41);
        let answer = on.admit_one(&over).await;
        assert!(matches!(answer, Admitted::OverRefund { .. }), "{id}: {answer:?}");
    }
}
