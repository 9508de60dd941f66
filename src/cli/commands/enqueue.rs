//! `refundd enqueue`: pushes requests onto the stream, as any order system may.
//!
//! Each request is checked by the rules of the contract first, so that a mistake is told here and
//! now. Whether the account exists and the order has enough left is told by the result.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use super::with_store;
use crate::cli::progress;
use crate::cli::{CliError, Context, Exit};
use crate::contract::parse;
use crate::ledger::RedisRequests;

/// Requests pushed in one round trip.
const BATCH: usize = 500;

/// One refund, or a file of them.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// JSON lines, one request a line; - for standard input
    #[arg(conflicts_with_all = [
        "refund_no", "account", "amount_cents", "currency", "gateway_order_no", "order_no",
        "paid_cents", "reason", "client_ip", "device", "not_before", "metadata",
    ])]
    file: Option<PathBuf>,
    /// Your refund number: the idempotency key, the same on every repeat
    #[arg(long, required_unless_present = "file", requires_all = ["account", "amount_cents", "currency"])]
    refund_no: Option<String>,
    /// Account of the configuration
    #[arg(long)]
    account: Option<String>,
    /// Amount in minor units (cents)
    #[arg(long, value_name = "CENTS", allow_negative_numbers = true)]
    amount_cents: Option<String>,
    /// ISO 4217
    #[arg(long)]
    currency: Option<String>,
    /// The gateway's id of the paid order
    #[arg(long)]
    gateway_order_no: Option<String>,
    /// Your order number
    #[arg(long)]
    order_no: Option<String>,
    /// What was paid, minor units
    #[arg(long, value_name = "CENTS", allow_negative_numbers = true)]
    paid_cents: Option<String>,
    /// Why, up to 127 characters
    #[arg(long)]
    reason: Option<String>,
    /// The payer's address
    #[arg(long)]
    client_ip: Option<String>,
    /// The device name
    #[arg(long)]
    device: Option<String>,
    /// Do not submit earlier, RFC 3339
    #[arg(long)]
    not_before: Option<String>,
    /// JSON object of up to 4 KiB, echoed in the result
    #[arg(long)]
    metadata: Option<String>,
    /// Print what was pushed as one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Counts of what was pushed.
#[derive(Debug, Default)]
struct Counts {
    pushed: usize,
    refused: usize,
}

/// Pushes.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let single = args.file.is_none().then(|| request(&args)).transpose()?;
    let config = context.load()?;
    let counts = with_store(&config, async |store| {
        let requests = store.requests("enqueue").await?;
        match (single, args.file) {
            (Some(request), _) => {
                requests.push(&request).await?;
                Ok(Counts { pushed: 1, refused: 0 })
            }
            (None, file) => push_lines(&requests, file, context).await,
        }
    });
    let counts = counts.await?;
    if context.output.json {
        context.output.object(&json!({"pushed": counts.pushed, "refused": counts.refused}))?;
    } else {
        context.output.note(&format!("{} pushed, {} refused", counts.pushed, counts.refused));
    }
    Ok(if counts.refused == 0 { Exit::Done } else { Exit::Failed })
}

/// What the flags say, before anybody has looked whether it is a request.
#[derive(Serialize)]
struct Flags<'a> {
    v: u8,
    refund_no: &'a Option<String>,
    account: &'a Option<String>,
    amount_cents: Option<Value>,
    currency: &'a Option<String>,
    order: OrderFlags<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct OrderFlags<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_order_no: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_no: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_cents: Option<Value>,
}

/// A number as it was written, for the rules of the contract to judge.
fn number(text: &str) -> Value {
    let number = serde_json::from_str(text).ok().filter(Value::is_number);
    number.unwrap_or_else(|| Value::from(text))
}

/// The request that the flags describe, checked.
fn request(args: &Args) -> Result<Vec<u8>, CliError> {
    let metadata = args.metadata.clone().map(RawValue::from_string).transpose();
    let flags = Flags {
        v: 1,
        refund_no: &args.refund_no,
        account: &args.account,
        amount_cents: args.amount_cents.as_deref().map(number),
        currency: &args.currency,
        order: OrderFlags {
            gateway_order_no: &args.gateway_order_no,
            order_no: &args.order_no,
            paid_cents: args.paid_cents.as_deref().map(number),
        },
        reason: &args.reason,
        client_ip: &args.client_ip,
        device: &args.device,
        not_before: &args.not_before,
        metadata: metadata
            .map_err(|err| CliError::Usage(format!("metadata must be a JSON object: {err}")))?,
    };
    let bytes = serde_json::to_vec(&flags).map_err(|err| CliError::Usage(err.to_string()))?;
    parse(&bytes).map_err(|err| CliError::Usage(err.to_string()))?;
    Ok(bytes)
}

/// Pushes the requests of a file; a line that is no request is told and left out.
async fn push_lines(
    requests: &RedisRequests,
    file: Option<PathBuf>,
    context: &Context,
) -> Result<Counts, CliError> {
    let file = file.filter(|file| file.as_os_str() != "-");
    let reader: Box<dyn AsyncBufRead + Unpin> = match &file {
        Some(path) => {
            let opened = tokio::fs::File::open(path).await;
            let opened = opened
                .map_err(|err| CliError::Io(format!("cannot read {}", path.display()), err))?;
            Box::new(BufReader::new(opened))
        }
        None => Box::new(BufReader::new(tokio::io::stdin())),
    };
    let bar = progress::bar(context.output, 0, "enqueuing");
    let mut lines = reader.split(b'\n');
    let (mut counts, mut batch, mut number) = (Counts::default(), Vec::with_capacity(BATCH), 0);
    let unreadable = |err| CliError::Io("cannot read the requests".to_owned(), err);
    while let Some(line) = lines.next_segment().await.map_err(unreadable)? {
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(&line) {
            Ok(_) => batch.push(line),
            Err(err) => {
                counts.refused += 1;
                bar.suspend(|| {
                    context.output.error(&CliError::Usage(format!("line {number}: {err}")));
                });
            }
        }
        if batch.len() == BATCH {
            counts.pushed += flush(requests, &mut batch).await?;
            bar.set_position(u64::try_from(counts.pushed).unwrap_or(u64::MAX));
        }
    }
    counts.pushed += flush(requests, &mut batch).await?;
    bar.finish_and_clear();
    Ok(counts)
}

async fn flush(requests: &RedisRequests, batch: &mut Vec<Vec<u8>>) -> Result<usize, CliError> {
    if !batch.is_empty() {
        requests.push_all(batch).await?;
    }
    let pushed = batch.len();
    batch.clear();
    Ok(pushed)
}
