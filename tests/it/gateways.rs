//! The gateway adapters against a server on this machine: exact request bytes, call counts, and
//! every way in which an answer can fail to come.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

#[path = "gateways_http.rs"]
mod http;
#[path = "gateways_requests.rs"]
mod requests;
#[path = "gateways_server.rs"]
mod server;

use refundd::domain::{
    AccountName, AmountCents, Currency, GatewayName, GatewayOrderNo, OrderNo, Refund, RefundNo,
    UnixMillis, refund::OrderRef,
};
use refundd::gateways::http::{Client, Settings};

/// The signing family's public example key.
const KEY: &str = "192006250b4c09247ec02edce69f6a2d";

/// A client that gives up fast.
fn client() -> Client {
    Client::new(&Settings {
        connect_timeout_ms: 2_000,
        timeout_ms: 5_000,
        body_max_bytes: 4_096,
        ..Settings::default()
    })
    .unwrap()
}

fn name(text: &str) -> GatewayName {
    GatewayName::parse(text).unwrap()
}

/// A refund of 5.00 with all that any gateway wants, and signs in it that a form could trip over.
fn refund() -> Refund {
    Refund {
        refund_no: RefundNo::parse("R20261122-0001").unwrap(),
        account: AccountName::parse("shop").unwrap(),
        amount: AmountCents::new(500).unwrap(),
        currency: Currency::parse("CAD").unwrap(),
        order: OrderRef::new(
            Some(GatewayOrderNo::parse("U0018&x=1+2%3").unwrap()),
            Some(OrderNo::parse("O-1").unwrap()),
            AmountCents::new(900).ok(),
        )
        .unwrap(),
        reason: Some("late".to_owned()),
        client_ip: None,
        device: None,
        requested_at: Some(UnixMillis::new(1)),
        not_before: None,
        metadata: None,
    }
}
