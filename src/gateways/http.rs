//! The one HTTP client that talks to gateways: it sends a form once and says exactly how far it got.
//!
//! What keeps a refund from being sent twice below this line:
//!
//! * reqwest's own retries are off, redirects are not followed, no proxy is looked up;
//! * HTTP/1.1 only, so that no stream can be refused and taken up again elsewhere;
//! * hyper takes a request up again on another connection only while it is still in the queue of
//!   the first, before a single byte was written; once writing has begun, an error is final. The
//!   tests count requests at the server to hold it to that.
//!
//! This module knows no protocol: it never logs, and never looks into a body.

use std::sync::Once;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

use crate::ports::GatewayError;

/// Bytes of a form that travel as they are; all others are percent-encoded, the space as `%20`,
/// which every decoder reads alike.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// What such a form is called.
const FORM_TYPE: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The longest wait that is taken from a gateway, ms: one day. A wrong clock or a typing error over
/// there must not hold a refund for years.
const RETRY_AFTER_MAX_MS: u64 = 86_400_000;

/// How to talk to one gateway. All times in ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Longest name look-up, connect and TLS handshake together. Failing here is proof that nothing
    /// was sent.
    pub connect_timeout_ms: u64,
    /// Longest whole call, connect and body included. A worker's lease must be longer.
    pub timeout_ms: u64,
    /// Longest silence while waiting for the answer or its next piece.
    pub read_timeout_ms: u64,
    /// Idle connections kept: at least the worker's concurrency, or a burst of refunds pays for new
    /// TLS handshakes again and again.
    pub idle_per_host: usize,
    /// How long an idle connection is kept. Shorter than servers keep theirs (5 s is the shortest
    /// common default), as a connection that they close under a request leaves its outcome unknown.
    pub idle_timeout_ms: u64,
    /// Largest body that is read, bytes. Answers of these protocols stay under 10 KiB; 1,000 lines
    /// of a refund query come to about 200 KiB.
    pub body_max_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 3_000,
            timeout_ms: 15_000,
            read_timeout_ms: 15_000,
            idle_per_host: 256,
            idle_timeout_ms: 4_000,
            body_max_bytes: 256 * 1_024,
        }
    }
}

/// The client could not be made: no usable TLS roots, as a rule.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be built; are the system's CA certificates installed?")]
pub struct BuildError(#[source] reqwest::Error);

/// Sends forms to one gateway. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: reqwest::Client,
    body_max_bytes: usize,
}

