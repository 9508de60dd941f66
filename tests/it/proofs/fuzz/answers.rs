//! A whole HTTP answer: status line, headers, body, over a real connection.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;

use refundd::domain::{
    AccountName, AmountCents, Currency, GatewayName, GatewayOrderNo, OrderRef, Refund, RefundNo,
};
use refundd::gateways::http::{Client, Settings as HttpSettings};
use refundd::gateways::iotpay::{Gateway, IotpaySubmitter, Settings};
use refundd::ports::{Certainty, RefundSubmitter};

use super::engine::Target;
use super::engine::mutate::mutated;

/// Largest body that the client takes, bytes.
const BODY_MAX: usize = 4_096;

fn corpus() -> Vec<Vec<u8>> {
    let taken = r#"{"retCode":"SUCCESS","resCode":"SUCCESS"}"#;
    let whole = |head: &str, body: &str| {
        format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{taken}\r\n0\r\n\r\n",
        taken.len()
    );
    vec![
        whole("200 OK", taken),
        chunked.into_bytes(),
        whole("200 OK\r\ncontent-type: application/json\r\nconnection: close", taken),
        whole("429 Too Many Requests\r\nretry-after: 2", ""),
        whole(
            "503 Busy\r\ndate: Sun, 06 Nov 1994 08:49:07 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT",
            "busy",
        ),
        whole("302 Found\r\nlocation: /elsewhere", ""),
        whole("100 Continue", ""),
    ]
}

/// Reads a request to the end of its form, answers, and closes. Returns whether there was one.
fn serve(mut stream: TcpStream, answer: &[u8]) -> bool {
    let mut seen = Vec::new();
    let mut piece = [0; 4_096];
    let complete = |seen: &[u8]| {
        let text = String::from_utf8_lossy(seen).to_ascii_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
        (body.len() >= length).then_some(())
    };
    while complete(&seen).is_none() {
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => seen.extend_from_slice(&piece[..n]),
            _ => return false,
        }
    }
    // The client may have heard enough before all is written.
    drop(stream.write_all(answer).and_then(|()| stream.shutdown(Shutdown::Both)));
    true
}

fn submitter(port: u16) -> IotpaySubmitter {
    // One connection a call: a spare one would take an answer from the server and leave it unread.
    let settings =
        HttpSettings { body_max_bytes: BODY_MAX, idle_per_host: 0, ..HttpSettings::default() };
    let http = Client::new(&settings);
    let name = GatewayName::parse("iotpay").unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let settings = Settings::new(name, url, "10000576", "vincent", "key".into());
    let gateway = Arc::new(Gateway::new(settings, http.unwrap()).unwrap());
    IotpaySubmitter::new(gateway, Some("203.0.113.7".to_owned()))
}

fn refund() -> Refund {
    Refund {
        refund_no: RefundNo::parse("R1").unwrap(),
        account: AccountName::parse("shop").unwrap(),
        amount: AmountCents::new(500).unwrap(),
        currency: Currency::parse("CAD").unwrap(),
        order: OrderRef::new(GatewayOrderNo::parse("U1").ok(), None, None).unwrap(),
        reason: None,
        client_ip: None,
        device: None,
        requested_at: None,
        not_before: None,
        metadata: None,
    }
}

#[test]
fn fuzz_of_an_http_answer_never_makes_a_submit_that_left_look_unsent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let submitter = submitter(listener.local_addr().unwrap().port());
    let (answers, next) = channel::<Vec<u8>>();
    let server = std::thread::spawn(move || {
        for answer in next {
            while !serve(listener.accept().unwrap().0, &answer) {}
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (corpus, refund) = (corpus(), refund());
    let target = Target { name: "http", cases: 500, memory_per_byte: 16, memory_more: 1 << 20 };
    target.run(
        |dice| mutated(dice, &corpus),
        |bytes| {
            answers.send(bytes.to_vec()).unwrap();
            runtime.block_on(submitter.submit(&refund))
        },
        |bytes, read| match read.map_err(|err| (err.certainty(), refundd::ports::chain(&err))) {
            Ok(_) => true,
            // The only answer without a signature that says "not taken".
            Err((Certainty::NotSent { .. }, why)) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                assert!(text.contains(" 429"), "{why}: {text}");
                false
            }
            Err((Certainty::Refused(_) | Certainty::Contradicted | Certainty::Unknown, _)) => false,
        },
    );
    drop(answers);
    server.join().unwrap();
}
