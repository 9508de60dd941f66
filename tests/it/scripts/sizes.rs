//! Sizes at which a script that hands all its values to one call would fail: Lua takes 7,999.

use refundd::domain::UnixMillis;
use refundd::ledger::RedisLedger;
use refundd::ports::Ledger;
use refundd::ports::ledger::{Acted, Admission, Admitted, BATCH_MAX, Committed};

use crate::support::redis::{TestRedis, namespace};
use crate::support::refunds::{abandoned, accepted, act, ask, at, commit, no};

/// Enough refunds of orders of their own, one due each ms, the last numbers first.
fn admissions(count: usize) -> impl Iterator<Item = Admission> {
    let model = ask("R").admission();
    (0..count).map(move |n| {
        let mut one = model.clone();
        let name = format!("R{:06}", count - n);
        one.record.refund.refund_no = no(&name);
        let id = refundd::domain::GatewayOrderNo::parse(&name).unwrap();
        let order = refundd::domain::OrderRef::new(Some(id), None, None);
        one.record.refund.order = order.unwrap();
        one.due_at = at(u64::try_from(n).unwrap());
        one
    })
}

async fn fill(ledger: &RedisLedger, count: usize) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut all = admissions(count).peekable();
    while all.peek().is_some() {
        batch.clear();
        batch.extend(all.by_ref().take(BATCH_MAX));
        let answers = ledger.admit(&batch, at(0)).await.unwrap();
        assert!(answers.iter().all(|answer| *answer == Admitted::New));
    }
}

/// Claims and commits until nothing is due; returns how many there were.
async fn drain(ledger: &RedisLedger, now: UnixMillis) -> usize {
    let (mut drained, mut last) = (0, None);
    loop {
        let claims = ledger.claim(BATCH_MAX, now, now.plus(1)).await.unwrap();
        assert!(claims.unreadable.is_empty());
        if claims.claims.is_empty() {
            return drained;
        }
        for claim in &claims.claims {
            let due = std::cmp::Reverse(claim.lease.refund_no.clone());
            assert!(last < Some(due.clone()), "the oldest first");
            last = Some(due);
        }
        let taken: Vec<_> =
            claims.claims.iter().map(|claim| commit(claim, &[accepted()], now)).collect();
        let stored = ledger.commit(&taken, now).await.unwrap();
        assert!(stored.iter().all(|one| *one == Committed::Stored));
        drained += taken.len();
    }
}

async fn all_are_drained(count: usize) {
    let redis = TestRedis::start();
    let ledger = redis.ledger(&namespace()).await;
    fill(&ledger, count).await;
    assert_eq!(drain(&ledger, at(1_000_000)).await, count);
}

#[tokio::test]
async fn seven_thousand_nine_hundred_and_ninety_nine_due_refunds_are_drained_oldest_first() {
    all_are_drained(7_999).await;
}

#[tokio::test]
async fn eight_thousand_due_refunds_are_drained_oldest_first() {
    all_are_drained(8_000).await;
}

#[tokio::test]
async fn a_hundred_thousand_due_refunds_are_drained_oldest_first() {
    all_are_drained(100_000).await;
}

#[tokio::test]
async fn eight_thousand_lost_claims_are_given_back() {
    let redis = TestRedis::start();
    let ledger = redis.ledger(&namespace()).await;
    fill(&ledger, 8_000).await;
    let heard = ledger.claim(BATCH_MAX, at(1_000_000), at(2_000_000)).await.unwrap();
    let mut lost = 0;
    while lost < 7_500 {
        let claims = ledger.claim(BATCH_MAX, at(1_000_000), at(2_000_000)).await.unwrap().claims;
        assert!(!claims.is_empty());
        lost += claims.len();
    }
    let number = heard.claims[0].lease.fence.number;
    assert_eq!(ledger.unclaim(number, at(1_000_001)).await.unwrap(), 7_500);
    let again = ledger.claim(BATCH_MAX, at(1_000_001), at(2_000_000)).await.unwrap().claims;
    assert!(again.iter().all(|claim| claim.facts.crashes == 0));
    assert_eq!(again.len(), BATCH_MAX);
}

#[tokio::test]
async fn a_refund_at_the_end_of_five_hundred_that_wait_is_withdrawn() {
    let redis = TestRedis::shared();
    let ledger = redis.ledger(&namespace()).await;
    let asked: Vec<_> =
        (0..BATCH_MAX).map(|n| ask(&format!("R{n}")).of_order("M1").admission()).collect();
    ledger.admit(&asked, at(0)).await.unwrap();
    let saw = ledger.find(&no("R499")).await.unwrap().unwrap();
    let withdrawn = act(&saw, &abandoned(at(1)), at(1));
    assert_eq!(ledger.act(&withdrawn, at(1)).await.unwrap(), Acted::Stored);
    assert!(!ledger.find(&no("R499")).await.unwrap().unwrap().waiting);
    assert!(ledger.find(&no("R498")).await.unwrap().unwrap().waiting);
}

#[tokio::test]
async fn five_hundred_waiting_refunds_of_one_order_are_taken_in_one_batch() {
    let redis = TestRedis::shared();
    let ledger = redis.ledger(&namespace()).await;
    let asked: Vec<_> =
        (0..BATCH_MAX).map(|n| ask(&format!("R{n}")).of_order("M1").admission()).collect();
    let answers = ledger.admit(&asked, at(0)).await.unwrap();
    let waiting = answers.iter().filter(|one| **one == Admitted::Waiting);
    assert_eq!(waiting.count(), BATCH_MAX - 1);
    assert_eq!(ledger.claim(500, at(9), at(10)).await.unwrap().claims.len(), 1);
}
