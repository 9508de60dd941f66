//! The iOnline Pay side: reads urlencoded forms, spells answers in iOnline Pay's words.
//!
//! Sources: iOnline Pay "Query Refund" for all parameters of the query and its answer;
//! "Protocol Rules" and "Notice" for signed requests, amounts in cents, values passed as text and
//! times in GMT+8; read 2026-11. Assumed, after the family (gateways.md, sections B and C): the
//! refund service and its parameters, that an answer whose `status` is not 0 is unsigned, and
//! every `err_code`.
//!
//! It decides nothing about money: see `book` and `exchange`.

use jiff::Timestamp;
use jiff::tz::Offset;

use super::exchange::{Line, Reply, Request, Trouble, Word};
use super::settings::Ionlinepay;
use super::terms::{Ask, Denial, Lookup, OrderIds, Standing};
use super::wire::{Answer, cents, form, optional, required};
use crate::domain::UnixMillis;
use crate::gateways::sign::{self, Params};

/// The one path of this gateway.
pub(super) const PATH: &str = "/gateway/";

const SUBMIT: &str = "ionline.unified.trade.refund";
const QUERY: &str = "ionline.unified.trade.refundquery";

/// Reads a request. The lengths are those of the page.
pub(super) fn read(body: &[u8], settings: &Ionlinepay) -> Result<Request, Trouble> {
    let params = form(body);
    if params.is_empty() {
        return Err(Trouble::Empty);
    }
    if required(&params, "mch_id", 32)? != settings.merchant_id {
        return Err(Trouble::UnknownMerchant);
    }
    if !sign::verify(&params, &settings.key) {
        return Err(Trouble::BadSignature);
    }
    required(&params, "nonce_str", 32)?;
    if params.get("sign_type").is_some_and(|kind| kind != "MD5") {
        return Err(Trouble::Field("sign_type"));
    }
    // The page says String(32), but its own name of the query has 34 characters.
    match required(&params, "service", 64)?.as_str() {
        SUBMIT => read_submit(&params),
        QUERY => read_query(&params),
        _ => Err(Trouble::UnknownService),
    }
}

fn read_submit(params: &Params) -> Result<Request, Trouble> {
    let order = order_ids(params)?;
    if order == OrderIds::default() {
        return Err(Trouble::Field("out_trade_no"));
    }
    Ok(Request::Submit(Ask {
        refund_no: required(params, "out_refund_no", 32)?,
        order,
        amount_cents: cents(params, "refund_fee")?,
        reason: optional(params, "refund_reason", 127)?,
    }))
}

/// The first of `refund_id`, `out_refund_no` and the order's ids counts, as in the family.
fn read_query(params: &Params) -> Result<Request, Trouble> {
    let refund_id = optional(params, "refund_id", 32)?;
    let refund_no = optional(params, "out_refund_no", 32)?;
    let order = order_ids(params)?;
    let by = match (refund_id, refund_no) {
        (Some(id), _) => Lookup::GatewayRefundNo(id),
        (None, Some(no)) => Lookup::RefundNo(no),
        (None, None) if order == OrderIds::default() => return Err(Trouble::Field("refund_id")),
        (None, None) => Lookup::Order(order),
    };
    Ok(Request::Query(by))
}

fn order_ids(params: &Params) -> Result<OrderIds, Trouble> {
    Ok(OrderIds {
        gateway_order_no: optional(params, "transaction_id", 32)?,
        order_no: optional(params, "out_trade_no", 32)?,
    })
}

/// Spells an answer. `nonce` makes its `nonce_str`.
pub(super) fn spell(reply: Reply, settings: &Ionlinepay, nonce: u64) -> Answer {
    let understood = |result_code| {
        head("0")
            .with(&[
                ("result_code", result_code),
                ("mch_id", &settings.merchant_id),
                ("nonce_str", &format!("{nonce:016x}")),
            ])
            .signed()
    };
    match reply {
        Reply::Accepted(line) => accepted(understood("0"), &line),
        Reply::Found(lines) => found(understood("0"), &lines),
        Reply::Trouble(trouble) => match code(&trouble) {
            Ok(code) => understood("1").with(&[("err_code", code)]),
            Err(words) => head("400").with(&[("message", &words)]),
        },
    }
}

