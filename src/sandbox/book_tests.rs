//! The judge, judged.

use proptest::prelude::*;

use super::book::Book;
use super::settings::{Duplicates, Lines, Settings};
use super::snapshot::Violation;
use super::terms::{Ask, Denial, Fate, Lookup, OrderError, OrderIds, PaidOrder, Standing};
use crate::domain::UnixMillis;

const NOW: UnixMillis = UnixMillis::new(1_000_000);

fn order(no: &str, paid_cents: u64) -> PaidOrder {
    PaidOrder { gateway_order_no: Some(no.to_owned()), order_no: None, paid_cents }
}

fn ask(refund_no: &str, order: &str, amount_cents: u64) -> Ask {
    Ask {
        refund_no: refund_no.to_owned(),
        order: OrderIds { gateway_order_no: Some(order.to_owned()), order_no: None },
        amount_cents,
        reason: None,
    }
}

/// A book with the order U1, of which 100 cents were paid.
fn book(settings: &Settings) -> Book {
    let mut book = Book::new(settings);
    book.add_order(order("U1", 100)).unwrap();
    book
}

fn by(no: &str) -> Lookup {
    Lookup::RefundNo(no.to_owned())
}

fn standing(book: &mut Book, no: &str, now: UnixMillis) -> Standing {
    book.query(&by(no), now).unwrap().last().unwrap().standing
}

#[test]
fn a_refund_that_succeeds_pays_once_and_the_book_says_when() {
    let mut book = book(&Settings::default());
    let view = book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW).unwrap();
    assert_eq!(view.standing, Standing::Succeeded);
    book.query(&by("R1"), NOW.plus(1_000)).unwrap();
    let snapshot = book.snapshot(NOW);
    let refund = snapshot.refund("R1").unwrap();
    assert_eq!((refund.effects, refund.paid_out_cents), (1, 60));
    assert_eq!((refund.submits, refund.queries), (1, 1));
    assert_eq!(refund.first_submit_at, "1970-01-01T00:16:40.000Z");
    assert_eq!(refund.last_query_at.as_deref(), Some("1970-01-01T00:16:41.000Z"));
    assert_eq!(snapshot.orders[0].refunded_cents, 60);
    assert_eq!(snapshot.violations, []);
}

#[test]
fn an_unknown_order_is_refused_unless_orders_make_themselves() {
    let mut closed = Book::new(&Settings::default());
    let denied = closed.submit(ask("R1", "U9", 1), Fate::Succeeds, NOW);
    assert_eq!(denied, Err(Denial::OrderNotFound));
    assert_eq!(closed.query(&by("R1"), NOW), None);

    let mut open = Book::new(&Settings { auto_orders: Some(500), ..Settings::default() });
    open.submit(ask("R1", "U9", 500), Fate::Succeeds, NOW).unwrap();
    let denied = open.submit(ask("R2", "U9", 1), Fate::Succeeds, NOW);
    assert_eq!(denied, Err(Denial::OverRefund));
}

#[test]
fn more_than_was_paid_is_refused_and_only_a_failure_frees_its_amount() {
    let settings = Settings { settle_after_ms: 10, ..Settings::default() };
    let mut book = book(&settings);
    book.submit(ask("R1", "U1", 60), Fate::Fails, NOW).unwrap();
    let denied = book.submit(ask("R2", "U1", 41), Fate::Succeeds, NOW);
    assert_eq!(denied, Err(Denial::OverRefund));
    assert_eq!(standing(&mut book, "R1", NOW.plus(10)), Standing::Failed);
    book.submit(ask("R2", "U1", 41), Fate::Succeeds, NOW).unwrap();
    let snapshot = book.snapshot(NOW.plus(20));
    assert_eq!((snapshot.effects("R1"), snapshot.effects("R2")), (0, 1));
    assert_eq!(snapshot.violations, []);
}

#[test]
fn a_repeated_number_is_answered_with_the_first_refund() {
    let mut book = book(&Settings::default());
    let first = book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW).unwrap();
    let again = book.submit(ask("R1", "U1", 60), Fate::Fails, NOW.plus(5));
    assert_eq!(again, Ok(first));
    for other in [ask("R1", "U1", 61), ask("R1", "U2", 60)] {
        let denied = book.submit(other, Fate::Succeeds, NOW);
        assert_eq!(denied, Err(Denial::Differs));
    }
    let snapshot = book.snapshot(NOW);
    let refund = snapshot.refund("R1").unwrap();
    assert_eq!((refund.effects, refund.submits), (1, 4));
}

