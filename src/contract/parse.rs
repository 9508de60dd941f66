//! Reads a refund request: bytes to a checked [`Refund`], or the field and the rule it breaks, in
//! words that the producer of the request can act on.
//!
//! Whatever the bytes are, this returns; it never panics, never recurses without bound and never
//! keeps more than the bytes. What is checked here is what a request must be by itself. Whether the
//! account exists, has that currency and can carry the fields is checked where accounts are known.

use std::net::IpAddr;

use super::fault::{Fault, Invalid, RejectCode, RequestError};
use super::json::{self, Object, cut, shown};
use crate::domain::{
    AccountName, AmountCents, Currency, GatewayOrderNo, OrderNo, OrderRef, Refund, RefundNo,
    RuleError, UnixMillis,
};

/// Largest request, bytes. A request with full metadata needs less than a tenth of it.
pub const MAX_BYTES: usize = 64 * 1024;

/// In requests larger than [`MAX_BYTES`] the refund number is still looked for up to this size, so
/// that their producer hears of it by a result.
const MAX_BYTES_LOOKED_AT: usize = 1024 * 1024;

/// Largest metadata, bytes as sent.
pub const METADATA_MAX_BYTES: usize = 4096;

/// Deepest nesting of the metadata. The result nests it deeper, and common JSON readers stop at 128.
const METADATA_MAX_DEPTH: usize = 100;

/// Longest reason, characters: iOnline Pay's `refund_reason_$n` is `String(127)`.
pub const REASON_MAX_CHARS: usize = 127;

/// Longest device, characters: IOTPay's `device` is `String(64)`.
pub const DEVICE_MAX_CHARS: usize = 64;

/// The fields of a request, in the order they are checked.
pub(super) const FIELDS: &[&str] = &[
    "v",
    "refund_no",
    "account",
    "amount_cents",
    "currency",
    "order",
    "reason",
    "client_ip",
    "device",
    "requested_at",
    "not_before",
    "metadata",
];

/// The fields of `order`.
pub(super) const ORDER_FIELDS: &[&str] = &["gateway_order_no", "order_no", "paid_cents"];

/// What can be read of a request beside its number: each field that is legal by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readable {
    /// The account it names, whether or not there is such an account.
    pub account: Option<AccountName>,
    /// The amount, minor units.
    pub amount: Option<AmountCents>,
    /// The currency.
    pub currency: Option<Currency>,
    /// The order, if all of it is legal.
    pub order: Option<OrderRef>,
    /// The metadata, JSON as sent.
    pub metadata: Option<String>,
    /// When the order system says it asked.
    pub requested_at: Option<UnixMillis>,
}

impl Readable {
    fn of(object: &Object<'_>) -> Self {
        let field = |name| object.unambiguous(name);
        Self {
            account: field("account").and_then(|raw| legal(raw, AccountName::parse)),
            amount: field("amount_cents").and_then(|raw| cents(raw).ok()),
            currency: field("currency").and_then(|raw| legal(raw, Currency::parse)),
            order: field("order").and_then(|raw| order(raw).ok()),
            metadata: field("metadata").and_then(|raw| metadata(raw).ok()),
            requested_at: field("requested_at").and_then(|raw| legal(raw, rfc3339)),
        }
    }
}

impl From<&Refund> for Readable {
    fn from(refund: &Refund) -> Self {
        Self {
            account: Some(refund.account.clone()),
            amount: Some(refund.amount),
            currency: Some(refund.currency),
            order: Some(refund.order.clone()),
            metadata: refund.metadata.clone(),
            requested_at: refund.requested_at,
        }
    }
}

/// Reads a request, version 1.
///
/// # Errors
/// [`RequestError`] with the first field that breaks a rule, in the order of the contract.
///
/// ```
/// use refundd::contract::parse;
/// let refund = parse(br#"{"v":1,"refund_no":"R1","account":"shop","amount_cents":500,
///     "currency":"CAD","order":{"order_no":"A-7"}}"#).unwrap();
/// assert_eq!(refund.amount.get(), 500);
///
/// let err = parse(br#"{"v":1,"refund_no":"R1","account":"shop","amount_cents":12.5}"#).unwrap_err();
/// assert_eq!(err.to_string(), "amount_cents must be an integer in minor units, got 12.5");
/// assert_eq!(err.refund_no().unwrap().as_str(), "R1");
/// ```
pub fn parse(bytes: &[u8]) -> Result<Refund, RequestError> {
    let object = object_of(bytes).map_err(RequestError::Unreadable)?;
    checked(&object, bytes.len()).map_err(|fault| {
        match object.unambiguous("refund_no").and_then(|raw| legal(raw, RefundNo::parse)) {
            Some(refund_no) => RequestError::Invalid(Box::new(Invalid {
                refund_no,
                fault,
                readable: Readable::of(&object),
            })),
            None => RequestError::Unreadable(fault),
        }
    })
}

