//! The clock that all workers share.

use refundd::domain::UnixMillis;
use refundd::ledger::RedisClock;
use refundd::ports::Clock;

use crate::support::redis::TestRedis;

/// How far from Redis the clock may be on a busy machine, ms.
const APART_MS: u64 = 25;

fn redis_now() -> UnixMillis {
    let (secs, micros): (i64, i64) = TestRedis::shared().run("TIME");
    UnixMillis::new(secs * 1_000 + micros / 1_000)
}

#[tokio::test]
async fn the_clock_tells_the_time_of_redis() {
    let connector = TestRedis::shared().connector();
    let clock = RedisClock::connect(&connector).await.unwrap();
    let (before, told, after) = (redis_now(), clock.now(), redis_now());
    assert!(before.since(told) <= APART_MS, "{before} {told}");
    assert!(told.since(after) <= APART_MS, "{told} {after}");
}

#[tokio::test]
async fn the_clock_never_goes_back_between_two_settings() {
    let connector = TestRedis::shared().connector();
    let clock = RedisClock::connect(&connector).await.unwrap();
    let mut last = clock.now();
    for _ in 0..100_000 {
        let now = clock.now();
        assert!(now >= last);
        last = now;
    }
}
