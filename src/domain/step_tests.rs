//! Walks refunds through whole lives, and random ones through anything.

use proptest::prelude::*;

use super::*;
use crate::domain::Grade;
use crate::domain::answer::{query_event, set_aside};
use crate::domain::evidence::{Found, StatusLine, StatusWord};
use crate::domain::policy::Duplicates;
use crate::domain::refund::tests::admitted;
use crate::domain::state::{Decision, Outcome, ParkCause, Refusal};

const MINUTE: u64 = 60_000;

fn policy(duplicates: Duplicates) -> Policy {
    Policy { duplicates, ..Policy::default() }
}

fn at(minutes: u64) -> UnixMillis {
    UnixMillis::new(0).plus(minutes * MINUTE)
}

fn submitting() -> RefundRecord {
    let record = admitted("R1", 500, at(0));
    advance(record, &Event::SubmitStarted, at(0), &Policy::default()).unwrap().record
}

#[expect(clippy::needless_pass_by_value, reason = "reads like the life it tells")]
fn after(record: RefundRecord, event: Event, when: UnixMillis, policy: &Policy) -> Advanced {
    advance(record, &event, when, policy).unwrap()
}

fn unknown() -> Event {
    Event::AnswerUnknown { note: "timeout".to_owned() }
}

fn not_found() -> Event {
    Event::NotFound { note: "0112".to_owned() }
}

fn found(status: &str, cents: u64, grade: Grade) -> Found {
    let line = StatusLine {
        n: 0,
        refund_no: "R1".to_owned(),
        gateway_refund_no: None,
        amount_cents: cents,
        word: StatusWord::parse(status),
        status: status.to_owned(),
        time: None,
        reason: None,
    };
    Found { lines: vec![line], grade }
}

#[test]
fn a_timeout_is_queried_before_any_resend() {
    let advanced = after(submitting(), unknown(), at(0), &policy(Duplicates::Replays));
    assert_eq!(advanced.record.state.kind(), StateKind::Unconfirmed);
    assert_eq!(next_step(&advanced.record, ClaimFacts::default(), &Policy::default()), Step::Query);
    let Plan::Due(due) = advanced.plan else { panic!("a query is due") };
    assert!((4_000..=6_000).contains(&due.since(at(0))), "{due}");
    assert!(!advanced.publish);
}

#[test]
fn three_absences_over_the_window_clear_a_resubmit_only_where_duplicates_are_harmless() {
    for (duplicates, kind) in [
        (Duplicates::Unknown, StateKind::Parked),
        (Duplicates::Replays, StateKind::Requested),
        (Duplicates::Rejects, StateKind::Requested),
    ] {
        let policy = policy(duplicates);
        let mut record = after(submitting(), unknown(), at(0), &policy).record;
        for minute in [1, 2, 10] {
            record = after(record, not_found(), at(minute), &policy).record;
            assert_eq!(record.state.kind(), StateKind::Unconfirmed, "minute {minute}");
        }
        let last = after(record, not_found(), at(11), &policy);
        assert_eq!(last.record.state.kind(), kind, "{duplicates:?}");
        assert_eq!(last.publish, kind == StateKind::Parked);
    }
}

#[test]
fn two_absences_are_not_enough_however_far_apart() {
    let policy = policy(Duplicates::Replays);
    let mut record = after(submitting(), unknown(), at(0), &policy).record;
    record = after(record, not_found(), at(1), &policy).record;
    record = after(record, not_found(), at(5_000), &policy).record;
    assert_eq!(record.state.kind(), StateKind::Unconfirmed);
}

#[test]
fn an_error_of_a_query_does_not_count_as_absence() {
    let policy = policy(Duplicates::Replays);
    let mut record = after(submitting(), unknown(), at(0), &policy).record;
    for minute in 1..100 {
        let event = Event::NoAnswer { note: "timeout".to_owned(), retry_after_ms: None };
        record = after(record, event, at(minute), &policy).record;
    }
    assert_eq!(record.state, RefundState::Unconfirmed { polls: 99, absences: None });
}

#[test]
fn absence_is_concluded_from_an_answer_and_not_from_the_lack_of_one() {
    let policy = policy(Duplicates::Replays);
    let refusal = Refusal { code: "0014".into(), message: String::new(), grade: Grade::B };
    for sent in [unknown(), Event::SubmitRefused(refusal)] {
        let mut record = after(submitting(), sent, at(0), &policy).record;
        let kind = record.state.kind();
        for minute in [1, 2, 3] {
            record = after(record, not_found(), at(minute), &policy).record;
        }
        // The window is over, but the gateway may have shown the refund since the third minute.
        let silence = Event::NoAnswer { note: "timeout".to_owned(), retry_after_ms: None };
        record = after(record, silence, at(12), &policy).record;
        assert_eq!(record.state.kind(), kind);
        record = after(record, not_found(), at(13), &policy).record;
        assert_ne!(record.state.kind(), kind);
    }
}

