//! Redis that was restarted, replaced or set back: noticed by the next claim, before anything is sent.

use redis::Value;
use refundd::domain::Policy;
use refundd::domain::UnixMillis;
use refundd::domain::state::{Outcome, StateKind};
use refundd::domain::step::{Step, next_step};
use refundd::ledger::{Keys, Losses, RedisLedger};
use refundd::ports::Ledger;
use refundd::ports::ledger::{Acted, Claim, Cleared, Committed, PutBack};

use super::Dump;
use super::money::asks;
use crate::support::redis::{TestRedis, namespace};
use crate::support::refunds::{
    LEASE_MS, T0, abandoned, accepted, act, ask, at, commit, no, settle,
};

async fn claims(ledger: &RedisLedger, now: UnixMillis) -> Vec<Claim> {
    ledger.claim(9, now, now.plus(LEASE_MS)).await.unwrap().claims
}

fn told(last_at: Option<UnixMillis>, count: u64) -> Losses {
    Losses { last_at, count }
}

fn step(claim: &Claim) -> Step {
    next_step(&claim.record, claim.facts, &Policy::default())
}

/// Sets the counter back, as writes that are lost do.
fn set_back(redis: &TestRedis, keys: &Keys, counter: &str) {
    let _: Value = redis.cmd(&["SET", &keys.seq(), counter]);
}

#[tokio::test]
async fn a_new_ledger_is_not_doubted_and_neither_is_a_second_process() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    assert_eq!(ledger.losses().await.unwrap(), told(None, 0));
    ledger.admit(&[ask("R1").admission(), ask("R2").admission()], T0).await.unwrap();
    let other = redis.ledger(&keys).await;
    let claim = other.claim(1, T0, at(LEASE_MS)).await.unwrap().claims.remove(0);
    assert_eq!((claim.facts.lost_at, step(&claim)), (None, Step::Submit));
    let claim = claims(&ledger, T0).await.remove(0);
    assert_eq!(claim.facts.lost_at, None);
    assert_eq!(ledger.losses().await.unwrap(), told(None, 0));
    assert!(redis.dump(&keys).of_key("audit").is_empty());
}

#[tokio::test]
async fn a_ledger_that_has_only_refused_so_far_is_new() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.refuse(&refundd::ports::ledger::Refusal::default()).await.unwrap();
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    assert_eq!(claims(&ledger, T0).await[0].facts.lost_at, None);
}

#[tokio::test]
async fn after_a_restart_what_seems_unsent_is_asked_about_first_and_what_comes_later_is_sent() {
    let (mut redis, keys) = (TestRedis::start_durable(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    assert!(ledger.claim(0, T0, T0).await.unwrap().claims.is_empty());
    redis.restart();
    let ledger = reconnected(ledger).await;
    let claim = claims(&ledger, at(5)).await.remove(0);
    assert_eq!(claim.facts.lost_at, Some(at(5)));
    assert_eq!(step(&claim), Step::Doubt);
    assert_eq!(ledger.losses().await.unwrap(), told(Some(at(5)), 1));
    let later = ask("R2").admitted_at(at(6)).admission();
    ledger.admit(&[later], at(6)).await.unwrap();
    let claim = claims(&ledger, at(6)).await.remove(0);
    assert_eq!((claim.facts.lost_at, step(&claim)), (Some(at(5)), Step::Submit));
    let dump = redis.dump(&keys);
    let audit = dump.of_key("audit");
    assert!(audit.len() == 1 && audit[0].contains("kind=write_loss run_id="), "{audit:?}");
    assert!(audit[0].ends_with(" counter=1 seen=1 at=1700000000005"), "{audit:?}");
    let run_id = audit[0].split("run_id=").nth(1).unwrap().split(' ').next().unwrap();
    assert!(run_id.len() == 40 && !audit[0].contains(&format!("was={run_id}")), "{audit:?}");
}

/// The same handle, once its connection has found the server again.
async fn reconnected(ledger: RedisLedger) -> RedisLedger {
    crate::support::wait_until("the connection to be back", async || ledger.losses().await.ok())
        .await;
    ledger
}

#[tokio::test]
async fn a_process_that_begins_after_a_restart_notices_it_too() {
    let (mut redis, keys) = (TestRedis::start_durable(), namespace());
    redis.ledger(&keys).await.admit(&[ask("R1").admission()], T0).await.unwrap();
    redis.restart();
    let ledger = redis.ledger(&keys).await;
    assert_eq!(step(&claims(&ledger, at(5)).await[0]), Step::Doubt);
    let second = redis.ledger(&keys).await;
    second.claim(0, at(7), at(7)).await.unwrap();
    assert_eq!(second.losses().await.unwrap(), told(Some(at(5)), 1));
}

#[tokio::test]
async fn a_counter_that_has_gone_back_is_a_loss_and_no_fence_comes_again() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission(), ask("R2").admission()], T0).await.unwrap();
    let first = ledger.claim(1, T0, at(LEASE_MS)).await.unwrap().claims.remove(0);
    set_back(redis, &keys, "1");
    let second = claims(&ledger, at(5)).await.remove(0);
    assert_eq!((second.facts.lost_at, step(&second)), (Some(at(5)), Step::Doubt));
    assert!(second.lease.fence.number > first.lease.fence.number);
    let audit = redis.dump(&keys);
    assert!(audit.of_key("audit")[0].contains(" counter=1 seen=2 "), "{audit}");
    claims(&ledger, at(6)).await;
    assert_eq!(ledger.losses().await.unwrap(), told(Some(at(5)), 1));
}

