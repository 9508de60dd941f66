//! The ledger port in memory, for the simulator and as the other half of the conformance suite.
//!
//! Never used to keep real refunds: nothing here survives the process.

mod books;
mod figures;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::{RefundNo, UnixMillis};
use crate::ports::ledger::{
    Act, Acted, Admission, Admitted, Audit, BATCH_MAX, Claim, Claims, Clearance, Cleared, Commit,
    Committed, Counts, EntryId, Fence, Filter, Page, Pause, Publication, PutBack, Refusal, Stored,
};
use crate::ports::{Ledger, LedgerError};
use books::{Books, is_nobodys};

/// A ledger that lives in this process.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Books>);

/// A [`MemoryLedger`] as it stood at some moment.
#[derive(Debug)]
pub struct Backup(Books);

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

    /// All lines of the audit trail so far, in order.
    pub fn audit(&self) -> Vec<Audit> {
        self.books().audit.clone()
    }

    /// When the next refund is due or its lease ends, whenever that is.
    pub fn next_due(&self) -> Option<UnixMillis> {
        self.books().due_moments().into_iter().map(|(at, _)| at).min()
    }

    /// A copy of everything as it stands, to come back to.
    pub fn backup(&self) -> Backup {
        Backup(self.books().clone())
    }

    /// Loses every write since `backup`, as a failover or a restored file does. The ledger notices,
    /// its counter does not go back, and a new run begins: leases of earlier ones are stale.
    pub fn lose_writes_since(&self, backup: Backup, now: UnixMillis) {
        let mut books = self.books();
        let seq = books.seq;
        *books = Books { seq, began: seq, lost_at: Some(now), ..backup.0 };
    }

    /// A panic elsewhere leaves the books as they were between two operations.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        if refusal.entry.as_ref().is_some_and(|entry| books.acknowledged.contains(entry)) {
            return Ok(()); // somebody has answered it already
        }
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
        let cleared_at = books.stops_nothing().then_some(now);
        let claimed = due.iter().filter_map(|(_, no)| books.claim(no, now, until));
        let claims: Vec<Claim> = claimed.map(|claim| Claim { cleared_at, ..claim }).collect();
        // The ends of the leases just given count, too.
        let later = books.due_moments().into_iter().map(|(at, _)| at);
        let next_due = (due.len() < want).then(|| later.filter(|at| *at > now).min()).flatten();
        Ok(Claims { claims, unreadable: Vec::new(), next_due })
    }

    async fn unclaim(&self, heard: u64, now: UnixMillis) -> Result<usize, LedgerError> {
        let mut books = self.books();
        let unheard = |fence: &Fence| fence.number > heard && !is_nobodys(fence);
        let lost = books.leases.iter().filter(|(_, (fence, _))| unheard(fence));
        let lost: Vec<RefundNo> = lost.map(|(no, _)| no.clone()).collect();
        for no in &lost {
            books.unlease(no, now);
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

    async fn put_back(&self, batch: &[PutBack], _now: UnixMillis) -> Result<(), LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        for back in batch {
            books.put_back(back);
        }
        Ok(())
    }

    async fn clear(
        &self,
        batch: &[Clearance],
        _now: UnixMillis,
    ) -> Result<Vec<Cleared>, LedgerError> {
        let mut books = self.books();
        Ok(batch.iter().map(|ask| books.clear(ask)).collect())
    }

    async fn act(&self, act: &Act, now: UnixMillis) -> Result<Acted, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        Ok(books.act(act, now))
    }

    async fn pause(&self, pause: &Pause) -> Result<bool, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        let new = !books.pauses.contains_key(&pause.account);
        if new {
            books.pauses.insert(pause.account.clone(), pause.clone());
            books.audit.push(pause.audit("pause"));
        }
        Ok(new)
    }

    async fn resume(&self, resume: &Pause, seen: Option<UnixMillis>) -> Result<bool, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        let meant = |pause: &Pause| seen.is_none_or(|seen| pause.at == seen);
        let was = books.pauses.get(&resume.account).is_some_and(meant);
        if was {
            books.pauses.remove(&resume.account);
            books.audit.push(resume.audit("resume"));
        }
        Ok(was)
    }

    async fn pauses(&self) -> Result<Vec<Pause>, LedgerError> {
        Ok(self.books().pauses.values().cloned().collect())
    }

    async fn nudge(&self, refund_nos: &[RefundNo], now: UnixMillis) -> Result<(), LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        for no in refund_nos {
            books.nudge(no, now);
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

    async fn counts(&self, now: UnixMillis) -> Result<Counts, LedgerError> {
        Ok(self.books().counts(now))
    }

    async fn purge(
        &self,
        settled_before: UnixMillis,
        _published_before: UnixMillis,
    ) -> Result<usize, LedgerError> {
        let mut books = self.books();
        books.seq += 1;
        let mut old = books.forgettable(settled_before);
        old.truncate(BATCH_MAX);
        for no in &old {
            books.forget(no);
        }
        Ok(old.len())
    }
}
