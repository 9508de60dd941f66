//! The dashboard in a real Chromium, over a real `refundd run`, a real Redis and the gateway sandbox.
//!
//! A test waits for what a person would wait for: that the page says something. What every page looks
//! like is kept in `target/screenshots/`.

mod acting;
mod entering;
mod looks;
mod watching;

use refundd::sandbox::{Fault, On, Rule};
use serde_json::Value;

use crate::support::browser::{Browser, Scheme};
use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

/// Width of a desk and of a telephone, CSS pixels.
const DESK: u32 = 1280;
const PHONE: u32 = 390;

/// A shop with one `refundd run`, and somebody who looks at its dashboard.
struct House {
    shop: Shop,
    address: String,
    browser: Browser,
}

impl House {
    /// On a desk, without tokens.
    async fn open() -> Self {
        Self::with(DESK, Scheme::Light, |toml| toml).await
    }

    /// With another screen and configuration.
    async fn with(width: u32, scheme: Scheme, edit: impl FnOnce(String) -> String) -> Self {
        let mut shop = Shop::open(gateway()).await;
        shop.configure(edit);
        let n = shop.run();
        let address = shop.ops(n).await;
        let browser = Browser::open(width, scheme).await;
        Self { shop, address, browser }
    }

    /// Goes to a page of the dashboard.
    async fn go(&self, path: &str) {
        self.browser.go(&format!("http://{}{path}", self.address)).await;
    }

    /// What the browser has complained about, but for answers with a status that the test has asked for.
    async fn complaints(&self) -> Vec<String> {
        let mut all = self.browser.complaints().await;
        all.retain(|line| !line.contains("Failed to load resource"));
        all
    }

    /// Pushes a refund over 5.00 CAD and waits for its result.
    async fn settle(&self, no: &str) {
        let before = self.shop.results_now().len();
        self.shop.push(&request(no, "shop-ca"));
        self.shop.results(before + 1).await;
    }

    /// Pushes a refund whose gateway tells another amount, so that it is parked.
    async fn park(&self, no: &str) {
        let lie = Rule::new(On::Queries, Fault::WrongAmount).refund_no(no);
        self.shop.sandbox.sandbox().add_fault(lie);
        self.settle(no).await;
    }

    /// What `refundd show NO --json` says.
    fn shown(&self, no: &str) -> Value {
        let shown = self.shop.call(&["show", no, "--json"]);
        serde_json::from_slice(&shown.stdout).expect("a refund as JSON")
    }

    /// The lines of the audit trail about a refund.
    fn audited(&self, no: &str) -> Vec<Value> {
        let told = String::from_utf8(self.shop.call(&["audit", "--json"]).stdout).expect("text");
        let lines = told.lines().map(|line| serde_json::from_str(line).expect("an audit line"));
        lines.filter(|line: &Value| line["subject"] == no).collect()
    }

    /// Waits until the address has this path.
    async fn arrives(&self, path: &str) {
        wait_until(&format!("the page {path}"), async || {
            (self.browser.path().await == path).then_some(())
        })
        .await;
    }
}
