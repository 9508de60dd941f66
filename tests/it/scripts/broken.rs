//! Keys that hold something else than they should: nothing is half written, nothing is lost.

use redis::Value;
use refundd::domain::state::Outcome;
use refundd::ports::ledger::{Filter, Publication, PutBack, Refusal};
use refundd::ports::{Ledger, LedgerError};

use super::Book;
use super::money::asks;
use crate::support::redis::TestRedis;
use crate::support::refunds::{
    Asked, LEASE_MS, T0, act, ask, at, commit, no, parked, pause, resolved, settle,
};

/// Puts a value of a type that no key of the ledger has under `key`.
fn spoil(key: &str) {
    let redis = TestRedis::shared();
    let _: Value = redis.cmd(&["DEL", key]);
    let _: Value = redis.cmd(&["RPUSH", key, "spoilt"]);
}

#[tokio::test]
async fn admit_writes_nothing_if_any_key_has_the_wrong_type() {
    for name in ["requests", "refunds", "states", "due", "orders", "overdrawn", "seq"] {
        let book = Book::open().await;
        let [entry, _] = book.pending();
        let key = book.keys.seq().replace("seq", name);
        spoil(&key);
        let before = book.dump();
        let batch = [ask("R1").entry(&entry), ask("R2")];
        let batch: Vec<_> = batch.iter().map(Asked::admission).collect();
        let answer = book.ledger.admit(&batch, T0).await;
        assert!(matches!(answer, Err(LedgerError::Refused(_))), "{name}");
        assert_eq!(book.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn commit_writes_nothing_if_any_key_has_the_wrong_type() {
    let all =
        ["due", "states", "leases", "orders", "settled", "results", "stale", "seq", "overdrawn"];
    for name in all {
        let book = Book::open().await;
        let of = |no: &str| ask(no).of_gateway_order("P1");
        let batch: Vec<_> = [of("R1"), of("R2"), ask("R3")].iter().map(Asked::admission).collect();
        book.ledger.admit(&batch, T0).await.unwrap();
        let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
        spoil(&book.keys.seq().replace("seq", name));
        let before = book.dump();
        let one = settle(&claims[0], Outcome::Succeeded, T0);
        let mut stale = settle(&claims[1], Outcome::Succeeded, T0);
        stale.lease.fence.number += 1;
        let answer = book.ledger.commit(&[one, stale], T0).await;
        assert!(matches!(answer, Err(LedgerError::Refused(_))), "{name}");
        assert_eq!(book.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn refuse_writes_nothing_if_any_key_has_the_wrong_type() {
    for name in ["requests", "results", "quarantine", "seq"] {
        let book = Book::open().await;
        let [entry, _] = book.pending();
        spoil(&book.keys.seq().replace("seq", name));
        let before = book.dump();
        let refusal = Refusal {
            entry: Some(entry),
            result: Some(Publication {
                event_id: "e1".to_owned(),
                refund_no: "R1".to_owned(),
                outcome: "rejected",
                json: "{}".to_owned(),
            }),
            quarantine: vec![("raw", b"x".to_vec())],
        };
        let answer = book.ledger.refuse(&refusal).await;
        assert!(matches!(answer, Err(LedgerError::Refused(_))), "{name}");
        assert_eq!(book.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn claim_writes_nothing_if_any_key_has_the_wrong_type() {
    for name in ["due", "refunds", "states", "leases", "seq", "epoch"] {
        let book = Book::open().await;
        book.admit(&[ask("R1")]).await;
        spoil(&book.keys.seq().replace("seq", name));
        let before = book.dump();
        let answer = book.ledger.claim(5, T0, at(LEASE_MS)).await;
        assert!(matches!(answer, Err(LedgerError::Refused(_))), "{name}");
        assert_eq!(book.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn a_claim_that_cannot_tell_whether_anything_is_paused_or_overdrawn_clears_nothing() {
    for name in ["pauses", "overdrawn"] {
        let book = Book::open().await;
        book.admit(&[ask("R1")]).await;
        spoil(&book.keys.seq().replace("seq", name));
        let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
        assert_eq!((claims.len(), claims[0].cleared_at), (1, None), "{name}");
    }
}

#[tokio::test]
async fn an_unreadable_record_is_told_and_the_others_are_claimed() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2"), ask("R3")]).await;
    let redis = TestRedis::shared();
    let newer = "\u{9}gw";
    let _: Value = redis.cmd(&["HSET", &book.keys.refunds(), "R1", newer]);
    let _: Value = redis.cmd(&["HDEL", &book.keys.states(), "R2"]);
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
    let told: Vec<_> =
        claims.unreadable.iter().map(|(lease, _)| lease.refund_no.as_str()).collect();
    assert_eq!(told, ["R1", "R2"]);
    assert_eq!(claims.claims.len(), 1);
    assert!(claims.unreadable[0].1.contains("newer"), "{claims:?}");
    let found = book.ledger.find(&no("R1")).await;
    assert!(matches!(found, Err(LedgerError::Corrupt { .. })));
}

#[tokio::test]
async fn what_is_no_refund_number_among_the_due_does_not_stop_the_others() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let redis = TestRedis::shared();
    let _: Value = redis.cmd(&["ZADD", &book.keys.due(), "1", "no refund number"]);
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
    assert_eq!(claims.claims.len(), 1);
}

#[tokio::test]
async fn a_lease_that_cannot_be_read_counts_as_a_lost_submit() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2")]).await;
    let redis = TestRedis::shared();
    let _: Value = redis.cmd(&["HSET", &book.keys.leases(), "R1", "?"]);
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    assert!(claims[0].facts.intent_lost, "never sent again unasked");
    assert!(!claims[1].facts.intent_lost);
}

#[tokio::test]
async fn an_unreadable_settled_record_does_not_stop_the_purge() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let done =
        [settle(&claims[0], Outcome::Succeeded, T0), settle(&claims[1], Outcome::Succeeded, T0)];
    book.ledger.commit(&done, T0).await.unwrap();
    let redis = TestRedis::shared();
    let _: Value = redis.cmd(&["HSET", &book.keys.refunds(), "R1", "\u{9}"]);
    assert_eq!(book.ledger.purge(at(1), T0).await.unwrap(), 1);
    assert_eq!(book.dump().of_key("settled").len(), 1, "R1 is left");
}

#[tokio::test]
async fn put_back_and_clear_write_nothing_if_any_key_has_the_wrong_type() {
    for name in ["leases", "due", "seq", "pauses", "spent", "counted", "orders", "overdrawn"] {
        let book = Book::open().await;
        book.admit(&[ask("R1"), ask("R2")]).await;
        let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
        spoil(&book.keys.seq().replace("seq", name));
        let before = book.dump();
        if ["leases", "due", "seq"].contains(&name) {
            let backs = claims.iter().map(|one| PutBack { lease: one.lease.clone(), due_at: T0 });
            let answer = book.ledger.put_back(&backs.collect::<Vec<_>>(), T0).await;
            assert!(matches!(answer, Err(LedgerError::Refused(_))), "put_back {name}");
        }
        if name != "due" {
            let answer = book.ledger.clear(&[asks(&claims[0], Some((1, 9_999)))], T0).await;
            assert!(matches!(answer, Err(LedgerError::Refused(_))), "clear {name}");
        }
        assert_eq!(book.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn act_and_switch_write_nothing_if_any_key_has_the_wrong_type() {
    let all = [
        "due",
        "states",
        "leases",
        "orders",
        "settled",
        "results",
        "audit",
        "seq",
        "pauses",
        "epoch",
        "overdrawn",
    ];
    for name in all {
        let book = Book::open().await;
        book.admit(&[ask("R1")]).await;
        book.ledger.pause(&pause(None, T0)).await.unwrap();
        let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
        book.ledger.commit(&[commit(&claims[0], &[parked(T0)], T0)], T0).await.unwrap();
        let saw = book.ledger.find(&no("R1")).await.unwrap().unwrap();
        spoil(&book.keys.seq().replace("seq", name));
        let before = book.dump();
        if name != "pauses" {
            let done = act(&saw, &resolved(Outcome::Failed, T0), T0);
            let answer = book.ledger.act(&done, T0).await;
            assert!(matches!(answer, Err(LedgerError::Refused(_))), "act {name}");
        }
        if ["audit", "seq", "pauses"].contains(&name) {
            let answer = book.ledger.resume(&pause(None, T0), None).await;
            assert!(matches!(answer, Err(LedgerError::Refused(_))), "resume {name}");
            let answer = book.ledger.pause(&pause(Some("shop"), T0)).await;
            assert!(matches!(answer, Err(LedgerError::Refused(_))), "pause {name}");
        }
        assert_eq!(book.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn nudge_and_forget_write_nothing_if_any_key_has_the_wrong_type() {
    let all =
        ["settled", "refunds", "states", "orders", "due", "leases", "counted", "seq", "overdrawn"];
    for name in all {
        let book = Book::open().await;
        book.admit(&[ask("R1")]).await;
        let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
        book.ledger.commit(&[settle(&claims[0], Outcome::Failed, T0)], T0).await.unwrap();
        spoil(&book.keys.seq().replace("seq", name));
        let before = book.dump();
        let answer = book.ledger.purge(at(1), T0).await;
        assert!(matches!(answer, Err(LedgerError::Refused(_))), "forget {name}");
        if ["states", "due", "leases", "seq"].contains(&name) {
            let answer = book.ledger.nudge(&[no("R1")], T0).await;
            assert!(matches!(answer, Err(LedgerError::Refused(_))), "nudge {name}");
        }
        assert_eq!(book.dump(), before, "{name}");
    }
}

#[tokio::test]
async fn an_unreadable_record_is_left_out_of_the_list_and_hides_no_other() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2"), ask("R3")]).await;
    let _: Value = TestRedis::shared().cmd(&["HSET", &book.keys.states(), "R2", "r\u{9}"]);
    let page = book.ledger.list(&Filter::default(), None, 100).await.unwrap();
    let mut listed: Vec<_> =
        page.refunds.iter().map(|one| one.record.refund.refund_no.as_str()).collect();
    listed.sort_unstable();
    assert_eq!(listed, ["R1", "R3"]);
}
