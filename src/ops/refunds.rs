//! Takes refunds in, and shows them.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::body::{self, Json};
use super::problem::Problem;
use super::{Parts, Room};
use crate::contract::parse::MAX_BYTES;
use crate::contract::{PauseView, RefundView};
use crate::domain::{AccountName, RefundNo, StateKind, UnixMillis};
use crate::intake::{self, Enqueued};
use crate::ports::LedgerError;
use crate::ports::ledger::{BATCH_MAX, Filter, Stored};

/// Refunds of a page if nobody says how many.
const LIMIT: usize = 100;

/// Most refunds that a page may ask for.
const LIMIT_MAX: usize = 500;

/// How often one page reads on for refunds that match, [`BATCH_MAX`] looked at each time.
const LOOKS_MAX: usize = 4;

/// What became of a request that was taken in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Taken {
    /// The merchant refund number.
    pub refund_no: String,
    /// What it was.
    pub result: TakenAs,
}

/// Whether a request was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TakenAs {
    /// Stored and on its way.
    Admitted,
    /// Stored; waits for another refund of its order.
    Waiting,
    /// Known already, with the same content. Nothing changed.
    Duplicate,
}

/// One page of refunds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RefundPage {
    /// The refunds: with `state` the oldest first, settled ones the newest first; without it in no
    /// promised order. A refund that changes meanwhile may be on two pages.
    pub refunds: Vec<RefundView>,
    /// Send it as `cursor` for the next page; left out on the last one. A page may be short or empty
    /// and still have a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// When this was read, RFC 3339.
    pub read_at: String,
}

/// What is paused.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pauses {
    /// The pauses.
    pub paused: Vec<PauseView>,
}

/// Which refunds to list.
#[derive(Debug, Default, JsonSchema)]
#[expect(dead_code, reason = "read by name; the type says so to the OpenAPI document")]
pub struct ListQuery {
    /// Only this state: requested, submitting, unconfirmed, refused, processing, parked, settled.
    state: Option<String>,
    /// Only this account.
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,64}$"))]
    account: Option<String>,
    /// Only refunds with this code: a park cause, or the gateway's code of a failure.
    reason: Option<String>,
    /// Only refunds taken in at or before this moment, RFC 3339.
    before: Option<String>,
    /// Go on until this many are found, 1 to 500, 100 if left out. A page may hold a few more.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before.
    #[schemars(regex(pattern = r"^[0-9]{1,20}(\.[A-Za-z0-9_-]{1,30})?$"))]
    cursor: Option<String>,
}

/// The names of [`ListQuery`].
const LIST: &[&str] = &["state", "account", "reason", "before", "limit", "cursor"];

/// `POST /v1/refunds`.
pub(super) async fn enqueue(
    State(room): State<Arc<Room>>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, sent) = request.into_parts();
    body::is_json(&head.headers)?;
    let bytes = body::bytes(sent, MAX_BYTES).await?;
    let parts = &room.parts;
    let taken = intake::enqueue(&*parts.ledger, &parts.accounts, &bytes, parts.clock.now());
    let (status, refund_no, result) = match taken.await? {
        Enqueued::New { refund_no, waits: false } => {
            (StatusCode::ACCEPTED, refund_no, TakenAs::Admitted)
        }
        Enqueued::New { refund_no, waits: true } => {
            (StatusCode::ACCEPTED, refund_no, TakenAs::Waiting)
        }
        Enqueued::Duplicate(refund_no) => (StatusCode::OK, refund_no, TakenAs::Duplicate),
        Enqueued::Refused { fault, .. } => return Err(Problem::refused(&fault)),
        Enqueued::Unreadable(_) => {
            return Err(Problem::unavailable(
                "what is stored under this refund number is of a newer refundd: ask that one",
            ));
        }
    };
    let location = HeaderValue::from_str(&format!("/v1/refunds/{refund_no}"));
    let mut response =
        Json(status, Taken { refund_no: refund_no.to_string(), result }).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `GET /v1/refunds/{refund_no}`.
