//! For tests only: the workers as a whole, in virtual time, over a ledger that can be away.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use tokio::sync::RwLock;

use super::script::{Script, accounts, admission};
use super::*;
use crate::domain::policy::CallLimits;
use crate::domain::state::StateKind;
use crate::domain::{AccountName, RefundNo, UnixMillis};
use crate::ledger::MemoryLedger;
use crate::ports::ledger::{
    Act, Acted, Admission, Admitted, Claims, Clearance, Cleared, Commit, Committed, Counts, Filter,
    Page, Pause, PutBack, Refusal, Stored,
};
use crate::ports::{Account, LedgerError};

/// Tokio's clock.
#[derive(Debug)]
pub(super) struct VirtualClock(tokio::time::Instant);

impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        let elapsed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        UnixMillis::new(1_000_000).plus(elapsed)
    }
}

/// A ledger that is away for its next so many calls.
#[derive(Debug, Default)]
pub(super) struct Flaky {
    pub(super) inner: MemoryLedger,
    pub(super) claims_to_fail: AtomicU32,
    /// Claims that are made and whose answers are lost.
    pub(super) claims_to_lose: AtomicU32,
    pub(super) commits_to_fail: AtomicU32,
    pub(super) clears_to_fail: AtomicU32,
    /// Questions for clearance so far.
    pub(super) clears: AtomicU32,
    /// Whether claims leave it to a question whether a submit may leave.
    pub(super) claims_clear_nothing: AtomicBool,
    /// Whoever writes it holds up every commit that has not begun.
    pub(super) commits_gate: RwLock<()>,
    /// How long a commit lasts.
    pub(super) commits_take_ms: AtomicU32,
    /// Calls of `claim` so far.
    pub(super) claims: AtomicU32,
    /// Calls of `commit` that were answered.
    pub(super) commits: AtomicU32,
    /// Steps that found their lease gone.
    pub(super) stale: AtomicU32,
}

fn away(left: &AtomicU32) -> Result<(), LedgerError> {
    let take = |n: u32| n.checked_sub(1);
    match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
        Ok(_) => Err(LedgerError::Unavailable("away".into())),
        Err(_) => Ok(()),
    }
}

#[async_trait]
impl Ledger for Flaky {
    async fn admit(
        &self,
        batch: &[Admission],
        now: UnixMillis,
    ) -> Result<Vec<Admitted>, LedgerError> {
        self.inner.admit(batch, now).await
    }
    async fn refuse(&self, refusal: &Refusal) -> Result<(), LedgerError> {
        self.inner.refuse(refusal).await
    }
    async fn claim(
        &self,
        want: usize,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Claims, LedgerError> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        away(&self.claims_to_fail)?;
        let mut claims = self.inner.claim(want, now, until).await?;
        if self.claims_clear_nothing.load(Ordering::SeqCst) {
            claims.claims.iter_mut().for_each(|claim| claim.cleared_at = None);
        }
        away(&self.claims_to_lose)?;
        Ok(claims)
    }
    async fn unclaim(&self, heard: u64, now: UnixMillis) -> Result<usize, LedgerError> {
        self.inner.unclaim(heard, now).await
    }
    async fn commit(
        &self,
        batch: &[Commit],
        now: UnixMillis,
    ) -> Result<Vec<Committed>, LedgerError> {
        let _open = self.commits_gate.read().await;
        let takes_ms = self.commits_take_ms.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(takes_ms.into())).await;
        away(&self.commits_to_fail)?;
        self.commits.fetch_add(1, Ordering::SeqCst);
        let answers = self.inner.commit(batch, now).await?;
        let stale = answers.iter().filter(|answer| **answer == Committed::StaleFence).count();
        self.stale.fetch_add(u32::try_from(stale).unwrap(), Ordering::SeqCst);
        Ok(answers)
    }
    async fn put_back(&self, batch: &[PutBack], now: UnixMillis) -> Result<(), LedgerError> {
        self.inner.put_back(batch, now).await
    }
    async fn clear(
        &self,
        batch: &[Clearance],
        now: UnixMillis,
    ) -> Result<Vec<Cleared>, LedgerError> {
        self.clears.fetch_add(1, Ordering::SeqCst);
        away(&self.clears_to_fail)?;
        self.inner.clear(batch, now).await
    }
    async fn act(&self, act: &Act, now: UnixMillis) -> Result<Acted, LedgerError> {
        self.inner.act(act, now).await
    }
    async fn pause(&self, pause: &Pause) -> Result<bool, LedgerError> {
        self.inner.pause(pause).await
    }
    async fn resume(&self, resume: &Pause, seen: Option<UnixMillis>) -> Result<bool, LedgerError> {
        self.inner.resume(resume, seen).await
    }
    async fn pauses(&self) -> Result<Vec<Pause>, LedgerError> {
        self.inner.pauses().await
    }
    async fn nudge(&self, refund_nos: &[RefundNo], now: UnixMillis) -> Result<(), LedgerError> {
        self.inner.nudge(refund_nos, now).await
    }
    async fn find(&self, refund_no: &RefundNo) -> Result<Option<Stored>, LedgerError> {
        self.inner.find(refund_no).await
    }
    async fn list(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Page, LedgerError> {
        self.inner.list(filter, cursor, count).await
    }
    async fn counts(&self, now: UnixMillis) -> Result<Counts, LedgerError> {
        self.inner.counts(now).await
    }
    async fn purge(
        &self,
        settled_before: UnixMillis,
        published_before: UnixMillis,
    ) -> Result<usize, LedgerError> {
        self.inner.purge(settled_before, published_before).await
    }
}