#[test]
fn a_repeated_number_is_rejected_where_the_settings_say_so() {
    let mut book = book(&Settings { duplicates: Duplicates::Rejects, ..Settings::default() });
    book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW).unwrap();
    let denied = book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW);
    assert_eq!(denied, Err(Denial::NumberExists));
    assert_eq!(book.snapshot(NOW).effects("R1"), 1);
}

#[test]
fn a_gateway_that_pays_again_leaves_violations_in_the_book() {
    let mut book = book(&Settings { duplicates: Duplicates::PaysAgain, ..Settings::default() });
    book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW).unwrap();
    assert_eq!(book.violations(), []);
    book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW).unwrap();
    let twice = Violation::PaidTwice { refund_no: "R1".to_owned(), effects: 2 };
    let over = Violation::OverRefunded {
        gateway_order_no: Some("U1".to_owned()),
        order_no: None,
        paid_cents: 100,
        refunded_cents: 120,
    };
    assert_eq!(book.violations(), [twice, over]);
}

#[test]
fn money_paid_again_for_a_failed_refund_is_a_violation_too() {
    let mut book = book(&Settings { duplicates: Duplicates::PaysAgain, ..Settings::default() });
    book.submit(ask("R1", "U1", 60), Fate::Fails, NOW).unwrap();
    assert_eq!(book.snapshot(NOW).effects("R1"), 0);
    book.submit(ask("R1", "U1", 60), Fate::Fails, NOW).unwrap();
    let paid =
        Violation::PaidWithoutSuccess { refund_no: "R1".to_owned(), standing: Standing::Failed };
    assert_eq!(book.violations(), [paid]);
}

#[test]
fn a_refund_is_processing_for_as_many_polls_as_the_settings_say() {
    let mut book = book(&Settings { processing_polls: 2, ..Settings::default() });
    book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW).unwrap();
    let seen: Vec<_> = (0..4).map(|_| standing(&mut book, "R1", NOW)).collect();
    let (processing, done) = (Standing::Processing, Standing::Succeeded);
    assert_eq!(seen, [processing, processing, done, done]);
    assert_eq!(book.snapshot(NOW).totals.effects, 1);
}

#[test]
fn a_refund_settles_when_its_time_has_come_even_if_nobody_asks() {
    let mut book = book(&Settings { settle_after_ms: 5_000, ..Settings::default() });
    book.submit(ask("R1", "U1", 60), Fate::Succeeds, NOW).unwrap();
    assert_eq!(standing(&mut book, "R1", NOW.plus(4_999)), Standing::Processing);
    assert_eq!(book.totals(NOW.plus(4_999)).effects, 0);
    assert_eq!(book.totals(NOW.plus(5_000)).effects, 1);
}

#[test]
fn failed_abnormal_and_endless_refunds_move_no_money() {
    let mut book = book(&Settings::default());
    let fates = [
        ("R1", Fate::Fails, Standing::Failed),
        ("R2", Fate::GoesToMerchant, Standing::Abnormal),
        ("R3", Fate::NeverEnds, Standing::Processing),
    ];
    for (no, fate, expected) in fates {
        book.submit(ask(no, "U1", 10), fate, NOW).unwrap();
        assert_eq!(standing(&mut book, no, NOW.plus(u64::MAX)), expected);
    }
    let totals = book.totals(NOW);
    assert_eq!((totals.effects, totals.paid_out_cents), (0, 0));
    assert_eq!((totals.failed, totals.abnormal, totals.processing), (1, 1, 1));
}

#[test]
fn the_whole_order_is_shown_with_the_own_line_last() {
    let mut book = book(&Settings { lines: Lines::WholeOrder, ..Settings::default() });
    for no in ["R1", "R2", "R3"] {
        book.submit(ask(no, "U1", 10), Fate::Succeeds, NOW).unwrap();
    }
    let lines = book.query(&by("R1"), NOW).unwrap();
    let nos: Vec<_> = lines.iter().map(|l| l.refund_no.as_str()).collect();
    assert_eq!(nos, ["R2", "R3", "R1"]);
    assert_eq!(book.snapshot(NOW).refund("R2").unwrap().queries, 0);
}

