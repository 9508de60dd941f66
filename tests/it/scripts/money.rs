//! Leases that go back, and what a submit asks for, against the whole keyspace.

use redis::Value;
use refundd::domain::state::Outcome;
use refundd::ports::Ledger;
use refundd::ports::ledger::{Acted, BATCH_MAX, Claim, Clearance, Cleared, Daily, PutBack};

use super::{Book, Dump};
use crate::support::redis::TestRedis;
use crate::support::refunds::{LEASE_MS, T0, act, ask, at, commit, no, parked, settle};

pub(super) fn asks(claim: &Claim, daily: Option<(u64, u64)>) -> Clearance {
    let refund = &claim.record.refund;
    let daily = daily.map(|(day, limit_cents)| Daily { day, amount: refund.amount, limit_cents });
    let order = (claim.record.order_scope.clone(), refund.order.clone());
    Clearance { lease: claim.lease.clone(), account: refund.account.clone(), order, daily }
}

fn back(claim: &Claim, ms: u64) -> PutBack {
    PutBack { lease: claim.lease.clone(), due_at: at(ms) }
}

#[tokio::test]
async fn a_claim_that_is_put_back_leaves_no_trace_but_the_counter() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2")]).await;
    let before = book.dump();
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let leases = [back(&claims[0], 0), back(&claims[1], 0)];
    book.ledger.put_back(&leases, at(1)).await.unwrap();
    let after = book.dump();
    assert_eq!(after.without("seq"), before.without("seq"));
    assert_eq!(after.of_key("seq"), ["seq string 3"]);
    book.ledger.put_back(&leases, at(2)).await.unwrap();
    assert_eq!(book.dump(), after, "a repeat does nothing further");
}

#[tokio::test]
async fn a_second_claim_that_is_put_back_leaves_the_first_one_lost() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
    let claims = book.ledger.claim(5, at(LEASE_MS), at(2 * LEASE_MS)).await.unwrap().claims;
    book.ledger.put_back(&[back(&claims[0], LEASE_MS)], at(LEASE_MS)).await.unwrap();
    let lease = format!("leases hash R1 = 3 u 1 {} -", T0.get());
    assert_eq!(book.dump().of_key("leases"), [lease]);
}

#[tokio::test]
async fn a_clearance_without_a_limit_writes_nothing() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let before = book.dump();
    let answer = book.ledger.clear(&[asks(&claims[0], None)], T0).await.unwrap();
    assert_eq!(answer, [Cleared::Go]);
    let answer = book.ledger.clear(&[asks(&claims[0], Some((1, 499)))], T0).await.unwrap();
    assert_eq!(answer, [Cleared::DailyLimit]);
    assert_eq!(book.dump(), before);
}

#[tokio::test]
async fn a_clearance_counts_the_refund_and_its_amount_until_it_is_forgotten() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let before = book.dump();
    let asked = [asks(&claims[0], Some((20_000, 9_999)))];
    book.ledger.clear(&asked, T0).await.unwrap();
    let after = book.dump();
    assert_eq!(after.of_key("spent"), ["spent hash shop 20000 = 500"]);
    assert_eq!(after.of_key("counted"), ["counted hash R1 = 20000"]);
    assert_eq!(after.of_key("seq"), ["seq string 3"]);
    let rest = |dump: &Dump| dump.without("spent").without("counted").without("seq");
    assert_eq!(rest(&after), rest(&before));
    book.ledger.clear(&asked, T0).await.unwrap();
    assert_eq!(book.dump(), after, "a repeat does nothing further");
    let done = settle(&claims[0], Outcome::Succeeded, T0);
    book.ledger.commit(&[done], T0).await.unwrap();
    assert_eq!(book.ledger.purge(at(1), T0).await.unwrap(), 1);
    let left = book.dump().without("spent").without("results").without("seq").without("bins");
    assert_eq!(left.to_string(), "");
}

