//! What people do over HTTP: each with a reason, held against the version that they saw.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Room;
use super::auth::Caller;
use super::body::{self, Json};
use super::problem::Problem;
use super::refunds::number;
use crate::domain::UnixMillis;
use crate::domain::state::Decision;
use crate::operator::{Action, Asked, Done, PauseDone, Resolution};

/// Why, and of which version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActBody {
    /// Why, 1 to 500 characters: for the audit trail and the refund's history.
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    pub reason: String,
    /// The `version` that you saw. If the refund is not at it any more, nothing happens.
    pub version: u32,
}

/// The same, and how the refund ended.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveBody {
    /// Why, 1 to 500 characters: for the audit trail and the refund's history.
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    pub reason: String,
    /// The `version` that you saw. If the refund is not at it any more, nothing happens.
    pub version: u32,
    /// How it ended, on evidence of your own.
    pub outcome: ResolveOutcome,
}

/// How a person says that a refund ended.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolveOutcome {
    /// The money went back to the payer.
    Succeeded,
    /// No money moved, and none will.
    Failed,
}

/// Whose submits, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseBody {
    /// The account; all of them if left out.
    #[serde(default)]
    pub account: Option<String>,
    /// Why, 1 to 500 characters.
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    pub reason: String,
    /// Of a resume: the `since` of the pause that you saw, RFC 3339. If another one stands by now, nothing
    /// happens.
    #[serde(default)]
    pub since: Option<String>,
}

/// What every handler here is given.
type Number = Result<Path<String>, PathRejection>;
type Answer<T> = Result<Json<T>, Problem>;

/// `POST /v1/refunds/{refund_no}/check`, `/release` and `/abandon`: which one, the route says.
pub(super) async fn act(
    action: Action,
    State(room): State<Arc<Room>>,
    Extension(caller): Extension<Caller>,
    path: Number,
    headers: HeaderMap,
    body: Body,
) -> Answer<Done> {
    let refund_no = number(path)?;
    let ActBody { reason, version } = body::json(&headers, body).await?;
    let by = Decision { who: caller.who, reason };
    done(&room, &Asked { refund_no, action, by, expected: Some(version) }).await
}

/// `POST /v1/refunds/{refund_no}/resolve`.
pub(super) async fn resolve(
    State(room): State<Arc<Room>>,
    Extension(caller): Extension<Caller>,
    path: Number,
    headers: HeaderMap,
    body: Body,
) -> Answer<Done> {
    let refund_no = number(path)?;
    let ResolveBody { reason, version, outcome } = body::json(&headers, body).await?;
    let said = match outcome {
        ResolveOutcome::Succeeded => Resolution::Succeeded,
        ResolveOutcome::Failed => Resolution::Failed,
    };
    let by = Decision { who: caller.who, reason };
    let action = Action::Resolve(said);
    done(&room, &Asked { refund_no, action, by, expected: Some(version) }).await
}

async fn done(room: &Room, asked: &Asked) -> Answer<Done> {
    let done = room.parts.desk.act(asked).await?;
    tracing::info!(
        refund.no = %asked.refund_no,
        action = done.action,
        who = asked.by.who,
        change = done.change,
        "acted over HTTP"
    );
    Ok(Json(StatusCode::OK, done))
}

/// What is done to the submits of an account, or of all.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// They stop.
    Off,
    /// They go on.
    On,
}

/// `POST /v1/pause` and `/v1/resume`: which one, the route says.
pub(super) async fn turn(
    turn: Turn,
    State(room): State<Arc<Room>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer<PauseDone> {
    let PauseBody { account, reason, since } = body::json(&headers, body).await?;
    let seen = since.as_deref().map(UnixMillis::parse_rfc3339).transpose();
    let seen = seen.map_err(|err| Problem::invalid("since", err.to_string()))?;
    let by = Decision { who: caller.who, reason };
    let (desk, account) = (&room.parts.desk, account.as_deref());
    let done = match turn {
        Turn::Off => desk.pause(account, &by).await?,
        Turn::On => desk.resume(account, &by, seen).await?,
    };
    tracing::info!(action = done.action, account = done.account, who = by.who, "over HTTP");
    Ok(Json(StatusCode::OK, done))
}