pub(super) async fn show(
    State(room): State<Arc<Room>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<RefundView>, Problem> {
    let stored = room.parts.desk.look(&number(path)?).await?;
    let pauses = room.parts.desk.pauses().await?;
    Ok(Json(StatusCode::OK, RefundView::of(&stored, &pauses)))
}

/// The refund number of a path.
pub(super) fn number(path: Result<Path<String>, PathRejection>) -> Result<RefundNo, Problem> {
    let text = path.map(|Path(text)| text).unwrap_or_default();
    RefundNo::parse(&text).map_err(|err| Problem::invalid("refund_no", err.to_string()))
}

/// `GET /v1/refunds`.
pub(super) async fn list(
    State(room): State<Arc<Room>>,
    uri: Uri,
) -> Result<Json<RefundPage>, Problem> {
    let asked = asked(uri.query().unwrap_or_default())?;
    let (found, cursor) = gather(&room.parts, &asked).await?;
    let pauses = room.parts.desk.pauses().await?;
    let refunds = found.iter().map(|stored| RefundView::of(stored, &pauses)).collect();
    let read_at = room.parts.clock.now().to_string();
    Ok(Json(StatusCode::OK, RefundPage { refunds, cursor, read_at }))
}

/// Reads on until enough are found, and returns where to go on.
pub(super) async fn gather(
    parts: &Parts,
    asked: &Asked,
) -> Result<(Vec<Stored>, Option<String>), LedgerError> {
    let Asked { filter, limit, cursor } = asked;
    let narrow = filter.state.is_some()
        || filter.account.is_some()
        || filter.reason.is_some()
        || filter.admitted_before.is_some();
    let looks = if narrow { BATCH_MAX } else { *limit };
    let (mut found, mut cursor) = (Vec::new(), cursor.clone());
    for _ in 0..LOOKS_MAX {
        let page = parts.ledger.list(filter, cursor.as_deref(), looks).await?;
        found.extend(page.refunds);
        cursor = page.cursor;
        if cursor.is_none() || found.len() >= *limit {
            break;
        }
    }
    Ok((found, cursor))
}

/// `GET /v1/pauses`.
pub(super) async fn pauses(State(room): State<Arc<Room>>) -> Result<Json<Pauses>, Problem> {
    let pauses = room.parts.desk.pauses().await?;
    Ok(Json(StatusCode::OK, Pauses { paused: pauses.iter().map(PauseView::of).collect() }))
}

/// What a list was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// Which refunds.
    pub(super) filter: Filter,
    /// How many are enough.
    pub(super) limit: usize,
    /// Where to go on.
    pub(super) cursor: Option<String>,
}

/// Reads a query; a name that nobody knows is refused, like an unknown field of a request.
pub(super) fn asked(query: &str) -> Result<Asked, Problem> {
    let mut asked = Asked { filter: Filter::default(), limit: LIMIT, cursor: None };
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(name) = LIST.iter().copied().find(|known| *known == name) else {
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            let rule = format!("is not a known parameter, known are {}", LIST.join(", "));
            return Err(Problem::invalid(name, rule));
        };
        if seen.contains(&name) {
            return Err(Problem::invalid(name, "is written twice"));
        }
        seen.push(name);
        take(&mut asked, name, &value).map_err(|rule| Problem::invalid(name, rule))?;
    }
    Ok(asked)
}

fn take(asked: &mut Asked, name: &str, value: &str) -> Result<(), String> {
    let filter = &mut asked.filter;
    match name {
        "state" => {
            let names = || StateKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
            let state = StateKind::parse(value);
            filter.state =
                Some(state.ok_or_else(|| format!("must be one of {}", names().join(", ")))?);
        }
        "account" => {
            filter.account = Some(AccountName::parse(value).map_err(|err| err.to_string())?);
        }
        "reason" => filter.reason = Some(value.to_owned()),
        "before" => {
            let at = UnixMillis::parse_rfc3339(value).map_err(|err| err.to_string())?;
            filter.admitted_before = Some(at);
        }
        "limit" => {
            let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            asked.limit = limit.ok_or_else(|| format!("must be a number from 1 to {LIMIT_MAX}"))?;
        }
        _ => {
            // What no page has given must not look like an outage.
            let (number, refund_no) = value.split_once('.').unwrap_or((value, "R"));
            let is_number = number.parse::<u64>().is_ok() && !number.starts_with('+');
            if !is_number || RefundNo::parse(refund_no).is_err() {
                return Err("must be the cursor of the page before, unchanged".to_owned());
            }
            asked.cursor = Some(value.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_strictly() {
        let query = "state=parked&account=shop-ca&reason=a+b&before=2026-01-01T00%3A00%3A00Z&limit=500&cursor=17";
        let read = asked(query).unwrap();
        assert_eq!(read.filter.state, Some(StateKind::Parked));
        assert_eq!(read.filter.account.unwrap().as_str(), "shop-ca");
        assert_eq!(read.filter.reason.as_deref(), Some("a b"));
        assert_eq!(read.filter.admitted_before.unwrap().to_string(), "2026-01-01T00:00:00.000Z");
        assert_eq!((read.limit, read.cursor.as_deref()), (500, Some("17")));
        assert_eq!(asked("cursor=17.R-1").unwrap().cursor.as_deref(), Some("17.R-1"));
        assert_eq!(asked("").unwrap().limit, LIMIT);
        for (query, field) in [
            ("state=gone", "state"),
            ("account=A%20B", "account"),
            ("before=yesterday", "before"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("cursor=1%200", "cursor"),
            ("cursor=", "cursor"),
            ("cursor=abc", "cursor"),
            ("cursor=-1", "cursor"),
            ("cursor=%2B1", "cursor"),
            ("cursor=18446744073709551616", "cursor"),
            ("cursor=1.", "cursor"),
            ("cursor=1.R%201", "cursor"),
            ("page=2", "page"),
            ("limit=1&limit=2", "limit"),
        ] {
            assert_eq!(asked(query).unwrap_err().field.as_deref(), Some(field), "{query}");
        }
    }

    #[test]
    fn the_names_of_a_query_are_those_of_its_type() {
        let schema = schemars::schema_for!(ListQuery);
        let properties = schema.get("properties").and_then(|found| found.as_object()).unwrap();
        assert_eq!(properties.keys().map(String::as_str).collect::<Vec<_>>(), LIST);
    }
}
