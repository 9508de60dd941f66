//! Refunds that are in the ledger before the run: straight through the port, in batches.

use super::figures::Preload;
use super::load;
use crate::app::Store;
use crate::cli::progress;
use crate::cli::{CliError, Output};
use crate::contract::parse;
use crate::domain::step::{Plan, advance, first_due};
use crate::domain::{Event, Evidence, Grade, RefundRecord, Source, UnixMillis};
use crate::ledger::{Gauge, RedisLedger};
use crate::ports::figures::Bin;
use crate::ports::ledger::{Admission, Admitted, BATCH_MAX, Claim, Commit};
use crate::ports::{Account, Ledger};

/// How far ahead the scheduled ones are due: a year.
const AHEAD_MS: u64 = 365 * 86_400_000;

/// How long the preload holds what it settles, ms.
const LEASE_MS: u64 = 60_000;

/// What the preload needs to know.
#[derive(Debug)]
pub(super) struct Scene {
    /// The account that pays.
    pub(super) account: Account,
    /// Refunds that are not due.
    pub(super) scheduled: u32,
    /// Refunds that have settled.
    pub(super) settled: u32,
}

/// Puts them in; nothing if there are none.
pub(super) async fn run(
    scene: &Scene,
    store: &Store,
    gauge: &Gauge,
    out: Output,
) -> Result<Option<Preload>, CliError> {
    if scene.scheduled == 0 && scene.settled == 0 {
        return Ok(None);
    }
    let clock = crate::ledger::RedisClock::connect(&store.connector).await?;
    let now = crate::ports::Clock::now(&*clock);
    let ledger = store.ledger().await?;
    let before = gauge.read().await?;
    let bar =
        progress::bar(out, u64::from(scene.scheduled) + u64::from(scene.settled), "preloaded");
    for names in batches('S', scene.scheduled) {
        admit(scene, &ledger, &names, (now, now.plus(AHEAD_MS))).await?;
        bar.inc(u64::try_from(names.len()).unwrap_or(0));
    }
    let between = gauge.read().await?;
    for names in batches('E', scene.settled) {
        admit(scene, &ledger, &names, (now, now)).await?;
        settle(scene, &ledger, names.len(), now).await?;
        bar.inc(u64::try_from(names.len()).unwrap_or(0));
    }
    let after = gauge.read().await?;
    bar.finish();
    let each = |from: u64, to: u64, count: u32| {
        (count > 0).then(|| to.saturating_sub(from) / u64::from(count))
    };
    Ok(Some(Preload {
        memory_per_scheduled_bytes: each(before.used_memory, between.used_memory, scene.scheduled),
        memory_per_settled_bytes: each(between.used_memory, after.used_memory, scene.settled),
    }))
}

/// Refund numbers in batches that one write takes.
fn batches(kind: char, count: u32) -> impl Iterator<Item = Vec<String>> {
    let step = u32::try_from(BATCH_MAX).unwrap_or(u32::MAX);
    (0..count.div_ceil(step)).map(move |batch| {
        let first = batch * step;
        (first..count.min(first.saturating_add(step))).map(|n| format!("{kind}{n:09}")).collect()
    })
}

async fn admit(
    scene: &Scene,
    ledger: &RedisLedger,
    refund_nos: &[String],
    (now, due_at): (UnixMillis, UnixMillis),
) -> Result<(), CliError> {
    let batch: Result<Vec<_>, _> =
        refund_nos.iter().map(|no| admission(scene, no, now, due_at)).collect();
    let answers = ledger.admit(&batch?, now).await?;
    match answers.iter().find(|answer| **answer != Admitted::New) {
        Some(other) => Err(CliError::failed(format!("the preload is not taken in: {other:?}"))),
        None => Ok(()),
    }
}

/// The same admission as intake makes of such a request.
fn admission(
    scene: &Scene,
    refund_no: &str,
    now: UnixMillis,
    due_at: UnixMillis,
) -> Result<Admission, CliError> {
    let mut refund = parse(&load::request(refund_no)).map_err(|err| {
        CliError::failed(format!("the benchmark's own request is refused: {err:?}"))
    })?;
    refund.not_before = (due_at > now).then_some(due_at);
    let submitter = &scene.account.submitter;
    let params_hash = submitter.params_hash(&refund);
    let mut record = RefundRecord::admitted(refund, submitter.gateway().clone(), now);
    record.params_hash = Some(params_hash);
    Ok(Admission { due_at: first_due(&record), record, entry: None })
}

/// Settles the `count` refunds that are due.
async fn settle(
    scene: &Scene,
    ledger: &RedisLedger,
    count: usize,
    now: UnixMillis,
) -> Result<(), CliError> {
    let claims = ledger.claim(count, now, now.plus(LEASE_MS)).await?.claims;
    let commits: Result<Vec<_>, _> =
        claims.into_iter().map(|claim| settled(scene, claim, now)).collect();
    let commits = commits?;
    if commits.len() != count {
        let text = format!("{} of {count} refunds of the preload were due", commits.len());
        return Err(CliError::failed(text));
    }
    ledger.commit(&commits, now).await?;
    Ok(())
}

/// Accepted, then succeeded by the first query, as most refunds do. Publishes nothing: the results
/// stream is the run's.
fn settled(scene: &Scene, claim: Claim, now: UnixMillis) -> Result<Commit, CliError> {
    let evidence = Evidence { grade: Grade::A, source: Source::Query, at: now };
    let (from, policy) = (Bin::of(&claim.record), &scene.account.policy);
    let life = [
        Event::Accepted { gateway_refund_no: None },
        Event::Succeeded { evidence, lines: Vec::new() },
    ];
    let (mut record, mut plan, mut order) = (claim.record, Plan::Ended, None);
    for event in &life {
        let advanced = advance(record, event, now, policy).map_err(|err| CliError::Failed {
            what: "the preload breaks a rule".to_owned(),
            source: Some(Box::new(err)),
        })?;
        (record, plan, order) = (advanced.record, advanced.plan, advanced.order);
    }
    Ok(Commit { lease: claim.lease, from, record, plan, result: None, order })
}
