//! Faults on the way: connections, HTTP statuses and bodies.

use std::sync::Arc;

use refundd::sandbox::{Fault, On};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Seen, Shop, until};

/// Sends a submit of R1 on a connection of its own and returns what reading it gives.
async fn raw_submit(shop: &Shop) -> std::io::Result<Vec<u8>> {
    let json = serde_json::to_string(&shop.refund_params("R1", "100")).unwrap();
    let body = format!("params={json}");
    let mut stream = TcpStream::connect(shop.gateway.addr).await.unwrap();
    let head = format!(
        "POST /v1/refund_order HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.map(|_| read)
}

#[tokio::test]
async fn a_reset_before_leaves_nothing_in_the_book_and_a_reset_after_the_whole_refund() {
    for (fault, effects) in [(Fault::ResetBefore, 0), (Fault::ResetAfter, 1)] {
        let shop = Shop::with_fault(On::Submits, fault).await;
        let err = raw_submit(&shop).await.unwrap_err();
        assert_eq!(err.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(shop.effects("R1"), effects);
        let err = shop.submit("R1").await.unwrap_err();
        assert!(!err.is_connect() && !err.is_timeout(), "{err:?}");
        // Only submits are disturbed, and only by closing their own connection.
        shop.ask("R1").await.unwrap();
    }
}

#[tokio::test]
async fn queries_can_be_reset_alone() {
    let shop = Shop::with_fault(On::Queries, Fault::ResetAfter).await;
    shop.submit("R1").await.unwrap();
    assert!(shop.ask("R1").await.is_err());
    assert!(shop.ask_hk("R1").await.is_err());
    assert_eq!((shop.effects("R1"), shop.queries("R1")), (1, 2));
}

#[tokio::test]
async fn a_late_answer_is_processed_at_once_and_survives_a_client_that_gives_up() {
    let shop = Arc::new(Shop::with_fault(On::Submits, Fault::AnswerLate { ms: 3_600_000 }).await);
    let waiting = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move { shop.submit("R1").await }
    });
    until(|| shop.effects("R1") == 1).await;
    assert!(!waiting.is_finished());
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "2");
}

#[tokio::test]
async fn a_shutdown_lets_late_answers_go_and_then_takes_no_connection() {
    let shop = Shop::with_fault(On::Submits, Fault::AnswerLate { ms: 3_600_000 }).await;
    let late = {
        let params = shop.refund_params("R1", "100");
        let form = [("params", serde_json::to_string(&params).unwrap())];
        let url = format!("{}/v1/refund_order", shop.gateway.base_url());
        tokio::spawn(shop.http.post(url).form(&form).send())
    };
    until(|| shop.effects("R1") == 1).await;
    let addr = shop.gateway.addr;
    shop.gateway.shutdown().await;
    let seen = Seen::of(late.await.unwrap().unwrap()).await.unwrap();
    assert_eq!(seen.get("retCode"), "SUCCESS");
    TcpStream::connect(addr).await.unwrap_err();
}

#[tokio::test]
async fn a_killed_gateway_resets_everybody_and_comes_back_with_its_book() {
    let shop = Shop::with_fault(On::Submits, Fault::AnswerLate { ms: 3_600_000 }).await;
    let late = {
        let params = shop.refund_params("R1", "100");
        let form = [("params", serde_json::to_string(&params).unwrap())];
        let url = format!("{}/v1/refund_order", shop.gateway.base_url());
        tokio::spawn(shop.http.post(url).form(&form).send())
    };
    until(|| shop.effects("R1") == 1).await;
    let (addr, sandbox) = (shop.gateway.addr, shop.gateway.sandbox().clone());
    shop.gateway.kill().await;
    let err = late.await.unwrap().unwrap_err();
    assert!(!err.is_connect(), "{err:?}");
    TcpStream::connect(addr).await.unwrap_err();

    let gateway = sandbox.listen(addr).await.unwrap();
    let http = shop.http;
    let shop = Shop { gateway, http };
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "2");
}

#[tokio::test]
async fn http_errors_come_with_and_without_processing() {
    for (status, processed, effects) in [(502, false, 0), (500, true, 1), (408, true, 1)] {
        let shop = Shop::with_fault(On::Both, Fault::Http { status, processed }).await;
        let seen = shop.submit("R1").await.unwrap();
        assert_eq!(seen.status, status);
        assert!(seen.text.starts_with("<html>"), "{}", seen.text);
        assert_eq!(shop.effects("R1"), effects);
        assert_eq!(shop.ask_hk("R1").await.unwrap().status, status);
    }
}

#[tokio::test]
async fn too_frequent_names_a_wait_and_does_nothing() {
    let shop = Shop::with_fault(On::Submits, Fault::TooFrequent { retry_after_s: 7 }).await;
    let seen = shop.submit("R1").await.unwrap();
    assert_eq!((seen.status, seen.retry_after.as_deref()), (429, Some("7")));
    assert_eq!(shop.effects("R1"), 0);
}

#[tokio::test]
async fn bodies_that_are_no_answer_hide_a_refund_that_was_executed() {
    let faults = [Fault::Html, Fault::EmptyBody, Fault::Truncated];
    for fault in faults {
        let shop = Shop::with_fault(On::Both, fault.clone()).await;
        for seen in [shop.submit("R1").await.unwrap(), shop.ask_hk("R1").await.unwrap()] {
            assert_eq!(seen.status, 200);
            assert!(seen.params.is_empty(), "{fault:?}: {seen:?}");
        }
        assert_eq!((shop.effects("R1"), shop.queries("R1")), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_can_break_off_in_the_middle() {
    let shop = Shop::with_fault(On::Both, Fault::BreakOff).await;
    let err = shop.submit("R1").await.unwrap_err();
    assert!(err.is_body() || err.is_decode(), "{err:?}");
    let raw = raw_submit(&shop).await.unwrap();
    let text = String::from_utf8(raw).unwrap();
    assert!(text.contains("\"mchRefundNo\"") && !text.contains("\"sign\""), "{text}");
    assert_eq!(shop.effects("R1"), 1);
}

#[tokio::test]
async fn a_huge_body_is_the_right_answer_with_ten_megabytes_behind_it() {
    let shop = Shop::with_fault(On::Submits, Fault::HugeBody).await;
    let seen = shop.submit("R1").await.unwrap();
    assert!(seen.text.len() > 10_000_000);
    assert!(seen.signed_by(shop.key()));
    assert_eq!(shop.effects("R1"), 1);
}
