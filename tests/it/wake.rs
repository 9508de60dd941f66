//! Sleeping workers are woken when a refund has become due in another process.

use std::sync::Arc;
use std::time::Duration;

use refundd::domain::UnixMillis;
use refundd::ledger::{Keys, listen};
use refundd::ports::Ledger;
use tokio::sync::Notify;

use crate::support::redis::{TestRedis, namespace};
use crate::support::refunds::{LEASE_MS, T0, accepted, ask, at, commit, no};

const SOON: Duration = Duration::from_secs(10);

async fn woken(wake: &Notify) {
    let woken = tokio::time::timeout(SOON, wake.notified()).await;
    woken.expect("to be woken");
}

/// A listener that has begun to listen.
async fn listener(redis: &TestRedis, keys: &Keys) -> Arc<Notify> {
    let wake = Arc::new(Notify::new());
    tokio::spawn(listen(redis.connector(), keys.clone(), wake.clone()));
    woken(&wake).await; // it says so once
    wake
}

#[tokio::test]
async fn a_refund_that_is_due_now_wakes_and_one_that_is_due_later_does_not() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    let mut plain = redis.raw();
    let mut channel = plain.as_pubsub();
    channel.subscribe(keys.wake()).unwrap();
    let wake = listener(redis, &keys).await;
    let later = ask("R1").not_before(at(1)).admission();
    ledger.admit(&[later], T0).await.unwrap();
    let of = |no: &str| ask(no).of_gateway_order("P1").admission();
    ledger.admit(&[of("R2"), of("R3")], T0).await.unwrap();
    ledger.admit(&[of("R4")], T0).await.unwrap(); // waits for its order
    woken(&wake).await;
    let claims = ledger.claim(1, T0, at(LEASE_MS)).await.unwrap().claims;
    let taken = [commit(&claims[0], &[accepted()], T0)];
    ledger.commit(&taken, T0).await.unwrap();
    let nudged = claims[0].lease.refund_no.clone();
    ledger.nudge(&[nudged, no("R1")], UnixMillis::new(5)).await.unwrap();
    woken(&wake).await;
    for _ in 0..2 {
        channel.get_message().unwrap();
    }
    channel.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(channel.get_message().is_err(), "one message each and no more");
}

#[tokio::test]
async fn a_listener_whose_redis_was_away_wakes_once_it_is_back() {
    let mut redis = TestRedis::start();
    let wake = listener(&redis, &namespace()).await;
    redis.restart();
    woken(&wake).await;
}
