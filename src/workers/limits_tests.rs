//! The limits, by themselves and as a handler keeps to them. Time is moved by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::Notify;

use super::advance::{Done, Handler};
use super::limits::{Call, Limits, Turn};
use super::script::{Script, accounts, admission, timeout};
use super::*;
use crate::domain::breaker::BreakerPolicy;
use crate::domain::policy::CallLimits;
use crate::domain::state::StateKind;
use crate::domain::step::Plan;
use crate::domain::{AccountName, GatewayName, RefundNo, RefundRecord, UnixMillis};
use crate::ledger::MemoryLedger;
use crate::ports::accounts::GatewayLimits;
use crate::ports::ledger::{Admission, Pause};
use crate::ports::{Acceptance, Account, GatewayError, ManualClock};

const DAY_MS: i64 = 86_400_000;
/// Noon of a day.
const NOON: UnixMillis = UnixMillis::new(20_000 * DAY_MS + DAY_MS / 2);
const ACCEPTED: Acceptance = Acceptance { gateway_refund_no: None };

fn submits(every_ms: u64) -> CallLimits {
    CallLimits { submit_every_ms: Some(every_ms), ..CallLimits::default() }
}

/// Accounts `a`, `b` on one gateway with these limits.
fn two_accounts(a: CallLimits, b: CallLimits, gateway: GatewayLimits) -> Accounts {
    let script = Arc::new(Script::new());
    let shop = accounts(&script, 0).iter().next().unwrap().clone();
    let named = |name: &str, limits| Account {
        name: AccountName::parse(name).unwrap(),
        limits,
        ..shop.clone()
    };
    let all: Accounts = [named("a", a), named("b", b)].into_iter().collect();
    all.with_gateways(BTreeMap::from([(GatewayName::parse("gw").unwrap(), gateway)]))
}

fn account(accounts: &Accounts, name: &str) -> Account {
    accounts.get(&AccountName::parse(name).unwrap()).unwrap().clone()
}

fn record(n: usize) -> RefundRecord {
    admission(&format!("R{n:06}"), NOON).record
}

/// Refunds of account `a` that are due, oldest first, served as a worker would. Returns who was served
/// when, and how often each was claimed.
fn drain(accounts: &Accounts, records: &[RefundRecord]) -> (Vec<(usize, UnixMillis)>, Vec<u32>) {
    let limits = Limits::new(accounts, Arc::default(), NOON);
    let account = account(accounts, "a");
    let mut due: BTreeSet<(UnixMillis, usize)> = (0..records.len()).map(|n| (NOON, n)).collect();
    let (mut served, mut claims) = (Vec::new(), vec![0; records.len()]);
    let mut now = NOON;
    while let Some((at, n)) = due.pop_first() {
        now = now.max(at);
        claims[n] += 1;
        match limits.turn(Call::Submit, &account, &records[n], now) {
            Turn::Go(_) => served.push((n, now)),
            Turn::Wait(until) => {
                assert!(until > now, "it comes back later, or it would spin");
                due.insert((until, n));
            }
        }
    }
    (served, claims)
}

