//! Taking refunds in: dedupe, over-refund, acknowledgement, refusal.

use refundd::domain::state::{Outcome, StateKind};
use refundd::ports::ledger::{Admitted, EntryId, Publication, Refusal};

use super::{Subject, on_both_ledgers, seen};
use crate::support::refunds::{T0, ask, at, settle};

on_both_ledgers!(
    a_new_refund_is_stored_and_due_at_once,
    a_refund_with_a_later_moment_is_due_then,
    a_repeated_refund_is_known_and_changes_nothing,
    another_content_under_a_known_number_is_answered_with_the_first_content,
    a_number_that_comes_twice_in_one_batch_is_taken_once,
    an_empty_batch_is_answered_with_nothing,
    an_admission_acknowledges_its_entry_and_a_known_refund_does_not,
    more_than_was_paid_is_refused_and_changes_nothing,
    the_paid_amount_may_be_named_by_the_second_refund,
    the_least_of_the_named_paid_amounts_counts,
    a_refused_paid_amount_does_not_count_later,
    the_sum_is_held_over_a_whole_batch,
    the_largest_amounts_are_added_exactly,
    a_refusal_acknowledges_publishes_and_quarantines,
    a_refusal_without_an_entry_only_publishes,
    a_request_that_was_refused_is_not_admitted_when_room_is_made,
    a_request_whose_refund_was_forgotten_is_not_admitted_again,
    one_entry_twice_in_a_batch_is_taken_once,
    a_second_refusal_of_an_entry_publishes_nothing,
);

/// The rejection of a refund that does not fit, as the intake makes it.
fn too_much(refund_no: &str, entry: &EntryId) -> Refusal {
    let result = Publication {
        event_id: format!("rejected:{}", entry.0),
        refund_no: refund_no.to_owned(),
        outcome: "rejected",
        json: "{\"code\":\"over_refund\"}".to_owned(),
    };
    Refusal { entry: Some(entry.clone()), result: Some(result), quarantine: Vec::new() }
}

async fn a_new_refund_is_stored_and_due_at_once(on: Subject) {
    let asked = ask("R1").reason("broken \"mug\"").paid(900);
    assert_eq!(on.admit_one(&asked).await, Admitted::New);
    let stored = on.find("R1").await.unwrap();
    assert_eq!(stored.record, asked.record());
    assert_eq!(stored.due_at, Some(T0));
    assert!(!stored.leased && !stored.waiting);
}

async fn a_refund_with_a_later_moment_is_due_then(on: Subject) {
    on.admit_one(&ask("R1").not_before(at(5_000))).await;
    assert_eq!(on.find("R1").await.unwrap().due_at, Some(at(5_000)));
    assert!(on.claim_all(at(4_999)).await.is_empty());
    assert_eq!(on.claim_all(at(5_000)).await.len(), 1);
}

async fn a_repeated_refund_is_known_and_changes_nothing(on: Subject) {
    let asked = ask("R1").paid(500);
    on.admit_one(&asked).await;
    on.claim_one(T0).await;
    let before = seen(on.find("R1").await.as_ref());
    let again = on.admit_one(&asked).await;
    assert_eq!(again, Admitted::Known(Box::new(asked.refund())));
    assert_eq!(seen(on.find("R1").await.as_ref()), before);
}

async fn another_content_under_a_known_number_is_answered_with_the_first_content(on: Subject) {
    let first = ask("R1").cents(500).reason("first");
    on.admit_one(&first).await;
    let other = ask("R1").cents(600).reason("second");
    let Admitted::Known(known) = on.admit_one(&other).await else {
        panic!("the number is known");
    };
    assert_eq!(*known, first.refund());
    assert!(!known.same_content(&other.refund()));
    assert_eq!(on.find("R1").await.unwrap().record, first.record());
}

async fn a_number_that_comes_twice_in_one_batch_is_taken_once(on: Subject) {
    let asked = ask("R1").of_gateway_order("P1").paid(500);
    let answers = on.admit(&[asked.clone(), asked.clone()]).await;
    let known = Admitted::Known(Box::new(asked.refund()));
    assert_eq!(answers, [Admitted::New, known]);
    assert_eq!(on.claim_all(T0).await.len(), 1);
}

