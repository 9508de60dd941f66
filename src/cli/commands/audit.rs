//! `refundd audit`: who did what to which refund, when and why.

use serde_json::{Map, Value};

use super::stream::{self, BATCH, BLOCK, Line};
use super::with_store;
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::ledger::AuditTrail;
use crate::ports::figures::AuditLine;

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
        let trail = AuditTrail::connect(&store.connector, &store.keys).await?;
        let block = args.follow.then_some(BLOCK);
        let read = async |after: &str| trail.read(after, BATCH, block).await;
        stream::print_all(context, args.follow, read, async |_| Ok(())).await
    });
    printed.await?;
    Ok(Exit::Done)
}

impl Line for AuditLine {
    fn id(&self) -> &str {
        &self.id
    }

    fn print(&self, context: &Context) -> Result<(), CliError> {
        print(self, context)
    }
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
