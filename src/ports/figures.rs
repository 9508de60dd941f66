//! What people who watch want to know: how much money is where, for how long, what became of it, and who
//! works on it. All of it is kept beside the refunds, is the same in every process, and survives them.
//!
//! Nothing here decides about money. The scripts keep the counts in the same writes that move refunds,
//! but a count that cannot be kept never stops one.

use std::fmt::Debug;

use async_trait::async_trait;

use super::LedgerError;
use super::ops::Counts;
use super::views::Stored;
use crate::domain::state::{Outcome, RefundState, StateKind};
use crate::domain::{AccountName, Currency, GatewayName, RefundRecord, UnixMillis};

/// Where a refund is counted. A refund is in one bin at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bin {
    /// Its stored state: one that is being submitted counts as requested until the answer is in.
    pub state: StateKind,
    /// Why it is parked, or how it ended; empty for other states.
    pub detail: &'static str,
    /// The account that pays.
    pub account: AccountName,
    /// Of the amount.
    pub currency: Currency,
}

impl Bin {
    /// The bin of a record.
    pub fn of(record: &RefundRecord) -> Self {
        let (state, detail) = match &record.state {
            RefundState::Submitting { .. } => (StateKind::Requested, ""),
            RefundState::Parked(parking) => (StateKind::Parked, parking.cause.as_str()),
            RefundState::Settled(end) => (StateKind::Settled, end.outcome.as_str()),
            RefundState::Requested { .. }
            | RefundState::Unconfirmed { .. }
            | RefundState::Refused { .. }
            | RefundState::Processing { .. } => (record.state.kind(), ""),
        };
        let (account, currency) = (record.refund.account.clone(), record.refund.currency);
        Self { state, detail, account, currency }
    }
}

/// How much is in a bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Which bin.
    pub bin: Bin,
    /// How many refunds.
    pub refunds: u64,
    /// Their sum, minor units of the bin's currency.
    pub amount_cents: u64,
}

/// Upper bounds of the settle times that are counted apart, ms; one more count is for longer ones.
pub const SETTLE_BOUNDS_MS: [u64; 15] = [
    500,
    1_000,
    2_500,
    5_000,
    15_000,
    30_000,
    60_000,
    300_000,
    900_000,
    3_600_000,
    21_600_000,
    86_400_000,
    259_200_000,
    604_800_000,
    2_592_000_000,
];

/// Refunds that have ended with one outcome, by how long they took from admission to their first final
/// result. Only ever rises: a correction counts again, a refund that is forgotten stays counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How they ended.
    pub outcome: Outcome,
    /// How many took as long as the bound of the same place in [`SETTLE_BOUNDS_MS`] at most, and longer
    /// than the one before; the last: longer than all.
    pub took: [u64; SETTLE_BOUNDS_MS.len() + 1],
}

/// A consumer group of the results stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsGroup {
    /// Its name.
    pub name: String,
    /// Results that it has not been given yet; `None` if Redis cannot tell.
    pub lag: Option<u64>,
    /// Results that it was given and has not acknowledged.
    pub pending: u64,
    /// When its oldest unread or unacknowledged result was published; `None` if there is none.
    pub oldest_at: Option<UnixMillis>,
}

/// Everything that is counted, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// When it was read, by the one clock.
    pub at: UnixMillis,
    /// The cheap counts.
    pub counts: Counts,
    /// Bins that hold something, in order.
    pub levels: Vec<Level>,
    /// When the oldest refund of a state was admitted, for the states that are not final.
    pub oldest: Vec<(StateKind, UnixMillis)>,
    /// What has ended since the counting began.
    pub ended: Vec<Ended>,
    /// When the oldest request was pushed that is not taken in yet.
    pub oldest_request: Option<UnixMillis>,
    /// Who reads results.
    pub groups: Vec<ResultsGroup>,
    /// How often Redis was found to have lost writes.
    pub losses: u64,
    /// When it last was.
    pub lost_at: Option<UnixMillis>,
}

