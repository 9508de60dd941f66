//! The judge is not lenient: it finds nothing in a run without disturbances, and everything that is
//! then falsified in what that run left behind.

use refundd::contract::result::OutcomeV1;
use refundd::sandbox::Standing;

use super::run::Chaos;
use super::verdict::{World, judge};

/// A way to falsify a world: what it plays, and how.
type Lie = (&'static str, fn(&mut World));

const LIES: &[Lie] = &[
    ("money twice", |world| paid(world).effects = 2),
    ("a resend of what the gateway had", |world| paid(world).submits = 2),
    ("other money than asked for", |world| paid(world).paid_out_cents += 1),
    ("a result too many", |world| {
        let mut again = succeeded(world).clone();
        again.event_id.push('x');
        world.results.push(again);
    }),
    ("the same event twice", |world| world.results.push(succeeded(world).clone())),
    ("a result lost", |world| {
        let no = succeeded(world).refund_no.clone();
        world.results.retain(|result| result.refund_no != no);
    }),
    ("a failure that was paid", |world| end(world, OutcomeV1::Succeeded, OutcomeV1::Failed)),
    ("a success that was not paid", |world| end(world, OutcomeV1::Failed, OutcomeV1::Succeeded)),
    ("a correction of what had settled", |world| {
        let mut later = succeeded(world).clone();
        later.version = 2;
        later.event_id.push('x');
        world.results.push(later);
    }),
    ("a park without a cause", |world| end(world, OutcomeV1::Succeeded, OutcomeV1::Parked)),
    ("a conflict unanswered", |world| without(world, "conflict")),
    ("an over-refund unanswered", |world| without(world, "over_refund")),
    ("an invalid request unanswered", |world| without(world, "invalid")),
    ("rubbish that nobody kept", |world| drop(world.quarantined.pop())),
    ("a good request in quarantine", |world| {
        let id = world.pushed[0].id.clone();
        world.quarantined.push(id);
    }),
    ("a cent too much in reserve", |world| world.held[0].1 += 1),
    ("an order forgotten", |world| drop(world.held.pop())),
    ("something left over", |world| world.left_over = 1),
    ("a refund that nobody asked for", |world| {
        let mut stranger = paid(world).clone();
        "stranger".clone_into(&mut stranger.refund_no);
        world.book.refunds.push(stranger);
    }),
    ("an order over its sum", |world| world.book.orders[0].refunded_cents = 10_001),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_judge_finds_nothing_in_a_calm_run_and_every_lie_about_it() {
    let mut chaos = Chaos::calm(3, 120).await;
    chaos.start_workers();
    let world = chaos.drain().await;
    assert_eq!(judge(&world), []);
    for (name, lie) in LIES {
        let mut false_world = world.clone();
        lie(&mut false_world);
        assert_ne!(judge(&false_world), [], "{name}");
    }
}

fn paid(world: &mut World) -> &mut refundd::sandbox::RefundSnapshot {
    let mut refunds = world.book.refunds.iter_mut();
    refunds.find(|entry| entry.standing == Standing::Succeeded).expect("a refund that was paid")
}

fn succeeded(world: &World) -> &refundd::contract::ResultV1 {
    let mut results = world.results.iter();
    results.find(|result| result.outcome == OutcomeV1::Succeeded).expect("a success")
}

fn end(world: &mut World, from: OutcomeV1, to: OutcomeV1) {
    let mut results = world.results.iter_mut();
    results.find(|result| result.outcome == from).expect("such a result").outcome = to;
}

/// Takes the first rejection with this code away.
fn without(world: &mut World, code: &str) {
    let rejected = world.results.iter().position(|result| {
        result.outcome == OutcomeV1::Rejected && result.code.as_deref() == Some(code)
    });
    world.results.remove(rejected.expect("such a rejection"));
}
