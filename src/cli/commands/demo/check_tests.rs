//! The check of the demo, given books and results that are wrong in one thing.

use serde_json::json;

use super::*;
use crate::domain::UnixMillis;
use crate::sandbox::terms::{Ask, Fate, OrderIds};
use crate::sandbox::{Book, Duplicates, Settings};

/// What the check says of a demo of one refund, submitted so often with such a fate, whose results
/// have these outcomes and codes.
fn problems(kind: Kind, submits: &[Fate], results: &[(&str, &str)]) -> Vec<String> {
    let mut scenario = Scenario::new(40, false);
    scenario.cases.retain(|case| case.kind == kind);
    scenario.cases.truncate(1);
    let case = scenario.cases[0].clone();
    let settings = Settings {
        auto_orders: Some(50_000),
        duplicates: Duplicates::PaysAgain,
        ..Settings::default()
    };
    let mut book = Book::new(&settings);
    for fate in submits {
        let order = OrderIds { order_no: Some("O-1".to_owned()), ..OrderIds::default() };
        let ask = Ask {
            refund_no: case.refund_no.clone(),
            order,
            amount_cents: case.amount_cents,
            reason: None,
        };
        book.submit(ask, *fate, UnixMillis::new(1)).unwrap();
    }
    let result = |(outcome, code): &(&str, &str)| {
        serde_json::from_value(json!({
            "v": 1, "event_id": "E", "version": 1, "refund_no": case.refund_no,
            "outcome": outcome, "code": code, "statuses": [], "attempts": 1, "polls": 1,
            "evidence": {"grade": "A", "source": "query", "at": "2026-11-22T00:00:00Z"},
        }))
        .unwrap()
    };
    let published = results.iter().map(result).collect();
    let results = ResultsByNo::from([(case.refund_no.clone(), published)]);
    check(&scenario, &results, &book.snapshot(UnixMillis::new(2))).problems
}

const PAID: (&str, &str) = ("succeeded", "");
const FAILED: (&str, &str) = ("failed", "");

#[test]
fn results_that_the_book_confirms_are_no_problem() {
    let none: Vec<String> = Vec::new();
    assert_eq!(problems(Kind::Plain, &[Fate::Succeeds], &[PAID]), none);
    assert_eq!(problems(Kind::Failed, &[Fate::Fails], &[FAILED]), none);
    let conflict = [("rejected", "conflict"), PAID];
    assert_eq!(problems(Kind::Conflict, &[Fate::Succeeds], &conflict), none);
    assert_eq!(problems(Kind::OverRefund, &[], &[("rejected", "over_refund")]), none);
}

#[test]
fn a_double_payment_is_found() {
    let found = problems(Kind::Plain, &[Fate::Succeeds, Fate::Succeeds], &[PAID]).join("\n");
    assert!(found.contains("PaidTwice") && found.contains("shows 2 payments"), "{found}");
}

#[test]
fn a_lost_refund_and_a_wrong_result_are_found() {
    for (kind, submits, results, expected) in [
        (Kind::Plain, &[Fate::Succeeds][..], &[][..], "0 final results, expected one"),
        (Kind::Plain, &[Fate::Succeeds], &[PAID, PAID], "2 final results, expected one"),
        (Kind::Plain, &[], &[PAID], "published as succeeded, the book shows 0 payments"),
        (Kind::Plain, &[Fate::Succeeds], &[FAILED], "published as failed, the book shows 1"),
        (Kind::Plain, &[Fate::Fails], &[FAILED], "not what the gateway decided"),
        (Kind::Failed, &[Fate::Succeeds], &[PAID], "not what the gateway decided"),
        (Kind::Plain, &[Fate::Succeeds], &[("parked", "horizon")], "needs a person"),
        (Kind::Conflict, &[Fate::Succeeds], &[PAID], "0 rejections, expected 1"),
        (Kind::OverRefund, &[Fate::Succeeds], &[("rejected", "over_refund")], "expected one"),
        (Kind::Plain, &[Fate::Succeeds], &[PAID, ("rejected", "invalid")], "1 rejections"),
    ] {
        let found = problems(kind, submits, results).join("\n");
        assert!(found.contains(expected), "{expected} is not in: {found}");
    }
}

#[test]
fn money_that_nobody_asked_for_is_found() {
    let scenario = Scenario::new(0, false);
    let mut book = Book::new(&Settings { auto_orders: Some(9), ..Settings::default() });
    let order = OrderIds { order_no: Some("O-1".to_owned()), ..OrderIds::default() };
    let ask = Ask { refund_no: "X".to_owned(), order, amount_cents: 1, reason: None };
    book.submit(ask, Fate::Succeeds, UnixMillis::new(1)).unwrap();
    let checked = check(&scenario, &ResultsByNo::new(), &book.snapshot(UnixMillis::new(2)));
    assert_eq!(checked.problems, ["X: the gateway has it, nobody asked"]);
}
