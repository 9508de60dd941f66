//! A model of submit, crash, lease, fence, query and resubmit, explored in every order.
//!
//! The first tests say what refundd promises and find nothing against it. The others take one rule
//! away each and must find the way to lose money that the rule is there for.

#![expect(clippy::print_stdout, reason = "how much was explored is a part of the answer")]

mod gateway;
mod ledger;
mod moves;
mod rules;
mod system;
mod world;

use std::collections::HashMap;

use refundd::domain::policy::Duplicates;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use gateway::Repeats;
use moves::{FAILED, FINAL, ONCE, ONE, PAID, SUCCEEDED};
use rules::Rule;
use system::{Network, System};
use world::Act;

/// One refund, two workers and a gateway that replays a repeated number.
const REPLAYS: System = System {
    repeats: Repeats::Replays,
    duplicates: Duplicates::Replays,
    network: Network::WithinWindow,
    workers: 2,
    amounts: &[100],
    paid: 100,
    write_loss: false,
    without: None,
};

/// A gateway that rejects a repeated number.
const REJECTS: System =
    System { repeats: Repeats::Rejects, duplicates: Duplicates::Rejects, ..REPLAYS };

/// A gateway that pays a repeated number again, and an account that claims nothing else.
const EXECUTES: System =
    System { repeats: Repeats::Executes, duplicates: Duplicates::Unknown, ..REPLAYS };

/// Two refunds of one order, one worker.
const ORDER: System = System { workers: 1, amounts: &[60, 40], ..REPLAYS };

/// Explores everything, finds nothing wrong, and finds that everything good can happen.
fn holds(name: &str, system: System) {
    let until = HasDiscoveries::AnyFailures;
    let checker = system.checker().threads(2).finish_when(until).spawn_bfs().join();
    println!(
        "proved: model {name}, {} states, {} deep",
        checker.unique_state_count(),
        checker.max_depth()
    );
    for property in checker.model().properties() {
        let path = checker.discovery(property.name).map(stateright::Path::into_actions);
        if property.expectation == Expectation::Sometimes {
            assert!(path.is_some(), "{name}: never {}", property.name);
        } else {
            assert_eq!(path, None, "{name}: not always {}", property.name);
        }
    }
}

/// Explores until `broken` is found broken without `rule`. What it is found in holds with the rule.
fn bites(rule: Rule, system: System, broken: &'static str) {
    let system = System { without: Some(rule), ..system };
    let until = HasDiscoveries::AnyOf([broken].into());
    // One thread, so that what is found first is the shortest.
    let checker = system.checker().finish_when(until).spawn_bfs().join();
    let states = checker.unique_state_count();
    let path = checker.discovery(broken);
    let acts = path.unwrap_or_else(|| panic!("{rule:?} is not missed in {states} states"));
    let acts = acts.into_actions();
    println!(
        "proved: model without {rule:?} is found not to hold: not \"{broken}\" after {} steps, {states} states",
        acts.len()
    );
    println!("  {acts:?}");
}

/// From every world that can be reached, all refunds can still come to an end or to a person,
/// without another crash, loss or failover on the way.
fn never_stuck(name: &str, system: &System) {
    let unlucky = |act: &Act| matches!(act, Act::Crash(_) | Act::Lose(_) | Act::Restore);
    let mut known: HashMap<_, usize> = HashMap::new();
    let mut worlds = system.init_states();
    known.insert(worlds[0].clone(), 0);
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut at = 0;
    while at < worlds.len() {
        for (act, next) in system.next_steps(&worlds[at]) {
            let to = *known.entry(next).or_insert_with_key(|next| {
                worlds.push(next.clone());
                before.push(Vec::new());
                worlds.len() - 1
            });
            if !unlucky(&act) {
                before[to].push(at);
            }
        }
        at += 1;
    }
    let mut ends: Vec<bool> = worlds.iter().map(System::is_over).collect();
    let mut fresh: Vec<usize> = (0..worlds.len()).filter(|at| ends[*at]).collect();
    println!("proved: model {name}, {} of {} worlds are an end", fresh.len(), worlds.len());
    while let Some(at) = fresh.pop() {
        for from in &before[at] {
            if !std::mem::replace(&mut ends[*from], true) {
                fresh.push(*from);
            }
        }
    }
    let stuck = ends.iter().position(|ends| !ends);
    assert!(stuck.is_none(), "{name}: no way on from {:#?}", worlds[stuck.unwrap_or_default()]);
}

#[test]
fn one_refund_keeps_every_promise_whatever_the_gateway_does_with_repeats() {
    holds("replays", REPLAYS);
    holds("rejects", REJECTS);
    holds("executes", EXECUTES);
}

