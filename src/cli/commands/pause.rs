//! `refundd pause` and `refundd resume`: stops submits, of one account or of all, and lets them go.

use std::sync::Arc;

use super::act::By;
use super::with_store;
use crate::app;
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::contract::PauseView;
use crate::ledger::RedisClock;
use crate::operator::PauseDone;

/// Which submits.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Args {
    /// Account of the configuration; default: all
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    by: By,
    /// One JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Stops submits; queries go on.
pub(in crate::cli) async fn pause(args: Args, context: &Context) -> Result<Exit, CliError> {
    run(args, true, context).await
}

/// Lets submits go on.
pub(in crate::cli) async fn resume(args: Args, context: &Context) -> Result<Exit, CliError> {
    run(args, false, context).await
}

async fn run(args: Args, stop: bool, context: &Context) -> Result<Exit, CliError> {
    let by = args.by.decision(context)?;
    let config = context.load()?;
    let done = with_store(&config, async |store| {
        let clock = RedisClock::connect(&store.connector).await?;
        let desk = app::desk(&config, Arc::new(store.ledger().await?), clock);
        let account = args.account.as_deref();
        Ok(if stop {
            desk.pause(account, &by).await?
        } else {
            desk.resume(account, &by, None).await?
        })
    });
    let done = done.await?;
    if context.output.json {
        context.output.object(&done)?;
    } else {
        context.output.line(&text(&done))?;
    }
    Ok(Exit::Done)
}

fn text(done: &PauseDone) -> String {
    let whose = |account: Option<&str>| match account {
        Some(account) => format!("submits of {account}"),
        None => "submits of all accounts".to_owned(),
    };
    let subject = whose(done.account.as_deref());
    let said = match (done.action, done.changed) {
        ("pause", true) => "are paused now; queries go on",
        ("pause", false) => "were paused already; nothing was changed",
        (_, true) => "go on, unless another pause stops them",
        (_, false) => "were not paused by themselves; nothing was changed",
    };
    let mut lines = vec![format!("{subject} {said}")];
    lines.extend(done.paused.iter().map(|pause| {
        format!("paused: {} {}", whose(pause.account.as_deref()), one_line(&since(pause)))
    }));
    lines.join("\n")
}

/// Since when a pause stands, by whom and why.
pub(super) fn since(pause: &PauseView) -> String {
    format!("since {} by {}: {}", pause.since, pause.by, pause.reason)
}
