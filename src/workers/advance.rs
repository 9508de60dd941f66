//! One step of one refund: the only place that calls a gateway.
//!
//! What to do comes from [`next_step`], what an answer means from the ports, what it makes of the
//! refund from [`advance`]. This file carries out, and carries the answer to the ledger.

use super::Parts;
use crate::contract::result_of;
use crate::domain::evidence::{StatusLine, StatusWord};
use crate::domain::state::{Event, IllegalTransition, Outcome, ParkCause, RefundState, StateKind};
use crate::domain::step::{Advanced, Step, advance, next_step, query_event, set_aside};
use crate::domain::{Grade, RefundNo, RefundRecord, UnixMillis};
use crate::ports::ledger::{Claim, Commit, OrderRelease};
use crate::ports::{Account, Certainty, GatewayError, QueryAnswer};

/// A lease must outlast a gateway call by this much, ms: clocks differ a little, and the answer has
/// to be committed.
pub const LEASE_MARGIN_MS: u64 = 2_000;

/// How long a refund waits whose account the configuration no longer has, ms.
const NO_ACCOUNT_WAIT_MS: u64 = 60_000;

/// Takes claimed refunds one step further.
#[derive(Debug)]
pub struct Handler {
    parts: Parts,
}

impl Handler {
    /// A handler over the given parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Does what is next for the claimed refund. `None` leaves the refund to its lease.
    ///
    /// # Errors
    /// [`IllegalTransition`] is a defect of refundd; the refund is left to its lease.
    pub async fn handle(&self, claim: Claim) -> Result<Option<Box<Commit>>, IllegalTransition> {
        let Some(account) = self.parts.accounts.get(&claim.record.refund.account) else {
            return self.without_account(claim).map(Some);
        };
        match next_step(&claim.record, claim.facts, &account.policy) {
            Step::Submit => self.submit(claim, account).await.map(Some),
            Step::Query => self.query(claim, account).await.map(Some),
            Step::RecoverThenQuery => {
                let note = "the worker that was submitting it is gone".to_owned();
                let event = Event::AnswerUnknown { note };
                let advanced =
                    advance(claim.record, &event, self.parts.clock.now(), &account.policy)?;
                self.query(Claim { record: advanced.record, ..claim }, account).await.map(Some)
            }
            Step::SetAside => {
                let message = format!("handling it failed {} times in a row", claim.facts.crashes);
                let event = set_aside(ParkCause::Poison, message, self.parts.clock.now());
                self.commit(claim, account, &event).map(Some)
            }
            Step::Nothing => Ok(None),
        }
    }

    /// Submits once. The claim has recorded the intent.
    async fn submit(
        &self,
        mut claim: Claim,
        account: &Account,
    ) -> Result<Box<Commit>, IllegalTransition> {
        let now = self.parts.clock.now();
        let hash = account.submitter.params_hash(&claim.record.refund);
        if claim.record.params_hash != Some(hash) {
            if claim.record.tally.attempts > 1 {
                let message = "a resend would not be equal to the first send".to_owned();
                let event = set_aside(ParkCause::ParamsChanged, message, now);
                return self.commit(claim, account, &event);
            }
            // Nothing has been sent yet. The intent is recorded anew, for what is to be sent now.
            claim.record.params_hash = Some(hash);
            let note = "the parameters have changed since it was admitted".to_owned();
            let event = Event::NotSent { note, retry_after_ms: None };
            return self.commit(claim, account, &event);
        }
        // The last look before bytes leave: whoever was stopped for a while must not send.
        if now.plus(account.longest_call_ms) >= claim.lease.until {
            let note = "the lease is too short to send".to_owned();
            return self.commit(claim, account, &Event::NotSent { note, retry_after_ms: None });
        }
        let answer = account.submitter.submit(&claim.record.refund).await;
        let event = match answer {
            Ok(accepted) => Event::Accepted { gateway_refund_no: accepted.gateway_refund_no },
            Err(err) => submit_event(&err, self.parts.clock.now()),
        };
        self.commit(claim, account, &event)
    }

    /// Asks the gateway once.
    async fn query(
        &self,
        claim: Claim,
        account: &Account,
    ) -> Result<Box<Commit>, IllegalTransition> {
        let answer = account.querier.query(&claim.record.refund).await;
        let event = match answer {
            Ok(QueryAnswer::Found(found)) => {
                self.tell_others(&claim.record, &found.lines, found.grade).await;
                query_event(&claim.record, &found, self.parts.clock.now())
            }
            Ok(QueryAnswer::NotFound { grade, note }) if grade >= Grade::B => {
                Event::NotFound { note }
            }
            Ok(QueryAnswer::NotFound { note, .. }) => {
                Event::NoAnswer { note, retry_after_ms: None }
            }
            Err(err) => {
                warn_of_forgery(&claim.record.refund.refund_no, &err);
                Event::NoAnswer { note: err.chain(), retry_after_ms: err.retry_after_ms() }
            }
        };
        self.commit(claim, account, &event)
    }

