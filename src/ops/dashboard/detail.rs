//! `GET /refunds/{refund_no}`: one refund, what is known of it and how well, and what may be done.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use maud::{Markup, PreEscaped, html};

use super::layout::{Failed, Page, may_act};
use super::list::{next_words, order, state};
use super::overview::Section;
use super::session::Visit;
use super::timeline::timeline;
use super::words::{clock, count, moment, money, span};
use crate::contract::{EvidenceV1, GradeV1, RefundView, StatusV1};
use crate::domain::refund::HistoryLine;
use crate::domain::{Currency, EventKind, RefundNo, UnixMillis};
use crate::operator::{ActError, Action};
use crate::ops::auth::network_of;
use crate::ops::refunds::number;
use crate::ops::{Parts, Room};
use crate::ports::ledger::{Pause, Stored};

/// What may be done, each word once.
const ACTIONS: [(&str, &str); 4] = [
    ("check", "Check with the gateway now"),
    ("release", "Release: ask, then go on"),
    ("resolve", "Resolve: say how it ended"),
    ("abandon", "Abandon: end the work on it"),
];

/// `GET /refunds/{refund_no}`.
pub(super) async fn page(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Failed> {
    let parts = &room.parts;
    let refund_no = number(path)?;
    let seen = match parts.desk.look(&refund_no).await {
        Err(ActError::NotFound(_)) => return Ok(unknown(&refund_no, &visit)),
        seen => seen?,
    };
    let pauses = parts.desk.pauses().await?;
    let done = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "done")
        .and_then(|(_, value)| flash(&value, &seen.record.history));
    let title = format!("{refund_no} {} – refundd", seen.record.state.kind().as_str());
    let look = Look { seen, pauses, at: parts.clock.now() };
    let main = html! {
        p.path { a href="/refunds" { "Refunds" } " / " (refund_no) }
        h1 { "Refund " (refund_no) }
        @if let Some(done) = done { div.banner.(done.class) role="status" { p { (done.text) } } }
        @for section in sections(&look, false, parts, &visit) { (PreEscaped(section.html)) }
    };
    let live = Some(format!("/events?refund={refund_no}"));
    Ok(Page { title: &title, here: "/refunds", live, main }.show(&visit))
}

fn unknown(refund_no: &RefundNo, visit: &Visit) -> Response {
    let main = html! {
        h1 { "There is no refund " (refund_no) }
        p { "It was never taken in, or it settled so long ago that it was forgotten (" code { "retention.settled_ms" } ")." }
        p { a href="/refunds" { "Find another one" } }
    };
    let page = Page { title: "Not found – refundd", here: "/refunds", live: None, main };
    page.show_as(StatusCode::NOT_FOUND, Some(visit))
}

/// What the page that follows an action says of it.
#[derive(Debug, PartialEq, Eq)]
struct Flash {
    class: &'static str,
    text: &'static str,
}

/// What was done, told on the page that follows. The words are ours, and an address alone is believed
/// nothing: done is what stands in the history.
fn flash(action: &str, history: &[HistoryLine]) -> Option<Flash> {
    let (event, text) = match action {
        // A check is not in the history, only what the gateway answers is.
        "check" => {
            let text = "What the gateway answers appears below.";
            return Some(Flash { class: "look", text });
        }
        "release" => (
            EventKind::Released,
            "✓ Released: the gateway is asked first, and what it says decides.",
        ),
        "resolve" => {
            (EventKind::Resolved, "✓ Resolved: the end is recorded and the result published.")
        }
        "abandon" => (
            EventKind::Abandoned,
            "✓ Abandoned: refundd stops working on it. Nothing was cancelled at the gateway.",
        ),
        _ => return None,
    };
    if history.iter().any(|line| line.event == event) {
        return Some(Flash { class: "good", text });
    }
    Some(Flash { class: "look", text: "See below what was recorded." })
}

/// A refund as it was read, for its page.
#[derive(Debug)]
pub(super) struct Look {
    /// The refund.
    pub(super) seen: Stored,
    /// What was paused then.
    pub(super) pauses: Vec<Pause>,
    /// When it was read.
    pub(super) at: UnixMillis,
}

