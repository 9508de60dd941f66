//! Every error of the HTTP API: a problem document (RFC 9457) that names the field and the rule.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::contract::{Fault, RejectCode};
use crate::operator::ActError;
use crate::ports::{LedgerError, chain};

/// What `type` begins with; the rest is a word that a machine may go by.
const TYPE: &str = "urn:problem-type:refundd:";

/// How soon a client may ask again while the ledger is away, s.
const RETRY_AFTER_S: u16 = 2;

/// A problem document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Problem {
    /// `urn:problem-type:refundd:` and a word, such as `conflict`, that never changes its meaning.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for people.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// The field that breaks a rule, dotted, as in `order.paid_cents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The rule, as `must be …, got …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How long to wait before the next try, seconds; also as the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u16>,
}

impl Problem {
    /// A problem of the given kind.
    pub(super) fn new(
        status: StatusCode,
        word: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind: format!("{TYPE}{word}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            rule: None,
            retry_after_s: None,
        }
    }

    /// A field that breaks a rule.
    pub(super) fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        let (field, rule) = (field.into(), rule.into());
        let detail = format!("{field} {rule}");
        Self {
            field: Some(field),
            rule: Some(rule),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "A field breaks a rule",
                detail,
            )
        }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing", detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    pub(super) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid token is needed", detail)
    }

    pub(super) fn too_large(max: usize) -> Self {
        let rule = format!("must be at most {max} bytes");
        Self {
            field: Some("request".to_owned()),
            rule: Some(rule.clone()),
            ..Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The request is too large",
                format!("request {rule}"),
            )
        }
    }

    /// The ledger cannot be reached, or takes no writes.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Self::new(status, "unavailable", "Not available for now", detail)
        }
    }

    pub(super) fn defect() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "defect",
            "A defect of refundd",
            "the log says more",
        )
    }

    /// A request that leads to no refund.
    pub(super) fn refused(fault: &Fault) -> Self {
        let (status, title) = match fault.code {
            RejectCode::Conflict => {
                (StatusCode::CONFLICT, "The refund number is known with other content")
            }
            RejectCode::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "A field breaks a rule"),
            RejectCode::OverRefund => {
                (StatusCode::UNPROCESSABLE_ENTITY, "More would be given back than was paid")
            }
            RejectCode::OrderMismatch => {
                (StatusCode::UNPROCESSABLE_ENTITY, "The two order ids belong to two orders")
            }
            RejectCode::UnknownAccount => {
                (StatusCode::UNPROCESSABLE_ENTITY, "There is no such account")
            }
        };
        Self {
            field: Some(fault.field.clone()),
            rule: Some(fault.rule.clone()),
            ..Self::new(status, fault.code.as_str(), title, fault.to_string())
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(err: LedgerError) -> Self {
        tracing::warn!(err = %chain(&err), "the ledger did not do what was asked over HTTP");
        match err {
            LedgerError::Unavailable(_) => Self::unavailable(
                "the ledger did not confirm; it may have been done all the same, and asking again is \
                 harmless",
            ),
            LedgerError::Refused(_) | LedgerError::Unfit(_) => {
                Self::unavailable("the ledger takes no writes; the log says why")
            }
            LedgerError::Corrupt { .. } => Self::defect(),
        }
    }
}

impl From<ActError> for Problem {
    fn from(err: ActError) -> Self {
        let detail = err.to_string();
        match err {
            ActError::NotFound(_) => Self::not_found(detail),
            ActError::Stale { expected, found, .. } => Self {
                field: Some("version".to_owned()),
                rule: Some(format!("must be {found}, got {expected}")),
                ..Self::new(StatusCode::CONFLICT, "stale", "The refund has changed", detail)
            },
            ActError::Busy(_) => Self {
                retry_after_s: Some(1),
                ..Self::new(StatusCode::CONFLICT, "busy", "The refund is being worked on", detail)
            },
            ActError::NotAllowed { .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_allowed",
                "The action makes no sense here",
                detail,
            ),
            ActError::Words { field, max } => Self::invalid(
                field,
                format!("must be 1 to {max} characters, not blank and without control characters"),
            ),
            ActError::UnknownAccount { .. } => Self {
                field: Some("account".to_owned()),
                rule: Some("must name an account of the configuration".to_owned()),
                ..Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    RejectCode::UnknownAccount.as_str(),
                    "There is no such account",
                    detail,
                )
            },
            ActError::Ledger(err) => Self::from(err),
            ActError::Defect(err) => {
                tracing::error!(err = %chain(&err), "an action was refused by the machine");
                Self::defect()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Cannot fail: every key is a string and no field has a Serialize of its own.
        let text = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(wait_s) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            let challenge = HeaderValue::from_static("Bearer realm=\"refundd\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
