//! `refundd show`: one refund with its timeline.

use std::fmt::Write;

use super::pause::since;
use super::with_store;
use crate::cli::output::one_line;
use crate::cli::{CliError, Context, Exit};
use crate::contract::RefundView;
use crate::domain::{Currency, RefundNo};
use crate::ports::Ledger;

/// Which refund.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The merchant refund number
    refund_no: String,
    /// One JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Prints it.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let refund_no = RefundNo::parse(&args.refund_no)
        .map_err(|err| CliError::Usage(format!("REFUND_NO {err}")))?;
    let config = context.load()?;
    let found = with_store(&config, async |store| {
        let ledger = store.ledger().await?;
        Ok((ledger.find(&refund_no).await?, ledger.pauses().await?))
    });
    let (Some(stored), pauses) = found.await? else {
        return Err(CliError::NotFound(format!("there is no refund {refund_no}")));
    };
    let view = RefundView::of(&stored, &pauses);
    if context.output.json {
        context.output.object(&view)?;
    } else {
        context.output.line(text(&view, stored.record.refund.currency).trim_end())?;
    }
    Ok(Exit::Done)
}

pub(in crate::cli) fn text(view: &RefundView, currency: Currency) -> String {
    let mut page = String::new();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(page, "{name:<12} {}", one_line(value));
        }
    };
    let or = |text: &Option<String>| text.clone().unwrap_or_default();
    row("refund", &view.refund_no);
    row("state", &standing(view));
    row("amount", &currency.format(view.amount_cents));
    row("account", &view.account);
    let order = [or(&view.order.gateway_order_no), or(&view.order.order_no)];
    row("order", order.join("  ").trim());
    row("paid", &view.order.paid_cents.map(|cents| currency.format(cents)).unwrap_or_default());
    row("reason", &or(&view.reason));
    row("gateway no", &or(&view.gateway_refund_no));
    row("why", [or(&view.code), or(&view.message)].join("  ").trim());
    if let Some(evidence) = &view.evidence {
        row(
            "evidence",
            &format!(
                "grade {} by {} at {}",
                evidence.grade.as_str(),
                evidence.source.as_str(),
                evidence.at
            ),
        );
    }
    row("attempts", &format!("{} (polls {})", view.attempts, view.polls));
    row("admitted", &view.admitted_at);
    row("submitted", &or(&view.submitted_at));
    row("version", &view.version.to_string());
    row("paused", &view.paused.as_ref().map(since).unwrap_or_default());
    row("next", &view.next);
    for line in &view.statuses {
        let _ = writeln!(
            page,
            "line {:<7} {} {} {}",
            line.n,
            one_line(&line.status),
            currency.format(line.amount_cents),
            or(&line.time)
        );
    }
    page.push_str("\ntimeline\n");
    for line in &view.history {
        let times = if line.times > 1 {
            format!(" ×{} until {}", line.times, line.last_at)
        } else {
            String::new()
        };
        let text = format!("  {}  {}{times}  {}", line.at, line.event, one_line(&line.note));
        let _ = writeln!(page, "{}", text.trim_end());
    }
    page
}

/// The state in words.
fn standing(view: &RefundView) -> String {
    let mut text = view.outcome.unwrap_or(view.state).to_owned();
    if view.waiting {
        text.push_str(", waits for another refund of its order");
    }
    if view.leased {
        text.push_str(", a worker holds it");
    }
    text
}