#[tokio::test]
async fn days_before_yesterday_go_with_the_first_refund_of_a_day() {
    let book = Book::open().await;
    let asked: Vec<_> = (0..8).map(|n| ask(&format!("R{n}"))).collect();
    book.admit(&asked).await;
    let claims = book.ledger.claim(9, T0, at(LEASE_MS)).await.unwrap().claims;
    let redis = TestRedis::shared();
    let _: Value = redis.cmd(&["HSET", &book.keys.spent(), "other 7", "1"]);
    for (claim, day) in claims.iter().zip([10, 11, 12, 13, 14, 13]) {
        book.ledger.clear(&[asks(claim, Some((day, 9_999)))], T0).await.unwrap();
    }
    let dump = book.dump();
    let left = ["spent hash other 7 = 1", "spent hash shop 13 = 1000", "spent hash shop 14 = 500"];
    assert_eq!(dump.of_key("spent"), left);
}

#[tokio::test]
async fn the_largest_amounts_of_a_day_are_added_exactly() {
    let book = Book::open().await;
    let most = 999_999_999_999;
    book.admit(&[ask("R1").cents(most), ask("R2").cents(most), ask("R3").cents(1)]).await;
    let claims = book.ledger.claim(9, T0, at(LEASE_MS)).await.unwrap().claims;
    let daily = Some((1, 2 * most));
    let asked: Vec<_> = claims.iter().map(|claim| asks(claim, daily)).collect();
    let answers = book.ledger.clear(&asked, T0).await.unwrap();
    assert_eq!(answers, [Cleared::Go, Cleared::Go, Cleared::DailyLimit]);
    assert_eq!(book.dump().of_key("spent"), ["spent hash shop 1 = 1999999999998"]);
}

#[tokio::test]
async fn five_hundred_refunds_are_cleared_and_put_back_in_one_call() {
    let book = Book::open().await;
    let asked: Vec<_> = (0..BATCH_MAX).map(|n| ask(&format!("R{n:03}"))).collect();
    book.admit(&asked).await;
    let claims = book.ledger.claim(BATCH_MAX, T0, at(LEASE_MS)).await.unwrap().claims;
    let asked: Vec<_> = claims.iter().map(|claim| asks(claim, Some((1, 250_000)))).collect();
    let answers = book.ledger.clear(&asked, T0).await.unwrap();
    assert!(answers.iter().all(|one| *one == Cleared::Go));
    let dump = book.dump();
    assert_eq!(dump.of_key("spent"), ["spent hash shop 1 = 250000"]);
    let backs: Vec<_> = claims.iter().map(|claim| back(claim, 0)).collect();
    book.ledger.put_back(&backs, T0).await.unwrap();
    assert!(book.dump().of_key("leases").is_empty());
}

#[tokio::test]
async fn what_is_parked_after_its_end_leaves_the_settled_ones() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let done: Vec<_> = claims.iter().map(|claim| settle(claim, Outcome::Failed, T0)).collect();
    book.ledger.commit(&done, T0).await.unwrap();
    assert_eq!(book.dump().of_key("settled").len(), 2);
    book.ledger.nudge(&[no("R1")], at(1)).await.unwrap();
    let claim = book.ledger.claim(5, at(1), at(LEASE_MS)).await.unwrap().claims.remove(0);
    book.ledger.commit(&[commit(&claim, &[parked(at(2))], at(2))], at(2)).await.unwrap();
    assert_eq!(book.dump().of_key("settled"), ["settled zset R2 @ 1700000000000"]);
    let saw = book.ledger.find(&no("R2")).await.unwrap().unwrap();
    let aside = act(&saw, &parked(at(3)), at(3));
    assert_eq!(book.ledger.act(&aside, at(3)).await.unwrap(), Acted::Stored);
    let dump = book.dump();
    assert!(dump.of_key("settled").is_empty());
    assert_eq!(dump.of_key("due").len(), 2);
}
