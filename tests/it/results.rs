//! The results stream as consumers see it.

use std::time::Duration;

use redis::Value;
use refundd::ledger::{Keys, Results, ResultsEntry};
use refundd::ports::Ledger;
use refundd::ports::ledger::{Publication, Refusal};

use crate::support::redis::{TestRedis, namespace};

const NOW: Duration = Duration::ZERO;

async fn results(keys: &Keys) -> Results {
    let connector = TestRedis::shared().connector();
    Results::connect(&connector, keys).await.unwrap()
}

/// Publishes `e0`, `e1`, ...
async fn publish(keys: &Keys, count: usize) {
    let ledger = TestRedis::shared().ledger(keys).await;
    for n in 0..count {
        let refusal = Refusal {
            result: Some(Publication {
                event_id: format!("e{n}"),
                refund_no: format!("R{n}"),
                outcome: "rejected",
                json: "{\"ü\":1}".to_owned(),
            }),
            ..Refusal::default()
        };
        ledger.refuse(&refusal).await.unwrap();
    }
}

fn events(entries: &[ResultsEntry]) -> Vec<&str> {
    entries.iter().map(|entry| &*entry.event_id).collect()
}

#[tokio::test]
async fn a_reader_without_a_group_reads_from_where_it_says() {
    let keys = namespace();
    let results = results(&keys).await;
    assert!(results.read("0", 5, None).await.unwrap().is_empty());
    assert!(results.read("0", 5, Some(NOW)).await.unwrap().is_empty());
    publish(&keys, 3).await;
    let first = results.read("0", 2, None).await.unwrap();
    assert_eq!(events(&first), ["e0", "e1"]);
    assert_eq!(first[0].refund_no, "R0");
    assert_eq!(first[0].outcome, "rejected");
    assert_eq!(first[0].json, "{\"ü\":1}");
    let rest = results.read(&first[1].id, 2, Some(NOW)).await.unwrap();
    assert_eq!(events(&rest), ["e2"]);
}

#[tokio::test]
async fn each_group_is_given_every_result_once() {
    let keys = namespace();
    let results = results(&keys).await;
    publish(&keys, 3).await;
    for group in ["orders", "books"] {
        let first = results.read_group((group, "one"), 2, NOW).await.unwrap();
        let second = results.read_group((group, "two"), 2, NOW).await.unwrap();
        assert_eq!(events(&first), ["e0", "e1"], "{group}");
        assert_eq!(events(&second), ["e2"], "{group}");
        let none = results.read_group((group, "one"), 2, NOW).await.unwrap();
        assert!(none.is_empty());
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_pending_no_longer() {
    let keys = namespace();
    let results = results(&keys).await;
    publish(&keys, 2).await;
    let read = results.read_group(("g", "me"), 5, NOW).await.unwrap();
    let ids: Vec<String> = read.iter().map(|entry| entry.id.clone()).collect();
    results.acknowledge("g", &ids[..1]).await.unwrap();
    results.acknowledge("g", &ids[..1]).await.unwrap();
    let stream = keys.results();
    let left: Vec<Vec<Value>> = TestRedis::shared().cmd(&["XPENDING", &stream, "g", "-", "+", "9"]);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0][0], Value::BulkString(ids[1].clone().into_bytes()));
}
