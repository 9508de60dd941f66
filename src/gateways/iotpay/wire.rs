//! IOTPay's requests and answers: text in, text out, no IO.
//!
//! Source: IOTPay "Refund interface", Parameters, Note and return result, unless a line says
//! otherwise.

use secrecy::{ExposeSecret, SecretString};

use super::Settings;
use super::codes::CODES;
use crate::domain::evidence::{Found, StatusLine, StatusWord};
use crate::domain::state::Refusal;
use crate::domain::{GatewayOrderNo, Grade, Refund, UnixMillis};
use crate::gateways::answer::{Answer, Signature, clip};
use crate::gateways::codes::{Class, class_of};
use crate::gateways::sign::{self, Params, Reading, SIGN_FIELD};
use crate::gateways::{mismatch, within};
use crate::ports::{Acceptance, FieldError, GatewayError, QueryAnswer};

/// The form field that wraps the parameters as JSON. Source: Note.
pub(super) const WRAPPER: &str = "params";
/// The merchant id. Source: Parameters.
pub(super) const MERCHANT: &str = "mchId";
/// Our refund number. Its 30 characters are the domain's own limit. Source: Parameters.
pub(super) const REFUND_NO: &str = "mchRefundNo";
/// `mchId` is `String(30)`. Source: Parameters.
pub(super) const MERCHANT_MAX: usize = 30;
/// `loginName` is `String(32)`. Source: Parameters.
pub(super) const LOGIN_MAX: usize = 32;

/// `clientIp` is `String(32)`: a written-out IPv6 address may not fit. Source: Parameters.
const CLIENT_IP_MAX: usize = 32;
/// `device` is `String(64)`. Source: Parameters.
const DEVICE_MAX: usize = 64;
/// `payOrderId` is `String(64)`. Source: Parameters.
const ORDER_MAX: usize = 64;

/// Of `retCode` (transport) and `resCode` (transaction). Source: return result.
const SUCCESS: &str = "SUCCESS";
/// As [`SUCCESS`].
const FAIL: &str = "FAIL";

/// Where an answer puts the gateway's words, best first. Source: Sample Code reads `errCodeDes` and
/// `retMsg`; assumed: `errDes`, as later XxPay spells it.
const MESSAGES: &[&str] = &["errCodeDes", "errDes", "retMsg"];
/// The error code. Source: IOTPay "Order Query", return result; assumed for refunds.
const ERROR_CODE: &str = "errCode";

/// See [`RefundSubmitter::check`](crate::ports::RefundSubmitter::check).
pub(super) fn check_submit(refund: &Refund, client_ip: Option<&str>) -> Result<(), FieldError> {
    let Some(order) = refund.order.gateway_order_no() else {
        return Err(FieldError::new(
            "order.gateway_order_no",
            "is needed by this gateway (payOrderId)",
        ));
    };
    within("order.gateway_order_no", order.as_str(), ORDER_MAX)?;
    let Some(client_ip) = client_ip else {
        return Err(FieldError::new(
            "client_ip",
            "is needed by this gateway, in the request or as the account's client_ip",
        ));
    };
    within("client_ip", client_ip, CLIENT_IP_MAX)?;
    refund
        .device
        .as_deref()
        .filter(|device| !device.is_empty())
        .map_or(Ok(()), |device| within("device", device, DEVICE_MAX))
}

/// The parameters of a refund, unsigned. Empty ones are left out, as the signature leaves them out.
///
/// All values are text, the amount too, as in the sample of the Note.
pub(super) fn submit_params(
    settings: &Settings,
    refund: &Refund,
    client_ip: Option<&str>,
) -> Params {
    let amount = refund.amount.to_string();
    let order = refund.order.gateway_order_no().map(GatewayOrderNo::as_str);
    let currency = settings.send_currency.then(|| refund.currency.as_str());
    params(&[
        (MERCHANT, Some(&settings.merchant_id)),
        (REFUND_NO, Some(refund.refund_no.as_str())),
        ("refundAmount", Some(&amount)),
        ("clientIp", client_ip),
        ("device", refund.device.as_deref()),
        ("loginName", Some(&settings.login_name)),
        ("payOrderId", order),
        ("currency", currency),
    ])
}

