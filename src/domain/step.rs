//! What happens next, and when: the only such decision in refundd.
//!
//! [`next_step`] says what a worker that holds a refund does with it. [`advance`] says what an
//! event makes of the refund: its next state, the moment it needs attention again, and whether a
//! result is to be published. Both are pure; the worker only carries them out.

use super::consequence::consequence;
use super::order::{OrderChange, Reserve};
use super::policy::Policy;
use super::refund::RefundRecord;
use super::schedule::{poll_delay_ms, retry_delay_ms, unknown_delay_ms};
use super::state::{Event, EventKind, IllegalTransition, Outcome, RefundState, StateKind, apply};
use super::{Source, UnixMillis};

/// What the claim of a refund tells beside its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimFacts {
    /// An earlier worker recorded the intent to submit and was never heard of again: the submit
    /// may have happened.
    pub intent_lost: bool,
    /// How many workers in a row died or gave up while they held this refund.
    pub crashes: u32,
    /// When Redis was last found to have been replaced or to have lost writes: a refund that it
    /// believes unsent and that is as old as that may have been sent all the same.
    pub lost_at: Option<UnixMillis>,
}

/// What a worker does with a refund it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Submit it: this claim recorded the intent, nobody else can have sent under it.
    Submit,
    /// Ask the gateway about it.
    Query,
    /// Record that an earlier submit has an unknown outcome; the schedule asks the gateway next.
    Recover,
    /// Record that the ledger cannot be believed about this refund; the schedule asks the gateway.
    Doubt,
    /// Stop handling it: it has brought down its worker too often.
    SetAside,
    /// Nothing: it has ended, or it cannot be held in this state.
    Nothing,
}

/// Decides what a worker does with the refund it holds.
///
/// `record` is as the claim returned it: a refund that was due for its submit is already
/// [`RefundState::Submitting`], because claiming it was the write of the intent.
pub fn next_step(record: &RefundRecord, facts: ClaimFacts, policy: &Policy) -> Step {
    let poisonous = facts.crashes >= policy.poison_max;
    match record.state.kind() {
        StateKind::Submitting
        | StateKind::Unconfirmed
        | StateKind::Refused
        | StateKind::Processing
        | StateKind::Parked
        | StateKind::Settled
            if poisonous =>
        {
            Step::SetAside
        }
        StateKind::Submitting if facts.intent_lost => Step::Recover,
        StateKind::Submitting if is_doubted(record, facts.lost_at) => Step::Doubt,
        StateKind::Submitting => Step::Submit,
        // What has settled is held only because somebody wants the gateway to be asked again.
        StateKind::Unconfirmed
        | StateKind::Refused
        | StateKind::Processing
        | StateKind::Parked
        | StateKind::Settled => Step::Query,
        StateKind::Requested => Step::Nothing,
    }
}

/// Whether the gateway has to be asked before the first submit, because the store, which was last found
/// to have lost writes at `lost_at`, may have lost that the refund was sent: the request is as old as the last
/// loss of writes (its admission may be newer: that was lost, too, and made again), and the gateway
/// has not been asked since.
pub fn is_doubted(record: &RefundRecord, lost_at: Option<UnixMillis>) -> bool {
    let cleared = record.history.iter().rev().find(|line| line.event == EventKind::ResubmitCleared);
    let known_at = cleared.map_or(record.pushed_at, |line| line.last_at);
    lost_at.is_some_and(|lost_at| known_at <= lost_at)
}

/// When a refund needs attention next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// At this moment, by a worker.
    Due(UnixMillis),
    /// Never: it has ended.
    Ended,
}

/// A refund after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// The record to store.
    pub record: RefundRecord,
    /// When it needs attention next.
    pub plan: Plan,
    /// Whether a result is published together with it: it has just been parked or settled, or what
    /// was published is corrected.
    pub publish: bool,
    /// What this means for its order; `None` if nothing.
    pub order: Option<OrderChange>,
}

