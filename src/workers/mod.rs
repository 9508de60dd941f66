//! Refunds on their way: claims them from the ledger, takes each one step, commits what came of it.
//!
//! apalis is the runtime: worker, concurrency, panics, shutdown. The ledger is the storage. Between
//! the two stand background tasks that alone talk to the ledger, in batches, and that retry for as
//! long as it takes: an outage of Redis stops neither the worker nor a handler under way, and an
//! answer of a gateway is kept in memory until it is stored.
//!
//! | file | does |
//! |---|---|
//! | [`advance`] | one step of one refund: the only place that calls a gateway |
//! | `limits` | whether a call may be made now, or when |
//! | `clearance` | asks the ledger whether submits may leave, many in one call, where no claim has said so |
//! | `others` | looks after the other refunds that an answer shows |
//! | `claims` | claims due refunds for the free slots |
//! | `commits` | stores what became of them, many in one call |
//! | `errors` | what the errors of gateways make of a refund |
//! | `pace` | lets a batch gather while the worker is busy |
//! | `measure` | counts what gateways answered |
//! | `backend` | shows both to apalis as its `Backend` |
//!
//! Invariant: a refund is claimed only when a slot is free for it, because claiming a refund that is
//! to be submitted records the intent, and an intent that nobody acts on costs a query and perhaps a
//! person. There are as many slots as calls at once, and a quarter more: refunds that are next. A
//! slot ends when what came of the refund has been handed to the committing side, so claims go
//! on while commits are on their way; where that side has no room, the slot stays taken until it
//! has. While the ledger is away nothing is claimed until every answer that waits has been
//! stored or refused.

pub mod advance;
mod backend;
mod claims;
mod clearance;
#[cfg(test)]
mod cleared_tests;
mod commits;
mod errors;
#[cfg(test)]
mod handover_tests;
#[cfg(test)]
#[path = "house_tests.rs"]
mod house;
mod limits;
#[cfg(test)]
mod limits_tests;
mod measure;
mod others;
mod pace;
#[cfg(test)]
mod script;
#[cfg(test)]
mod wake_tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Monitor, Task, WorkerBuilder};
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use crate::ports::{Accounts, Clock, Ledger, Pulse, Traffic};
use advance::{Done, Handler};
use backend::{Held, LedgerBackend};

/// How the workers of one process run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This process's name among the workers of the namespace; a new one at every start.
    pub name: String,
    /// Refunds that are handled at once.
    pub concurrency: usize,
    /// How long a claim gives the right to act, ms. Longer than a gateway call can take.
    pub lease_ms: u64,
    /// How long a shutdown waits for answers under way.
    pub shutdown: Duration,
}

impl Settings {
    /// Most refunds that are held at once: those that are handled, and a quarter as many that wait for
    /// the next free hand, so that none is idle for the time of a claim.
    fn held(&self) -> usize {
        self.concurrency.saturating_add(self.concurrency / 4)
    }
}

/// What the workers need of the world.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where the refunds are.
    pub ledger: Arc<dyn Ledger>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// The merchant accounts.
    pub accounts: Arc<Accounts>,
    /// Told when a refund has become due sooner than expected.
    pub wake: Arc<Notify>,
    /// Set while answers wait for a ledger that is away.
    pub ledger_away: Arc<AtomicBool>,
    /// Told whenever the ledger answers.
    pub pulse: Arc<Pulse>,
    /// Told of every call.
    pub traffic: Arc<Traffic>,
}

/// Handles refunds until `stop` says so; then finishes what is under way.
///
/// On return every refund that this process held is committed, whatever was handed over included, or
/// its lease runs out by itself and the next holder asks the gateway first.
pub async fn run(parts: Parts, settings: Settings, stop: watch::Receiver<bool>) {
    let held = settings.held();
    let slots = Arc::new(Semaphore::new(held));
    let (held_tx, held_rx) = mpsc::channel::<Held>(held);
    let (commits_tx, commits_rx) = mpsc::channel(settings.concurrency.saturating_mul(2));

    let mut committing = tokio::spawn(commits::run(parts.clone(), commits_rx));
    let claiming = tokio::spawn(claims::run(
        parts.clone(),
        settings.clone(),
        Arc::clone(&slots),
        held_tx,
        stop.clone(),
    ));
    let (questions_tx, questions_rx) = mpsc::channel(settings.concurrency);
    let mut clearing = tokio::spawn(clearance::run(parts.clone(), questions_rx));
    let handler = Arc::new(Handler::among_many(parts, questions_tx));
    let backend = LedgerBackend::new(held_rx, commits_tx.clone());
    let failed = tokio::select! {
        () = work(backend, Arc::clone(&handler), &settings, stop.clone()) => None,
        () = too_late(stop, settings.shutdown) => {
            tracing::warn!("answers under way did not come in time; they will be asked for");
            None
        }
        // Neither ends before `commits_tx` and `handler` do: a part that is gone has failed.
        ended = &mut committing => Some(ended),
        ended = &mut clearing => Some(ended),
    };
    if let Some(ended) = failed {
        // Half a worker is worse than none: whoever started it sees it end.
        tracing::error!(?ended, "a part of the worker is gone; refunds are left to their leases");
        claiming.abort();
        return;
    }
    drop((commits_tx, handler));
    // The claiming side is gone or stops by itself; the committing side ends with its senders.
    let _ = claiming.await;
    if tokio::time::timeout(settings.shutdown, committing).await.is_err() {
        tracing::error!("the ledger did not confirm in time; leases will run out by themselves");
    }
    clearing.abort(); // whoever still asks sends nothing any more
}

/// Completes when a shutdown has taken longer than it may.
async fn too_late(mut stop: watch::Receiver<bool>, limit: Duration) {
    claims::stopped(&mut stop).await;
    tokio::time::sleep(limit).await;
}

/// Runs the apalis worker until its backend has ended. A worker that fails is made anew.
async fn work(
    backend: LedgerBackend,
    handler: Arc<Handler>,
    settings: &Settings,
    stop: watch::Receiver<bool>,
) {
    let Settings { name, concurrency, .. } = settings.clone();
    let monitor = Monitor::new()
        .register(move |_restarts| {
            let (handler, stop) = (Arc::clone(&handler), stop.clone());
            let service = tower::service_fn(move |task: Task<Held>| {
                let handler = Arc::clone(&handler);
                // What was next when the stop came begins no call that nobody may have time to wait for.
                let stopping = *stop.borrow();
                // In one place from the start: a step is large, and every layer would move it.
                Box::pin(async move {
                    let claim = task.args.claim;
                    if stopping { Ok(Done::untouched(claim)) } else { handler.handle(claim).await }
                })
            });
            WorkerBuilder::new(name.as_str())
                .backend(backend.clone())
                .concurrency(concurrency)
                .catch_panic()
                .build(service)
        })
        .should_restart(|_, err| {
            tracing::error!(%err, "the worker ended by itself, starting it again");
            true
        });
    if let Err(err) = monitor.run().await {
        tracing::error!(%err, "the worker ended by itself");
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
