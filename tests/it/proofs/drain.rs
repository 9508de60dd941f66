//! 100,000 refunds fall due at once, as after an outage: they are handed out oldest first, in bounded
//! batches, and no script fails from their number.

use refundd::domain::state::Outcome;
use refundd::domain::{RefundNo, UnixMillis};
use refundd::ledger::{Keys, RedisLedger};
use refundd::ports::Ledger;
use refundd::ports::ledger::{Admission, BATCH_MAX};

use crate::support::redis::TestRedis;
use crate::support::refunds::{LEASE_MS, accepted, ask, at, ended, try_commit};

/// How many are overdue.
const OVERDUE: usize = 100_000;

#[tokio::test]
async fn a_hundred_thousand_overdue_refunds_are_handed_out_oldest_first_in_bounded_batches() {
    let redis = TestRedis::start();
    let ledger = RedisLedger::connect(&redis.connector(), Keys::new("refunds")).await.unwrap();
    for first in (0..OVERDUE).step_by(BATCH_MAX) {
        let batch: Vec<Admission> = (first..first + BATCH_MAX).map(overdue).collect();
        ledger.admit(&batch, at(0)).await.unwrap();
    }
    let now = at(2 * ms(OVERDUE));
    let (mut handed_out, mut batches, mut last) = (0, 0, UnixMillis::new(0));
    while handed_out < OVERDUE {
        let claims = ledger.claim(BATCH_MAX, now, now.plus(LEASE_MS)).await.unwrap().claims;
        assert!((1..=BATCH_MAX).contains(&claims.len()));
        for claim in &claims {
            let due = due_of(&claim.lease.refund_no);
            assert!(due >= last, "{} came out of turn", claim.lease.refund_no);
            last = due;
        }
        let life = [accepted(), ended(Outcome::Succeeded, now)];
        let commits: Vec<_> =
            claims.iter().filter_map(|claim| try_commit(claim, &life, now)).collect();
        handed_out += commits.len();
        batches += 1;
        ledger.commit(&commits, now).await.unwrap();
    }
    let left: usize = redis.run("ZCARD {refunds}:due");
    assert_eq!(left, 0);
    eprintln!("proved: drain of {handed_out} overdue refunds in {batches} batches, 0 violations");
}

fn ms(i: usize) -> u64 {
    u64::try_from(i).unwrap()
}

/// The `i`-th refund; numbers run against due times, so that no order of names helps.
fn overdue(i: usize) -> Admission {
    let no = format!("R{:06}", OVERDUE - 1 - i);
    Admission { due_at: at(ms(i)), ..ask(&no).admission() }
}

fn due_of(no: &RefundNo) -> UnixMillis {
    let i: usize = no.as_str()[1..].parse().unwrap();
    at(ms(OVERDUE - 1 - i))
}