#[test]
fn resubmits_end() {
    let policy = policy(Duplicates::Rejects);
    let mut record = submitting();
    let mut attempts = 1;
    let mut minute = 0;
    while record.state.kind() != StateKind::Parked {
        record = after(record, unknown(), at(minute), &policy).record;
        while record.state.kind() == StateKind::Unconfirmed {
            minute += 6;
            record = after(record, not_found(), at(minute), &policy).record;
        }
        if record.state.kind() == StateKind::Requested {
            record = after(record, Event::SubmitStarted, at(minute), &policy).record;
            attempts += 1;
        }
    }
    assert_eq!(attempts, 1 + policy.unknown.resubmits_max);
    assert_eq!(record.tally.attempts, attempts);
}

#[test]
fn a_submit_that_did_not_happen_costs_no_attempt_and_backs_off() {
    let policy = Policy::default();
    let mut record = admitted("R1", 500, at(0));
    let mut delays = Vec::new();
    for _ in 0..3 {
        record = after(record, Event::SubmitStarted, at(0), &policy).record;
        let event = Event::NotSent { note: "connect refused".to_owned(), retry_after_ms: None };
        let advanced = after(record, event, at(0), &policy);
        let Plan::Due(due) = advanced.plan else { panic!("due") };
        delays.push(due.since(at(0)));
        record = advanced.record;
    }
    assert_eq!((record.tally.attempts, record.tally.submitted_at), (0, None));
    assert!(delays[0] >= 800 && delays[1] >= 1_600 && delays[2] >= 3_200, "{delays:?}");
}

#[test]
fn a_gateway_that_asks_to_wait_is_waited_for() {
    let event = Event::NotSent { note: "429".to_owned(), retry_after_ms: Some(90_000) };
    let advanced = after(submitting(), event, at(0), &Policy::default());
    assert_eq!(advanced.plan, Plan::Due(UnixMillis::new(90_000)));
}

#[test]
fn a_refusal_is_confirmed_by_absence_before_it_is_a_failure() {
    let policy = Policy::default();
    let refusal = |grade| {
        Event::SubmitRefused(Refusal { code: "0014".into(), message: "parameter".into(), grade })
    };
    let signed = after(submitting(), refusal(Grade::A), at(0), &policy).record;
    let settled = after(signed, not_found(), at(1), &policy);
    assert_eq!((settled.record.state.kind(), settled.publish), (StateKind::Settled, true));

    let mut unsigned = after(submitting(), refusal(Grade::B), at(0), &policy).record;
    for minute in [1, 5, 10] {
        unsigned = after(unsigned, not_found(), at(minute), &policy).record;
        assert_eq!(unsigned.state.kind(), StateKind::Refused);
    }
    let settled = after(unsigned, not_found(), at(11), &policy).record;
    assert!(matches!(&settled.state, RefundState::Settled(end) if end.outcome == Outcome::Failed));
}

#[test]
fn a_refusal_that_a_query_contradicts_was_no_refusal() {
    let policy = Policy::default();
    let event = Event::SubmitRefused(Refusal {
        code: "0014".into(),
        message: String::new(),
        grade: Grade::B,
    });
    let refused = after(submitting(), event, at(0), &policy).record;
    let event = query_event(&refused, &found("SUCCESS", 500, Grade::A), at(1));
    let settled = after(refused, event, at(1), &policy).record;
    assert!(
        matches!(&settled.state, RefundState::Settled(end) if end.outcome == Outcome::Succeeded)
    );
}

