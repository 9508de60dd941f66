//! What people watch: counted in the same writes, never in their way.

use redis::Value;
use refundd::domain::state::{Event, Outcome, StateKind};
use refundd::domain::{GatewayName, GatewayRefundNo, UnixMillis};
use refundd::ports::figures::{Calls, Ended, GatewayReport, Report, SETTLE_BOUNDS_MS, Sample};
use refundd::ports::ledger::{Acted, Admitted, Committed, Filter};
use refundd::ports::{Ledger, Watch};

use super::Book;
use crate::support::redis::TestRedis;
use crate::support::refunds::{LEASE_MS, T0, act, ask, at, commit, no, parked, resolved, settle};

/// The keys that only figures are in.
const KEPT: [&str; 7] =
    ["bins", "requested", "unconfirmed", "refused", "processing", "parked", "found"];

fn spoil(book: &Book, name: &str) {
    let key = book.keys.seq().replace("seq", name);
    let redis = TestRedis::shared();
    let _: Value = redis.cmd(&["DEL", &key]);
    let _: Value = redis.cmd(&["SADD", &key, "spoilt"]);
}

#[tokio::test]
async fn what_cannot_be_counted_stops_no_refund() {
    for name in KEPT {
        let book = Book::open().await;
        spoil(&book, name);
        book.admit(&[ask("R1").paid(500)]).await;
        let claims = book.ledger.claim(5, T0, at(LEASE_MS)).await.unwrap().claims;
        let stopped = [commit(&claims[0], &[accepted("G1"), parked(T0)], T0)];
        assert_eq!(book.ledger.commit(&stopped, T0).await.unwrap(), [Committed::Stored], "{name}");
        let saw = book.ledger.find(&no("R1")).await.unwrap().unwrap();
        let done = act(&saw, &resolved(Outcome::Failed, at(9)), at(9));
        assert_eq!(book.ledger.act(&done, at(9)).await.unwrap(), Acted::Stored, "{name}");
        assert_eq!(book.ledger.purge(at(10), T0).await.unwrap(), 1, "{name}");
        let again = [ask("R1").paid(500).admission()];
        let admitted = book.ledger.admit(&again, at(11)).await.unwrap();
        assert_eq!(admitted, [Admitted::New], "{name}: its amount is free again");
    }
}

fn accepted(gateway_refund_no: &str) -> Event {
    Event::Accepted { gateway_refund_no: GatewayRefundNo::parse(gateway_refund_no).ok() }
}

#[tokio::test]
async fn a_refund_is_found_by_each_of_its_numbers_until_it_is_forgotten() {
    let book = Book::open().await;
    book.admit(&[ask("R1").of_orders(Some("P1"), Some("M1")), ask("R2")]).await;
    let claims = book.ledger.claim(1, T0, at(LEASE_MS)).await.unwrap().claims;
    book.ledger.commit(&[commit(&claims[0], &[accepted("G1")], T0)], T0).await.unwrap();
    for text in ["R1", "P1", "M1", "G1"] {
        assert_eq!(found(&book, text).await, ["R1"], "{text}");
    }
    let claims = book.ledger.claim(9, at(9_000_000), at(9_000_001)).await.unwrap().claims;
    let one = claims.iter().find(|claim| claim.lease.refund_no == no("R1")).unwrap();
    let end = [settle(one, Outcome::Succeeded, at(9_000_000))];
    book.ledger.commit(&end, at(9_000_000)).await.unwrap();
    assert_eq!(found(&book, "G1").await, ["R1"]);
    assert_eq!(book.ledger.purge(at(9_000_001), T0).await.unwrap(), 1);
    for text in ["R1", "P1", "M1", "G1", "", "a b", "R3"] {
        assert!(found(&book, text).await.is_empty(), "{text}");
    }
    assert!(book.dump().of_key("found").is_empty(), "nothing is left of its numbers");
}

async fn found(book: &Book, text: &str) -> Vec<String> {
    let scopes = [GatewayName::parse("other").unwrap(), GatewayName::parse("gw").unwrap()];
    let found = book.ledger.search(text, &scopes).await.unwrap();
    found.into_iter().map(|stored| stored.record.refund.refund_no.to_string()).collect()
}

#[tokio::test]
async fn a_page_of_a_state_goes_on_where_the_last_one_ended() {
    let book = Book::open().await;
    for n in 0..7 {
        // Two of them at the same moment.
        book.admit(&[ask(&format!("R{n}")).admitted_at(at(n / 2))]).await;
    }
    let filter = Filter { state: Some(StateKind::Requested), ..Filter::default() };
    assert_eq!(pages(&book, &filter).await, ["R0 R1 R2", "R3 R4 R5", "R6"]);
    let claims = book.ledger.claim(7, at(9), at(LEASE_MS)).await.unwrap().claims;
    for (n, claim) in (0_u64..).zip(&claims) {
        let end = [settle(claim, Outcome::Succeeded, at(10 + n))];
        book.ledger.commit(&end, at(10 + n)).await.unwrap();
    }
    assert_eq!(pages(&book, &filter).await, [""]);
    let filter = Filter { state: Some(StateKind::Settled), ..Filter::default() };
    assert_eq!(pages(&book, &filter).await, ["R6 R5 R4", "R3 R2 R1", "R0"], "newest first");
    let wrong = book.ledger.list(&filter, Some("nonsense.R1"), 3).await.unwrap();
    assert_eq!(wrong.refunds.len(), 3, "a cursor that nobody gave begins at the beginning");
}