pub(super) struct House {
    pub(super) gateway: Arc<Script>,
    pub(super) ledger: Arc<Flaky>,
    pub(super) parts: Parts,
    pub(super) stop: watch::Sender<bool>,
    pub(super) running: tokio::task::JoinHandle<()>,
}

impl House {
    /// Workers over one admitted refund `R1`.
    pub(super) async fn open(prepare: impl FnOnce(&Script, &Flaky)) -> Self {
        Self::open_with(prepare, &["R1"], CallLimits::default()).await
    }

    /// Workers over refunds, oldest first, of account `shop` with these limits; `Q…` are of account
    /// `quick`, which has none.
    pub(super) async fn open_with(
        prepare: impl FnOnce(&Script, &Flaky),
        refund_nos: &[&str],
        limits: CallLimits,
    ) -> Self {
        let clock = Arc::new(VirtualClock(tokio::time::Instant::now()));
        let gateway = Arc::new(Script::new());
        let ledger = Arc::new(Flaky::default());
        prepare(&gateway, &ledger);
        for no in refund_nos {
            let mut admission = admission(no, clock.now());
            if no.starts_with('Q') {
                admission.record.refund.account = AccountName::parse("quick").unwrap();
            }
            admission.due_at = clock.now().plus(u64::from(no.starts_with('Q')));
            ledger.admit(&[admission], clock.now()).await.unwrap();
        }
        let plain = accounts(&gateway, 18_000).iter().next().unwrap().clone();
        let quick = Account { name: AccountName::parse("quick").unwrap(), ..plain.clone() };
        let accounts = Accounts::from_iter([Account { limits, ..plain }, quick]);
        let parts = Parts {
            ledger: ledger.clone(),
            clock,
            accounts: Arc::new(accounts),
            wake: Arc::new(Notify::new()),
            ledger_away: Arc::default(),
            pulse: Arc::default(),
            traffic: Arc::default(),
        };
        let settings = Settings {
            name: "test".to_owned(),
            concurrency: 4,
            lease_ms: 20_000,
            shutdown: Duration::from_secs(20),
        };
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(parts.clone(), settings, stopped));
        Self { gateway, ledger, parts, stop, running }
    }

    /// Waits, in virtual time, until the refund is in that state.
    pub(super) async fn reach(&self, kind: StateKind) -> Stored {
        let no = RefundNo::parse("R1").unwrap();
        let looking = async {
            loop {
                let stored = self.ledger.find(&no).await.unwrap().unwrap();
                if stored.record.state.kind() == kind && !stored.leased {
                    return stored;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let day = Duration::from_secs(86_400);
        tokio::time::timeout(day, looking).await.expect("within a day of virtual time")
    }

    pub(super) async fn close(self) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
    }
}
