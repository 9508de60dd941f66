//! `GET /`: whether something is wrong, then where the money is, worst first.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use maud::{Markup, html};

use super::board::{Reading, View};
use super::findings::{
    Finding, SETTLE_SLO_MS, Severity, findings, in_state, list_of, oldest, oldest_of, title,
};
use super::layout::Page;
use super::quantile::{Quantile, between, quantile};
use super::session::Visit;
use super::words::{Sum, clock, count, counted, fine_span, moment, money, span};
use super::{chart, machines, money_table, search};
use crate::domain::UnixMillis;
use crate::domain::state::StateKind;
use crate::ops::{Parts, Room};
use crate::ports::figures::Figures;

/// A part of a page that is replaced when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Its id.
    pub(super) id: &'static str,
    /// Its element.
    pub(super) html: String,
}

impl Section {
    /// The element with that id, under a heading if there is one.
    pub(super) fn new(id: &'static str, heading: &str, old: bool, content: &Markup) -> Self {
        let name = format!("{id}-name");
        let html = html! {
            section id=(id) data-live="" class=[old.then_some("old")] aria-labelledby=[(!heading.is_empty()).then_some(&name)] {
                @if !heading.is_empty() { h2 id=(name) { (heading) } }
                (content)
            }
        };
        Self { id, html: html.into_string() }
    }
}

/// `GET /`.
pub(super) async fn page(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
) -> Response {
    let parts = &room.parts;
    let view = room.board.view(parts).await;
    let now = parts.clock.now();
    let all = sections(&view, parts, now);
    let title = title(&findings(&view, parts, now));
    let main = html! {
        h1.hidden { "Overview" }
        @for section in &all {
            @if section.id == "safety" { (search::section(parts)) }
            (maud::PreEscaped(&section.html))
        }
    };
    Page { title: &title, here: "/", live: Some("/events".to_owned()), main }.show(&visit)
}

/// Everything on the page that changes by itself, in its order.
pub(super) fn sections(view: &View, parts: &Parts, now: UnixMillis) -> Vec<Section> {
    let found = findings(view, parts, now);
    let old = view.trouble.is_some();
    let mut all = vec![state(view, &found), age(view, now)];
    let Some(last) = &view.last else { return all };
    let now = view.as_of(now);
    let each: [(&'static str, &str, Markup); 7] = [
        ("risk", "At risk", risk(last, now)),
        ("money", "Money in flight", money_table::in_flight(&last.figures)),
        ("settle", "Settle time", settle(last, now)),
        ("gateways", "Gateways", machines::gateways(last, parts, now)),
        ("backlog", "Backlog and workers", machines::backlog(last, now)),
        ("attention", "Needs attention", money_table::attention(&last.figures, now)),
        ("safety", "Pauses and write losses", safety(last, now)),
    ];
    all.extend(each.iter().map(|(id, heading, content)| Section::new(id, heading, old, content)));
    all
}

/// The first thing that is seen: what is wrong and what to do, or that nothing is.
fn state(view: &View, found: &[Finding]) -> Section {
    let title = title(found);
    let content = html! {
        div data-title=(title) {
            @if found.is_empty() {
                div.banner.good { p { strong { "✓ Nothing is wrong" } " as far as refundd can tell." } }
            }
            @for finding in found {
                @let (class, mark) = match finding.severity {
                    Severity::Bad => ("banner bad", "▲ Alarm"),
                    Severity::Look => ("banner look", "● Look"),
                };
                div class=(class) {
                    p { strong { (mark) ": " (finding.text) "." } " "
                        @if let Some(link) = &finding.link { a href=(link) { "Show" } } }
                    p.advice { (finding.advice) }
                }
            }
            @if view.last.is_none() {
                p.nothing { "Nothing could be read yet. Figures appear here as soon as Redis answers." }
            }
        }
    };
    Section::new("state", "", false, &content)
}

/// When what is shown was read.
fn age(view: &View, now: UnixMillis) -> Section {
    let content = html! {
        @if let Some(last) = &view.last {
            @let at = last.figures.at;
            p.asof {
                @if view.trouble.is_some() {
                    strong { "Old figures: as of " (clock(at)) ", " (span(now.since(at))) " ago." }
                } @else { "Figures as of " (clock(at)) }
            }
        }
    };
    Section::new("asof", "", false, &content)
}

fn tile(name: &str, class: &str, value: &str, note: &Markup, link: Option<&str>) -> Markup {
    html! {
        div.tile.(class) {
            h3 { @if let Some(link) = link { a href=(link) { (name) } } @else { (name) } }
            p.value { (value) }
            p.note { (note) }
        }
    }
}

fn risk(last: &Reading, now: UnixMillis) -> Markup {
    let figures = &last.figures;
    let unconfirmed = in_state(figures, StateKind::Unconfirmed);
    let parked = in_state(figures, StateKind::Parked);
    html! {
        div.tiles {
            (oldest_tile(figures, now))
            (tile("Unconfirmed", "calm", &count(unconfirmed.refunds),
                &held(&unconfirmed, "sent or maybe sent; refundd goes on asking the gateway"),
                Some("/refunds?state=unconfirmed")))
            (tile("Parked", shade(parked.refunds > 0), &count(parked.refunds),
                &held(&parked, "for a person to decide; the amounts stay reserved"),
                Some("/refunds?state=parked")))
        }
    }
}

const fn shade(alarm: bool) -> &'static str {
    if alarm { "look" } else { "calm" }
}

