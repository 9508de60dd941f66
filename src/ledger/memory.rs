//! The ledger port in memory, for the simulator and as the other half of the conformance suite.
//!
//! Never used to keep real refunds: nothing here survives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::held::{Hold, Mark, as_held, order_ids};
use crate::domain::order::{OrderAccount, Turn};
use crate::domain::state::StateKind;
use crate::domain::step::Plan;
use crate::domain::{GatewayName, Refund, RefundNo, RefundRecord, UnixMillis};
use crate::ports::ledger::{
    Admission, Admitted, BATCH_MAX, Claim, Claims, Commit, Committed, EntryId, Filter, Lease,
    OrderRelease, Page, Publication, Refusal, Stored,
};
use crate::ports::{Ledger, LedgerError};

/// A ledger that lives in this process.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    refunds: BTreeMap<RefundNo, RefundRecord>,
    due: BTreeMap<RefundNo, Due>,
    leases: BTreeMap<RefundNo, (u64, Hold)>,
    orders: BTreeMap<String, Order>,
    settled: BTreeMap<RefundNo, UnixMillis>,
    results: Vec<Publication>,
    acknowledged: Vec<EntryId>,
    quarantined: usize,
    seq: u64,
}

/// When a refund needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    At(UnixMillis),
    /// When its order's turn comes, and not before this moment.
    Waits(UnixMillis),
}

#[derive(Debug)]
enum Order {
    Account {
        account: OrderAccount,
        refunds: u32,
        /// The other ids that point here, so that they go with the account.
        others: Vec<String>,
    },
    Alias(String),
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// All results published so far, in order.
    pub fn results(&self) -> Vec<Publication> {
        self.books().results.clone()
    }

    /// All request entries acknowledged so far, in order.
    pub fn acknowledged(&self) -> Vec<EntryId> {
        self.books().acknowledged.clone()
    }

    /// How many requests were quarantined.
    pub fn quarantined(&self) -> usize {
        self.books().quarantined
    }

    /// A panic elsewhere leaves the books as they were between two operations.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// The id that holds the account of an order, by either of its ids, and the id to point at it.
    fn order_of(&self, scope: &GatewayName, refund: &Refund) -> Option<(String, Option<String>)> {
        let (first, second) = order_ids(scope, refund);
        let holder = |id: &String| match self.orders.get(id) {
            Some(Order::Alias(other)) => Some(other.clone()),
            Some(Order::Account { .. }) => Some(id.clone()),
            None => None,
        };
        if second.is_empty() {
            return Some((holder(&first).unwrap_or(first), None));
        }
        match (holder(&first), holder(&second)) {
            (Some(one), Some(other)) if one != other => None,
            (Some(id), _) => Some((id, Some(second))),
            (None, Some(id)) => Some((id, Some(first))),
            (None, None) => Some((first, Some(second))),
        }
    }

    fn admit(&mut self, admission: &Admission) -> Admitted {
        let record = &admission.record;
        let refund = &record.refund;
        if let Some(known) = self.refunds.get(&refund.refund_no) {
            return Admitted::Known(Box::new(known.refund.clone()));
        }
        let Some((id, alias)) = self.order_of(&record.order_scope, refund) else {
            return Admitted::OrderMismatch;
        };
        let (mut account, refunds, mut others) = match self.orders.get(&id) {
            Some(Order::Account { account, refunds, others }) => {
                (account.clone(), *refunds, others.clone())
            }
            Some(Order::Alias(_)) | None => (OrderAccount::default(), 0, Vec::new()),
        };
        let due = admission.due_at;
        let turn = match account.reserve(&refund.refund_no, refund.amount, refund.order.paid, due) {
            Ok(turn) => turn,
            Err(over) => {
                let (paid_cents, held_cents) = (over.paid_cents, over.held_cents);
                return Admitted::OverRefund { paid_cents, held_cents };
            }
        };
        if let Some(alias) = alias.filter(|alias| *alias != id && !others.contains(alias)) {
            self.orders.insert(alias.clone(), Order::Alias(id.clone()));
            others.push(alias);
        }
        let order = Order::Account { account, refunds: refunds.saturating_add(1), others };
        self.orders.insert(id, order);
        self.refunds.insert(refund.refund_no.clone(), record.clone());
        self.acknowledged.extend(admission.entry.clone());
        let (due, answer) = match turn {
            Turn::At(at) => (Due::At(at), Admitted::New),
            Turn::Waits => (Due::Waits(due), Admitted::Waiting),
        };
        self.due.insert(refund.refund_no.clone(), due);
        answer
    }

