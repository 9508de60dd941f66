//! `/pause`: what is paused, and the stopping and letting go of submits.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::Uri;
use axum::response::Response;
use maud::{Markup, html};

use super::form::Form;
use super::layout::{Failed, Page, go, may_act, reason_field, word};
use super::session::Visit;
use super::words::{moment, span};
use crate::domain::state::Decision;
use crate::domain::{AccountName, UnixMillis};
use crate::ops::Room;
use crate::ops::problem::Problem;
use crate::ports::ledger::Pause;

/// `GET /pause`: the list, or with `?do=pause` or `?do=resume` the page that asks whether to.
pub(super) async fn page(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    uri: Uri,
) -> Result<Response, Failed> {
    let parts = &room.parts;
    let pauses = parts.desk.pauses().await?;
    let query: Vec<_> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect();
    let of =
        |wanted: &str| query.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value);
    let main = match of("do") {
        verb @ ("pause" | "resume") if may_act(&visit) => {
            let account = of("account");
            let own = own(&pauses, Some(account).filter(|name| !name.is_empty()));
            ask(verb, account, own, &visit, parts.clock.now())
        }
        _ => {
            let known = parts.accounts.iter().map(|account| account.name.to_string());
            let also =
                pauses.iter().filter_map(|pause| pause.account.as_ref().map(ToString::to_string));
            let names: BTreeSet<_> = known.chain(also).collect();
            let now = parts.clock.now();
            html! {
                h1 { "Pauses" }
                p { "A pause stops submits: no new money leaves. Queries go on, so what was sent is still followed to its end." }
                // An address is no evidence: what was done is what can be read.
                @if !of("done").is_empty() { div.banner.look role="status" { p { "See below what is paused now." } } }
                (table(&names, &pauses, may_act(&visit), now))
            }
        }
    };
    Ok(Page { title: "Pauses – refundd", here: "/pause", live: None, main }.show(&visit))
}

/// The pause of one account, or that of all.
fn own<'a>(pauses: &'a [Pause], name: Option<&str>) -> Option<&'a Pause> {
    pauses.iter().find(|pause| pause.account.as_ref().map(AccountName::as_str) == name)
}

fn table(names: &BTreeSet<String>, pauses: &[Pause], acts: bool, now: UnixMillis) -> Markup {
    let row = |name: Option<&str>| {
        let pause = own(pauses, name);
        let verb = if pause.is_some() { "resume" } else { "pause" };
        html! {
            tr {
                th scope="row" { (name.unwrap_or("all accounts")) }
                td data-label="State" { @if pause.is_some() { strong.look { "‖ paused" } } @else { span.good { "▶ not paused by itself" } } }
                td data-label="Since" { @if let Some(pause) = pause { (moment(pause.at)) ", " (span(now.since(pause.at))) } @else { "–" } }
                td data-label="By" { @if let Some(pause) = pause { (pause.who) } @else { "–" } }
                td data-label="Why" { @if let Some(pause) = pause { (pause.reason) } @else { "–" } }
                @if acts {
                    td data-label="Do" {
                        a href={ "/pause?do=" (verb) @if let Some(name) = name { "&account=" (name) } } {
                            @if pause.is_some() { "Resume" } @else { "Pause" } " " (name.unwrap_or("all"))
                        }
                    }
                }
            }
        }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Pauses" {
            table.cards {
                caption { "What is paused now. An account submits only if neither it nor all are paused." }
                thead { tr {
                    th scope="col" { "Whose submits" } th scope="col" { "State" } th scope="col" { "Since" }
                    th scope="col" { "By" } th scope="col" { "Why" } @if acts { th scope="col" { "Do" } }
                } }
                tbody { (row(None)) @for name in names { (row(Some(name))) } }
            }
        }
    }
}

/// Whether to; with the pause that is in force, so that nobody lifts another than they think.
fn ask(verb: &str, account: &str, pause: Option<&Pause>, visit: &Visit, now: UnixMillis) -> Markup {
    let name = if account.is_empty() { "all accounts" } else { account };
    let (heading, effect) = if verb == "pause" {
        (
            "Pause",
            "From the moment this is done, no new submit leaves. What was sent already is still asked about.",
        )
    } else {
        (
            "Resume",
            "Refunds that waited are submitted when they are due, at the pace of their limits.",
        )
    };
    html! {
        p.path { a href="/pause" { "Pauses" } " / " (verb) }
        h1 { (heading) " the submits of " (name) "?" }
        p.effect { (effect) }
        @if let Some(pause) = pause {
            dl.facts {
                dt { "In force" } dd { "‖ paused by " (pause.who) }
                dt { "Since" } dd { (moment(pause.at)) ", " (span(now.since(pause.at))) }
                dt { "Why" } dd { (pause.reason) }
            }
        } @else if verb == "resume" { p { "● Nothing is paused by this name now." } }
        form.act method="post" action="/pause" {
            (word(visit))
            input type="hidden" name="do" value=(verb);
            input type="hidden" name="account" value=(account);
            // Another pause may be set meanwhile, for a reason that this person does not know.
            @if let Some(pause) = pause.filter(|_| verb == "resume") {
                input type="hidden" name="since" value=(pause.at);
            }
            (reason_field())
            p.buttons { button type="submit" { (heading) " " (name) } " " a href="/pause" { "Back, do nothing" } }
        }
    }
}

/// When the pause was set that the person saw.
fn seen(form: &Form) -> Result<Option<UnixMillis>, Problem> {
    let since = Some(form.get("since")).filter(|since| !since.is_empty());
    let seen = since.map(UnixMillis::parse_rfc3339).transpose();
    seen.map_err(|err| Problem::invalid("since", err.to_string()))
}

/// `POST /pause`.
pub(super) async fn act(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    Extension(form): Extension<Form>,
) -> Result<Response, Failed> {
    let by = Decision { who: visit.caller.who.clone(), reason: form.get("reason").to_owned() };
    let account = Some(form.get("account")).filter(|name| !name.is_empty());
    let desk = &room.parts.desk;
    let done = match form.get("do") {
        "pause" => desk.pause(account, &by).await?,
        "resume" => desk.resume(account, &by, seen(&form)?).await?,
        _ => return Err(Problem::invalid("do", "must be pause or resume").into()),
    };
    tracing::info!(
        action = done.action,
        account = done.account,
        who = by.who,
        "acted on the dashboard"
    );
    Ok(go(if done.changed { "/pause?done=yes" } else { "/pause?done=no" }))
}
