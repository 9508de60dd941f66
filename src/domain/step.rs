//! What happens next, and when: the only such decision in refundd.
//!
//! [`next_step`] says what a worker that holds a refund does with it. [`advance`] says what an
//! event makes of the refund: its next state, the moment it needs attention again, and whether a
//! result is to be published. Both are pure; the worker only carries them out.

use super::evidence::{Found, Verdict, judge, own_lines};
use super::policy::Policy;
use super::refund::RefundRecord;
use super::schedule::{poll_delay_ms, retry_delay_ms, unknown_delay_ms};
use super::state::{
    Absences, Event, EventKind, IllegalTransition, ParkCause, Parking, RefundState, StateKind,
    apply,
};
use super::{Evidence, Grade, Source, UnixMillis};

/// What the claim of a refund tells beside its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimFacts {
    /// An earlier worker recorded the intent to submit and was never heard of again: the submit
    /// may have happened.
    pub intent_lost: bool,
    /// How many workers in a row died or gave up while they held this refund.
    pub crashes: u32,
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
            if poisonous =>
        {
            Step::SetAside
        }
        StateKind::Submitting if facts.intent_lost => Step::Recover,
        StateKind::Submitting => Step::Submit,
        StateKind::Unconfirmed | StateKind::Refused | StateKind::Processing | StateKind::Parked => {
            Step::Query
        }
        StateKind::Requested | StateKind::Settled => Step::Nothing,
    }
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
    /// Whether a result is published together with it: it has just been parked or settled.
    pub publish: bool,
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
    let before = record.state.kind();
    let wait = asked_to_wait_ms(event);
    take(&mut record, event, at)?;
    // An answer that taught nothing must not be the last of the answers that prove absence: what
    // the gateway has shown since the last "not found" would be called absent.
    let absent = matches!(event, Event::NotFound { .. });
    while let Some(consequence) = consequence(&record, absent, at, policy) {
        take(&mut record, &consequence, at)?;
    }
    let after = record.state.kind();
    let publish = after != before && (after == StateKind::Settled || after == StateKind::Parked);
    if publish {
        record.tally.results = record.tally.results.saturating_add(1);
    }
    let plan = plan(&record, at, wait, policy);
    Ok(Advanced { record, plan, publish })
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
    Ok(Advanced { record, plan: Plan::Due(at.plus(wait_ms)), publish: false })
}

/// Turns the answer to a query into the event it proves.
pub fn query_event(record: &RefundRecord, found: &Found, at: UnixMillis) -> Event {
    let lines = || own_lines(&record.refund, &found.lines).cloned().collect::<Vec<_>>();
    let evidence = Evidence { grade: found.grade, source: Source::Query, at };
    let set_aside =
        |cause, message| Event::SetAside(Parking { cause, message, evidence, lines: lines() });
    let parked = record.state.kind() == StateKind::Parked;
    match judge(&record.refund, found) {
        Verdict::Succeeded => Event::Succeeded { evidence, lines: lines() },
        Verdict::Failed => Event::Failed { evidence, lines: lines() },
        Verdict::Processing => Event::StillProcessing {
            gateway_refund_no: lines().into_iter().find_map(|line| line.gateway_refund_no),
        },
        Verdict::Absent => {
            Event::NotFound { note: "no line of the answer has this refund number".to_owned() }
        }
        // What is parked already stays so: the answer adds to its history only.
        Verdict::Discrepancy(note) | Verdict::Abnormal(note) | Verdict::UnprovenFailure(note)
            if parked =>
        {
            Event::NoAnswer { note, retry_after_ms: None }
        }
        Verdict::Discrepancy(message) => set_aside(ParkCause::Discrepancy, message),
        Verdict::Abnormal(message) => set_aside(ParkCause::Abnormal, message),
        Verdict::UnprovenFailure(message) => set_aside(ParkCause::UnprovenFailure, message),
        Verdict::Inconclusive(note) => Event::Inconclusive { note },
        Verdict::NoInformation(note) => Event::NoAnswer { note, retry_after_ms: None },
    }
}

