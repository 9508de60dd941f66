//! iOnline Pay's requests.
//!
//! Source: iOnline Pay "Query Refund", Request Parameters, for the common fields and the query; the
//! fields of the refund are assumed (see the protocol's own page in [`super`]).

use rustls::crypto::ring;
use secrecy::{ExposeSecret, SecretString};

use super::Settings;
use crate::domain::{GatewayOrderNo, OrderNo, Refund};
use crate::gateways::sign::{self, Params, SIGN_FIELD};
use crate::gateways::within;
use crate::ports::{FieldError, GatewayError};

/// The length of every id in the tables.
pub(super) const STRING_32: usize = 32;
/// The random string, which changes with every request. Source: `nonce_str`.
pub(super) const NONCE: &str = "nonce_str";
/// The merchant. Source: `mch_id`.
pub(super) const MERCHANT: &str = "mch_id";
/// Our refund number: 30 characters at most, 32 would fit. Source: `out_refund_no`.
pub(super) const REFUND_NO: &str = "out_refund_no";
/// The merchant's order number. Source: `out_trade_no`.
pub(super) const ORDER_NO: &str = "out_trade_no";
/// The gateway's order number. Source: `transaction_id`.
pub(super) const GATEWAY_ORDER_NO: &str = "transaction_id";

/// Source: `version`, default value.
const VERSION: &str = "1.0";
/// Source: `charset`, default value.
const CHARSET: &str = "UTF-8";
/// Source: `sign_type`, default value.
const SIGN_TYPE: &str = "MD5";

/// See [`RefundSubmitter::check`](crate::ports::RefundSubmitter::check).
///
/// Assumed: `total_fee`, what was paid, is needed, as in SwiftPass and WeChat Pay v2.
pub(super) fn check_submit(settings: &Settings, refund: &Refund) -> Result<(), FieldError> {
    if let Some(order) = refund.order.gateway_order_no() {
        within("order.gateway_order_no", order.as_str(), STRING_32)?;
    }
    if let Some(order) = refund.order.order_no() {
        within("order.order_no", order.as_str(), STRING_32)?;
    }
    if refund.order.paid.is_none() {
        let rule = "is needed by this gateway (total_fee)";
        return Err(FieldError::new("order.paid_cents", rule));
    }
    match &refund.reason {
        Some(reason) if settings.send_reason && !reason.is_empty() => {
            within("reason", reason, 127) // Source: refund_reason_$n is String(127).
        }
        Some(_) | None => Ok(()),
    }
}

/// The parameters of a refund, without nonce and signature. Assumed, all but the common ones.
///
/// Both order ids are sent where both are known: SwiftPass then takes the gateway's own.
pub(super) fn submit_params(settings: &Settings, refund: &Refund) -> Params {
    let mut params = common(settings, &settings.refund_service);
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            params.insert(name.to_owned(), value.to_owned());
        }
    };
    let total = refund.order.paid.map(|paid| paid.to_string());
    let user = settings.op_user_id.as_ref().unwrap_or(&settings.merchant_id);
    put(ORDER_NO, refund.order.order_no().map(OrderNo::as_str));
    put(GATEWAY_ORDER_NO, refund.order.gateway_order_no().map(GatewayOrderNo::as_str));
    put(REFUND_NO, Some(refund.refund_no.as_str()));
    put("total_fee", total.as_deref());
    put("refund_fee", Some(&refund.amount.to_string()));
    put("op_user_id", Some(user));
    if settings.send_reason {
        put("refund_reason", refund.reason.as_deref());
    }
    params
}

/// The parameters of a refund query, without nonce and signature.
///
/// Of the four ids that may be given, ours: it names exactly this refund, also after a lost answer.
pub(super) fn query_params(settings: &Settings, refund: &Refund) -> Params {
    let mut params = common(settings, &settings.query_service);
    params.insert(REFUND_NO.to_owned(), refund.refund_no.to_string());
    params
}

/// What every request carries.
fn common(settings: &Settings, service: &str) -> Params {
    [
        ("service", service),
        ("version", VERSION),
        ("charset", CHARSET),
        ("sign_type", SIGN_TYPE),
        (MERCHANT, &settings.merchant_id),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Adds nonce and signature.
pub(super) fn signed(mut params: Params, key: &SecretString) -> Result<Params, GatewayError> {
    params.insert(NONCE.to_owned(), nonce()?);
    let signature = sign::sign(&params, key.expose_secret());
    params.insert(SIGN_FIELD.to_owned(), signature);
    Ok(params)
}

/// 32 random hex digits, the longest that `nonce_str` takes.
fn nonce() -> Result<String, GatewayError> {
    let mut bytes = [0_u8; 16];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| GatewayError::Request("the system gave no random bytes".to_owned()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