#[test]
fn a_hundred_thousand_overdue_refunds_drain_oldest_first_and_are_claimed_a_few_times_each() {
    let records: Vec<_> = (0..100_000).map(record).collect();
    let none = GatewayLimits::default();
    let gateway = GatewayLimits { calls: submits(10), ..none };
    for accounts in [
        two_accounts(submits(10), CallLimits::default(), none),
        two_accounts(CallLimits::default(), CallLimits::default(), gateway),
    ] {
        let (served, claims) = drain(&accounts, &records);
        assert!(served.iter().map(|(n, _)| *n).eq(0..records.len()), "oldest first");
        let took_ms = served.last().unwrap().1.since(NOON);
        assert!((999_990..1_001_000).contains(&took_ms), "{took_ms} ms at 100 a second");
        // 30,000 have a place within five minutes; the others are given one when they are back.
        assert!(claims.iter().all(|claims| *claims <= 5), "{:?}", claims.iter().max());
        assert!(claims[..30_000].iter().all(|claims| *claims <= 2));
        let all: u32 = claims.iter().sum();
        assert!(all < 330_000, "{all} claims");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever asks whenever: account and gateway each keep their distance, and a turn that one of
    /// them refuses costs the other nothing.
    #[test]
    fn no_second_ever_sees_more_than_the_rate(
        arrivals in prop::collection::vec((0_u64..60, any::<bool>()), 1..300),
        every_a in 1_u64..200, every_gateway in 1_u64..200,
    ) {
        let calls = submits(every_gateway);
        let gateway = GatewayLimits { calls, ..GatewayLimits::default() };
        let accounts = two_accounts(submits(every_a), CallLimits::default(), gateway);
        let limits = Limits::new(&accounts, Arc::default(), NOON);
        let (a, b) = (account(&accounts, "a"), account(&accounts, "b"));
        let (mut all, mut of_a) = (Vec::new(), Vec::new());
        let mut now = NOON;
        for (n, (later, is_a)) in arrivals.into_iter().enumerate() {
            now = now.plus(later);
            let far = |last: Option<&UnixMillis>, every| {
                last.is_none_or(|last| now.since(*last) >= every)
            };
            let free = far(all.last(), every_gateway) && (!is_a || far(of_a.last(), every_a));
            let turn = limits.turn(Call::Submit, if is_a { &a } else { &b }, &record(n), now);
            prop_assert_eq!(matches!(turn, Turn::Go(_)), free);
            if free {
                all.push(now);
                if is_a { of_a.push(now); }
            }
        }
    }
}

#[test]
fn calls_at_once_are_limited_and_room_is_free_again_when_one_is_over() {
    let two = CallLimits { concurrency: Some(2), ..CallLimits::default() };
    let accounts = two_accounts(two, CallLimits::default(), GatewayLimits::default());
    let limits = Limits::new(&accounts, Arc::default(), NOON);
    let (a, b) = (account(&accounts, "a"), account(&accounts, "b"));
    let turn = |call, account, n| limits.turn(call, account, &record(n), NOON);
    let Turn::Go(first) = turn(Call::Submit, &a, 1) else { panic!() };
    let Turn::Go(_second) = turn(Call::Query, &a, 2) else { panic!() };
    let places: Vec<UnixMillis> = (3..6)
        .map(|n| match turn(Call::Submit, &a, n) {
            Turn::Wait(until) => until,
            Turn::Go(_) => panic!("there is no room"),
        })
        .collect();
    assert!(places.is_sorted() && places[0] > NOON && places[0] < places[1], "{places:?}");
    assert!(matches!(turn(Call::Submit, &b, 6), Turn::Go(_)), "another account has its own");
    limits.over(first, Call::Submit, &a, NOON);
    assert!(matches!(turn(Call::Submit, &a, 7), Turn::Go(_)));
}

/// A worker of account `shop` over a ledger that it may share with another.
struct Desk {
    handler: Handler,
    gateway: Arc<Script>,
    ledger: Arc<MemoryLedger>,
    clock: Arc<ManualClock>,
}

impl Desk {
    fn open(edit: impl Fn(&mut Account), gateway_limits: GatewayLimits) -> Self {
        let (gateway, clock) = (Arc::new(Script::new()), Arc::new(ManualClock::new(NOON)));
        Self::over(Arc::new(MemoryLedger::new()), clock, gateway, edit, gateway_limits)
    }

    fn over(
        ledger: Arc<MemoryLedger>,
        clock: Arc<ManualClock>,
        gateway: Arc<Script>,
        edit: impl Fn(&mut Account),
        gateway_limits: GatewayLimits,
    ) -> Self {
        let plain = accounts(&gateway, 18_000);
        let edited = plain.iter().cloned().map(|mut account| {
            edit(&mut account);
            account
        });
        let names = BTreeMap::from([(GatewayName::parse("gw").unwrap(), gateway_limits)]);
        let parts = Parts {
            ledger: ledger.clone(),
            clock: clock.clone(),
            accounts: Arc::new(edited.collect::<Accounts>().with_gateways(names)),
            wake: Arc::new(Notify::new()),
            ledger_away: Arc::default(),
            pulse: Arc::default(),
            traffic: Arc::default(),
        };
        Self { handler: Handler::new(parts), gateway, ledger, clock }
    }

    /// Another worker with the same world.
    fn beside(&self, edit: impl Fn(&mut Account)) -> Self {
        let (ledger, clock) = (Arc::clone(&self.ledger), Arc::clone(&self.clock));
        let none = GatewayLimits::default();
        Self::over(ledger, clock, Arc::clone(&self.gateway), edit, none)
    }

    async fn admit(&self, no: &str) {
        let now = self.clock.now();
        let admission: Admission = admission(no, now);
        self.ledger.admit(&[admission], now).await.unwrap();
    }

    /// Claims the refund that is due first, handles it, and stores what came of it. Returns its state, or
    /// for how many ms it was put back.
    async fn step(&self) -> Result<StateKind, u64> {
        let now = self.clock.now();
        let claims = self.ledger.claim(1, now, now.plus(20_000)).await.unwrap().claims;
        let claim = claims.into_iter().next().expect("a refund is due");
        let before = self.ledger.find(&claim.lease.refund_no).await.unwrap().unwrap();
        match self.handler.handle(claim).await.unwrap() {
            Done::Step(commit) => {
                self.ledger.commit(std::slice::from_ref(&commit), now).await.unwrap();
                assert_ne!(commit.plan, Plan::Due(now));
                Ok(commit.record.state.kind())
            }
            Done::Back(back) => {
                self.ledger.put_back(std::slice::from_ref(&back), now).await.unwrap();
                let after = self.ledger.find(&back.lease.refund_no).await.unwrap().unwrap();
                assert_eq!(after.record.admitted_at, before.record.admitted_at);
                if after.record.state.kind() == StateKind::Requested {
                    assert_eq!(after.record.tally.attempts + 1, before.record.tally.attempts);
                    assert!(after.record.history.len() < before.record.history.len());
                }
                Err(back.due_at.since(now))
            }
            Done::Left => panic!("nobody else holds it"),
        }
    }
}

#[tokio::test]
async fn a_wait_for_a_limit_charges_no_attempt_and_leaves_no_trace() {
    let desk = Desk::open(|account| account.limits = submits(1_000), GatewayLimits::default());
    desk.admit("R1").await;
    desk.admit("R2").await;
    desk.gateway.submit_answers(Ok(ACCEPTED));
    assert_eq!(desk.step().await, Ok(StateKind::Processing));
    assert_eq!(desk.step().await, Err(1_000));
    let no = RefundNo::parse("R2").unwrap();
    let stored = desk.ledger.find(&no).await.unwrap().unwrap();
    assert_eq!(
        (stored.record.state.kind(), stored.record.tally.attempts),
        (StateKind::Requested, 0)
    );
    assert_eq!((stored.record.history.len(), stored.leased), (0, false));
    desk.clock.advance(1_000);
    desk.gateway.submit_answers(Ok(ACCEPTED));
    assert_eq!(desk.step().await, Ok(StateKind::Processing));
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_gets_no_submits_but_queries_until_one_submit_has_tried() {
    let breaker = BreakerPolicy { failures: 2, open_ms: 2_000 };
    let desk = Desk::open(|_| {}, GatewayLimits { breaker, ..GatewayLimits::default() });
    for no in ["R1", "R2", "R3", "R4"] {
        desk.admit(no).await;
    }
    for _ in 0..2 {
        desk.gateway.submit_answers(Err(timeout()));
        assert_eq!(desk.step().await, Ok(StateKind::Unconfirmed));
    }
    assert_eq!(desk.step().await, Err(2_000));
    assert_eq!(desk.step().await, Err(2_010));
    desk.ledger.nudge(&[RefundNo::parse("R1").unwrap()], desk.clock.now()).await.unwrap();
    desk.gateway.query_answers("SUCCESS", 500);
    assert_eq!(desk.step().await, Ok(StateKind::Settled), "queries go on");
    desk.clock.advance(2_010);
    desk.gateway.submit_answers(Err(timeout()));
    assert_eq!(desk.step().await, Ok(StateKind::Unconfirmed), "the trial");
    assert_eq!(desk.step().await, Err(2_000), "it failed, so the others wait again");
    desk.clock.advance(2_000);
    let refusal = crate::domain::state::Refusal {
        code: "NO".to_owned(),
        message: String::new(),
        grade: crate::domain::Grade::A,
    };
    desk.gateway.submit_answers(Err(GatewayError::Refused(refusal)));
    assert_eq!(desk.step().await, Ok(StateKind::Refused), "a refusal is an answer");
    desk.admit("R5").await;
    desk.gateway.submit_answers(Ok(ACCEPTED));
    assert_eq!(desk.step().await, Ok(StateKind::Processing));
}

#[tokio::test]
async fn a_pause_holds_for_every_worker_and_ends_for_every_worker() {
    let one = Desk::open(|_| {}, GatewayLimits::default());
    let other = one.beside(|_| {});
    let pause = Pause {
        account: Some(AccountName::parse("shop").unwrap()),
        who: "ann".to_owned(),
        reason: "drill".to_owned(),
        at: NOON,
    };
    one.admit("R1").await;
    one.admit("R2").await;
    one.ledger.pause(&pause).await.unwrap();
    assert_eq!(one.step().await, Err(10_000));
    assert_eq!(other.step().await, Err(10_000));
    one.ledger.resume(&pause, None).await.unwrap();
    one.clock.advance(10_000);
    for desk in [&one, &other] {
        desk.gateway.submit_answers(Ok(ACCEPTED));
        assert_eq!(desk.step().await, Ok(StateKind::Processing));
    }
}

#[tokio::test]
async fn the_daily_limit_holds_for_all_workers_and_a_refund_counts_once() {
    let limit = |account: &mut Account| account.daily_cents = Some(1_000);
    let one = Desk::open(limit, GatewayLimits::default());
    let other = one.beside(limit);
    for no in ["R1", "R2", "R3"] {
        one.admit(no).await;
    }
    one.gateway.submit_answers(Err(GatewayError::Connect("refused".into())));
    assert_eq!(one.step().await, Ok(StateKind::Requested));
    one.gateway.submit_answers(Ok(ACCEPTED));
    assert_eq!(other.step().await, Ok(StateKind::Processing));
    assert_eq!(one.step().await, Err(300_000), "R1 and R2 are 10.00 together");
    one.clock.advance(2_000); // R1 again, by the worker that has just been told to stop
    one.gateway.submit_answers(Ok(ACCEPTED));
    assert_eq!(one.step().await, Ok(StateKind::Processing), "it was counted before");
    // The next day R3 and R4 go on. The polls of the other two come first.
    one.clock.set(UnixMillis::new(20_001 * DAY_MS - 1_000));
    one.admit("R4").await;
    one.gateway.query_fails(timeout());
    one.gateway.query_fails(timeout());
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.extend(one.step().await.err());
    }
    assert_eq!(waits, [1_000, 1_010], "until midnight");
    one.clock.advance(1_010);
    for _ in 0..2 {
        one.gateway.submit_answers(Ok(ACCEPTED));
        assert_eq!(one.step().await, Ok(StateKind::Processing), "a new day");
    }
}

#[test]
fn a_refund_that_no_day_has_room_for_is_refused_with_the_rule() {
    let desk = accounts(&Arc::new(Script::new()), 0);
    let mut account = desk.iter().next().unwrap().clone();
    account.daily_cents = Some(500);
    assert_eq!(account.check(&record(1).refund), Ok(()));
    account.daily_cents = Some(499);
    let err = account.check(&record(1).refund).unwrap_err();
    assert_eq!(
        err.to_string(),
        "amount_cents must be at most 499, daily_cents of account shop, got 500"
    );
}

#[test]
fn the_same_is_said_about_an_account_once_a_minute() {
    let accounts =
        two_accounts(CallLimits::default(), CallLimits::default(), GatewayLimits::default());
    let limits = Limits::new(&accounts, Arc::default(), NOON);
    let (a, b) = (account(&accounts, "a"), account(&accounts, "b"));
    assert!(limits.tell(&a, "paused", NOON));
    assert!(!limits.tell(&a, "paused", NOON.plus(59_999)));
    assert!(limits.tell(&a, "balance", NOON) && limits.tell(&b, "paused", NOON));
    assert!(limits.tell(&a, "paused", NOON.plus(60_000)));
}