/// Applies `event` at `at`, then whatever follows from it by the account's policy.
///
/// # Errors
/// [`IllegalTransition`] if the event may not follow the record's state. Nothing is to be stored
/// then; it is a defect of refundd, and the refund stays as it was.
pub fn advance(
    mut record: RefundRecord,
    event: &Event,
    at: UnixMillis,
    policy: &Policy,
) -> Result<Advanced, IllegalTransition> {
    let (before, held) = (record.state.standing(), record.state.holds());
    let wait = asked_to_wait_ms(event);
    take(&mut record, event, at)?;
    // An answer that taught nothing must not be the last of the answers that prove absence: what
    // the gateway has shown since the last "not found" would be called absent.
    let absent = matches!(event, Event::NotFound { .. });
    while let Some(consequence) = consequence(&record, absent, at, policy) {
        take(&mut record, &consequence, at)?;
    }
    let after = record.state.standing();
    let publish = after != before && matches!(after.0, StateKind::Settled | StateKind::Parked);
    if publish {
        record.tally.results = record.tally.results.saturating_add(1);
    }
    let ended = after.0 == StateKind::Settled && before.0 != StateKind::Settled;
    let order = order_change(&record, (held, ended), at, policy);
    let plan = plan(&record, at, wait, policy);
    Ok(Advanced { record, plan, publish, order })
}

/// What a step means for the order: the end of a refund passes the turn on, and its amount counts
/// or does not.
fn order_change(
    record: &RefundRecord,
    (held, ended): (bool, bool),
    at: UnixMillis,
    policy: &Policy,
) -> Option<OrderChange> {
    let amount = record.refund.amount;
    let reserve = match (held, record.state.holds()) {
        (true, false) => Reserve::Free(amount),
        (false, true) => Reserve::HoldAgain(amount),
        (true, true) | (false, false) if ended => Reserve::Keep,
        (true, true) | (false, false) => return None,
    };
    let next_at = last_submit_at(record).map_or(at, |sent| sent.plus(policy.order_gap_ms));
    Some(OrderChange { reserve, next_at })
}

/// When the refund was last sent, as far as its history tells.
fn last_submit_at(record: &RefundRecord) -> Option<UnixMillis> {
    let sent = record.history.iter().rev().find(|line| line.event == EventKind::SubmitStarted);
    sent.map(|line| line.last_at).or(record.tally.submitted_at)
}

/// Applies `event` at `at` and nothing that might follow from it, and plans the next look after
/// `wait_ms`: for a worker that does not know the account's policy and must not decide by another.
///
/// # Errors
/// As [`advance`].
pub fn defer(
    mut record: RefundRecord,
    event: &Event,
    at: UnixMillis,
    wait_ms: u64,
) -> Result<Advanced, IllegalTransition> {
    take(&mut record, event, at)?;
    let ended = record.state.kind() == StateKind::Settled;
    let plan = if ended { Plan::Ended } else { Plan::Due(at.plus(wait_ms)) };
    Ok(Advanced { record, plan, publish: false, order: None })
}

