//! Every operation in one table: who may ask for it, what it takes, what it answers. The gate and the
//! OpenAPI document read the same rows; what has no row is not reachable.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::acts::{ActBody, PauseBody, ResolveBody, Turn};
use super::auth::{Caller, Peer, Role};
use super::problem::Problem;
use super::refunds::{ListQuery, Pauses, RefundPage, Taken};
use super::vitals::{Health, Readiness};
use super::{Room, acts, callbacks, dashboard, openapi, refunds, vitals};
use crate::contract::{RefundView, RequestV1};
use crate::operator::{Action, Done, PauseDone};
use crate::telemetry::metrics;

/// How long a request may take in all. The ledger gives up a command sooner.
pub(super) const REQUEST_MAX: Duration = Duration::from_secs(20);

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever has this role.
    Role(Role),
    /// Everybody: it tells nothing that is worth hiding.
    Open,
    /// Everybody; what is sent must be signed by a gateway.
    Signed,
}

/// The schema of a type.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What an operation takes or answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// Nothing.
    Nothing,
    /// JSON of this type.
    Json(SchemaOf),
    /// Something of this media type.
    Other(&'static str),
}

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    /// `GET` or `POST`.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) access: Access,
    pub(super) summary: &'static str,
    pub(super) query: Option<SchemaOf>,
    pub(super) takes: Content,
    pub(super) answers: &'static [(u16, &'static str, Content)],
    /// The statuses of its own problems.
    pub(super) problems: &'static [u16],
}

const DONE: &[(u16, &str, Content)] = &[(200, "It is done", Content::Json(of::<Done>))];
const PAUSED: &[(u16, &str, Content)] = &[(200, "It is done", Content::Json(of::<PauseDone>))];
const ACTING: &[u16] = &[404, 408, 409, 413, 415, 422, 503];
const OPERATE: Access = Access::Role(Role::Operate);

const fn action(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "POST",
        path,
        id,
        access: OPERATE,
        summary,
        query: None,
        takes: Content::Json(of::<ActBody>),
        answers: DONE,
        problems: ACTING,
    }
}

const fn look(
    path: &'static str,
    id: &'static str,
    access: Access,
    summary: &'static str,
    answers: &'static [(u16, &'static str, Content)],
    problems: &'static [u16],
) -> Operation {
    let (query, takes) = (None, Content::Nothing);
    Operation { method: "GET", path, id, access, summary, query, takes, answers, problems }
}

const READ: Access = Access::Role(Role::Read);

/// All operations.
pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        method: "POST",
        path: "/v1/refunds",
        id: "enqueue",
        access: Access::Role(Role::Enqueue),
        summary: "Takes a refund in: answers when it is stored, or says which field breaks which rule. \
                  The same request again is harmless. A refusal is told to the caller only, no result is \
                  published for it.",
        query: None,
        takes: Content::Json(of::<RequestV1>),
        answers: &[
            (202, "Stored; its result comes on the results stream", Content::Json(of::<Taken>)),
            (200, "Known already with the same content", Content::Json(of::<Taken>)),
        ],
        problems: &[408, 409, 413, 415, 422, 503],
    },
    Operation {
        query: Some(of::<ListQuery>),
        ..look(
            "/v1/refunds",
            "list",
            READ,
            "Refunds by state, account, code and age, page by page",
            &[(200, "One page", Content::Json(of::<RefundPage>))],
            &[422, 503],
        )
    },
    look(
        "/v1/refunds/{refund_no}",
        "show",
        READ,
        "One refund with its history",
        &[(200, "The refund", Content::Json(of::<RefundView>))],
        &[404, 422, 503],
    ),
    action(
        "/v1/refunds/{refund_no}/check",
        "check",
        "Asks the gateway now, whatever the schedule says",
    ),
    action(
        "/v1/refunds/{refund_no}/release",
        "release",
        "Lets a parked refund go on, by query first",
    ),
    Operation {
        takes: Content::Json(of::<ResolveBody>),
        ..action(
            "/v1/refunds/{refund_no}/resolve",
            "resolve",
            "Says how a refund ended, on evidence of one's own; publishes the result",
        )
    },
    action(
        "/v1/refunds/{refund_no}/abandon",
        "abandon",
        "Ends the work on a refund; cancels nothing at the gateway",
    ),
    Operation {
        takes: Content::Json(of::<PauseBody>),
        answers: PAUSED,
        ..action("/v1/pause", "pause", "Stops the submits of an account, or of all; queries go on")
    },
    Operation {
        takes: Content::Json(of::<PauseBody>),
        answers: PAUSED,
        ..action("/v1/resume", "resume", "Lets submits go on")
    },
    look(
        "/v1/pauses",
        "pauses",
        READ,
        "What is paused",
        &[(200, "What is paused", Content::Json(of::<Pauses>))],
        &[503],
    ),
    Operation {
        method: "POST",
        path: "/callbacks/{account}",
        id: "notice",
        access: Access::Signed,
        summary: "A gateway's notice about a refund: if its signature is right, refundd asks that \
                  gateway. It never changes a refund by itself.",
        query: None,
        takes: Content::Other("*/*"),
        answers: &[(
            200,
            "The word that the gateway takes as received",
            Content::Other("text/plain"),
        )],
        problems: &[400, 401, 404, 408, 413, 503],
    },
    look(
        "/healthz",
        "healthz",
        Access::Open,
        "Whether the process lives",
        &[(200, "It does", Content::Json(of::<Health>))],
        &[],
    ),
    look(
        "/readyz",
        "readyz",
        Access::Open,
        "Whether the process does its work: Redis answers and is fit, claims move",
        &[
            (200, "It does", Content::Json(of::<Readiness>)),
            (503, "It does not; the checks say why", Content::Json(of::<Readiness>)),
        ],
        &[],
    ),
    look(
        "/metrics",
        "metrics",
        READ,
        "Metrics for Prometheus",
        &[(200, "Text exposition format 0.0.4", Content::Other("text/plain"))],
        &[],
    ),
    look(
        "/openapi.json",
        "openapi",
        READ,
        "This document",
        &[(200, "OpenAPI 3.1", Content::Other("application/json"))],
        &[],
    ),
];