/// Everything on the page that changes by itself; marked as old if nothing newer can be read.
pub(super) fn sections(look: &Look, old: bool, parts: &Parts, visit: &Visit) -> Vec<Section> {
    let Look { seen, pauses, at } = look;
    let view = RefundView::of(seen, pauses);
    let asof = html! { p.asof { "As of " (clock(*at)) " · version " (view.version) } };
    let title = format!("{} {} – refundd", view.refund_no, view.state);
    let state = html! { div data-title=(title) { (standing(seen, &view, pauses, *at)) } };
    let facts = facts(seen, &view, *at);
    let mut all = vec![
        Section::new("asof", "", false, &asof),
        Section::new("state", "", old, &state),
        Section::new("actions", "What you can do", old, &actions(seen, parts, visit)),
        Section::new("facts", "What was asked, and what is known", old, &facts),
    ];
    if !view.statuses.is_empty() {
        let lines = lines(&view.statuses, seen.record.refund.currency);
        all.push(Section::new("lines", "The gateway's lines", old, &lines));
    }
    all.push(Section::new("timeline", "Timeline", old, &timeline(&seen.record)));
    all
}

/// The same while the refund cannot be read: why, since when, and what was known of it, if anything was.
pub(super) fn old_sections(
    last: Option<&Look>,
    trouble: &str,
    parts: &Parts,
    visit: &Visit,
    now: UnixMillis,
) -> Vec<Section> {
    let asof = html! {
        div data-title="▲ old – refundd" {
            div.banner.bad {
                p { strong { "▲ Alarm: " (trouble) "." } " What you see is old"
                    @if let Some(last) = last { ": as of " (clock(last.at)) ", " (span(now.since(last.at))) " ago" } "." }
                p.advice { "No refund is lost or paid twice by this. The page goes on by itself as soon as it can be read again." }
            }
        }
    };
    let mut all = last.map_or_else(Vec::new, |last| sections(last, true, parts, visit));
    all.retain(|section| section.id != "asof");
    all.insert(0, Section::new("asof", "", false, &asof));
    all
}

/// The two things that are asked first: where it stands, and what is next.
fn standing(seen: &Stored, view: &RefundView, pauses: &[Pause], now: UnixMillis) -> Markup {
    let refund = &seen.record.refund;
    html! {
        div.hero {
            p.big { (money(refund.currency, refund.amount.get())) }
            p.big { (state(&seen.record.state)) }
        }
        dl.facts {
            dt { "What refundd does next" }
            dd { (next_words(seen, pauses, now)) }
            @if let Some(message) = &view.message { dt { "Why" } dd { (message) } }
            @if let Some(code) = &view.code { dt { "Code" } dd { code { (code) } } }
            dt { "Evidence" }
            dd { @match &view.evidence {
                Some(evidence) => (grade(evidence)),
                None => "none yet: nothing is final",
            } }
            @if let Some(pause) = &view.paused {
                dt { "Paused" }
                dd { "‖ by " (pause.by) " since " (written(&pause.since)) ": " (pause.reason) }
            }
        }
    }
}

/// A moment that stands in a view as text.
fn written(text: &str) -> Markup {
    UnixMillis::parse_rfc3339(text).map_or_else(|_| html! { (text) }, moment)
}

fn grade(evidence: &EvidenceV1) -> Markup {
    let words = match evidence.grade {
        GradeV1::A => "an answer that the gateway has signed",
        GradeV1::B => "an unsigned answer with a listed meaning",
        GradeV1::C => "no evidence of a gateway",
    };
    html! {
        strong { "grade " (evidence.grade.as_str()) } ": " (words) "; from " (evidence.source.as_str()) " at " (written(&evidence.at))
    }
}

fn actions(seen: &Stored, parts: &Parts, visit: &Visit) -> Markup {
    if !may_act(visit) {
        return html! { p.quiet { "You may look. To act, sign in with a token of role operate." } };
    }
    let allowed = |word: &str| {
        let mut all = Action::ALL.iter().filter(|action| action.as_str() == word);
        all.any(|action| parts.desk.intent(seen, *action).is_ok())
    };
    let refund_no = &seen.record.refund.refund_no;
    let possible: Vec<_> = ACTIONS.into_iter().filter(|(word, _)| allowed(word)).collect();
    html! {
        @if possible.is_empty() {
            p { "Nothing at this moment: " (why_nothing(seen, parts)) }
        }
        ul.actions {
            @for (word, told) in possible { li { a.button href={ "/refunds/" (refund_no) "/" (word) } { (told) } } }
        }
    }
}

