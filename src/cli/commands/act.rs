//! `refundd check`, `release`, `resolve` and `abandon`: what a person does to one refund.
//!
//! What moves money, or says how it moved, is told first with the amount and the order, and needs
//! `--yes` or a typed answer. Without `--version` the action is held against what was just told.

use std::io::IsTerminal;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::with_store;
use crate::app;
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::domain::RefundNo;
use crate::domain::state::Decision;
use crate::ledger::RedisClock;
use crate::operator::{ActError, Action, Asked, Desk, Done, Resolution};
use crate::ports::ledger::Stored;

/// Who acts, and why.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct By {
    /// Why, 1 to 500 characters: for the audit trail and the refund's history
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who; default: your login name
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl By {
    /// The person, by flag or by login.
    pub(super) fn decision(&self, context: &Context) -> Result<Decision, CliError> {
        let who = self.by.as_deref().or_else(|| context.environment.login());
        let who = who.ok_or_else(|| {
            CliError::Usage("nobody knows who you are: say it with --by NAME".to_owned())
        })?;
        Ok(Decision { who: who.to_owned(), reason: self.reason.clone() })
    }
}

/// Which refund, as it was seen.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Args {
    /// The merchant refund number
    refund_no: String,
    #[command(flatten)]
    by: By,
    /// Refuse if the refund is not at this version any more, as `refundd show` prints it; default: the
    /// version that this command reads first
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// One JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// As [`Args`], for what is not done before somebody has agreed.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct AgreedArgs {
    #[command(flatten)]
    pub(in crate::cli) args: Args,
    /// Do it without asking; needed where no terminal is there to ask
    #[arg(long, short)]
    yes: bool,
}

/// How it ended, as a person says.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct ResolveArgs {
    #[command(flatten)]
    pub(in crate::cli) agreed: AgreedArgs,
    /// succeeded: the payer has the money; failed: no money moved and none will
    #[arg(long, value_parser = resolution)]
    outcome: Resolution,
}

fn resolution(text: &str) -> Result<Resolution, String> {
    Resolution::parse(text).ok_or_else(|| "must be succeeded or failed".to_owned())
}

/// Asks the gateway at once.
pub(in crate::cli) async fn check(args: Args, context: &Context) -> Result<Exit, CliError> {
    run(args, Action::Check, true, context).await
}

/// Lets a parked refund go on.
pub(in crate::cli) async fn release(args: AgreedArgs, context: &Context) -> Result<Exit, CliError> {
    run(args.args, Action::Release, args.yes, context).await
}

/// Says how it ended.
pub(in crate::cli) async fn resolve(
    args: ResolveArgs,
    context: &Context,
) -> Result<Exit, CliError> {
    run(args.agreed.args, Action::Resolve(args.outcome), args.agreed.yes, context).await
}

/// Ends the work on it.
pub(in crate::cli) async fn abandon(args: AgreedArgs, context: &Context) -> Result<Exit, CliError> {
    run(args.args, Action::Abandon, args.yes, context).await
}

async fn run(args: Args, action: Action, yes: bool, context: &Context) -> Result<Exit, CliError> {
    let refund_no = RefundNo::parse(&args.refund_no)
        .map_err(|err| CliError::Usage(format!("REFUND_NO {err}")))?;
    let by = args.by.decision(context)?;
    let config = context.load()?;
    let done = with_store(&config, async |store| {
        let clock = RedisClock::connect(&store.connector).await?;
        let ledger = std::sync::Arc::new(store.ledger().await?);
        let desk = app::desk(&config, ledger, clock);
        let seen = desk.look(&refund_no).await?;
        let found = seen.record.tally.revision;
        let expected = args.version.unwrap_or(found);
        if expected != found {
            return Err(ActError::Stale { refund_no, expected, found }.into()); // nobody need agree
        }
        agree(&desk, &seen, action, yes, context).await?;
        let asked = Asked { refund_no, action, by, expected: Some(expected) };
        Ok(desk.act(&asked).await?)
    });
    print(&done.await?, context)?;
    Ok(Exit::Done)
}

/// Tells what will be done, and asks, unless it was agreed to.
async fn agree(
    desk: &Desk,
    seen: &Stored,
    action: Action,
    yes: bool,
    context: &Context,
) -> Result<(), CliError> {
    let intent = desk.intent(seen, action)?;
    if action == Action::Check {
        return Ok(());
    }
    let intent: Vec<String> = intent.lines().map(one_line).collect();
    let intent = format!("{}\n", intent.join("\n"));
    if yes {
        context.output.note(intent.trim_end());
        return Ok(());
    }
    let refused = |why: &str| CliError::Refused(format!("{why}; nothing was changed"));
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        context.output.ask(&intent);
        return Err(refused("there is no terminal to ask: add --yes to do this"));
    }
    context.output.ask(&format!("{intent}Type the refund number to go on: "));
    let mut line = String::new();
    let read = BufReader::new(tokio::io::stdin()).read_line(&mut line).await;
    read.map_err(|err| CliError::Io("cannot read your answer".to_owned(), err))?;
    if line.trim() == seen.record.refund.refund_no.as_str() {
        return Ok(());
    }
    Err(refused("that is not the refund number"))
}

fn print(done: &Done, context: &Context) -> Result<(), CliError> {
    if context.output.json {
        return context.output.object(done);
    }
    let published = done.event_id.as_ref().map(|id| format!(", result {id} published"));
    context.output.line(&format!(
        "{} {}: {}{}\nversion {}; {}",
        done.action,
        done.refund_no,
        done.change,
        published.unwrap_or_default(),
        done.version,
        done.next
    ))
}
