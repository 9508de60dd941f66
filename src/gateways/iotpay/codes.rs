//! IOTPay's error codes.
//!
//! Source: IOTPay "Error code" (develop.iotpay.ca/errorcode.html, read 2026-11) lists code and
//! reason only. Assumed: what each means for a refund. The list is a part of its ancestor's
//! (XxPay), whose remedies stand beside the codes there; where a remedy is "call again", the first
//! call may have been executed.
//!
//! XxPay's refund controller answers most failures with free text and no code. Text is never read
//! as a refusal.

use crate::gateways::codes::{Class, CodeRow};

/// IOTPay's page alone.
const PAGE: &str = "IOTPay \"Error code\"";
/// IOTPay's page for the meaning, XxPay's remedy for the class.
const PAGE_AND_XXPAY: &str = "IOTPay \"Error code\"; class assumed from XxPay's remedy";

/// Every code that IOTPay lists.
pub const CODES: &[CodeRow] = &[
    row("0010", "system error", Class::Ambiguous, PAGE_AND_XXPAY),
    row("0011", "POST required", Class::NotExecuted, PAGE),
    row("0012", "post data empty", Class::NotExecuted, PAGE),
    row("0013", "signature error", Class::NotExecuted, PAGE),
    row("0014", "parameter missing or invalid", Class::NotExecuted, PAGE),
    row("0015", "merchant not found", Class::NotExecuted, PAGE),
    row("0110", "third-party timeout", Class::Ambiguous, PAGE_AND_XXPAY),
    row("0111", "third-party exception", Class::Ambiguous, PAGE_AND_XXPAY),
    row("0112", "order not found", Class::NotExecuted, PAGE),
    // Meant for payments. In answer to a refund it may as well say "already refunded".
    row("0113", "already paid", Class::Ambiguous, PAGE),
    row("0118", "database error", Class::Ambiguous, PAGE_AND_XXPAY),
];

/// One row of the table.
const fn row(
    code: &'static str,
    meaning: &'static str,
    class: Class,
    source: &'static str,
) -> CodeRow {
    CodeRow { code, meaning, class, source }
}