fn why_nothing(seen: &Stored, parts: &Parts) -> String {
    parts.desk.intent(seen, Action::Check).err().map(|err| err.to_string()).unwrap_or_default()
}

fn facts(seen: &Stored, view: &RefundView, now: UnixMillis) -> Markup {
    let record = &seen.record;
    let refund = &record.refund;
    let fact = |name: &str, value: Markup| html! { dt { (name) } dd { (value) } };
    html! {
        dl.facts {
            (fact("Account", html! { (refund.account) }))
            (fact("Order", html! { (order(&refund.order))
                @if let Some(paid) = refund.order.paid { ", paid " (money(refund.currency, paid.get())) } }))
            @if let Some(no) = &record.gateway_refund_no { (fact("Gateway refund number", html! { code { (no) } })) }
            @if let Some(reason) = &refund.reason { (fact("Reason given", html! { (reason) })) }
            @if let Some(ip) = &refund.client_ip { (fact("Payer's network", html! { (payer(ip)) })) }
            (fact("Taken in", html! { (moment(record.admitted_at)) ", " (span(now.since(record.admitted_at))) " ago" }))
            @if let Some(at) = record.tally.submitted_at { (fact("First submitted", moment(at))) }
            @if let Some(at) = seen.due_at { (fact("Looked at next", moment(at))) }
            (fact("Submits that may have arrived", html! { (count(view.attempts.into())) }))
            (fact("Queries", html! { (count(view.polls.into())) }))
            (fact("Results published", html! { (count(view.results.into())) }))
        }
    }
}

/// The network of an address that a request gave; the address itself is nobody's business here.
fn payer(ip: &str) -> String {
    ip.parse::<IpAddr>().map_or_else(|_| "not an address".to_owned(), network_of)
}

fn lines(statuses: &[StatusV1], currency: Currency) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="The gateway's lines" {
            table.cards {
                caption { "The " code { "$n" } " lines of the gateway's answer that belong to this refund." }
                thead { tr { th scope="col" { "$n" } th scope="col" { "Gateway refund number" } th.num scope="col" { "Amount" }
                    th scope="col" { "Status" } th scope="col" { "Time" } th scope="col" { "Reason" } } }
                tbody {
                    @for line in statuses {
                        tr {
                            th scope="row" { "$" (line.n) }
                            td.long data-label="Gateway no." { (line.gateway_refund_no.as_deref().unwrap_or("–")) }
                            td.num data-label="Amount" { (money(currency, line.amount_cents)) }
                            td data-label="Status" { (line.status) }
                            td data-label="Time" { (line.time.as_deref().unwrap_or("–")) }
                            td data-label="Reason" { (line.reason.as_deref().unwrap_or("–")) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_only_as_far_as_the_history_has_it() {
        let line = |event| HistoryLine {
            at: UnixMillis::new(0),
            last_at: UnixMillis::new(0),
            times: 1,
            event,
            note: String::new(),
        };
        for (word, _) in ACTIONS {
            assert!(!flash(word, &[]).unwrap().text.contains('✓'), "{word}");
        }
        let resolved = flash("resolve", &[line(EventKind::Resolved)]).unwrap();
        assert!(resolved.class == "good" && resolved.text.starts_with("✓ Resolved"));
        let other = flash("abandon", &[line(EventKind::Resolved)]).unwrap();
        assert_eq!(other.text, "See below what was recorded.");
        assert_eq!(flash("you have won", &[]), None);
    }

    #[test]
    fn an_address_is_shown_by_its_network() {
        assert_eq!(payer("203.0.113.7"), "203.0.113.0/24");
        assert_eq!(payer("2001:db8:1:2::7"), "2001:db8:1::/48");
        assert_eq!(payer("<b>"), "not an address");
    }
}
