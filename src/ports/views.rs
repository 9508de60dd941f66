//! What the ledger shows to people: refunds as they stand, and which of them to list.

use crate::domain::refund::RefundRecord;
use crate::domain::state::StateKind;
use crate::domain::{AccountName, UnixMillis};

/// A stored refund as people look at it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The record; submitting, if a worker holds it for a submit.
    pub record: RefundRecord,
    /// When it needs attention next; `None` if it has ended or waits for its order.
    pub due_at: Option<UnixMillis>,
    /// Whether a worker holds it now.
    pub leased: bool,
    /// Whether it waits for another refund of its order.
    pub waiting: bool,
    /// When the ledger was last found to have lost writes: a refund that it believes unsent and that is
    /// as old as that may have been sent all the same.
    pub lost_at: Option<UnixMillis>,
}

/// Which refunds to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this state.
    pub state: Option<StateKind>,
    /// Only this account.
    pub account: Option<AccountName>,
    /// Only refunds admitted at or before this moment.
    pub admitted_before: Option<UnixMillis>,
    /// Only parked refunds with this cause code, or failed ones with this code.
    pub reason: Option<String>,
}

impl Filter {
    /// Whether `record` is wanted.
    pub fn matches(&self, record: &RefundRecord) -> bool {
        use crate::domain::state::RefundState;
        let reason = || match &record.state {
            RefundState::Parked(parking) => Some(parking.cause.as_str()),
            RefundState::Settled(end) => end.code.as_deref(),
            RefundState::Refused { refusal, .. } => Some(refusal.code.as_str()),
            RefundState::Requested { .. }
            | RefundState::Submitting { .. }
            | RefundState::Unconfirmed { .. }
            | RefundState::Processing { .. } => None,
        };
        self.state.is_none_or(|state| state == record.state.kind())
            && self.account.as_ref().is_none_or(|account| *account == record.refund.account)
            && self.admitted_before.is_none_or(|at| record.admitted_at <= at)
            && self.reason.as_deref().is_none_or(|wanted| reason() == Some(wanted))
    }
}

/// One page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// The refunds, in no promised order.
    pub refunds: Vec<Stored>,
    /// Where the next page begins; `None` at the end.
    pub cursor: Option<String>,
}