#[tokio::test]
async fn an_equal_number_of_an_old_lease_does_not_open_a_new_one() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let slow = redis.ledger(&keys).await;
    slow.admit(&[ask("R1").admission()], T0).await.unwrap();
    let old = claims(&slow, T0).await.remove(0);
    // What the claim wrote is lost, and a process that has seen nothing of it claims again.
    set_back(redis, &keys, "1");
    let _: Value = redis.cmd(&["HDEL", &keys.leases(), "R1"]);
    let _: Value = redis.cmd(&["ZADD", &keys.due(), "1", "R1"]);
    let holder = redis.ledger(&keys).await;
    let new = claims(&holder, at(1)).await.remove(0);
    assert_eq!(new.lease.fence.number, old.lease.fence.number);
    let late = settle(&old, Outcome::Failed, at(2));
    assert_eq!(slow.commit(&[late], at(2)).await.unwrap(), [Committed::StaleFence]);
    let back = PutBack { lease: old.lease, due_at: at(2) };
    slow.put_back(&[back], at(2)).await.unwrap();
    let stored = holder.find(&no("R1")).await.unwrap().unwrap();
    assert_eq!((stored.record.state.kind(), stored.leased), (StateKind::Submitting, true));
    let done = commit(&new, &[accepted()], at(3));
    assert_eq!(holder.commit(&[done], at(3)).await.unwrap(), [Committed::Stored]);
}

#[tokio::test]
async fn an_older_dump_that_is_restored_is_a_loss() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    let names =
        [keys.refunds(), keys.states(), keys.due(), keys.orders(), keys.seq(), keys.epoch()];
    let old: Vec<Vec<u8>> = names.iter().map(|key| redis.cmd(&["DUMP", key])).collect();
    let sent = claims(&ledger, at(1)).await.remove(0);
    ledger.commit(&[commit(&sent, &[accepted()], at(2))], at(2)).await.unwrap();
    let _: Value = redis.cmd(&["DEL", &keys.leases()]);
    for (key, dump) in names.iter().zip(&old) {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(key).arg(0).arg(dump).arg("REPLACE");
        restore.exec(&mut redis.raw()).unwrap();
    }
    let claim = claims(&ledger, at(5)).await.remove(0);
    assert_eq!(claim.record.state.kind(), StateKind::Submitting, "it seems unsent");
    assert_eq!(step(&claim), Step::Doubt);
}