/// The parameters of a refund query, unsigned. Assumed: these two, as XxPay has them.
pub(super) fn query_params(settings: &Settings, refund: &Refund) -> Params {
    params(&[
        (MERCHANT, Some(&settings.merchant_id)),
        (&settings.query_id_field, Some(refund.refund_no.as_str())),
    ])
}

/// Joins those that have a value.
fn params(pairs: &[(&str, Option<&str>)]) -> Params {
    pairs
        .iter()
        .filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some(((*name).to_owned(), value.to_owned()))
        })
        .collect()
}

/// Signs the parameters and writes them as the JSON that the form field carries.
pub(super) fn signed_json(mut params: Params, key: &SecretString) -> Result<String, GatewayError> {
    let signature = sign::sign(&params, key.expose_secret());
    params.insert(SIGN_FIELD.to_owned(), signature);
    serde_json::to_string(&params).map_err(|err| GatewayError::Request(err.to_string()))
}

/// What the answer to a submit proves.
pub(super) fn read_submit(
    settings: &Settings,
    refund: &Refund,
    body: &[u8],
) -> Result<Acceptance, GatewayError> {
    let (answer, grade) = read(settings, body)?;
    let signed = grade == Grade::A;
    echo_matches(&answer, signed, REFUND_NO, refund.refund_no.as_str())?;
    if let Some(cents) = answer.cents("refundAmount")?
        && cents != refund.amount.get()
    {
        let asked = refund.amount.to_string();
        return Err(mismatch(signed, "refundAmount", &asked, &cents.to_string()));
    }
    if !both_succeeded(&answer)? {
        return Err(failure(&answer, grade));
    }
    let status = answer.text("status");
    match status.map(|status| word(settings, status)) {
        None | Some(StatusWord::Success | StatusWord::Processing) => {
            Ok(Acceptance { gateway_refund_no: answer.gateway_refund_no("refundOrderId") })
        }
        // XxPay answers SUCCESS and SUCCESS although the refund failed; `status` tells. Assumed.
        Some(StatusWord::Failed) => Err(GatewayError::Refused(Refusal {
            code: format!("status {}", clip(status.unwrap_or_default())),
            message: answer.note(MESSAGES),
            grade,
        })),
        Some(
            StatusWord::FailedUnproven
            | StatusWord::NotSure
            | StatusWord::Abnormal
            | StatusWord::Unlisted,
        ) => Err(GatewayError::Ambiguous {
            code: format!("status {}", clip(status.unwrap_or_default())),
            message: answer.note(MESSAGES),
        }),
    }
}

/// What the answer to a refund query proves.
///
/// Assumed, all of it: `retCode`, `resCode` only perhaps, then the fields of one refund.
pub(super) fn read_query(
    settings: &Settings,
    refund: &Refund,
    body: &[u8],
) -> Result<QueryAnswer, GatewayError> {
    let (answer, grade) = read(settings, body)?;
    let asked = refund.refund_no.as_str();
    for field in [REFUND_NO, &settings.query_id_field] {
        echo_matches(&answer, grade == Grade::A, field, asked)?;
    }
    let succeeded = match answer.text("resCode") {
        None => ret_code(&answer)? == SUCCESS,
        Some(_) => both_succeeded(&answer)?,
    };
    if !succeeded {
        return not_found(settings, &answer, grade);
    }
    let missing = |name: &str| GatewayError::Unreadable(format!("{name} is missing"));
    // Without its number an answer could be about any refund.
    let echo = answer
        .text(REFUND_NO)
        .or_else(|| answer.text(&settings.query_id_field))
        .ok_or_else(|| missing(REFUND_NO))?;
    let status = answer.text("status").ok_or_else(|| missing("status"))?;
    let amount_cents = answer.cents("refundAmount")?.ok_or_else(|| missing("refundAmount"))?;
    let line = StatusLine {
        n: 0,
        refund_no: echo.to_owned(),
        gateway_refund_no: answer.gateway_refund_no("refundOrderId"),
        amount_cents,
        word: word(settings, status),
        status: clip(status),
        time: time(&answer),
        reason: None,
    };
    Ok(QueryAnswer::Found(Found { lines: vec![line], grade }))
}