/// The oldest refund: with a verdict if no gateway is known to hold it, else with its age alone.
fn oldest_tile(figures: &Figures, now: UnixMillis) -> Markup {
    let name = "Oldest unsettled";
    let held = oldest_of(figures, StateKind::Processing);
    match (oldest(figures), held) {
        (None, None) => tile(name, "calm", "none", &html! { "nothing is on its way" }, None),
        (None, Some(at)) => {
            let note = html! { "processing since " (moment(at)) ": a gateway holds it, no limit" };
            let link = list_of(StateKind::Processing);
            tile(name, "calm", &span(now.since(at)), &note, Some(&link))
        }
        (Some((state, at)), held) => {
            let late = now.since(at) > SETTLE_SLO_MS;
            let note = html! {
                @if late { strong { "✕ over" } } @else { "✓ within" }
                " its limit of " (span(SETTLE_SLO_MS)) " · " (state.as_str()) " since " (moment(at))
                @if let Some(held) = held.filter(|held| *held < at) {
                    "; a gateway has held one for " (span(now.since(held))) ", without a limit"
                }
            };
            tile(name, shade(late), &span(now.since(at)), &note, Some(&list_of(state)))
        }
    }
}

fn held(sum: &Sum, words: &str) -> Markup {
    html! { @if sum.refunds > 0 { strong.sum { (sum.money()) } " " (words) } @else { "✓ none" } }
}

fn settle(last: &Reading, now: UnixMillis) -> Markup {
    let begin = last.history.first();
    let took = between(begin.map_or(&[], |sample| &sample.ended), &last.figures.ended);
    let since = begin.map_or("since the counting began".to_owned(), |sample| {
        format!("in the last {}", span(now.since(sample.at)))
    });
    let all: u64 = took.iter().sum();
    let told = |per_mille| match quantile(&took, per_mille) {
        None => "–".to_owned(),
        Some(Quantile::About(ms)) => format!("≈ {}", fine_span(ms)),
        Some(Quantile::Beyond) => "over 30 d".to_owned(),
    };
    html! {
        p { "From admission to the first final answer, " (counted(all, "refund")) " " (since) "." }
        dl.row {
            div { dt { "p50" } dd { (told(500)) } }
            div { dt { "p95" } dd { (told(950)) } }
            div { dt { "p99" } dd { (told(990)) } }
        }
        (chart::chart(&last.history, &last.figures, now, SETTLE_SLO_MS))
    }
}

fn safety(last: &Reading, now: UnixMillis) -> Markup {
    html! {
        @if last.pauses.is_empty() { p { "✓ No submits are paused." } }
        @else {
            ul {
                @for pause in &last.pauses {
                    li { strong { "‖ " @match &pause.account {
                            Some(account) => { "Account " (account) },
                            None => "All accounts",
                        } }
                        " paused by " (pause.who) " " (span(now.since(pause.at))) " ago: " (pause.reason) }
                }
            }
        }
        p { a href="/pause" { "Pause or resume" } }
        @match last.figures.lost_at {
            None => p { "✓ Redis was never found restarted, replaced or set back." },
            Some(at) => p {
                "● Redis was restarted or replaced and may have lost writes " (counted(last.figures.losses, "time"))
                ", last found at " (moment(at)) ". From outside a clean restart looks the same. What seems unsent is \
                asked about before it is sent." },
        }
    }
}

/// An amount in a cell, with how many refunds it is.
pub(super) fn amount(currency: crate::domain::Currency, cents: u64, refunds: u64) -> Markup {
    html! { span.amount { (money(currency, cents)) } " " span.quiet { "(" (count(refunds)) ")" } }
}

#[cfg(test)]
#[path = "overview_tests.rs"]
mod tests;