#[tokio::test]
async fn two_that_notice_one_loss_count_it_once() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let (one, two) = (redis.ledger(&keys).await, redis.ledger(&keys).await);
    one.admit(&[ask("R1").admission()], T0).await.unwrap();
    for ms in 0..3 {
        two.admit(&[ask(&format!("S{ms}")).admission()], T0).await.unwrap();
        one.claim(1, at(ms), at(ms)).await.unwrap();
        two.claim(1, at(ms), at(ms)).await.unwrap();
    }
    set_back(redis, &keys, "1");
    let (first, second) = tokio::join!(one.claim(9, at(9), at(10)), two.claim(9, at(9), at(10)));
    let all = [first.unwrap().claims, second.unwrap().claims].concat();
    assert!(!all.is_empty() && all.iter().all(|claim| claim.facts.lost_at == Some(at(9))));
    assert_eq!(one.losses().await.unwrap(), told(Some(at(9)), 1));
    assert_eq!(redis.dump(&keys).of_key("audit").len(), 1);
    set_back(redis, &keys, "1");
    one.claim(0, at(20), at(20)).await.unwrap();
    two.claim(0, at(21), at(21)).await.unwrap();
    let losses = two.losses().await.unwrap();
    assert_eq!(losses.count, 2, "a second loss is a second one");
}

#[tokio::test]
async fn everything_lost_is_a_loss_to_whoever_knew_it() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    claims(&ledger, T0).await;
    for key in [keys.refunds(), keys.states(), keys.due(), keys.leases(), keys.orders()] {
        let _: Value = redis.cmd(&["DEL", &key]);
    }
    let _: Value = redis.cmd(&["DEL", &keys.seq(), &keys.epoch()]);
    ledger.claim(1, at(5), at(5)).await.unwrap();
    assert_eq!(ledger.losses().await.unwrap(), told(Some(at(5)), 1));
}

#[tokio::test]
async fn a_loss_that_cannot_be_recorded_lets_nothing_be_claimed() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    ledger.claim(0, T0, T0).await.unwrap();
    let _: Value = redis.cmd(&["HDEL", &keys.epoch(), "run_id"]);
    let _: Value = redis.cmd(&["SADD", &keys.audit(), "spoilt"]);
    let before = redis.dump(&keys);
    assert!(ledger.claim(9, at(5), at(9)).await.is_err());
    assert_eq!(redis.dump(&keys), before);
}

/// Every key of a namespace as it stands, to come back to.
fn copy(redis: &TestRedis, keys: &Keys) -> Vec<(String, Vec<u8>)> {
    let all: Vec<String> = redis.cmd(&["KEYS", &format!("{}*", keys.seq().replace("seq", ""))]);
    let dumped = all.into_iter().map(|key| {
        let dump = redis.cmd(&["DUMP", &key]);
        (key, dump)
    });
    dumped.collect()
}

fn restore(redis: &TestRedis, copy: &[(String, Vec<u8>)]) {
    let _: Value = redis.run("FLUSHALL");
    for (key, dump) in copy {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(key).arg(0).arg(dump).exec(&mut redis.raw()).unwrap();
    }
}

#[tokio::test]
async fn an_older_copy_that_still_holds_a_lease_lets_its_worker_do_nothing() {
    let (mut redis, keys) = (TestRedis::start_durable(), namespace());
    let slow = redis.ledger(&keys).await;
    slow.admit(&[ask("R1").admission(), ask("R2").admission()], T0).await.unwrap();
    let held = claims(&slow, T0).await;
    let older = copy(&redis, &keys);
    // What the copy does not know: another worker has taken over, and has sent.
    let other = redis.ledger(&keys).await;
    let taken = claims(&other, at(LEASE_MS)).await;
    let sent: Vec<_> =
        taken.iter().map(|claim| commit(claim, &[accepted()], at(LEASE_MS))).collect();
    assert_eq!(other.commit(&sent, at(LEASE_MS)).await.unwrap(), [Committed::Stored; 2]);
    redis.restart();
    restore(&redis, &older);

    let slow = reconnected(slow).await;
    let before = redis.dump(&keys);
    let clearances = [asks(&held[0], None), asks(&held[1], Some((1, 9_999)))];
    let cleared = slow.clear(&clearances, at(5)).await.unwrap();
    assert_eq!(cleared, [Cleared::Lost; 2], "nothing is sent");
    let backs = held.iter().map(|claim| PutBack { lease: claim.lease.clone(), due_at: at(5) });
    slow.put_back(&backs.collect::<Vec<_>>(), at(5)).await.unwrap();
    assert_eq!(redis.dump(&keys), before, "nothing is given back, nothing is counted");
    let late = [settle(&held[0], Outcome::Failed, at(5)), commit(&held[1], &[accepted()], at(5))];
    assert_eq!(slow.commit(&late, at(5)).await.unwrap(), [Committed::StaleFence; 2]);
    let after = redis.dump(&keys);
    assert_eq!(after.without("stale"), before);
    assert_eq!(after.of_key("stale").len(), 2);
    let found = claims(&slow, at(LEASE_MS)).await;
    assert!(found.len() == 2 && found.iter().all(|claim| step(claim) == Step::Recover));
}

