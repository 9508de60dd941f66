//! The load: requests as an order system pushes them, and the results that come of them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::Args;
use super::measure::Recorder;
use crate::app::Store;
use crate::cli::progress;
use crate::cli::{CliError, Output};
use crate::ledger::ResultsEntry;
use crate::ports::ledger::EntryId;

/// The one account of the benchmark.
pub(super) const ACCOUNT: &str = "bench";

/// Its currency.
pub(super) const CURRENCY: &str = "CAD";

/// How much each refund gives back, cents.
pub(super) const AMOUNT_CENTS: u64 = 1_234;

/// Requests pushed, and results read, in one round trip.
const BATCH: usize = 500;

/// Between two looks at how many results there are.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long nothing may come before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two refunds of the idle run, so that the worker has gone to sleep again.
const PAUSE: Duration = Duration::from_millis(20);

/// One request, ready to be pushed.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) refund_no: String,
    bytes: Vec<u8>,
}

/// A request that was pushed.
#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) refund_no: String,
    /// When, Unix microseconds: at its stream entry (whole milliseconds), or right before one that was
    /// pushed alone.
    pub(super) at_us: i64,
}

/// What was pushed, and how often this process has looked for results meanwhile.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) pushed: Vec<Pushed>,
    pub(super) looks: u64,
}

/// The request for refund `refund_no`, from an order of its own.
pub(super) fn request(refund_no: &str) -> Vec<u8> {
    let request = json!({
        "v": 1,
        "refund_no": refund_no,
        "account": ACCOUNT,
        "amount_cents": AMOUNT_CENTS,
        "currency": CURRENCY,
        "order": {
            "gateway_order_no": format!("P-{refund_no}"),
            "order_no": format!("O-{refund_no}"),
            "paid_cents": 10_000,
        },
        "reason": "benchmark",
    });
    request.to_string().into_bytes()
}

/// What the refund numbers of this run begin with: runs on one gateway differ.
pub(super) fn run_prefix() -> String {
    format!("B{}-", std::process::id())
}

/// All requests of a run.
pub(super) fn requests(args: &Args) -> Vec<Asked> {
    let prefix = run_prefix();
    let asked = |n| {
        let refund_no = format!("{prefix}{n:07}");
        Asked { bytes: request(&refund_no), refund_no }
    };
    (0..args.refunds()).map(asked).collect()
}

/// Pushes everything as fast as it goes, and waits until as many results are out.
pub(super) async fn all_at_once(
    store: &Store,
    requests: &[Asked],
    recorder: &Recorder,
    out: Output,
) -> Result<Loaded, CliError> {
    let source = store.requests("bench").await?;
    let mut pushed = Vec::with_capacity(requests.len());
    for batch in requests.chunks(BATCH) {
        let bytes: Vec<_> = batch.iter().map(|asked| asked.bytes.clone()).collect();
        let entries = source.push_all(&bytes).await?;
        for (asked, entry) in batch.iter().zip(entries) {
            let at_us = entry.pushed_at().map_or(0, |at| at.get().saturating_mul(1_000));
            pushed.push(Pushed { refund_no: asked.refund_no.clone(), at_us });
        }
    }
    let bar = progress::bar(out, u64::try_from(requests.len()).unwrap_or(0), "settled");
    let wanted = u64::try_from(requests.len()).unwrap_or(u64::MAX);
    let looks = wait(recorder, wanted, |count| bar.set_position(count)).await?;
    bar.finish();
    Ok(Loaded { pushed, looks })
}

/// Pushes a refund only when the one before it has its result.
pub(super) async fn one_by_one(
    store: &Store,
    requests: &[Asked],
    recorder: &Recorder,
    out: Output,
) -> Result<Loaded, CliError> {
    let source = store.requests("bench").await?;
    let bar = progress::bar(out, u64::try_from(requests.len()).unwrap_or(0), "settled");
    let mut loaded = Loaded { pushed: Vec::with_capacity(requests.len()), looks: 0 };
    for (n, asked) in (1..).zip(requests) {
        let at_us = Timestamp::now().as_microsecond();
        let _: EntryId = source.push(&asked.bytes).await?;
        loaded.pushed.push(Pushed { refund_no: asked.refund_no.clone(), at_us });
        loaded.looks += wait(recorder, n, |_| ()).await?;
        bar.inc(1);
        tokio::time::sleep(PAUSE).await;
    }
    bar.finish();
    Ok(loaded)
}

/// Waits until there are `wanted` results, or none has come for a long time: what is missing is for the
/// check to tell. Answers how often it has looked.
async fn wait(
    recorder: &Recorder,
    wanted: u64,
    mut seen: impl FnMut(u64),
) -> Result<u64, CliError> {
    let (mut looks, mut last, mut quiet) = (0, 0, Duration::ZERO);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let count = recorder.results().await?;
        looks += 1;
        seen(count);
        quiet = if count == last { quiet + LOOK_EVERY } else { Duration::ZERO };
        last = count;
        if count >= wanted || quiet >= PATIENCE {
            return Ok(looks);
        }
    }
}

/// All results of the namespace.
pub(super) async fn read_results(store: &Store) -> Result<Vec<ResultsEntry>, CliError> {
    let stream = store.results().await?;
    let mut all: Vec<ResultsEntry> = Vec::new();
    loop {
        let after = all.last().map_or("0", |entry| entry.id.as_str());
        let read = stream.read(after, BATCH, None).await?;
        if read.is_empty() {
            return Ok(all);
        }
        all.extend(read);
    }
}