/// What every answer has.
fn head(status: &str) -> Answer {
    Answer::default().with(&[
        ("version", "1.0"),
        ("charset", "UTF-8"),
        ("sign_type", "MD5"),
        ("status", status),
    ])
}

/// The order of a refund. Both ids are due: one that nobody told the gateway is made up.
fn order(answer: Answer, line: &Line) -> Answer {
    let ids = &line.view.order;
    let known = ids.gateway_order_no.as_deref().or(ids.order_no.as_deref());
    let known = known.unwrap_or_default();
    answer.with(&[
        ("transaction_id", ids.gateway_order_no.as_deref().unwrap_or(known)),
        ("out_trade_no", ids.order_no.as_deref().unwrap_or(known)),
    ])
}

fn accepted(answer: Answer, line: &Line) -> Answer {
    order(answer, line).with(&[
        ("out_refund_no", &line.view.refund_no),
        ("refund_id", &line.view.gateway_refund_no),
        ("refund_fee", &line.view.amount_cents.to_string()),
        ("refund_channel", "ORIGINAL"),
    ])
}

fn found(answer: Answer, lines: &[Line]) -> Answer {
    let mut answer = match lines.last() {
        Some(own) => order(answer, own),
        None => answer,
    }
    .with(&[
        ("trade_channel", "WECHATPAY"),
        ("trade_type", "ionline.pay.weixin.native.intl"),
        ("body", "Sandbox order"),
        ("refund_count", &lines.len().to_string()),
    ]);
    for (n, line) in lines.iter().enumerate() {
        let view = &line.view;
        answer.set(format!("out_refund_no_{n}"), view.refund_no.as_str());
        answer.set(format!("refund_id_{n}"), view.gateway_refund_no.as_str());
        answer.set(format!("refund_fee_{n}"), view.amount_cents.to_string());
        answer.set(format!("refund_status_{n}"), status(line));
        if let Some(at) = view.settled_at {
            answer.set(format!("refund_time_{n}"), gmt8(at));
        }
        if let Some(reason) = &view.reason {
            answer.set(format!("refund_reason_{n}"), reason.as_str());
        }
    }
    answer
}

/// The word of a line. CHANGE and NOTSURE are the family's words, not the page's.
fn status(line: &Line) -> &str {
    match (&line.instead, line.view.standing) {
        (Some(Word::NotSure), _) => "NOTSURE",
        (Some(Word::Unlisted), _) => "REVERSING",
        (Some(Word::Raw(word)), _) => word,
        (None, Standing::Processing) => "PROCESSING",
        (None, Standing::Succeeded) => "SUCCESS",
        (None, Standing::Failed) => "FAIL",
        (None, Standing::Abnormal) => "CHANGE",
    }
}

/// The business error code; or, where the request was not understood, the words for it.
fn code(trouble: &Trouble) -> Result<&str, String> {
    Ok(match trouble {
        Trouble::NotPost => return Err("POST required".to_owned()),
        Trouble::Empty => return Err("no parameters".to_owned()),
        Trouble::BadSignature => return Err("signature error".to_owned()),
        Trouble::Field(name) => return Err(format!("parameter missing or invalid: {name}")),
        Trouble::UnknownMerchant => return Err("merchant not found".to_owned()),
        Trouble::UnknownService => return Err("no such service".to_owned()),
        Trouble::Denied(Denial::OrderNotFound) => "ORDERNOTEXIST",
        Trouble::Denied(Denial::OverRefund) => "REFUND_FEE_INVALID",
        Trouble::Denied(Denial::Differs) => "REFUND_FEE_MISMATCH",
        Trouble::Denied(Denial::NumberExists) => "OUT_REFUND_NO_USED",
        Trouble::NotFound => "REFUNDNOTEXIST",
        Trouble::System(code) => code.as_deref().unwrap_or("SYSTEMERROR"),
        Trouble::Refused(code) => code,
    })
}

/// `yyyyMMddHHmmss` in GMT+8; empty, and so neither signed nor of use, beyond the year 9999.
fn gmt8(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.get()).map_or_else(
        |_| String::new(),
        |at| {
            let local = Offset::constant(8).to_datetime(at);
            local.strftime("%Y%m%d%H%M%S").to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_hong_kong() {
        let at = UnixMillis::parse_rfc3339("2017-05-20T01:41:30Z").unwrap();
        assert_eq!(gmt8(at), "20170520094130"); // the example of the page
    }
}
