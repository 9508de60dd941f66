//! What iOnline Pay's answers prove: text in, evidence out, no IO.
//!
//! Source: iOnline Pay "Query Refund", Response Parameters. The page's example spells its own count
//! as `"e"` and says that the largest `$n` is 2; neither is taken at its word. Lines are found by
//! their names, any `$n` counts, and the count is only used against an answer: where it promises
//! more lines than there are, absence is not concluded.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::{self, TimeZone};
use secrecy::ExposeSecret;

use super::Settings;
use super::codes::CODES;
use super::wire::{GATEWAY_ORDER_NO, ORDER_NO, REFUND_NO};
use crate::domain::evidence::{Found, StatusLine, StatusWord};
use crate::domain::state::Refusal;
use crate::domain::{GatewayOrderNo, Grade, OrderNo, Refund, UnixMillis};
use crate::gateways::answer::{Answer, Signature, clip};
use crate::gateways::codes::{Class, class_of};
use crate::gateways::mismatch;
use crate::gateways::sign::Reading;
use crate::ports::{Acceptance, GatewayError, QueryAnswer};

/// Most lines of one answer. WeChat allows 50 partial refunds of an order; the rest is head room
/// that still bounds the work.
const LINES_MAX: usize = 1_000;

/// Where an answer puts the gateway's words, best first. Source: `message`; assumed: the others, as
/// SwiftPass and WeChat spell them.
const MESSAGES: &[&str] = &["err_msg", "err_code_des", "message"];

/// The names of a line, up to the `$n`. Source: Response Parameters.
const NO: &str = "out_refund_no_";
/// See [`NO`].
const ID: &str = "refund_id_";
/// See [`NO`].
const FEE: &str = "refund_fee_";
/// See [`NO`].
const TIME: &str = "refund_time_";
/// See [`NO`].
const STATUS: &str = "refund_status_";
/// See [`NO`].
const REASON: &str = "refund_reason_";

/// What the answer to a submit proves. Assumed: built like the answer to a query.
pub(super) fn read_submit(
    settings: &Settings,
    refund: &Refund,
    body: &[u8],
) -> Result<Acceptance, GatewayError> {
    let answer = read(settings, body)?;
    let amount = refund.amount.to_string();
    let asked = [
        (REFUND_NO, Some(refund.refund_no.as_str())),
        (ORDER_NO, refund.order.order_no().map(OrderNo::as_str)),
        (GATEWAY_ORDER_NO, refund.order.gateway_order_no().map(GatewayOrderNo::as_str)),
    ];
    for (field, asked) in asked {
        if let (Some(got), Some(asked)) = (answer.text(field), asked)
            && got != asked
        {
            return Err(mismatch(true, field, asked, got));
        }
    }
    if let Some(cents) = answer.cents("refund_fee")?
        && cents != refund.amount.get()
    {
        return Err(mismatch(true, "refund_fee", &amount, &cents.to_string()));
    }
    if !succeeded(&answer)? {
        return Err(failure(&answer));
    }
    Ok(Acceptance { gateway_refund_no: answer.gateway_refund_no("refund_id") })
}

/// What the answer to a refund query proves.
pub(super) fn read_query(
    settings: &Settings,
    refund: &Refund,
    body: &[u8],
) -> Result<QueryAnswer, GatewayError> {
    let answer = read(settings, body)?;
    if !succeeded(&answer)? {
        return failed_query(&answer);
    }
    let ours = refund.refund_no.as_str();
    let lines = lines(&answer, ours)?;
    if !lines.iter().any(|line| line.refund_no == ours) {
        complete(&answer)?;
    }
    let grade = Grade::A;
    Ok(QueryAnswer::Found(Found { lines, grade }))
}

/// Reads a body up to the point where its content may be believed: `status` 0, signed, and ours.
fn read(settings: &Settings, body: &[u8]) -> Result<Answer, GatewayError> {
    let answer = Answer::parse(body)?;
    match answer.text("status") {
        Some("0") => {}
        Some(status) => {
            return Err(GatewayError::Ambiguous {
                code: format!("status {}", clip(status)),
                message: answer.note(MESSAGES),
            });
        }
        None => return Err(GatewayError::Unreadable("status is missing".to_owned())),
    }
    match answer.signature(settings.key.expose_secret(), Reading::Strict) {
        Signature::Valid => {}
        Signature::Missing => {
            return Err(GatewayError::BadSignature("sign is missing".to_owned()));
        }
        Signature::Wrong => {
            return Err(GatewayError::BadSignature("sign does not match the fields".to_owned()));
        }
        Signature::Unclear => {
            let why = "a value could hide other fields under the same sign";
            return Err(GatewayError::BadSignature(why.to_owned()));
        }
    }
    match answer.text("mch_id") {
        Some(id) if id == settings.merchant_id => Ok(answer),
        Some(id) => Err(mismatch(true, "mch_id", &settings.merchant_id, id)),
        None => Err(GatewayError::Unreadable("mch_id is missing".to_owned())),
    }
}

/// Whether `result_code` is 0.
fn succeeded(answer: &Answer) -> Result<bool, GatewayError> {
    match answer.text("result_code") {
        Some(code) => Ok(code == "0"),
        None => Err(GatewayError::Unreadable("result_code is missing".to_owned())),
    }
}

