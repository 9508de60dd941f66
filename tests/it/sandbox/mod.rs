//! The sandbox over real HTTP: for every fault, what a client sees and what the book says.
//!
//! The client here is deliberately not refundd's: it signs with the shared signer and believes
//! nothing.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

mod control;
mod plain;
mod said;
mod wire;

use refundd::gateways::sign::{self, Params};
use refundd::sandbox::{Fault, On, Rule, Running, Sandbox, Settings};
use reqwest::Client;
use serde_json::Value;

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
