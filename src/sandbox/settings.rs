//! What kind of gateway the sandbox plays.
//!
//! Plain data with a JSON form; an unknown name is an error, so that a misspelt setting cannot
//! make a test pass for the wrong reason.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::faults::FaultPlan;

/// All settings of one sandbox. Every field has a default, so `{}` is a well-behaved gateway that
/// knows no orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to listen. Port 0, the default, lets the system pick one on the loopback address.
    ///
    /// The control paths have no password: leave the loopback address only where nobody else can
    /// reach the port.
    pub listen: SocketAddr,
    /// What happens when a refund number is submitted again. Default [`Duplicates::Replays`].
    pub duplicates: Duplicates,
    /// What was paid, in cents, for an order that nobody added: it then exists, paid, from its
    /// first use on. `None`, the default: unknown orders are refused.
    pub auto_orders: Option<u64>,
    /// How long an accepted refund stays in processing, ms. Default 0.
    pub settle_after_ms: u64,
    /// How many queries of an accepted refund answer PROCESSING before one may show the end,
    /// whatever the time. Default 0. Counts down only while the refund is asked for by itself.
    pub processing_polls: u32,
    /// Which lines an iOnline Pay query by refund number returns. Default [`Lines::OwnOnly`].
    pub lines: Lines,
    /// Whether the moment of each request is kept, for `GET /arrivals`. Default `false`: the list grows
    /// for as long as the sandbox runs.
    pub arrivals: bool,
    /// The IOTPay side.
    pub iotpay: Iotpay,
    /// The iOnline Pay side.
    pub ionlinepay: Ionlinepay,
    /// The faults that are on from the start. Default none.
    pub faults: FaultPlan,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            duplicates: Duplicates::Replays,
            auto_orders: None,
            settle_after_ms: 0,
            processing_polls: 0,
            lines: Lines::OwnOnly,
            arrivals: false,
            iotpay: Iotpay::default(),
            ionlinepay: Ionlinepay::default(),
            faults: FaultPlan::default(),
        }
    }
}

/// What the gateway does with a refund number that it has taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// Answers with the first refund, as WeChat Pay v2 does; no money moves. The same number with
    /// another amount or order is refused.
    Replays,
    /// Refuses it with a failure that does not say what became of the first one, as the upstream
    /// code of IOTPay does.
    Rejects,
    /// Pays a second time, at once and without looking at what is left of the order. No gateway
    /// that may be used does this: it is here to show that the book catches it.
    PaysAgain,
}

/// Which lines a query by refund number returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    /// One line, `$n` = 0: the refund that was asked for.
    OwnOnly,
    /// All refunds of the order, with the one that was asked for as the last line: whoever reads
    /// `_0` reads a stranger's.
    WholeOrder,
}

/// The IOTPay side: merchant, key and what its public pages leave open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Iotpay {
    /// The only merchant (`mchId`) that is known. Default `10000576`, from the vendor's sample.
    pub merchant_id: String,
    /// Its signing key. Default `sandbox-iotpay-key`; invented, never put a real one here.
    pub key: String,
    /// The path of the refund query. Default `/v1/query_refund`: assumed, not documented.
    pub query_path: String,
    /// Whether query answers carry `resCode`. Default `false`, as upstream.
    pub query_res_code: bool,
    /// How a query says that it knows no such refund. `None`, the default: `retCode` FAIL, words and
    /// no code, unsigned, as upstream. With a code: `resCode` FAIL and that `errCode`, signed.
    pub not_found_code: Option<String>,
}

impl Default for Iotpay {
    fn default() -> Self {
        Self {
            merchant_id: "10000576".to_owned(),
            key: "sandbox-iotpay-key".to_owned(),
            query_path: "/v1/query_refund".to_owned(),
            query_res_code: false,
            not_found_code: None,
        }
    }
}

/// The iOnline Pay side: merchant and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ionlinepay {
    /// The only merchant (`mch_id`) that is known. Default `sandbox-hk`.
    pub merchant_id: String,
    /// Its signing key. Default `sandbox-ionlinepay-key`; invented, never put a real one here.
    pub key: String,
}

impl Default for Ionlinepay {
    fn default() -> Self {
        Self { merchant_id: "sandbox-hk".to_owned(), key: "sandbox-ionlinepay-key".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_the_default_and_a_misspelt_name_is_refused() {
        let read: Settings = serde_json::from_str("{}").unwrap();
        assert_eq!(read, Settings::default());
        let text = r#"{"duplicates":"pays_again","lines":"whole_order","iotpay":{"key":"k"}}"#;
        let read: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(read.duplicates, Duplicates::PaysAgain);
        assert_eq!(read.iotpay.merchant_id, "10000576");
        for bad in [r#"{"duplicate":"replays"}"#, r#"{"iotpay":{"mch":"1"}}"#] {
            assert!(serde_json::from_str::<Settings>(bad).is_err(), "{bad}");
        }
    }
}
