//! Random operations on both ledgers at once: every answer and every stored refund must be equal.
//!
//! Fences are the one thing that may differ; whose fence is stale may not.

use std::collections::HashMap;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use refundd::domain::state::{Event, Outcome, StateKind};
use refundd::domain::step::ClaimFacts;
use refundd::domain::{GatewayName, Refund, RefundNo, RefundRecord, UnixMillis};
use refundd::ledger::{Keys, MemoryLedger, RedisLedger};
use refundd::ports::ledger::{
    Claim, Clearance, Commit, Daily, EntryId, Filter, Page, PutBack, Refusal, Stored,
};
use refundd::ports::{Ledger, Watch};

use crate::support::redis::{TestRedis, namespace};
use crate::support::refunds::{
    Asked, T0, abandoned, accepted, answer_unknown, ask, ended, no, not_found, not_sent, parked,
    pause, processing, refused, released, resolved, try_act, try_commit,
};

const REFUNDS: usize = 16;
const LEASE_MS: u64 = 20_000;
/// Requests that a reader has in hand from the beginning.
const ENTRIES: usize = 24;

#[derive(Debug, Clone)]
struct Asking {
    refund: usize,
    orders: usize,
    cents: u64,
    paid: Option<u64>,
    wait_ms: u64,
    /// The request that it came by, if it came by the stream.
    entry: Option<usize>,
}

#[derive(Debug, Clone)]
enum Op {
    Admit(Vec<Asking>),
    /// A request is refused, maybe for the second time.
    Refuse(usize),
    Claim {
        want: usize,
    },
    /// Commits of held claims, each with one of all that may happen to it.
    Commit(Vec<(prop::sample::Index, usize)>),
    /// As a worker that repeats, or has lost its lease: the claim is kept.
    CommitAndKeep(prop::sample::Index, usize),
    /// A worker dies.
    Crash(prop::sample::Index),
    Nudge(Vec<usize>),
    /// Held claims go back as they were; some of them are kept, as after a lost answer.
    PutBack(Vec<prop::sample::Index>, u64, bool),
    /// Held claims ask for clearance, under a limit of the day or none.
    Clear(Vec<prop::sample::Index>, Option<u64>),
    /// A person does one of all that may be done to a refund, as it is or as it was seen before.
    Act(usize, usize, bool),
    /// A person sees a refund, to act on it later.
    See(usize),
    /// Submits of one account, or of all, are stopped or go on.
    Switch(bool, bool),
    Later {
        ms: u64,
    },
    Purge {
        age_ms: u64,
    },
}

fn asking() -> impl Strategy<Value = Asking> {
    let paid = prop::option::of(50_u64..300);
    let wait = prop_oneof![3 => Just(0_u64), 1 => 1_u64..100_000];
    let entry = prop::option::of(0..ENTRIES);
    (0..REFUNDS, 0..ORDERS.len(), 1_u64..150, paid, wait, entry).prop_map(
        |(refund, orders, cents, paid, wait_ms, entry)| Asking {
            refund,
            orders,
            cents,
            paid,
            wait_ms,
            entry,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        5 => prop::collection::vec(asking(), 1..4).prop_map(Op::Admit),
        1 => (0..ENTRIES).prop_map(Op::Refuse),
        6 => (0_usize..5).prop_map(|want| Op::Claim { want }),
        8 => prop::collection::vec((index(), any::<usize>()), 1..4).prop_map(Op::Commit),
        2 => (index(), any::<usize>())
            .prop_map(|(which, event)| Op::CommitAndKeep(which, event)),
        2 => index().prop_map(Op::Crash),
        3 => prop::collection::vec(0..REFUNDS, 1..9).prop_map(Op::Nudge),
        3 => (prop::collection::vec(index(), 1..4), 0_u64..50_000, any::<bool>())
            .prop_map(|(which, wait, keep)| Op::PutBack(which, wait, keep)),
        3 => (prop::collection::vec(index(), 1..4), prop::option::of(1_u64..600))
            .prop_map(|(which, limit)| Op::Clear(which, limit)),
        4 => (0..REFUNDS, any::<usize>(), any::<bool>())
            .prop_map(|(refund, event, old)| Op::Act(refund, event, old)),
        1 => (0..REFUNDS).prop_map(Op::See),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(all, stop)| Op::Switch(all, stop)),
        6 => prop_oneof![Just(0_u64), Just(1), 1..LEASE_MS, LEASE_MS..200_000]
            .prop_map(|ms| Op::Later { ms }),
        1 => (0_u64..100_000).prop_map(|age_ms| Op::Purge { age_ms }),
    ]
}

