//! The simulated world: order systems, workers, a ledger that can forget, a gateway, people, and one
//! clock. Everything that happens follows from the seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use refundd::domain::policy::{CallLimits, Duplicates};
use refundd::domain::{
    AccountName, Currency, Policy, RefundNo, RefundRecord, StateKind, UnixMillis,
};
use refundd::intake;
use refundd::ledger::{Backup, MemoryLedger};
use refundd::operator::Desk;
use refundd::ports::ledger::{EntryId, Pause, Stored};
use refundd::ports::{Account, Accounts, Clock, Ledger, ManualClock, RawRequest};
use refundd::workers::advance::Handler;

mod people;
mod requests;
mod trouble;

use requests::{request, requests};

use super::faults::Faults;
use super::gateway::{Repeats, SimGateway, TIMEOUT_MS};
use super::worker::{Lost, Worker};

const LEASE_MS: u64 = 20_000;
const T0: UnixMillis = UnixMillis::new(1_700_000_000_000);

/// What an order was paid.
pub(super) const PAID: u64 = 1_000;

/// A request as the judge knows it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) order: String,
    pub(super) cents: u64,
}

/// One seed's world.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) faults: Faults,
    pub(super) repeats: Repeats,
    pub(super) clock: Arc<ManualClock>,
    pub(super) ledger: Arc<MemoryLedger>,
    pub(super) gateway: Arc<SimGateway>,
    accounts: Arc<Accounts>,
    intake: intake::Parts,
    desk: Desk,
    /// What people did.
    pub(super) acts: u32,
    workers: Vec<Worker>,
    /// Entries of the requests stream that nobody has acknowledged.
    pending: Vec<RawRequest>,
    to_push: Vec<String>,
    pushed: u64,
    /// Every refund number that was pushed well-formed, with its first content.
    pub(super) asked: BTreeMap<String, Asked>,
    /// Entries that must be answered by a rejection or by nothing.
    backup: Option<Backup>,
    pub(super) losses: u32,
    pub(super) lost_at: Vec<UnixMillis>,
    /// The highest fence so far.
    fence: u64,
    pub(super) stale: usize,
}