    fn due_moments(&self) -> Vec<(UnixMillis, RefundNo)> {
        let due = self.due.iter().filter_map(|(no, due)| match due {
            Due::At(at) => Some((*at, no.clone())),
            Due::Waits(_) => None,
        });
        due.collect()
    }

    fn claim(&mut self, refund_no: &RefundNo, now: UnixMillis, until: UnixMillis) -> Option<Claim> {
        let record = self.refunds.get(refund_no)?.clone();
        let hold = match self.leases.get(refund_no) {
            Some((_, old)) => Hold {
                mark: if old.mark == Mark::Query { Mark::Query } else { Mark::IntentLost },
                crashes: old.crashes.saturating_add(1),
                since: old.since,
            },
            None if record.state.kind() == StateKind::Requested => {
                Hold { mark: Mark::Intent, crashes: 0, since: now }
            }
            None => Hold { mark: Mark::Query, crashes: 0, since: now },
        };
        self.leases.insert(refund_no.clone(), (self.seq, hold));
        self.due.insert(refund_no.clone(), Due::At(until));
        let lease = Lease { refund_no: refund_no.clone(), fence: self.seq, until };
        Some(Claim { lease, record: as_held(record, hold), facts: hold.facts() })
    }

    fn commit(&mut self, commit: &Commit, now: UnixMillis) -> Committed {
        let no = &commit.lease.refund_no;
        if self.leases.get(no).map(|(fence, _)| *fence) != Some(commit.lease.fence) {
            return Committed::StaleFence;
        }
        self.leases.remove(no);
        self.refunds.insert(no.clone(), commit.record.clone());
        match commit.plan {
            Plan::Due(at) => {
                self.due.insert(no.clone(), Due::At(at));
            }
            Plan::Ended => {
                self.due.remove(no);
                self.settled.insert(no.clone(), now);
            }
        }
        if let Some(release) = &commit.order {
            self.finish(&commit.record, release);
        }
        self.results.extend(commit.result.clone());
        Committed::Stored
    }

    /// Lets the next refund of the order go.
    fn finish(&mut self, record: &RefundRecord, release: &OrderRelease) {
        let Some((id, _)) = self.order_of(&record.order_scope, &record.refund) else {
            return;
        };
        let Some(Order::Account { account, .. }) = self.orders.get_mut(&id) else {
            return;
        };
        let no = &record.refund.refund_no;
        let Some(next) = account.finish(no, release.freed, release.next_at) else {
            return;
        };
        let gate = account.gate_at();
        if let Some(Due::Waits(not_before)) = self.due.get(&next).copied() {
            self.due.insert(next, Due::At(gate.max(not_before)));
        }
    }

    fn stored(&self, record: &RefundRecord) -> Stored {
        let no = &record.refund.refund_no;
        let lease = self.leases.get(no);
        let due = self.due.get(no);
        Stored {
            record: match lease {
                Some((_, hold)) => as_held(record.clone(), *hold),
                None => record.clone(),
            },
            due_at: due.and_then(|due| match due {
                Due::At(at) => Some(*at),
                Due::Waits(_) => None,
            }),
            leased: lease.is_some(),
            waiting: matches!(due, Some(Due::Waits(_))),
        }
    }