    /// Other refunds of the order that the answer shows as final are asked about now; money that
    /// went out under a number that nobody knows is reported.
    async fn tell_others(&self, record: &RefundRecord, lines: &[StatusLine], grade: Grade) {
        let own = record.refund.refund_no.as_str();
        let is_final = |word| matches!(word, StatusWord::Success | StatusWord::Failed);
        let parked = record.state.kind() == StateKind::Parked; // else two parked ones wake each other
        let others = lines.iter().filter(|line| line.refund_no != own && is_final(line.word));
        for line in others.filter(|_| grade == Grade::A && !parked) {
            let known = match RefundNo::parse(&line.refund_no) {
                Ok(no) => self.parts.ledger.find(&no).await.map(|found| found.map(|_| no)),
                Err(_) => Ok(None),
            };
            match known {
                Ok(Some(no)) => {
                    // Only a shortcut: its own schedule asks anyway.
                    let _ = self.parts.ledger.nudge(&[no], self.parts.clock.now()).await;
                }
                Ok(None) if line.word == StatusWord::Success => tracing::warn!(
                    refund.no = own,
                    other = line.refund_no,
                    amount_cents = line.amount_cents,
                    "the gateway shows a refund of this order that nobody asked refundd for"
                ),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// A refund whose account the configuration no longer has: nothing is sent, nothing concluded.
    fn without_account(&self, claim: Claim) -> Result<Box<Commit>, IllegalTransition> {
        let note = format!("the configuration has no account {}", claim.record.refund.account);
        tracing::error!(refund.no = %claim.record.refund.refund_no, "{note}");
        let wait = Some(NO_ACCOUNT_WAIT_MS);
        let event = match claim.record.state.kind() {
            StateKind::Submitting if claim.facts.intent_lost => Event::AnswerUnknown { note },
            StateKind::Submitting => Event::NotSent { note, retry_after_ms: wait },
            StateKind::Requested
            | StateKind::Unconfirmed
            | StateKind::Refused
            | StateKind::Processing
            | StateKind::Parked
            | StateKind::Settled => Event::NoAnswer { note, retry_after_ms: wait },
        };
        let at = self.parts.clock.now();
        let policy = crate::domain::Policy::default();
        let advanced = advance(claim.record, &event, at, &policy)?;
        let scope = advanced.record.order_scope.clone();
        Ok(commit(claim.lease, advanced, &scope, policy.order_gap_ms, at))
    }

    /// What `event` makes of the refund, ready for the ledger.
    fn commit(
        &self,
        claim: Claim,
        account: &Account,
        event: &Event,
    ) -> Result<Box<Commit>, IllegalTransition> {
        let at = self.parts.clock.now();
        let advanced = advance(claim.record, event, at, &account.policy)?;
        let gateway = account.submitter.gateway();
        Ok(commit(claim.lease, advanced, gateway, account.policy.order_gap_ms, at))
    }
}

/// What the error of a submit proves.
fn submit_event(err: &GatewayError, at: UnixMillis) -> Event {
    let note = err.chain();
    match err.certainty() {
        Certainty::NotSent { retry_after_ms } => Event::NotSent { note, retry_after_ms },
        Certainty::Refused(refusal) => Event::SubmitRefused(refusal),
        Certainty::Contradicted => set_aside(ParkCause::Discrepancy, note, at),
        Certainty::Unknown => Event::AnswerUnknown { note },
    }
}

/// An answer with a bad signature is somebody else's answer, or a key that is wrong.
fn warn_of_forgery(refund_no: &RefundNo, err: &GatewayError) {
    if matches!(err, GatewayError::BadSignature(_)) {
        tracing::error!(refund.no = %refund_no, %err, "security: its answer was not used");
    }
}

/// Everything that the end or the pause of a refund writes, in one commit.
fn commit(
    lease: crate::ports::ledger::Lease,
    advanced: Advanced,
    gateway: &crate::domain::GatewayName,
    order_gap_ms: u64,
    at: UnixMillis,
) -> Box<Commit> {
    let Advanced { record, plan, publish } = advanced;
    let result = if publish { result_of(&record, gateway) } else { None };
    let order = match &record.state {
        RefundState::Settled(end) => Some(OrderRelease {
            freed: (end.outcome == Outcome::Failed).then_some(record.refund.amount),
            next_at: record.tally.submitted_at.map_or(at, |sent| sent.plus(order_gap_ms)),
        }),
        RefundState::Requested { .. }
        | RefundState::Submitting { .. }
        | RefundState::Unconfirmed { .. }
        | RefundState::Refused { .. }
        | RefundState::Processing { .. }
        | RefundState::Parked(_) => None,
    };
    Box::new(Commit { lease, record, plan, result, order })
}

#[cfg(test)]
#[path = "advance_tests.rs"]
mod tests;
