//! Listens, bounds what one client may cost, and drains at the end.
//!
//! Slow clients are cut off, connections and bodies are bounded, and a handler that panics takes
//! nobody with it. Nothing here is waited for by intake or workers.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use super::auth::Peer;
use super::problem::Problem;
use super::{Parts, Room, Settings, routes};

/// Most connections at once; the next one waits at the door.
const CONNECTIONS_MAX: usize = 512;

/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// Most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long to wait when the system gives no connection, as when it has no more files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// An address that is taken; nobody is answered before [`Listening::serve`].
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Takes the address; port 0 is a free one.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn on(listen: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` says so; then takes no more requests and waits for those under way.
    pub async fn serve(self, parts: Parts, settings: Settings, mut stop: watch::Receiver<bool>) {
        let room = Arc::new(Room::new(parts, &settings, stop.clone()));
        let router = routes::router(room).layer(CatchPanicLayer::custom(panicked));
        let (drain, slots) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        loop {
            let next = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, self.listener.accept().await)
            };
            let (slot, accepted) = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let talk = converse(stream, Peer(peer), router.clone(), &drain);
                    tokio::spawn(async move {
                        talk.await;
                        drop(slot);
                    });
                }
                Err(err) => {
                    tracing::warn!(%err, "the ops server got no connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
        drop(self.listener);
        let limit = Duration::from_millis(settings.drain_ms);
        if tokio::time::timeout(limit, drain.shutdown()).await.is_err() {
            tracing::warn!("requests to the ops server did not end in time");
        }
    }
}

/// Answers the requests of one connection.
fn converse(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    drain: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let watched = drain.watch(connection);
    async move {
        if let Err(err) = watched.await {
            tracing::debug!(%err, "a connection to the ops server broke");
        }
    }
}

/// The panic itself is in the log already, by the hook.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a handler of the ops server panicked");
    Problem::defect().into_response()
}