    fn forget(&mut self, refund_no: &RefundNo) {
        self.settled.remove(refund_no);
        let Some(record) = self.refunds.remove(refund_no) else {
            return;
        };
        let Some((id, _)) = self.order_of(&record.order_scope, &record.refund) else {
            return;
        };
        if let Some(Order::Account { refunds, others, .. }) = self.orders.get_mut(&id) {
            *refunds = refunds.saturating_sub(1);
            if *refunds == 0 {
                for gone in std::mem::take(others) {
                    self.orders.remove(&gone);
                }
                self.orders.remove(&id);
            }
        }
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn admit(
        &self,
        batch: &[Admission],
        _now: UnixMillis,
    ) -> Result<Vec<Admitted>, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        Ok(batch.iter().map(|admission| books.admit(admission)).collect())
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        books.results.extend(refusal.result.clone());
        books.acknowledged.extend(refusal.entry.clone());
        books.quarantined += usize::from(!refusal.quarantine.is_empty());
        Ok(())
    }

    async fn claim(
        &self,
        want: usize,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Claims, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        let want = want.min(BATCH_MAX);
        let mut due = books.due_moments();
        due.retain(|(at, _)| *at <= now);
        due.sort_unstable();
        due.truncate(want);
        let claims: Vec<Claim> =
            due.iter().filter_map(|(_, no)| books.claim(no, now, until)).collect();
        // The ends of the leases just given count, too.
        let later = books.due_moments().into_iter().map(|(at, _)| at);
        let next_due = (due.len() < want).then(|| later.filter(|at| *at > now).min()).flatten();
        Ok(Claims { claims, unreadable: Vec::new(), next_due })
    }

    async fn unclaim(&self, heard: u64, now: UnixMillis) -> Result<usize, LedgerError> {
        let mut books = self.books();
        let lost: Vec<RefundNo> = books
            .leases
            .iter()
            .filter(|(_, (fence, _))| *fence > heard)
            .map(|(no, _)| no.clone())
            .collect();
        for no in &lost {
            if let Some((_, hold)) = books.leases.get_mut(no) {
                match hold.crashes.checked_sub(1) {
                    Some(crashes) => hold.crashes = crashes,
                    None => drop(books.leases.remove(no)),
                }
            }
            books.due.insert(no.clone(), Due::At(now));
        }
        Ok(lost.len())
    }

    async fn commit(
        &self,
        batch: &[Commit],
        now: UnixMillis,
    ) -> Result<Vec<Committed>, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        Ok(batch.iter().map(|commit| books.commit(commit, now)).collect())
    }

    async fn nudge(&self, refund_nos: &[RefundNo], now: UnixMillis) -> Result<(), LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        for no in refund_nos {
            let submits_next = |record: &RefundRecord| record.state.kind() == StateKind::Requested;
            if books.refunds.get(no).is_none_or(submits_next) || books.leases.contains_key(no) {
                continue;
            }
            if let Some(Due::At(at)) = books.due.get_mut(no) {
                *at = (*at).min(now);
            }
        }
        Ok(())
    }

    async fn find(&self, refund_no: &RefundNo) -> Result<Option<Stored>, LedgerError> {
        let books = self.books();
        Ok(books.refunds.get(refund_no).map(|record| books.stored(record)))
    }

    async fn list(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Page, LedgerError> {
        let books = self.books();
        let after = cursor.and_then(|cursor| RefundNo::parse(cursor).ok());
        let rest = books.refunds.iter().filter(|(no, _)| after.as_ref().is_none_or(|a| *no > a));
        let looked_at: Vec<_> = rest.take(count).collect();
        let more = looked_at.len() == count;
        let cursor = looked_at.last().filter(|_| more).map(|(no, _)| no.to_string());
        let wanted = looked_at.into_iter().map(|(_, record)| books.stored(record));
        let refunds = wanted.filter(|stored| filter.matches(&stored.record)).collect();
        Ok(Page { refunds, cursor })
    }

    async fn purge(
        &self,
        settled_before: UnixMillis,
        _published_before: UnixMillis,
    ) -> Result<usize, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        let old = books.settled.iter().filter(|(_, at)| **at < settled_before);
        let old: Vec<RefundNo> = old.map(|(no, _)| no.clone()).take(BATCH_MAX).collect();
        for no in &old {
            books.forget(no);
        }
        Ok(old.len())
    }
}
