//! The dashboard: pages for people, made on the server, which change by themselves where scripts may
//! run and show the same where they may not.
//!
//! | file | does |
//! |---|---|
//! | `board`, `findings`, `traffic`, `quantile` | read once a second for all; say what is wrong |
//! | `overview`, `money_table`, `machines`, `chart` | the first page |
//! | `search`, `list`, `detail`, `timeline` | refunds |
//! | `confirm`, `pause`, `bulk`, `audit` | what people do, and did |
//! | `session`, `attempts`, `login`, `form` | who it is, and that a form is theirs |
//! | `live`, `assets`, `layout`, `words` | the stream, style and script, the frame, how things are written |
//!
//! Invariants: what [`PAGES`] does not name is not reachable; no form is read without its word; a figure
//! that cannot be read is shown as old, never as zero; colour never says anything alone.

mod assets;
mod attempts;
mod audit;
mod board;
mod bulk;
mod chart;
mod confirm;
mod detail;
mod findings;
mod form;
mod layout;
mod list;
mod live;
mod login;
mod machines;
mod money_table;
mod overview;
mod pause;
mod quantile;
mod search;
mod session;
mod timeline;
mod traffic;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::time::Instant;

pub(super) use attempts::Attempts;
pub(super) use board::Board;
pub(super) use live::LISTENERS_MAX;
pub(super) use session::Sessions;

use super::Room;
use super::auth::{Peer, Role, same_origin};
use super::problem::Problem;
use super::routes::{Access, REQUEST_MAX, guarded, known};
use crate::telemetry::metrics;
use form::Form;
use layout::{Failed, go};
use session::Visit;

/// One page, or one form of it.
#[derive(Debug)]
pub(super) struct Entry {
    /// `GET` or `POST`.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) access: Access,
}

const fn page(path: &'static str) -> Entry {
    Entry { method: "GET", path, access: Access::Role(Role::Read) }
}

const fn form(method: &'static str, path: &'static str) -> Entry {
    Entry { method, path, access: Access::Role(Role::Operate) }
}

const fn open(method: &'static str, path: &'static str) -> Entry {
    Entry { method, path, access: Access::Open }
}

/// Everything that the dashboard answers, with who may ask for it.
pub(super) static PAGES: &[Entry] = &[
    page("/"),
    page("/events"),
    page("/refunds"),
    page("/refunds/{refund_no}"),
    form("GET", "/refunds/{refund_no}/{action}"),
    form("POST", "/refunds/{refund_no}/{action}"),
    page("/pause"),
    form("POST", "/pause"),
    form("GET", "/attention"),
    form("POST", "/attention"),
    page("/audit"),
    open("GET", "/login"),
    open("POST", "/login"),
    Entry { method: "POST", path: "/logout", access: Access::Role(Role::Read) },
    open("GET", "/assets/style.css"),
    open("GET", "/assets/live.js"),
];

/// The pages, each behind their gate.
pub(super) fn router(room: Arc<Room>) -> Router {
    let gate = from_fn_with_state(Arc::clone(&room), gate);
    Router::new()
        .route("/", get(overview::page))
        .route("/events", get(live::events))
        .route("/refunds", get(list::page))
        .route("/refunds/{refund_no}", get(detail::page))
        .route("/refunds/{refund_no}/{action}", get(confirm::page).post(confirm::act))
        .route("/pause", get(pause::page).post(pause::act))
        .route("/attention", get(bulk::page).post(bulk::act))
        .route("/audit", get(audit::page))
        .route("/login", get(login::page).post(login::enter))
        .route("/logout", post(login::quit))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/live.js", get(assets::script))
        .route_layer(gate)
        .with_state(room)
}

/// Why somebody does not get in.
enum Denied {
    /// They may sign in first, and then go where they wanted to.
    SignIn(String),
    /// They may not.
    No(Box<Problem>),
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self::No(Box::new(problem))
    }
}

/// Lets in who may, bounds the time it takes to begin an answer, and counts it.
async fn gate(
    State(room): State<Arc<Room>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let answer = match admit(&room, path.as_str(), request).await {
        Ok(request) => match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => Failed::from(Problem::unavailable(
                "it took too long; it may have been done all the same: look before you repeat it",
            ))
            .into_response(),
        },
        Err(Denied::SignIn(next)) => {
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            go(&format!("/login?next={next}"))
        }
        Err(Denied::No(problem)) => Failed::from(*problem).into_response(),
    };
    metrics::answered(path.as_str(), known(&method), answer.status().as_u16());
    dressed(answer)
}

/// The request with its visitor in it, and with its form if it has one.
async fn admit(room: &Room, path: &str, request: Request) -> Result<Request, Denied> {
    let (mut head, body) = request.into_parts();
    let asked = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let mut here = PAGES.iter().filter(|entry| entry.path == path);
    let Some(entry) = here.find(|entry| entry.method == asked.as_str()) else {
        let (status, title) = (StatusCode::METHOD_NOT_ALLOWED, "There is no such page");
        return Err(
            Problem::new(status, "method_not_allowed", title, "use a link or a form").into()
        );
    };
    same_origin(&head)?;
    let Access::Role(needed) = entry.access else {
        return Ok(Request::from_parts(head, body));
    };
    let visit = visitor(room, &head, path)?;
    if visit.caller.role < needed {
        metrics::denied("role");
        tracing::warn!(
            who = visit.caller.who,
            path,
            "a visitor without the role for it was denied"
        );
        let (has, needs) = (visit.caller.role.as_str(), needed.as_str());
        let detail = format!("this needs the role {needs}, {} has {has}", visit.caller.who);
        return Err(Problem::forbidden(detail).into());
    }
    let body = if head.method == Method::POST {
        head.extensions.insert(Form::read(&head.headers, body, &visit).await?);
        Body::empty()
    } else {
        body
    };
    head.extensions.insert(visit);
    Ok(Request::from_parts(head, body))
}

/// Who asks: by their session, by a token in the header, or because they are on this machine.
fn visitor(room: &Room, head: &axum::http::request::Parts, path: &str) -> Result<Visit, Denied> {
    let bare = !head.headers.contains_key(header::AUTHORIZATION);
    if room.tokens.are_needed() && bare {
        if let Some(visit) = room.sessions.find(&head.headers, Instant::now()) {
            return Ok(visit);
        }
        // A stream cannot sign in: it is told so, and its page does.
        if path != "/events" {
            let wanted = head.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
            let back = if head.method == Method::POST { "/" } else { wanted };
            return Err(Denied::SignIn(back.to_owned()));
        }
    }
    let peer = head.extensions.get::<Peer>().copied();
    Ok(room.sessions.without(room.tokens.identify(head, peer)?))
}

/// What a page may do in a browser: nothing but what is ours.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn dressed(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    guarded(answer)
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
