//! The rules of a refund, and nothing else.
//!
//! Everything here is pure: no IO, no clock, no randomness, no async. Time is an argument, and
//! the same arguments always give the same answer. That is what lets one table of transitions be
//! the machine, the test oracle and the documentation at once, and what lets a simulator run
//! years of refunds in a second.
//!
//! | file | decides |
//! |---|---|
//! | [`amount`], [`ids`], [`time`] | what is a legal value: parse once, then trust |
//! | [`refund`] | what was asked (immutable) and what has happened since |
//! | [`event`], [`state`], [`transitions`] | what can happen, where a refund can stand, and what may follow what |
//! | [`evidence`], [`answer`] | what an answer of a gateway proves, and what it makes happen |
//! | [`step`], `consequence` | what happens next, and when: the only such decision |
//! | [`send`] | what must be true right before bytes leave |
//! | [`schedule`] | how long to wait |
//! | [`policy`] | the numbers an account may choose |
//! | [`order`] | how much of an order may still be refunded |
//! | [`breaker`] | whether a gateway that does not answer gets submits |

pub mod amount;
pub mod answer;
pub mod breaker;
mod consequence;
pub mod event;
pub mod evidence;
pub mod ids;
pub mod order;
pub mod policy;
pub mod refund;
pub mod schedule;
pub mod send;
pub mod state;
pub mod states_page;
pub mod step;
pub mod time;
pub mod transitions;

pub use amount::{AmountCents, Currency};
pub use evidence::{Evidence, Grade, Source};
pub use ids::{AccountName, GatewayName, GatewayOrderNo, GatewayRefundNo, OrderNo, RefundNo};
pub use policy::Policy;
pub use refund::{OrderRef, Refund, RefundRecord};
pub use state::{Event, EventKind, RefundState, StateKind};
pub use time::UnixMillis;

/// A value that breaks a rule: which rule, in words that a person can act on.
///
/// The field's name is added by whoever knows it (the request parser, the configuration).
///
/// ```
/// use refundd::domain::RefundNo;
/// let err = RefundNo::parse("").unwrap_err();
/// assert_eq!(err.to_string(), "must be 1 to 30 of A-Z a-z 0-9 _ -, got an empty string");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}, got {got}")]
pub struct RuleError {
    /// The rule, as `must be …`.
    pub rule: String,
    /// What was given instead, shortened to something that fits a log line.
    pub got: String,
}

impl RuleError {
    /// Makes the error from the rule and the offending text.
    pub fn new(rule: impl Into<String>, got: &str) -> Self {
        const SHOWN: usize = 60; // enough to recognise a value, too little to flood a log
        let got = match got.chars().count() {
            0 => "an empty string".to_owned(),
            n if n > SHOWN => {
                format!("\"{}…\" ({n} characters)", got.chars().take(SHOWN).collect::<String>())
            }
            n if n > 24 => format!("\"{got}\" ({n} characters)"),
            _ => format!("\"{got}\""),
        };
        Self { rule: rule.into(), got }
    }
}
