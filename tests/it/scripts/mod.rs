//! Every Lua script against the whole keyspace: what it writes, and what it leaves alone.

mod acts;
mod broken;
mod figures;
mod losses;
mod money;
mod requests;
mod sizes;

use refundd::domain::state::Outcome;
use refundd::domain::step::Plan;
use refundd::ledger::{Keys, RedisLedger};
use refundd::ports::Ledger;
use refundd::ports::ledger::{Admitted, Committed, EntryId, Publication, Refusal};

use crate::support::redis::{Dump, TestRedis, namespace};
use crate::support::refunds::{
    Asked, LEASE_MS, T0, accepted, ask, at, commit, no, processing, settle,
};

/// A namespace on the shared server, and the ledger that writes it.
struct Book {
    keys: Keys,
    ledger: RedisLedger,
}

impl Book {
    async fn open() -> Self {
        let keys = namespace();
        let ledger = TestRedis::shared().ledger(&keys).await;
        ledger.claim(0, T0, T0).await.unwrap(); // the handle and this Redis get to know each other
        Self { keys, ledger }
    }

    /// Everything but the run id of the server, which no other script than epoch writes.
    fn dump(&self) -> Dump {
        TestRedis::shared().dump(&self.keys).without("epoch")
    }

    /// Two requests that a reader has been given: `1-1` and `2-1`.
    fn pending(&self) -> [EntryId; 2] {
        let (redis, requests) = (TestRedis::shared(), self.keys.requests());
        for id in ["1-1", "2-1"] {
            let _: redis::Value = redis.cmd(&["XADD", &requests, id, "request", "{}"]);
        }
        let _: redis::Value = redis.cmd(&["XGROUP", "CREATE", &requests, "refundd", "0"]);
        let read = ["XREADGROUP", "GROUP", "refundd", "me", "STREAMS"];
        let _: redis::Value = redis.cmd(&[&read[..], &[&requests, ">"]].concat());
        ["1-1", "2-1"].map(|id| EntryId(id.to_owned()))
    }

    async fn admit(&self, asked: &[Asked]) -> Vec<Admitted> {
        let batch: Vec<_> = asked.iter().map(Asked::admission).collect();
        self.ledger.admit(&batch, T0).await.unwrap()
    }
}