#[test]
fn at_the_horizon_a_person_is_told_and_the_refund_is_still_asked_about() {
    let policy = Policy::default();
    let accepted = Event::Accepted { gateway_refund_no: None };
    let held = after(submitting(), accepted, at(0), &policy).record;
    let still = Event::StillProcessing { gateway_refund_no: None };
    let before = after(held, still.clone(), at(15 * 24 * 60 - 1), &policy);
    assert_eq!(before.record.state.kind(), StateKind::Processing);
    let parked = after(before.record, still.clone(), at(15 * 24 * 60), &policy);
    assert_eq!((parked.record.state.kind(), parked.publish), (StateKind::Parked, true));
    assert_eq!(parked.plan, Plan::Due(at(16 * 24 * 60)));
    assert_eq!(next_step(&parked.record, ClaimFacts::default(), &policy), Step::Query);

    let again = after(parked.record, still, at(16 * 24 * 60), &policy);
    assert!(!again.publish, "a parked refund is published once");
    let late = query_event(&again.record, &found("SUCCESS", 500, Grade::A), at(17 * 24 * 60));
    let settled = after(again.record, late, at(17 * 24 * 60), &policy);
    assert_eq!((settled.record.state.kind(), settled.publish), (StateKind::Settled, true));
    assert_eq!(settled.record.tally.results, 2, "the correction carries version 2");
}

#[test]
fn another_amount_parks_and_what_is_parked_stays_parked() {
    let policy = Policy::default();
    let accepted = Event::Accepted { gateway_refund_no: None };
    let held = after(submitting(), accepted, at(0), &policy).record;
    let event = query_event(&held, &found("SUCCESS", 499, Grade::A), at(1));
    let parked = after(held, event, at(1), &policy).record;
    let event = query_event(&parked, &found("SUCCESS", 499, Grade::A), at(2));
    let again = after(parked, event, at(2), &policy);
    assert_eq!((again.record.state.kind(), again.publish), (StateKind::Parked, false));
}

#[test]
fn a_lost_intent_is_queried_and_a_poisonous_refund_set_aside() {
    let record = submitting();
    let policy = Policy::default();
    let facts = |intent_lost, crashes| ClaimFacts { intent_lost, crashes, lost_at: None };
    assert_eq!(next_step(&record, facts(false, 0), &policy), Step::Submit);
    assert_eq!(next_step(&record, facts(true, 1), &policy), Step::Recover);
    assert_eq!(next_step(&record, facts(true, 3), &policy), Step::SetAside);
}

/// Any event a gateway or a crash could cause in the record's state.
fn any_event(record: &RefundRecord, pick: u8, when: UnixMillis) -> Option<Event> {
    let grade = [Grade::A, Grade::B, Grade::C][usize::from(pick % 3)];
    let word = ["SUCCESS", "FAIL", "PROCESSING", "NOTSURE", "CHANGE", "?"][usize::from(pick % 6)];
    let cents = if pick.is_multiple_of(7) { 499 } else { 500 };
    match record.state.kind() {
        StateKind::Requested => Some(Event::SubmitStarted),
        StateKind::Submitting => Some(match pick % 4 {
            0 => Event::NotSent { note: String::new(), retry_after_ms: None },
            1 => Event::Accepted { gateway_refund_no: None },
            2 => unknown(),
            _ => Event::SubmitRefused(Refusal {
                code: String::new(),
                message: String::new(),
                grade: if grade == Grade::C { Grade::B } else { grade },
            }),
        }),
        StateKind::Settled => None,
        StateKind::Unconfirmed | StateKind::Refused | StateKind::Processing | StateKind::Parked => {
            Some(match pick % 5 {
                0 => not_found(),
                1 => Event::NoAnswer { note: String::new(), retry_after_ms: None },
                _ => query_event(record, &found(word, cents, grade), when),
            })
        }
    }
}

proptest! {
    #[test]
    fn any_life_is_legal_and_settles_at_most_once(
        picks in proptest::collection::vec((any::<u8>(), 1_u64..600), 1..200),
        certified in any::<bool>(),
    ) {
        let policy =
            policy(if certified { Duplicates::Rejects } else { Duplicates::Unknown });
        let mut record = admitted("R1", 500, at(0));
        let mut minute = 0;
        let mut settlements = 0;
        let mut sends = 0;
        for (pick, wait) in picks {
            minute += wait;
            let Some(event) = any_event(&record, pick, at(minute)) else { break };
            let sent = event == Event::SubmitStarted;
            let advanced = advance(record, &event, at(minute), &policy);
            prop_assert!(advanced.is_ok(), "{advanced:?}");
            let advanced = advanced.unwrap();
            record = advanced.record;
            sends += u32::from(sent);
            settlements += u32::from(record.state.kind() == StateKind::Settled);
            if let Plan::Due(due) = advanced.plan {
                prop_assert!(due >= at(minute));
            } else {
                prop_assert_eq!(record.state.kind(), StateKind::Settled);
            }
            let most = if certified { 1 + policy.unknown.resubmits_max } else { 1 };
            prop_assert!(record.tally.attempts <= most);
        }
        prop_assert!(settlements <= 1);
        prop_assert!(sends >= record.tally.attempts);
        if let RefundState::Settled(end) = &record.state && end.outcome == Outcome::Succeeded {
            prop_assert_eq!(end.evidence.grade, Grade::A);
        }
    }
}

