//! Finding, listing, forgetting.

use std::collections::BTreeSet;

use refundd::domain::state::{Outcome, StateKind};
use refundd::domain::{AccountName, UnixMillis};
use refundd::ports::ledger::{Admitted, Filter};

use super::{Subject, by_number, on_both_ledgers, sorted};
use crate::support::refunds::{Asked, T0, ask, at, commit, no, parked, settle};

on_both_ledgers!(
    an_unknown_refund_is_not_found,
    a_listing_of_a_thousand_names_each_exactly_once,
    a_listing_keeps_to_its_filter,
    a_held_refund_is_listed_as_submitting,
    settled_refunds_are_forgotten_after_their_time_and_no_others,
    an_order_is_forgotten_with_its_last_refund,
    a_forgotten_order_leaves_no_id_behind,
    a_purge_forgets_a_bounded_batch,
    a_purge_of_nothing_is_harmless,
);

const LATE: UnixMillis = UnixMillis::new(1_800_000_000_000);

async fn an_unknown_refund_is_not_found(on: Subject) {
    assert!(on.find("R1").await.is_none());
    let page = on.ledger().list(&Filter::default(), None, 10).await;
    let page = page.unwrap();
    assert!(page.refunds.is_empty() && page.cursor.is_none());
}

/// All pages of a listing, one after the other.
async fn listed(on: &Subject, filter: &Filter, count: usize) -> Vec<refundd::domain::RefundNo> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = on.ledger().list(filter, cursor.as_deref(), count).await;
        let page = page.unwrap();
        all.extend(sorted(&page.refunds));
        cursor = page.cursor;
        if cursor.is_none() {
            all.sort_unstable();
            return all;
        }
    }
}

async fn a_listing_of_a_thousand_names_each_exactly_once(on: Subject) {
    let asked: Vec<Asked> = (0..1_000).map(|n| ask(&format!("R{n:04}"))).collect();
    for batch in asked.chunks(500) {
        on.admit(batch).await;
    }
    let all = listed(&on, &Filter::default(), 64).await;
    assert_eq!(all.len(), 1_000);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 1_000);
}

async fn a_listing_keeps_to_its_filter(on: Subject) {
    let late = ask("R3").admitted_at(at(9));
    on.admit(&[ask("R1"), ask("R2").account("other"), late, ask("R4")]).await;
    let mut claims = by_number(on.claim_all(T0).await);
    let mut held = |no: &str| claims.remove(no).unwrap();
    on.store(commit(&held("R1"), &[parked(T0)], T0), T0).await;
    on.store(settle(&held("R4"), Outcome::Failed, T0), T0).await;
    let parked = Filter { state: Some(StateKind::Parked), ..Filter::default() };
    let account =
        Filter { account: Some(AccountName::parse("other").unwrap()), ..Filter::default() };
    let before = Filter { admitted_before: Some(at(8)), ..Filter::default() };
    let reason = Filter { reason: Some("discrepancy".to_owned()), ..Filter::default() };
    assert_eq!(listed(&on, &parked, 2).await, [no("R1")]);
    assert_eq!(listed(&on, &account, 2).await, [no("R2")]);
    assert_eq!(listed(&on, &before, 2).await, ["R1", "R2", "R4"].map(no));
    assert_eq!(listed(&on, &reason, 2).await, [no("R1")]);
}

async fn a_held_refund_is_listed_as_submitting(on: Subject) {
    on.admit_one(&ask("R1")).await;
    on.claim_one(T0).await;
    let filter = Filter { state: Some(StateKind::Submitting), ..Filter::default() };
    assert_eq!(listed(&on, &filter, 10).await, [no("R1")]);
}