#[tokio::test]
async fn admit_writes_record_state_due_order_and_acknowledges() {
    let book = Book::open().await;
    let [entry, _] = book.pending();
    let asked = ask("R1").of_orders(Some("P1"), Some("M1")).paid(900);
    book.admit(&[asked.entry(&entry), ask("R2").of_order("M1").cents(1)]).await;
    insta::assert_snapshot!(book.dump(), @r#"
    bins hash c r - shop CAD = 501
    bins hash n r - shop CAD = 2
    due zset R1 @ 1700000000000
    due zset R2 @ inf
    orders hash gw/g:P1 = 501|900|R1|0|2|R1 R2|R2:1700000000000|gw/o:M1
    orders hash gw/o:M1 = =gw/g:P1
    refunds hash R1 = \x01\x97\xa2gw\xa4shop\xcd\x01\xf4\xa3CAD\xa2P1\xa2M1\xcd\x03\x84
    refunds hash R2 = \x01\x96\xa2gw\xa4shop\x01\xa3CAD\xc0\xa2M1
    requested zset R1 @ 1700000000000
    requested zset R2 @ 1700000000000
    requests stream 2-1 request={}
    requests stream group refundd pending ["2-1 of me"]
    seq string 1
    states hash R1 = r\x01\x92\xcf\x00\x00\x01\x8b\xcf\xe5h\x00\x92\x00\x00
    states hash R2 = r\x01\x92\xcf\x00\x00\x01\x8b\xcf\xe5h\x00\x92\x00\x00
    "#);
}

#[tokio::test]
async fn a_known_refund_an_over_refund_and_a_mismatch_write_nothing() {
    let book = Book::open().await;
    let [entry, second] = book.pending();
    let first = ask("R1").of_gateway_order("P1").paid(900).entry(&entry);
    book.admit(&[first.clone(), ask("R2").of_order("M1")]).await;
    let before = book.dump();
    let known = first.entry(&second);
    assert!(matches!(book.admit(&[known]).await[0], Admitted::Known(_)));
    assert_eq!(book.dump(), before, "known");
    let over = ask("R3").of_gateway_order("P1").entry(&second);
    let answer = book.admit(&[over]).await;
    assert!(matches!(answer[0], Admitted::OverRefund { .. }));
    assert_eq!(book.dump(), before, "over-refund");
    let crossed = ask("R4").of_orders(Some("P1"), Some("M1")).entry(&second);
    assert_eq!(book.admit(&[crossed]).await, [Admitted::OrderMismatch]);
    assert_eq!(book.dump(), before, "mismatch");
}

#[tokio::test]
async fn a_request_that_had_its_answer_is_admitted_by_nobody_and_writes_nothing() {
    let book = Book::open().await;
    let [entry, _] = book.pending();
    let refusal = Refusal { entry: Some(entry.clone()), ..Refusal::default() };
    book.ledger.refuse(&refusal).await.unwrap();
    let before = book.dump();
    let answer = book.admit(&[ask("R1").entry(&entry)]).await;
    assert_eq!(answer, [Admitted::Decided]);
    assert_eq!(book.dump(), before);
}

#[tokio::test]
async fn a_request_that_others_took_from_the_stream_or_from_the_group_is_still_admitted() {
    let book = Book::open().await;
    let [trimmed, read] = book.pending();
    let (redis, requests) = (TestRedis::shared(), book.keys.requests());
    // A producer that keeps the stream short, and a reader that was removed with all it had read.
    let _: redis::Value = redis.cmd(&["XDEL", &requests, &trimmed.0]);
    assert_eq!(book.admit(&[ask("R1").entry(&trimmed)]).await, [Admitted::New]);
    let _: redis::Value = redis.cmd(&["XGROUP", "DELCONSUMER", &requests, "refundd", "me"]);
    assert_eq!(book.admit(&[ask("R2").entry(&read)]).await, [Admitted::New]);
    let _: redis::Value = redis.cmd(&["XADD", &requests, "3-1", "request", "{}"]);
    let _: redis::Value = redis.cmd(&["XGROUP", "DESTROY", &requests, "refundd"]);
    let (groupless, gone) = (EntryId("3-1".to_owned()), EntryId("4-1".to_owned()));
    let batch = [ask("R3").entry(&groupless), ask("R4").entry(&gone)];
    assert_eq!(book.admit(&batch).await, [Admitted::New, Admitted::Decided]);
}

#[tokio::test]
async fn claim_writes_a_lease_and_its_end_and_nothing_else() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2").not_before(at(9))]).await;
    let before = book.dump();
    book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
    let after = book.dump();
    let touched = |dump: &Dump| dump.without("due").without("leases").without("seq");
    assert_eq!(touched(&after), touched(&before));
    let lease = format!("leases hash R1 = 2 i 0 {} ", T0.get());
    assert!(after.of_key("leases")[0].starts_with(&lease), "{after}");
    assert_eq!(after.of_key("seq"), ["seq string 2"]);
    let due = ["due zset R2 @ 1700000000009", "due zset R1 @ 1700000030000"];
    assert_eq!(after.of_key("due"), due);
}

#[tokio::test]
async fn a_claim_that_finds_nothing_writes_nothing() {
    let book = Book::open().await;
    book.admit(&[ask("R1").not_before(at(9))]).await;
    let before = book.dump();
    book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
    assert_eq!(book.dump(), before);
}

#[tokio::test]
async fn a_second_claim_marks_what_the_first_has_lost() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    for lease in 0..3 {
        let now = at(lease * LEASE_MS);
        book.ledger.claim(5, now, now.plus(LEASE_MS)).await.unwrap();
    }
    let lease = format!("leases hash R1 = 4 u 2 {} ", T0.get());
    assert!(book.dump().of_key("leases")[0].starts_with(&lease));
    assert_eq!(book.dump().of_key("due"), ["due zset R1 @ 1700000090000"]);
}

