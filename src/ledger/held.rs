//! What both ledgers share: how a lease changes the way a stored record is seen.

use super::scripts::Mark;
use crate::domain::state::{Event, StateKind};
use crate::domain::step::ClaimFacts;
use crate::domain::{GatewayName, Policy, Refund, RefundRecord, UnixMillis, step};

/// The record as its holder sees it. A lease with an intent turns "requested" into "submitting":
/// the intent is stored in the lease only, so that claiming is one small write.
///
/// `at` is the moment of the claim; without it (somebody only looks) it is taken from the record.
pub(super) fn as_held(record: RefundRecord, mark: Mark, at: Option<UnixMillis>) -> RefundRecord {
    if mark == Mark::Query || record.state.kind() != StateKind::Requested {
        return record;
    }
    let at =
        at.unwrap_or_else(|| record.history.last().map_or(record.admitted_at, |line| line.last_at));
    let before = record.clone();
    // The policy has no say in this event; the transition is in the table.
    match step::advance(record, &Event::SubmitStarted, at, &Policy::default()) {
        Ok(step::Advanced { record, .. }) => record,
        Err(_) => before,
    }
}

/// The facts of a claim, from the lease that it replaced.
pub(super) fn facts(mark: Mark, crashes: u32) -> ClaimFacts {
    ClaimFacts { intent_lost: mark == Mark::IntentLost, crashes }
}

/// The fields of the hash `orders` that a refund's order may be found under: the gateway's id
/// first, the merchant's second.
pub(super) fn order_ids(scope: &GatewayName, refund: &Refund) -> (String, String) {
    let gateway = refund.order.gateway_order_no().map(|no| format!("{scope}/g:{no}"));
    let merchant = refund.order.order_no().map(|no| format!("{scope}/o:{no}"));
    match (gateway, merchant) {
        (Some(first), second) => (first, second.unwrap_or_default()),
        (None, second) => (second.unwrap_or_default(), String::new()),
    }
}
