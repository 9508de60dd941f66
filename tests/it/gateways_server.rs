//! A server that counts what it is sent and answers, or fails to, by a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Sends these bytes and keeps the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes and closes the connection without having said so.
    BytesThenClose(Vec<u8>),
    /// Reads the whole request and closes.
    Close,
    /// Reads the whole request and never answers.
    Silence,
}

impl Reply {
    /// An answer with a status line, more headers, and a body.
    pub(super) fn http(status: &str, headers: &str, body: &str) -> Self {
        Self::Bytes(response(status, headers, body))
    }

    /// Status 200 with a body.
    pub(super) fn ok(body: &str) -> Self {
        Self::http("200 OK", "", body)
    }
}

/// The bytes of an answer.
pub(super) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Which connection it came on, from 0 up.
    pub(super) connection: usize,
    /// The request line.
    pub(super) line: String,
    /// The headers, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The body.
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The server. It ends with the runtime of its test.
#[derive(Debug, Clone)]
pub(super) struct Server {
    addr: SocketAddr,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts it; requests beyond the script are met with silence.
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            seen: Arc::default(),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream, connection));
                connection += 1;
            }
        });
        server
    }

    /// Its address with a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// All requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: TcpStream, connection: usize) {
        while let Some(seen) = read_request(&mut stream, connection).await {
            self.seen.lock().unwrap().push(seen);
            let reply = self.replies.lock().unwrap().pop_front();
            match reply.unwrap_or(Reply::Silence) {
                Reply::Bytes(bytes) => stream.write_all(&bytes).await.unwrap_or(()),
                Reply::BytesThenClose(bytes) => {
                    stream.write_all(&bytes).await.unwrap_or(());
                    return;
                }
                Reply::Close => return,
                Reply::Silence => std::future::pending().await,
            }
        }
    }
}

/// Reads one request to the end of its body; `None` when the peer has closed.
async fn read_request(stream: &mut TcpStream, connection: usize) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        if let Some(seen) = parse(&bytes, connection) {
            return Some(seen);
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(bytes: &[u8], connection: usize) -> Option<Seen> {
    let text = std::str::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let seen = Seen { connection, line, headers, body: body.to_owned() };
    let length: usize = seen.header("content-length")?.parse().ok()?;
    (body.len() == length).then_some(seen)
}
