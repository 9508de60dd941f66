//! Spans for a collector: what it gets, and that nobody waits for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::service::{Shop, gateway, request};
use crate::support::wait_for;

/// One request: its first line with its headers, and its body.
type Post = (String, Vec<u8>);

/// A collector that keeps what it gets.
struct Collector {
    address: String,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let kept = Arc::clone(&posts);
        // Ends with the process, as does whoever waits in it.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, posts }
    }

    /// All bodies one after the other, as text; names and values of protobuf are in it as they are.
    fn text(&self) -> String {
        let posts = self.posts.lock().unwrap();
        let bodies: Vec<u8> = posts.iter().flat_map(|(_, body)| body.clone()).collect();
        String::from_utf8_lossy(&bodies).into_owned()
    }
}

/// Takes one request after the other on a connection.
fn serve(stream: TcpStream, kept: &Mutex<Vec<Post>>) {
    let mut answers = stream.try_clone().unwrap();
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
            head.push_str(&line.to_lowercase());
            line.clear();
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let Some(length) = length.and_then(|length| length.trim().parse().ok()) else { return };
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        kept.lock().unwrap().push((head, body));
        let _ = answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}

/// A shop that sends its spans there.
async fn observed(endpoint: &str) -> Shop {
    let shop = Shop::open(gateway()).await;
    shop.configure(|toml| format!("{toml}\n[telemetry]\notlp_endpoint = \"{endpoint}\"\n"));
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_spans_of_a_refund_and_nothing_secret() {
    let collector = Collector::start();
    let mut shop = observed(&collector.address).await;
    shop.run();
    shop.push(&request("R-SPANNED", "shop-ca"));
    shop.results(1).await;
    // What was not sent by then is sent at the end.
    assert!(shop.terminate(0).success());
    let text = wait_for("the spans", || {
        let text = collector.text();
        ["admit", "submit", "query", "commit"]
            .iter()
            .all(|name| text.contains(name))
            .then_some(text)
    });
    for known in [
        "R-SPANNED",
        "shop-ca",
        "iotpay",
        "refund.no",
        "refund.event",
        "messaging.system",
        "messaging.operation.type",
        "messaging.message.id",
        "refundd",
        "accepted",
        "succeeded",
    ] {
        assert!(text.contains(known), "{known} is in no span");
    }
    for secret in ["sandbox-iotpay-key", "amount", "sign", "redis.sock"] {
        assert!(!text.contains(secret), "{secret} is in a span");
    }
    let posts = collector.posts.lock().unwrap();
    for (head, _) in posts.iter() {
        assert!(head.starts_with("post /v1/traces "), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    }
    assert!(!shop.log(0).contains("refundd::spans"), "spans are not in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_keeps_no_refund_and_no_end_waiting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap(); // takes connections, says nothing
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), gone] {
        let mut shop = observed(&format!("http://{address}")).await;
        shop.run();
        for n in 0..20 {
            shop.push(&request(&format!("R-{n}"), "shop-hk"));
        }
        shop.results(20).await;
        assert!(shop.terminate(0).success());
        let log = shop.log(0);
        assert!(log.contains("stopped"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_nobody_is_called_and_a_wrong_address_stops_the_start() {
    let shop = Shop::open(gateway()).await;
    let wrong = ["collector:4318", "ftp://collector", "http://", "http://me:pass@collector:4318"];
    for address in wrong {
        let variable = "REFUNDD__TELEMETRY__OTLP_ENDPOINT";
        let output = shop.refundd(&["config"]).env(variable, address).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{address}: {told}");
        assert!(told.contains("telemetry.otlp_endpoint must be the address"), "{told}");
        assert!(!told.contains("me:pass"), "{told}");
    }
    assert!(shop.call(&["config"]).status.success());
}
