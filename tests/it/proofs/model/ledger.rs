//! The modelled ledger: what the scripts `admit`, `claim` and `commit` do, over real records.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use refundd::domain::order::{OrderAccount, OrderChange, Reserve};
use refundd::domain::state::{Absences, Outcome};
use refundd::domain::{RefundRecord, RefundState, UnixMillis};

/// A value with the hash of its printed form: a type of the domain as a part of a model's state,
/// whatever fields and variants it grows.
#[derive(Debug, Clone)]
pub(super) struct Printed<T> {
    value: Arc<T>,
    print: u64,
}

impl<T: Debug> Printed<T> {
    pub(super) fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        format!("{value:?}").hash(&mut hasher);
        Self { print: hasher.finish(), value: Arc::new(value) }
    }
}

impl<T> Deref for Printed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Printed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl<T> Eq for Printed<T> {}

impl<T> PartialOrd for Printed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Printed<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.print.cmp(&other.print)
    }
}

impl<T> Hash for Printed<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.print.hash(hasher);
    }
}

pub(super) type Record = Printed<RefundRecord>;

/// Takes out of a record what only grows or only people read, so that the model stays finite.
pub(super) fn normal(mut record: RefundRecord) -> Record {
    let zero = UnixMillis::new(0);
    record.history.clear();
    record.tally.polls = 0;
    record.tally.results = 0;
    record.tally.revision = 0;
    record.tally.submitted_at = record.tally.submitted_at.map(|_| zero);
    let since_first = |absences: &mut Option<Absences>| {
        if let Some(absences) = absences {
            // Two are as good as three where two are believed.
            *absences = Absences { count: absences.count.min(2), first_at: zero };
        }
    };
    match &mut record.state {
        RefundState::Requested { waits } | RefundState::Submitting { waits } => *waits = 0,
        RefundState::Unconfirmed { polls, absences }
        | RefundState::Refused { polls, absences, .. } => {
            *polls = 0;
            since_first(absences);
        }
        RefundState::Processing { polls } => *polls = 0,
        RefundState::Parked(parking) => {
            parking.message.clear();
            parking.lines.clear();
            parking.evidence.at = zero;
        }
        RefundState::Settled(end) => {
            end.lines.clear();
            end.evidence.at = zero;
        }
    }
    Printed::new(record)
}

/// Whether the record counts absences, which is what the window is measured from.
pub(super) fn counts_absences(record: &RefundRecord) -> bool {
    matches!(
        &record.state,
        RefundState::Unconfirmed { absences: Some(_), .. }
            | RefundState::Refused { absences: Some(_), .. }
    )
}

/// How a settled record ended.
pub(super) fn outcome(record: &RefundRecord) -> Option<Outcome> {
    if let RefundState::Settled(end) = &record.state { Some(end.outcome) } else { None }
}

/// The proof of a claim: the run of Redis and the value of its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Fence {
    pub(super) run: u8,
    pub(super) no: u8,
}

/// What a lease says about an intent to submit, as in the scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    /// `i`: recorded by this lease.
    Intent,
    /// `u`: recorded by an earlier lease and lost.
    Lost,
    /// `q`: none.
    Query,
}

/// A lease as the ledger stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    pub(super) fence: Fence,
    pub(super) mark: Mark,
    /// Leases in a row that ran out, up to as many as set a refund aside.
    pub(super) crashes: u32,
    /// Whether its time is over: anybody may claim the refund.
    pub(super) over: bool,
}

/// Where a refund stands in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Not admitted yet.
    Outside,
    /// Waits for another of its order.
    Waits,
    /// May go on.
    Open,
    /// Rejected: the order would give back more than was paid.
    Rejected,
}

/// One refund in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) place: Place,
    pub(super) lease: Option<Lease>,
    /// Redis lost writes since it was admitted, and believes it unsent.
    pub(super) doubted: bool,
    /// Whether the window has passed since the first absence that the record counts.
    pub(super) waited: bool,
}

/// All that Redis keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ledger {
    /// The counter that every write raises.
    pub(super) seq: u8,
    /// Which run of Redis this is.
    pub(super) run: u8,
    pub(super) entries: Vec<Entry>,
    pub(super) order: Printed<OrderAccount>,
}

impl Ledger {
    /// The fence of the write that follows.
    pub(super) fn next_fence(&mut self) -> Fence {
        self.seq += 1;
        Fence { run: self.run, no: self.seq }
    }

    /// Whether a worker may claim the refund: it is due and nobody holds it.
    pub(super) fn is_due(&self, refund: usize) -> bool {
        let entry = &self.entries[refund];
        entry.place == Place::Open
            && outcome(&entry.record).is_none()
            && entry.lease.is_none_or(|lease| lease.over)
    }

    /// Stores `record`, and what its end means for its order.
    pub(super) fn store(&mut self, refund: usize, record: Record) {
        self.seq += 1;
        let entry = &mut self.entries[refund];
        entry.waited &= counts_absences(&record);
        entry.lease = None;
        entry.doubted = false;
        if let Some(end) = outcome(&record) {
            let amount = record.refund.amount;
            let reserve = if end.frees() { Reserve::Free(amount) } else { Reserve::Keep };
            let change = OrderChange { reserve, next_at: UnixMillis::new(0) };
            let no = record.refund.refund_no.clone();
            let mut order = OrderAccount::clone(&self.order);
            let next = order.finish(&no, &change);
            self.order = Printed::new(order);
            self.entries[refund].record = record;
            for entry in &mut self.entries {
                if Some(&entry.record.refund.refund_no) == next.as_ref() {
                    entry.place = Place::Open;
                }
            }
        } else {
            entry.record = record;
        }
    }

    /// Redis comes back as an older copy of itself, under a new run id.
    pub(super) fn restored(mut self) -> Self {
        self.run += 1;
        for entry in &mut self.entries {
            entry.doubted = true;
        }
        self
    }
}
