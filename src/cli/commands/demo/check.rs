//! The check of the demo: every request has its one final result, and the gateway's own book says
//! the same.

use std::collections::BTreeSet;

use super::ResultsByNo;
use super::scenario::{Kind, Scenario};
use crate::contract::ResultV1;
use crate::contract::result::OutcomeV1;
use crate::sandbox::BookSnapshot;

/// What was compared and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) refunds: usize,
    pub(super) submits: u64,
    pub(super) problems: Vec<String>,
}

/// Compares the published results with what was asked and with the book.
pub(super) fn check(scenario: &Scenario, results: &ResultsByNo, book: &BookSnapshot) -> Checked {
    let mut checked = Checked {
        refunds: scenario.cases.len(),
        submits: book.totals.submits,
        problems: book.violations.iter().map(|found| format!("{found:?}")).collect(),
    };
    let mut known = BTreeSet::new();
    for case in &scenario.cases {
        known.insert(case.refund_no.as_str());
        let all = results.get(&case.refund_no).map(Vec::as_slice).unwrap_or_default();
        let (rejections, finals): (Vec<_>, Vec<_>) =
            all.iter().partition(|result| result.outcome == OutcomeV1::Rejected);
        let rejected = if case.kind == Kind::Conflict {
            (1, "conflict")
        } else if case.kind == Kind::OverRefund {
            (1, "over_refund")
        } else {
            (0, "")
        };
        let mut problem = |text: String| {
            checked.problems.push(format!("{}: {text}", case.refund_no));
        };
        if rejections.len() != rejected.0
            || rejections.iter().any(|result| result.code.as_deref() != Some(rejected.1))
        {
            problem(format!("{} rejections, expected {}", rejections.len(), rejected.0));
        }
        let effects = book.effects(&case.refund_no);
        match finals.as_slice() {
            [] if case.kind == Kind::OverRefund && effects == 0 => {}
            [one] => agree(one, effects, case.kind == Kind::Failed, &mut problem),
            several => problem(format!("{} final results, expected one", several.len())),
        }
    }
    for stranger in book.refunds.iter().filter(|refund| !known.contains(&*refund.refund_no)) {
        checked.problems.push(format!("{}: the gateway has it, nobody asked", stranger.refund_no));
    }
    checked
}

/// One final result against the book.
fn agree(result: &ResultV1, effects: u32, fails: bool, problem: &mut impl FnMut(String)) {
    let (outcome, expected) = match result.outcome {
        OutcomeV1::Succeeded => ("succeeded", 1),
        OutcomeV1::Failed => ("failed", 0),
        OutcomeV1::Parked | OutcomeV1::Rejected => {
            let message = result.message.as_deref().unwrap_or_default();
            return problem(format!("needs a person: {message}"));
        }
    };
    if effects != expected {
        problem(format!("published as {outcome}, the book shows {effects} payments"));
    }
    if fails != (result.outcome == OutcomeV1::Failed) {
        problem(format!("published as {outcome}, which is not what the gateway decided"));
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