#[test]
fn waiting_is_not_counted_towards_the_horizon_but_being_put_off_is() {
    let policy = Policy::default();
    let put_off = Event::NotSent { note: "balance".to_owned(), retry_after_ms: None };
    let days = |n: u64| at(n * 24 * 60);
    let mut record = admitted("R1", 500, at(0));
    for (day, kind) in [
        (20, StateKind::Requested), // it waited for its order until now
        (34, StateKind::Requested),
        (35, StateKind::Parked),
    ] {
        record = after(record, Event::SubmitStarted, days(day), &policy).record;
        record = after(record, put_off.clone(), days(day), &policy).record;
        assert_eq!(record.state.kind(), kind, "day {day}");
    }
}

#[test]
fn an_answer_that_shows_the_refund_ends_the_count_of_absences() {
    let policy = policy(Duplicates::Replays);
    let mut record = after(submitting(), unknown(), at(0), &policy).record;
    record = after(record, not_found(), at(1), &policy).record;
    record = after(record, not_found(), at(2), &policy).record;
    let event = query_event(&record, &found("NOTSURE", 500, Grade::A), at(3));
    record = after(record, event, at(3), &policy).record;
    for minute in [20, 40, 60] {
        record = after(record, not_found(), at(minute), &policy).record;
        assert_eq!(record.state.kind(), StateKind::Processing, "never resent, never failed");
    }
}

#[test]
fn a_refusal_of_a_resend_says_nothing_about_the_send_before_it() {
    let policy = policy(Duplicates::Rejects);
    let mut record = submitting();
    record.tally.attempts = 2;
    let refusal = Refusal { code: "PARAM_ERROR".into(), message: String::new(), grade: Grade::A };
    record = after(record, Event::SubmitRefused(refusal), at(0), &policy).record;
    for minute in [1, 2, 11] {
        assert_eq!(record.state.kind(), StateKind::Refused, "minute {minute}");
        record = after(record, not_found(), at(minute), &policy).record;
    }
    let RefundState::Parked(parking) = &record.state else { panic!("{:?}", record.state) };
    assert_eq!(parking.cause, ParkCause::NotFound);
}

#[test]
fn a_parked_refund_that_brings_down_its_workers_is_left_alone_for_a_day() {
    let policy = Policy::default();
    let poison = set_aside(ParkCause::Poison, String::new(), at(0));
    let parked = after(submitting(), poison, at(0), &policy).record;
    let facts = ClaimFacts { crashes: 3, ..ClaimFacts::default() };
    assert_eq!(next_step(&parked, facts, &policy), Step::SetAside);
}

#[test]
fn what_is_deferred_decides_nothing() {
    let policy = Policy::default();
    let mut record = after(submitting(), unknown(), at(0), &policy).record;
    for minute in 1..30_000 {
        let event = Event::NoAnswer { note: String::new(), retry_after_ms: None };
        let deferred = defer(record, &event, at(minute), MINUTE).unwrap();
        assert_eq!((deferred.plan, deferred.publish), (Plan::Due(at(minute + 1)), false));
        record = deferred.record;
    }
    assert_eq!(record.state.kind(), StateKind::Unconfirmed, "not even past the horizon");
}

fn by() -> Decision {
    Decision { who: "ann".to_owned(), reason: "seen in the portal".to_owned() }
}

#[test]
fn a_refund_older_than_a_loss_of_writes_is_asked_about_until_absence_is_believed_and_then_sent() {
    let policy = policy(Duplicates::Unknown);
    let facts = |lost: Option<u64>| ClaimFacts { lost_at: lost.map(at), ..ClaimFacts::default() };
    let record = submitting();
    assert_eq!(next_step(&record, facts(None), &policy), Step::Submit);
    assert_eq!(next_step(&record, facts(Some(5)), &policy), Step::Doubt);
    let doubt = Event::WritesLost { note: String::new() };
    let mut record = after(record, doubt, at(5), &policy).record;
    assert_eq!((record.state.kind(), record.tally.attempts), (StateKind::Unconfirmed, 0));
    for minute in [6, 7, 15] {
        record = after(record, not_found(), at(minute), &policy).record;
        assert_eq!(record.state.kind(), StateKind::Unconfirmed);
    }
    let cleared = after(record, not_found(), at(16), &policy).record;
    assert_eq!(cleared.state.kind(), StateKind::Requested, "though no resend is certified");
    let claimed = after(cleared, Event::SubmitStarted, at(17), &policy).record;
    assert_eq!(next_step(&claimed, facts(Some(5)), &policy), Step::Submit);
    assert_eq!(next_step(&claimed, facts(Some(17)), &policy), Step::Doubt);
}

