//! Stores what became of refunds, all that are ready in one call, for as long as it takes.
//!
//! Nobody waits for a write: whoever has handed one over is done, and while one call is under way
//! the next writes gather in the channel. The channel has a bound, and when it is full whoever has
//! something to hand over waits with its slot, so memory has a bound, too.
//!
//! An answer of a gateway is worth more than a worker's time: while the ledger cannot be reached or
//! refuses, the answers wait here in memory. Nothing new is claimed before all are stored or refused. If
//! the process ends before the ledger is back, the leases run out and the next holder asks the
//! gateway.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use super::Parts;
use super::backend::Pending;
use super::pace::Pace;
use crate::crash::{self, Point};
use crate::domain::StateKind;
use crate::domain::state::RefundState;
use crate::ports::ledger::{BATCH_MAX, Commit, Committed, PutBack};
use crate::ports::{LedgerError, chain};
use crate::telemetry::{metrics, otlp};

/// First and longest pause after the ledger did not confirm.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// A step to store, and the state that it leads from.
type Step = (Commit, StateKind);

/// Commits until every sender is gone and everything is stored.
pub(super) async fn run(parts: Parts, mut pending: mpsc::Receiver<Pending>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut refused: Vec<Step> = Vec::new();
    let (mut pace, mut retry_at) = (Pace::default(), Instant::now());
    loop {
        // What is refused counts against the same bound: beyond it nothing more is taken in.
        let room = refused.len() < pending.max_capacity();
        tokio::select! {
            received = pending.recv_many(&mut batch, BATCH_MAX), if room => {
                if received == 0 && refused.is_empty() {
                    return;
                }
                if received == 0 {
                    tokio::time::sleep(RETRY.1).await; // the channel is closed: only retries are left
                }
            }
            () = tokio::time::sleep_until(retry_at), if !refused.is_empty() => {}
        }
        if !batch.is_empty() {
            gather(&mut batch, &mut pending, &mut pace).await;
        }
        let (mut steps, mut backs) = (Vec::new(), Vec::new());
        for write in batch.drain(..) {
            match write {
                Pending::Step(commit, from) => steps.push((*commit, from)),
                Pending::Back(lease) => backs.push(lease),
            }
        }
        // What Redis refuses by itself is tried again now and then, and holds up nobody else.
        if Instant::now() >= retry_at {
            for step in std::mem::take(&mut refused) {
                refused.extend(store(&parts, vec![step]).await);
            }
            retry_at = Instant::now() + RETRY.1;
        }
        if !steps.is_empty() {
            refused.extend(store(&parts, steps).await);
        }
        if !backs.is_empty() {
            put_back(&parts, &backs).await;
        }
        // The ledger has answered, and no answer waits any more that a new claim could make stale.
        if pending.is_empty() {
            parts.ledger_away.store(false, Ordering::SeqCst);
        }
        // Something may be due sooner than the claiming side expects.
        parts.wake.notify_one();
    }
}

/// Waits for the pace, and takes what has come meanwhile. A batch that cannot grow waits for nothing.
async fn gather(batch: &mut Vec<Pending>, pending: &mut mpsc::Receiver<Pending>, pace: &mut Pace) {
    let most = BATCH_MAX.min(pending.max_capacity());
    pace.keep(batch.len().saturating_add(pending.len()) >= most).await;
    while batch.len() < BATCH_MAX
        && let Ok(write) = pending.try_recv()
    {
        batch.push(write);
    }
}

