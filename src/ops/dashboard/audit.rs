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
        p { "Everything that people have done, by the command line, over HTTP and here; written in the same step as what it did." }
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
                tbody {
                    @for line in lines {
                        tr {
                            th scope="row" { @match line.at() { Some(at) => (moment(at)), None => (line.id) } }
                            td data-label="Who" { (line.get("who")) }
                            td data-label="Did" { strong { (line.get("action")) } }
                            td data-label="To" { (subject(line)) }
                            td data-label="Change" { (line.get("change")) }
                            td.long data-label="Why" { (line.get("reason")) }
                        }
                    }
                }
            }
        }
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
    fn only_the_id_of_an_entry_is_taken_for_a_cursor() {
        assert!(is_id("1763798400000-0"));
        for bad in ["", "-", "1-", "-1", "1", "+1-1", "1-1-1", "(1-1", "123456789012345678901-1"] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
