//! The style and the script, out of the program itself, under names that change with what is in them.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::session::hex;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("live.js");

static STYLE_TAG: LazyLock<String> = LazyLock::new(|| tag(STYLE));
static SCRIPT_TAG: LazyLock<String> = LazyLock::new(|| tag(SCRIPT));

fn tag(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    hex(&digest).chars().take(16).collect()
}

/// Where the style is.
pub(super) fn style_path() -> String {
    format!("/assets/style.css?v={}", *STYLE_TAG)
}

/// Where the script is.
pub(super) fn script_path() -> String {
    format!("/assets/live.js?v={}", *SCRIPT_TAG)
}

/// `GET /assets/style.css`.
pub(super) async fn style(headers: HeaderMap) -> Response {
    serve(STYLE, &STYLE_TAG, "text/css; charset=utf-8", &headers)
}

/// `GET /assets/live.js`.
pub(super) async fn script(headers: HeaderMap) -> Response {
    serve(SCRIPT, &SCRIPT_TAG, "text/javascript; charset=utf-8", &headers)
}

fn serve(text: &'static str, tag: &str, kind: &'static str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{tag}\"");
    let known =
        headers.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(text).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // The address changes with the content, so that it may be kept for long.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
