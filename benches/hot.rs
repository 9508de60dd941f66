//! Times what runs for every refund: signing, the wire forms, the stored form, the decisions.
//!
//!     cargo bench --features bench --bench hot

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_docs_in_private_items,
    reason = "a benchmark that cannot go on stops; criterion's macros write undocumented functions"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use refundd::contract::{parse, result_of};
use refundd::domain::policy::Policy;
use refundd::domain::schedule::poll_delay_ms;
use refundd::domain::step::{ClaimFacts, advance, next_step};
use refundd::domain::{
    Event, Evidence, GatewayName, Grade, Refund, RefundRecord, Source, UnixMillis,
};
use refundd::gateways::{http, ionlinepay, iotpay, sign};
use refundd::ledger::hot as ledger;
use secrecy::SecretString;

const KEY: &str = "a-key-of-thirty-two-characters-ab";

const REQUEST: &str = r#"{"v":1,"refund_no":"R20261122-000017","account":"shop-ca","amount_cents":1234,
"currency":"CAD","order":{"gateway_order_no":"P-20261121-004711","order_no":"O-20261121-004711",
"paid_cents":10000},"reason":"size does not fit","client_ip":"203.0.113.7"}"#;

fn refund() -> Refund {
    parse(REQUEST.as_bytes()).unwrap()
}

fn name() -> GatewayName {
    GatewayName::parse("gw").unwrap()
}

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(1_700_000_000_000 + ms)
}

/// A refund that was submitted and has been asked about.
fn processing() -> RefundRecord {
    let events =
        [Event::SubmitStarted, accepted(), Event::StillProcessing { gateway_refund_no: None }];
    let first = RefundRecord::admitted(refund(), name(), at(0));
    let step = |record, event: &Event| advance(record, event, at(50), &Policy::default()).unwrap();
    events.iter().fold(first, |record, event| step(record, event).record)
}

fn accepted() -> Event {
    Event::Accepted { gateway_refund_no: None }
}

fn succeeded() -> Event {
    let evidence = Evidence { grade: Grade::A, source: Source::Query, at: at(100) };
    Event::Succeeded { evidence, lines: Vec::new() }
}

/// A signed JSON answer with these fields.
fn answer(fields: &[(&str, &str)]) -> Vec<u8> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut params: BTreeMap<String, String> = fields.iter().map(owned).collect();
    let signature = sign::sign(&params, KEY);
    params.insert("sign".to_owned(), signature);
    serde_json::to_vec(&params).unwrap()
}

fn signing(c: &mut Criterion) {
    let params: sign::Params =
        (0..14).map(|n| (format!("parameter_{n}"), format!("value of it, {n}"))).collect();
    c.bench_function("sign 14 parameters", |b| b.iter(|| sign::sign(black_box(&params), KEY)));
}

fn wire_of_iotpay(c: &mut Criterion) {
    let key = SecretString::from(KEY);
    let settings = iotpay::Settings::new(name(), "http://127.0.0.1:1", "10000576", "bench", key);
    let http = http::Client::new(&http::Settings::default()).unwrap();
    let (gateway, refund) = (iotpay::Gateway::new(settings, http).unwrap(), refund());
    let body = answer(&[
        ("retCode", "SUCCESS"),
        ("retMsg", ""),
        ("mchId", "10000576"),
        ("mchRefundNo", refund.refund_no.as_str()),
        ("refundAmount", "1234"),
        ("refundOrderId", "S000000000000017"),
        ("status", "2"),
    ]);
    iotpay::hot::decode_query(&gateway, &refund, &body).unwrap();
    c.bench_function("iotpay: encode a submit", |b| {
        b.iter(|| iotpay::hot::encode_submit(&gateway, black_box(&refund)));
    });
    c.bench_function("iotpay: decode the answer to a query", |b| {
        b.iter(|| iotpay::hot::decode_query(&gateway, &refund, black_box(&body)));
    });
}

fn wire_of_ionlinepay(c: &mut Criterion) {
    let key = SecretString::from(KEY);
    let settings = ionlinepay::Settings::new(name(), "http://127.0.0.1:1/", "100001", key);
    let http = http::Client::new(&http::Settings::default()).unwrap();
    let (gateway, refund) = (ionlinepay::Gateway::new(settings, http).unwrap(), refund());
    let body = answer(&[
        ("version", "1.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("status", "0"),
        ("result_code", "0"),
        ("mch_id", "100001"),
        ("nonce_str", "0123456789abcdef"),
        ("transaction_id", "P-20261121-004711"),
        ("out_trade_no", "O-20261121-004711"),
        ("refund_count", "1"),
        ("out_refund_no_0", refund.refund_no.as_str()),
        ("refund_id_0", "S000000000000017"),
        ("refund_fee_0", "1234"),
        ("refund_status_0", "SUCCESS"),
    ]);
    ionlinepay::hot::decode_query(&gateway, &refund, &body).unwrap();
    c.bench_function("ionlinepay: encode a submit", |b| {
        b.iter(|| ionlinepay::hot::encode_submit(&gateway, black_box(&refund)));
    });
    c.bench_function("ionlinepay: decode the answer to a query", |b| {
        b.iter(|| ionlinepay::hot::decode_query(&gateway, &refund, black_box(&body)));
    });
}

fn stored_form(c: &mut Criterion) {
    let record = processing();
    let no = record.refund.refund_no.to_string();
    let (asked, state) = ledger::encode(&record).unwrap();
    assert!(ledger::decode(&no, &asked, &state).is_some());
    c.bench_function("record: encode at admission", |b| {
        b.iter(|| ledger::encode(black_box(&record)));
    });
    c.bench_function("record: encode a step", |b| {
        b.iter(|| ledger::encode_step(black_box(&record)));
    });
    c.bench_function("record: decode", |b| {
        b.iter(|| ledger::decode(&no, black_box(&asked), black_box(&state)));
    });
}

fn decisions(c: &mut Criterion) {
    let (record, policy, end) = (processing(), Policy::default(), succeeded());
    c.bench_function("parse a request", |b| b.iter(|| parse(black_box(REQUEST.as_bytes()))));
    c.bench_function("next step", |b| {
        b.iter(|| next_step(black_box(&record), ClaimFacts::default(), &policy));
    });
    c.bench_function("advance to settled, with a copy of the record", |b| {
        b.iter(|| advance(black_box(&record).clone(), &end, at(100), &policy));
    });
    let settled = advance(record.clone(), &end, at(100), &policy).unwrap().record;
    c.bench_function("result of a settled record", |b| {
        b.iter(|| result_of(black_box(&settled), &name()));
    });
    c.bench_function("delay of the next poll", |b| {
        b.iter(|| poll_delay_ms(black_box(&record.refund.refund_no), 3, &policy.poll));
    });
}

criterion_group!(hot, signing, wire_of_iotpay, wire_of_ionlinepay, stored_form, decisions);
criterion_main!(hot);