/// The handlers, each behind the gate.
pub(super) fn router(room: Arc<Room>) -> Router {
    let gate = from_fn_with_state(Arc::clone(&room), gate);
    let act = |action| {
        post(move |room, who, no, head, body| acts::act(action, room, who, no, head, body))
    };
    let turn = |turn| post(move |room, who, head, body| acts::turn(turn, room, who, head, body));
    Router::new()
        .route("/v1/refunds", post(refunds::enqueue).get(refunds::list))
        .route("/v1/refunds/{refund_no}", get(refunds::show))
        .route("/v1/refunds/{refund_no}/check", act(Action::Check))
        .route("/v1/refunds/{refund_no}/release", act(Action::Release))
        .route("/v1/refunds/{refund_no}/resolve", post(acts::resolve))
        .route("/v1/refunds/{refund_no}/abandon", act(Action::Abandon))
        .route("/v1/pause", turn(Turn::Off))
        .route("/v1/resume", turn(Turn::On))
        .route("/v1/pauses", get(refunds::pauses))
        .route("/callbacks/{account}", post(callbacks::notice))
        .route("/healthz", get(vitals::healthz))
        .route("/readyz", get(vitals::readyz))
        .route("/metrics", get(vitals::scrape))
        .route("/openapi.json", get(openapi::document))
        .route_layer(gate)
        .with_state(Arc::clone(&room))
        .merge(dashboard::router(room))
        .fallback(nowhere)
}

async fn nowhere() -> Response {
    guarded(
        Problem::not_found("there is nothing at this address; see /openapi.json").into_response(),
    )
}

/// Lets in who may, bounds the time it takes, and counts the answer.
async fn gate(
    State(room): State<Arc<Room>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let answer = match admit(&room, path.as_str(), request) {
        Ok(request) => match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => Problem::unavailable(
                "it took too long; it may have been done all the same, and asking again is harmless",
            )
            .into_response(),
        },
        Err(problem) => problem.into_response(),
    };
    metrics::answered(path.as_str(), known(&method), answer.status().as_u16());
    guarded(answer)
}

/// The request with its caller in it, if the caller may.
fn admit(room: &Room, path: &str, request: Request) -> Result<Request, Problem> {
    let (mut head, body) = request.into_parts();
    let here = || OPERATIONS.iter().filter(|operation| operation.path == path);
    let asked = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let Some(operation) = here().find(|operation| operation.method == asked.as_str()) else {
        let allowed: Vec<_> = here().map(|operation| operation.method).collect();
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "There is no such operation here",
            format!("use {}", allowed.join(" or ")),
        ));
    };
    let Access::Role(needed) = operation.access else {
        return Ok(Request::from_parts(head, body));
    };
    let peer = head.extensions.get::<Peer>().copied();
    let caller: Caller = room.tokens.identify(&head, peer)?;
    if caller.role < needed {
        metrics::denied("role");
        tracing::warn!(who = caller.who, path, "a token without the role for it was denied");
        let detail = format!(
            "this needs the role {}, {} has {}",
            needed.as_str(),
            caller.who,
            caller.role.as_str()
        );
        return Err(Problem::forbidden(detail));
    }
    head.extensions.insert(caller);
    Ok(Request::from_parts(head, body))
}

/// A method as a label: a client may invent as many as it likes.
pub(super) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// No answer may be kept by a browser or proxy, or be read as something else than it is.
pub(super) fn guarded(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
