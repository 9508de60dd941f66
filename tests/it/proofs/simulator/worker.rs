//! A simulated worker process: the real [`Handler`], with its calls under way and its answers that
//! are not stored yet. Dropping it is a crash.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use refundd::domain::UnixMillis;
use refundd::domain::state::IllegalTransition;
use refundd::ports::Ledger;
use refundd::ports::ledger::{Claim, Commit, Committed, PutBack};
use refundd::workers::advance::{Done, Handler};

type Call = Pin<Box<dyn Future<Output = Result<Done, IllegalTransition>>>>;

/// One worker process.
pub(super) struct Worker {
    handler: Arc<Handler>,
    calls: Vec<Call>,
    commits: Vec<Commit>,
    backs: Vec<PutBack>,
    /// The highest fence it was told of, and whether a claim's answer was lost since.
    pub(super) heard: u64,
    pub(super) lost: bool,
    /// Whether it stands still.
    pub(super) paused: bool,
}

impl Worker {
    pub(super) fn new(handler: Handler) -> Self {
        Self {
            handler: Arc::new(handler),
            calls: Vec::new(),
            commits: Vec::new(),
            backs: Vec::new(),
            heard: 0,
            lost: false,
            paused: false,
        }
    }

    /// Dies with everything it holds and starts anew, after the highest fence so far.
    pub(super) fn crash(&mut self, fence: u64) {
        self.calls.clear();
        self.commits.clear();
        self.backs.clear();
        (self.heard, self.lost, self.paused) = (fence, false, false);
    }

    /// Begins to handle a claim.
    pub(super) fn hold(&mut self, claim: Claim) {
        let handler = Arc::clone(&self.handler);
        self.heard = self.heard.max(claim.lease.fence.number);
        self.calls.push(Box::pin(async move { handler.handle(claim).await }));
    }

    /// Whether it has nothing in hand.
    pub(super) fn idle(&self) -> bool {
        self.calls.is_empty() && self.commits.is_empty() && self.backs.is_empty()
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Lets one call go as far as it can.
    pub(super) fn step(&mut self, which: usize) {
        let mut context = Context::from_waker(Waker::noop());
        let Some(call) = self.calls.get_mut(which) else { return };
        let Poll::Ready(done) = call.as_mut().poll(&mut context) else { return };
        drop(self.calls.swap_remove(which));
        match done.expect("a legal transition") {
            Done::Step(commit) => self.commits.push(*commit),
            Done::Back(back) => self.backs.push(back),
            Done::Left => {}
        }
    }

    /// Stores what is ready. If the ledger's answer is lost, the same is stored again later.
    pub(super) async fn store(
        &mut self,
        ledger: &dyn Ledger,
        now: UnixMillis,
        lost: Lost,
    ) -> usize {
        if lost == Lost::Call {
            return 0;
        }
        let answers =
            ledger.commit(&self.commits, now).await.expect("the ledger in memory answers");
        ledger.put_back(&self.backs, now).await.expect("the ledger in memory answers");
        if lost == Lost::Nothing {
            self.commits.clear();
            self.backs.clear();
        }
        answers.into_iter().filter(|answer| *answer == Committed::StaleFence).count()
    }
}

/// What of a call to the ledger is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Nothing,
    /// The ledger never heard of it.
    Call,
    /// It was done, and the caller never heard of that.
    Answer,
}