#[tokio::test]
async fn a_claim_that_nobody_heard_of_is_given_back_after_a_restart_and_asked_about() {
    let (mut redis, keys) = (TestRedis::start_durable(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission(), ask("R2").admission()], T0).await.unwrap();
    let heard = ledger.claim(1, T0, at(LEASE_MS)).await.unwrap().claims.remove(0);
    ledger.claim(1, T0, at(LEASE_MS)).await.unwrap(); // its answer is lost with the connection
    redis.restart();
    let ledger = reconnected(ledger).await;
    assert_eq!(ledger.unclaim(heard.lease.fence.number, at(5)).await.unwrap(), 1);
    let claim = claims(&ledger, at(5)).await.remove(0);
    assert_eq!((claim.lease.refund_no.as_str(), step(&claim)), ("R2", Step::Doubt));
    assert_eq!((claim.facts.crashes, claim.record.tally.attempts), (0, 1));
}

#[tokio::test]
async fn restarts_of_redis_are_no_crashes_of_the_refunds_that_were_held() {
    let (mut redis, keys) = (TestRedis::start_durable(), namespace());
    let mut ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission(), ask("R2").admission()], T0).await.unwrap();
    let second = claims(&ledger, T0).await.remove(1);
    ledger.commit(&[commit(&second, &[accepted()], T0)], T0).await.unwrap();
    let facts = |claims: &[Claim]| {
        let of = |name| claims.iter().find(|one| one.lease.refund_no == no(name)).unwrap().facts;
        [of("R1"), of("R2")].map(|facts| (facts.intent_lost, facts.crashes))
    };
    let mut now = T0;
    for _ in 0..3 {
        redis.restart();
        ledger = reconnected(ledger).await;
        now = now.plus(LEASE_MS);
        let found = claims(&ledger, now).await;
        assert_eq!(facts(&found), [(true, 0), (false, 0)], "lost all the same");
    }
    // Put back, what was lost is still lost, and the next claim is no crash either.
    now = now.plus(LEASE_MS);
    redis.restart();
    ledger = reconnected(ledger).await;
    for _ in 0..2 {
        let found = claims(&ledger, now).await;
        assert_eq!(facts(&found), [(true, 0), (false, 0)]);
        let backs = found.into_iter().map(|claim| PutBack { lease: claim.lease, due_at: now });
        ledger.put_back(&backs.collect::<Vec<_>>(), now).await.unwrap();
    }
    // In one run they count.
    claims(&ledger, now).await;
    assert_eq!(facts(&claims(&ledger, now.plus(LEASE_MS)).await), [(true, 1), (false, 1)]);
}

