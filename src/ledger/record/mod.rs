//! The stored form of a refund: two short binary texts, versioned, to and from the domain.
//!
//! What was asked is written once. Where it stands is written at every commit and begins with one
//! letter for its state, which is all that a script ever reads of it. Then, in both, one byte for the
//! version and one `MessagePack` array by position: names would be most of it. A text of a newer version
//! is an error: the refund is left for the newer worker that wrote it.
//!
//! | file | holds |
//! |---|---|
//! | [`array`] | arrays without their empty end, lists that take no memory before they are read |
//! | [`codes`] | the bytes that stand for words |
//! | [`lines`] | history, lines of an answer |
//! | [`state`] | where a refund stands |

mod array;
mod codes;
mod lines;
mod state;

use serde::{Deserialize, Serialize, Serializer};

use crate::domain::{
    AccountName, AmountCents, Currency, GatewayName, GatewayOrderNo, OrderNo, OrderRef, Refund,
    RefundNo, RefundRecord, RuleError, StateKind, UnixMillis,
};
pub(super) use state::{decode_state, encode_state};

/// The version that this program writes, and the newest that it reads. It is 1 as long as nothing was
/// released.
const VERSION: u8 = 1;

/// The newest version that there can be: what is no text of refundd mostly begins with a character
/// above it, and should not be called newer.
const LAST_VERSION: u8 = 0x1f;

/// Why a stored text cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// Not the JSON that a pause should be.
    #[error("stored text is not JSON")]
    Json(#[from] serde_json::Error),
    /// Not the arrays that a record should be.
    #[error("stored bytes are not a record")]
    Form(#[from] rmp_serde::decode::Error),
    /// A record that cannot be written.
    #[error("record cannot be stored")]
    Write(#[from] rmp_serde::encode::Error),
    /// Written by a newer refundd.
    #[error("stored by a newer refundd (version {0}); left for a newer worker")]
    Newer(u8),
    /// A value that no version writes.
    #[error("stored {0} is not one")]
    Value(&'static str),
    /// A value that breaks its own rule.
    #[error("stored value {0}")]
    Rule(#[from] RuleError),
}

/// What was asked: the array after the version. What is mostly left out stands at the end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRefund<'a> {
    scope: &'a str,
    account: &'a str,
    cents: u64,
    currency: &'a str,
    #[serde(default)]
    gateway_order_no: Option<&'a str>,
    #[serde(default)]
    order_no: Option<&'a str>,
    #[serde(default)]
    paid: Option<u64>,
    #[serde(default)]
    reason: Option<&'a str>,
    #[serde(default)]
    metadata: Option<&'a str>,
    #[serde(default)]
    client_ip: Option<&'a str>,
    #[serde(default)]
    device: Option<&'a str>,
    #[serde(default)]
    requested_at: Option<i64>,
    #[serde(default)]
    not_before: Option<i64>,
}

impl Serialize for StoredRefund<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        array::array!(serializer;
            self.scope => true,
            self.account => true,
            self.cents => true,
            self.currency => true,
            self.gateway_order_no => self.gateway_order_no.is_some(),
            self.order_no => self.order_no.is_some(),
            self.paid => self.paid.is_some(),
            self.reason => self.reason.is_some(),
            self.metadata => self.metadata.is_some(),
            self.client_ip => self.client_ip.is_some(),
            self.device => self.device.is_some(),
            self.requested_at => self.requested_at.is_some(),
            self.not_before => self.not_before.is_some(),
        )
    }
}

/// What was asked, as it is stored.
pub(super) fn encode_refund(record: &RefundRecord) -> Result<Vec<u8>, RecordError> {
    let refund = &record.refund;
    let stored = StoredRefund {
        scope: record.order_scope.as_str(),
        account: refund.account.as_str(),
        cents: refund.amount.get(),
        currency: refund.currency.as_str(),
        gateway_order_no: refund.order.gateway_order_no().map(GatewayOrderNo::as_str),
        order_no: refund.order.order_no().map(OrderNo::as_str),
        paid: refund.order.paid.map(AmountCents::get),
        reason: refund.reason.as_deref(),
        metadata: refund.metadata.as_deref(),
        client_ip: refund.client_ip.as_deref(),
        device: refund.device.as_deref(),
        requested_at: refund.requested_at.map(UnixMillis::get),
        not_before: refund.not_before.map(UnixMillis::get),
    };
    array::write(&[VERSION], &stored)
}

/// What was asked, as it was stored, and the scope of its order.
pub(super) fn decode_refund(
    refund_no: &str,
    bytes: &[u8],
) -> Result<(Refund, GatewayName), RecordError> {
    let stored: StoredRefund<'_> = array::read(versioned(bytes)?)?;
    let order = OrderRef::new(
        stored.gateway_order_no.map(GatewayOrderNo::parse).transpose()?,
        stored.order_no.map(OrderNo::parse).transpose()?,
        stored.paid.map(AmountCents::new).transpose()?,
    );
    let refund = Refund {
        refund_no: RefundNo::parse(refund_no)?,
        account: AccountName::parse(stored.account)?,
        amount: AmountCents::new(stored.cents)?,
        currency: Currency::parse(stored.currency)?,
        order: order.ok_or(RecordError::Value("order"))?,
        reason: stored.reason.map(str::to_owned),
        client_ip: stored.client_ip.map(str::to_owned),
        device: stored.device.map(str::to_owned),
        requested_at: stored.requested_at.map(UnixMillis::new),
        not_before: stored.not_before.map(UnixMillis::new),
        metadata: stored.metadata.map(str::to_owned),
    };
    Ok((refund, GatewayName::parse(stored.scope)?))
}

/// The letter that the scripts see: `r` is the only one that a claim turns into a submit.
pub(super) fn letter(state: StateKind) -> char {
    char::from(first_byte(state))
}

const fn first_byte(state: StateKind) -> u8 {
    match state {
        StateKind::Requested => b'r',
        StateKind::Submitting => b's', // never stored: the lease says so
        StateKind::Unconfirmed => b'u',
        StateKind::Refused => b'f',
        StateKind::Processing => b'p',
        StateKind::Parked => b'k',
        StateKind::Settled => b'z',
    }
}

/// What follows the version. A newer one may look the same and mean something else, so nothing of it
/// is read.
fn versioned(bytes: &[u8]) -> Result<&[u8], RecordError> {
    const NEWER: u8 = VERSION + 1;
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((&version @ NEWER..=LAST_VERSION, _)) => Err(RecordError::Newer(version)),
        _ => Err(RecordError::Value("version")),
    }
}

#[cfg(test)]
#[path = "../record_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "../fuzz_tests.rs"]
mod fuzz_tests;