/// A signed failure, by its code.
fn failure(answer: &Answer) -> GatewayError {
    let code = answer.note(&["err_code"]);
    let message = answer.note(MESSAGES);
    match class_of(CODES, &code) {
        Class::NotExecuted => GatewayError::Refused(Refusal { code, message, grade: Grade::A }),
        Class::PutOff { retry_after_ms } => {
            GatewayError::PutOff { code, message, retry_after_ms: Some(retry_after_ms) }
        }
        Class::NotFound | Class::Ambiguous => GatewayError::Ambiguous { code, message },
    }
}

/// A signed failure of a query: absence by its code, or nothing. A refusal to answer a query says
/// nothing about the refund.
fn failed_query(answer: &Answer) -> Result<QueryAnswer, GatewayError> {
    let code = answer.note(&["err_code"]);
    let message = answer.note(MESSAGES);
    match class_of(CODES, &code) {
        Class::NotFound => {
            Ok(QueryAnswer::NotFound { grade: Grade::A, note: format!("{code} {message}") })
        }
        Class::PutOff { retry_after_ms } => {
            Err(GatewayError::PutOff { code, message, retry_after_ms: Some(retry_after_ms) })
        }
        Class::NotExecuted | Class::Ambiguous => Err(GatewayError::Ambiguous { code, message }),
    }
}

/// All lines, by their `$n`. A line of ours that lacks amount or status makes the answer
/// unreadable; one of another refund is left out with a warning.
fn lines(answer: &Answer, ours: &str) -> Result<Vec<StatusLine>, GatewayError> {
    let numbers = line_numbers(answer)?;
    let mut lines = Vec::with_capacity(numbers.len());
    for (n, suffix) in numbers {
        let name = format!("{NO}{suffix}");
        let refund_no = answer
            .text(&name)
            .ok_or_else(|| GatewayError::Unreadable(format!("{name} is missing")))?;
        match line(answer, n, suffix, refund_no) {
            Ok(line) => lines.push(line),
            Err(err) if refund_no == ours => return Err(err),
            Err(err) => {
                tracing::warn!(line.n = n, %err, "a line of another refund could not be read");
            }
        }
    }
    Ok(lines)
}

/// The `$n` of every line, known by any of its fields.
///
/// A refund number under a `$n` that is no number is refused, and so is, by the caller, a line
/// without a refund number: to pass over either could mean to take a refund for absent. Other
/// fields that merely begin alike, such as SwiftPass's `refund_status_info_0`, are none of ours.
fn line_numbers(answer: &Answer) -> Result<BTreeMap<u32, &str>, GatewayError> {
    let mut numbers = BTreeMap::new();
    for name in answer.names() {
        let Some((prefix, suffix)) = [NO, ID, FEE, TIME, STATUS, REASON]
            .iter()
            .find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)))
        else {
            continue;
        };
        let number = suffix.parse::<u32>().ok().filter(|number| number.to_string() == suffix);
        match number {
            Some(number) => numbers.insert(number, suffix),
            None if prefix == NO => {
                let name = clip(name);
                return Err(GatewayError::Unreadable(format!("{name:?} names no line")));
            }
            None => continue,
        };
        if numbers.len() > LINES_MAX {
            let limit = format!("more than {LINES_MAX} lines");
            return Err(GatewayError::Unreadable(limit));
        }
    }
    Ok(numbers)
}

/// One line.
fn line(
    answer: &Answer,
    n: u32,
    suffix: &str,
    refund_no: &str,
) -> Result<StatusLine, GatewayError> {
    let named = |prefix: &str| format!("{prefix}{suffix}");
    let missing = |name: &str| GatewayError::Unreadable(format!("{name} is missing"));
    let fee = named(FEE);
    let status = named(STATUS);
    let amount_cents = answer.cents(&fee)?.ok_or_else(|| missing(&fee))?;
    let status = answer.text(&status).ok_or_else(|| missing(&status))?;
    Ok(StatusLine {
        n,
        refund_no: clip(refund_no),
        gateway_refund_no: answer.gateway_refund_no(&named(ID)),
        amount_cents,
        word: StatusWord::parse(status),
        status: clip(status),
        time: answer.text(&named(TIME)).and_then(time),
        reason: answer.text(&named(REASON)).map(clip),
    })
}

/// Whether the answer shows as many lines as it counts, so that one that is missing is missing.
fn complete(answer: &Answer) -> Result<(), GatewayError> {
    let shown = answer.names().filter(|name| name.starts_with(NO)).count();
    let count = answer.text("refund_count").unwrap_or_default();
    if count.parse::<usize>().is_ok_and(|count| count <= shown) {
        return Ok(());
    }
    Err(GatewayError::Ambiguous {
        code: "refund_count".to_owned(),
        message: format!("is {:?} with {shown} lines, none of them of this refund", clip(count)),
    })
}

/// A time as `yyyyMMddHHmmss` in GMT+8. Source: `refund_time_$n`. One that cannot be read is left
/// out: nothing depends on it.
fn time(text: &str) -> Option<UnixMillis> {
    if text.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let at = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    let zoned = at.to_zoned(TimeZone::fixed(tz::offset(8))).ok()?;
    Some(UnixMillis::new(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
