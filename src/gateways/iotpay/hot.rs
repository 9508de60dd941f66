//! What `benches/hot.rs` times: a request and an answer without the way between them.

use super::{Gateway, wire};
use crate::domain::Refund;
use crate::ports::{GatewayError, QueryAnswer};

/// The body of a submit, signed.
///
/// # Errors
/// [`GatewayError::Request`] if it cannot be written.
pub fn encode_submit(gateway: &Gateway, refund: &Refund) -> Result<String, GatewayError> {
    let params = wire::submit_params(&gateway.settings, refund, refund.client_ip.as_deref());
    wire::signed_json(params, &gateway.settings.key)
}

/// What the answer to a query proves.
///
/// # Errors
/// [`GatewayError`] as the querier has it.
pub fn decode_query(
    gateway: &Gateway,
    refund: &Refund,
    body: &[u8],
) -> Result<QueryAnswer, GatewayError> {
    wire::read_query(&gateway.settings, refund, body)
}
