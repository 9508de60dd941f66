//! The judge: holds what was published and stored against the gateway's own book.

use std::collections::BTreeMap;

use refundd::contract::{OutcomeV1, ResultV1};
use refundd::domain::RefundState;
use refundd::domain::state::Outcome;

use super::gateway::{Entry, Fate, Repeats};
use super::world::{PAID, World};

/// Everything that is wrong at the end of a seed; empty if nothing is.
pub(super) async fn verdict(world: &World, drained: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    if !drained {
        wrong.push("something never came to its end".to_owned());
    }
    let book = world.gateway.book();
    let mut out: BTreeMap<&str, u64> = BTreeMap::new();
    for (no, entry) in &book {
        let most = if world.repeats == Repeats::Executes { u32::MAX } else { 1 };
        if entry.executions > most.min(1) {
            let (losses, repeats) = (world.losses, world.repeats);
            let how =
                format!("{losses} losses of writes {:?}, the gateway {repeats:?}", world.lost_at);
            wrong.push(format!("{no} was paid {} times; {how}", entry.executions));
            wrong.extend(history(world, no).await);
        }
        if entry.fate != Fate::Failed {
            *out.entry(&entry.order).or_default() += entry.cents * u64::from(entry.executions);
        }
    }
    // What the ledger forgot it cannot count: an order may then be refunded twice by two numbers.
    wrong.extend(
        out.iter()
            .filter(|(_, cents)| **cents > PAID && world.losses == 0)
            .map(|(order, cents)| format!("order {order} was refunded {cents} of {PAID}")),
    );
    let results = results(world);
    for no in world.asked.keys() {
        wrong.extend(one(world, no, book.get(no), &results).await);
    }
    wrong
}

fn results(world: &World) -> BTreeMap<String, Vec<ResultV1>> {
    let mut results: BTreeMap<String, Vec<ResultV1>> = BTreeMap::new();
    for publication in world.ledger.results() {
        let result: ResultV1 = serde_json::from_str(&publication.json).expect("a result");
        results.entry(result.refund_no.clone()).or_default().push(result);
    }
    results
}

async fn one(
    world: &World,
    no: &str,
    entry: Option<&Entry>,
    results: &BTreeMap<String, Vec<ResultV1>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let all = results.get(no).map_or(&[][..], Vec::as_slice);
    let Some(record) = world.record(no).await else {
        // Never admitted: then it was rejected, and nothing was sent.
        let forgotten = world.losses > 0 && world.repeats == Repeats::Executes;
        if !forgotten
            && (all.is_empty() || all.iter().any(|result| result.outcome != OutcomeV1::Rejected))
        {
            wrong.push(format!("{no} is lost"));
        }
        if entry.is_some() && world.losses == 0 {
            wrong.push(format!("{no} was sent without a record"));
        }
        return wrong;
    };
    let own: Vec<&ResultV1> =
        all.iter().filter(|result| !result.event_id.contains(".rejected.")).collect();
    let versions: Vec<u32> = own.iter().map(|result| result.version).collect();
    let expected: Vec<u32> = (1..).take(versions.len()).collect();
    if versions != expected || versions.is_empty() {
        wrong.push(format!("{no} has results of versions {versions:?}"));
    }
    let last = own.last().map(|result| result.outcome);
    let money = entry.is_some_and(|entry| entry.fate == Fate::Succeeded);
    match (last, &record.state) {
        (Some(OutcomeV1::Succeeded), RefundState::Settled(_)) if money => {}
        (Some(OutcomeV1::Failed | OutcomeV1::Rejected), RefundState::Settled(_)) if !money => {}
        (Some(OutcomeV1::Parked), RefundState::Parked(_)) => {}
        (Some(OutcomeV1::Parked), RefundState::Settled(end)) if end.outcome == Outcome::GivenUp => {
        }
        (last, state) => {
            let said = format!("{no} is published as {last:?} and stored as {:?}", state.kind());
            wrong.push(format!("{said}; the book has {entry:?}"));
            wrong.extend(history(world, no).await);
        }
    }
    wrong
}

async fn history(world: &World, no: &str) -> Vec<String> {
    let record = world.record(no).await;
    let lines = record.map(|record| record.history).unwrap_or_default();
    lines.iter().map(|line| format!("    {line:?}")).collect()
}