#[test]
fn refunds_are_found_by_the_gateways_number_and_by_order() {
    let mut book = book(&Settings::default());
    let taken = book.submit(ask("R1", "U1", 10), Fate::Succeeds, NOW).unwrap();
    book.submit(ask("R2", "U1", 10), Fate::Succeeds, NOW).unwrap();
    let found = book.query(&Lookup::GatewayRefundNo(taken.gateway_refund_no), NOW);
    assert_eq!(found.unwrap()[0].refund_no, "R1");
    let all = book.query(&Lookup::Order(ask("", "U1", 1).order), NOW);
    assert_eq!(all.unwrap().len(), 2);
    for unknown in ["", "S", "S1", "S000000000000009", "S+00000000000000"] {
        let by = Lookup::GatewayRefundNo(unknown.to_owned());
        assert_eq!(book.query(&by, NOW), None, "{unknown:?}");
    }
}

#[test]
fn an_order_is_known_by_both_its_numbers_and_two_orders_are_never_mixed() {
    let mut book = book(&Settings::default());
    let both = PaidOrder {
        gateway_order_no: Some("U2".to_owned()),
        order_no: Some("M2".to_owned()),
        paid_cents: 100,
    };
    book.add_order(both.clone()).unwrap();
    book.add_order(both.clone()).unwrap(); // an equal one changes nothing
    let paid_else = PaidOrder { paid_cents: 99, ..both };
    assert_eq!(book.add_order(paid_else), Err(OrderError::Conflict));
    let nameless = PaidOrder { gateway_order_no: None, order_no: None, paid_cents: 1 };
    assert_eq!(book.add_order(nameless), Err(OrderError::NoNumber));

    let ids = |gateway: Option<&str>, own: Option<&str>| OrderIds {
        gateway_order_no: gateway.map(str::to_owned),
        order_no: own.map(str::to_owned),
    };
    let mut submit = |no: &str, order| {
        let ask = Ask { order, ..ask(no, "", 10) };
        book.submit(ask, Fate::Succeeds, NOW).map(|_| ())
    };
    assert_eq!(submit("R1", ids(None, Some("M2"))), Ok(()));
    assert_eq!(submit("R2", ids(Some("U2"), None)), Ok(()));
    assert_eq!(submit("R3", ids(Some("U2"), Some("M2"))), Ok(()));
    let mixed = submit("R4", ids(Some("U2"), Some("M9")));
    assert_eq!(mixed, Err(Denial::OrderNotFound));
    assert_eq!(book.snapshot(NOW).orders[1].refunded_cents, 30);
}

proptest! {
    /// Whatever merchants do, a gateway that keeps one refund per number keeps its book clean.
    #[test]
    fn an_honest_gateway_never_pays_twice_or_too_much(
        rejects in any::<bool>(),
        polls in 0_u32..3,
        steps in proptest::collection::vec((0_u8..6, 1_u64..60, 0_u8..4, any::<bool>()), 1..80),
    ) {
        let mut book = book(&Settings {
            duplicates: if rejects { Duplicates::Rejects } else { Duplicates::Replays },
            processing_polls: polls,
            settle_after_ms: 3,
            ..Settings::default()
        });
        let mut now = NOW;
        for (number, amount, fate, submits) in steps {
            now = now.plus(1);
            let no = format!("R{number}");
            if submits {
                let fate = match fate {
                    0 => Fate::Fails,
                    1 => Fate::GoesToMerchant,
                    2 => Fate::NeverEnds,
                    _ => Fate::Succeeds,
                };
                let _ = book.submit(ask(&no, "U1", amount), fate, now);
            } else {
                let _ = book.query(&by(&no), now);
            }
            prop_assert_eq!(book.violations(), vec![]);
        }
        let snapshot = book.snapshot(now.plus(10));
        let paid: u64 = snapshot.refunds.iter().map(|r| r.paid_out_cents).sum();
        prop_assert_eq!(paid, snapshot.totals.paid_out_cents);
        prop_assert_eq!(paid, snapshot.orders[0].refunded_cents);
        for refund in &snapshot.refunds {
            let due = u32::from(refund.standing == Standing::Succeeded);
            prop_assert_eq!(refund.effects, due);
        }
    }
}
