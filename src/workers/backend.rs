//! apalis's view of the ledger: a `Backend` that hands out held refunds, and the outermost layer
//! that hands over what came of them. Both see channels only, so neither can fail with the ledger.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use apalis::prelude::{Backend, BoxDynError, Task, WorkerContext};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tower::{Layer, Service};

use super::advance::Done;
use crate::domain::StateKind;
use crate::ports::ledger::{Claim, Commit, PutBack};

/// A claimed refund and the slot that is taken for it: the right to call a gateway, which ends when
/// what came of it has been handed over.
#[derive(Debug)]
pub(super) struct Held {
    /// The refund.
    pub(super) claim: Claim,
    /// Its slot; free again when the last holder drops it.
    pub(super) slot: Arc<OwnedSemaphorePermit>,
}

/// A write on its way to the ledger.
#[derive(Debug)]
pub(super) enum Pending {
    /// A step to store, and the state that it leads from.
    Step(Box<Commit>, StateKind),
    /// A lease to put back.
    Back(PutBack),
}

/// The source of refunds for one apalis worker; a worker that is made anew gets a clone.
#[derive(Debug, Clone)]
pub(super) struct LedgerBackend {
    held: Arc<Mutex<mpsc::Receiver<Held>>>,
    commits: mpsc::Sender<Pending>,
}

impl LedgerBackend {
    pub(super) fn new(held: mpsc::Receiver<Held>, commits: mpsc::Sender<Pending>) -> Self {
        Self { held: Arc::new(Mutex::new(held)), commits }
    }
}

impl Backend for LedgerBackend {
    type Task = Task<Held>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _cx: &mut Context<'_>,
        _worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// `None`, the end of the worker, comes when the claiming side has stopped and all it had
    /// claimed has been handed out.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let mut channel = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        channel.poll_recv(cx).map(|held| {
            if held.is_none() {
                // A worker whose backend has ended waits for a shutdown until it is told of one.
                // It fails only before the worker has started, and then nobody polls.
                let _ = worker.stop();
            }
            held.map(|held| Ok(Task::new(held)))
        })
    }

    fn poll_close(
        &mut self,
        _cx: &mut Context<'_>,
        _worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LedgerBackend {
    type Args = Held;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = CommitLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _worker: &mut WorkerContext) -> CommitLayer {
        CommitLayer { commits: self.commits.clone() }
    }
}

/// Hands over what the handler made of a refund, and waits while there is no room for it: the slot
/// stays taken so long. Outermost, so that nothing lies between the handler's answer and that.
#[derive(Debug, Clone)]
pub(super) struct CommitLayer {
    commits: mpsc::Sender<Pending>,
}

impl<S> Layer<S> for CommitLayer {
    type Service = CommitService<S>;

    fn layer(&self, inner: S) -> CommitService<S> {
        CommitService { inner, commits: self.commits.clone() }
    }
}

/// See [`CommitLayer`].
#[derive(Debug, Clone)]
pub(super) struct CommitService<S> {
    inner: S,
    commits: mpsc::Sender<Pending>,
}

impl<S> Service<Task<Held>> for CommitService<S>
where
    S: Service<Task<Held>, Response = Done>,
    S::Future: Send + 'static,
    S::Error: Into<BoxDynError>,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Held>) -> Self::Future {
        let refund_no = task.args.claim.lease.refund_no.clone();
        let from = task.args.claim.record.state.kind();
        let slot = Arc::clone(&task.args.slot);
        let handled = self.inner.call(task);
        let commits = self.commits.clone();
        Box::pin(async move {
            match handled.await.map_err(Into::into) {
                Ok(done) => {
                    let write = match done {
                        Done::Step(commit) => Pending::Step(commit, from),
                        Done::Back(lease) => Pending::Back(lease),
                        Done::Left => return Ok(()),
                    };
                    commits.send(write).await?;
                }
                // Left to its lease: the next claim counts it as a crash and, if a submit may have
                // happened, asks the gateway first.
                Err(err) => {
                    tracing::error!(refund.no = %refund_no, %err, "handling it failed");
                }
            }
            drop(slot);
            Ok(())
        })
    }
}
