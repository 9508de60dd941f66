//! `GET /refunds`: refunds by state, account, reason and age, page by page, or by one of their numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::Uri;
use axum::response::Response;
use form_urlencoded::Serializer;
use maud::{Markup, html};

use super::layout::{Failed, Page, go};
use super::search::{AGES, Held, form};
use super::session::Visit;
use super::words::{count, money, span};
use crate::contract::next_of;
use crate::domain::state::{Outcome, RefundState, StateKind};
use crate::domain::{GatewayName, OrderRef, UnixMillis};
use crate::ops::problem::Problem;
use crate::ops::refunds::{self, asked};
use crate::ops::{Parts, Room};
use crate::ports::ledger::{Pause, Stored};

/// Refunds of a page.
const LIMIT: &str = "50";

/// Longest text that is searched for, characters.
const SEARCH_MAX: usize = 128;

/// `GET /refunds`.
pub(super) async fn page(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    uri: Uri,
) -> Result<Response, Failed> {
    let parts = &room.parts;
    let now = parts.clock.now();
    let (held, query) = read(uri.query().unwrap_or_default(), now)?;
    let pauses = parts.desk.pauses().await?;
    let (mut found, next) = if held.q.is_empty() {
        let asked = asked(&query)?;
        refunds::gather(parts, &asked).await?
    } else {
        let found = parts.watch.search(&held.q, &gateways(parts)).await?;
        if let [only] = found.as_slice() {
            return Ok(go(&format!("/refunds/{}", only.record.refund.refund_no)));
        }
        (found, None)
    };
    let by_state = held.q.is_empty() && !held.state.is_empty();
    if !by_state {
        // Pages of a state come in its order; a scan and a search have none.
        found.sort_by_key(|stored| stored.record.admitted_at);
    }
    let main = html! {
        h1 { "Refunds" }
        (form(parts, &held))
        @if !held.q.is_empty() { p { (count_of(&found)) " with the number " code { (held.q) } ". Other filters are not looked at." } }
        @if found.is_empty() { p.nothing { @if next.is_some() { "None among those looked at so far; go on." } @else { "No refund matches." } } }
        @else { (table(&found, &pauses, now)) }
        @if let Some(next) = next {
            p { a.button rel="next" href=(further(&held, &next)) { "Next page" }
                " " span.quiet { (order_words(&held.state)) } }
        }
    };
    Ok(Page { title: "Refunds – refundd", here: "/refunds", live: None, main }.show(&visit))
}

/// In which order pages come.
fn order_words(state: &str) -> &'static str {
    if state.is_empty() {
        "Pages are in no order; the oldest of each comes first."
    } else if state == StateKind::Settled.as_str() {
        "What has settled last comes first."
    } else {
        "The oldest come first."
    }
}

fn count_of(found: &[Stored]) -> String {
    super::words::counted(u64::try_from(found.len()).unwrap_or(u64::MAX), "refund")
}

/// The gateways whose order numbers may be searched for.
pub(super) fn gateways(parts: &Parts) -> Vec<GatewayName> {
    let of = |account: &crate::ports::Account| {
        [account.submitter.gateway().clone(), account.querier.gateway().clone()]
    };
    parts.accounts.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What the form holds, and the same as the query of the API has it.
fn read(query: &str, now: UnixMillis) -> Result<(Held, String), Problem> {
    let (mut held, mut rest) = (Held::default(), Serializer::new(String::new()));
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.trim();
        // A browser sends fields that nobody has filled in.
        if value.is_empty() {
            continue;
        }
        let kept = match &*name {
            "q" => &mut held.q,
            "state" => &mut held.state,
            "account" => &mut held.account,
            "reason" => &mut held.reason,
            "age" => &mut held.age,
            _ => {
                rest.append_pair(&name, value);
                continue;
            }
        };
        value.clone_into(kept);
        if name == "age" {
            let age = AGES.iter().find(|(word, ..)| *word == value);
            let (.., ms) = age.ok_or_else(|| Problem::invalid("age", "must be one of the form"))?;
            rest.append_pair("before", &now.minus(*ms).to_string());
        } else if name != "q" {
            rest.append_pair(&name, value);
        }
    }
    if held.q.chars().count() > SEARCH_MAX {
        return Err(Problem::invalid("q", format!("must be at most {SEARCH_MAX} characters")));
    }
    rest.append_pair("limit", LIMIT);
    Ok((held, rest.finish()))
}