/// Gateway and merchant ids that agree, contradict each other, or say too little.
const ORDERS: &[(Option<&str>, Option<&str>)] = &[
    (Some("P1"), None),
    (None, Some("M1")),
    (Some("P1"), Some("M1")),
    (Some("P2"), Some("M2")),
    (Some("P2"), Some("M1")),
    (None, Some("M2")),
];

/// Both ledgers, and what one and the same worker holds of each.
struct Pair {
    memory: MemoryLedger,
    redis: RedisLedger,
    held: Vec<(Claim, Claim)>,
    saw: HashMap<usize, Stored>,
    now: UnixMillis,
}

type Checked = Result<(), TestCaseError>;

impl Pair {
    async fn open() -> Self {
        let keys = namespace();
        hand_out(&keys);
        Self {
            memory: MemoryLedger::new(),
            redis: TestRedis::shared().ledger(&keys).await,
            held: Vec::new(),
            saw: HashMap::new(),
            now: T0,
        }
    }

    async fn run(&mut self, op: &Op) -> Checked {
        match op {
            Op::Admit(askings) => self.admit(askings).await?,
            Op::Refuse(which) => {
                let refusal = Refusal { entry: Some(entry(*which)), ..Refusal::default() };
                self.memory.refuse(&refusal).await.unwrap();
                self.redis.refuse(&refusal).await.unwrap();
            }
            Op::Claim { want } => self.claim(*want).await?,
            Op::Commit(which) => self.commit(which, false).await?,
            Op::CommitAndKeep(which, event) => self.commit(&[(*which, *event)], true).await?,
            Op::Crash(which) if !self.held.is_empty() => {
                self.held.remove(which.index(self.held.len()));
            }
            Op::Crash(_) => {}
            Op::Nudge(refunds) => {
                let numbers: Vec<RefundNo> = refunds.iter().map(|n| number(*n)).collect();
                self.memory.nudge(&numbers, self.now).await.unwrap();
                self.redis.nudge(&numbers, self.now).await.unwrap();
            }
            Op::PutBack(which, wait, keep) => self.put_back(which, *wait, *keep).await,
            Op::Clear(which, limit) => self.clear(which, *limit).await?,
            Op::Act(refund, event, old) => self.act(*refund, *event, *old).await?,
            Op::See(refund) => {
                let seen = self.memory.find(&number(*refund)).await.unwrap();
                self.saw.extend(seen.map(|seen| (*refund, seen)));
            }
            Op::Switch(all, stop) => self.switch(*all, *stop).await?,
            Op::Later { ms } => self.now = self.now.plus(*ms),
            Op::Purge { age_ms } => {
                let before = self.now.minus(*age_ms);
                let memory = self.memory.purge(before, T0).await.unwrap();
                let redis = self.redis.purge(before, T0).await.unwrap();
                prop_assert_eq!(memory, redis, "forgotten");
            }
        }
        self.compare().await
    }

    async fn admit(&self, askings: &[Asking]) -> Checked {
        let batch: Vec<_> =
            askings.iter().map(|asking| asked(asking, self.now).admission()).collect();
        let memory = self.memory.admit(&batch, self.now).await.unwrap();
        let redis = self.redis.admit(&batch, self.now).await.unwrap();
        prop_assert_eq!(memory, redis);
        Ok(())
    }

    async fn claim(&mut self, want: usize) -> Checked {
        let until = self.now.plus(LEASE_MS);
        let memory = self.memory.claim(want, self.now, until).await.unwrap();
        let redis = self.redis.claim(want, self.now, until).await.unwrap();
        prop_assert!(redis.unreadable.is_empty());
        prop_assert_eq!(memory.next_due, redis.next_due);
        let told = |claims: &[Claim]| claims.iter().map(without_fence).collect::<Vec<_>>();
        prop_assert_eq!(told(&memory.claims), told(&redis.claims));
        self.held.extend(memory.claims.into_iter().zip(redis.claims));
        Ok(())
    }

    async fn commit(&mut self, which: &[(prop::sample::Index, usize)], keep: bool) -> Checked {
        let (mut memory, mut redis) = (Vec::new(), Vec::new());
        for (index, event) in which {
            if self.held.is_empty() {
                break;
            }
            let index = index.index(self.held.len());
            let (one, other) = &self.held[index];
            memory.push(worked(one, *event, self.now));
            redis.push(worked(other, *event, self.now));
            if !keep {
                self.held.remove(index);
            }
        }
        let memory = self.memory.commit(&memory, self.now).await.unwrap();
        let redis = self.redis.commit(&redis, self.now).await.unwrap();
        prop_assert_eq!(memory, redis);
        Ok(())
    }