/// The event that stops a refund for a person, on refundd's own decision.
pub fn set_aside(cause: ParkCause, message: String, at: UnixMillis) -> Event {
    let evidence = Evidence { grade: Grade::C, source: Source::Refundd, at };
    Event::SetAside(Parking { cause, message, evidence, lines: Vec::new() })
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
        Event::NotSent { .. } => {
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
            note_gateway_no(record, gateway_refund_no.as_ref());
        }
        Event::NotFound { .. } => {
            tally.polls = tally.polls.saturating_add(1);
            state = state.with_absence(at);
        }
        Event::Inconclusive { .. } | Event::NoAnswer { .. } => {
            tally.polls = tally.polls.saturating_add(1);
        }
        Event::Succeeded { lines, .. } | Event::Failed { lines, .. } => {
            tally.polls = tally.polls.saturating_add(1);
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
        | Event::SetAside(_) => {}
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

/// What follows from the state itself, without any further answer. `absent`: a "not found" came
/// just now; only then may absence be concluded.
fn consequence(
    record: &RefundRecord,
    absent: bool,
    at: UnixMillis,
    policy: &Policy,
) -> Option<Event> {
    match &record.state {
        RefundState::Refused { refusal, absences, .. }
            if absent
                && absence_confirms(refusal_grade(record, refusal.grade), *absences, at, policy) =>
        {
            Some(Event::RefusalConfirmed { at })
        }
        RefundState::Unconfirmed { absences: Some(absences), .. }
            if absent && absence_is_believed(*absences, at, policy) =>
        {
            Some(resubmit_or_park(record, at, policy))
        }
        RefundState::Requested { .. }
        | RefundState::Unconfirmed { .. }
        | RefundState::Refused { .. }
        | RefundState::Processing { .. }
            if past_horizon(record, at, policy) =>
        {
            let message = "no final answer up to the horizon".to_owned();
            Some(set_aside(ParkCause::Horizon, message, at))
        }
        RefundState::Requested { .. }
        | RefundState::Submitting { .. }
        | RefundState::Unconfirmed { .. }
        | RefundState::Refused { .. }
        | RefundState::Processing { .. }
        | RefundState::Parked(_)
        | RefundState::Settled(_) => None,
    }
}

/// The refusal of a resend says nothing about the sends before it, signed or not: then absence has
/// to be as certain as without a refusal.
fn refusal_grade(record: &RefundRecord, grade: Grade) -> Grade {
    if record.tally.attempts > 1 { grade.min(Grade::B) } else { grade }
}

/// A signed refusal needs one query that shows nothing; an unsigned one as many as absence does.
fn absence_confirms(
    refusal: Grade,
    absences: Option<Absences>,
    at: UnixMillis,
    policy: &Policy,
) -> bool {
    match (refusal, absences) {
        (_, None) | (Grade::C, Some(_)) => false,
        (Grade::A, Some(_)) => true,
        (Grade::B, Some(absences)) => absence_is_believed(absences, at, policy),
    }
}

/// Enough "not found" answers, over the time a gateway may take to show a refund it has.
fn absence_is_believed(absences: Absences, at: UnixMillis, policy: &Policy) -> bool {
    absences.count >= policy.unknown.not_found_min
        && at.since(absences.first_at) >= policy.unknown.visibility_ms
}

/// The guarded resubmit: same number, only where a duplicate is known to be harmless.
fn resubmit_or_park(record: &RefundRecord, at: UnixMillis, policy: &Policy) -> Event {
    let message = if !policy.duplicates.is_certified() {
        "sent with unknown outcome and not known to the gateway; \
         duplicate_refund_no is \"unknown\", so it is not sent again"
    } else if record.tally.attempts > policy.unknown.resubmits_max {
        "sent with unknown outcome, not known to the gateway, and resubmitted as often as allowed"
    } else {
        return Event::ResubmitCleared;
    };
    set_aside(ParkCause::NotFound, message.to_owned(), at)
}

/// Whether the refund has been tried or asked about for as long as the account wants: since it was
/// sent, or else since the first time that a submit was put off. Waiting for its order or for
/// `not_before` does not count.
fn past_horizon(record: &RefundRecord, at: UnixMillis, policy: &Policy) -> bool {
    let put_off = record.history.iter().find(|line| line.event == EventKind::NotSent);
    let start = record.tally.submitted_at.or(put_off.map(|line| line.at));
    start.is_some_and(|start| at.since(start) >= policy.poll.horizon_ms)
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
        | Event::SetAside(_) => 0,
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
