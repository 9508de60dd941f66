//! `/refunds/{refund_no}/{action}`: what an action would do, and the doing of it, held against the
//! version that the page has shown.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::form::Form;
use super::layout::{Failed, Page, go, reason_field, word};
use super::list::{order, state};
use super::session::Visit;
use super::timeline;
use super::words::money;
use crate::domain::RefundNo;
use crate::domain::state::{Decision, Outcome};
use crate::operator::{ActError, Action, Asked, Resolution};
use crate::ops::problem::Problem;
use crate::ops::{Parts, Room};
use crate::ports::ledger::Stored;

/// Lines of history that a page shows of what came in between.
const LATEST: usize = 3;

type Place = Result<Path<(String, String)>, PathRejection>;

/// The refund and the action of a path.
fn place(path: Place) -> Result<(RefundNo, String), Problem> {
    let Path((refund_no, action)) =
        path.map_err(|_| Problem::not_found("there is no such page"))?;
    let refund_no = RefundNo::parse(&refund_no)
        .map_err(|err| Problem::invalid("refund_no", err.to_string()))?;
    if !Action::ALL.iter().any(|known| known.as_str() == action) {
        return Err(Problem::not_found("there is no such action"));
    }
    Ok((refund_no, action))
}

/// `GET`: what it would do.
pub(super) async fn page(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    path: Place,
) -> Result<Response, Failed> {
    let (refund_no, action) = place(path)?;
    let seen = room.parts.desk.look(&refund_no).await?;
    let offered: Vec<_> = Action::ALL.iter().filter(|one| one.as_str() == action).collect();
    let possible: Vec<_> = offered
        .iter()
        .filter_map(|one| Some((**one, room.parts.desk.intent(&seen, **one).ok()?)))
        .collect();
    if possible.is_empty()
        && let Some(first) = offered.first()
    {
        let why = room.parts.desk.intent(&seen, **first).err();
        return Ok(refused(&seen, &why.map(|why| why.to_string()).unwrap_or_default(), &visit));
    }
    let main = html! {
        p.path { a href="/refunds" { "Refunds" } " / " a href={ "/refunds/" (refund_no) } { (refund_no) } " / " (action) }
        h1 { (heading(&action)) " " (refund_no) "?" }
        (what(&seen))
        form.act method="post" action={ "/refunds/" (refund_no) "/" (action) } {
            (word(&visit))
            input type="hidden" name="version" value=(seen.record.tally.revision);
            (choices(&possible))
            (reason_field())
            p.buttons {
                button type="submit" { (heading(&action)) " " (money(seen.record.refund.currency, seen.record.refund.amount.get())) }
                " " a href={ "/refunds/" (refund_no) } { "Back, do nothing" }
            }
        }
    };
    let title = format!("{} {refund_no} – refundd", heading(&action));
    Ok(Page { title: &title, here: "/refunds", live: None, main }.show(&visit))
}

fn heading(action: &str) -> &'static str {
    match action {
        "check" => "Check",
        "release" => "Release",
        "resolve" => "Resolve",
        _ => "Abandon",
    }
}

fn what(seen: &Stored) -> Markup {
    let refund = &seen.record.refund;
    html! {
        dl.facts {
            dt { "Amount" } dd { strong { (money(refund.currency, refund.amount.get())) } }
            dt { "Account" } dd { (refund.account) }
            dt { "Order" } dd { (order(&refund.order)) }
            dt { "Stands at" } dd { (state(&seen.record.state)) }
        }
    }
}

/// The effect of the action, or a choice where there are two.
fn choices(possible: &[(Action, String)]) -> Markup {
    let effect = |text: &str| text.split_once('\n').map_or(text, |(_, effect)| effect).to_owned();
    html! {
        @for (action, intent) in possible {
            @if let Action::Resolve(said) = action {
                label.choice {
                    input type="radio" name="outcome" value=(said.outcome().as_str()) required;
                    span { strong { "It " (said.outcome().as_str()) ". " } (effect(intent)) }
                }
            } @else {
                p.effect { (effect(intent)) }
            }
        }
    }
}

