//! What the demo prints: a table of results, one timeline, the verdict.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::ResultsByNo;
use super::check::Checked;
use super::scenario::{ACCOUNTS, Case, Kind, Scenario};
use crate::app::Service;
use crate::cli::commands::show;
use crate::cli::output::one_line;
use crate::cli::{CliError, Output};
use crate::contract::RefundView;
use crate::contract::result::OutcomeV1;
use crate::domain::{RefundNo, UnixMillis};
use crate::ports::Ledger;

/// Problems shown in full; the rest is counted.
const PROBLEMS_SHOWN: usize = 20;

/// Prints the table and the timeline of the most interesting refund.
pub(super) async fn print(
    scenario: &Scenario,
    results: &ResultsByNo,
    service: &Service,
    out: Output,
) -> Result<(), CliError> {
    out.line(&table(scenario, results).trim_fmt())?;
    let late = scenario.cases.iter().find(|case| case.kind == Kind::Late);
    if let Some(no) = late.and_then(|case| RefundNo::parse(&case.refund_no).ok())
        && let Some(stored) = service.ledger().find(&no).await?
    {
        out.line(
            "\nOne of them in full, an answer that came too late (as `refundd show` prints it):\n",
        )?;
        let view = RefundView::of(&stored, &[]);
        let text = show::text(&view, stored.record.refund.currency);
        out.line(text.trim_end())?;
    }
    Ok(())
}

/// Results by account and by what happened.
fn table(scenario: &Scenario, results: &ResultsByNo) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([
        "account",
        "what happens to them",
        "refunds",
        "succeeded",
        "failed",
        "rejected",
        "parked",
        "submits",
        "polls",
        "median ms",
    ]);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut kinds: Vec<Kind> = scenario.cases.iter().map(|case| case.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (account, _) in ACCOUNTS {
        for kind in &kinds {
            let of = |case: &&Case| case.account == account && case.kind == *kind;
            let cases: Vec<&Case> = scenario.cases.iter().filter(of).collect();
            if !cases.is_empty() {
                table.add_row(row(account, *kind, &cases, results));
            }
        }
    }
    table
}

fn row(account: &str, kind: Kind, cases: &[&Case], results: &ResultsByNo) -> Vec<String> {
    let all: Vec<_> =
        cases.iter().filter_map(|case| results.get(&case.refund_no)).flatten().collect();
    let count = |outcome| all.iter().filter(|result| result.outcome == outcome).count();
    let shown = |count: usize| if count == 0 { String::new() } else { count.to_string() };
    let mut took: Vec<u64> = all
        .iter()
        .filter_map(|result| {
            let at = |text: &Option<String>| UnixMillis::parse_rfc3339(text.as_deref()?).ok();
            Some(at(&result.settled_at)?.since(at(&result.submitted_at)?))
        })
        .collect();
    took.sort_unstable();
    vec![
        account.to_owned(),
        kind.story().to_owned(),
        cases.len().to_string(),
        shown(count(OutcomeV1::Succeeded)),
        shown(count(OutcomeV1::Failed)),
        shown(count(OutcomeV1::Rejected)),
        shown(count(OutcomeV1::Parked)),
        all.iter().map(|result| u64::from(result.attempts)).sum::<u64>().to_string(),
        all.iter().map(|result| u64::from(result.polls)).sum::<u64>().to_string(),
        took.get(took.len() / 2).map(ToString::to_string).unwrap_or_default(),
    ]
}

/// Prints whether refundd and the gateway's book agree.
pub(super) fn verdict(checked: &Checked, out: Output) -> Result<(), CliError> {
    if !checked.problems.is_empty() {
        for problem in checked.problems.iter().take(PROBLEMS_SHOWN) {
            out.note(&format!("  {}", one_line(problem)));
        }
        let more = checked.problems.len().saturating_sub(PROBLEMS_SHOWN);
        let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
        return Err(CliError::failed(format!(
            "the check against the gateway's book found {} problems{more}",
            checked.problems.len()
        )));
    }
    let text = format!(
        "\nCheck against the gateway's own book: {} refunds asked for, {} submits taken by the \
         gateway,\neach refund paid at most once, none lost, every result as the book has it. OK",
        checked.refunds, checked.submits
    );
    if out.json {
        out.note(&text);
        return Ok(());
    }
    out.line(&text)
}
