//! What both ledgers share: how a lease changes the way a stored record is seen.

use crate::domain::state::{Event, StateKind};
use crate::domain::step::ClaimFacts;
use crate::domain::{
    GatewayName, GatewayOrderNo, OrderNo, OrderRef, Policy, RefundRecord, UnixMillis, step,
};

/// What a lease says about the refund that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// Whether an intent to submit was recorded.
    pub(super) mark: Mark,
    /// Leases in a row that ran out without a commit, in the run that gave them: one that was lost
    /// with its run says nothing against the refund.
    pub(super) crashes: u32,
    /// When the first of these leases began: the moment of the intent, if there is one.
    pub(super) since: UnixMillis,
}

/// What a lease says about an intent to submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Recorded by this lease.
    Intent,
    /// Recorded by an earlier lease and lost.
    IntentLost,
    /// None.
    Query,
}

impl Hold {
    /// Reads the stored text, `fence mark crashes since word`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::of_mark(text.split_once(' ')?.1)
    }

    /// Reads what stands behind the fence, `mark crashes since`, and perhaps more.
    pub(super) fn of_mark(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mark = match words.next()? {
            "i" => Mark::Intent,
            "u" => Mark::IntentLost,
            "q" => Mark::Query,
            _ => return None,
        };
        let crashes = words.next()?.parse().ok()?;
        Some(Self { mark, crashes, since: UnixMillis::new(words.next()?.parse().ok()?) })
    }

    /// What a claim finds beside the record.
    pub(super) fn facts(self, lost_at: Option<UnixMillis>) -> ClaimFacts {
        ClaimFacts { intent_lost: self.mark == Mark::IntentLost, crashes: self.crashes, lost_at }
    }
}

/// The record as its holder sees it. A lease with an intent turns "requested" into "submitting":
/// the intent is stored in the lease only, so that claiming is one small write.
pub(super) fn as_held(record: RefundRecord, hold: Hold) -> RefundRecord {
    if hold.mark == Mark::Query || record.state.kind() != StateKind::Requested {
        return record;
    }
    let before = record.clone();
    // The policy has no say in this event; the transition is in the table.
    match step::advance(record, &Event::SubmitStarted, hold.since, &Policy::default()) {
        Ok(step::Advanced { record, .. }) => record,
        Err(_) => before,
    }
}

/// The fields of the hash `orders` that an order may be found under: the gateway's id first, the
/// merchant's second.
pub(super) fn order_ids(scope: &GatewayName, order: &OrderRef) -> (String, String) {
    let gateway = order.gateway_order_no().map(|no| format!("{scope}/g:{no}"));
    let merchant = order.order_no().map(|no| format!("{scope}/o:{no}"));
    match (gateway, merchant) {
        (Some(first), second) => (first, second.unwrap_or_default()),
        (None, second) => (second.unwrap_or_default(), String::new()),
    }
}

/// The orders that somebody may mean by one number: the gateway's, the merchant's.
pub(super) fn orders_named(text: &str) -> Vec<OrderRef> {
    let by_gateway = OrderRef::new(GatewayOrderNo::parse(text).ok(), None, None);
    let by_merchant = OrderRef::new(None, OrderNo::parse(text).ok(), None);
    [by_gateway, by_merchant].into_iter().flatten().collect()
}
