//! A moment of the model, and what may happen in it.

use refundd::domain::state::Outcome;

use super::gateway::{Fate, Gateway};
use super::ledger::{Fence, Ledger, Record, outcome};

/// What a worker is doing with the refund that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Stage {
    /// About to submit.
    Sending,
    /// Waits for the answer to its submit.
    Calling,
    /// About to ask.
    Asking,
    /// Knows the next record, and has not written it yet.
    Done,
}

/// A worker with a refund.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Hold {
    pub(super) refund: usize,
    pub(super) fence: Fence,
    pub(super) record: Record,
    /// Whether the lease still runs by the worker's own clock.
    pub(super) fresh: bool,
    pub(super) stage: Stage,
}

/// What the consumers of results were told of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Told {
    pub(super) outcome: Option<Outcome>,
    /// A second final result came.
    pub(super) again: bool,
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) ledger: Ledger,
    /// What Redis has synced, and may come back as.
    pub(super) copy: Option<Ledger>,
    pub(super) workers: Vec<Option<Hold>>,
    pub(super) gateway: Gateway,
    pub(super) told: Vec<Told>,
    /// A worker met an event that may not follow its state: a defect of refundd.
    pub(super) illegal: bool,
}

/// What a query comes back with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// What the book shows, signed.
    Book,
    /// An unsigned "SUCCESS".
    Unsigned,
    /// Nothing: a timeout, an error, a bad signature.
    Nothing,
    /// Nothing, and the horizon has come.
    Horizon,
}

/// What becomes of the gateway's answer to a submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The worker hears it.
    Heard,
    /// The worker hears it, and an adapter reads "number exists" as an unsigned refusal.
    HeardAsRefusal,
    /// It is lost.
    Lost,
    /// It is lost, and a proxy before the gateway sends the submit a second time.
    Repeated,
}

/// Something that happens next. Numbers are of workers `w`, refunds `r`, places in wire and book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Admit(usize),
    /// Worker, refund.
    Claim(usize, usize),
    /// The worker is killed.
    Crash(usize),
    /// The lease of the refund runs out.
    LeaseOver(usize),
    /// The lease that Redis has forgotten runs out by its worker's clock.
    TimeOver(usize),
    Send(usize),
    /// No byte leaves: connection refused, or the lease is too short by now.
    NotSent(usize),
    /// The worker has no answer in time.
    TimeOut(usize),
    Ask(usize, Asked),
    Commit(usize),
    Deliver(usize, Fate, Reply),
    Lose(usize),
    Show(usize),
    /// Whether the money is out.
    Settle(usize, bool),
    /// The window since the refund's first absence passes.
    Window(usize),
    /// Redis syncs its file.
    Copy,
    /// Redis comes back as what it synced.
    Restore,
}

impl World {
    pub(super) fn with_hold(&mut self, w: usize, change: impl FnOnce(&mut Hold)) {
        if let Some(hold) = &mut self.workers[w] {
            change(hold);
        }
    }

    /// Results that Redis lost count as never published. Whoever read one before cannot know: a
    /// refund whose published failure was lost is asked about, not found, and may be sent again.
    /// No rule of refundd can prevent that, so it promises nothing about it.
    pub(super) fn unread_what_was_lost(&mut self) {
        for (told, entry) in self.told.iter_mut().zip(&self.ledger.entries) {
            told.outcome = outcome(&entry.record);
        }
    }

    /// Nobody waits for the answers to what worker `w` has sent.
    pub(super) fn forget_caller(&mut self, w: usize) {
        for request in &mut self.gateway.wire {
            if request.caller == Some(w) {
                request.caller = None;
            }
        }
    }

    /// Puts what has no order into one, and the counter's values as close together as their order
    /// and their being neighbours allow: other refunds raise the same counter, so any longer
    /// distance is like any other.
    pub(super) fn tidy(&mut self) {
        let mut order: Vec<_> = (0..self.workers.len()).collect();
        order.sort_by(|a, b| self.workers[*a].cmp(&self.workers[*b]).then(a.cmp(b)));
        self.workers = order.iter().map(|w| self.workers[*w].take()).collect();
        for request in &mut self.gateway.wire {
            request.caller = request.caller.and_then(|w| order.iter().position(|old| *old == w));
        }
        self.gateway.book.sort_unstable();
        self.gateway.wire.sort_unstable();
        let mut values: Vec<&mut u8> = Vec::new();
        for ledger in std::iter::once(&mut self.ledger).chain(&mut self.copy) {
            values.push(&mut ledger.seq);
            let leases = ledger.entries.iter_mut().filter_map(|entry| entry.lease.as_mut());
            values.extend(leases.map(|lease| &mut lease.fence.no));
        }
        values.extend(self.workers.iter_mut().flatten().map(|hold| &mut hold.fence.no));
        values.sort_unstable();
        let (mut before, mut now) = (0, 0);
        for value in values {
            now += (*value - before).min(2);
            before = *value;
            *value = now;
        }
    }
}
