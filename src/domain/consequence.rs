//! What follows from a state by itself: absence that is believed, a refusal that stands, the horizon.
//!
//! The guards of a resubmit and of a failure without a signed answer stand here and nowhere else.

use super::answer::set_aside;
use super::policy::Policy;
use super::refund::RefundRecord;
use super::state::{Absences, Event, EventKind, ParkCause, RefundState};
use super::{Grade, UnixMillis};

/// What follows from the state itself, without any further answer. `absent`: a "not found" came
/// just now; only then may absence be concluded.
pub(super) fn consequence(
    record: &RefundRecord,
    absent: bool,
    at: UnixMillis,
    policy: &Policy,
) -> Option<Event> {
    match &record.state {
        RefundState::Refused { refusal, absences, .. }
            if absent && refusal_stands(record, refusal.grade, *absences, at, policy) =>
        {
            Some(fail_or_park(record, at))
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

/// A refusal that absence confirms is a failure, if it speaks of the only send there was. A gateway
/// may refuse a number because it knows it; what became of the sends before it a person must find out.
fn fail_or_park(record: &RefundRecord, at: UnixMillis) -> Event {
    if is_only_send(record) {
        return Event::RefusalConfirmed { at };
    }
    let message = "a resend was refused, and the gateway does not show the send before it";
    set_aside(ParkCause::NotFound, message.to_owned(), at)
}

/// Whether the last send was the only one that there can have been.
fn is_only_send(record: &RefundRecord) -> bool {
    let lost = record.history.iter().any(|line| line.event == EventKind::WritesLost);
    record.tally.attempts <= 1 && !lost
}

/// Whether absence confirms a refusal. A signed one of the only send needs one query that shows
/// nothing; any other as many as absence does without a refusal.
fn refusal_stands(
    record: &RefundRecord,
    refusal: Grade,
    absences: Option<Absences>,
    at: UnixMillis,
    policy: &Policy,
) -> bool {
    match (refusal, absences) {
        (_, None) | (Grade::C, Some(_)) => false,
        (Grade::A, Some(_)) if is_only_send(record) => true,
        (Grade::A | Grade::B, Some(absences)) => absence_is_believed(absences, at, policy),
    }
}

/// Enough "not found" answers, over the time a gateway may take to show a refund it has.
fn absence_is_believed(absences: Absences, at: UnixMillis, policy: &Policy) -> bool {
    absences.count >= policy.unknown.not_found_min
        && at.since(absences.first_at) >= policy.unknown.visibility_ms
}

/// The guarded resubmit: same number, only where a duplicate is known to be harmless.
fn resubmit_or_park(record: &RefundRecord, at: UnixMillis, policy: &Policy) -> Event {
    if record.has_ended_before() {
        let message =
            "it had ended before, so its order has gone on without it; it is not sent again";
        return set_aside(ParkCause::NotFound, message.to_owned(), at);
    }
    // As far as anybody knows it was never sent, and now the gateway has said so for long enough.
    if record.tally.attempts == 0 {
        return Event::ResubmitCleared;
    }
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
/// sent, or else since the first time that a submit was put off; anew since it was released or
/// doubted. Waiting for its order or for `not_before` does not count.
fn past_horizon(record: &RefundRecord, at: UnixMillis, policy: &Policy) -> bool {
    let anew = |event| matches!(event, EventKind::Released | EventKind::WritesLost);
    let history = &record.history;
    let start = history
        .iter()
        .rev()
        .find(|line| anew(line.event))
        .map(|line| line.last_at)
        .or(record.tally.submitted_at)
        .or_else(|| Some(history.iter().find(|line| line.event == EventKind::NotSent)?.at));
    start.is_some_and(|start| at.since(start) >= policy.poll.horizon_ms)
}