fn sim_accounts(rng: &mut Rng, gateway: &Arc<SimGateway>, repeats: Repeats) -> Accounts {
    let mut some = |every_ms: u64| (rng.u8(..3) == 0).then_some(every_ms);
    let limits = CallLimits {
        submit_every_ms: some(700),
        query_every_ms: some(400),
        ..CallLimits::default()
    };
    let daily_cents = some(PAID / 2);
    let duplicates = match repeats {
        Repeats::Replays => Duplicates::Replays,
        Repeats::Rejects => Duplicates::Rejects,
        Repeats::Executes => Duplicates::Unknown,
    };
    Accounts::from_iter([Account {
        name: AccountName::parse("shop").unwrap(),
        currency: Currency::parse("CAD").unwrap(),
        policy: Policy { duplicates, ..Policy::default() },
        submitter: gateway.clone(),
        querier: gateway.clone(),
        longest_call_ms: TIMEOUT_MS + 3_000,
        limits,
        daily_cents,
    }])
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut faults = Faults::of(&mut rng);
        let repeats = [Repeats::Replays, Repeats::Rejects, Repeats::Executes][rng.usize(..3)];
        if repeats == Repeats::Executes && faults.breaks_promise {
            faults.write_loss = 0; // it pays twice and hides it: nobody can keep it from that
        }
        let clock = Arc::new(ManualClock::new(T0));
        let gateway =
            Arc::new(SimGateway::new(rng.u64(..), repeats, faults.clone(), Arc::clone(&clock)));
        let ledger = Arc::new(MemoryLedger::new());
        let accounts = Arc::new(sim_accounts(&mut rng, &gateway, repeats));
        let intake = intake::Parts {
            requests: Arc::new(Nothing),
            ledger: ledger.clone(),
            clock: clock.clone(),
            accounts: Arc::clone(&accounts),
            wake: Arc::default(),
        };
        let terms = accounts.iter().map(|account| (account.name.clone(), account.into()));
        let desk = Desk::new(ledger.clone(), clock.clone(), terms.collect());
        let workers = rng.usize(1..=3);
        let to_push = requests(&mut rng);
        let mut world = Self {
            rng,
            faults,
            repeats,
            clock,
            ledger,
            gateway,
            accounts,
            intake,
            desk,
            acts: 0,
            workers: Vec::new(),
            pending: Vec::new(),
            to_push,
            pushed: 0,
            asked: BTreeMap::new(),
            backup: None,
            losses: 0,
            lost_at: Vec::new(),
            fence: 0,
            stale: 0,
        };
        world.workers = (0..workers).map(|_| Worker::new(world.handler())).collect();
        world
    }

    fn handler(&self) -> Handler {
        Handler::new(refundd::workers::Parts {
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
            accounts: Arc::clone(&self.accounts),
            wake: Arc::default(),
            ledger_away: Arc::default(),
            pulse: Arc::default(),
            traffic: Arc::default(),
        })
    }

    fn roll(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// Whether and how a call to the ledger goes wrong.
    fn lost(&mut self) -> Lost {
        let percent = self.faults.ledger;
        if !self.roll(percent) {
            Lost::Nothing
        } else if self.rng.bool() {
            Lost::Call
        } else {
            Lost::Answer
        }
    }

    /// One thing happens.
    pub(super) async fn step(&mut self) {
        match self.rng.u8(..100) {
            0..6 => self.push(),
            6..11 => self.take_in().await,
            11..25 => self.claim().await,
            25..50 => self.think(),
            50..65 => self.store().await,
            65..80 => self.gateway.handle_one(),
            80..83 => self.gateway.settle_one(),
            83..97 => self.pass_time(),
            _ => self.trouble().await,
        }
        tokio::task::yield_now().await; // what a handler has left to a task of its own
    }

    fn push(&mut self) {
        let Some(text) = self.to_push.pop() else { return };
        self.pushed += 1;
        if let Ok(refund) = refundd::contract::parse(text.as_bytes()) {
            let order = refund.order.gateway_order_no().map(ToString::to_string);
            let asked = Asked { order: order.unwrap_or_default(), cents: refund.amount.get() };
            self.asked.entry(refund.refund_no.to_string()).or_insert(asked);
        }
        let entry = EntryId(format!("{}-0", self.pushed));
        self.pending
            .push(RawRequest { entry, fields: vec![(b"request".to_vec(), text.into_bytes())] });
    }

    /// Some worker's intake takes some entries; it may die before or after.
    async fn take_in(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let n = self.rng.usize(1..=self.pending.len());
        match self.lost() {
            Lost::Call => {}
            lost @ (Lost::Nothing | Lost::Answer) => {
                intake::take_in(&self.intake, &self.pending[..n]).await.expect("answers");
                if lost == Lost::Nothing {
                    let done = self.ledger.acknowledged();
                    self.pending.retain(|request| !done.contains(&request.entry));
                }
            }
        }
    }

    fn worker(&mut self) -> usize {
        self.rng.usize(..self.workers.len())
    }

    async fn claim(&mut self) {
        let (which, want, lost) = (self.worker(), self.rng.usize(1..=3), self.lost());
        let now = self.clock.now();
        if self.workers[which].paused || lost == Lost::Call {
            return;
        }
        if self.workers[which].lost {
            let heard = self.workers[which].heard;
            self.ledger.unclaim(heard, now).await.expect("answers");
            self.workers[which].lost = false;
        }
        let claims = self.ledger.claim(want, now, now.plus(LEASE_MS)).await.expect("answers");
        let fences = claims.claims.iter().map(|claim| claim.lease.fence.number);
        self.fence = fences.fold(self.fence, u64::max);
        if lost == Lost::Answer {
            // Giving claims back is the owner's own affair; the ledger in memory knows no owners, so
            // only a single worker may do it. Several leave them to their leases.
            self.workers[which].lost = self.workers.len() == 1;
            return;
        }
        for claim in claims.claims {
            self.workers[which].hold(claim);
        }
    }

    /// A worker gets on with its calls.
    fn think(&mut self) {
        let which = self.worker();
        let worker = &mut self.workers[which];
        if !worker.paused {
            for call in (0..worker.calls()).rev() {
                worker.step(call);
            }
        }
    }

    async fn store(&mut self) {
        let (which, lost) = (self.worker(), self.lost());
        let worker = &mut self.workers[which];
        if !worker.paused {
            let now = self.clock.now();
            self.stale += worker.store(self.ledger.as_ref(), now, lost).await;
        }
    }

    fn pass_time(&mut self) {
        let now = self.clock.now();
        let idle = self.workers.iter().all(Worker::idle);
        let then = match self.rng.u8(..20) {
            0..13 if !idle => now.plus(self.rng.u64(..400)),
            13..16 => now.plus(self.rng.u64(..TIMEOUT_MS + 2_000)),
            16 => now.plus(self.rng.u64(..40_000)),
            17 if self.rng.u8(..4) == 0 => now.plus(self.rng.u64(..900_000)),
            _ if !idle => now,
            _ => self.ledger.next_due().map_or(now, |due| due.max(now)),
        };
        self.move_to(then);
    }

    fn move_to(&mut self, then: UnixMillis) {
        self.gateway.handle_before(then);
        self.clock.set(then);
    }

    async fn stored(&self, no: &str) -> Option<Stored> {
        self.ledger.find(&RefundNo::parse(no).unwrap()).await.expect("answers")
    }

    /// Whether a refund has its end, or waits for a person.
    pub(super) async fn record(&self, no: &str) -> Option<RefundRecord> {
        self.stored(no).await.map(|stored| stored.record)
    }

    /// The faults end; everything that is open comes to its end. Returns whether it did.
    pub(super) async fn drain(&mut self) -> bool {
        self.faults = Faults::none();
        self.gateway.calm();
        for worker in &mut self.workers {
            worker.paused = false;
        }
        while !self.to_push.is_empty() {
            self.push();
        }
        self.repush();
        for account in [None, Some(AccountName::parse("shop").unwrap())] {
            let (who, reason) = ("ann".to_owned(), "over".to_owned());
            let resume = Pause { account, who, reason, at: self.clock.now() };
            self.ledger.resume(&resume, None).await.expect("answers");
        }
        for _ in 0..8_000 {
            if !self.pending.is_empty() {
                intake::take_in(&self.intake, &self.pending).await.expect("answers");
                self.pending.clear();
            }
            self.turn().await;
            self.decide().await;
            if self.all_done().await {
                return true;
            }
        }
        false
    }

    /// What the ledger forgot together with its admission is pushed again by its order system.
    fn repush(&mut self) {
        // A number that was forgotten altogether is new again; only a gateway that pays a number once
        // keeps that safe.
        if self.losses > 0 && self.repeats != Repeats::Executes {
            self.to_push = self.asked.iter().map(|(no, asked)| request(no, asked)).collect();
            while !self.to_push.is_empty() {
                self.push();
            }
        }
    }

    /// One round of everybody, without faults.
    async fn turn(&mut self) {
        while self.gateway.waiting() > 0 {
            self.gateway.handle_one();
        }
        self.gateway.settle_one();
        let now = self.clock.now();
        let mut busy = false;
        for which in 0..self.workers.len() {
            let claims = self.ledger.claim(5, now, now.plus(LEASE_MS)).await.expect("answers");
            for claim in claims.claims {
                self.workers[which].hold(claim);
            }
            let worker = &mut self.workers[which];
            for call in (0..worker.calls()).rev() {
                worker.step(call);
            }
            worker.store(self.ledger.as_ref(), now, Lost::Nothing).await;
            busy |= !worker.idle();
        }
        tokio::task::yield_now().await;
        if !busy && let Some(due) = self.ledger.next_due() {
            self.move_to(due.max(now));
        } else if busy && self.gateway.waiting() == 0 {
            self.move_to(now.plus(100));
        }
    }

    async fn all_done(&self) -> bool {
        for no in self.asked.keys() {
            let kind = self.record(no).await.map(|record| record.state.kind());
            if !matches!(kind, None | Some(StateKind::Settled)) {
                return false;
            }
        }
        self.workers.iter().all(Worker::idle)
    }
}

/// The simulation hands entries over by itself.
#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl refundd::ports::RequestSource for Nothing {
    async fn read(
        &self,
        _max: usize,
        _block: std::time::Duration,
    ) -> Result<Vec<RawRequest>, refundd::ports::LedgerError> {
        Ok(Vec::new())
    }
    async fn reclaim(
        &self,
        _max: usize,
        _idle: std::time::Duration,
    ) -> Result<Vec<RawRequest>, refundd::ports::LedgerError> {
        Ok(Vec::new())
    }
}
