//! Whether the figures count: every refund settled exactly once, and the gateway's book says the same.

use std::collections::HashMap;

use super::figures::Check;
use super::load::{AMOUNT_CENTS, Asked, run_prefix};
use crate::ledger::ResultsEntry;
use crate::sandbox::{BookSnapshot, RefundSnapshot};

/// What was compared and what is wrong.
#[derive(Debug)]
pub(super) struct Checked {
    refunds: u64,
    submits: u64,
    queries: u64,
    pub(super) problems: Vec<String>,
}

impl Checked {
    /// What there is to tell of a run without problems.
    pub(super) const fn told(&self) -> Check {
        Check {
            settled_exactly_once: self.refunds,
            paid_by_the_book: self.refunds,
            submits: self.submits,
            queries: self.queries,
        }
    }
}

/// Compares what was asked, what was published and what the gateway has paid.
pub(super) fn check(
    requests: &[Asked],
    published: &[ResultsEntry],
    book: &BookSnapshot,
) -> Checked {
    let mut outcomes: HashMap<&str, Vec<&str>> = HashMap::with_capacity(published.len());
    for entry in published {
        outcomes.entry(&entry.refund_no).or_default().push(&entry.outcome);
    }
    let mut paid: HashMap<&str, &RefundSnapshot> =
        book.refunds.iter().map(|refund| (&*refund.refund_no, refund)).collect();
    let problems = book.violations.iter().map(|found| format!("the book shows {found:?}"));
    let mut checked = Checked {
        refunds: u64::try_from(requests.len()).unwrap_or(u64::MAX),
        submits: 0,
        queries: 0,
        problems: problems.collect(),
    };
    for Asked { refund_no, .. } in requests {
        let results = outcomes.remove(refund_no.as_str()).unwrap_or_default();
        if results != ["succeeded"] {
            let text = if results.is_empty() { "nothing".to_owned() } else { results.join(", ") };
            checked.problems.push(format!("{refund_no}: published as {text}, expected succeeded"));
        }
        let entry = paid.remove(refund_no.as_str());
        let effects = entry.map_or((0, 0), |entry| (entry.effects, entry.paid_out_cents));
        if effects != (1, AMOUNT_CENTS) {
            let (times, cents) = effects;
            let text =
                format!("{refund_no}: the book shows {times} payments, {cents} cents in all");
            checked.problems.push(text);
        }
        checked.submits += entry.map_or(0, |entry| u64::from(entry.submits));
        checked.queries += entry.map_or(0, |entry| u64::from(entry.queries));
    }
    for stranger in outcomes.keys() {
        checked.problems.push(format!("{stranger}: published, and nobody asked"));
    }
    // A gateway that was given may have refunds of others.
    for stranger in paid.keys().filter(|no| no.starts_with(&run_prefix())) {
        checked.problems.push(format!("{stranger}: the gateway has it, and nobody asked"));
    }
    checked
}
