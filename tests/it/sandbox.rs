//! The sandbox over real HTTP: for every fault, what a client sees and what the book says.
//!
//! The client here is deliberately not refundd's: it signs with the shared signer and believes
//! nothing.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

use std::sync::Arc;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use refundd::domain::UnixMillis;
use refundd::gateways::sign::{self, Params};
use refundd::ports::ManualClock;
use refundd::sandbox::{
    BookSnapshot, Duplicates, Fault, FaultPlan, Lines, On, PaidOrder, Rule, Running, Sandbox,
    Settings, Standing, Totals, Violation,
};

/// A merchant with an account at a sandbox of its own.
struct Shop {
    gateway: Running,
    http: Client,
}

/// An HTTP answer, read as far as it can be.
#[derive(Debug)]
struct Seen {
    status: u16,
    retry_after: Option<String>,
    text: String,
    /// The members of the JSON object as text; empty if it is none.
    params: Params,
}

impl Seen {
    async fn of(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let text = response.text().await?;
        let members: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap_or_default();
        let params = members
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) => (name, text),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => (name, value.to_string()),
            })
            .collect();
        Ok(Self { status, retry_after, text, params })
    }

    fn get(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    fn signed_by(&self, key: &str) -> bool {
        sign::verify(&self.params, key)
    }
}

/// A client that reports what happens: no proxy, no retry.
fn client() -> Client {
    // The first test installs it; for the others it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().tls_certs_only([]).no_proxy().retry(reqwest::retry::never()).build().unwrap()
}

fn params(pairs: &[(&str, &str)], key: &str) -> Params {
    let mut params: Params =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    params.insert("sign".to_owned(), sign::sign(&params, key));
    params
}

impl Shop {
    /// A sandbox where every order was paid with 10.00.
    async fn open(settings: Settings) -> Self {
        let gateway = Sandbox::start(Settings {
            auto_orders: settings.auto_orders.or(Some(1_000)),
            ..settings
        })
        .await
        .unwrap();
        Self { gateway, http: client() }
    }

    /// The same with one fault for all requests.
    async fn with_fault(on: On, fault: Fault) -> Self {
        let shop = Self::open(Settings::default()).await;
        shop.gateway.sandbox().add_fault(Rule::new(on, fault));
        shop
    }

    fn key(&self) -> &str {
        &self.gateway.sandbox().settings().iotpay.key
    }

    fn hk_key(&self) -> &str {
        &self.gateway.sandbox().settings().ionlinepay.key
    }

    async fn post(&self, url: String, form: &[(&str, &str)]) -> Result<Seen, reqwest::Error> {
        Seen::of(self.http.post(url).form(form).send().await?).await
    }

    async fn iotpay(&self, path: &str, params: &Params) -> Result<Seen, reqwest::Error> {
        let json = serde_json::to_string(params).unwrap();
        let url = format!("{}{path}", self.gateway.base_url());
        self.post(url, &[("params", &json)]).await
    }

    /// The parameters of a submit of `refund_no` over IOTPay: `cents` of the order `U-1`.
    fn refund_params(&self, refund_no: &str, cents: &str) -> Params {
        let pairs = [
            ("mchId", "10000576"),
            ("mchRefundNo", refund_no),
            ("payOrderId", "U-1"),
            ("refundAmount", cents),
            ("clientIp", "203.0.113.7"),
            ("loginName", "vincent"),
            ("device", ""),
        ];
        params(&pairs, self.key())
    }

    /// Submits over IOTPay 1.00 of the order `U-1`.
    async fn submit(&self, refund_no: &str) -> Result<Seen, reqwest::Error> {
        let params = self.refund_params(refund_no, "100");
        self.iotpay("/v1/refund_order", &params).await
    }

    /// Asks over IOTPay.
    async fn ask(&self, refund_no: &str) -> Result<Seen, reqwest::Error> {
        let pairs = [("mchId", "10000576"), ("mchRefundNo", refund_no)];
        let params = params(&pairs, self.key());
        self.iotpay("/v1/query_refund", &params).await
    }