#[tokio::test]
async fn a_loss_covers_what_was_pushed_by_a_clock_that_was_ahead() {
    let hour = 3_600_000;
    let ahead = at(hour).get().to_string();
    // An id that is no moment says nothing, and neither does a stream that was never there.
    let ids =
        [(Some(ahead), at(hour)), (Some("1699999999999999".to_owned()), at(5)), (None, at(5))];
    for (id, lost_at) in ids {
        let (redis, keys) = (TestRedis::shared(), namespace());
        let ledger = redis.ledger(&keys).await;
        ledger.admit(&[ask("R1").admitted_at(lost_at).admission()], T0).await.unwrap();
        ledger.claim(0, T0, T0).await.unwrap();
        if let Some(id) = &id {
            let id = format!("{id}-7");
            let _: Value = redis.cmd(&["XADD", &keys.requests(), &id, "request", "{}"]);
            let _: Value = redis.cmd(&["XDEL", &keys.requests(), &id]); // its id is remembered
        }
        let _: Value = redis.cmd(&["HSET", &keys.epoch(), "run_id", "0"]);
        let other = redis.ledger(&keys).await; // which knows of no later moment
        other.claim(0, at(5), at(5)).await.unwrap();
        assert_eq!(other.losses().await.unwrap(), told(Some(lost_at), 1), "{id:?}");
        let audit = redis.dump(&keys);
        assert!(audit.of_key("audit")[0].ends_with(" at=1700000000005"), "noticed then: {audit}");
        assert_eq!(step(&claims(&other, lost_at).await[0]), Step::Doubt);
    }
}

#[tokio::test]
async fn a_loss_covers_every_moment_that_the_handle_which_notices_it_has_used() {
    for using in ["claim", "admit", "commit", "act"] {
        let (redis, keys) = (TestRedis::shared(), namespace());
        let ledger = redis.ledger(&keys).await;
        ledger.admit(&[ask("R1").admission(), ask("R2").admission()], T0).await.unwrap();
        let held = ledger.claim(1, T0, at(LEASE_MS)).await.unwrap().claims.remove(0);
        let later = at(9_999);
        match using {
            "claim" => drop(claims(&ledger, later).await),
            "admit" => drop(ledger.admit(&[ask("R3").admission()], later).await.unwrap()),
            "commit" => {
                let done = [commit(&held, &[accepted()], later)];
                assert_eq!(ledger.commit(&done, later).await.unwrap(), [Committed::Stored]);
            }
            _ => {
                let saw = ledger.find(&no("R2")).await.unwrap().unwrap();
                let decided = act(&saw, &abandoned(later), later);
                assert_eq!(ledger.act(&decided, later).await.unwrap(), Acted::Stored);
            }
        }
        let _: Value = redis.cmd(&["HSET", &keys.epoch(), "run_id", "0"]);
        ledger.claim(0, at(5), at(5)).await.unwrap();
        assert_eq!(ledger.losses().await.unwrap(), told(Some(later), 1), "{using}");
    }
}

#[tokio::test]
async fn what_a_person_decided_on_what_they_saw_before_a_loss_is_not_stored() {
    let (redis, keys) = (TestRedis::shared(), namespace());
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    let find = async || ledger.find(&no("R1")).await.unwrap().unwrap();
    let saw = find().await;
    assert_eq!(saw.lost_at, None);
    // Nobody has noticed yet that this is another Redis: whoever acts does.
    let _: Value = redis.cmd(&["HSET", &keys.epoch(), "run_id", "0"]);
    let before = redis.dump(&keys);
    let decided = act(&saw, &abandoned(at(5)), at(5));
    assert_eq!(ledger.act(&decided, at(5)).await.unwrap(), Acted::Changed);
    let after = redis.dump(&keys);
    let rest = |dump: &Dump| dump.without("epoch").without("audit").without("seq");
    assert_eq!(rest(&after), rest(&before));
    assert!(after.of_key("audit")[0].contains("kind=write_loss"), "{after}");
    // It is recorded by now, and is still not what they saw.
    assert_eq!(ledger.act(&decided, at(6)).await.unwrap(), Acted::Changed);
    assert_eq!(redis.dump(&keys), after);
    let saw = find().await;
    assert_eq!(saw.lost_at, Some(at(5)));
    let decided = act(&saw, &abandoned(at(7)), at(7));
    assert_eq!(ledger.act(&decided, at(7)).await.unwrap(), Acted::Stored, "seen, and decided");
}