#[test]
fn absences_from_before_a_loss_of_writes_no_longer_count() {
    let policy = policy(Duplicates::Rejects);
    let mut record = after(submitting(), unknown(), at(0), &policy).record;
    for minute in [1, 2, 3] {
        record = after(record, not_found(), at(minute), &policy).record;
    }
    for (lost_at, kind) in [(0, StateKind::Requested), (2, StateKind::Unconfirmed)] {
        let mut record = record.clone();
        record.state = record.state.without_absences_before(at(lost_at));
        let record = after(record, not_found(), at(20), &policy).record;
        assert_eq!(record.state.kind(), kind, "lost at minute {lost_at}");
    }
}

#[test]
fn a_doubted_refund_that_the_gateway_shows_was_sent() {
    let policy = policy(Duplicates::Unknown);
    let doubt = Event::WritesLost { note: String::new() };
    let record = after(submitting(), doubt, at(5), &policy).record;
    let shown = query_event(&record, &found("PROCESSING", 500, Grade::A), at(6));
    let record = after(record, shown, at(6), &policy).record;
    assert_eq!((record.state.kind(), record.tally.attempts), (StateKind::Processing, 1));
}

#[test]
fn a_released_refund_is_queried_first_and_gets_a_new_horizon() {
    let policy = policy(Duplicates::Unknown);
    let horizon = set_aside(ParkCause::Horizon, String::new(), at(30_000));
    let parked = after(submitting(), horizon, at(30_000), &policy).record;
    let released = after(parked, Event::Released(by()), at(40_000), &policy);
    assert_eq!((released.record.state.kind(), released.publish), (StateKind::Unconfirmed, false));
    assert_eq!(next_step(&released.record, ClaimFacts::default(), &policy), Step::Query);
    let silent = Event::NoAnswer { note: String::new(), retry_after_ms: None };
    let later = after(released.record, silent, at(41_000), &policy);
    assert_eq!(later.record.state.kind(), StateKind::Unconfirmed);
}

#[test]
fn what_a_person_gives_up_frees_its_amount_only_if_nothing_was_sent() {
    let policy = Policy::default();
    let abandon = || Event::Abandoned { at: at(9), by: by() };
    let unsent = after(admitted("R1", 500, at(0)), abandon(), at(9), &policy);
    let reserve = |advanced: &Advanced| advanced.order.clone().unwrap().reserve;
    assert_eq!(reserve(&unsent), Reserve::Free(unsent.record.refund.amount));
    let sent = after(submitting(), unknown(), at(1), &policy).record;
    let sent = after(sent, abandon(), at(9), &policy);
    assert_eq!(reserve(&sent), Reserve::Keep);
    assert!(sent.publish && sent.plan == Plan::Ended);
    let resolved = Event::Resolved { outcome: Outcome::Failed, at: at(10), by: by() };
    let resolved = after(sent.record, resolved, at(10), &policy);
    assert_eq!(reserve(&resolved), Reserve::Free(resolved.record.refund.amount));
    assert!(resolved.publish);
    assert_eq!(resolved.record.tally.results, 2);
}

#[test]
fn a_correction_publishes_anew_and_holds_again_what_was_freed() {
    let policy = Policy::default();
    let accepted = Event::Accepted { gateway_refund_no: None };
    let held = after(submitting(), accepted, at(0), &policy).record;
    let failed = query_event(&held, &found("FAIL", 500, Grade::A), at(1));
    let failed = after(held, failed, at(1), &policy).record;
    let again = query_event(&failed, &found("FAIL", 500, Grade::A), at(2));
    assert!(matches!(again, Event::Confirmed { .. }), "{again:?}");
    let same = after(failed.clone(), again, at(2), &policy);
    assert_eq!((same.publish, same.order, same.plan), (false, None, Plan::Ended));
    for (word, outcome) in [("SUCCESS", StateKind::Settled), ("PROCESSING", StateKind::Parked)] {
        let other = query_event(&failed, &found(word, 500, Grade::A), at(3));
        let corrected = after(failed.clone(), other, at(3), &policy);
        assert_eq!(corrected.record.state.kind(), outcome, "{word}");
        assert!(corrected.publish);
        assert_eq!(corrected.record.tally.results, 2);
        let reserve = corrected.order.unwrap().reserve;
        assert_eq!(reserve, Reserve::HoldAgain(failed.refund.amount), "{word}");
    }
}