/// The bytes as one JSON object.
fn object_of(bytes: &[u8]) -> Result<Object<'_>, Fault> {
    let whole = |rule: String| Fault::new("request", rule);
    if bytes.len() > MAX_BYTES_LOOKED_AT {
        return Err(too_large(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|err| {
        whole(format!("must be UTF-8, is not from byte {} on", err.valid_up_to()))
    })?;
    let start = text.trim_start_matches([' ', '\t', '\n', '\r']);
    if start.is_empty() {
        return Err(whole("must be a JSON object, got nothing".to_owned()));
    }
    let not_json = |err: serde_json::Error| whole(format!("must be JSON: {err}"));
    if start.starts_with('{') {
        return Object::read(text).map_err(not_json);
    }
    let value: &serde_json::value::RawValue = serde_json::from_str(text).map_err(not_json)?;
    Err(whole(format!("must be a JSON object, got {}", shown(value.get()))))
}

fn too_large(len: usize) -> Fault {
    Fault::new("request", format!("must be at most {MAX_BYTES} bytes, got {len}"))
}

/// Checks the fields one after the other.
fn checked(object: &Object<'_>, len: usize) -> Result<Refund, Fault> {
    if len > MAX_BYTES {
        return Err(too_large(len));
    }
    version(object)?;
    only_known(object, "", FIELDS)?;
    let refund = Refund {
        refund_no: required(object, "refund_no", RefundNo::parse)?,
        account: required(object, "account", AccountName::parse)?,
        amount: cents(written(object, "amount_cents")?)
            .map_err(|rule| Fault::new("amount_cents", rule))?,
        currency: required(object, "currency", Currency::parse)?,
        order: order(written(object, "order")?)?,
        reason: optional(object, "reason", |text| at_most(text, REASON_MAX_CHARS))?,
        client_ip: optional(object, "client_ip", ip_address)?,
        device: optional(object, "device", |text| at_most(text, DEVICE_MAX_CHARS))?,
        requested_at: optional(object, "requested_at", rfc3339)?,
        not_before: optional(object, "not_before", rfc3339)?,
        metadata: object
            .get("metadata")
            .map(metadata)
            .transpose()
            .map_err(|rule| Fault::new("metadata", rule))?,
    };
    match refund.order.paid {
        Some(paid) if refund.amount > paid => Err(Fault {
            code: RejectCode::OverRefund,
            ..Fault::new(
                "amount_cents",
                format!("must be at most order.paid_cents, {paid}, got {}", refund.amount),
            )
        }),
        _ => Ok(refund),
    }
}

/// The version comes first: another one may know other fields.
fn version(object: &Object<'_>) -> Result<(), Fault> {
    if let Some(name) = object.duplicate() {
        return Err(Fault::new(cut(name), "is written twice"));
    }
    match written(object, "v")? {
        "1" => Ok(()),
        other => Err(Fault::new("v", format!("must be 1, got {}", shown(other)))),
    }
}

/// Refuses a field that nobody knows, and says which one may have been meant.
fn only_known(object: &Object<'_>, prefix: &str, known: &[&str]) -> Result<(), Fault> {
    let Some(name) = object.names().find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let rule = match nearest {
        Some((_, nearest)) => format!("is not a known field, did you mean {prefix}{nearest}?"),
        None => format!("is not a known field, known are {}", known.join(", ")),
    };
    Err(Fault::new(format!("{prefix}{}", cut(name)), rule))
}

/// The value of a field that must be there.
fn written<'a>(object: &Object<'a>, name: &str) -> Result<&'a str, Fault> {
    object.written(name).ok_or_else(|| Fault::new(name, "is missing"))
}

/// A text field that must be there.
fn required<T>(
    object: &Object<'_>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, RuleError>,
) -> Result<T, Fault> {
    text(written(object, name)?, parse).map_err(|rule| Fault::new(name, rule))
}

/// A text field that may be left out or null.
fn optional<T>(
    object: &Object<'_>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, RuleError>,
) -> Result<Option<T>, Fault> {
    object.get(name).map(|raw| text(raw, parse).map_err(|rule| Fault::new(name, rule))).transpose()
}