#[test]
fn money_moves_once_however_late_a_submit_arrives_or_is_shown() {
    let network = Network::Unbounded;
    holds("replays, late", System { network, ..REPLAYS });
    holds("rejects, late", System { network, ..REJECTS });
    holds("executes, late", System { network, ..EXECUTES });
}

#[test]
fn one_refund_keeps_every_promise_after_redis_lost_writes() {
    holds("replays, lost writes", System { write_loss: true, ..REPLAYS });
    holds("executes, lost writes", System { write_loss: true, ..EXECUTES });
}

#[test]
fn two_refunds_of_one_order_keep_every_promise() {
    holds("an order", ORDER);
    holds("an order paid too little", System { amounts: &[60, 60], ..ORDER });
}

#[test]
fn every_refund_can_still_come_to_an_end_or_to_a_person() {
    never_stuck("replays", &REPLAYS);
    never_stuck("rejects", &REJECTS);
    never_stuck("executes, lost writes", &System { write_loss: true, ..EXECUTES });
    never_stuck("an order", &ORDER);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting")]
fn the_long_form_holds_where_it_is_asked_for() {
    let long = std::env::var_os("REFUNDD_MODEL").is_some_and(|form| form == "long");
    let workers = if long { 3 } else { 1 };
    holds("executes, an order", System { workers, amounts: &[60, 40], ..EXECUTES });
    if long {
        holds("an order, three workers", System { workers, ..ORDER });
        holds(
            "rejects, late, three workers",
            System { workers, network: Network::Unbounded, ..REJECTS },
        );
        holds("rejects, lost writes", System { write_loss: true, ..REJECTS });
    }
}

#[test]
fn without_an_intent_before_bytes_a_crash_pays_twice() {
    bites(Rule::IntentBeforeBytes, EXECUTES, ONCE);
}

#[test]
fn without_the_mark_of_a_lost_intent_a_crash_pays_twice() {
    bites(Rule::LostIntentIsMaybeSent, EXECUTES, ONCE);
}

#[test]
fn without_the_fence_a_worker_that_wakes_up_late_publishes_twice() {
    bites(Rule::FenceAtCommit, REPLAYS, FINAL);
}

#[test]
fn without_the_run_in_the_fence_a_worker_of_an_earlier_run_writes() {
    bites(Rule::FenceOfThisRun, System { write_loss: true, ..REPLAYS }, FAILED);
}

#[test]
fn without_a_query_after_a_timeout_it_pays_twice() {
    bites(Rule::UnknownMeansQuery, EXECUTES, ONCE);
}

#[test]
fn without_certification_a_resend_pays_twice() {
    bites(Rule::CertifiedBeforeResend, System { network: Network::Unbounded, ..EXECUTES }, ONCE);
}

#[test]
fn without_the_window_a_refund_that_is_shown_late_is_called_failed() {
    bites(Rule::AbsenceNeedsWindow, REJECTS, FAILED);
}

#[test]
fn with_a_new_number_for_the_resend_it_pays_twice() {
    bites(Rule::SameNumber, System { network: Network::Unbounded, ..REPLAYS }, ONCE);
}

#[test]
fn without_signatures_a_refund_that_fails_later_is_called_succeeded() {
    bites(Rule::SignedEvidence, REPLAYS, SUCCEEDED);
}

#[test]
fn without_its_number_the_success_of_another_refund_is_taken_for_its_own() {
    bites(Rule::OwnLines, REPLAYS, SUCCEEDED);
}

#[test]
fn without_confirmation_a_refusal_of_a_number_that_exists_is_called_failed() {
    bites(Rule::RefusalConfirmed, REJECTS, FAILED);
}

#[test]
fn with_number_exists_as_a_signed_refusal_one_early_query_is_too_few() {
    bites(Rule::ExistsIsNoRefusal, REJECTS, FAILED);
}

#[test]
fn without_a_last_look_a_worker_that_wakes_up_late_pays_twice() {
    bites(Rule::LookBeforeSend, System { write_loss: true, ..EXECUTES }, ONCE);
}

#[test]
fn without_turns_two_refunds_of_one_order_are_under_way() {
    bites(Rule::OneInFlight, ORDER, ONE);
}

#[test]
fn without_a_reservation_more_goes_back_than_was_paid() {
    bites(Rule::Reservation, System { amounts: &[60, 60], ..ORDER }, PAID);
}

#[test]
fn without_a_question_after_lost_writes_it_pays_twice() {
    bites(Rule::AskAfterWriteLoss, System { write_loss: true, ..EXECUTES }, ONCE);
}
