//! The numbers an account may choose. Read from the configuration, then only passed along.

/// How often to ask, and for how long (`[accounts.*.poll]`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PollPolicy {
    /// First delay, ms.
    pub initial_ms: u64,
    /// Growth of the delay from one poll to the next, at least 1.
    pub multiplier: f64,
    /// Longest delay, ms.
    pub max_ms: u64,
    /// Share of a delay that is spread: 0.2 means from 80 % to 120 %. From 0 to 1.
    pub jitter: f64,
    /// How long to go on asking before a person is told, ms. Then the refund is parked.
    pub horizon_ms: u64,
    /// How often a parked refund is still asked about, ms.
    pub parked_ms: u64,
}

/// What to do after a submit whose outcome is unknown (`[accounts.*.unknown]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPolicy {
    /// Delay of the first query, ms.
    pub first_query_ms: u64,
    /// "Not found" answers needed before absence is believed.
    pub not_found_min: u32,
    /// Time the answers must span, ms: how long a gateway may take to show a refund it has.
    pub visibility_ms: u64,
    /// Guarded resubmits of the same number, at most.
    pub resubmits_max: u32,
}

/// What a gateway does with a refund number that it has seen before (`duplicate_refund_no`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Nobody has certified it: never resubmit, park instead. The default.
    Unknown,
    /// It answers with the first result and moves no more money.
    Replays,
    /// It refuses the number and moves no more money.
    Rejects,
}

impl Duplicates {
    /// Whether a resend of the same number is known to be harmless.
    pub const fn is_certified(self) -> bool {
        matches!(self, Self::Replays | Self::Rejects)
    }
}

/// How many calls may be made for an account, or to a gateway (`[accounts.*.limits]`,
/// `[gateways.*.limits]`). Holds in each process by itself. `None`: as many as come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallLimits {
    /// Calls under way at once, submits and queries together, at least 1.
    pub concurrency: Option<u32>,
    /// Least time from one submit to the next, ms, at least 1.
    pub submit_every_ms: Option<u64>,
    /// Least time from one query to the next, ms, at least 1.
    pub query_every_ms: Option<u64>,
}

/// All that an account decides about the pace of its refunds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Polls of a refund that the gateway holds.
    pub poll: PollPolicy,
    /// Queries after an unknown outcome.
    pub unknown: UnknownPolicy,
    /// Whether a guarded resubmit is allowed at all.
    pub duplicates: Duplicates,
    /// First delay after a submit that provably did not happen, ms; doubles up to `retry_max_ms`.
    pub retry_initial_ms: u64,
    /// Longest such delay, ms.
    pub retry_max_ms: u64,
    /// Least time between two refunds of one order, ms.
    ///
    /// Source: WeChat Pay asks for one minute between refunds of the same order
    /// (pay.weixin.qq.com, merchant document 4011984122, read 2026-11).
    pub order_gap_ms: u64,
    /// Crashes or panics while handling one refund before it is set aside.
    pub poison_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            poll: PollPolicy {
                initial_ms: 5_000,
                multiplier: 2.0,
                max_ms: 21_600_000,
                jitter: 0.2,
                horizon_ms: 1_296_000_000,
                parked_ms: 86_400_000,
            },
            unknown: UnknownPolicy {
                first_query_ms: 5_000,
                not_found_min: 3,
                visibility_ms: 600_000,
                resubmits_max: 2,
            },
            duplicates: Duplicates::Unknown,
            retry_initial_ms: 1_000,
            retry_max_ms: 300_000,
            order_gap_ms: 60_000,
            poison_max: 3,
        }
    }
}
