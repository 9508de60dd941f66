//! What is asked of the book, and what it answers: plain data, without a protocol's spelling.

use serde::{Deserialize, Serialize};

use crate::domain::UnixMillis;

/// Where a refund stands at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Taken, not final; no money has moved for it yet.
    Processing,
    /// The money went to the payer.
    Succeeded,
    /// The gateway gave up; no money moved.
    Failed,
    /// The money could not reach the payer and went to the merchant's account.
    Abnormal,
}

/// How a refund that is being taken will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// [`Standing::Succeeded`].
    Succeeds,
    /// [`Standing::Failed`].
    Fails,
    /// [`Standing::Abnormal`].
    GoesToMerchant,
    /// Never: it stays [`Standing::Processing`].
    NeverEnds,
}

/// Which order: by the gateway's id, the merchant's, or both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderIds {
    /// The gateway's id (`payOrderId`, `transaction_id`).
    pub gateway_order_no: Option<String>,
    /// The merchant's number (`mchOrderNo`, `out_trade_no`).
    pub order_no: Option<String>,
}

/// A paid order, as it is added to the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaidOrder {
    /// The gateway's id of the order; at least one of the two must be there.
    #[serde(default)]
    pub gateway_order_no: Option<String>,
    /// The merchant's number of the order.
    #[serde(default)]
    pub order_no: Option<String>,
    /// What was paid, cents.
    pub paid_cents: u64,
}

/// An order could not be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Neither number was given.
    #[error("an order must have a gateway_order_no or an order_no")]
    NoNumber,
    /// One of its numbers belongs to an order that was paid differently.
    #[error("the book already has another order with one of these numbers")]
    Conflict,
}

/// A refund as a merchant asks for it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The merchant's refund number (`mchRefundNo`, `out_refund_no`).
    pub refund_no: String,
    /// The order that was paid.
    pub order: OrderIds,
    /// How much to give back, cents.
    pub amount_cents: u64,
    /// The merchant's words for why.
    pub reason: Option<String>,
}

/// Why a submit was turned down. No money moved, and the book is unchanged but for its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// No such order was paid.
    OrderNotFound,
    /// More than is left of what was paid.
    OverRefund,
    /// The number is known with another amount or order.
    Differs,
    /// The number is known, and this gateway takes each number once.
    NumberExists,
}

/// Which refunds a query is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// By the merchant's refund number.
    RefundNo(String),
    /// By the gateway's refund number.
    GatewayRefundNo(String),
    /// All refunds of an order.
    Order(OrderIds),
}

/// One refund as the gateway shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundView {
    /// The merchant's refund number.
    pub refund_no: String,
    /// The gateway's refund number.
    pub gateway_refund_no: String,
    /// The order, by the ids that the gateway knows.
    pub order: OrderIds,
    /// How much, cents.
    pub amount_cents: u64,
    /// Where it stands.
    pub standing: Standing,
    /// When it ended.
    pub settled_at: Option<UnixMillis>,
    /// The merchant's words for why.
    pub reason: Option<String>,
}
