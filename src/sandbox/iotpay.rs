//! The IOTPay side: reads `params` forms, spells answers in IOTPay's words.
//!
//! Sources: IOTPay "Refund interface" (develop.iotpay.ca/guide/refund.html) for the request and
//! `retCode`, `retMsg`, `resCode`; "Signing" (guide/signature.html) for the signature;
//! "Error code" (errorcode.html) for the codes; all read 2026-11. What those pages leave open
//! follows the upstream code base (gateways.md, section A), all of it assumed: the query and its
//! path, `status` 0 to 3, `refundOrderId`, that answers are signed where `retCode` is SUCCESS and
//! never where it is FAIL, and that a repeated number, an amount beyond what is left and an
//! unknown refund answer FAIL with words and no code.
//!
//! It decides nothing about money: see `book` and `exchange`.

use super::exchange::{Line, Reply, Request, Trouble, Word};
use super::settings::Iotpay;
use super::terms::{Ask, Denial, Lookup, OrderIds, Standing};
use super::wire::{Answer, cents, form, json_params, optional, required};
use crate::gateways::sign::{self, Params};

/// Where refunds are submitted.
pub(super) const SUBMIT_PATH: &str = "/v1/refund_order";

/// The parameters that are JSON numbers in an answer.
const NUMBERS: &[&str] = &["refundAmount", "status", "refundSuccTime"];

/// Reads a submit. The lengths are those of the page.
pub(super) fn read_submit(body: &[u8], settings: &Iotpay) -> Result<Request, Trouble> {
    let params = read(body, settings)?;
    required(&params, "clientIp", 32)?;
    required(&params, "loginName", 32)?;
    optional(&params, "device", 64)?;
    Ok(Request::Submit(Ask {
        refund_no: required(&params, "mchRefundNo", 30)?,
        order: OrderIds {
            gateway_order_no: Some(required(&params, "payOrderId", 64)?),
            order_no: None,
        },
        amount_cents: cents(&params, "refundAmount")?,
        reason: None,
    }))
}

/// Reads a query: by `mchRefundNo`, or else by `refundOrderId`.
pub(super) fn read_query(body: &[u8], settings: &Iotpay) -> Result<Request, Trouble> {
    let params = read(body, settings)?;
    let by = match optional(&params, "mchRefundNo", 30)? {
        Some(no) => Lookup::RefundNo(no),
        None => Lookup::GatewayRefundNo(required(&params, "refundOrderId", 64)?),
    };
    Ok(Request::Query(by))
}

/// The parameters of a request of our merchant whose signature is right.
fn read(body: &[u8], settings: &Iotpay) -> Result<Params, Trouble> {
    let form = form(body);
    let wrapped = form.get("params").ok_or(Trouble::Empty)?;
    let params = json_params(wrapped).ok_or(Trouble::Field("params"))?;
    if required(&params, "mchId", 30)? != settings.merchant_id {
        return Err(Trouble::UnknownMerchant);
    }
    if !sign::verify(&params, &settings.key) {
        return Err(Trouble::BadSignature);
    }
    Ok(params)
}

/// Spells an answer.
pub(super) fn spell(reply: Reply, settings: &Iotpay) -> Answer {
    match reply {
        Reply::Accepted(line) => {
            let mut answer = refund(&line, settings);
            answer.set("resCode", "SUCCESS");
            answer
        }
        Reply::Found(lines) => match lines.last() {
            Some(own) => {
                let mut answer = refund(own, settings);
                if settings.query_res_code {
                    answer.set("resCode", "SUCCESS");
                }
                answer
            }
            None => not_found(settings),
        },
        Reply::Trouble(trouble) => spell_trouble(trouble, settings),
    }
}

/// What submit and query answers share: the refund itself.
fn refund(line: &Line, settings: &Iotpay) -> Answer {
    let view = &line.view;
    let mut answer = Answer::default()
        .with(&[
            ("retCode", "SUCCESS"),
            ("retMsg", ""),
            ("mchId", &settings.merchant_id),
            ("mchRefundNo", &view.refund_no),
            ("refundAmount", &view.amount_cents.to_string()),
            ("refundOrderId", &view.gateway_refund_no),
            ("status", status(line)),
        ])
        .signed();
    if let Some(at) = view.settled_at {
        answer.set("refundSuccTime", at.get().to_string());
    }
    answer.numbers = match line.instead {
        Some(Word::Raw(_)) => &["refundAmount", "refundSuccTime"],
        _ => NUMBERS,
    };
    answer
}

/// 0 created, 1 refunding, 2 success, 3 failed. There is no number for money that went to the
/// merchant's account: upstream calls whatever did not succeed failed.
fn status(line: &Line) -> &str {
    match (&line.instead, line.view.standing) {
        (Some(Word::NotSure), _) => "0",
        (Some(Word::Unlisted), _) => "7",
        (Some(Word::Raw(word)), _) => word,
        (None, Standing::Processing) => "1",
        (None, Standing::Succeeded) => "2",
        (None, Standing::Failed | Standing::Abnormal) => "3",
    }
}

fn spell_trouble(trouble: Trouble, settings: &Iotpay) -> Answer {
    match trouble {
        Trouble::NotPost => coded_failure("0011", "POST required"),
        Trouble::Empty => coded_failure("0012", "post data empty"),
        Trouble::BadSignature => coded_failure("0013", "signature error"),
        Trouble::Field(name) => {
            coded_failure("0014", &format!("parameter missing or invalid: {name}"))
        }
        Trouble::UnknownMerchant => coded_failure("0015", "merchant not found"),
        Trouble::UnknownService => failure("no such service"),
        Trouble::Denied(Denial::OrderNotFound) => business("0112", "order not found"),
        Trouble::Denied(Denial::OverRefund) => failure("refund amount exceeds what is left"),
        Trouble::Denied(Denial::Differs) => failure("refund does not match the earlier one"),
        Trouble::Denied(Denial::NumberExists) => failure("create refund order failed"),
        Trouble::NotFound => not_found(settings),
        Trouble::System(code) => business(code.as_deref().unwrap_or("0010"), "system error"),
        Trouble::Refused(code) => business(&code, "refused"),
    }
}

/// No such refund.
fn not_found(settings: &Iotpay) -> Answer {
    match &settings.not_found_code {
        Some(code) => business(code, "refund order not exist"),
        None => failure("refund order not exist"),
    }
}

/// `retCode` FAIL with words only; never signed.
fn failure(words: &str) -> Answer {
    Answer::default().with(&[("retCode", "FAIL"), ("retMsg", words)])
}

/// `retCode` FAIL with one of the documented codes; never signed.
fn coded_failure(code: &str, words: &str) -> Answer {
    failure(words).with(&[("errCode", code), ("errCodeDes", words)])
}

/// Understood, but the business failed; signed.
fn business(code: &str, words: &str) -> Answer {
    Answer::default()
        .with(&[
            ("retCode", "SUCCESS"),
            ("retMsg", ""),
            ("resCode", "FAIL"),
            ("errCode", code),
            ("errCodeDes", words),
        ])
        .signed()
}