    async fn hk(&self, service: &str, pairs: &[(&str, &str)]) -> Result<Seen, reqwest::Error> {
        let mut all = vec![
            ("service", service),
            ("mch_id", "sandbox-hk"),
            ("nonce_str", "0123456789abcdef"),
            ("sign_type", "MD5"),
        ];
        all.extend_from_slice(pairs);
        let params = params(&all, self.hk_key());
        let form: Vec<_> = params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.post(self.gateway.ionlinepay_url(), &form).await
    }

    /// Submits over iOnline Pay 1.00 of the order `M-1`.
    async fn submit_hk(&self, refund_no: &str) -> Result<Seen, reqwest::Error> {
        let pairs = [
            ("out_trade_no", "M-1"),
            ("out_refund_no", refund_no),
            ("total_fee", "1000"),
            ("refund_fee", "100"),
            ("refund_reason", "wrong size & colour"),
        ];
        self.hk("ionline.unified.trade.refund", &pairs).await
    }

    /// Asks over iOnline Pay by our refund number.
    async fn ask_hk(&self, refund_no: &str) -> Result<Seen, reqwest::Error> {
        let pairs = [("out_refund_no", refund_no)];
        self.hk("ionline.unified.trade.refundquery", &pairs).await
    }

    fn effects(&self, refund_no: &str) -> u32 {
        self.gateway.book().effects(refund_no)
    }

    fn queries(&self, refund_no: &str) -> u32 {
        self.gateway.book().refund(refund_no).unwrap().queries
    }

    async fn control(&self, method: reqwest::Method, path: &str, body: String) -> (u16, String) {
        let url = format!("{}{path}", self.gateway.base_url());
        let sent = self.http.request(method, url).body(body).send().await;
        let seen = Seen::of(sent.unwrap()).await.unwrap();
        (seen.status, seen.text)
    }
}

/// Lets other tasks run until something has happened.
async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}

// --- without faults ---------------------------------------------------------------------------

#[tokio::test]
async fn iotpay_takes_a_refund_and_signs_what_became_of_it() {
    let shop = Shop::open(Settings { processing_polls: 1, ..Settings::default() }).await;
    let taken = shop.submit("R1").await.unwrap();
    assert!(taken.signed_by(shop.key()), "{taken:?}");
    let said = ["retCode", "resCode", "mchRefundNo", "refundAmount", "status"];
    let said = said.map(|name| taken.get(name));
    assert_eq!(said, ["SUCCESS", "SUCCESS", "R1", "100", "1"]);
    assert!(taken.text.contains("\"refundAmount\":100"), "{}", taken.text);

    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "1");
    let ended = shop.ask("R1").await.unwrap();
    assert!(ended.signed_by(shop.key()));
    assert_eq!(ended.get("status"), "2");
    assert_eq!(ended.get("refundOrderId"), taken.get("refundOrderId"));
    assert_eq!((shop.effects("R1"), shop.queries("R1")), (1, 2));
}

#[tokio::test]
async fn a_refund_submitted_over_iotpay_is_found_over_ionlinepay() {
    let shop = Shop::open(Settings::default()).await;
    shop.submit("R1").await.unwrap();
    let found = shop.ask_hk("R1").await.unwrap();
    assert!(found.signed_by(shop.hk_key()), "{found:?}");
    let said = ["status", "result_code", "refund_count", "out_refund_no_0"];
    assert_eq!(said.map(|name| found.get(name)), ["0", "0", "1", "R1"]);
    let said = ["refund_fee_0", "refund_status_0", "transaction_id"];
    assert_eq!(said.map(|name| found.get(name)), ["100", "SUCCESS", "U-1"]);
    assert_eq!(found.get("refund_time_0").len(), 14);
}

#[tokio::test]
async fn ionlinepay_takes_a_refund_and_names_every_parameter_of_the_page() {
    let shop = Shop::open(Settings::default()).await;
    let taken = shop.submit_hk("R1").await.unwrap();
    assert!(taken.signed_by(shop.hk_key()), "{taken:?}");
    let said = ["out_refund_no", "refund_fee", "out_trade_no"];
    assert_eq!(said.map(|name| taken.get(name)), ["R1", "100", "M-1"]);
    let found = shop.ask_hk("R1").await.unwrap();
    for name in [
        "version",
        "charset",
        "sign_type",
        "status",
        "result_code",
        "mch_id",
        "nonce_str",
        "sign",
        "transaction_id",
        "out_trade_no",
        "trade_channel",
        "trade_type",
        "body",
        "refund_count",
        "out_refund_no_0",
        "refund_id_0",
        "refund_fee_0",
        "refund_time_0",
        "refund_status_0",
    ] {
        assert_ne!(found.get(name), "", "{name} in {found:?}");
    }
    assert_eq!(found.get("refund_reason_0"), "wrong size & colour");
    assert_eq!(found.get("refund_id_0"), taken.get("refund_id"));
}

