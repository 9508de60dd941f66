//! `/login` and `/logout`: a token is shown once and becomes a session; only where there are tokens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::html;
use tokio::time::Instant;

use super::form::Form;
use super::layout::{Failed, Page, go, word};
use super::session::{Visit, set_cookie};
use crate::ops::Room;
use crate::ops::auth::{Caller, Peer, Role, network};
use crate::ops::problem::Problem;
use crate::telemetry::metrics;

/// The name under which a visitor who is nobody yet has their form word.
const NOBODY: &str = "\0nobody";

fn nobody(room: &Room) -> Visit {
    room.sessions.without(Caller { who: NOBODY.to_owned(), role: Role::Read })
}

/// `GET /login`.
pub(super) async fn page(State(room): State<Arc<Room>>, uri: Uri) -> Response {
    if !room.tokens.are_needed() {
        return go("/");
    }
    let query = uri.query().unwrap_or_default();
    let next = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    show(&room, next.as_ref().map_or("/", |(_, value)| value), None, StatusCode::OK)
}

fn show(room: &Room, next: &str, wrong: Option<&str>, status: StatusCode) -> Response {
    let visit = nobody(room);
    let main = html! {
        h1 { "Sign in" }
        @if let Some(wrong) = wrong { div.banner.bad role="alert" { p { "✕ " (wrong) } } }
        p { "With a token of " code { "[ops.tokens]" } ". What you may do is what the token may do; what you do stands in the audit trail under its name." }
        form.act method="post" action="/login" {
            (word(&visit))
            input type="hidden" name="next" value=(own(next));
            label for="token" { "Token" }
            input #token type="password" name="token" required maxlength="512" autocomplete="current-password" autofocus;
            p.buttons { button type="submit" { "Sign in" } }
        }
    };
    Page { title: "Sign in – refundd", here: "", live: None, main }.show_as(status, None)
}

/// A path of this server, or the overview: nobody is sent elsewhere by a link.
fn own(next: &str) -> &str {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if next.starts_with('/') && !next.starts_with("//") && plain { next } else { "/" }
}

/// `POST /login`.
pub(super) async fn enter(
    State(room): State<Arc<Room>>,
    request: Request,
) -> Result<Response, Failed> {
    let (head, body): (_, Body) = request.into_parts();
    if !room.tokens.are_needed() {
        return Ok(go("/"));
    }
    let peer = head.extensions.get::<Peer>().copied();
    let now = Instant::now();
    // Only a form of ours counts as a try: no other page can make somebody's browser use theirs up.
    let form = Form::read(&head.headers, body, &nobody(&room)).await?;
    let owner = room.tokens.owner(form.get("token").trim().as_bytes()).cloned();
    if let Err(wait_s) = room.attempts.judge(&network(peer), owner.is_some(), now) {
        metrics::denied("login_limit");
        tracing::warn!(peer = %network(peer), "too many tries to sign in");
        let text = format!("Too many tries to sign in. Wait {wait_s} s.");
        let mut response = show(&room, "/", Some(&text), StatusCode::TOO_MANY_REQUESTS);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        return Ok(response);
    }
    let Some(caller) = owner else {
        metrics::denied("wrong_token");
        tracing::warn!(peer = %network(peer), "somebody tried to sign in with an unknown token");
        let wrong = Some("This token is not known.");
        return Ok(show(&room, form.get("next"), wrong, StatusCode::UNAUTHORIZED));
    };
    // Whoever was signed in here before is not any more.
    leave(&room, &head.headers, now);
    let Some(id) = room.sessions.open(caller.clone(), now) else {
        return Err(Problem::defect().into());
    };
    tracing::info!(who = caller.who, role = caller.role.as_str(), "signed in to the dashboard");
    Ok(with_cookie(go(own(form.get("next"))), Some(&id), &head.headers))
}

fn leave(room: &Room, headers: &HeaderMap, now: Instant) {
    if let Some(key) = room.sessions.find(headers, now).and_then(|visit| visit.session) {
        room.sessions.close(&key);
    }
}

/// `POST /logout`.
pub(super) async fn quit(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    if let Some(key) = &visit.session {
        room.sessions.close(key);
        tracing::info!(who = visit.caller.who, "signed out of the dashboard");
    }
    with_cookie(go("/login"), None, &headers)
}

fn with_cookie(mut response: Response, id: Option<&str>, headers: &HeaderMap) -> Response {
    match HeaderValue::from_str(&set_cookie(id, headers)) {
        Ok(cookie) => response.headers_mut().insert(header::SET_COOKIE, cookie),
        Err(_) => return Problem::defect().into_response(), // never: it is plain ASCII
    };
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_server_after_signing_in() {
        for next in ["/", "/refunds/R-1", "/refunds?state=parked&age=15m"] {
            assert_eq!(own(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nX: 1",
            "refunds",
        ] {
            assert_eq!(own(next), "/", "{next:?}");
        }
    }
}
