//! The request as a type. It is the source of the JSON Schema and what `refundd enqueue` fills in;
//! requests from outside are read by [`parse`](super::parse::parse), which explains itself better.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::{AmountCents, OrderRef, Refund};

/// A refund request, version 1: one entry of the requests stream, field `request`.
///
/// Unknown fields are refused, because a misspelt field must not be dropped silently. An optional
/// field may be left out or null.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "refundd request v1")]
pub struct RequestV1 {
    /// Version of this form: 1.
    #[schemars(schema_with = "super::schema::one")]
    pub v: u8,
    /// The merchant refund number and idempotency key: the same on every push of the same refund.
    /// Pushed again with the same content it is a harmless duplicate, with other content a conflict.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,30}$"))]
    pub refund_no: String,
    /// Names an `[accounts.*]` entry of refundd's configuration: gateway, credentials, schedule.
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,64}$"))]
    pub account: String,
    /// How much to give back, in minor units of the currency. An integer, never a float.
    #[schemars(range(min = 1, max = 999_999_999_999_u64))]
    pub amount_cents: u64,
    /// ISO 4217 code; must be the account's currency.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,
    /// The paid order that the money goes back to.
    pub order: OrderV1,
    /// Why, in the merchant's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 127))]
    pub reason: Option<String>,
    /// The payer's IP address, for gateways that want it; the account's is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("anyOf" = [{"format": "ipv4"}, {"format": "ipv6"}]))]
    pub client_ip: Option<String>,
    /// The device, for gateways that want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub device: Option<String>,
    /// When the order system asked, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub requested_at: Option<String>,
    /// Do not submit earlier than this, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub not_before: Option<String>,
    /// Anything, up to 4096 bytes as sent and 100 levels deep; echoed in the result byte for byte
    /// and never sent to a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub metadata: Option<Box<RawValue>>,
}

/// The paid order, by the gateway's id, the merchant's number, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["gateway_order_no"], "properties": {"gateway_order_no": {"type": "string"}}},
    {"required": ["order_no"], "properties": {"order_no": {"type": "string"}}},
]))]
pub struct OrderV1 {
    /// The gateway's id of the paid order (`payOrderId`, `transaction_id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[!-~]{1,64}$"))]
    pub gateway_order_no: Option<String>,
    /// The merchant's order number (`mchOrderNo`, `out_trade_no`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[!-~]{1,64}$"))]
    pub order_no: Option<String>,
    /// What was paid, in minor units: enables the over-refund guard, and is `total_fee` where a
    /// gateway wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 999_999_999_999_u64))]
    pub paid_cents: Option<u64>,
}

impl RequestV1 {
    /// The request that asks for `refund`; [`parse`](super::parse::parse) reads its JSON back to
    /// the same refund.
    pub fn of(refund: &Refund) -> Self {
        let metadata = refund.metadata.clone();
        Self {
            v: 1,
            refund_no: refund.refund_no.to_string(),
            account: refund.account.to_string(),
            amount_cents: refund.amount.get(),
            currency: refund.currency.to_string(),
            order: OrderV1::of(&refund.order),
            reason: refund.reason.clone(),
            client_ip: refund.client_ip.clone(),
            device: refund.device.clone(),
            requested_at: refund.requested_at.map(|at| at.to_string()),
            not_before: refund.not_before.map(|at| at.to_string()),
            metadata: metadata.and_then(|text| RawValue::from_string(text).ok()),
        }
    }

    /// The JSON of this request, one line unless the metadata has several.
    pub fn to_json(&self) -> String {
        // Cannot fail: every key is a string and no field has a Serialize of its own.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl OrderV1 {
    /// The order as the public JSON has it.
    pub fn of(order: &OrderRef) -> Self {
        Self {
            gateway_order_no: order.gateway_order_no().map(ToString::to_string),
            order_no: order.order_no().map(ToString::to_string),
            paid_cents: order.paid.map(AmountCents::get),
        }
    }
}