#[tokio::test]
async fn a_query_may_show_the_whole_order_with_the_own_line_last() {
    let shop = Shop::open(Settings { lines: Lines::WholeOrder, ..Settings::default() }).await;
    for no in ["R1", "R2"] {
        shop.submit(no).await.unwrap();
    }
    let found = shop.ask_hk("R1").await.unwrap();
    let said = ["refund_count", "out_refund_no_0", "out_refund_no_1"];
    assert_eq!(said.map(|name| found.get(name)), ["2", "R2", "R1"]);
    let all =
        shop.hk("ionline.unified.trade.refundquery", &[("transaction_id", "U-1")]).await.unwrap();
    assert_eq!(all.get("refund_count"), "2");
}

#[tokio::test]
async fn iotpay_says_what_is_wrong_with_a_request_and_never_signs_a_failure() {
    let shop = Shop::open(Settings::default()).await;
    let good = || shop.refund_params("R1", "100");
    let changed = |name: &str, value: &str| {
        let mut params = good();
        params.remove("sign");
        params.insert(name.to_owned(), value.to_owned());
        params.insert("sign".to_owned(), sign::sign(&params, shop.key()));
        params
    };
    let mut forged = good();
    forged.insert("refundAmount".to_owned(), "101".to_owned());
    for (params, code) in [
        (forged, "0013"),
        (changed("mchId", "1"), "0015"),
        (changed("refundAmount", "0"), "0014"),
        (changed("refundAmount", "1.5"), "0014"),
        (changed("mchRefundNo", &"R".repeat(31)), "0014"),
        (changed("clientIp", ""), "0014"),
    ] {
        let seen = shop.iotpay("/v1/refund_order", &params).await.unwrap();
        assert_eq!((seen.get("retCode"), seen.get("errCode")), ("FAIL", code));
        assert_eq!(seen.get("sign"), "");
    }
    let url = format!("{}/v1/refund_order", shop.gateway.base_url());
    let empty = shop.post(url.clone(), &[]).await.unwrap();
    assert_eq!(empty.get("errCode"), "0012");
    let read = shop.http.get(url).send().await.unwrap();
    assert_eq!(Seen::of(read).await.unwrap().get("errCode"), "0011");
    assert_eq!(shop.gateway.sandbox().totals(), Totals::default());
}

#[tokio::test]
async fn ionlinepay_leaves_unsigned_what_it_did_not_understand() {
    let shop = Shop::open(Settings::default()).await;
    let url = shop.gateway.ionlinepay_url();
    let form = [("mch_id", "sandbox-hk"), ("sign", "00"), ("nonce_str", "1")];
    let forged = shop.post(url, &form).await.unwrap();
    assert_eq!(forged.get("message"), "signature error");
    let other = shop.hk("ionline.unified.trade.query", &[]).await.unwrap();
    assert_eq!(other.get("message"), "no such service");
    for seen in [forged, other] {
        assert_eq!((seen.get("status"), seen.get("sign")), ("400", ""));
    }
}