async fn settled_refunds_are_forgotten_after_their_time_and_no_others(on: Subject) {
    on.admit(&["R1", "R2", "R3", "R4"].map(ask)).await;
    let mut claims = by_number(on.claim_all(T0).await);
    let mut held = |no: &str| claims.remove(no).unwrap();
    on.store(settle(&held("R1"), Outcome::Succeeded, T0), T0).await;
    on.store(settle(&held("R2"), Outcome::Failed, at(10)), at(10)).await;
    on.store(commit(&held("R3"), &[parked(T0)], T0), T0).await;
    assert_eq!(on.ledger().purge(T0, T0).await.unwrap(), 0);
    assert_eq!(on.ledger().purge(at(10), T0).await.unwrap(), 1);
    assert!(on.find("R1").await.is_none());
    assert!(on.find("R2").await.is_some());
    assert_eq!(on.ledger().purge(LATE, T0).await.unwrap(), 1);
    assert_eq!(on.state("R3").await, StateKind::Parked);
    assert_eq!(on.state("R4").await, StateKind::Submitting);
    assert_eq!(on.ledger().purge(LATE, T0).await.unwrap(), 0);
}

async fn an_order_is_forgotten_with_its_last_refund(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(50).paid(100);
    on.admit(&[order("R1"), order("R2")]).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    on.ledger().purge(at(1), T0).await.unwrap();
    // What went back still counts while the order is known.
    let over = on.admit_one(&order("R3")).await;
    assert!(matches!(over, Admitted::OverRefund { held_cents: 100, .. }));
    let claim = on.claim_one(at(60_000)).await;
    on.store(settle(&claim, Outcome::Succeeded, at(60_000)), at(60_000)).await;
    on.ledger().purge(LATE, T0).await.unwrap();
    assert_eq!(on.admit_one(&order("R4")).await, Admitted::New);
    assert_eq!(on.find("R4").await.unwrap().due_at, Some(T0));
}

async fn a_forgotten_order_leaves_no_id_behind(on: Subject) {
    // The refund that taught the order its second id is forgotten first.
    on.admit_one(&ask("R1").of_orders(Some("P1"), Some("M1"))).await;
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    on.admit_one(&ask("R2").of_gateway_order("P1")).await;
    on.ledger().purge(at(1), T0).await.unwrap();
    let claim = on.claim_one(at(60_000)).await;
    on.store(settle(&claim, Outcome::Succeeded, at(60_000)), at(60_000)).await;
    on.ledger().purge(LATE, T0).await.unwrap();
    // Both ids are free again, and may name two orders now.
    assert_eq!(on.admit_one(&ask("R3").of_order("M1")).await, Admitted::New);
    let other = ask("R4").of_gateway_order("P1");
    assert_eq!(on.admit_one(&other).await, Admitted::New);
    if let Subject::Redis(_, keys) = &on {
        let orders: usize =
            crate::support::redis::TestRedis::shared().cmd(&["HLEN", &keys.orders()]);
        assert_eq!(orders, 2);
    }
}

async fn a_purge_forgets_a_bounded_batch(on: Subject) {
    let asked: Vec<Asked> = (0..600).map(|n| ask(&format!("R{n:03}"))).collect();
    for batch in asked.chunks(500) {
        on.admit(batch).await;
        let claims = on.claim_all(T0).await;
        let done: Vec<_> =
            claims.iter().map(|claim| settle(claim, Outcome::Succeeded, T0)).collect();
        on.ledger().commit(&done, T0).await.unwrap();
    }
    assert_eq!(on.ledger().purge(LATE, T0).await.unwrap(), 500);
    assert_eq!(on.ledger().purge(LATE, T0).await.unwrap(), 100);
    assert!(listed(&on, &Filter::default(), 500).await.is_empty());
}

async fn a_purge_of_nothing_is_harmless(on: Subject) {
    assert_eq!(on.ledger().purge(LATE, LATE).await.unwrap(), 0);
    let beginning = UnixMillis::new(0).minus(1_000);
    assert_eq!(on.ledger().purge(beginning, beginning).await.unwrap(), 0);
}
