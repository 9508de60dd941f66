//! What people do to refunds, as the ledger stores it: always with a line in the audit trail.

use crate::domain::order::OrderChange;
use crate::domain::step::Plan;
use crate::domain::{AccountName, RefundRecord, UnixMillis};

use super::ledger::{Publication, Stored};

/// A change that a person makes to a refund, computed by the domain from what they saw.
#[derive(Debug, Clone)]
pub struct Act {
    /// The refund as it was read; nothing is written if it has changed since, or
    /// the ledger has lost writes since.
    pub seen: Stored,
    /// The record to store.
    pub record: RefundRecord,
    /// When it needs attention next.
    pub plan: Plan,
    /// The result to publish in the same write.
    pub result: Option<Publication>,
    /// What this means for its order.
    pub order: Option<OrderChange>,
    /// The line for the audit trail, written with it.
    pub audit: Audit,
}

/// One line of the audit trail: what a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// `check`, `release`, `resolve`, `abandon`, `pause` or `resume`.
    pub action: &'static str,
    /// The refund, or the account for pause and resume; `*` for all accounts.
    pub subject: String,
    /// Who.
    pub who: String,
    /// Their words for why.
    pub reason: String,
    /// What changed, such as `parked -> unconfirmed`.
    pub change: String,
}

/// What became of an [`Act`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acted {
    /// Stored, with its audit line. Durable. A worker that was asking about the refund has lost its
    /// lease.
    Stored,
    /// The refund is not what it was when it was read, or the ledger has been found to have lost writes
    /// since; nothing was written.
    Changed,
    /// A worker is submitting it at this moment; nothing was written.
    Submitting,
}

/// Submits that a person has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Of which account; `None` for all.
    pub account: Option<AccountName>,
    /// Who.
    pub who: String,
    /// Their words for why.
    pub reason: String,
    /// Since when.
    pub at: UnixMillis,
}

impl Pause {
    /// The line of the audit trail for `action`, `pause` or `resume`.
    pub fn audit(&self, action: &'static str) -> Audit {
        Audit {
            action,
            subject: self.account.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string),
            who: self.who.clone(),
            reason: self.reason.clone(),
            change: String::new(),
        }
    }
}
