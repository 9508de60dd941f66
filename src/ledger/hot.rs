//! What `benches/hot.rs` times: the stored form of a refund.

use super::record::{RecordError, decode_refund, decode_state, encode_refund, encode_state};
use crate::domain::RefundRecord;

/// What was asked and where it stands, as they are stored; `None` if one cannot be written.
pub fn encode(record: &RefundRecord) -> Option<(Vec<u8>, Vec<u8>)> {
    Some((encode_refund(record).ok()?, encode_state(record).ok()?))
}

/// The state alone, as each commit writes it; `None` if it cannot be written.
pub fn encode_step(record: &RefundRecord) -> Option<Vec<u8>> {
    encode_state(record).ok()
}

/// The record from both, as each claim reads it; `None` if it cannot be read.
pub fn decode(refund_no: &str, refund: &[u8], state: &[u8]) -> Option<RefundRecord> {
    let read = || -> Result<RefundRecord, RecordError> {
        decode_state(decode_refund(refund_no, refund)?, state)
    };
    read().ok()
}