#[tokio::test]
async fn unknown_orders_unknown_refunds_and_too_much_are_refused_in_each_protocols_words() {
    let mut settings = Settings::default();
    settings.iotpay.not_found_code = Some("0112".to_owned());
    let gateway = Sandbox::start(settings).await.unwrap();
    let http = client();
    let shop = Shop { gateway, http };
    let unknown = shop.submit("R1").await.unwrap();
    assert!(unknown.signed_by(shop.key()));
    let said = ["retCode", "resCode", "errCode"];
    assert_eq!(said.map(|name| unknown.get(name)), ["SUCCESS", "FAIL", "0112"]);
    assert_eq!(shop.submit_hk("R1").await.unwrap().get("err_code"), "ORDERNOTEXIST");
    assert_eq!(shop.ask("R1").await.unwrap().get("errCode"), "0112");
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("err_code"), "REFUNDNOTEXIST");

    let paid = PaidOrder {
        gateway_order_no: Some("U-1".to_owned()),
        order_no: Some("M-1".to_owned()),
        paid_cents: 99,
    };
    shop.gateway.sandbox().add_order(paid).unwrap();
    let over = shop.submit("R1").await.unwrap();
    assert_eq!((over.get("retCode"), over.get("errCode")), ("FAIL", ""));
    let over = shop.submit_hk("R1").await.unwrap();
    assert_eq!(over.get("err_code"), "REFUND_FEE_INVALID");
    assert_eq!(shop.effects("R1"), 0);
}

#[tokio::test]
async fn iotpay_by_default_says_in_words_only_that_it_knows_no_such_refund() {
    let shop = Shop::open(Settings::default()).await;
    let seen = shop.ask("R1").await.unwrap();
    let said = ["retCode", "retMsg", "errCode", "sign"];
    let expected = ["FAIL", "refund order not exist", "", ""];
    assert_eq!(said.map(|name| seen.get(name)), expected);
}

#[tokio::test]
async fn a_repeated_number_is_replayed_rejected_or_paid_again_as_the_settings_say() {
    for (duplicates, code, effects) in [
        (Duplicates::Replays, "SUCCESS", 1),
        (Duplicates::Rejects, "FAIL", 1),
        (Duplicates::PaysAgain, "SUCCESS", 2),
    ] {
        let shop = Shop::open(Settings { duplicates, ..Settings::default() }).await;
        let first = shop.submit("R1").await.unwrap();
        let again = shop.submit("R1").await.unwrap();
        assert_eq!(again.get("retCode"), code, "{duplicates:?}");
        assert_eq!(shop.effects("R1"), effects, "{duplicates:?}");
        let violations = shop.gateway.book().violations;
        assert_eq!(violations.is_empty(), effects == 1, "{violations:?}");
        if duplicates == Duplicates::Replays {
            assert_eq!(again.get("refundOrderId"), first.get("refundOrderId"));
        }
    }
}

#[tokio::test]
async fn a_refund_settles_by_the_clock() {
    let clock = Arc::new(ManualClock::new(UnixMillis::new(0)));
    let settings =
        Settings { auto_orders: Some(100), settle_after_ms: 60_000, ..Settings::default() };
    let addr = settings.listen;
    let sandbox = Sandbox::with_clock(settings, clock.clone());
    let gateway = sandbox.listen(addr).await.unwrap();
    let http = client();
    let shop = Shop { gateway, http };
    shop.submit("R1").await.unwrap();
    clock.advance(59_999);
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "1");
    clock.advance(1);
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "2");
    let found = shop.ask_hk("R1").await.unwrap();
    assert_eq!(found.get("refund_time_0"), "19700101080100");
}

// --- faults on the way ------------------------------------------------------------------------

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

// --- faults in what is said -------------------------------------------------------------------

#[tokio::test]
async fn signatures_can_be_wrong_or_missing() {
    for fault in [Fault::BadSignature, Fault::NoSignature] {
        let shop = Shop::with_fault(On::Both, fault.clone()).await;
        let there = fault == Fault::BadSignature;
        let (submitted, asked) = (shop.submit("R1").await, shop.ask("R1").await);
        for seen in [submitted.unwrap(), asked.unwrap()] {
            assert_eq!(seen.get("retCode"), "SUCCESS");
            assert!(!seen.signed_by(shop.key()));
            assert_eq!(seen.get("sign").len(), if there { 32 } else { 0 });
        }
        let asked = shop.ask_hk("R1").await.unwrap();
        assert_eq!(asked.get("refund_status_0"), "SUCCESS");
        assert!(!asked.signed_by(shop.hk_key()));
    }
}

