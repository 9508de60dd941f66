//! The crash sweep: a real process is killed, and another time stopped beyond its leases and woken, at
//! every numbered crash point, and in the middle of a call, when the gateway has the money already and
//! its answer has not come; a second worker takes over; the gateway's book says what was paid.

use refundd::contract::OutcomeV1;
use refundd::crash::{Point, VARIABLE};
use refundd::sandbox::{Duplicates, Fault, On, Rule};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

const ACCOUNTS: [&str; 3] = ["shop-ca", "shop-hk", "shop-pair"];

/// Refunds of one case.
const REFUNDS: usize = 6;

/// Cases that run side by side: each mostly waits for a lease of three seconds.
const AT_ONCE: usize = 7;

/// What happens to the process at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// `kill -9`.
    Kill,
    /// SIGSTOP, another worker finishes the work, SIGCONT.
    Stop,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_or_stands_still_at_any_crash_point_costs_nothing() {
    let mut cases: Vec<(Point, Blow)> =
        Point::ALL.iter().flat_map(|point| [(*point, Blow::Kill), (*point, Blow::Stop)]).collect();
    let tried = cases.len();
    let mut running = JoinSet::new();
    while !cases.is_empty() || !running.is_empty() {
        while running.len() < AT_ONCE
            && let Some((point, blow)) = cases.pop()
        {
            running.spawn(case(point, blow));
        }
        running.join_next().await.expect("a case").expect("no violation");
    }
    eprintln!(
        "proved: crash sweep, {} points, {tried} blows, {} refunds, 0 violations",
        Point::ALL.len(),
        tried * REFUNDS
    );
}

async fn case(point: Point, blow: Blow) {
    let what = format!("{}, {blow:?}", point.as_str());
    let mut settings = gateway();
    // One answer is lost, so that a refund is asked about from the state of unknown outcome, too.
    settings.faults.rules = vec![Rule::new(On::Submits, Fault::ResetAfter).times(1)];
    let mut shop = Shop::open(settings).await;
    if matches!(point, Point::BeforePutBack | Point::AfterPutBack) {
        // Submits that wait for a limit are put back.
        shop.configure(|toml| format!("{toml}\n[accounts.shop-pair.limits]\nsubmit_per_s = 1\n"));
    }
    if blow == Blow::Stop {
        // One refund in hand at a time: whatever else was between last look and first byte would
        // leave the process when it wakes, as at the point for that.
        shop.configure(|toml| toml.replace("concurrency = 32", "concurrency = 1"));
    }
    for i in 0..REFUNDS {
        shop.push(&request(&format!("C{i}"), ACCOUNTS[i % 3]));
    }
    let mut other = request("C0", "shop-ca");
    other["amount_cents"] = 501.into();
    shop.push(&other);

    let signal = if blow == Blow::Kill { "KILL" } else { "STOP" };
    let struck = shop.run_with(&[(VARIABLE, &format!("{}:{signal}:1", point.as_str()))]);
    wait_until(&format!("the blow at {what}"), async || {
        let expected = if blow == Blow::Kill { 'Z' } else { 'T' };
        (shop.kernel_state(struck) == Some(expected)).then_some(())
    })
    .await;
    shop.run();
    shop.results(REFUNDS + 1).await;
    if blow == Blow::Stop {
        shop.signal(struck, "CONT");
        shop.push(&request("C-last", "shop-hk"));
        wait_until(&format!("the last refund after {what}"), async || {
            shop.results_now().iter().any(|result| result.refund_no == "C-last").then_some(())
        })
        .await;
        assert!(shop.terminate(struck).success(), "{what}");
    }
    judge(&shop, (point, blow), &what);
}