async fn an_empty_batch_is_answered_with_nothing(on: Subject) {
    assert!(on.ledger().admit(&[], T0).await.unwrap().is_empty());
    assert!(on.ledger().commit(&[], T0).await.unwrap().is_empty());
    on.ledger().nudge(&[], T0).await.unwrap();
    assert!(on.claim_all(T0).await.is_empty());
}

async fn an_admission_acknowledges_its_entry_and_a_known_refund_does_not(on: Subject) {
    let (first, second) = (on.pending_entry(1), on.pending_entry(2));
    on.admit_one(&ask("R1").entry(&first)).await;
    on.admit_one(&ask("R1").entry(&second)).await;
    assert!(on.is_acknowledged(&first));
    assert!(!on.is_acknowledged(&second));
}

async fn more_than_was_paid_is_refused_and_changes_nothing(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    on.admit_one(&order("R1").cents(600).paid(1_000)).await;
    let entry = on.pending_entry(1);
    let over = on.admit_one(&order("R2").cents(401).entry(&entry)).await;
    let expected = Admitted::OverRefund { paid_cents: 1_000, held_cents: 600 };
    assert_eq!(over, expected);
    assert!(on.find("R2").await.is_none());
    assert!(!on.is_acknowledged(&entry));
    assert_eq!(on.admit_one(&order("R3").cents(400)).await, Admitted::Waiting);
}

async fn the_paid_amount_may_be_named_by_the_second_refund(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1");
    on.admit_one(&order("R1").cents(600)).await;
    let over = on.admit_one(&order("R2").cents(401).paid(1_000)).await;
    assert!(matches!(over, Admitted::OverRefund { paid_cents: 1_000, .. }));
    let fits = on.admit_one(&order("R3").cents(400).paid(1_000)).await;
    assert_eq!(fits, Admitted::Waiting);
    let over = on.admit_one(&order("R4").cents(1)).await;
    assert!(matches!(over, Admitted::OverRefund { held_cents: 1_000, .. }));
}

async fn the_least_of_the_named_paid_amounts_counts(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(10);
    on.admit_one(&order("R1").paid(100)).await;
    on.admit_one(&order("R2").paid(30)).await;
    on.admit_one(&order("R3").paid(200)).await;
    let over = on.admit_one(&order("R4").paid(200)).await;
    let expected = Admitted::OverRefund { paid_cents: 30, held_cents: 30 };
    assert_eq!(over, expected);
}

async fn a_refused_paid_amount_does_not_count_later(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(50);
    on.admit_one(&order("R1").paid(100)).await;
    let over = on.admit_one(&order("R2").paid(60)).await;
    assert!(matches!(over, Admitted::OverRefund { paid_cents: 60, .. }));
    assert_eq!(on.admit_one(&order("R3")).await, Admitted::Waiting);
}

async fn the_sum_is_held_over_a_whole_batch(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(40).paid(100);
    let answers = on.admit(&[order("R1"), order("R2"), order("R3")]).await;
    let over = Admitted::OverRefund { paid_cents: 100, held_cents: 80 };
    assert_eq!(answers, [Admitted::New, Admitted::Waiting, over]);
}

async fn the_largest_amounts_are_added_exactly(on: Subject) {
    let most = 999_999_999_999;
    let order = |no: &str, cents| ask(no).of_gateway_order("P1").cents(cents).paid(most);
    on.admit_one(&order("R1", most - 1)).await;
    let over = on.admit_one(&order("R2", 2)).await;
    let expected = Admitted::OverRefund { paid_cents: most, held_cents: most - 1 };
    assert_eq!(over, expected);
    assert_eq!(on.admit_one(&order("R3", 1)).await, Admitted::Waiting);
    assert_eq!(on.state("R3").await, StateKind::Requested);
}