/// The address of the next page.
fn further(held: &Held, cursor: &str) -> String {
    let mut query = Serializer::new(String::new());
    let fields = [
        ("state", &held.state),
        ("account", &held.account),
        ("reason", &held.reason),
        ("age", &held.age),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    format!("/refunds?{}", query.append_pair("cursor", cursor).finish())
}

/// A table of refunds.
pub(super) fn table(found: &[Stored], pauses: &[Pause], now: UnixMillis) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Refunds" {
            table.cards {
                caption { (count(u64::try_from(found.len()).unwrap_or_default())) " on this page" }
                thead { tr {
                    th scope="col" { "Refund" } th scope="col" { "State" } th.num scope="col" { "Amount" }
                    th scope="col" { "Account" } th scope="col" { "Order" } th scope="col" { "Age" }
                    th scope="col" { "What is next" }
                } }
                tbody { @for stored in found { (row(stored, pauses, now)) } }
            }
        }
    }
}

fn row(stored: &Stored, pauses: &[Pause], now: UnixMillis) -> Markup {
    let record = &stored.record;
    let refund = &record.refund;
    html! {
        tr {
            th.no scope="row" { a href={ "/refunds/" (refund.refund_no) } { (refund.refund_no) } }
            td data-label="State" { (state(&record.state)) }
            td.num data-label="Amount" { (money(refund.currency, refund.amount.get())) }
            td data-label="Account" { (refund.account) }
            td.long data-label="Order" { (order(&refund.order)) }
            td.no data-label="Age" { (span(now.since(record.admitted_at))) }
            td data-label="What is next" { (next_words(stored, pauses, now)) }
        }
    }
}

/// What refundd does next, with how long until then.
pub(super) fn next_words(stored: &Stored, pauses: &[Pause], now: UnixMillis) -> String {
    let words = next_of(stored, pauses);
    let Some(at) = stored.due_at else { return words };
    let when = if at > now { format!(" in {}", span(at.since(now))) } else { " now".to_owned() };
    words.replace(&format!(" at {at}"), &when)
}

/// A state with a symbol and a word, and why if it is parked or has failed.
pub(super) fn state(state: &RefundState) -> Markup {
    let (class, symbol, detail) = match state {
        RefundState::Requested { .. } => ("", "○", ""),
        RefundState::Submitting { .. } => ("", "→", ""),
        RefundState::Unconfirmed { .. } => ("look", "?", ""),
        RefundState::Refused { refusal, .. } => ("look", "✕", refusal.code.as_str()),
        RefundState::Processing { .. } => ("", "◐", ""),
        RefundState::Parked(parking) => ("look", "‖", parking.cause.as_str()),
        RefundState::Settled(end) => match end.outcome {
            Outcome::Succeeded => ("good", "✓", end.outcome.as_str()),
            Outcome::Failed | Outcome::Withdrawn | Outcome::GivenUp => {
                ("bad", "✕", end.outcome.as_str())
            }
        },
    };
    html! {
        span.state.(class) { (symbol) " " (state.kind().as_str()) @if !detail.is_empty() { ": " (detail) } }
    }
}

/// The numbers of an order.
pub(super) fn order(order: &OrderRef) -> String {
    let gateway_no = order.gateway_order_no().map(ToString::to_string);
    let no = order.order_no().map(ToString::to_string);
    gateway_no.into_iter().chain(no).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_the_form_is_the_one_of_the_api_without_its_empty_fields() {
        let now = UnixMillis::new(1_000_000);
        let (held, query) =
            read("q=&state=parked&account=&reason=a+b&age=15m&cursor=7", now).unwrap();
        assert_eq!(
            (held.state.as_str(), held.age.as_str(), held.q.as_str()),
            ("parked", "15m", "")
        );
        let asked = asked(&query).unwrap();
        assert_eq!(asked.filter.reason.as_deref(), Some("a b"));
        assert_eq!(asked.filter.admitted_before, Some(UnixMillis::new(100_000)));
        assert_eq!((asked.limit, asked.cursor.as_deref()), (50, Some("7")));
        assert_eq!(further(&held, "9"), "/refunds?state=parked&reason=a+b&age=15m&cursor=9");
        assert_eq!(read("age=2m", now).unwrap_err().field.as_deref(), Some("age"));
        assert!(read(&format!("q={}", "x".repeat(129)), now).is_err());
        let (_, other) = read("page=2", now).unwrap();
        assert_eq!(super::asked(&other).unwrap_err().field.as_deref(), Some("page"));
    }
}