fn judge(shop: &Shop, case: (Point, Blow), what: &str) {
    let results = shop.results_now();
    let book = shop.book();
    for i in 0..REFUNDS {
        let no = format!("C{i}");
        let own: Vec<_> = results
            .iter()
            .filter(|result| result.refund_no == no && result.outcome != OutcomeV1::Rejected)
            .map(|result| (result.event_id.clone(), result.outcome))
            .collect();
        assert_eq!(own, [(format!("{no}.1.succeeded"), OutcomeV1::Succeeded)], "{what}");
        assert_eq!(book.effects(&no), 1, "{what}: {no}");
        // Between the last look and the first byte nobody can look any more: whoever is stopped there
        // sends when it wakes, under the same number, and the gateway pays it once.
        if case != (Point::BeforeSend, Blow::Stop) {
            assert_eq!(book.refund(&no).expect("it is booked").submits, 1, "{what}: {no}");
        }
    }
    let rejected = results.iter().filter(|result| result.outcome == OutcomeV1::Rejected).count();
    assert_eq!(rejected, 1, "{what}: one conflict, one rejection");
}

/// The process is struck inside the call: no point of the program lies there.
async fn struck_while_the_gateway_has_the_money(blow: Blow) {
    let mut settings = gateway();
    // Whatever is sent again is paid again: the gateway saves nobody here.
    settings.duplicates = Duplicates::PaysAgain;
    // Held back beyond the blow, and in hand of whoever wakes after the lease is over.
    let late = Fault::AnswerLate { ms: 3_000 };
    settings.faults.rules = vec![Rule::new(On::Submits, late)];
    let mut shop = Shop::open(settings).await;
    shop.configure(|toml| {
        let patient = toml.replace("timeout_ms = 600", "timeout_ms = 5000");
        let longer = patient.replace("lease_ms = 3000", "lease_ms = 7300");
        longer.replace("shutdown_ms = 2000", "shutdown_ms = 6000")
    });
    for account in ACCOUNTS {
        shop.push(&request(&format!("M-{account}"), account));
    }
    let numbers = ACCOUNTS.map(|account| format!("M-{account}"));

    let struck = shop.run();
    wait_until("the gateway to have all the money", async || {
        let book = shop.book();
        numbers.iter().all(|no| book.refund(no).is_some()).then_some(())
    })
    .await;
    if blow == Blow::Kill {
        shop.kill(struck);
    } else {
        shop.signal(struck, "STOP");
    }
    for no in &numbers {
        assert_eq!(shown(&shop, no)["state"], "submitting", "{blow:?}: struck inside the call");
    }
    shop.run();
    shop.results(ACCOUNTS.len()).await;
    if blow == Blow::Stop {
        shop.signal(struck, "CONT");
        assert!(shop.terminate(struck).success(), "{blow:?}");
    }

    let (results, book) = (shop.results_now(), shop.book());
    for no in &numbers {
        let own = results.iter().filter(|result| result.refund_no == *no);
        let own: Vec<_> = own.map(|result| (result.event_id.clone(), result.outcome)).collect();
        assert_eq!(own, [(format!("{no}.1.succeeded"), OutcomeV1::Succeeded)], "{blow:?}");
        assert_eq!(book.effects(no), 1, "{blow:?}: {no} is paid once");
        assert_eq!(book.refund(no).expect("it is booked").submits, 1, "{blow:?}: {no}");
        let history = shown(&shop, no)["history"].to_string();
        assert!(history.contains("answer_unknown"), "{blow:?}: the second one recovers: {history}");
    }
    assert_eq!(results.len(), ACCOUNTS.len(), "{blow:?}: nothing else was published");
}

fn shown(shop: &Shop, no: &str) -> Value {
    let shown = shop.call(&["show", no, "--json"]);
    serde_json::from_slice(&shown.stdout).expect("a refund as JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_the_gateway_has_the_money_pays_nothing_twice() {
    struck_while_the_gateway_has_the_money(Blow::Kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_sleeps_over_its_lease_inside_the_call_pays_and_publishes_nothing_twice() {
    struck_while_the_gateway_has_the_money(Blow::Stop).await;
}
