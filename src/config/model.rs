//! The settings as types, one struct a concern. Their JSON Schema, generated from here, is what the
//! configuration is checked against: names, types and ranges are stated once.
//!
//! Where `config/default.toml` gives a value there is no default here. Accounts and gateways have
//! none in that file, because an install has none until somebody writes them; their defaults are
//! the domain's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::account::{AccountSettings, DuplicateRefundNo, Poll, Retry, Unknown};
pub use super::limits::{AccountCalls, BreakerSettings, GatewayCalls};
use super::secret::SecretUrl;
use crate::domain::evidence::StatusWord;

/// Longest time that any setting may name: ten years, in ms. A typing error, not a wish, goes beyond.
pub(super) const TEN_YEARS_MS: u64 = 315_360_000_000;

/// All settings, as the layers give them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where refunds are kept.
    pub redis: Redis,
    /// How they are worked on.
    pub worker: Worker,
    /// How requests are taken in.
    pub intake: Intake,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// Dashboard, API and metrics.
    pub ops: Ops,
    /// What is logged.
    pub log: Log,
    /// Where spans are sent.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// The gateways, by name.
    #[serde(default)]
    pub gateways: BTreeMap<String, GatewaySettings>,
    /// The merchant accounts, by name.
    #[serde(default)]
    pub accounts: BTreeMap<String, AccountSettings>,
}

/// `[redis]`: where refunds are kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Address of the Redis; without one refundd starts a private one in `data_dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// First part of every key, in braces, so that all of them share one hash slot.
    pub namespace: String,
    /// Folder of the private Redis; relative to the working directory.
    #[schemars(length(min = 1))]
    pub data_dir: String,
}

/// `[worker]`: how refunds are worked on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Refunds that one process works on at the same time.
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: u32,
    /// How long a worker may hold a refund, ms.
    #[schemars(range(min = 1_000, max = 600_000))]
    pub lease_ms: u64,
    /// How long a stop waits for answers that are under way, ms.
    #[schemars(range(min = 0, max = 600_000))]
    pub shutdown_ms: u64,
}

/// `[intake]`: how requests are taken in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// Requests taken in by one write.
    #[schemars(range(min = 1, max = 500))]
    pub batch: u32,
    /// After this time a request that a dead process has read is read again, ms.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    pub reclaim_idle_ms: u64,
}

/// `[retention]`: how long what has ended is kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Settled refunds, ms. Until then a repeated refund number is known.
    #[schemars(range(min = 86_400_000, max = TEN_YEARS_MS))]
    pub settled_ms: u64,
    /// Results that every consumer group has read, ms.
    #[schemars(range(min = 60_000, max = TEN_YEARS_MS))]
    pub results_ms: u64,
}

/// `[ops]`: dashboard, API and metrics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    /// Address and port; port 0 picks a free one.
    pub listen: String,
    /// Who may do what, by name of the token.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
}

/// `[ops.tokens.*]`: one access token, known by its hash only.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the token, 64 hexadecimal digits.
    pub sha256: String,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To look.
    Read,
    /// To look and to enqueue refunds.
    Enqueue,
    /// Everything.
    Operate,
}

/// `[log]`: what is logged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A filter such as `info` or `refundd=debug,warn`.
    #[schemars(length(min = 1))]
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// `[telemetry]`: where spans are sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP; without one nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<SecretUrl>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// The protocol of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// IOTPay's general orders: WeChat Pay, Alipay, UnionPay.
    Iotpay,
    /// IOTPay's credit cards; named, not supported yet.
    IotpayCard,
    /// iOnline Pay.
    Ionlinepay,
}

impl Protocol {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iotpay => "iotpay",
            Self::IotpayCard => "iotpay_card",
            Self::Ionlinepay => "ionlinepay",
        }
    }
}

/// `[gateways.*]`: one address with one protocol. What is left out is as the protocol has it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// The protocol it speaks.
    pub protocol: Protocol,
    /// Its address: https, or http on a loopback address.
    pub base_url: String,
    /// The merchant id that the gateway gave.
    #[schemars(length(min = 1))]
    pub merchant_id: String,
    /// iotpay: the merchant's login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub login_name: Option<String>,
    /// File that holds the signing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub key_file: Option<String>,
    /// Environment variable that holds the signing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub key_env: Option<String>,
    /// Longest look-up, connect and TLS handshake, ms.
    #[serde(default = "connect_timeout_ms")]
    #[schemars(range(min = 100, max = 60_000))]
    pub connect_timeout_ms: u64,
    /// Longest whole call, ms.
    #[serde(default = "timeout_ms")]
    #[schemars(range(min = 500, max = 300_000))]
    pub timeout_ms: u64,
    /// How many calls one process makes to it.
    #[serde(default)]
    pub limits: GatewayCalls,
    /// When submits to it stop.
    #[serde(default)]
    pub breaker: BreakerSettings,
    /// iotpay: path of the refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit_path: Option<String>,
    /// iotpay: path of the refund query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_path: Option<String>,
    /// iotpay: field in which the query names our refund number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub query_id_field: Option<String>,
    /// iotpay: what a numeric status means; replaces the whole list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_map: Option<BTreeMap<String, StatusMeaning>>,
    /// iotpay: codes that say "no such refund"; replaces the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_codes: Option<Vec<String>>,
    /// iotpay: texts that say the same where there is no code; replaces the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_texts: Option<Vec<String>>,
    /// iotpay: whether the currency is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_currency: Option<bool>,
    /// ionlinepay: the service that refunds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub refund_service: Option<String>,
    /// ionlinepay: the service that answers about refunds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub query_service: Option<String>,
    /// ionlinepay: the operator named in a refund; the merchant id without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub op_user_id: Option<String>,
    /// ionlinepay: whether the reason of a refund is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_reason: Option<bool>,
}

const fn connect_timeout_ms() -> u64 {
    3_000
}

const fn timeout_ms() -> u64 {
    15_000
}

impl GatewaySettings {
    /// Longest a call can take, ms: connect and total.
    pub const fn longest_call_ms(&self) -> u64 {
        self.connect_timeout_ms.saturating_add(self.timeout_ms)
    }

    /// The status map in the domain's words, if there is one.
    pub fn status_words(&self) -> Option<BTreeMap<String, StatusWord>> {
        let map = self.status_map.as_ref()?;
        let words = map.iter().map(|(status, word)| (status.clone(), (*word).into()));
        Some(words.collect())
    }
}

/// What a status of a gateway means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusMeaning {
    /// The money has gone back to the payer.
    Success,
    /// The gateway gave up; no money moved.
    Failed,
    /// The gateway calls it failed, which proves nothing: a person must find out.
    FailedUnproven,
    /// The gateway is still at it.
    Processing,
    /// The gateway itself does not know.
    NotSure,
    /// The money went back to the merchant's account.
    Abnormal,
}

impl From<StatusMeaning> for StatusWord {
    fn from(meaning: StatusMeaning) -> Self {
        match meaning {
            StatusMeaning::Success => Self::Success,
            StatusMeaning::Failed => Self::Failed,
            StatusMeaning::FailedUnproven => Self::FailedUnproven,
            StatusMeaning::Processing => Self::Processing,
            StatusMeaning::NotSure => Self::NotSure,
            StatusMeaning::Abnormal => Self::Abnormal,
        }
    }
}