#[tokio::test]
async fn another_amount_or_number_is_echoed_under_a_good_signature() {
    let shop = Shop::with_fault(On::Both, Fault::WrongAmount).await;
    let seen = shop.submit("R1").await.unwrap();
    assert!(seen.signed_by(shop.key()));
    assert_eq!(seen.get("refundAmount"), "101");
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("refund_fee_0"), "101");
    let book = shop.gateway.book();
    assert_eq!(book.refund("R1").unwrap().paid_out_cents, 100);

    let shop = Shop::with_fault(On::Both, Fault::WrongNumber).await;
    let seen = shop.submit("R1").await.unwrap();
    assert!(seen.signed_by(shop.key()));
    assert_eq!(seen.get("mchRefundNo"), "XR1");
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("out_refund_no_0"), "XR1");
    assert_eq!((shop.effects("R1"), shop.effects("XR1")), (1, 0));
}

#[tokio::test]
async fn a_system_error_tells_nobody_whether_the_refund_was_executed() {
    for (processed, effects) in [(true, 1), (false, 0)] {
        let code = None;
        let shop = Shop::with_fault(On::Submits, Fault::SysError { code, processed }).await;
        let seen = shop.submit("R1").await.unwrap();
        assert!(seen.signed_by(shop.key()));
        assert_eq!((seen.get("resCode"), seen.get("errCode")), ("FAIL", "0010"));
        let seen = shop.submit_hk("R2").await.unwrap();
        assert!(seen.signed_by(shop.hk_key()));
        assert_eq!(seen.get("err_code"), "SYSTEMERROR");
        assert_eq!((shop.effects("R1"), shop.effects("R2")), (effects, effects));
    }
    let code = Some("0110".to_owned());
    let fault = Fault::SysError { code, processed: true };
    let shop = Shop::with_fault(On::Queries, fault).await;
    assert_eq!(shop.ask("R1").await.unwrap().get("errCode"), "0110");
}

#[tokio::test]
async fn a_refusal_has_the_code_that_was_set_and_moves_nothing() {
    let code = "NOTENOUGH".to_owned();
    let shop = Shop::with_fault(On::Submits, Fault::Refuse { code }).await;
    let seen = shop.submit_hk("R1").await.unwrap();
    assert!(seen.signed_by(shop.hk_key()));
    assert_eq!((seen.get("status"), seen.get("err_code")), ("0", "NOTENOUGH"));
    assert_eq!(shop.submit("R1").await.unwrap().get("errCode"), "NOTENOUGH");
    assert!(shop.gateway.book().refund("R1").is_none());
}

#[tokio::test]
async fn statuses_can_be_unsure_unlisted_or_any_word_whatever_the_book_says() {
    let word = |word: &str| Fault::Status { word: word.to_owned() };
    for (fault, iotpay, ionlinepay) in [
        (Fault::NotSure, "0", "NOTSURE"),
        (Fault::UnlistedStatus, "7", "REVERSING"),
        (word("REFUNDCLOSE"), "REFUNDCLOSE", "REFUNDCLOSE"),
        (word("4"), "4", "4"),
    ] {
        let shop = Shop::with_fault(On::Queries, fault).await;
        shop.submit("R1").await.unwrap();
        let seen = shop.ask("R1").await.unwrap();
        assert!(seen.signed_by(shop.key()));
        assert_eq!(seen.get("status"), iotpay);
        let seen = shop.ask_hk("R1").await.unwrap();
        assert!(seen.signed_by(shop.hk_key()));
        assert_eq!(seen.get("refund_status_0"), ionlinepay);
        assert_eq!(shop.effects("R1"), 1);
    }
}

#[tokio::test]
async fn final_failures_and_abnormal_and_endless_refunds_move_no_money() {
    for (fault, standing, iotpay, ionlinepay) in [
        (Fault::FailFinal, Standing::Failed, "3", "FAIL"),
        (Fault::Change, Standing::Abnormal, "3", "CHANGE"),
        (Fault::NeverSettle, Standing::Processing, "1", "PROCESSING"),
    ] {
        let shop = Shop::with_fault(On::Submits, fault).await;
        let seen = shop.submit("R1").await.unwrap();
        assert_eq!(seen.get("resCode"), "SUCCESS", "accepted is not settled");
        assert_eq!(shop.ask("R1").await.unwrap().get("status"), iotpay);
        let seen = shop.ask_hk("R1").await.unwrap();
        assert_eq!(seen.get("refund_status_0"), ionlinepay);
        let book = shop.gateway.book();
        let refund = book.refund("R1").unwrap();
        assert_eq!((refund.standing, refund.effects), (standing, 0));
    }
}

