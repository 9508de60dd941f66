//! Names and numbers, each a type of its own so that one cannot stand in for another.
//!
//! A value of such a type has been checked; nothing downstream checks it again.

use std::fmt;
use std::sync::Arc;

use super::RuleError;

/// Makes one checked, cheaply cloned text type.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:literal, $legal:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest value, in bytes.
            pub const MAX_LEN: usize = $max;

            /// Checks and wraps a value.
            ///
            /// # Errors
            /// [`RuleError`] if it is empty, too long or has another character than allowed.
            pub fn parse(text: &str) -> Result<Self, RuleError> {
                let legal: fn(&u8) -> bool = $legal;
                if text.is_empty() || text.len() > $max || !text.as_bytes().iter().all(legal) {
                    return Err(RuleError::new(
                        concat!("must be 1 to ", $max, " of ", $allowed),
                        text,
                    ));
                }
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id!(
    /// The merchant's refund number and idempotency key (`mchRefundNo`, `out_refund_no`): the same
    /// on every resend, unique in a namespace. Made by the order system, never by refundd.
    ///
    /// 30 characters, because IOTPay's `mchRefundNo` is `String(30)`.
    /// Source: IOTPay "Refund interface", Parameters.
    ///
    /// ```
    /// use refundd::domain::RefundNo;
    /// assert_eq!(RefundNo::parse("R20261122-0001").unwrap().as_str(), "R20261122-0001");
    /// assert!(RefundNo::parse("R 1").is_err());
    /// ```
    RefundNo, 30, "A-Z a-z 0-9 _ -",
    |b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-'
);

id!(
    /// The name of an `[accounts.*]` entry: gateway, credentials and schedule of a merchant account.
    AccountName, 64, "a-z 0-9 _ -",
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_' || *b == b'-'
);

id!(
    /// The name of a `[gateways.*]` entry: one address with one protocol.
    GatewayName, 64, "a-z 0-9 _ -",
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_' || *b == b'-'
);

id!(
    /// The merchant's own order number (`mchOrderNo`, `out_trade_no`).
    ///
    /// The bound is the widest any gateway takes; a narrower one is checked by its adapter.
    OrderNo, 64, "printable ASCII without spaces", |b| b.is_ascii_graphic()
);

id!(
    /// The gateway's id of the paid order (`payOrderId`, `transaction_id`).
    ///
    /// Source: IOTPay "Refund interface": `payOrderId` is `String(64)`.
    GatewayOrderNo, 64, "printable ASCII without spaces", |b| b.is_ascii_graphic()
);

id!(
    /// The gateway's own id of a refund (`refund_id`, `refundOrderId`). Comes from outside; a value
    /// that does not parse is dropped, it is never what a refund is matched on.
    GatewayRefundNo, 64, "printable ASCII without spaces", |b| b.is_ascii_graphic()
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_number_has_at_most_thirty_characters() {
        assert!(RefundNo::parse(&"R".repeat(30)).is_ok());
        let err = RefundNo::parse(&"R".repeat(31)).unwrap_err().to_string();
        assert!(err.contains("1 to 30") && err.contains("(31 characters)"), "{err}");
    }

    #[test]
    fn separators_of_the_ledger_never_enter_a_refund_number() {
        for bad in ["a b", "a,b", "a|b", "a:b", "é", "a\n", "a\0"] {
            assert!(RefundNo::parse(bad).is_err(), "{bad:?}");
        }
    }
}
