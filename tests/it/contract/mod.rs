//! What order systems rely on, through plain `XADD` and a real `refundd run`.

mod bad_requests;
mod orders;
mod results;
mod schema;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::service::Shop;
use crate::support::wait_until;

/// The fields of one stream entry, as bytes.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Adds an entry of any fields to the requests stream; its id.
fn add(shop: &Shop, fields: &[(&[u8], &[u8])]) -> String {
    let mut cmd = redis::cmd("XADD");
    cmd.arg("{refunds}:requests").arg("*");
    for (name, value) in fields {
        cmd.arg(*name).arg(*value);
    }
    cmd.query(&mut shop.redis.raw()).unwrap()
}

/// Everything on a stream.
fn entries(shop: &Shop, stream: &str) -> Vec<(String, Fields)> {
    let flat: Vec<(String, Vec<Vec<u8>>)> =
        shop.redis.cmd(&["XRANGE", &format!("{{refunds}}:{stream}"), "-", "+"]);
    let pairs = |flat: Vec<Vec<u8>>| {
        flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    flat.into_iter().map(|(id, flat)| (id, pairs(flat))).collect()
}

/// Everything on the results stream as text.
fn results(shop: &Shop) -> Vec<BTreeMap<String, String>> {
    let text = |bytes| String::from_utf8(bytes).expect("results are UTF-8");
    let entries = entries(shop, "results").into_iter();
    entries
        .map(|(_, fields)| fields.into_iter().map(|(k, v)| (text(k), text(v))).collect())
        .collect()
}

/// The JSON of every result of that number.
fn results_of(shop: &Shop, refund_no: &str) -> Vec<Value> {
    let all = results(shop).into_iter().filter(|entry| entry["refund_no"] == refund_no);
    all.map(|entry| serde_json::from_str(&entry["result"]).expect("a result is JSON")).collect()
}

/// Waits until no request is left, and makes sure that none is pending either.
async fn assert_all_taken_in(shop: &Shop) {
    wait_until("an empty requests stream", async || {
        (shop.redis.run::<u64>("XLEN {refunds}:requests") == 0).then_some(())
    })
    .await;
    let pending: (u64, redis::Value, redis::Value, redis::Value) =
        shop.redis.run("XPENDING {refunds}:requests refundd");
    assert_eq!(pending.0, 0, "requests are pending");
}
