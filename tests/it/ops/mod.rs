//! The ops server of a real `refundd run`, over HTTP.

mod acting;
mod callbacks;
mod enqueue;
mod fuzzed;
mod gate;
mod health;
mod pages;
mod stopping;

pub(crate) use gate::with_tokens;

use refundd::sandbox::Settings;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

/// A shop with one `refundd run`, and somebody who talks to it.
struct Desk {
    shop: Shop,
    address: String,
    client: Client,
}

/// What came back.
#[derive(Debug)]
struct Seen {
    status: u16,
    kind: String,
    retry_after: Option<String>,
    headers: reqwest::header::HeaderMap,
    body: Value,
    text: String,
}

impl Seen {
    async fn of(response: Response) -> Self {
        let headers = response.headers().clone();
        let text_of =
            |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let (kind, retry_after) =
            (text_of("content-type").unwrap_or_default(), text_of("retry-after"));
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self { status, kind, retry_after, headers, body, text }
    }

    /// Status, last word of the type, and field of a problem document.
    fn problem(&self) -> (u16, &str, &str) {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert!(self.body["title"].is_string() && self.body["detail"].is_string(), "{self:?}");
        let word = self.body["type"].as_str().unwrap().strip_prefix("urn:problem-type:refundd:");
        (self.status, word.unwrap(), self.body["field"].as_str().unwrap_or_default())
    }
}

impl Desk {
    /// Without tokens, at the pace of the tests.
    async fn open() -> Self {
        Self::with(|toml| toml).await
    }

    /// With another configuration.
    async fn with(edit: impl FnOnce(String) -> String) -> Self {
        Self::on(gateway(), edit).await
    }

    /// The same, on another gateway.
    async fn on(settings: Settings, edit: impl FnOnce(String) -> String) -> Self {
        let mut shop = Shop::open(settings).await;
        shop.configure(edit);
        let n = shop.run();
        let address = shop.ops(n).await;
        Self { shop, address, client: client() }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Seen::of(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Seen {
        self.ask(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Seen {
        let headers = [("content-type", "application/json")];
        self.ask(Method::POST, path, &headers, &body.to_string()).await
    }

    async fn push(&self, body: &Value) -> Seen {
        self.post("/v1/refunds", body).await
    }

    /// Waits until a refund is in that state, and returns it.
    async fn reaches(&self, refund_no: &str, state: &str) -> Value {
        wait_until(&format!("{refund_no} to be {state}"), async || {
            let seen = self.get(&format!("/v1/refunds/{refund_no}")).await;
            (seen.body["state"] == state).then_some(seen.body)
        })
        .await
    }
}

fn client() -> Client {
    // The first test installs it; for the others it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().tls_certs_only([]).no_proxy().redirect(Policy::none());
    client.retry(reqwest::retry::never()).build().unwrap()
}

/// A good request with one field changed.
fn with(refund_no: &str, name: &str, value: Value) -> Value {
    let mut request = request(refund_no, "shop-ca");
    request[name] = value;
    request
}

/// The body of an action.
fn because(version: &Value) -> Value {
    json!({"reason": "the payer called", "version": version})
}