/// Reads a body and checks what holds for every answer: the signature if there is one, and whose
/// answer it is. The grade is A with a signature, B without.
///
/// Source: IOTPay "Interface rule": leave out `sign`, recompute, compare; more parameters may come.
/// Whether refund answers are signed is not documented; XxPay signs none of its FAIL answers.
fn read(settings: &Settings, body: &[u8]) -> Result<(Answer, Grade), GatewayError> {
    let answer = Answer::parse(body)?;
    let grade = match answer.signature(settings.key.expose_secret(), Reading::Tolerant) {
        Signature::Valid => Grade::A,
        Signature::Missing => Grade::B,
        Signature::Wrong => {
            return Err(GatewayError::BadSignature("sign does not match the fields".to_owned()));
        }
        Signature::Unclear => {
            let why = "a value could hide other fields under the same sign";
            return Err(GatewayError::BadSignature(why.to_owned()));
        }
    };
    echo_matches(&answer, grade == Grade::A, MERCHANT, &settings.merchant_id)?;
    Ok((answer, grade))
}

/// Checks a field that the answer may echo.
fn echo_matches(
    answer: &Answer,
    signed: bool,
    field: &str,
    asked: &str,
) -> Result<(), GatewayError> {
    match answer.text(field) {
        Some(got) if got != asked => Err(mismatch(signed, field, asked, got)),
        Some(_) | None => Ok(()),
    }
}

/// `retCode`, which every answer has.
fn ret_code(answer: &Answer) -> Result<&str, GatewayError> {
    match answer.text("retCode") {
        Some(code @ (SUCCESS | FAIL)) => Ok(code),
        Some(code) => {
            Err(GatewayError::Ambiguous { code: clip(code), message: answer.note(MESSAGES) })
        }
        None => Err(GatewayError::Unreadable("retCode is missing".to_owned())),
    }
}

/// Whether `retCode` and `resCode` both say SUCCESS. `retCode` alone is the transport's.
fn both_succeeded(answer: &Answer) -> Result<bool, GatewayError> {
    if ret_code(answer)? == FAIL {
        return Ok(false);
    }
    match answer.text("resCode") {
        Some(SUCCESS) => Ok(true),
        Some(FAIL) => Ok(false),
        other => Err(GatewayError::Ambiguous {
            code: format!("resCode {}", clip(other.unwrap_or("missing"))),
            message: answer.note(MESSAGES),
        }),
    }
}

/// A failure by its code. Without a listed code, words alone refuse nothing.
fn failure(answer: &Answer, grade: Grade) -> GatewayError {
    let message = answer.note(MESSAGES);
    let Some(code) = answer.text(ERROR_CODE).map(clip) else {
        return GatewayError::Ambiguous { code: FAIL.to_owned(), message };
    };
    match class_of(CODES, &code) {
        Class::NotExecuted => GatewayError::Refused(Refusal { code, message, grade }),
        // Only a signature makes "not taken" a proof.
        Class::PutOff { retry_after_ms } if grade == Grade::A => {
            GatewayError::PutOff { code, message, retry_after_ms: Some(retry_after_ms) }
        }
        Class::PutOff { .. } | Class::NotFound | Class::Ambiguous => {
            GatewayError::Ambiguous { code, message }
        }
    }
}

/// Whether a failed query says "no such refund", by a listed code or, without a code, a listed text.
fn not_found(
    settings: &Settings,
    answer: &Answer,
    grade: Grade,
) -> Result<QueryAnswer, GatewayError> {
    let message = answer.note(MESSAGES);
    let code = answer.text(ERROR_CODE);
    let listed = match code {
        Some(code) => settings.not_found_codes.iter().any(|known| known == code),
        None if message.trim().is_empty() => false,
        None => settings
            .not_found_texts
            .iter()
            .any(|known| known.trim().to_lowercase() == message.trim().to_lowercase()),
    };
    let code = code.map_or_else(|| FAIL.to_owned(), clip);
    if listed {
        let note = format!("{code} {message}");
        return Ok(QueryAnswer::NotFound { grade, note });
    }
    Err(GatewayError::Ambiguous { code, message })
}

/// What a status means by the settings.
fn word(settings: &Settings, status: &str) -> StatusWord {
    settings.status_map.get(status).copied().unwrap_or(StatusWord::Unlisted)
}

/// `refundSuccTime`, ms since 1970. Assumed, from XxPay.
fn time(answer: &Answer) -> Option<UnixMillis> {
    let millis = answer.text("refundSuccTime")?.parse().ok()?;
    Some(UnixMillis::new(millis))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
