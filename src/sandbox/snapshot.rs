//! The book as a judge reads it: all refunds, the sums, and what must never be there.
//!
//! The same form is used in the process and at `GET /book`. Everything here is added up anew from
//! the single refunds; no running total of the book is trusted.

use serde::{Deserialize, Serialize};

use super::book::{Book, gateway_refund_no};
use super::terms::Standing;
use crate::domain::UnixMillis;

/// The whole book at one moment. Times are RFC 3339, amounts cents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookSnapshot {
    /// Sums over everything.
    pub totals: Totals,
    /// What must never be there. Empty in a run that kept its promise.
    pub violations: Vec<Violation>,
    /// All orders, oldest first.
    pub orders: Vec<OrderSnapshot>,
    /// All refunds, oldest first.
    pub refunds: Vec<RefundSnapshot>,
}

impl BookSnapshot {
    /// The refund of this number.
    pub fn refund(&self, refund_no: &str) -> Option<&RefundSnapshot> {
        self.refunds.iter().find(|r| r.refund_no == refund_no)
    }

    /// How often money went out for this number; 0 if the gateway never took it.
    pub fn effects(&self, refund_no: &str) -> u32 {
        self.refund(refund_no).map_or(0, |r| r.effects)
    }
}

/// Sums over the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Orders that were paid.
    pub orders: u64,
    /// Refund numbers that were taken.
    pub refunds: u64,
    /// Those that have not ended.
    pub processing: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those whose money went to the merchant's account.
    pub abnormal: u64,
    /// Submits of a number that was taken, the first one included.
    pub submits: u64,
    /// Queries of a number that was taken.
    pub queries: u64,
    /// How often money went out.
    pub effects: u64,
    /// How much money went out, cents.
    pub paid_out_cents: u64,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSnapshot {
    /// The gateway's id of the order.
    pub gateway_order_no: Option<String>,
    /// The merchant's number of the order.
    pub order_no: Option<String>,
    /// What was paid, cents.
    pub paid_cents: u64,
    /// What really went back, cents.
    pub refunded_cents: u64,
    /// Its refunds, oldest first.
    pub refund_nos: Vec<String>,
}

/// One refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundSnapshot {
    /// The merchant's refund number.
    pub refund_no: String,
    /// The gateway's refund number.
    pub gateway_refund_no: String,
    /// The gateway's id of the order.
    pub gateway_order_no: Option<String>,
    /// The merchant's number of the order.
    pub order_no: Option<String>,
    /// What was asked for at first, cents.
    pub amount_cents: u64,
    /// Where it stands.
    pub standing: Standing,
    /// How many times money really went out for this number.
    pub effects: u32,
    /// How much went out in all, cents.
    pub paid_out_cents: u64,
    /// How often it was submitted, as far as the gateway looked at it.
    pub submits: u32,
    /// How often it was queried, as far as the gateway looked at it.
    pub queries: u32,
    /// When the first submit arrived.
    pub first_submit_at: String,
    /// When the last submit arrived.
    pub last_submit_at: String,
    /// When the last query arrived.
    pub last_query_at: Option<String>,
    /// When it ended, as far as the gateway has noticed.
    pub settled_at: Option<String>,
}

/// Something that no run may leave in the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Violation {
    /// Money went out more than once for one refund number.
    PaidTwice {
        /// The refund number.
        refund_no: String,
        /// How often.
        effects: u32,
    },
    /// Money went out for a refund that has not succeeded.
    PaidWithoutSuccess {
        /// The refund number.
        refund_no: String,
        /// Where it stands instead.
        standing: Standing,
    },
    /// More went back than was paid.
    OverRefunded {
        /// The gateway's id of the order.
        gateway_order_no: Option<String>,
        /// The merchant's number of the order.
        order_no: Option<String>,
        /// What was paid, cents.
        paid_cents: u64,
        /// What went back, cents.
        refunded_cents: u64,
    },
}

impl Book {
    /// The whole book; refunds whose time has come end first.
    pub fn snapshot(&mut self, now: UnixMillis) -> BookSnapshot {
        self.settle_all(now);
        BookSnapshot {
            totals: self.sum(),
            violations: self.violations(),
            orders: (0..self.orders.len()).map(|at| self.order(at)).collect(),
            refunds: (0..self.refunds.len()).map(|at| self.refund(at)).collect(),
        }
    }

    /// The sums alone; refunds whose time has come end first.
    pub fn totals(&mut self, now: UnixMillis) -> Totals {
        self.settle_all(now);
        self.sum()
    }

    /// Everything that must never be in the book.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for entry in &self.refunds {
            if entry.effects > 1 {
                found.push(Violation::PaidTwice {
                    refund_no: entry.refund_no.clone(),
                    effects: entry.effects,
                });
            }
            if entry.effects > 0 && entry.standing != Standing::Succeeded {
                found.push(Violation::PaidWithoutSuccess {
                    refund_no: entry.refund_no.clone(),
                    standing: entry.standing,
                });
            }
        }
        for at in 0..self.orders.len() {
            let order = self.order(at);
            if order.refunded_cents > order.paid_cents {
                found.push(Violation::OverRefunded {
                    gateway_order_no: order.gateway_order_no,
                    order_no: order.order_no,
                    paid_cents: order.paid_cents,
                    refunded_cents: order.refunded_cents,
                });
            }
        }
        found
    }

    fn sum(&self) -> Totals {
        let mut totals = Totals {
            orders: u64::try_from(self.orders.len()).unwrap_or(u64::MAX),
            ..Totals::default()
        };
        for entry in &self.refunds {
            totals.refunds += 1;
            match entry.standing {
                Standing::Processing => totals.processing += 1,
                Standing::Succeeded => totals.succeeded += 1,
                Standing::Failed => totals.failed += 1,
                Standing::Abnormal => totals.abnormal += 1,
            }
            totals.submits += u64::from(entry.submits);
            totals.queries += u64::from(entry.queries);
            totals.effects += u64::from(entry.effects);
            totals.paid_out_cents = totals.paid_out_cents.saturating_add(entry.paid_out_cents);
        }
        totals
    }

    fn order(&self, at: usize) -> OrderSnapshot {
        let order = &self.orders[at];
        let refunds = order.refunds.iter().map(|&at| &self.refunds[at]);
        OrderSnapshot {
            gateway_order_no: order.ids.gateway_order_no.clone(),
            order_no: order.ids.order_no.clone(),
            paid_cents: order.paid_cents,
            refunded_cents: refunds.clone().fold(0, |sum, r| sum.saturating_add(r.paid_out_cents)),
            refund_nos: refunds.map(|r| r.refund_no.clone()).collect(),
        }
    }

    fn refund(&self, at: usize) -> RefundSnapshot {
        let entry = &self.refunds[at];
        let order = &self.orders[entry.order];
        RefundSnapshot {
            refund_no: entry.refund_no.clone(),
            gateway_refund_no: gateway_refund_no(at),
            gateway_order_no: order.ids.gateway_order_no.clone(),
            order_no: order.ids.order_no.clone(),
            amount_cents: entry.amount_cents,
            standing: entry.standing,
            effects: entry.effects,
            paid_out_cents: entry.paid_out_cents,
            submits: entry.submits,
            queries: entry.queries,
            first_submit_at: entry.first_submit_at.to_string(),
            last_submit_at: entry.last_submit_at.to_string(),
            last_query_at: entry.last_query_at.map(|at| at.to_string()),
            settled_at: entry.settled_at.map(|at| at.to_string()),
        }
    }
}