#[tokio::test]
async fn commit_of_a_success_ends_publishes_and_lets_the_next_go() {
    let book = Book::open().await;
    let of = |no: &str| ask(no).of_gateway_order("P1").paid(1_000);
    book.admit(&[of("R1"), of("R2")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let done = settle(&claims[0], Outcome::Succeeded, at(7));
    let batch = std::slice::from_ref(&done);
    book.ledger.commit(batch, at(7)).await.unwrap();
    let dump = book.dump();
    assert_eq!(
        dump.of_key("due"),
        ["due zset R2 @ 1700000060007"],
        "R2 has its turn after the gap"
    );
    assert_eq!(dump.of_key("settled"), ["settled zset R1 @ 1700000000007"]);
    assert_eq!(
        dump.of_key("orders"),
        ["orders hash gw/g:P1 = 1000|1000|R2|1700000060007|2|R1 R2||"]
    );
    assert!(dump.of_key("leases").is_empty());
    assert_eq!(
        dump.of_key("results"),
        ["results stream #0 event_id=R1:1 refund_no=R1 outcome=succeeded \
          result={\"refund_no\":\"R1\"}"]
    );
    assert!(dump.of_key("states")[0].starts_with("states hash R1 = z\\x01"));
}

#[tokio::test]
async fn a_repeated_commit_writes_a_line_of_stale_commits_and_nothing_else() {
    let book = Book::open().await;
    book.admit(&[ask("R1").paid(500)]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let done = [settle(&claims[0], Outcome::Failed, T0)];
    book.ledger.commit(&done, T0).await.unwrap();
    let before = book.dump();
    let again = book.ledger.commit(&done, at(3)).await.unwrap();
    assert_eq!(again, [Committed::StaleFence]);
    let after = book.dump();
    assert_eq!(after.without("stale"), before.without("stale"));
    let lines = after.of_key("stale");
    assert_eq!(lines.len(), 1);
    let line = "stale stream #0 kind=stale_commit refund_no=R1 fence=2 ";
    assert!(lines[0].starts_with(line) && lines[0].contains(" state=z\\x01"), "{lines:?}");
    assert!(lines[0].ends_with("at=1700000000003"), "{lines:?}");
}

#[tokio::test]
async fn a_commit_under_an_old_fence_writes_a_line_of_stale_commits_and_nothing_else() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let slow = book.ledger.claim(5, T0, at(1)).await.unwrap().claims;
    book.ledger.claim(5, at(1), at(LEASE_MS)).await.unwrap();
    let before = book.dump();
    let late = commit(&slow[0], &[accepted()], at(2));
    let answer = book.ledger.commit(&[late], at(2)).await.unwrap();
    assert_eq!(answer, [Committed::StaleFence]);
    assert_eq!(book.dump().without("stale"), before);
}

#[tokio::test]
async fn nudge_moves_the_due_moment_only() {
    let book = Book::open().await;
    book.admit(&[ask("R1"), ask("R2").not_before(at(9))]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let taken = [commit(&claims[0], &[accepted()], T0)];
    book.ledger.commit(&taken, T0).await.unwrap();
    let before = book.dump();
    let both = [no("R1"), no("R2"), no("R9")];
    book.ledger.nudge(&both, at(1)).await.unwrap();
    let after = book.dump();
    let rest = |dump: &Dump| dump.without("due").without("seq");
    assert_eq!(rest(&after), rest(&before));
    let due = ["due zset R1 @ 1700000000001", "due zset R2 @ 1700000000009"];
    assert_eq!(after.of_key("due"), due);
    book.ledger.nudge(&both, at(1)).await.unwrap();
    assert_eq!(book.dump(), after, "a repeat does nothing further");
}

#[tokio::test]
async fn refuse_acknowledges_and_leaves_result_and_raw_bytes() {
    let book = Book::open().await;
    let [entry, _] = book.pending();
    let result = Publication {
        event_id: "e1".to_owned(),
        refund_no: "R1".to_owned(),
        outcome: "rejected",
        json: "{}".to_owned(),
    };
    let refusal = Refusal {
        entry: Some(entry),
        result: Some(result),
        quarantine: vec![("raw", vec![0xff, b'a']), ("why", b"bytes".to_vec())],
    };
    book.ledger.refuse(&refusal).await.unwrap();
    insta::assert_snapshot!(book.dump(), @r#"
    quarantine stream #0 raw=\xffa why=bytes
    requests stream 2-1 request={}
    requests stream group refundd pending ["2-1 of me"]
    results stream #0 event_id=e1 refund_no=R1 outcome=rejected result={}
    seq string 1
    "#);
    let once = book.dump();
    book.ledger.refuse(&refusal).await.unwrap();
    assert_eq!(book.dump(), once, "an entry is answered once, whoever answers it again");
}

#[tokio::test]
async fn purge_leaves_nothing_of_a_namespace_but_its_counter_and_streams() {
    let book = Book::open().await;
    let of = |no: &str, g, m| ask(no).of_orders(g, m);
    let asked = [
        of("R1", Some("P1"), Some("M1")),
        of("R2", Some("P2"), Some("M1")),
        of("R3", None, Some("M3")),
    ];
    book.admit(&asked).await;
    for round in 0..3 {
        let now = at(round * 60_000);
        let claims = book.ledger.claim(5, now, now.plus(1)).await.unwrap().claims;
        for claim in claims {
            let done = [settle(&claim, Outcome::Succeeded, now)];
            book.ledger.commit(&done, now).await.unwrap();
        }
    }
    assert_eq!(book.dump().of_key("settled").len(), 3);
    let forgotten = book.ledger.purge(at(1_000_000), T0).await.unwrap();
    assert_eq!(forgotten, 3);
    let left = book.dump().without("results").without("seq").without("bins");
    assert_eq!(left.to_string(), "");
    let before = book.dump();
    assert_eq!(book.ledger.purge(at(1_000_000), T0).await.unwrap(), 0);
    assert_eq!(book.dump(), before, "a repeat does nothing further");
}

#[tokio::test]
async fn trim_keeps_what_any_group_has_not_read_or_not_acknowledged() {
    let book = Book::open().await;
    let (redis, results) = (TestRedis::shared(), book.keys.results());
    for id in ["1-0", "2-0", "3-0", "4-0", "5-0"] {
        let _: redis::Value = redis.cmd(&["XADD", &results, id, "event_id", id]);
    }
    for group in ["quick", "slow"] {
        let _: redis::Value = redis.cmd(&["XGROUP", "CREATE", &results, group, "0"]);
    }
    let left = || redis.cmd::<usize>(&["XLEN", &results]);
    let read = |group: &str, count: &str| {
        let words = ["XREADGROUP", "GROUP", group, "me", "COUNT", count, "STREAMS"];
        let _: redis::Value = redis.cmd(&[&words[..], &[&results, ">"]].concat());
    };
    read("quick", "5");
    let _: redis::Value =
        redis.cmd(&["XACK", &results, "quick", "1-0", "2-0", "3-0", "4-0", "5-0"]);
    book.ledger.purge(T0, T0).await.unwrap();
    assert_eq!(left(), 5, "the slow group has read nothing");
    read("slow", "3");
    book.ledger.purge(T0, T0).await.unwrap();
    assert_eq!(left(), 5, "the slow group has acknowledged nothing");
    let _: redis::Value = redis.cmd(&["XACK", &results, "slow", "1-0", "3-0"]);
    book.ledger.purge(T0, T0).await.unwrap();
    assert_eq!(left(), 4, "2-0 is still pending");
    let _: redis::Value = redis.cmd(&["XACK", &results, "slow", "2-0"]);
    book.ledger.purge(T0, T0.minus(T0.get().unsigned_abs() - 2)).await.unwrap();
    assert_eq!(left(), 4, "2-0 is not older than 2 ms");
    book.ledger.purge(T0, T0).await.unwrap();
    let ids = book.dump();
    let ids: Vec<&str> = ids.of_key("results")[..3].to_vec();
    assert!(ids[0].contains("3-0"), "the last one read is kept: {ids:?}");
}

#[tokio::test]
async fn trim_without_a_group_goes_by_age_alone() {
    let book = Book::open().await;
    let (redis, results) = (TestRedis::shared(), book.keys.results());
    book.ledger.purge(T0, T0).await.unwrap();
    assert!(book.dump().of_key("results").is_empty(), "no stream is made");
    for id in ["1-0", "1-1", "2-0"] {
        let _: redis::Value = redis.cmd(&["XADD", &results, id, "event_id", id]);
    }
    let moments = [(-5, 3), (0, 3), (1, 3), (2, 1), (3, 0)];
    for (before, left) in moments {
        let before = refundd::domain::UnixMillis::new(before);
        book.ledger.purge(T0, before).await.unwrap();
        assert_eq!(redis.cmd::<usize>(&["XLEN", &results]), left, "{before:?}");
    }
}

#[tokio::test]
async fn scripts_are_loaded_again_after_redis_has_forgotten_them() {
    let redis = TestRedis::start();
    let keys = namespace();
    let ledger = redis.ledger(&keys).await;
    ledger.admit(&[ask("R1").admission()], T0).await.unwrap();
    let _: redis::Value = redis.run("SCRIPT FLUSH");
    let claims = ledger.claim(1, T0, at(LEASE_MS)).await.unwrap().claims;
    let _: redis::Value = redis.run("SCRIPT FLUSH");
    let taken = [commit(&claims[0], &[accepted()], T0)];
    assert_eq!(ledger.commit(&taken, T0).await.unwrap(), [Committed::Stored]);
}

#[tokio::test]
async fn a_due_moment_at_the_end_of_time_does_not_stop_the_others() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
    let mut put_off = commit(&claims[0], &[accepted()], T0);
    put_off.plan = Plan::Due(T0.plus(u64::MAX));
    book.ledger.commit(&[put_off], T0).await.unwrap();
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
    assert!(claims.next_due > Some(at(1_000_000_000_000)));
    book.admit(&[ask("R2")]).await;
    let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
    let taken = [commit(&claims.claims[0], &[accepted(), processing()], T0)];
    assert_eq!(book.ledger.commit(&taken, T0).await.unwrap(), [Committed::Stored]);
}

#[tokio::test]
async fn what_is_claimed_after_a_claim_was_given_back_is_of_a_later_round() {
    let book = Book::open().await;
    book.admit(&[ask("R1")]).await;
    let round = async || {
        book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap();
        let dump = book.dump();
        let lease = dump.of_key("leases")[0].to_owned();
        lease.rsplit_once('.').unwrap().1.to_owned()
    };
    let first: u64 = round().await.parse().unwrap();
    assert_eq!(book.ledger.unclaim(0, T0).await.unwrap(), 1);
    assert!(book.dump().of_key("leases").is_empty());
    let second: u64 = round().await.parse().unwrap();
    assert!(second > first, "an earlier call that Redis sees late must not give this back");
}