/// Applies one event to state, totals and history.
fn take(record: &mut RefundRecord, event: &Event, at: UnixMillis) -> Result<(), IllegalTransition> {
    let mut state = apply(record.state.clone(), event)?;
    let tally = &mut record.tally;
    match event {
        Event::SubmitStarted => {
            tally.attempts = tally.attempts.saturating_add(1);
            tally.submitted_at.get_or_insert(at);
        }
        // The intent of this claim led to no send.
        Event::NotSent { .. } | Event::WritesLost { .. } => {
            tally.attempts = tally.attempts.saturating_sub(1);
            if tally.attempts == 0 {
                tally.submitted_at = None;
            }
        }
        Event::Accepted { gateway_refund_no } => {
            note_gateway_no(record, gateway_refund_no.as_ref());
        }
        Event::StillProcessing { gateway_refund_no } => {
            tally.polls = tally.polls.saturating_add(1);
            tally.attempts = tally.attempts.max(1); // it was sent, whatever the ledger has kept
            note_gateway_no(record, gateway_refund_no.as_ref());
        }
        Event::NotFound { .. } => {
            tally.polls = tally.polls.saturating_add(1);
            state = state.with_absence(at);
        }
        Event::Inconclusive { .. } => {
            tally.polls = tally.polls.saturating_add(1);
            tally.attempts = tally.attempts.max(1);
        }
        Event::NoAnswer { .. } | Event::Confirmed { .. } => {
            tally.polls = tally.polls.saturating_add(1);
        }
        Event::Succeeded { lines, .. } | Event::Failed { lines, .. } => {
            tally.polls = tally.polls.saturating_add(1);
            tally.attempts = tally.attempts.max(1);
            let named = lines.iter().find_map(|line| line.gateway_refund_no.as_ref()).cloned();
            note_gateway_no(record, named.as_ref());
        }
        // Only where an answer to a query led to it; what follows from a state asked nobody.
        Event::SetAside(parking) if parking.evidence.source == Source::Query => {
            tally.polls = tally.polls.saturating_add(1);
        }
        Event::AnswerUnknown { .. }
        | Event::SubmitRefused(_)
        | Event::ResubmitCleared
        | Event::RefusalConfirmed { .. }
        | Event::SetAside(_)
        | Event::Released(_)
        | Event::Resolved { .. }
        | Event::Abandoned { .. } => {}
    }
    // What was sent before, as a refund that waits for its resend was, is given up and not withdrawn.
    if let (Event::Abandoned { .. }, RefundState::Settled(end)) = (event, &mut state)
        && record.tally.attempts > 0
    {
        end.outcome = Outcome::GivenUp;
    }
    if !event.kind().is_query() || state.kind() != record.state.kind() {
        record.tally.revision = record.tally.revision.saturating_add(1);
    }
    record.state = state;
    record.remember(event, at);
    Ok(())
}

/// Keeps the gateway's id of the refund once an answer has named it.
fn note_gateway_no(record: &mut RefundRecord, named: Option<&super::GatewayRefundNo>) {
    if let Some(named) = named {
        record.gateway_refund_no = Some(named.clone());
    }
}

/// The wait that a gateway asked for.
fn asked_to_wait_ms(event: &Event) -> u64 {
    match event {
        Event::NotSent { retry_after_ms, .. } | Event::NoAnswer { retry_after_ms, .. } => {
            retry_after_ms.unwrap_or(0)
        }
        Event::SubmitStarted
        | Event::Accepted { .. }
        | Event::AnswerUnknown { .. }
        | Event::SubmitRefused(_)
        | Event::StillProcessing { .. }
        | Event::Inconclusive { .. }
        | Event::NotFound { .. }
        | Event::ResubmitCleared
        | Event::Succeeded { .. }
        | Event::Failed { .. }
        | Event::RefusalConfirmed { .. }
        | Event::SetAside(_)
        | Event::WritesLost { .. }
        | Event::Confirmed { .. }
        | Event::Released(_)
        | Event::Resolved { .. }
        | Event::Abandoned { .. } => 0,
    }
}

/// When the refund needs attention next, at least `wait` ms from now.
fn plan(record: &RefundRecord, at: UnixMillis, wait: u64, policy: &Policy) -> Plan {
    let no = &record.refund.refund_no;
    let delay = match &record.state {
        RefundState::Requested { waits: 0 } | RefundState::Submitting { .. } => 0,
        RefundState::Requested { waits } => retry_delay_ms(no, waits.saturating_sub(1), policy),
        RefundState::Unconfirmed { polls, .. } | RefundState::Refused { polls, .. } => {
            unknown_delay_ms(no, *polls, &policy.unknown, &policy.poll)
        }
        RefundState::Processing { polls } => poll_delay_ms(no, *polls, &policy.poll),
        RefundState::Parked(_) => policy.poll.parked_ms,
        RefundState::Settled(_) => return Plan::Ended,
    };
    Plan::Due(at.plus(delay.max(wait)))
}

/// When a refund that has just been admitted needs attention: now, or when it may be submitted.
pub fn first_due(record: &RefundRecord) -> UnixMillis {
    record.refund.not_before.map_or(record.admitted_at, |at| at.max(record.admitted_at))
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
