//! What the errors of gateways make of a refund.

use super::limits::Limits;
use crate::domain::answer::set_aside;
use crate::domain::state::{Event, ParkCause, StateKind};
use crate::domain::{RefundRecord, UnixMillis};
use crate::ports::{Account, Certainty, GatewayError, chain};

/// A gateway that asks to wait as long as this, ms, waits for a person: its balance is too low.
const FUNDING_WAIT_MS: u64 = 600_000;

/// What the error of a submit proves.
pub(super) fn submit_event(err: &GatewayError, at: UnixMillis) -> Event {
    let note = chain(err);
    match err.certainty() {
        Certainty::NotSent { retry_after_ms } => Event::NotSent { note, retry_after_ms },
        Certainty::Refused(refusal) => Event::SubmitRefused(refusal),
        Certainty::Contradicted => set_aside(ParkCause::Discrepancy, note, at),
        Certainty::Unknown => Event::AnswerUnknown { note },
    }
}

/// Somebody else's answer, or a key that is wrong: not even a success in it is used.
pub(super) fn tell_of_forgery(record: &RefundRecord, err: &GatewayError) {
    if matches!(err, GatewayError::BadSignature(_)) {
        tracing::error!(refund.no = %record.refund.refund_no, %err, "security: answer not used");
    }
}

/// What the error of a query proves: nothing, unless it is a signed contradiction.
pub(super) fn query_error(record: &RefundRecord, err: &GatewayError, at: UnixMillis) -> Event {
    let note = chain(err);
    tell_of_forgery(record, err);
    match err.certainty() {
        Certainty::Contradicted
            if !matches!(record.state.kind(), StateKind::Parked | StateKind::Settled) =>
        {
            set_aside(ParkCause::Discrepancy, note, at)
        }
        Certainty::Contradicted
        | Certainty::NotSent { .. }
        | Certainty::Refused(_)
        | Certainty::Unknown => Event::NoAnswer { note, retry_after_ms: err.retry_after_ms() },
    }
}

/// A gateway that takes no refund for long waits for money; a person has to know.
pub(super) fn tell_of_low_balance(
    limits: &Limits,
    account: &Account,
    err: &GatewayError,
    now: UnixMillis,
) {
    if let GatewayError::PutOff { code, message, retry_after_ms: Some(wait_ms) } = err
        && *wait_ms >= FUNDING_WAIT_MS
        && limits.tell(account, "balance", now)
    {
        tracing::error!(
            account = %account.name,
            gateway.name = %account.submitter.gateway(),
            code,
            message,
            wait_ms,
            "the gateway puts refunds off for long; is the balance too low?"
        );
    }
}
