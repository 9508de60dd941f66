//! `refundd results`: results as they were published.

use std::cell::Cell;
use std::time::Duration;

use super::stream::{self, BATCH, BLOCK, Line};
use super::with_store;
use crate::app::Store;
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::ledger::ResultsEntry;

/// The consumer that this command is within a group.
const CONSUMER: &str = "refundd-results";

/// Which results, and until when.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Go on with new results until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Read as this consumer group: a result is acknowledged once it is printed and not printed to
    /// the group again; after an interruption it may be (dedupe on `event_id`)
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// The result as it was published, one JSON object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Prints them.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let config = context.load()?;
    with_store(&config, async |store| print_all(&store, &args, context).await).await?;
    Ok(Exit::Done)
}

async fn print_all(store: &Store, args: &Args, context: &Context) -> Result<(), CliError> {
    let results = store.results().await?;
    let Some(group) = &args.group else {
        let block = args.follow.then_some(BLOCK);
        let read = async |after: &str| results.read(after, BATCH, block).await;
        return stream::print_all(context, args.follow, read, async |_| Ok(())).await;
    };
    let consumer = (group.as_str(), CONSUMER);
    let block = if args.follow { BLOCK } else { Duration::from_millis(1) };
    // What the group was given and did not acknowledge comes first.
    let pending = Cell::new(true);
    let read = async |after: &str| {
        if pending.get() {
            let unfinished = results.read_unfinished(consumer, after, BATCH).await?;
            if !unfinished.is_empty() {
                return Ok(unfinished);
            }
            pending.set(false);
        }
        results.read_group(consumer, BATCH, block).await
    };
    let printed = async |entries: &[ResultsEntry]| {
        let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        results.acknowledge(group, &ids).await
    };
    stream::print_all(context, args.follow, read, printed).await
}

impl Line for ResultsEntry {
    fn id(&self) -> &str {
        &self.id
    }

    fn print(&self, context: &Context) -> Result<(), CliError> {
        print(self, context)
    }
}

fn print(entry: &ResultsEntry, context: &Context) -> Result<(), CliError> {
    if context.output.json {
        return context.output.line(&entry.json);
    }
    let result: serde_json::Value = serde_json::from_str(&entry.json).unwrap_or_default();
    let field = |name: &str| result.get(name).and_then(serde_json::Value::as_str).unwrap_or("");
    let cents = result.get("amount_cents").and_then(serde_json::Value::as_u64);
    let amount = match (cents, crate::domain::Currency::parse(field("currency"))) {
        (Some(cents), Ok(currency)) => currency.format(cents),
        _ => String::new(),
    };
    let why = [field("code"), field("message")].join(" ");
    let line =
        format!("{:<32} {:<10} {amount:>14}  {}", entry.refund_no, entry.outcome, why.trim());
    context.output.line(&one_line(line.trim_end()))
}
