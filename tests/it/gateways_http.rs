//! The one client: what is proof that nothing was sent, what is in doubt, and that nothing is ever
//! sent twice.

use refundd::gateways::http::{Client, Settings};
use refundd::ports::{Certainty, GatewayError, chain};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::client;
use super::server::{Reply, Server, response};

const NOT_SENT: Certainty = Certainty::NotSent { retry_after_ms: None };

async fn post(client: &Client, url: &str) -> Result<Vec<u8>, GatewayError> {
    client.post_form(&url.parse().unwrap(), &[("a", "1")]).await
}

async fn post_once(reply: Reply) -> (GatewayError, Server) {
    let server = Server::start([reply]).await;
    let err = post(&client(), &server.url("/")).await.unwrap_err();
    (err, server)
}

/// A client that waits this long for a connection, and this long for everything.
fn impatient(connect_timeout_ms: u64, timeout_ms: u64) -> Client {
    Client::new(&Settings { connect_timeout_ms, timeout_ms, ..Settings::default() }).unwrap()
}

#[tokio::test]
async fn a_refused_port_is_proof_that_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", free.local_addr().unwrap());
    drop(free);
    let err = post(&client(), &url).await.unwrap_err();
    assert!(matches!(err, GatewayError::Connect(_)), "{}", chain(&err));
    assert_eq!(err.certainty(), NOT_SENT);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_proof_that_nothing_was_sent() {
    let err = post(&client(), "http://gateway.invalid/").await.unwrap_err();
    assert!(matches!(err, GatewayError::Connect(_)), "{}", chain(&err));
}

#[tokio::test]
async fn a_connect_that_times_out_is_proof_that_nothing_was_sent() {
    // A queue of one that is full drops further connects, as an unreachable host does.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(std::time::Duration::from_millis(100), TcpStream::connect(addr)).await
    {
        filling.push(stream);
    }
    let err = post(&impatient(50, 5_000), &format!("http://{addr}/")).await.unwrap_err();
    assert!(matches!(err, GatewayError::Connect(_)), "{}", chain(&err));
}

#[tokio::test]
async fn a_failed_tls_handshake_is_proof_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let plain = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream
    });
    let err = post(&client(), &url).await.unwrap_err();
    assert!(matches!(err, GatewayError::Connect(_)), "{}", chain(&err));
    drop(plain.await.unwrap());
}

#[tokio::test]
async fn a_server_that_takes_the_request_and_closes_leaves_it_unknown() {
    let half = |text: &str| Reply::BytesThenClose(text.as_bytes().to_vec());
    for reply in [
        Reply::Close,
        half("HTTP/1.1 200 OK\r\ncontent-le"),
        half("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"retCode\":"),
        half("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n"),
        half("garbage\r\n\r\n"),
    ] {
        let (err, server) = post_once(reply.clone()).await;
        assert!(matches!(err, GatewayError::Broken(_)), "{reply:?}: {}", chain(&err));
        assert_eq!(err.certainty(), Certainty::Unknown);
        assert_eq!(server.seen().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_or_never_ends_is_a_timeout() {
    for reply in
        [Reply::Silence, Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_vec())]
    {
        let server = Server::start([reply]).await;
        let err = post(&impatient(5_000, 150), &server.url("/")).await.unwrap_err();
        assert!(matches!(err, GatewayError::Timeout(_)), "{}", chain(&err));
        assert_eq!(err.certainty(), Certainty::Unknown);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_request_on_a_reused_connection_that_breaks_is_not_sent_again() {
    let server = Server::start([Reply::ok("{}"), Reply::Close, Reply::ok("{}")]).await;
    let client = client();
    let url = server.url("/");
    assert!(post(&client, &url).await.is_ok());
    let err = post(&client, &url).await.unwrap_err();
    assert!(matches!(err, GatewayError::Broken(_)), "{}", chain(&err));
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0], "the second went over the first one's connection, once");
    assert!(post(&client, &url).await.is_ok());
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_connection_closed_while_idle_never_leads_to_a_second_send() {
    const CALLS: usize = 60;
    let closing = Reply::BytesThenClose(response("200 OK", "", "{}"));
    let server = Server::start(vec![closing; CALLS + 10]).await;
    let client = client();
    let url = server.url("/");
    let mut answered = 0;
    for _ in 0..CALLS {
        match post(&client, &url).await {
            Ok(_) => answered += 1,
            Err(err) => assert_eq!(err.certainty(), Certainty::Unknown, "{}", chain(&err)),
        }
    }
    let seen = server.seen().len();
    assert!((answered..=CALLS).contains(&seen), "{seen} requests for {CALLS} calls");
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let server = Server::start(vec![Reply::ok("{}"); 5]).await;
    let client = client();
    for _ in 0..5 {
        assert_eq!(post(&client, &server.url("/")).await.unwrap(), b"{}");
    }
    assert!(server.seen().iter().all(|seen| seen.connection == 0));
}

#[tokio::test]
async fn a_body_over_the_limit_is_unreadable_whether_its_length_was_announced_or_not() {
    let body = "x".repeat(4_097);
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1001\r\n{body}\r\n");
    for reply in [Reply::ok(&body), Reply::Bytes(chunked.into_bytes())] {
        let (err, _) = post_once(reply).await;
        assert!(matches!(err, GatewayError::Unreadable(_)), "{}", chain(&err));
    }
    let server = Server::start([Reply::ok(&body[1..])]).await;
    assert_eq!(post(&client(), &server.url("/")).await.unwrap().len(), 4_096);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let target = Server::start([Reply::ok("{}")]).await;
        let location = format!("location: {}\r\n", target.url("/"));
        let (err, server) = post_once(Reply::http(status, &location, "")).await;
        assert!(matches!(err, GatewayError::HttpStatus { .. }), "{}", chain(&err));
        assert_eq!(err.certainty(), Certainty::Unknown);
        assert_eq!((server.seen().len(), target.seen().len()), (1, 0));
    }
}

#[tokio::test]
async fn any_status_but_200_and_429_is_unknown() {
    for status in [201, 204, 304, 400, 401, 403, 404, 408, 409, 500, 502, 503, 504] {
        let reply = Reply::http(&format!("{status} X"), "retry-after: 7\r\n", "");
        let (err, server) = post_once(reply).await;
        let GatewayError::HttpStatus { status: got, retry_after_ms } = err else {
            panic!("{status}: {}", chain(&err));
        };
        assert_eq!((got, retry_after_ms), (status, Some(7_000)));
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn too_many_requests_puts_off_for_as_long_as_the_gateway_asks() {
    for (headers, wait) in [
        ("", None),
        ("retry-after: 3\r\n", Some(3_000)),
        (
            "date: Sun, 06 Nov 1994 08:49:07 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            Some(30_000),
        ),
    ] {
        let (err, server) = post_once(Reply::http("429 Slow", headers, "")).await;
        let expected = Certainty::NotSent { retry_after_ms: wait };
        assert_eq!(err.certainty(), expected);
        assert_eq!(server.seen().len(), 1);
    }
}
