//! The settings of a merchant account. Their defaults are the domain's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::AccountCalls;
use super::model::TEN_YEARS_MS;
use crate::domain::policy::{Duplicates, Policy, PollPolicy, UnknownPolicy};

/// `[accounts.*]`: one merchant account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The only currency it refunds in.
    pub currency: String,
    /// Sent where a gateway wants the payer's address and the request has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    /// The gateway it submits to.
    pub submit: String,
    /// The gateway it asks; the one it submits to without another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What the gateway does with a refund number that it has seen before.
    #[serde(default)]
    pub duplicate_refund_no: DuplicateRefundNo,
    /// Least time between two refunds of one order, ms.
    #[serde(default = "order_gap_ms")]
    #[schemars(range(min = 0, max = 86_400_000))]
    pub order_gap_ms: u64,
    /// Crashes while handling one refund before it is set aside.
    #[serde(default = "poison_max")]
    #[schemars(range(min = 1, max = 100))]
    pub poison_max: u32,
    /// How often to ask, and for how long.
    #[serde(default)]
    pub poll: Poll,
    /// What to do after a submit whose outcome is unknown.
    #[serde(default)]
    pub unknown: Unknown,
    /// When to submit again after a submit that provably did not happen.
    #[serde(default)]
    pub retry: Retry,
    /// How many calls one process makes for it, and how much money is sent for it in a day.
    #[serde(default)]
    pub limits: AccountCalls,
}

fn order_gap_ms() -> u64 {
    Policy::default().order_gap_ms
}

fn poison_max() -> u32 {
    Policy::default().poison_max
}

impl AccountSettings {
    /// The pace of the account, in the domain's terms.
    pub fn policy(&self) -> Policy {
        Policy {
            poll: PollPolicy {
                initial_ms: self.poll.initial_ms,
                multiplier: self.poll.multiplier,
                max_ms: self.poll.max_ms,
                jitter: self.poll.jitter,
                horizon_ms: self.poll.horizon_ms,
                parked_ms: self.poll.parked_ms,
            },
            unknown: UnknownPolicy {
                first_query_ms: self.unknown.first_query_ms,
                not_found_min: self.unknown.not_found_min,
                visibility_ms: self.unknown.visibility_ms,
                resubmits_max: self.unknown.resubmits_max,
            },
            duplicates: match self.duplicate_refund_no {
                DuplicateRefundNo::Unknown => Duplicates::Unknown,
                DuplicateRefundNo::Replays => Duplicates::Replays,
                DuplicateRefundNo::Rejects => Duplicates::Rejects,
            },
            retry_initial_ms: self.retry.initial_ms,
            retry_max_ms: self.retry.max_ms,
            order_gap_ms: self.order_gap_ms,
            poison_max: self.poison_max,
        }
    }
}

/// What a gateway does with a refund number that it has seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateRefundNo {
    /// Nobody has certified it: never resubmit, park instead.
    #[default]
    Unknown,
    /// It answers with the first result and moves no more money.
    Replays,
    /// It refuses the number and moves no more money.
    Rejects,
}

/// `[accounts.*.poll]`: how often to ask, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Poll {
    /// First delay, ms.
    #[schemars(range(min = 10, max = 86_400_000))]
    pub initial_ms: u64,
    /// Growth of the delay from one poll to the next.
    #[schemars(range(min = 1, max = 100))]
    pub multiplier: f64,
    /// Longest delay, ms.
    #[schemars(range(min = 10, max = 604_800_000))]
    pub max_ms: u64,
    /// Share of a delay that is spread.
    #[schemars(range(min = 0, max = 1))]
    pub jitter: f64,
    /// How long to go on asking before a person is told, ms.
    #[schemars(range(min = 1_000, max = TEN_YEARS_MS))]
    pub horizon_ms: u64,
    /// How often a parked refund is still asked about, ms.
    #[schemars(range(min = 1_000, max = TEN_YEARS_MS))]
    pub parked_ms: u64,
}

impl Default for Poll {
    fn default() -> Self {
        let poll = Policy::default().poll;
        Self {
            initial_ms: poll.initial_ms,
            multiplier: poll.multiplier,
            max_ms: poll.max_ms,
            jitter: poll.jitter,
            horizon_ms: poll.horizon_ms,
            parked_ms: poll.parked_ms,
        }
    }
}

/// `[accounts.*.unknown]`: what to do after a submit whose outcome is unknown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unknown {
    /// Delay of the first query, ms.
    #[schemars(range(min = 10, max = 86_400_000))]
    pub first_query_ms: u64,
    /// "Not found" answers needed before absence is believed.
    #[schemars(range(min = 1, max = 100))]
    pub not_found_min: u32,
    /// Time that the answers must span, ms.
    #[schemars(range(min = 0, max = 604_800_000))]
    pub visibility_ms: u64,
    /// Guarded resubmits of the same number, at most.
    #[schemars(range(min = 0, max = 10))]
    pub resubmits_max: u32,
}

impl Default for Unknown {
    fn default() -> Self {
        let unknown = Policy::default().unknown;
        Self {
            first_query_ms: unknown.first_query_ms,
            not_found_min: unknown.not_found_min,
            visibility_ms: unknown.visibility_ms,
            resubmits_max: unknown.resubmits_max,
        }
    }
}

/// `[accounts.*.retry]`: when to submit again after a submit that provably did not happen.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// First delay, ms; doubles each time.
    #[schemars(range(min = 10, max = 86_400_000))]
    pub initial_ms: u64,
    /// Longest delay, ms.
    #[schemars(range(min = 10, max = 604_800_000))]
    pub max_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        let policy = Policy::default();
        Self { initial_ms: policy.retry_initial_ms, max_ms: policy.retry_max_ms }
    }
}