    /// The held claims that are meant, each once.
    fn meant(&self, which: &[prop::sample::Index]) -> Vec<usize> {
        let some = which.iter().filter(|_| !self.held.is_empty());
        let mut meant: Vec<usize> = some.map(|index| index.index(self.held.len())).collect();
        meant.sort_unstable();
        meant.dedup();
        meant
    }

    async fn put_back(&mut self, which: &[prop::sample::Index], wait: u64, keep: bool) {
        let due_at = self.now.plus(wait);
        let back = |claim: &Claim| PutBack { lease: claim.lease.clone(), due_at };
        let meant = self.meant(which);
        let (memory, redis): (Vec<_>, Vec<_>) =
            meant.iter().map(|at| (back(&self.held[*at].0), back(&self.held[*at].1))).unzip();
        self.memory.put_back(&memory, self.now).await.unwrap();
        self.redis.put_back(&redis, self.now).await.unwrap();
        for at in meant.into_iter().rev().filter(|_| !keep) {
            self.held.remove(at);
        }
    }

    async fn clear(&self, which: &[prop::sample::Index], limit: Option<u64>) -> Checked {
        let day = u64::try_from(self.now.get()).unwrap() / 60_000; // short ones, so that many begin
        let asks = |claim: &Claim| {
            let Refund { amount, account, order, .. } = claim.record.refund.clone();
            let daily = limit.map(|limit_cents| Daily { day, amount, limit_cents });
            let order = (claim.record.order_scope.clone(), order);
            Clearance { lease: claim.lease.clone(), account, order, daily }
        };
        let meant = self.meant(which);
        let (memory, redis): (Vec<_>, Vec<_>) =
            meant.iter().map(|at| (asks(&self.held[*at].0), asks(&self.held[*at].1))).unzip();
        let memory = self.memory.clear(&memory, self.now).await.unwrap();
        let redis = self.redis.clear(&redis, self.now).await.unwrap();
        prop_assert_eq!(memory, redis, "cleared");
        Ok(())
    }

    async fn act(&self, refund: usize, event: usize, old: bool) -> Checked {
        let now = self.memory.find(&number(refund)).await.unwrap();
        let before = self.saw.get(&refund).filter(|_| old).cloned();
        let Some(seen) = before.or(now) else { return Ok(()) };
        let events = [
            released(),
            resolved(Outcome::Succeeded, self.now),
            resolved(Outcome::Failed, self.now),
            abandoned(self.now),
            parked(self.now),
        ];
        let acts = events.iter().filter_map(|event| try_act(&seen, event, self.now));
        let acts: Vec<_> = acts.collect();
        if !acts.is_empty() {
            let act = &acts[event % acts.len()];
            let memory = self.memory.act(act, self.now).await.unwrap();
            let redis = self.redis.act(act, self.now).await.unwrap();
            prop_assert_eq!(memory, redis, "acted");
        }
        Ok(())
    }

    async fn switch(&self, all: bool, stop: bool) -> Checked {
        let of = pause((!all).then_some("shop"), self.now);
        let (memory, redis) = if stop {
            (self.memory.pause(&of).await.unwrap(), self.redis.pause(&of).await.unwrap())
        } else {
            (
                self.memory.resume(&of, None).await.unwrap(),
                self.redis.resume(&of, None).await.unwrap(),
            )
        };
        prop_assert_eq!(memory, redis, "switched");
        let paused = self.memory.pauses().await.unwrap();
        prop_assert_eq!(paused, self.redis.pauses().await.unwrap());
        Ok(())
    }

    async fn compare(&self) -> Checked {
        let finds = (0..REFUNDS).map(|n| async move {
            let no = number(n);
            let memory = self.memory.find(&no).await.unwrap();
            (memory, self.redis.find(&no).await.unwrap())
        });
        for (memory, redis) in join_all(finds).await {
            prop_assert_eq!(memory.as_ref().map(parts), redis.as_ref().map(parts));
        }
        self.compare_figures().await
    }

