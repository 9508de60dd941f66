//! `refundd list`: refunds by state, account, age, reason.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};

use super::{duration, with_store};
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::contract::RefundView;
use crate::domain::{AccountName, StateKind};
use crate::ledger::{RedisClock, RedisLedger};
use crate::ports::ledger::{BATCH_MAX, Filter, Pause, Stored};
use crate::ports::{Clock, Ledger};

/// Which refunds.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Only this state: requested, submitting, unconfirmed, refused, processing, parked, settled
    #[arg(long, value_parser = state)]
    state: Option<StateKind>,
    /// Only this account
    #[arg(long)]
    account: Option<String>,
    /// Only refunds taken in at least this long ago, such as 2h
    #[arg(long, value_parser = duration)]
    older_than: Option<Duration>,
    /// Only refunds with this code: a park cause, or the gateway's code of a failure
    #[arg(long)]
    reason: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    /// One JSON object a line instead of a table
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

fn state(text: &str) -> Result<StateKind, String> {
    StateKind::parse(text).ok_or_else(|| {
        let names: Vec<_> = StateKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// Prints them.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let account = args.account.as_deref().map(AccountName::parse).transpose();
    let account = account.map_err(|err| CliError::Usage(format!("--account {err}")))?;
    let config = context.load()?;
    let refunds = with_store(&config, async |store| {
        let clock = RedisClock::connect(&store.connector).await?;
        let age = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let filter = Filter {
            state: args.state,
            account,
            admitted_before: args.older_than.map(|older| clock.now().minus(age(older))),
            reason: args.reason,
        };
        let ledger = store.ledger().await?;
        Ok((collect(&ledger, &filter, args.limit).await?, ledger.pauses().await?))
    });
    let ((refunds, more), pauses) = refunds.await?;
    print(&refunds, &pauses, context)?;
    if more {
        context.output.note(&format!("there are more than {}; see --limit", args.limit));
    }
    Ok(Exit::Done)
}

/// Reads pages until there are enough, oldest first; says whether there would be more.
async fn collect(
    ledger: &RedisLedger,
    filter: &Filter,
    limit: usize,
) -> Result<(Vec<Stored>, bool), CliError> {
    let mut refunds: Vec<Stored> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = ledger.list(filter, cursor.as_deref(), BATCH_MAX).await?;
        refunds.extend(page.refunds);
        cursor = page.cursor;
        if cursor.is_none() || refunds.len() > limit.saturating_add(BATCH_MAX) {
            break;
        }
    }
    let key = |stored: &Stored| (stored.record.admitted_at, stored.record.refund.refund_no.clone());
    refunds.sort_by_cached_key(key);
    refunds.dedup_by_key(|stored| stored.record.refund.refund_no.clone());
    let more = refunds.len() > limit || cursor.is_some();
    refunds.truncate(limit);
    Ok((refunds, more))
}

fn print(refunds: &[Stored], pauses: &[Pause], context: &Context) -> Result<(), CliError> {
    if context.output.json {
        return refunds
            .iter()
            .try_for_each(|stored| context.output.object(&RefundView::of(stored, pauses)));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([
        "refund", "state", "amount", "account", "attempts", "polls", "admitted", "why",
    ]);
    for stored in refunds {
        let view = RefundView::of(stored, pauses);
        let why = [view.code.unwrap_or_default(), view.message.unwrap_or_default()].join(" ");
        table.add_row([
            view.refund_no,
            view.outcome.unwrap_or(view.state).to_owned(),
            stored.record.refund.currency.format(view.amount_cents),
            view.account,
            view.attempts.to_string(),
            view.polls.to_string(),
            view.admitted_at,
            one_line(why.trim()),
        ]);
    }
    context.output.line(&table.trim_fmt())
}