async fn pages(book: &Book, filter: &Filter) -> Vec<String> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page = book.ledger.list(filter, cursor.as_deref(), 3).await.unwrap();
        let nos = page.refunds.iter().map(|stored| stored.record.refund.refund_no.to_string());
        pages.push(nos.collect::<Vec<_>>().join(" "));
        cursor = page.cursor;
        if cursor.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_group_is_as_far_behind_as_what_it_has_not_read_or_acknowledged() {
    let book = Book::open().await;
    let (redis, results) = (TestRedis::shared(), book.keys.results());
    let now = || async { book.ledger.figures(T0).await.unwrap() };
    assert!(now().await.groups.is_empty());
    for id in ["1000-1", "2000-1", "3000-1"] {
        let _: Value = redis.cmd(&["XADD", &results, id, "result", "{}"]);
    }
    let _: Value = redis.cmd(&["XGROUP", "CREATE", &results, "shop", "0"]);
    let group = now().await.groups.remove(0);
    let told = (group.name.as_str(), group.lag, group.pending, group.oldest_at);
    assert_eq!(told, ("shop", Some(3), 0, Some(UnixMillis::new(1_000))));
    let read = ["XREADGROUP", "GROUP", "shop", "me", "COUNT", "2", "STREAMS", &results, ">"];
    let _: Value = redis.cmd(&read);
    let _: Value = redis.cmd(&["XACK", &results, "shop", "1000-1"]);
    let group = now().await.groups.remove(0);
    let told = (group.lag, group.pending, group.oldest_at);
    assert_eq!(told, (Some(1), 1, Some(UnixMillis::new(2_000))));
    let _: Value = redis.cmd(&read);
    let _: Value = redis.cmd(&["XACK", &results, "shop", "2000-1", "3000-1"]);
    let group = now().await.groups.remove(0);
    assert_eq!((group.lag, group.pending, group.oldest_at), (Some(0), 0, None));
}

#[tokio::test]
async fn the_oldest_request_that_waits_is_told() {
    let book = Book::open().await;
    assert_eq!(book.ledger.figures(T0).await.unwrap().oldest_request, None);
    let _: Value =
        TestRedis::shared().cmd(&["XADD", &book.keys.requests(), "7000-1", "request", "{}"]);
    let figures = book.ledger.figures(T0).await.unwrap();
    assert_eq!(figures.oldest_request, Some(UnixMillis::new(7_000)));
    assert_eq!(figures.counts.backlog, 1);
}

fn sample(minute: i64) -> Sample {
    let mut took = [0; SETTLE_BOUNDS_MS.len() + 1];
    took[2] = minute.unsigned_abs();
    Sample {
        at: UnixMillis::new(minute * 60_000),
        unsettled: minute.unsigned_abs(),
        parked: 1,
        unconfirmed: 2,
        overdue: 3,
        backlog: 4,
        oldest_at: (minute > 1).then_some(UnixMillis::new(5)),
        ended: vec![Ended { outcome: Outcome::Failed, took }],
    }
}

#[tokio::test]
async fn a_minute_has_one_sample_whoever_keeps_it_first() {
    let book = Book::open().await;
    for minute in 1..=100 {
        book.ledger.keep_sample(&sample(minute)).await.unwrap();
        let other = Sample { unsettled: 999, ..sample(minute) };
        book.ledger.keep_sample(&other).await.unwrap();
    }
    let until = UnixMillis::new(100 * 60_000);
    let all = book.ledger.history(UnixMillis::new(0), until, 500).await.unwrap();
    assert_eq!(all, (1..=100).map(sample).collect::<Vec<_>>());
    let some = book.ledger.history(UnixMillis::new(0), until, 10).await.unwrap();
    let minutes: Vec<u64> = some.iter().map(|sample| sample.unsettled).collect();
    assert_eq!(minutes, [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    let last = book.ledger.history(UnixMillis::new(99 * 60_000), until, 500).await.unwrap();
    assert_eq!(last, [sample(99), sample(100)]);
}

#[tokio::test]
async fn a_process_that_has_been_silent_for_a_day_is_forgotten() {
    let book = Book::open().await;
    let report = |worker: &str, at: i64| Report {
        worker: worker.to_owned(),
        version: "0.1.0".to_owned(),
        started_at: UnixMillis::new(at),
        at: UnixMillis::new(at),
        holds: 3,
        gateways: vec![GatewayReport {
            gateway: "gw".to_owned(),
            breaker_open: true,
            put_off: 2,
            calls: vec![Calls {
                call: "submit".to_owned(),
                outcome: "refused".to_owned(),
                code: "NO_BALANCE".to_owned(),
                count: 5,
            }],
        }],
    };
    for (worker, at) in [("old", 0), ("new", 50_000_000), ("new", 60_000_000)] {
        book.ledger.keep_report(&report(worker, at)).await.unwrap();
    }
    let all = book.ledger.reports().await.unwrap();
    assert_eq!(all, [report("new", 60_000_000), report("old", 0)], "newest start first");
    let day = Sample { at: UnixMillis::new(86_400_001), ..sample(1) };
    book.ledger.keep_sample(&day).await.unwrap();
    assert_eq!(book.ledger.reports().await.unwrap(), [report("new", 60_000_000)]);
}