/// Stores a batch, however long Redis is away. If Redis refuses the batch, its refunds are stored
/// one by one; returns those that it refuses even so.
async fn store(parts: &Parts, batch: Vec<Step>) -> Vec<Step> {
    let (commits, froms): (Vec<Commit>, Vec<StateKind>) = batch.into_iter().unzip();
    let now = || parts.clock.now();
    crash::pass(Point::BeforeCommit);
    let alone = commits.first().filter(|_| commits.len() == 1);
    let alone = alone.map(|commit| commit.lease.refund_no.as_str());
    let span = otlp::commit(alone, commits.len());
    let written = persist(parts, || parts.ledger.commit(&commits, now()), commits.len());
    match written.instrument(span).await {
        Ok(answers) => {
            crash::pass(Point::AfterCommit);
            for ((commit, answer), from) in commits.iter().zip(answers).zip(froms) {
                log(commit, from, answer);
            }
            Vec::new()
        }
        Err(err) if commits.len() == 1 => {
            let refund_no = commits.first().map(|commit| commit.lease.refund_no.to_string());
            tracing::error!(refund.no = refund_no, err = %chain(&err), "its answer waits in memory");
            commits.into_iter().zip(froms).collect()
        }
        Err(_) => {
            let mut refused = Vec::new();
            for step in commits.into_iter().zip(froms) {
                refused.extend(Box::pin(store(parts, vec![step])).await);
            }
            refused
        }
    }
}

/// Puts leases back. If Redis refuses, they run out by themselves, which is slower and safe.
async fn put_back(parts: &Parts, leases: &[PutBack]) {
    let now = || parts.clock.now();
    crash::pass(Point::BeforePutBack);
    let done = persist(parts, || parts.ledger.put_back(leases, now()), leases.len()).await;
    crash::pass(Point::AfterPutBack);
    if let Err(err) = done {
        tracing::error!(refunds = leases.len(), err = %chain(&err), "leases are left to run out");
    }
}

/// Tries until the ledger confirms or refuses. While it is away, nothing new is claimed: this
/// process's own leases may run out, and its answers must not lose the race against a new claim.
async fn persist<T, F: Future<Output = Result<T, LedgerError>>>(
    parts: &Parts,
    write: impl Fn() -> F,
    refunds: usize,
) -> Result<T, LedgerError> {
    let mut pause = RETRY.0;
    loop {
        match write().await {
            Err(LedgerError::Unavailable(err)) => {
                parts.ledger_away.store(true, Ordering::SeqCst);
                tracing::warn!(%err, refunds, "answers wait in memory");
            }
            done => {
                parts.pulse.beat(parts.clock.now());
                return done;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

/// One line a transition, written where it is committed.
fn log(commit: &Commit, from: StateKind, answer: Committed) {
    let record = &commit.record;
    if answer != Committed::Stored {
        metrics::fenced();
        tracing::warn!(
            refund.no = %record.refund.refund_no,
            "the lease was lost; another worker decides from here"
        );
        return;
    }
    measure(commit, from);
    let last = record.history.last();
    tracing::info!(
        refund.no = %record.refund.refund_no,
        account = %record.refund.account,
        state.from = from.as_str(),
        state.to = record.state.kind().as_str(),
        event = last.map(|line| line.event.as_str()),
        note = last.map(|line| line.note.as_str()),
        attempt.no = record.tally.attempts,
        poll.no = record.tally.polls,
        amount_cents = record.refund.amount.get(),
        "refund is {}",
        record.state.kind().as_str()
    );
    if from == StateKind::Settled && commit.result.is_some() {
        tracing::error!(
            refund.no = %record.refund.refund_no,
            result.version = record.tally.results,
            "alarm: what was published is corrected; whoever acted on it has to know"
        );
    }
}

/// Counts what was stored.
fn measure(commit: &Commit, from: StateKind) {
    let record = &commit.record;
    if let RefundState::Parked(parking) = &record.state
        && from != StateKind::Parked
    {
        metrics::parked(parking.cause.as_str());
    }
    let Some(result) = &commit.result else { return };
    metrics::published(result.outcome);
    if let RefundState::Settled(end) = &record.state
        && from != StateKind::Settled
    {
        let took = Duration::from_millis(end.evidence.at.since(record.admitted_at));
        metrics::settled(record.refund.account.as_str(), result.outcome, took);
    }
}