/// `POST`: does it.
pub(super) async fn act(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    path: Place,
    Extension(form): Extension<Form>,
) -> Result<Response, Failed> {
    let (refund_no, action) = place(path)?;
    let action = chosen(&action, form.get("outcome"))?;
    let expected = form.version()?;
    let by = Decision { who: visit.caller.who.clone(), reason: form.get("reason").to_owned() };
    let asked = Asked { refund_no, action, by, expected: Some(expected) };
    match room.parts.desk.act(&asked).await {
        Ok(done) => {
            tracing::info!(
                refund.no = %asked.refund_no,
                action = done.action,
                who = asked.by.who,
                change = done.change,
                "acted on the dashboard"
            );
            Ok(go(&format!("/refunds/{}?done={}", asked.refund_no, done.action)))
        }
        Err(ActError::Stale { .. }) => Ok(stale(&room.parts, &asked, expected, &visit).await?),
        Err(ActError::NotAllowed { why, .. }) => {
            let seen = room.parts.desk.look(&asked.refund_no).await?;
            Ok(refused(&seen, why, &visit))
        }
        Err(err) => Err(err.into()),
    }
}

/// The action that a form asks for.
fn chosen(word: &str, outcome: &str) -> Result<Action, Problem> {
    let said = Resolution::parse(outcome);
    let is_it = |action: &&Action| match action {
        Action::Resolve(resolution) => word == "resolve" && said == Some(*resolution),
        Action::Check | Action::Release | Action::Abandon => word == action.as_str(),
    };
    let found = Action::ALL.iter().find(is_it).copied();
    let words = [Outcome::Succeeded, Outcome::Failed].map(Outcome::as_str).join(" or ");
    found.ok_or_else(|| Problem::invalid("outcome", format!("must be {words}")))
}

/// The refund is not what the page has shown.
async fn stale(
    parts: &Parts,
    asked: &Asked,
    expected: u32,
    visit: &Visit,
) -> Result<Response, ActError> {
    let seen = parts.desk.look(&asked.refund_no).await?;
    let record = &seen.record;
    let main = html! {
        div.banner.look role="alert" {
            h1 { "Nothing was done: the refund has changed" }
            p { "Your page showed version " (expected) ", the refund is at version " (record.tally.revision)
                " now. Perhaps the form was sent twice, or somebody or an answer came first." }
        }
        (what(&seen))
        h2 { "What happened last" }
        ol.timeline { @for line in record.history.iter().rev().take(LATEST) { (timeline::line(line)) } }
        p { a.button href={ "/refunds/" (asked.refund_no) } { "Look at it again" } }
    };
    let page = Page { title: "▲ Changed – refundd", here: "/refunds", live: None, main };
    Ok(page.show_as(StatusCode::CONFLICT, Some(visit)))
}

/// The action makes no sense where the refund stands.
fn refused(seen: &Stored, why: &str, visit: &Visit) -> Response {
    let refund_no = &seen.record.refund.refund_no;
    let main = html! {
        div.banner.look role="alert" { h1 { "Nothing was done" } p { (why) } }
        (what(seen))
        p { a.button href={ "/refunds/" (refund_no) } { "Back to the refund" } }
    };
    let page = Page { title: "▲ Not possible – refundd", here: "/refunds", live: None, main };
    page.show_as(StatusCode::UNPROCESSABLE_ENTITY, Some(visit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolution_needs_its_outcome_and_nothing_else_has_one() {
        assert_eq!(chosen("check", "").unwrap(), Action::Check);
        assert_eq!(chosen("abandon", "failed").unwrap(), Action::Abandon);
        let failed = Action::Resolve(Resolution::Failed);
        assert_eq!(chosen("resolve", "failed").unwrap(), failed);
        for outcome in ["", "lost", "withdrawn"] {
            assert_eq!(chosen("resolve", outcome).unwrap_err().field.as_deref(), Some("outcome"));
        }
    }
}