#[tokio::test]
async fn a_refund_can_stay_invisible_for_a_number_of_queries() {
    let shop = Shop::open(Settings::default()).await;
    let rule = Rule::new(On::Queries, Fault::NotFound).refund_no("R1").times(2);
    shop.gateway.sandbox().add_fault(rule);
    shop.submit("R1").await.unwrap();
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("err_code"), "REFUNDNOTEXIST");
    assert_eq!(shop.ask("R1").await.unwrap().get("retCode"), "FAIL");
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "2");
    assert_eq!((shop.effects("R1"), shop.queries("R1")), (1, 3));
}

#[tokio::test]
async fn a_stranger_can_stand_on_the_first_line() {
    let shop = Shop::with_fault(On::Queries, Fault::StrangerLine).await;
    shop.submit("R1").await.unwrap();
    let found = shop.ask_hk("R1").await.unwrap();
    assert!(found.signed_by(shop.hk_key()));
    let said = ["refund_count", "out_refund_no_0", "refund_status_0", "out_refund_no_1"];
    let said = said.map(|name| found.get(name));
    assert_eq!(said, ["2", "STRANGER-1", "SUCCESS", "R1"]);
    assert_eq!(shop.gateway.sandbox().totals().refunds, 1);
}

// --- control ----------------------------------------------------------------------------------

#[tokio::test]
async fn the_book_is_read_over_http_and_shows_a_gateway_that_paid_twice() {
    let shop =
        Shop::open(Settings { duplicates: Duplicates::PaysAgain, ..Settings::default() }).await;
    shop.submit("R1").await.unwrap();
    shop.submit("R1").await.unwrap();
    let (status, text) = shop.control(reqwest::Method::GET, "/book", String::new()).await;
    let book: BookSnapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 200);
    assert_eq!(book, shop.gateway.book());
    let twice = Violation::PaidTwice { refund_no: "R1".to_owned(), effects: 2 };
    assert_eq!(book.violations, [twice]);
    let (_, text) = shop.control(reqwest::Method::GET, "/book/totals", String::new()).await;
    assert_eq!(serde_json::from_str::<Totals>(&text).unwrap(), book.totals);
}

#[tokio::test]
async fn faults_and_orders_are_set_over_http_and_a_misspelt_name_is_refused() {
    use reqwest::Method;
    let shop = Shop::open(Settings::default()).await;
    let plan = json!({"seed": 1, "rules": [{"on": "submits", "prefix": "R", "fault": "html"}]});
    let (status, _) = shop.control(Method::PUT, "/faults", plan.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(shop.submit("R1").await.unwrap().params.len(), 0);
    let (_, text) = shop.control(Method::GET, "/faults", String::new()).await;
    assert_eq!(serde_json::from_str::<FaultPlan>(&text).unwrap().seed, 1);

    let bad = json!({"rules": [{"fault": "htlm"}]}).to_string();
    let (status, text) = shop.control(Method::PUT, "/faults", bad).await;
    assert_eq!(status, 400);
    assert!(text.contains("htlm"), "{text}");
    shop.control(Method::PUT, "/faults", "{}".to_owned()).await;
    assert_ne!(shop.submit("R2").await.unwrap().params.len(), 0);

    let order = |cents| json!([{"order_no": "M-7", "paid_cents": cents}]).to_string();
    for (body, expected) in [
        (order(500), 200),
        (order(500), 200),
        (order(501), 409),
        (json!([{"paid_cents": 1}]).to_string(), 400),
        (json!([{"order_no": "M-8", "paid": 1}]).to_string(), 400),
    ] {
        let (status, text) = shop.control(Method::POST, "/orders", body).await;
        assert_eq!(status, expected, "{text}");
    }
    for (method, path, expected) in [
        (Method::GET, "/healthz", 200),
        (Method::POST, "/book", 405),
        (Method::GET, "/nowhere", 404),
    ] {
        let (status, _) = shop.control(method, path, String::new()).await;
        assert_eq!(status, expected, "{path}");
    }
}