    /// What the scripts have counted is what is there, counted anew.
    async fn compare_figures(&self) -> Checked {
        let memory = self.memory.figures(self.now).await.unwrap();
        let redis = self.redis.figures(self.now).await.unwrap();
        prop_assert_eq!(memory.levels, redis.levels);
        prop_assert_eq!(memory.oldest, redis.oldest);
        prop_assert_eq!(memory.ended, redis.ended);
        for state in StateKind::ALL {
            let filter = Filter { state: Some(*state), ..Filter::default() };
            let listed = |page: Page| {
                let records = page.refunds.into_iter().map(|stored| stored.record);
                let mut nos: Vec<_> = records.map(|record| record.refund.refund_no).collect();
                nos.sort_unstable();
                nos
            };
            let memory = listed(self.memory.list(&filter, None, 100).await.unwrap());
            let redis = listed(self.redis.list(&filter, None, 100).await.unwrap());
            prop_assert_eq!(memory, redis, "{}", state.as_str());
        }
        let scopes = [GatewayName::parse("gw").unwrap()];
        for text in ["P1", "M1", "M2", "R3"] {
            let found = |found: Vec<Stored>| {
                let nos = found.into_iter().map(|stored| stored.record.refund.refund_no);
                nos.collect::<Vec<_>>()
            };
            let memory = found(self.memory.search(text, &scopes).await.unwrap());
            let redis = found(self.redis.search(text, &scopes).await.unwrap());
            prop_assert_eq!(memory, redis, "{}", text);
        }
        Ok(())
    }
}

fn entry(n: usize) -> EntryId {
    EntryId(format!("{}-1", n + 1))
}

/// Gives a reader all the requests.
fn hand_out(keys: &Keys) {
    let requests = keys.requests();
    let mut pipe = redis::pipe();
    for n in 0..ENTRIES {
        pipe.cmd("XADD").arg(&requests).arg(entry(n).0).arg(&["request", "{}"]);
    }
    pipe.cmd("XGROUP").arg(&["CREATE", &requests, "refundd", "0"]);
    pipe.cmd("XREADGROUP").arg(&["GROUP", "refundd", "me", "STREAMS", &requests, ">"]);
    pipe.exec(&mut TestRedis::shared().raw()).unwrap();
}

fn number(n: usize) -> RefundNo {
    no(&format!("R{n}"))
}

fn asked(asking: &Asking, now: UnixMillis) -> Asked {
    let (gateway, merchant) = ORDERS[asking.orders];
    let mut asked = ask(number(asking.refund).as_str())
        .of_orders(gateway, merchant)
        .cents(asking.cents)
        .admitted_at(now);
    if let Some(paid) = asking.paid {
        asked = asked.paid(paid);
    }
    if let Some(n) = asking.entry {
        asked = asked.entry(&entry(n));
    }
    if asking.wait_ms > 0 {
        asked = asked.not_before(now.plus(asking.wait_ms));
    }
    asked
}

/// What a worker makes of a claim: one of all that may happen to it, each as likely.
fn worked(claim: &Claim, which: usize, now: UnixMillis) -> Commit {
    let end = |outcome| ended(outcome, now);
    let courses: [&[Event]; 11] = [
        &[accepted()],
        &[not_sent()],
        &[answer_unknown()],
        &[refused()],
        &[accepted(), end(Outcome::Succeeded)],
        &[accepted(), end(Outcome::Failed)],
        &[processing()],
        &[not_found()],
        &[end(Outcome::Succeeded)],
        &[end(Outcome::Failed)],
        &[parked(now)],
    ];
    let possible = courses.iter().filter_map(|events| try_commit(claim, events, now));
    let mut possible: Vec<Commit> = possible.collect();
    possible.swap_remove(which % possible.len())
}

fn without_fence(claim: &Claim) -> (RefundNo, UnixMillis, RefundRecord, ClaimFacts) {
    let lease = &claim.lease;
    let (no, until) = (lease.refund_no.clone(), lease.until);
    (no, until, claim.record.clone(), claim.facts)
}

fn parts(stored: &Stored) -> (&RefundRecord, Option<UnixMillis>, bool, bool, Option<UnixMillis>) {
    let Stored { record, due_at, leased, waiting, lost_at } = stored;
    (record, *due_at, *leased, *waiting, *lost_at)
}

#[test]
fn both_ledgers_agree_after_every_step_of_any_sequence() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config {
        cases: 48,
        failure_persistence: None, // the smallest failing sequence is printed
        ..Config::default()
    };
    proptest!(config, |(ops in prop::collection::vec(op(), 20..80))| {
        runtime.block_on(async {
            let mut pair = Pair::open().await;
            for op in &ops {
                pair.run(op).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    });
}
