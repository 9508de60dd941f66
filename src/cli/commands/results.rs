//! `refundd results`: results as they were published.

use std::time::Duration;

use super::with_store;
use crate::app::Store;
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::ledger::{Results, ResultsEntry};
use crate::ports::LedgerError;

/// The consumer that this command is within a group.
const CONSUMER: &str = "refundd-results";

/// Entries read at once.
const BATCH: usize = 500;

/// How long one read waits for more.
const BLOCK: Duration = Duration::from_secs(1);

/// Pause before trying again when Redis is away.
const RETRY: Duration = Duration::from_millis(500);

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
    let mut after = "0".to_owned();
    // What the group was given and did not acknowledge comes first.
    let mut pending = args.group.is_some();
    loop {
        let entries = match read(&results, args, &after, pending).await {
            Ok(entries) => entries,
            // Whoever follows wants to go on after a restart of Redis.
            Err(LedgerError::Unavailable(_)) if args.follow => {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            Err(err) => return Err(err.into()),
        };
        let Some(last) = entries.last() else {
            if std::mem::take(&mut pending) || args.follow {
                continue;
            }
            return Ok(());
        };
        after.clone_from(&last.id);
        for entry in &entries {
            print(entry, context)?;
        }
        if let Some(group) = &args.group {
            let ids: Vec<String> = entries.into_iter().map(|entry| entry.id).collect();
            results.acknowledge(group, &ids).await?;
        }
    }
}

async fn read(
    results: &Results,
    args: &Args,
    after: &str,
    pending: bool,
) -> Result<Vec<ResultsEntry>, LedgerError> {
    let block = if args.follow { BLOCK } else { Duration::from_millis(1) };
    match &args.group {
        Some(group) if pending => results.read_unfinished((group, CONSUMER), after, BATCH).await,
        Some(group) => results.read_group((group, CONSUMER), BATCH, block).await,
        None => results.read(after, BATCH, args.follow.then_some(block)).await,
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
