//! `/attention`: one action on many parked refunds of one reason, after a look at how many and how
//! much, at most a hundred at a time, each held against the version that was shown.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::Uri;
use axum::response::Response;
use form_urlencoded::Serializer;
use maud::{Markup, html};

use super::form::Form;
use super::layout::{Failed, Page, reason_field, word};
use super::list::table;
use super::money_table::cause_words;
use super::session::Visit;
use super::words::{Sum, count, counted};
use crate::domain::RefundNo;
use crate::domain::state::{Decision, ParkCause, StateKind};
use crate::operator::{Action, Asked};
use crate::ops::Room;
use crate::ops::problem::Problem;
use crate::ops::refunds::{asked, gather};
use crate::ports::ledger::Stored;

/// Most refunds of one form.
const MOST: usize = 100;

fn cause(text: &str) -> Result<ParkCause, Problem> {
    let found = ParkCause::ALL.iter().find(|cause| cause.as_str() == text);
    found.copied().ok_or_else(|| Problem::invalid("reason", "must be a reason for parking"))
}

/// Parked refunds of a cause, as the API lists them.
fn query_of(cause: ParkCause, cursor: Option<&str>) -> String {
    let most = MOST.to_string();
    let mut query = Serializer::new(String::new());
    query.append_pair("state", StateKind::Parked.as_str());
    query.append_pair("reason", cause.as_str()).append_pair("limit", &most);
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    query.finish()
}

/// The address that goes on where a look has ended.
fn further(cause: ParkCause, cursor: &str) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("reason", cause.as_str()).append_pair("cursor", cursor);
    format!("/attention?{}", query.finish())
}

/// `GET /attention?reason=…`, with `cursor` to look further: what would be acted on. Changes nothing.
pub(super) async fn page(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    uri: Uri,
) -> Result<Response, Failed> {
    let query = uri.query().unwrap_or_default();
    let of = |wanted: &str| {
        let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.into_owned())
    };
    let cause = cause(of("reason").as_deref().unwrap_or_default())?;
    let cursor = of("cursor");
    let parts = &room.parts;
    let all = asked(&query_of(cause, cursor.as_deref()))?;
    let (mut found, next) = gather(parts, &all).await?;
    found.sort_by_key(|stored| stored.record.admitted_at);
    let more = next.is_some() || found.len() > MOST;
    found.truncate(MOST);
    let pauses = parts.desk.pauses().await?;
    let main = html! {
        p.path { a href="/" { "Overview" } " / parked: " (cause.as_str()) }
        h1 { "Parked: " (cause.as_str()) }
        p { (cause_words(cause.as_str())) "." }
        @if found.is_empty() { (none(cause, cursor.is_some(), next.as_deref())) }
        @else {
            (question(&found, cause, more, &visit))
            (table(&found, &pauses, parts.clock.now()))
            @if let Some(next) = &next { p { a rel="next" href=(further(cause, next)) { "Look further" } } }
        }
    };
    let title = format!("Parked: {} – refundd", cause.as_str());
    Ok(Page { title: &title, here: "/", live: None, main }.show(&visit))
}

/// That nothing was found: for sure only after a look from the beginning to the end.
fn none(cause: ParkCause, went_on: bool, next: Option<&str>) -> Markup {
    html! {
        @if let Some(next) = next {
            p.nothing { "None among those looked at so far; there are more to look at." }
            p { a.button rel="next" href=(further(cause, next)) { "Look further" } }
        } @else if went_on {
            p.nothing { "None among the rest." }
            p { a href={ "/attention?reason=" (cause.as_str()) } { "Look from the beginning" } }
        } @else { p.nothing { "✓ No refund is parked for this reason now." } }
    }
}

fn question(found: &[Stored], cause: ParkCause, more: bool, visit: &Visit) -> Markup {
    let mut sum = Sum::default();
    for stored in found {
        let refund = &stored.record.refund;
        sum.add(1, refund.currency, refund.amount.get());
    }
    html! {
        div.banner.look {
            p { strong { "This is about " (counted(sum.refunds, "refund")) ", " (sum.money()) "." }
                @if more { " There may be more; at most " (MOST) " are acted on at once, the rest after that." } }
            p { "Nothing has been done yet." }
        }
        form.act method="post" action="/attention" {
            (word(visit))
            input type="hidden" name="reason_code" value=(cause.as_str());
            @for stored in found {
                input type="hidden" name="item" value={ (stored.record.refund.refund_no) ":" (stored.record.tally.revision) };
            }
            label.choice { input type="radio" name="do" value="check" required;
                span { strong { "Check. " } "The gateway is asked about each at once; they stay parked unless its answer is final." } }
            label.choice { input type="radio" name="do" value="release";
                span { strong { "Release. " } "They go on: the gateway is asked first, and only what the rules of each account allow may be sent again." } }
            (reason_field())
            p.buttons { button type="submit" { "Do it to " (counted(sum.refunds, "refund")) ", " (sum.money()) } " "
                a href="/" { "Back, do nothing" } }
        }
    }
}