#[test]
fn what_has_ended_once_is_never_sent_again() {
    let policy = policy(Duplicates::Replays);
    let accepted = Event::Accepted { gateway_refund_no: None };
    let held = after(submitting(), accepted, at(0), &policy).record;
    let failed = query_event(&held, &found("FAIL", 500, Grade::A), at(1));
    let failed = after(held, failed, at(1), &policy).record;
    let other = query_event(&failed, &found("PROCESSING", 500, Grade::A), at(2));
    let parked = after(failed, other, at(2), &policy).record;
    let mut record = after(parked, Event::Released(by()), at(3), &policy).record;
    for minute in [4, 5, 20] {
        record = after(record, not_found(), at(minute), &policy).record;
    }
    let RefundState::Parked(parking) = &record.state else { panic!("{:?}", record.state) };
    assert_eq!(parking.cause, ParkCause::NotFound);
}

#[test]
fn a_gateway_that_repeats_itself_does_not_decide_a_contradiction() {
    let policy = Policy::default();
    let accepted = Event::Accepted { gateway_refund_no: None };
    let held = after(submitting(), accepted, at(0), &policy).record;
    let paid = query_event(&held, &found("SUCCESS", 500, Grade::A), at(1));
    let paid = after(held, paid, at(1), &policy).record;
    let other = query_event(&paid, &found("FAIL", 500, Grade::A), at(2));
    let parked = after(paid, other, at(2), &policy).record;
    let again = query_event(&parked, &found("FAIL", 500, Grade::A), at(3_000));
    assert!(matches!(again, Event::NoAnswer { .. }), "{again:?}");
    let right = query_event(&parked, &found("SUCCESS", 500, Grade::A), at(3_000));
    assert!(matches!(right, Event::Succeeded { .. }), "{right:?}");
}

#[test]
fn a_refusal_after_a_loss_of_writes_may_not_be_of_the_only_send() {
    let policy = Policy::default();
    let doubt = Event::WritesLost { note: String::new() };
    let mut record = after(submitting(), doubt, at(0), &policy).record;
    for minute in [1, 2, 12] {
        record = after(record, not_found(), at(minute), &policy).record;
    }
    let sent = after(record, Event::SubmitStarted, at(13), &policy).record;
    let refusal = Refusal { code: "0014".into(), message: String::new(), grade: Grade::A };
    let refused = after(sent, Event::SubmitRefused(refusal), at(13), &policy).record;
    let absent = after(refused, not_found(), at(14), &policy).record;
    assert_eq!(absent.state.kind(), StateKind::Refused);
}

#[test]
fn an_answer_that_proves_nothing_leaves_the_end_as_it_is() {
    let policy = Policy::default();
    let resolved = |outcome| {
        let sent = after(submitting(), unknown(), at(0), &policy).record;
        after(sent, Event::Resolved { outcome, at: at(1), by: by() }, at(1), &policy).record
    };
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        for event in [not_found(), Event::NoAnswer { note: String::new(), retry_after_ms: None }] {
            let end = resolved(outcome);
            let after = after(end.clone(), event, at(2), &policy);
            assert_eq!((after.record.state, after.publish), (end.state, false));
        }
    }
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        for word in ["SUCCESS", "FAIL", "PROCESSING", "CHANGE"] {
            let unsigned = query_event(&resolved(outcome), &found(word, 499, Grade::B), at(2));
            assert!(unsigned.kind().is_query(), "{word}: {unsigned:?}");
        }
    }
}

#[test]
fn the_version_that_a_person_sees_changes_with_what_happens_and_not_with_every_poll() {
    let policy = Policy::default();
    let record = after(submitting(), Event::Accepted { gateway_refund_no: None }, at(0), &policy);
    let seen = record.record.tally.revision;
    let polled = query_event(&record.record, &found("PROCESSING", 500, Grade::A), at(1));
    let polled = after(record.record, polled, at(1), &policy).record;
    assert_eq!(polled.tally.revision, seen);
    let done = query_event(&polled, &found("SUCCESS", 500, Grade::A), at(2));
    assert!(after(polled, done, at(2), &policy).record.tally.revision > seen);
}
