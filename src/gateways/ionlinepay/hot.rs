//! What `benches/hot.rs` times: a request and an answer without the way between them.

use super::{Gateway, answers, wire};
use crate::domain::Refund;
use crate::gateways::sign::Params;
use crate::ports::{GatewayError, QueryAnswer};

/// The form of a submit, with nonce and signature.
///
/// # Errors
/// [`GatewayError::Request`] if the system gives no random bytes.
pub fn encode_submit(gateway: &Gateway, refund: &Refund) -> Result<Params, GatewayError> {
    wire::signed(wire::submit_params(&gateway.settings, refund), &gateway.settings.key)
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
    answers::read_query(&gateway.settings, refund, body)
}
