//! `GET /audit`: what people did, newest first.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::Uri;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Failed, Page};
use super::session::Visit;
use super::words::moment;
use crate::domain::RefundNo;
use crate::ops::Room;
use crate::ops::problem::Problem;
use crate::ports::figures::AuditLine;

/// Lines of a page.
const LINES: usize = 100;

/// `GET /audit`.
pub(super) async fn page(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    uri: Uri,
) -> Result<Response, Failed> {
    let query = uri.query().unwrap_or_default();
    let before = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "before");
    let before = before.map(|(_, value)| value.into_owned());
    if before.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(Problem::invalid("before", "must be the one of a page, unchanged").into());
    }
    let lines = room.parts.watch.audit(before.as_deref(), LINES).await?;
    let main = html! {
        h1 { "Audit" }
        p { "Everything that people have done, by the command line, over HTTP and here, written in the same step as what it did; \
            and when refundd found that Redis may have lost writes." }
        @if lines.is_empty() { p.nothing { "Nothing" @if before.is_some() { " further" } "." } }
        @else { (table(&lines)) }
        @if lines.len() >= LINES && let Some(last) = lines.last() {
            p { a.button rel="next" href={ "/audit?before=" (last.id) } { "Older lines" } }
        }
    };
    Ok(Page { title: "Audit – refundd", here: "/audit", live: None, main }.show(&visit))
}

/// Whether it is the id of an entry of a stream.
fn is_id(text: &str) -> bool {
    let digits =
        |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-').is_some_and(|(ms, nth)| digits(ms) && digits(nth))
}

fn table(lines: &[AuditLine]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Audit trail" {
            table.cards {
                caption { "Newest first" }
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Did" }
                    th scope="col" { "To" } th scope="col" { "Change" } th scope="col" { "Why" }
                } }
                tbody { @for line in lines { (row(line)) } }
            }
        }
    }
}

/// One line; a line without an action is of refundd itself, about a possible loss of writes.
fn row(line: &AuditLine) -> Markup {
    let own = line.get("action").is_empty();
    html! {
        tr {
            th scope="row" { @match line.at() { Some(at) => (moment(at)), None => (line.id) } }
            td data-label="Who" { @if own { "refundd" } @else { (line.get("who")) } }
            td data-label="Did" { strong { @if own { "found" } @else { (line.get("action")) } } }
            td data-label="To" { @if own { "Redis" } @else { (subject(line)) } }
            td data-label="Change" { @if own { "Redis may have lost writes" } @else { (line.get("change")) } }
            td.long data-label="Why" { @if own { (loss(line)) } @else { (line.get("reason")) } }
        }
    }
}

/// Why writes may be lost: by the counter, or because it is not the Redis of before.
fn loss(line: &AuditLine) -> Markup {
    html! {
        "its counter of writes stood at " (line.get("counter")) ", this refundd had seen " (line.get("seen"))
        @if line.get("run_id") != line.get("was") { "; it was restarted or replaced" }
    }
}

fn subject(line: &AuditLine) -> Markup {
    let subject = line.get("subject");
    html! {
        @match (line.get("action"), RefundNo::parse(subject)) {
            ("pause" | "resume", _) => @if subject == "*" { "all accounts" } @else { "account " (subject) },
            (_, Ok(refund_no)) => a href={ "/refunds/" (refund_no) } { (refund_no) },
            (_, Err(_)) => (subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_possible_loss_of_writes_is_a_line_with_words() {
        let fields = [
            ("kind", "write_loss"),
            ("run_id", "b"),
            ("was", "a"),
            ("counter", "17"),
            ("seen", "19"),
            ("at", "1700000000000"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let line = AuditLine { id: "1700000000000-0".to_owned(), fields };
        let text = table(&[line]).into_string();
        for told in ["refundd", "Redis may have lost writes", "stood at 17", "had seen 19"] {
            assert!(text.contains(told), "no {told:?} in {text}");
        }
        assert!(text.contains("restarted or replaced"), "{text}");
        for (cell, _) in text.match_indices("<td") {
            let rest = text[cell..].split_once('>').unwrap().1;
            assert!(!rest.starts_with("</td>"), "an empty cell in {text}");
        }
    }

    #[test]
    fn only_the_id_of_an_entry_is_taken_for_a_cursor() {
        assert!(is_id("1763798400000-0"));
        for bad in ["", "-", "1-", "-1", "1", "+1-1", "1-1-1", "(1-1", "123456789012345678901-1"] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
