//! `refundd audit`: who did what to which refund, when and why.

use std::time::Duration;

use serde_json::{Map, Value};

use super::with_store;
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::ledger::AuditTrail;
use crate::ports::LedgerError;
use crate::ports::figures::AuditLine;

/// Lines read at once.
const BATCH: usize = 500;

/// How long one read waits for more.
const BLOCK: Duration = Duration::from_secs(1);

/// Pause before trying again when Redis is away.
const RETRY: Duration = Duration::from_millis(500);

/// Until when.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Go on with new lines until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// The line as it is stored, one JSON object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Prints them, oldest first.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let config = context.load()?;
    let printed = with_store(&config, async |store| {
        let trail = AuditTrail::connect(&store.connector, store.keys.clone()).await?;
        let mut after = "0".to_owned();
        loop {
            let lines = match trail.read(&after, BATCH, args.follow.then_some(BLOCK)).await {
                Ok(lines) => lines,
                // Whoever follows wants to go on after a restart of Redis.
                Err(LedgerError::Unavailable(_)) if args.follow => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                Err(err) => return Err(err.into()),
            };
            for line in &lines {
                print(line, context)?;
            }
            match lines.into_iter().next_back() {
                Some(last) => after = last.id,
                None if args.follow => {}
                None => return Ok(()),
            }
        }
    });
    printed.await?;
    Ok(Exit::Done)
}

fn print(line: &AuditLine, context: &Context) -> Result<(), CliError> {
    let at = line.at().map(|at| at.to_string()).unwrap_or_default();
    if context.output.json {
        let mut object = Map::new();
        object.insert("id".to_owned(), Value::from(line.id.as_str()));
        object.insert("written_at".to_owned(), Value::from(at));
        let fields = line.fields.iter();
        object.extend(fields.map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
        return context.output.object(&object);
    }
    let said = if line.get("action").is_empty() {
        let rest = line.fields.iter().map(|(name, value)| format!("{name}={value}"));
        rest.collect::<Vec<_>>().join(" ")
    } else {
        let [action, subject, who] = ["action", "subject", "who"].map(|name| line.get(name));
        let change = line.get("change");
        let change = if change.is_empty() { String::new() } else { format!(" ({change})") };
        format!("{who}: {action} {subject}{change}: {}", line.get("reason"))
    };
    context.output.line(&one_line(&format!("{at}  {said}")))
}
