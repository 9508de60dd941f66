//! Requests of a batch, which are asked about in one call: each gets an answer of its own.

use redis::Value;
use refundd::ports::Ledger;
use refundd::ports::ledger::{Admitted, EntryId, Refusal};

use super::Book;
use crate::support::redis::TestRedis;
use crate::support::refunds::ask;

/// Pushes requests, and lets the reader `who` have them.
fn given(book: &Book, who: &str, ids: &[&str]) {
    let (redis, requests) = (TestRedis::shared(), book.keys.requests());
    for id in ids {
        let _: Value = redis.cmd(&["XADD", &requests, id, "request", "{}"]);
    }
    let read = ["XREADGROUP", "GROUP", "refundd", who, "STREAMS", &requests, ">"];
    let _: Value = redis.cmd(&read);
}

fn entry(id: &str) -> EntryId {
    EntryId(id.to_owned())
}

#[tokio::test]
async fn an_answered_request_is_found_within_a_run_and_its_neighbours_are_admitted() {
    let book = Book::open().await;
    book.pending();
    given(&book, "me", &["3-1", "4-1"]);
    let refusal = Refusal { entry: Some(entry("2-1")), ..Refusal::default() };
    book.ledger.refuse(&refusal).await.unwrap();
    let run = ["1-1", "2-1", "3-1", "4-1"].map(|id| ask(&format!("R{id}")).entry(&entry(id)));
    let answers = book.admit(&run).await;
    assert_eq!(answers, [Admitted::New, Admitted::Decided, Admitted::New, Admitted::New]);
}

#[tokio::test]
async fn requests_of_others_between_them_and_any_order_hide_none_of_a_batch() {
    let book = Book::open().await;
    book.pending();
    given(&book, "other", &["3-1", "4-1", "5-1"]);
    given(&book, "me", &["6-1"]);
    // The count of the one call is used up by what lies between.
    let apart = [ask("R1").entry(&entry("1-1")), ask("R6").entry(&entry("6-1"))];
    assert_eq!(book.admit(&apart).await, [Admitted::New, Admitted::New]);
    // Backwards, and one that came by HTTP at either end.
    let backwards = [ask("R5").entry(&entry("5-1")), ask("R2").entry(&entry("2-1"))];
    assert_eq!(book.admit(&backwards).await, [Admitted::New, Admitted::New]);
    let mixed = [ask("H1"), ask("R3").entry(&entry("3-1")), ask("H2")];
    assert_eq!(book.admit(&mixed).await, [Admitted::New, Admitted::New, Admitted::New]);
}
