//! Redis goes away and comes back: calls say so, connections mend themselves, nothing is lost.

use std::time::Duration;

use refundd::domain::state::StateKind;
use refundd::ledger::{Connector, RedisLedger, RedisRequests};
use refundd::ports::ledger::Committed;
use refundd::ports::{Ledger, LedgerError, RequestSource};

use crate::support::redis::{TestRedis, namespace};
use crate::support::refunds::{LEASE_MS, T0, accepted, ask, at, commit, no};
use crate::support::wait_until;

/// A call that takes longer hangs.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn connecting_to_nothing_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix://{}/none.sock", folder.path().display());
    let connector = Connector::new(&url).unwrap();
    let connect = RedisLedger::connect(&connector, namespace());
    let answer = tokio::time::timeout(SOON, connect).await.expect("an answer");
    assert!(matches!(answer, Err(LedgerError::Unavailable(_))));
    assert!(matches!(connector.preflight().await, Err(LedgerError::Unavailable(_))));
}

#[tokio::test]
async fn calls_fail_while_redis_is_away_and_work_when_it_is_back() {
    let mut redis = TestRedis::start_durable();
    let keys = namespace();
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    let claims = ledger.claim(1, T0, at(LEASE_MS)).await.unwrap().claims;
    let before = redis.dump(&keys);
    let refund_no = no("R1");
    redis.kill();
    for _ in 0..3 {
        let call = tokio::time::timeout(SOON, ledger.find(&refund_no));
        let answer = call.await.expect("an answer");
        assert!(matches!(answer, Err(LedgerError::Unavailable(_))));
    }
    redis.restart();
    assert_eq!(redis.dump(&keys), before, "synced before it was confirmed");
    let taken = [commit(&claims[0], &[accepted()], T0)];
    let stored = || async { ledger.commit(&taken, T0).await.ok() };
    let answer = wait_until("the connection to mend", stored).await;
    assert_eq!(answer, [Committed::StaleFence], "its lease is of the run before");
    let later = at(LEASE_MS);
    let claim = ledger.claim(1, later, at(2 * LEASE_MS)).await.unwrap().claims.remove(0);
    assert!(claim.facts.intent_lost, "it is asked about");
    let taken = [commit(&claim, &[accepted()], later)];
    assert_eq!(ledger.commit(&taken, later).await.unwrap(), [Committed::Stored]);
    let found = ledger.find(&refund_no).await.unwrap().unwrap();
    assert_eq!(found.record.state.kind(), StateKind::Processing);
}

#[tokio::test]
async fn a_reader_goes_on_after_redis_was_away() {
    let mut redis = TestRedis::start_durable();
    let connector = redis.connector();
    let requests = RedisRequests::connect(&connector, namespace(), "a".to_owned());
    let requests = requests.await.unwrap();
    requests.push(b"1").await.unwrap();
    let read = requests.read(1, Duration::ZERO).await.unwrap();
    redis.kill();
    let away = requests.read(1, SOON);
    let away = tokio::time::timeout(SOON, away).await.expect("an answer");
    assert!(matches!(away, Err(LedgerError::Unavailable(_))), "{away:?}");
    redis.restart();
    let again = || async { requests.reclaim(5, Duration::ZERO).await.ok() };
    assert_eq!(wait_until("the reader to mend", again).await, read);
    let pushed = requests.push(b"2").await.unwrap();
    let next = || async { requests.read(1, Duration::ZERO).await.ok() };
    let next = wait_until("the reader to mend", next).await;
    assert_eq!(next[0].entry, pushed);
}
