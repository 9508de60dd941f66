//! What comes in and goes out: bodies with a bound, JSON, and which field of it is wrong.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// How long a client may take to send a body.
const READ_MAX: Duration = Duration::from_secs(10);

/// Largest body of an action, bytes: a reason of 500 characters, and room.
const ACT_MAX: usize = 8 * 1024;

/// An answer in JSON.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) StatusCode, pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let Ok(text) = serde_json::to_vec(&self.1) else {
            return Problem::defect().into_response();
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.0;
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// Reads a body of at most `max` bytes.
pub(super) async fn bytes(body: Body, max: usize) -> Result<Bytes, Problem> {
    let reading = async {
        let mut chunks = body.into_data_stream();
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "cut_off",
                    "The request was cut off",
                    "the body ended too early",
                )
            })?;
            if all.len() + chunk.len() > max {
                return Err(Problem::too_large(max));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(all))
    };
    tokio::time::timeout(READ_MAX, reading).await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "The request took too long",
            "the body did not arrive in time",
        ))
    })
}

/// Whether the body is JSON by its header. A page cannot send that to another origin by a plain form.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not_json",
        "The body must be JSON",
        "send the body with Content-Type: application/json",
    ))
}

/// Reads the JSON body of an action.
pub(super) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    is_json(headers)?;
    let bytes = bytes(body, ACT_MAX).await?;
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|err| wrong(&err))?;
    reader.end().map_err(|err| Problem::invalid("request", format!("must be JSON: {err}")))?;
    Ok(read)
}

/// The field that is wrong, and how.
fn wrong(err: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = err.inner();
    if !inner.is_data() {
        return Problem::invalid("request", format!("must be JSON: {inner}"));
    }
    let text = inner.to_string();
    let rule = text.split(" at line ").next().unwrap_or_default();
    // serde tells what is missing or unknown by its name, in the text alone.
    let named = |begin: &str| rule.strip_prefix(begin).and_then(|rest| rest.split('`').next());
    if let Some(field) = named("missing field `") {
        return Problem::invalid(field, "is missing");
    }
    if let Some(field) = named("unknown field `") {
        let field: String = field.chars().filter(|c| !c.is_control()).take(64).collect();
        return Problem::invalid(field, "is not a known field");
    }
    let path = err.path().to_string();
    let field = if path == "." { "request".to_owned() } else { path };
    Problem::invalid(field, rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::acts::ResolveBody;

    async fn read(text: &str) -> Result<ResolveBody, (u16, String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        let read = json::<ResolveBody>(&headers, Body::from(text.to_owned())).await;
        read.map_err(|problem| {
            (problem.status, problem.field.unwrap_or_default(), problem.rule.unwrap_or_default())
        })
    }

    #[tokio::test]
    async fn a_body_that_is_wrong_is_told_by_field_and_rule() {
        assert!(read(r#"{"reason":"x","version":3,"outcome":"failed"}"#).await.is_ok());
        for (body, field, rule) in [
            (r#"{"version":3,"outcome":"failed"}"#, "reason", "is missing"),
            (
                r#"{"reason":"x","version":3,"outcome":"failed","why":1}"#,
                "why",
                "is not a known field",
            ),
            (
                r#"{"reason":"x","version":"3","outcome":"failed"}"#,
                "version",
                "invalid type: string \"3\", expected u32",
            ),
            (
                r#"{"reason":"x","version":3,"outcome":"lost"}"#,
                "outcome",
                "unknown variant `lost`, expected `succeeded` or `failed`",
            ),
            ("[", "request", "must be JSON: EOF while parsing a list at line 1 column 1"),
            ("{} {}", "reason", "is missing"),
        ] {
            assert_eq!(
                read(body).await.unwrap_err(),
                (422, field.to_owned(), rule.to_owned()),
                "{body}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_is_bounded_whatever_its_header_says() {
        assert_eq!(bytes(Body::from("12345"), 5).await.unwrap(), "12345");
        let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>("123"), Ok("456")]);
        let problem = bytes(Body::from_stream(chunks), 5).await.unwrap_err();
        assert_eq!((problem.status, problem.field.as_deref()), (413, Some("request")));
        let cut = futures_util::stream::iter([Ok("1"), Err(std::io::Error::other("gone"))]);
        assert_eq!(bytes(Body::from_stream(cut), 5).await.unwrap_err().status, 400);
    }

    #[test]
    fn only_json_is_taken_for_json() {
        let told = |kind: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            is_json(&headers).is_ok()
        };
        assert!(told("application/json") && told("Application/JSON;charset=utf-8"));
        assert!(!told("text/plain") && !told("application/x-www-form-urlencoded"));
        assert_eq!(is_json(&HeaderMap::new()).unwrap_err().status, 415);
    }
}
