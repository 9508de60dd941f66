//! The HTTP side: which path is what, and the faults that are about the answer's way back.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::serve::IncomingStream;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::watch;
use tower::Service;

use super::control;
use super::exchange::{self, Reply, Request, Trouble};
use super::faults::{Chosen, Fault, mix};
use super::link::{Door, Link};
use super::wire::Answer;
use super::{Shared, ionlinepay, iotpay};

/// The largest request that is read: far above any refund, far below what could hurt.
const REQUEST_MAX: usize = 1 << 20;

/// Makes one [`Conversation`] a connection.
#[derive(Debug, Clone)]
pub(super) struct Reception {
    pub(super) shared: Arc<Shared>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Service<IncomingStream<'_, Door>> for Reception {
    type Response = Conversation;
    type Error = Infallible;
    type Future = Ready<Result<Conversation, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, Door>) -> Self::Future {
        ready(Ok(Conversation {
            shared: Arc::clone(&self.shared),
            stopping: self.stopping.clone(),
            link: stream.io().link(),
        }))
    }
}

/// Answers the requests of one connection.
///
/// A service of its own in place of a router: there are six paths, one of them a setting, and the
/// benchmark pays for every layer.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
    link: Link,
}

impl Service<HttpRequest> for Conversation {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

/// Which protocol and request a path means.
#[derive(Debug, Clone, Copy)]
enum Route {
    IotpaySubmit,
    IotpayQuery,
    Ionlinepay,
}

impl Conversation {
    async fn answer(self, request: HttpRequest) -> Response<Body> {
        let (head, body) = request.into_parts();
        let Ok(body) = to_bytes(body, REQUEST_MAX).await else {
            return page(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let path = head.uri.path();
        let route = match path {
            iotpay::SUBMIT_PATH => Route::IotpaySubmit,
            ionlinepay::PATH => Route::Ionlinepay,
            _ if path == self.shared.settings.iotpay.query_path => Route::IotpayQuery,
            _ => return control::answer(&self.shared, &head.method, path, &body),
        };
        let read = if head.method == Method::POST {
            self.read(route, &body)
        } else {
            Err(Trouble::NotPost)
        };
        match read {
            Ok(request) => self.handle(route, request).await,
            Err(trouble) => {
                let answer = self.spell(route, Reply::Trouble(trouble));
                json(self.finish(route, answer, None))
            }
        }
    }

    fn read(&self, route: Route, body: &[u8]) -> Result<Request, Trouble> {
        let settings = &self.shared.settings;
        match route {
            Route::IotpaySubmit => iotpay::read_submit(body, &settings.iotpay),
            Route::IotpayQuery => iotpay::read_query(body, &settings.iotpay),
            Route::Ionlinepay => ionlinepay::read(body, &settings.ionlinepay),
        }
    }

    fn spell(&self, route: Route, reply: Reply) -> Answer {
        let settings = &self.shared.settings;
        match route {
            Route::IotpaySubmit | Route::IotpayQuery => iotpay::spell(reply, &settings.iotpay),
            Route::Ionlinepay => {
                let nonce = mix(self.shared.next_nonce());
                ionlinepay::spell(reply, &settings.ionlinepay, nonce)
            }
        }
    }

    fn finish(&self, route: Route, answer: Answer, fault: Option<&Fault>) -> Bytes {
        let settings = &self.shared.settings;
        let key = match route {
            Route::IotpaySubmit | Route::IotpayQuery => &settings.iotpay.key,
            Route::Ionlinepay => &settings.ionlinepay.key,
        };
        answer.finish(key, fault).into()
    }

    /// A request that was understood: disturb it before, run it, disturb the answer.
    async fn handle(self, route: Route, request: Request) -> Response<Body> {
        self.shared.arrivals.note(&request);
        let chosen = self.shared.faults.choose(request.op(), request.refund_no());
        match &chosen.fault {
            Some(Fault::ResetBefore) => return self.cut(),
            Some(Fault::TooFrequent { retry_after_s }) => return too_frequent(*retry_after_s),
            Some(Fault::Http { status, processed: false }) => return page(http_status(*status)),
            _ => {}
        }
        let now = self.shared.clock.now();
        let reply = exchange::run(&self.shared.book, request, &chosen, now);
        let answer = self.spell(route, reply);
        let text = self.finish(route, answer, chosen.fault.as_ref());
        self.deliver(text, chosen).await
    }

    /// Sends an answer on its way, or not.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a fault that does not concern the way back sends what was said"
    )]
    async fn deliver(mut self, text: Bytes, chosen: Chosen) -> Response<Body> {
        let Some(fault) = chosen.fault else {
            return json(text);
        };
        match fault {
            Fault::ResetAfter => self.cut(),
            Fault::AnswerLate { ms } => {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(ms)) => {}
                    _ = self.stopping.wait_for(|stopping| *stopping) => {}
                }
                json(text)
            }
            Fault::Http { status, .. } => page(http_status(status)),
            Fault::Html => page(StatusCode::OK),
            Fault::EmptyBody => json(Body::empty()),
            Fault::Truncated => json(text.slice(..text.len() / 2)),
            Fault::BreakOff => break_off(&text),
            Fault::HugeBody => huge(text),
            _ => json(text),
        }
    }

    /// Resets the connection; what is returned never leaves.
    fn cut(&self) -> Response<Body> {
        self.link.reset();
        page(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A JSON answer.
pub(super) fn json(body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    response
}

/// A page as proxies send it.
fn page(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(format!(
        "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
    )));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

fn too_frequent(retry_after_s: u64) -> Response<Body> {
    let mut response = page(StatusCode::TOO_MANY_REQUESTS);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
    response
}

/// A number that is no HTTP status is taken for 500.
fn http_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Announces all of `text`, sends half of it, and closes the connection.
fn break_off(text: &Bytes) -> Response<Body> {
    let length = HeaderValue::from(text.len());
    let half = text.slice(..text.len() / 2);
    let cut = async {
        // Once around the scheduler, so that the first half is written out.
        tokio::task::yield_now().await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
    };
    let parts = stream::iter([Ok(half)]).chain(stream::once(cut));
    let mut response = json(Body::from_stream(parts));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

/// The right answer and then spaces, 10 MB of them, without a length announced.
fn huge(text: Bytes) -> Response<Body> {
    const CHUNK: &[u8] = &[b' '; 64 * 1024];
    const CHUNKS: usize = 160; // times 64 KiB: 10 MiB
    let first = std::iter::once(text);
    let rest = std::iter::repeat_n(Bytes::from_static(CHUNK), CHUNKS);
    let parts = first.chain(rest).map(Ok::<_, Infallible>);
    json(Body::from_stream(stream::iter(parts)))
}
