//! The scripts of people, against the whole keyspace.

use refundd::domain::state::Outcome;
use refundd::ports::Ledger;
use refundd::ports::ledger::{Acted, Cleared};

use super::money::asks;
use super::{Book, Dump};
use crate::support::refunds::{
    LEASE_MS, T0, abandoned, act, ask, at, commit, no, parked, pause, released, resolved,
};

#[tokio::test]
async fn an_act_writes_state_result_order_and_audit_and_nothing_else() {
    let book = Book::open().await;
    book.admit(&[ask("R1").of_gateway_order("P1").paid(900)]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    book.ledger.commit(&[commit(&claims[0], &[parked(T0)], T0)], T0).await.unwrap();
    let saw = book.ledger.find(&no("R1")).await.unwrap().unwrap();
    let before = book.dump();
    let done = act(&saw, &resolved(Outcome::Failed, at(9)), at(9));
    assert_eq!(book.ledger.act(&done, at(9)).await.unwrap(), Acted::Stored);
    let after = book.dump();
    assert!(after.of_key("due").is_empty() && after.of_key("leases").is_empty());
    assert_eq!(after.of_key("settled"), ["settled zset R1 @ 1700000000009"]);
    assert_eq!(after.of_key("orders"), ["orders hash gw/g:P1 = 0|900||1700000060009|1|R1||"]);
    assert_eq!(after.of_key("seq"), ["seq string 4"]);
    assert!(after.of_key("states")[0].starts_with("states hash R1 = z\\x01"));
    assert_eq!(after.of_key("results").len(), 2);
    assert_eq!(
        after.of_key("audit"),
        ["audit stream #0 kind=operator action=resolve subject=R1 who=ana \
          reason=asked by phone change=parked -> settled at=1700000000009"]
    );
    let written =
        ["due", "settled", "orders", "seq", "states", "results", "audit", "bins", "parked"];
    let rest = |dump: &Dump| written.iter().fold(dump.clone(), |dump, key| dump.without(key));
    assert_eq!(rest(&after), rest(&before));
    assert_eq!(book.ledger.act(&done, at(10)).await.unwrap(), Acted::Changed);
    assert_eq!(book.dump(), after, "a repeat does nothing further");
}

#[tokio::test]
async fn a_released_refund_leaves_only_its_due_time_state_and_a_line() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    book.ledger.commit(&[commit(&claims[0], &[parked(T0)], T0)], T0).await.unwrap();
    book.ledger.nudge(&[no("R1")], at(1)).await.unwrap();
    book.ledger.claim(5, at(1), at(LEASE_MS)).await.unwrap();
    let saw = book.ledger.find(&no("R1")).await.unwrap().unwrap();
    let before = book.dump();
    assert_eq!(before.of_key("leases").len(), 1);
    let free = act(&saw, &released(), at(9));
    assert_eq!(book.ledger.act(&free, at(9)).await.unwrap(), Acted::Stored);
    let after = book.dump();
    assert!(after.of_key("leases").is_empty(), "the worker that was asking has lost it");
    let written = ["due", "leases", "seq", "states", "audit", "bins", "parked", "unconfirmed"];
    let rest = |dump: &Dump| written.iter().fold(dump.clone(), |dump, key| dump.without(key));
    assert_eq!(rest(&after), rest(&before));
}

#[tokio::test]
async fn a_refused_act_writes_nothing() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2")]).await;
    let saw = book.ledger.find(&no("R1")).await.unwrap().unwrap();
    book.ledger.claim(1, T0, at(LEASE_MS)).await.unwrap();
    let before = book.dump();
    let withdrawn = act(&saw, &abandoned(T0), T0);
    assert_eq!(book.ledger.act(&withdrawn, T0).await.unwrap(), Acted::Submitting);
    assert_eq!(book.dump(), before);
}

#[tokio::test]
async fn a_switch_writes_its_field_and_a_line_and_is_gone_after_it() {
    let book = Book::open().await;
    assert!(book.ledger.pause(&pause(Some("shop"), T0)).await.unwrap());
    insta::assert_snapshot!(book.dump(), @r#"
    audit stream #0 kind=operator action=pause subject=shop who=ana reason=asked by phone change= at=1700000000000
    pauses hash shop = {"who":"ana","reason":"asked by phone","at":1700000000000}
    seq string 1
    "#);
    let paused = book.dump();
    assert!(!book.ledger.pause(&pause(Some("shop"), at(1))).await.unwrap());
    assert!(!book.ledger.resume(&pause(None, at(1)), None).await.unwrap());
    assert_eq!(book.dump(), paused);
    assert!(book.ledger.resume(&pause(Some("shop"), at(2)), None).await.unwrap());
    let after = book.dump();
    assert!(after.of_key("pauses").is_empty());
    assert_eq!((after.of_key("audit").len(), after.of_key("seq")[0]), (2, "seq string 2"));
}

#[tokio::test]
async fn a_pause_that_cannot_be_read_is_told_and_still_stops_the_submits() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let redis = crate::support::redis::TestRedis::shared();
    let _: redis::Value = redis.cmd(&["HSET", &book.keys.pauses(), "*", "?"]);
    let told = book.ledger.pauses().await.unwrap_err().to_string();
    assert!(told.contains("pause of *"), "{told}");
    let answer = book.ledger.clear(&[asks(&claims[0], None)], T0).await.unwrap();
    assert_eq!(answer, [Cleared::Paused]);
}