async fn a_refusal_acknowledges_publishes_and_quarantines(on: Subject) {
    let entry = on.pending_entry(1);
    let result = Publication {
        event_id: "rejected:1-1".to_owned(),
        refund_no: "R1".to_owned(),
        outcome: "rejected",
        json: "{\"code\":\"conflict\"}".to_owned(),
    };
    let refusal = Refusal {
        entry: Some(entry.clone()),
        result: Some(result),
        quarantine: vec![("raw", vec![0xff, 0xfe]), ("why", b"not UTF-8".to_vec())],
    };
    on.ledger().refuse(&refusal).await.unwrap();
    assert!(on.is_acknowledged(&entry));
    assert_eq!(on.quarantined(), 1);
    let published = on.results().await;
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].0, "rejected:1-1");
    assert_eq!(published[0].2, "rejected");
    assert!(on.find("R1").await.is_none());
}

async fn a_refusal_without_an_entry_only_publishes(on: Subject) {
    let result = Publication {
        event_id: "e1".to_owned(),
        refund_no: String::new(),
        outcome: "rejected",
        json: "{}".to_owned(),
    };
    let refusal = Refusal { result: Some(result), ..Refusal::default() };
    on.ledger().refuse(&refusal).await.unwrap();
    on.ledger().refuse(&Refusal::default()).await.unwrap();
    assert_eq!(on.results().await.len(), 1);
    assert_eq!(on.quarantined(), 0);
}

async fn a_request_that_was_refused_is_not_admitted_when_room_is_made(on: Subject) {
    let order = |no: &str| ask(no).of_gateway_order("P1").cents(600).paid(1_000);
    let (entry, other) = (on.pending_entry(1), on.pending_entry(2));
    on.admit_one(&order("R1")).await;
    let refused = order("R2").entry(&entry);
    let over = Admitted::OverRefund { paid_cents: 1_000, held_cents: 600 };
    assert_eq!(on.admit_one(&refused).await, over);
    on.ledger().refuse(&too_much("R2", &entry)).await.unwrap();
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Failed, T0), T0).await;
    // Whoever asked was told "rejected": what is still in some worker's memory must not be paid.
    let again = [refused.clone(), order("R3").cents(500).entry(&other), refused];
    let answers = on.admit(&again).await;
    assert_eq!(answers, [Admitted::Decided, Admitted::New, Admitted::Decided]);
    assert!(on.find("R2").await.is_none());
    assert_eq!(on.results().await.len(), 2, "the end of R1 and the rejection of R2");
    // The same number in a new request, or in one that is no entry, is a new question.
    assert_eq!(on.admit_one(&order("R2").cents(100)).await, Admitted::Waiting);
}

async fn a_request_whose_refund_was_forgotten_is_not_admitted_again(on: Subject) {
    let entry = on.pending_entry(1);
    let asked = ask("R1").entry(&entry);
    assert_eq!(on.admit_one(&asked).await, Admitted::New);
    let claim = on.claim_one(T0).await;
    on.store(settle(&claim, Outcome::Succeeded, T0), T0).await;
    assert_eq!(on.ledger().purge(at(1), T0).await.unwrap(), 1);
    assert_eq!(on.admit_one(&asked).await, Admitted::Decided);
    assert!(on.claim_all(at(1)).await.is_empty());
}

async fn one_entry_twice_in_a_batch_is_taken_once(on: Subject) {
    let entry = on.pending_entry(1);
    let (asked, other) = (ask("R1").entry(&entry), ask("R2").entry(&entry));
    let known = Admitted::Known(Box::new(asked.refund()));
    let answers = on.admit(&[asked.clone(), asked, other]).await;
    assert_eq!(answers, [Admitted::New, known, Admitted::Decided]);
    assert!(on.is_acknowledged(&entry));
    assert_eq!(on.claim_all(T0).await.len(), 1);
}

async fn a_second_refusal_of_an_entry_publishes_nothing(on: Subject) {
    let entry = on.pending_entry(1);
    for _ in 0..2 {
        on.ledger().refuse(&too_much("R1", &entry)).await.unwrap();
    }
    assert_eq!(on.results().await.len(), 1);
}