/// What is kept of one minute, for charts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The beginning of the minute.
    pub at: UnixMillis,
    /// Refunds that have not ended, parked ones included.
    pub unsettled: u64,
    /// Parked ones.
    pub parked: u64,
    /// Unconfirmed ones.
    pub unconfirmed: u64,
    /// Refunds whose step has been due for too long.
    pub overdue: u64,
    /// Requests that were not taken in.
    pub backlog: u64,
    /// When the oldest refund was admitted that had not ended and was not parked.
    pub oldest_at: Option<UnixMillis>,
    /// What had ended until then: the difference of two samples is what ended in between.
    pub ended: Vec<Ended>,
}

/// What one process says of itself, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The worker's name.
    pub worker: String,
    /// Of refundd.
    pub version: String,
    /// When it started.
    pub started_at: UnixMillis,
    /// When it said this.
    pub at: UnixMillis,
    /// How many refunds it holds at this moment.
    pub holds: u64,
    /// How it finds the gateways.
    pub gateways: Vec<GatewayReport>,
}

/// How a process finds one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayReport {
    /// The `[gateways.*]` entry.
    pub gateway: String,
    /// Whether its breaker lets no submit through.
    pub breaker_open: bool,
    /// Calls that a limit has put off in the last [`TRAFFIC_MS`].
    pub put_off: u64,
    /// Calls of the last [`TRAFFIC_MS`], by call, class of the answer, and the gateway's code or nothing.
    pub calls: Vec<Calls>,
}

/// How many calls were answered alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// `submit` or `query`.
    pub call: String,
    /// `accepted`, `found`, `not_found`, or the class of the error.
    pub outcome: String,
    /// The gateway's own code, the HTTP status, or empty.
    pub code: String,
    /// How many.
    pub count: u64,
}

impl Calls {
    /// Whether the gateway did what it was asked, whatever that means for the refund.
    pub fn is_answered(&self) -> bool {
        matches!(self.outcome.as_str(), "accepted" | "found" | "not_found" | "refused")
    }
}

/// How far back reports count calls, ms.
pub const TRAFFIC_MS: u64 = 300_000;

/// How often a process says how it is, ms.
pub const REPORT_EVERY_MS: u64 = 5_000;

/// A process that has said nothing for longer is taken for gone, ms.
pub const GONE_MS: u64 = 30_000;

/// How often a sample is taken, ms.
pub const SAMPLE_EVERY_MS: u64 = 60_000;

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its id in the stream.
    pub id: String,
    /// What it says, as field and value, in the order in which it was written.
    pub fields: Vec<(String, String)>,
}

impl AuditLine {
    /// When it was written, by the clock of Redis.
    pub fn at(&self) -> Option<UnixMillis> {
        self.id.split('-').next()?.parse().ok().map(UnixMillis::new)
    }

    /// The value of a field; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// Where people who watch read.
#[async_trait]
pub trait Watch: Send + Sync + Debug {
    /// Counts. Reads no record, so it costs the same for ten refunds and ten million.
    async fn figures(&self, now: UnixMillis) -> Result<Figures, LedgerError>;

    /// Keeps a sample, if nobody else has kept one for that minute; about the newest 43,200 (thirty
    /// days) stay. Harmless to repeat.
    async fn keep_sample(&self, sample: &Sample) -> Result<(), LedgerError>;

    /// About `most` samples since `since`, evenly spread, oldest first.
    async fn history(
        &self,
        since: UnixMillis,
        now: UnixMillis,
        most: u32,
    ) -> Result<Vec<Sample>, LedgerError>;

    /// Keeps what a process says of itself in place of what it said before. Forgets processes that have
    /// said nothing for a day.
    async fn keep_report(&self, report: &Report) -> Result<(), LedgerError>;

    /// What every process said last, newest start first.
    async fn reports(&self) -> Result<Vec<Report>, LedgerError>;

    /// Lines of the audit trail, newest first, older than the line `before` if that is given.
    async fn audit(&self, before: Option<&str>, most: usize)
    -> Result<Vec<AuditLine>, LedgerError>;

    /// Refunds with this refund number, gateway refund number, or one of the two numbers of an order, at
    /// any of the gateways; at most 100.
    async fn search(&self, text: &str, scopes: &[GatewayName]) -> Result<Vec<Stored>, LedgerError>;
}