/// A JSON string that obeys a rule, or the words for why it does not.
fn text<T>(raw: &str, parse: impl Fn(&str) -> Result<T, RuleError>) -> Result<T, String> {
    if !raw.starts_with('"') {
        return Err(format!("must be a string, got {}", shown(raw)));
    }
    let decoded: String = serde_json::from_str(raw)
        .map_err(|_| format!("must be a string of whole characters, got {}", cut(raw)))?;
    parse(&decoded).map_err(|err| err.to_string())
}

/// As [`text`], where the reason does not matter.
fn legal<T>(raw: &str, parse: impl Fn(&str) -> Result<T, RuleError>) -> Option<T> {
    text(raw, parse).ok()
}

/// An amount. A fraction or an exponent is refused even where its value is whole: whoever writes
/// money that way has it in a float.
fn cents(raw: &str) -> Result<AmountCents, String> {
    let is_integer = |raw: &str| {
        let digits = raw.strip_prefix('-').unwrap_or(raw);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    if !is_integer(raw) {
        return Err(format!("must be an integer in minor units, got {}", shown(raw)));
    }
    let count = raw.parse().unwrap_or(if raw.starts_with('-') { 0 } else { u64::MAX });
    AmountCents::new(count).map_err(|err| format!("{}, got {}", err.rule, shown(raw)))
}

/// The `order` object.
fn order(raw: &str) -> Result<OrderRef, Fault> {
    if !raw.starts_with('{') {
        return Err(Fault::new("order", format!("must be an object, got {}", shown(raw))));
    }
    let object =
        Object::read(raw).map_err(|err| Fault::new("order", format!("must be JSON: {err}")))?;
    if let Some(name) = object.duplicate() {
        return Err(Fault::new(format!("order.{}", cut(name)), "is written twice"));
    }
    only_known(&object, "order.", ORDER_FIELDS)?;
    let inner = |fault: Fault| Fault { field: format!("order.{}", fault.field), ..fault };
    let gateway_order_no =
        optional(&object, "gateway_order_no", GatewayOrderNo::parse).map_err(inner)?;
    let order_no = optional(&object, "order_no", OrderNo::parse).map_err(inner)?;
    let paid = object
        .get("paid_cents")
        .map(cents)
        .transpose()
        .map_err(|rule| Fault::new("order.paid_cents", rule))?;
    OrderRef::new(gateway_order_no, order_no, paid)
        .ok_or_else(|| Fault::new("order", "must have gateway_order_no, order_no or both"))
}

/// The metadata as sent, byte for byte.
fn metadata(raw: &str) -> Result<String, String> {
    if !raw.starts_with('{') {
        return Err(format!("must be an object, got {}", shown(raw)));
    }
    if raw.len() > METADATA_MAX_BYTES {
        return Err(format!("must be at most {METADATA_MAX_BYTES} bytes, got {}", raw.len()));
    }
    json::check_deep(raw, METADATA_MAX_DEPTH).map_err(|err| {
        format!(
            "must be JSON without repeated keys, at most {METADATA_MAX_DEPTH} levels deep: {err}"
        )
    })?;
    Ok(raw.to_owned())
}

fn at_most(text: &str, max: usize) -> Result<String, RuleError> {
    if text.chars().count() > max {
        return Err(RuleError::new(format!("must be at most {max} characters"), text));
    }
    Ok(text.to_owned())
}

fn ip_address(text: &str) -> Result<String, RuleError> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(RuleError::new("must be an IPv4 or IPv6 address such as 203.0.113.7", text)),
    }
}

/// RFC 3339 to the letter: the reader behind it also takes times without seconds, with a time zone
/// in brackets, or with a comma.
fn rfc3339(text: &str) -> Result<UnixMillis, RuleError> {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c.to_ascii_uppercase() })
        .collect();
    let rest = ["0000-00-00T00:00:00", "0000-00-00 00:00:00"]
        .iter()
        .find_map(|head| shape.strip_prefix(head));
    let offset = rest.map(|rest| match rest.strip_prefix(".0") {
        Some(fraction) => fraction.trim_start_matches('0'),
        None => rest,
    });
    // The fraction's digits swallow none of the offset: an offset begins with Z, + or -.
    match offset {
        Some("Z" | "+00:00" | "-00:00") => UnixMillis::parse_rfc3339(text),
        _ => Err(RuleError::new("must be an RFC 3339 time such as 2026-11-22T09:30:00Z", text)),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
