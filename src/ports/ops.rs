//! What the ops server needs to know of the parts that run beside it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use super::LedgerError;
use crate::domain::{GatewayName, RefundNo, UnixMillis};

/// How much the ledger holds; each number is one cheap command, whatever it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Refunds, ended ones included.
    pub stored: u64,
    /// Refunds that need attention some day.
    pub open: u64,
    /// Refunds whose due time or lease has passed.
    pub due: u64,
    /// The same, by more than [`OVERDUE_MS`].
    pub overdue: u64,
    /// Refunds that wait for another one of their order.
    pub waiting: u64,
    /// Refunds that a worker holds.
    pub leased: u64,
    /// Refunds that have settled and are still kept.
    pub settled: u64,
    /// Requests that are not taken in yet.
    pub backlog: u64,
    /// The earliest due time or end of a lease.
    pub oldest_due: Option<UnixMillis>,
}

/// A step that has been due for longer is overdue, ms.
pub const OVERDUE_MS: u64 = 10_000;

/// When the workers last heard from the ledger: a claim answered, or a commit confirmed.
///
/// Workers that are all busy claim nothing; then their commits show that they live.
#[derive(Debug)]
pub struct Pulse(AtomicI64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Pulse {
    /// The ledger has answered at `now`.
    pub fn beat(&self, now: UnixMillis) {
        self.0.fetch_max(now.get(), Ordering::Relaxed);
    }

    /// When it answered last; `None` if it never did.
    pub fn last(&self) -> Option<UnixMillis> {
        let last = self.0.load(Ordering::Relaxed);
        (last != i64::MIN).then(|| UnixMillis::new(last))
    }
}

/// Whether the store is fit to keep refunds.
#[async_trait]
pub trait Fitness: Send + Sync + Debug {
    /// Looks anew.
    ///
    /// # Errors
    /// [`LedgerError::Unfit`] says what to change; [`LedgerError::Unavailable`] if it does not answer.
    async fn fit(&self) -> Result<(), LedgerError>;
}

/// Reads what a gateway says unasked.
///
/// A notice never changes a refund. It is a hint to ask the gateway, and only a signature makes it
/// worth a question.
pub trait RefundNotice: Send + Sync + Debug {
    /// The `[gateways.*]` entry that sends such notices.
    fn gateway(&self) -> &GatewayName;

    /// The refund that a notice is about.
    ///
    /// # Errors
    /// [`NoticeError`]; nothing may be concluded from the notice then.
    fn notified(&self, body: &[u8]) -> Result<RefundNo, NoticeError>;

    /// The text that tells the gateway not to send the notice again.
    fn acknowledgement(&self) -> &'static str;
}

/// Why a notice is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// It is not a notice of this protocol.
    #[error("the notice cannot be read: {0}")]
    Unreadable(String),
    /// Its signature is missing or wrong, or it is for another merchant. A security alarm.
    #[error("the notice is not the gateway's: {0}")]
    Forged(String),
}
