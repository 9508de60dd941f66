//! The settings that limit calls. A limit that is left out is none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::breaker::BreakerPolicy;
use crate::domain::policy::CallLimits;

/// `[gateways.*.limits]`: how many calls one process makes to a gateway, all accounts together.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayCalls {
    /// Calls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: Option<u32>,
    /// Submits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1_000))]
    pub submit_per_s: Option<f64>,
    /// Queries a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1_000))]
    pub query_per_s: Option<f64>,
}

/// `[accounts.*.limits]`: how many calls one process makes for an account, and how much money all
/// processes together send for it in a day.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountCalls {
    /// Calls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: Option<u32>,
    /// Submits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1_000))]
    pub submit_per_s: Option<f64>,
    /// Queries a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1_000))]
    pub query_per_s: Option<f64>,
    /// The most that is sent in one day (UTC), minor units of the account's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000_000_000_u64))]
    pub daily_cents: Option<u64>,
}

/// `[gateways.*.breaker]`: when submits to a gateway stop that does not answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Submits in a row without an understood answer.
    #[schemars(range(min = 1, max = 1_000))]
    pub failures: u32,
    /// How long submits stop then, ms.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub open_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let BreakerPolicy { failures, open_ms } = BreakerPolicy::default();
        Self { failures, open_ms }
    }
}

impl GatewayCalls {
    /// The limits in the domain's terms.
    pub fn calls(&self) -> CallLimits {
        calls(self.concurrency, self.submit_per_s, self.query_per_s)
    }
}

impl AccountCalls {
    /// The limits in the domain's terms.
    pub fn calls(&self) -> CallLimits {
        calls(self.concurrency, self.submit_per_s, self.query_per_s)
    }
}

impl BreakerSettings {
    /// The breaker in the domain's terms.
    pub const fn policy(&self) -> BreakerPolicy {
        BreakerPolicy { failures: self.failures, open_ms: self.open_ms }
    }
}

fn calls(concurrency: Option<u32>, submits: Option<f64>, queries: Option<f64>) -> CallLimits {
    CallLimits {
        concurrency,
        submit_every_ms: submits.map(every_ms),
        query_every_ms: queries.map(every_ms),
    }
}

/// The least time between two calls, ms. Rounded up: the rate is never exceeded.
#[expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate from 0.001 to 1000 by its range, not money: the result is from 1 to 1,000,000"
)]
fn every_ms(per_s: f64) -> u64 {
    (1_000.0 / per_s).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_least_distance_that_is_rounded_up() {
        for (per_s, ms) in [(1_000.0, 1), (600.0, 2), (10.0, 100), (3.0, 334), (0.5, 2_000)] {
            assert_eq!(every_ms(per_s), ms, "{per_s}");
        }
        assert_eq!(every_ms(0.001), 1_000_000);
    }
}
