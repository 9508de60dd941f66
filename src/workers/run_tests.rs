//! The workers as a whole, on apalis, in virtual time: tokio's clock is paused and moves by itself
//! whenever everybody waits.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

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
use crate::ports::{Acceptance, Account, LedgerError};

/// Tokio's clock.
#[derive(Debug)]
struct VirtualClock(tokio::time::Instant);

impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        let elapsed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        UnixMillis::new(1_000_000).plus(elapsed)
    }
}

/// A ledger that is away for its next so many calls.
#[derive(Debug, Default)]
struct Flaky {
    inner: MemoryLedger,
    claims_to_fail: AtomicU32,
    /// Claims that are made and whose answers are lost.
    claims_to_lose: AtomicU32,
    commits_to_fail: AtomicU32,
    clears_to_fail: AtomicU32,
    /// Questions for clearance so far.
    clears: AtomicU32,
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
        away(&self.claims_to_fail)?;
        let claims = self.inner.claim(want, now, until).await?;
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
        away(&self.commits_to_fail)?;
        self.inner.commit(batch, now).await
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

struct House {
    gateway: Arc<Script>,
    ledger: Arc<Flaky>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl House {
    /// Workers over one admitted refund `R1`.
    async fn open(prepare: impl FnOnce(&Script, &Flaky)) -> Self {
        Self::open_with(prepare, &["R1"], CallLimits::default()).await
    }

    /// Workers over refunds, oldest first, of account `shop` with these limits; `Q…` are of account
    /// `quick`, which has none.
    async fn open_with(
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
        let running = tokio::spawn(run(parts, settings, stopped));
        Self { gateway, ledger, stop, running }
    }

    /// Waits, in virtual time, until the refund is in that state.
    async fn reach(&self, kind: StateKind) -> Stored {
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

    async fn close(self) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
    }
}

const ACCEPTED: Acceptance = Acceptance { gateway_refund_no: None };

#[tokio::test(start_paused = true)]
async fn a_refund_goes_through_the_whole_runtime() {
    let house = House::open(|gateway, _| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("PROCESSING", 500);
        gateway.query_answers("SUCCESS", 500);
    })
    .await;
    house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query", "query"]);
    assert_eq!(house.ledger.inner.results().len(), 1);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_nobody_else_and_three_queries_that_panic_set_the_refund_aside() {
    // A script without answers panics. After the submit that did, only queries follow.
    let house = House::open(|_, _| {}).await;
    let stored = house.reach(StateKind::Parked).await;
    assert_eq!(house.gateway.called(), ["submit", "query", "query", "query"]);
    assert_eq!(stored.record.tally.attempts, 1);
    assert_eq!(house.ledger.inner.results()[0].outcome, "parked");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_in_memory_until_the_ledger_is_back() {
    let house = House::open(|gateway, ledger| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("SUCCESS", 500);
        ledger.commits_to_fail.store(15, Ordering::SeqCst);
        ledger.claims_to_fail.store(15, Ordering::SeqCst);
    })
    .await;
    let stored = house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query"], "nothing was asked twice");
    assert_eq!((stored.record.tally.attempts, stored.record.tally.polls), (1, 1));
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_at_once() {
    let house = House::open(|gateway, _| gateway.submit_answers(Ok(ACCEPTED))).await;
    house.reach(StateKind::Processing).await;
    let before = tokio::time::Instant::now();
    house.close().await;
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_is_lost_is_given_back_and_costs_nobody_a_question() {
    let house = House::open(|gateway, ledger| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("SUCCESS", 500);
        ledger.claims_to_lose.store(2, Ordering::SeqCst);
    })
    .await;
    let stored = house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query"]);
    assert_eq!(stored.record.tally.attempts, 1);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_the_ledger_does_not_clear_it() {
    let house = House::open(|gateway, ledger| {
        gateway.submit_answers(Ok(ACCEPTED));
        gateway.query_answers("SUCCESS", 500);
        ledger.clears_to_fail.store(3, Ordering::SeqCst);
    })
    .await;
    let stored = house.reach(StateKind::Settled).await;
    assert_eq!(house.gateway.called(), ["submit", "query"]);
    assert_eq!(house.ledger.clears.load(Ordering::SeqCst), 4, "asked until it cleared");
    assert_eq!(stored.record.tally.attempts, 1);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn refunds_that_are_ready_together_are_cleared_in_fewer_calls_and_keep_to_the_rate() {
    let limits = CallLimits { submit_every_ms: Some(20), ..CallLimits::default() };
    for (limits, clears, within) in [(CallLimits::default(), 1..=2, 1), (limits, 4..=4, 80)] {
        let before = tokio::time::Instant::now();
        let house = House::open_with(
            |gateway, _| (0..4).for_each(|_| gateway.submit_answers(Ok(ACCEPTED))),
            &["R1", "R2", "R3", "R4"],
            limits,
        )
        .await;
        while house.gateway.called().len() < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = before.elapsed();
        assert!(clears.contains(&house.ledger.clears.load(Ordering::SeqCst)), "{limits:?}");
        assert!(took >= Duration::from_millis(within - 1).min(Duration::from_millis(60)));
        assert!(took <= Duration::from_millis(within + 10), "{took:?}");
        house.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_limited_account_with_a_backlog_does_not_hold_up_another() {
    for limits in [
        CallLimits { submit_every_ms: Some(10_000), ..CallLimits::default() },
        CallLimits { submit_every_ms: Some(40), ..CallLimits::default() },
    ] {
        let mut nos: Vec<String> = (0..200).map(|n| format!("R{n:03}")).collect();
        nos.push("Q1".to_owned());
        let nos: Vec<&str> = nos.iter().map(String::as_str).collect();
        let scripted = |gateway: &Script, _: &Flaky| {
            (0..201).for_each(|_| gateway.submit_answers(Ok(ACCEPTED)));
            (0..201).for_each(|_| gateway.query_fails(super::script::timeout()));
        };
        let house = House::open_with(scripted, &nos, limits).await;
        let before = tokio::time::Instant::now();
        let no = RefundNo::parse("Q1").unwrap();
        let sent = |stored: Stored| stored.record.state.kind() == StateKind::Processing;
        while !house.ledger.find(&no).await.unwrap().is_some_and(sent) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
        house.close().await;
    }
}