/// `POST /attention`.
pub(super) async fn act(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    Extension(form): Extension<Form>,
) -> Result<Response, Failed> {
    let cause = cause(form.get("reason_code"))?;
    let action = match form.get("do") {
        "check" => Action::Check,
        "release" => Action::Release,
        _ => return Err(Problem::invalid("do", "must be check or release").into()),
    };
    let items = form.all("item").map(item).collect::<Result<Vec<_>, _>>()?;
    if items.is_empty() || items.len() > MOST {
        return Err(Problem::invalid("item", format!("must be 1 to {MOST} refunds")).into());
    }
    let by = Decision { who: visit.caller.who.clone(), reason: form.get("reason").to_owned() };
    let mut told = Vec::new();
    for (refund_no, version) in items {
        let asked = Asked { refund_no, action, by: by.clone(), expected: Some(version) };
        let done = room.parts.desk.act(&asked).await;
        told.push((asked.refund_no, done.map(|done| done.change).map_err(|err| err.to_string())));
    }
    let done = told.iter().filter(|(_, done)| done.is_ok()).count();
    tracing::info!(
        action = action.as_str(),
        done,
        of = told.len(),
        who = by.who,
        "acted in bulk on the dashboard"
    );
    let main = result(action, cause, &told, done);
    let title = format!("{} in bulk – refundd", action.as_str());
    Ok(Page { title: &title, here: "/", live: None, main }.show(&visit))
}

/// A refund and the version that was shown.
fn item(text: &str) -> Result<(RefundNo, u32), Problem> {
    let wrong = || Problem::invalid("item", "must be a refund number and a version");
    let (no, version) = text.split_once(':').ok_or_else(wrong)?;
    Ok((RefundNo::parse(no).map_err(|_| wrong())?, version.parse().map_err(|_| wrong())?))
}

type Told = (RefundNo, Result<String, String>);

fn result(action: Action, cause: ParkCause, told: &[Told], done: usize) -> Markup {
    let number = |n: usize| count(u64::try_from(n).unwrap_or(u64::MAX));
    let class = if done == told.len() { "good" } else { "look" };
    html! {
        h1 { (action.as_str()) ": " (number(done)) " of " (number(told.len())) " done" }
        div.banner.(class) role="status" {
            p { @if done == told.len() { "✓ All of them were done." }
                @else { "● " (number(told.len() - done)) " were not done; the table says why." } }
        }
        div.scroll tabindex="0" role="region" aria-label="What became of each" {
            table.cards {
                caption { "What became of each" }
                thead { tr { th scope="col" { "Refund" } th scope="col" { "Done" } th scope="col" { "What" } } }
                tbody {
                    @for (refund_no, done) in told {
                        tr {
                            th scope="row" { a href={ "/refunds/" (refund_no) } { (refund_no) } }
                            @match done {
                                Ok(change) => { td data-label="Done" { span.good { "✓ yes" } } td data-label="What" { (change) } }
                                Err(why) => { td data-label="Done" { strong.bad { "✕ no" } } td data-label="What" { (why) } }
                            }
                        }
                    }
                }
            }
        }
        p { a href={ "/attention?reason=" (cause.as_str()) } { "Those that are still parked for this reason" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_none_is_parked_is_said_only_after_a_whole_look() {
        let told = |went_on, next| none(ParkCause::Horizon, went_on, next).into_string();
        assert!(told(false, None).contains("✓ No refund is parked for this reason now."));
        for (went_on, next) in [(false, Some("17.R-1")), (true, Some("17.R-1")), (true, None)] {
            let text = told(went_on, next);
            assert!(!text.contains('✓'), "{text}");
            let further = text.contains("/attention?reason=horizon&amp;cursor=17.R-1\"");
            assert_eq!(further, next.is_some(), "{text}");
        }
        let query = query_of(ParkCause::Horizon, Some("17.R-1"));
        assert_eq!(asked(&query).unwrap().cursor.as_deref(), Some("17.R-1"));
    }

    #[test]
    fn an_item_is_a_refund_and_the_version_that_was_shown() {
        let (no, version) = item("R-1:7").unwrap();
        assert_eq!((no.as_str(), version), ("R-1", 7));
        for bad in ["", "R-1", "R-1:", ":7", "R 1:7", "R-1:-7", "R-1:7:8"] {
            assert!(item(bad).is_err(), "{bad}");
        }
        assert!(cause("horizon").is_ok() && cause("none").is_err());
    }
}
