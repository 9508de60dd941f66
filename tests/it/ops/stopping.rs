//! The end of the server: no new requests, those under way are answered.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Desk;
use crate::support::service::request;
use crate::support::{wait_for, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_under_way_at_a_stop_is_answered_and_a_new_one_is_not_taken() {
    // A stop waits as long as a call may take; here as long as the machine is slow.
    let mut desk =
        Desk::with(|toml| toml.replace("shutdown_ms = 2000", "shutdown_ms = 60000")).await;
    let body = request("S-1", "shop-ca").to_string();
    let (first, rest) = body.split_at(20);
    let mut connection = TcpStream::connect(&desk.address).unwrap();
    write!(
        connection,
        "POST /v1/refunds HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        desk.address,
        body.len()
    )
    .unwrap();
    // The server says that it reads the body: the request is under way.
    let mut told = [0; 25];
    connection.read_exact(&mut told).unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100 Continue"), "{told:?}");
    connection.write_all(first.as_bytes()).unwrap();
    desk.shop.signal(0, "TERM");
    wait_until("the door to be closed", async || TcpStream::connect(&desk.address).err()).await;
    // The intake has ended; nothing but this request keeps the process.
    wait_until("the intake to end", async || {
        let clients: String = desk.shop.redis.run("CLIENT LIST");
        (!clients.contains("cmd=xreadgroup")).then_some(())
    })
    .await;
    let mut looks = 0;
    wait_for("fifty looks at a process that waits", || {
        assert_eq!(desk.shop.has_ended(0), None, "it did not wait for the request");
        looks += 1;
        (looks == 50).then_some(())
    });
    connection.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert!(answer.contains("\"admitted\""), "{answer}");
    let ended = wait_for("the worker to end", || desk.shop.has_ended(0));
    assert_eq!(ended.code(), Some(0));
    let stored: Option<Vec<u8>> = desk.shop.redis.cmd(&["HGET", "{refunds}:refunds", "S-1"]);
    assert!(stored.is_some(), "what was confirmed is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_keep_it_from_ending() {
    let mut desk = Desk::open().await;
    assert_eq!(desk.get("/healthz").await.status, 200);
    let silent = TcpStream::connect(&desk.address).unwrap();
    let ended = desk.shop.terminate(0);
    assert_eq!(ended.code(), Some(0), "{}", desk.shop.log(0));
    drop(silent);
}
