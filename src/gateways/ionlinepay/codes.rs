//! iOnline Pay's error codes.
//!
//! Source: iOnline Pay "Query Refund" has an `err_code` and lists no values. Assumed: those of WeChat
//! Pay v2's refund and refund query, which this family (SwiftPass) passes through. They count in
//! signed answers only.

use crate::gateways::codes::{Class, CodeRow};

/// All rows come from one table, and all are assumed to hold here.
const WECHAT: &str = "WeChat Pay v2 refund error codes; assumed for iOnline Pay";
/// The wait as the gateway's own advice has it.
const WECHAT_POLLING: &str = "WeChat Pay v3 refund guide: wait a minute; assumed for iOnline Pay";

/// WeChat: on too many requests wait a minute.
const MINUTE: Class = Class::PutOff { retry_after_ms: 60_000 };
/// Another refund of the order or payer holds a lock: seconds.
const SOON: Class = Class::PutOff { retry_after_ms: 5_000 };
/// The merchant's balance is too low: a person has to fund it, asking more often is useless.
const FUNDING: Class = Class::PutOff { retry_after_ms: 900_000 };

/// Every code that is listed.
pub const CODES: &[CodeRow] = &[
    // The refund may have succeeded: same number and parameters again, or query first.
    row("SYSTEMERROR", "system error", Class::Ambiguous, WECHAT),
    row("ERROR", "business error, see text", Class::Ambiguous, WECHAT),
    row("BIZERR_NEED_RETRY", "busy, send again", SOON, WECHAT),
    row("FREQUENCY_LIMITED", "too frequent", MINUTE, WECHAT_POLLING),
    row("INVALID_REQ_TOO_MUCH", "blocked a while", MINUTE, WECHAT),
    row("NOTENOUGH", "merchant balance too low", FUNDING, WECHAT),
    row("TRADE_OVERDUE", "paid too long ago", Class::NotExecuted, WECHAT),
    row("USER_ACCOUNT_ABNORMAL", "payer's account", Class::NotExecuted, WECHAT),
    row("INVALID_TRANSACTIONID", "no such transaction", Class::NotExecuted, WECHAT),
    row("PARAM_ERROR", "parameter error", Class::NotExecuted, WECHAT),
    row("APPID_NOT_EXIST", "unknown app", Class::NotExecuted, WECHAT),
    row("MCHID_NOT_EXIST", "unknown merchant", Class::NotExecuted, WECHAT),
    row("ORDERNOTEXIST", "no such order", Class::NotExecuted, WECHAT),
    row("REQUIRE_POST_METHOD", "POST required", Class::NotExecuted, WECHAT),
    row("SIGNERROR", "signature error", Class::NotExecuted, WECHAT),
    row("XML_FORMAT_ERROR", "format error", Class::NotExecuted, WECHAT),
    // Listed for queries only; on a refund it has also been "already refunded in full".
    row("INVALID_REQUEST", "invalid request", Class::Ambiguous, WECHAT),
    // The number exists with another amount: something was executed under it.
    row("REFUND_FEE_MISMATCH", "amount differs", Class::Ambiguous, WECHAT),
    row("REFUNDNOTEXIST", "no such refund", Class::NotFound, WECHAT),
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
