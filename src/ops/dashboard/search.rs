//! The form that finds refunds, and what it asks for.

use maud::{Markup, html};

use crate::domain::state::{ParkCause, StateKind};
use crate::ops::Parts;

/// Ages to choose from: word of the query, what people read, ms.
pub(super) const AGES: &[(&str, &str, u64)] = &[
    ("15m", "over 15 min", 900_000),
    ("1h", "over 1 h", 3_600_000),
    ("6h", "over 6 h", 21_600_000),
    ("1d", "over 1 day", 86_400_000),
    ("7d", "over 7 days", 604_800_000),
];

/// What the form holds.
#[derive(Debug, Default, Clone)]
pub(super) struct Held {
    /// Text that was searched for.
    pub(super) q: String,
    /// State, account, reason and age, as they stand in the query.
    pub(super) state: String,
    pub(super) account: String,
    pub(super) reason: String,
    pub(super) age: String,
}

/// The form on the overview.
pub(super) fn section(parts: &Parts) -> Markup {
    html! { section #find aria-labelledby="find-name" { h2 #find-name { "Find a refund" } (form(parts, &Held::default())) } }
}

/// The form.
pub(super) fn form(parts: &Parts, held: &Held) -> Markup {
    let accounts: Vec<_> = parts.accounts.iter().map(|account| account.name.as_str()).collect();
    let states: Vec<_> = StateKind::ALL.iter().map(|state| state.as_str()).collect();
    let causes: Vec<_> = ParkCause::ALL.iter().map(|cause| cause.as_str()).collect();
    html! {
        form.find method="get" action="/refunds" role="search" {
            div.wide {
                label for="find-q" { "Number " span.quiet { "of the refund, the order, or the gateway's" } }
                input #find-q type="search" name="q" value=(held.q) maxlength="128" autocomplete="off" spellcheck="false";
            }
            (choice("state", "State", &held.state, states.iter().map(|one| (*one, *one))))
            (choice("account", "Account", &held.account, accounts.iter().map(|one| (*one, *one))))
            div {
                label for="find-reason" { "Reason or code" }
                input #find-reason name="reason" list="reasons" value=(held.reason) maxlength="128" autocomplete="off" spellcheck="false";
                datalist #reasons { @for cause in &causes { option value=(cause) {} } }
            }
            (choice("age", "Age", &held.age, AGES.iter().map(|(word, told, _)| (*word, *told))))
            div { button type="submit" { "Find" } }
        }
    }
}

fn choice<'a>(
    name: &str,
    label: &str,
    held: &str,
    all: impl Iterator<Item = (&'a str, &'a str)>,
) -> Markup {
    let id = format!("find-{name}");
    html! {
        div {
            label for=(id) { (label) }
            select id=(id) name=(name) {
                option value="" { "any" }
                @for (word, told) in all { option value=(word) selected[word == held] { (told) } }
            }
        }
    }
}
