//! Why a request leads to no refund: the field, the rule, and who can be told.

use super::json;
use super::parse::Readable;
use crate::domain::RefundNo;

/// Why a request is rejected, as the result's `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectCode {
    /// A field breaks a rule.
    Invalid,
    /// The refund number is known with other content; the first request stays as it is.
    Conflict,
    /// More would be given back than was paid.
    OverRefund,
    /// The two order ids belong to two different orders.
    OrderMismatch,
    /// The configuration has no such account.
    UnknownAccount,
}

impl RejectCode {
    /// Every code, for tables and tests.
    pub const ALL: &[Self] = &[
        Self::Invalid,
        Self::Conflict,
        Self::OverRefund,
        Self::OrderMismatch,
        Self::UnknownAccount,
    ];

    /// The word that results carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::OverRefund => "over_refund",
            Self::OrderMismatch => "order_mismatch",
            Self::UnknownAccount => "unknown_account",
        }
    }
}

/// The field that breaks a rule: `amount_cents must be an integer in minor units, got 12.5`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct Fault {
    /// The field as the request spells it, dotted, such as `order.paid_cents`; `request` for the
    /// whole. Free of control characters.
    pub field: String,
    /// The rule and what was given instead, as `must be …, got …`. Free of control characters.
    pub rule: String,
    /// [`RejectCode::Invalid`], or [`RejectCode::OverRefund`] if the amount is over what was paid.
    pub code: RejectCode,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, rule: impl AsRef<str>) -> Self {
        Self { field: field.into(), rule: json::visible(rule.as_ref()), code: RejectCode::Invalid }
    }
}

/// Why bytes are not a refund request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No legal refund number can be read: nobody can be told by a result. Goes to the quarantine.
    #[error("{0}")]
    Unreadable(Fault),
    /// The refund number is legal, something else is not: to be published as a rejected result.
    #[error("{}", .0.fault)]
    Invalid(Box<Invalid>),
}

/// A request whose number can be read and that breaks a rule all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The number, which is legal.
    pub refund_no: RefundNo,
    /// What is wrong.
    pub fault: Fault,
    /// What of the rest is legal, for the echo in the rejected result.
    pub readable: Readable,
}

impl RequestError {
    /// The field and the rule.
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Unreadable(fault) => fault,
            Self::Invalid(invalid) => &invalid.fault,
        }
    }

    /// The refund number, if a legal one can be read.
    pub fn refund_no(&self) -> Option<&RefundNo> {
        match self {
            Self::Unreadable(_) => None,
            Self::Invalid(invalid) => Some(&invalid.refund_no),
        }
    }
}