impl Client {
    /// Builds the client, and names the TLS provider of the process if nobody has.
    ///
    /// # Errors
    /// [`BuildError`] if the system has no CA certificates that can be read.
    pub fn new(settings: &Settings) -> Result<Self, BuildError> {
        install_tls_provider();
        let mut client = reqwest::Client::builder();
        if settings.read_timeout_ms < settings.timeout_ms {
            // Each limit is a timer of every request; one that cannot strike first is left out.
            client = client.read_timeout(Duration::from_millis(settings.read_timeout_ms));
        }
        let inner = client
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .timeout(Duration::from_millis(settings.timeout_ms))
            .pool_max_idle_per_host(settings.idle_per_host)
            .pool_idle_timeout(Duration::from_millis(settings.idle_timeout_ms))
            .user_agent(concat!("refundd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BuildError)?;
        Ok(Self { inner, body_max_bytes: settings.body_max_bytes })
    }

    /// Posts `fields` as `application/x-www-form-urlencoded`, once, and reads the whole body of the
    /// answer, which must have status 200.
    ///
    /// # Errors
    /// * [`GatewayError::Connect`]: DNS, connect, or TLS handshake failed; nothing was sent.
    /// * [`GatewayError::Request`]: the request could not be built; nothing was sent.
    /// * [`GatewayError::PutOff`]: HTTP 429; not executed.
    /// * Everything else leaves the outcome unknown and forbids a resend: `Timeout` and `Broken`
    ///   after the connection stood, `HttpStatus` for any other status than 200 (3xx, 408 and 5xx
    ///   among them), `Unreadable` for a body over the limit.
    pub async fn post_form(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
    ) -> Result<Vec<u8>, GatewayError> {
        let response = self
            .inner
            .post(url.clone())
            .header(CONTENT_TYPE, FORM_TYPE)
            .body(form(fields))
            .send()
            .await
            .map_err(classify)?;
        match response.status() {
            StatusCode::OK => self.body(response).await,
            StatusCode::TOO_MANY_REQUESTS => Err(GatewayError::PutOff {
                code: "HTTP 429".to_owned(),
                message: "too many requests".to_owned(),
                retry_after_ms: retry_after_ms(response.headers()),
            }),
            status => Err(GatewayError::HttpStatus {
                status: status.as_u16(),
                retry_after_ms: retry_after_ms(response.headers()),
            }),
        }
    }

    /// Asks for the head of an address and nothing else: `HEAD` moves no money. Returns the status,
    /// whatever it is: any answer shows that name, network and certificate are right.
    ///
    /// # Errors
    /// [`GatewayError`]; [`GatewayError::Request`] if the address is none.
    pub async fn head(&self, url: &str) -> Result<u16, GatewayError> {
        let url = Url::parse(url).map_err(|err| GatewayError::Request(err.to_string()))?;
        let answer = self.inner.head(url).send().await.map_err(classify)?;
        Ok(answer.status().as_u16())
    }

    /// Reads the body piece by piece and stops at the limit, whatever length was announced.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, GatewayError> {
        // What is announced is made room for, as far as it may come.
        let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok());
        let mut body = Vec::with_capacity(announced.unwrap_or_default().min(self.body_max_bytes));
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            if body.len().saturating_add(chunk.len()) > self.body_max_bytes {
                return Err(GatewayError::Unreadable(format!(
                    "longer than {} bytes",
                    self.body_max_bytes
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Makes ring the TLS provider of the process, once. Another one that is in place already stays.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The error is the provider that somebody else has installed: just as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// The body of a form, in the order given.
fn form(fields: &[(&str, &str)]) -> String {
    // A value is JSON as a rule, of which a third grows threefold.
    let room = |(name, value): &(&str, &str)| name.len() + value.len() * 2 + 2;
    let mut body = String::with_capacity(fields.iter().map(room).sum());
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        body.extend(utf8_percent_encode(name, FORM));
        body.push('=');
        body.extend(utf8_percent_encode(value, FORM));
    }
    body
}

/// How far the request got. Only an error of the connector itself is proof that nothing was sent.
///
/// A connect timeout is an error of the connector and a timeout, so the order matters. The total
/// timeout is never one of the connector, even if it strikes while connecting: that is in doubt.
fn classify(err: reqwest::Error) -> GatewayError {
    let err = err.without_url();
    if err.is_builder() {
        GatewayError::Request(err.to_string())
    } else if err.is_connect() {
        GatewayError::Connect(Box::new(err))
    } else if err.is_timeout() {
        GatewayError::Timeout(Box::new(err))
    } else {
        GatewayError::Broken(Box::new(err))
    }
}

/// `Retry-After` in ms: seconds, or a date measured against the answer's own `Date`, so that no
/// clock of ours is needed and none of theirs can be wrong.
///
/// Source: RFC 9110, section 10.2.3.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000)
    } else {
        let until = http_date(text)?;
        let now = http_date(headers.get(DATE)?.to_str().ok()?)?;
        let wait = until.as_millisecond().saturating_sub(now.as_millisecond());
        u64::try_from(wait).unwrap_or(0)
    };
    Some(wait.min(RETRY_AFTER_MAX_MS))
}

/// A date as HTTP writes it, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(reqwest::header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_date_against_the_answers_own_date() {
        let wait = |pairs: &[_]| retry_after_ms(&headers(pairs));
        assert_eq!(wait(&[(RETRY_AFTER, "2")]), Some(2_000));
        assert_eq!(wait(&[(RETRY_AFTER, "99999999999999999999")]), Some(RETRY_AFTER_MAX_MS));
        let until = (RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait(&[until.clone(), (DATE, "Sun, 06 Nov 1994 08:49:07 GMT")]), Some(30_000));
        assert_eq!(wait(&[until.clone(), (DATE, "Sun, 06 Nov 1994 09:00:00 GMT")]), Some(0));
        assert_eq!(wait(&[until]), None);
        assert_eq!(wait(&[(RETRY_AFTER, "soon")]), None);
        assert_eq!(wait(&[(RETRY_AFTER, "-1")]), None);
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn a_form_leaves_nothing_that_a_decoder_could_take_for_its_own() {
        assert_eq!(
            form(&[("params", r#"{"a":"1&b=2+3% é"}"#), ("x_y", "z-1.0")]),
            "params=%7B%22a%22%3A%221%26b%3D2%2B3%25%20%C3%A9%22%7D&x_y=z-1.0"
        );
    }
}
