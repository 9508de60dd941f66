//! Takes in one request that somebody waits for, instead of one of the stream.
//!
//! The same rules, the same write, the same durability. What differs is who hears of a refusal: the
//! caller, at once. Nothing about it goes onto the results stream or into the quarantine.

use tracing::Instrument;

use super::sort::{Verdict, admission, verdict};
use crate::contract::Fault;
use crate::domain::{RefundNo, UnixMillis};
use crate::ports::{Accounts, Ledger, LedgerError};
use crate::telemetry::{metrics, otlp};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// Stored, reserved and on its way. Durable.
    New {
        /// Which refund.
        refund_no: RefundNo,
        /// Whether it waits for another refund of its order.
        waits: bool,
    },
    /// The same request as before; nothing changed.
    Duplicate(RefundNo),
    /// Nothing was stored.
    Refused {
        /// The refund number, if a legal one can be read.
        refund_no: Option<RefundNo>,
        /// The field and the rule.
        fault: Fault,
    },
    /// What is stored under its number cannot be read by this program; nothing changed.
    Unreadable(String),
}

/// Takes a request in: returns when it is stored, or when it is clear that it will not be.
///
/// # Errors
/// [`LedgerError`]; after [`LedgerError::Unavailable`] it may be stored all the same. The same request
/// again is harmless.
pub async fn enqueue(
    ledger: &dyn Ledger,
    accounts: &Accounts,
    bytes: &[u8],
    now: UnixMillis,
) -> Result<Enqueued, LedgerError> {
    let admission = match admission(accounts, bytes, None, now) {
        Ok(admission) => *admission,
        Err(unfit) => {
            let (refund_no, fault) = (unfit.refund_no().cloned(), unfit.fault().clone());
            metrics::request("http", fault.code.as_str());
            return Ok(Enqueued::Refused { refund_no, fault });
        }
    };
    let batch = [admission];
    let [admission] = &batch;
    let refund = &admission.record.refund;
    let span = otlp::admit(Some(refund.refund_no.as_str()), batch.len());
    let answer = ledger.admit(&batch, now).instrument(span).await?.pop();
    let refund_no = refund.refund_no.clone();
    let Some(answer) = answer else {
        return Err(LedgerError::Unavailable("the ledger answered nothing".into()));
    };
    Ok(match verdict(refund, answer) {
        Verdict::New { waits } => {
            metrics::request("http", if waits { "waiting" } else { "admitted" });
            tracing::info!(
                refund.no = %refund_no,
                account = %refund.account,
                amount_cents = refund.amount.get(),
                waits,
                "refund is admitted over HTTP"
            );
            Enqueued::New { refund_no, waits }
        }
        Verdict::Duplicate => {
            metrics::request("http", "duplicate");
            Enqueued::Duplicate(refund_no)
        }
        // Only an entry of the stream can have been answered, and there is none here.
        Verdict::Decided => {
            return Err(LedgerError::Unavailable("the ledger spoke of an entry".into()));
        }
        Verdict::Unreadable(why) => {
            tracing::error!(refund.no = %refund_no, why, "left for a newer refundd");
            Enqueued::Unreadable(why)
        }
        Verdict::Refused(fault) => {
            metrics::request("http", fault.code.as_str());
            Enqueued::Refused { refund_no: Some(refund_no), fault }
        }
    })
}

#[cfg(test)]
#[path = "direct_tests.rs"]
mod tests;
