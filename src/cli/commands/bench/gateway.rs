//! Asks the sandbox over HTTP for what it has seen.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::cli::CliError;
use crate::sandbox::{Arrival, BookSnapshot};

/// How long the sandbox may take to write down all it knows.
const PATIENCE: Duration = Duration::from_secs(120);

/// The sandbox's control paths.
#[derive(Debug)]
pub(super) struct Gateway {
    base: String,
}

impl Gateway {
    /// The sandbox at `base`, such as `http://127.0.0.1:8791`; asks nothing yet.
    pub(super) fn at(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned() }
    }

    /// Where it is.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The whole book.
    pub(super) async fn book(&self) -> Result<BookSnapshot, CliError> {
        let (status, body) = self.get("/book").await?;
        self.read("/book", status, &body)
    }

    /// When each request came in; `None` if the sandbox does not keep that.
    pub(super) async fn arrivals(&self) -> Result<Option<Vec<Arrival>>, CliError> {
        match self.get("/arrivals").await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => self.read("/arrivals", status, &body).map(Some),
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        status: StatusCode,
        body: &[u8],
    ) -> Result<T, CliError> {
        if status != StatusCode::OK {
            return Err(CliError::failed(format!("{}{path} answered {status}", self.base)));
        }
        serde_json::from_slice(body).map_err(|err| CliError::Failed {
            what: format!("{}{path} is not what a sandbox answers", self.base),
            source: Some(Box::new(err)),
        })
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), CliError> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(path)).await;
        let why = match answer {
            Ok(Ok(answered)) => return Ok(answered),
            Ok(Err(err)) => err,
            Err(late) => late.into(),
        };
        Err(CliError::Failed { what: format!("cannot ask {}{path}", self.base), source: Some(why) })
    }

    /// One request on a connection of its own.
    async fn exchange(
        &self,
        path: &str,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let uri: Uri = format!("{}{path}", self.base).parse()?;
        let authority = uri.authority().ok_or("the address has no host")?;
        let port = authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((authority.host(), port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let carried = tokio::spawn(connection);
        let request = Request::get(path).header(header::HOST, authority.as_str());
        let answer = sender.send_request(request.body(Body::empty())?).await?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), usize::MAX).await?;
        carried.abort();
        Ok((status, body))
    }
}
