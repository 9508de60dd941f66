//! Counts what gateways answered, by classes that are few and never change.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use super::Parts;
use super::limits::Call;
use crate::domain::RefundRecord;
use crate::ports::ledger::Claim;
use crate::ports::traffic::Held;
use crate::ports::{Acceptance, Account, Certainty, GatewayError, QueryAnswer};
use crate::telemetry::{metrics, otlp};

/// Waits for a submit.
pub(super) async fn submit(
    parts: &Parts,
    account: &Account,
    call: impl Future<Output = Result<Acceptance, GatewayError>>,
) -> Result<Acceptance, GatewayError> {
    let gateway = account.submitter.gateway();
    let sent = Instant::now();
    let answer = call.await;
    metrics::called(gateway.as_str(), Call::Submit.as_str(), sent.elapsed());
    let outcome = match &answer {
        Ok(_) => "accepted",
        Err(err) => class(err),
    };
    metrics::submitted(account.name.as_str(), gateway.as_str(), outcome);
    let kind = (Call::Submit.as_str(), outcome, &*code(answer.as_ref().err()));
    parts.traffic.called(gateway, kind, parts.clock.now());
    answer
}

/// Waits for a query.
pub(super) async fn query(
    parts: &Parts,
    account: &Account,
    call: impl Future<Output = Result<QueryAnswer, GatewayError>>,
) -> Result<QueryAnswer, GatewayError> {
    let gateway = account.querier.gateway();
    let sent = Instant::now();
    let answer = call.await;
    metrics::called(gateway.as_str(), Call::Query.as_str(), sent.elapsed());
    let outcome = match &answer {
        Ok(QueryAnswer::Found(_)) => "found",
        Ok(QueryAnswer::NotFound { .. }) => "not_found",
        Err(err) => class(err),
    };
    metrics::polled(account.name.as_str(), gateway.as_str(), outcome);
    let kind = (Call::Query.as_str(), outcome, &*code(answer.as_ref().err()));
    parts.traffic.called(gateway, kind, parts.clock.now());
    answer
}

/// The span of a submit.
pub(super) fn submit_span(account: &Account, record: &RefundRecord) -> Span {
    let (refund, gateway) = (&record.refund, account.submitter.gateway());
    let attempt = record.tally.attempts;
    otlp::submit(refund.refund_no.as_str(), refund.account.as_str(), gateway.as_str(), attempt)
}

/// The span of a query.
pub(super) fn query_span(account: &Account, record: &RefundRecord) -> Span {
    let (refund, gateway) = (&record.refund, account.querier.gateway());
    let poll = record.tally.polls.saturating_add(1);
    otlp::query(refund.refund_no.as_str(), refund.account.as_str(), gateway.as_str(), poll)
}

/// A call waits for a limit.
pub(super) fn put_off(parts: &Parts, account: &Account, call: Call) {
    metrics::limited(account.name.as_str(), call.as_str());
    parts.traffic.put_off(call.gateway(account), parts.clock.now());
}

/// The handling of a claimed refund begins; it ends when what is returned is dropped.
pub(super) fn begun<'a>(parts: &'a Parts, claim: &Claim) -> Held<'a> {
    metrics::step_lag(Duration::from_millis(parts.clock.now().since(claim.due_at)));
    parts.traffic.hold()
}

/// What the gateway calls its error, or its HTTP status.
fn code(err: Option<&GatewayError>) -> Cow<'_, str> {
    match err {
        Some(GatewayError::PutOff { code, .. } | GatewayError::Ambiguous { code, .. }) => {
            code.into()
        }
        Some(GatewayError::Refused(refusal)) => refusal.code.as_str().into(),
        Some(GatewayError::HttpStatus { status, .. }) => status.to_string().into(),
        Some(
            GatewayError::Connect(_)
            | GatewayError::Request(_)
            | GatewayError::Contradiction(_)
            | GatewayError::Timeout(_)
            | GatewayError::Broken(_)
            | GatewayError::Unreadable(_)
            | GatewayError::BadSignature(_),
        )
        | None => "".into(),
    }
}

/// What an error proves, and for what proves nothing, where it comes from.
fn class(err: &GatewayError) -> &'static str {
    match err.certainty() {
        Certainty::NotSent { .. } => "not_sent",
        Certainty::Refused(_) => "refused",
        Certainty::Contradicted => "contradicted",
        Certainty::Unknown => match err {
            GatewayError::BadSignature(_) => "bad_signature",
            GatewayError::Timeout(_) => "timeout",
            GatewayError::HttpStatus { .. } => "http_status",
            GatewayError::Connect(_)
            | GatewayError::Request(_)
            | GatewayError::PutOff { .. }
            | GatewayError::Refused(_)
            | GatewayError::Contradiction(_)
            | GatewayError::Broken(_)
            | GatewayError::Unreadable(_)
            | GatewayError::Ambiguous { .. } => "unknown",
        },
    }
}
