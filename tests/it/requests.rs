//! The requests stream: nothing is lost when a reader dies, and nothing odd stops the reading.

use std::time::Duration;

use redis::Value;
use refundd::ledger::{Keys, RedisRequests};
use refundd::ports::ledger::EntryId;
use refundd::ports::{LedgerError, RawRequest, RequestSource};

use crate::support::redis::{TestRedis, namespace};
use crate::support::wait_until;

/// Long enough that a read which is woken returns well before it.
const LONG: Duration = Duration::from_secs(30);
const NOW: Duration = Duration::ZERO;

async fn reader(keys: &Keys, consumer: &str) -> RedisRequests {
    let connector = TestRedis::shared().connector();
    let reader = RedisRequests::connect(&connector, keys.clone(), consumer.to_owned());
    reader.await.unwrap()
}

fn ids(requests: &[RawRequest]) -> Vec<&EntryId> {
    requests.iter().map(|request| &request.entry).collect()
}

#[tokio::test]
async fn a_read_makes_the_group_and_takes_what_was_there_before() {
    let keys = namespace();
    let reader = reader(&keys, "a").await;
    let first = reader.push(b"{\"n\":1}").await.unwrap();
    reader.push_all(&[b"2".to_vec(), b"3".to_vec()]).await.unwrap();
    let read = reader.read(2, NOW).await.unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].entry, first);
    assert_eq!(read[0].fields, [(b"request".to_vec(), b"{\"n\":1}".to_vec())]);
    assert_eq!(read[1].fields[0].1, b"2");
    assert_eq!(reader.read(2, NOW).await.unwrap()[0].fields[0].1, b"3");
    assert!(reader.read(2, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_read_that_waits_is_woken_by_a_push() {
    let keys = namespace();
    let (reader, writer) = (reader(&keys, "a").await, reader(&keys, "b").await);
    assert!(reader.read(1, NOW).await.unwrap().is_empty());
    let blocked = || async {
        let clients: String = TestRedis::shared().run("INFO clients");
        (!clients.contains("blocked_clients:0")).then_some(())
    };
    let push = async {
        wait_until("a blocked reader", blocked).await;
        writer.push(b"late").await.unwrap()
    };
    let (read, pushed) = tokio::join!(reader.read(5, LONG), push);
    assert_eq!(ids(&read.unwrap()), [&pushed]);
}

#[tokio::test]
async fn the_group_is_made_again_after_the_stream_was_deleted() {
    let keys = namespace();
    let reader = reader(&keys, "a").await;
    reader.push(b"1").await.unwrap();
    reader.read(1, NOW).await.unwrap();
    let _: Value = TestRedis::shared().cmd(&["DEL", &keys.requests()]);
    let pushed = reader.push(b"2").await.unwrap();
    let refused = reader.read(1, NOW).await;
    assert!(matches!(refused, Err(LedgerError::Refused(_))), "{refused:?}");
    assert_eq!(ids(&reader.read(1, NOW).await.unwrap()), [&pushed]);
}

#[tokio::test]
async fn two_readers_never_get_the_same_entry() {
    let keys = namespace();
    let (one, other) = (reader(&keys, "a").await, reader(&keys, "b").await);
    one.push_all(&vec![b"x".to_vec(); 10]).await.unwrap();
    let first = one.read(6, NOW).await.unwrap();
    let second = other.read(6, NOW).await.unwrap();
    assert_eq!((first.len(), second.len()), (6, 4));
    assert!(first.iter().all(|request| !second.contains(request)));
}

#[tokio::test]
async fn what_a_dead_reader_has_held_is_reclaimed_by_another() {
    let keys = namespace();
    let (dead, live) = (reader(&keys, "dead").await, reader(&keys, "live").await);
    dead.push_all(&vec![b"x".to_vec(); 5]).await.unwrap();
    let held = dead.read(5, NOW).await.unwrap();
    assert!(live.reclaim(5, Duration::from_secs(3_600)).await.unwrap().is_empty());
    assert!(live.read(5, NOW).await.unwrap().is_empty());
    let first = live.reclaim(3, NOW).await.unwrap();
    assert_eq!(first, held[..3]);
    let pending: Vec<(String, usize)> = {
        let requests = keys.requests();
        let summary: (Value, Value, Value, Vec<(String, usize)>) =
            TestRedis::shared().cmd(&["XPENDING", &requests, "refundd"]);
        summary.3
    };
    let expected = [("dead".to_owned(), 2), ("live".to_owned(), 3)];
    assert_eq!(pending, expected);
}

#[tokio::test]
async fn a_reclaim_on_an_empty_namespace_finds_nothing() {
    let reader = reader(&namespace(), "a").await;
    assert!(reader.reclaim(5, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deleted_entry_does_not_break_the_reclaim() {
    let keys = namespace();
    let reader = reader(&keys, "a").await;
    reader.push_all(&vec![b"x".to_vec(); 3]).await.unwrap();
    let read = reader.read(3, NOW).await.unwrap();
    let requests = keys.requests();
    let _: Value = TestRedis::shared().cmd(&["XDEL", &requests, &read[1].entry.0]);
    let again = reader.reclaim(5, NOW).await.unwrap();
    assert_eq!(ids(&again), [&read[0].entry, &read[2].entry]);
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_come_through_as_they_are() {
    let keys = namespace();
    let reader = reader(&keys, "a").await;
    let odd: [&[u8]; 4] = [b"\xff\xfe", b"\x00\r\n", b"", b"\xc3\x28"];
    let mut cmd = redis::cmd("XADD");
    cmd.arg(keys.requests()).arg("*");
    for bytes in odd {
        cmd.arg(bytes);
    }
    let _: Value = cmd.query(&mut TestRedis::shared().raw()).unwrap();
    let expected = [(odd[0].to_vec(), odd[1].to_vec()), (odd[2].to_vec(), odd[3].to_vec())];
    let read = reader.read(1, NOW).await.unwrap();
    assert_eq!(read[0].fields, expected);
    assert_eq!(reader.reclaim(1, NOW).await.unwrap(), read);
}

#[tokio::test]
async fn an_entry_with_a_great_many_fields_comes_through_whole() {
    let keys = namespace();
    let reader = reader(&keys, "a").await;
    let mut cmd = redis::cmd("XADD");
    cmd.arg(keys.requests()).arg("*");
    for n in 0..20_000 {
        cmd.arg(n % 7).arg(n); // repeated names too
    }
    let _: Value = cmd.query(&mut TestRedis::shared().raw()).unwrap();
    let read = reader.read(1, NOW).await.unwrap();
    assert_eq!(read[0].fields.len(), 20_000);
    let last = (b"0".to_vec(), b"19999".to_vec());
    assert_eq!(read[0].fields[19_999], last);
}

#[tokio::test]
async fn a_key_that_is_no_stream_is_an_error_and_not_a_panic() {
    let keys = namespace();
    let _: Value = TestRedis::shared().cmd(&["SET", &keys.requests(), "x"]);
    let reader = reader(&keys, "a").await;
    assert!(matches!(reader.read(1, NOW).await, Err(LedgerError::Refused(_))));
    assert!(matches!(reader.reclaim(1, NOW).await, Err(LedgerError::Refused(_))));
    assert!(matches!(reader.push(b"x").await, Err(LedgerError::Refused(_))));
}
