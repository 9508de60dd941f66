//! When the clearance of a claim is enough, and when the ledger is asked. Time is moved by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;

use super::advance::{Done, Handler};
use super::house::Flaky;
use super::script::{Script, accounts, admission};
use super::*;
use crate::domain::state::StateKind;
use crate::domain::{AccountName, AmountCents, GatewayOrderNo, OrderRef, RefundNo, UnixMillis};
use crate::ports::ledger::{CLEARED_MS, Claim, Pause};
use crate::ports::{Acceptance, Account, ManualClock};

const ACCEPTED: Acceptance = Acceptance { gateway_refund_no: None };

struct Desk {
    handler: Handler,
    gateway: Arc<Script>,
    ledger: Arc<Flaky>,
    clock: Arc<ManualClock>,
}

/// What a handled submit became, and how many questions that took.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Sent { asked: u32 },
    Back { asked: u32 },
}

impl Desk {
    fn open(daily_cents: Option<u64>) -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis::new(1_000_000)));
        let (ledger, gateway) = (Arc::new(Flaky::default()), Arc::new(Script::new()));
        let plain = accounts(&gateway, 18_000);
        let limited = plain.iter().map(|account| Account { daily_cents, ..account.clone() });
        let parts = Parts {
            ledger: ledger.clone(),
            clock: clock.clone(),
            accounts: Arc::new(limited.collect()),
            wake: Arc::new(Notify::new()),
            ledger_away: Arc::default(),
            pulse: Arc::default(),
            traffic: Arc::default(),
        };
        Self { handler: Handler::new(parts), gateway, ledger, clock }
    }

    async fn admit(&self, no: &str) {
        let now = self.clock.now();
        self.ledger.admit(&[admission(no, now)], now).await.unwrap();
    }

    /// A refund of an order of which 5.00 were paid.
    async fn admit_of_one_order(&self, no: &str) {
        let now = self.clock.now();
        let mut admission = admission(no, now);
        let named = GatewayOrderNo::parse("A").unwrap();
        let paid = AmountCents::new(500).unwrap();
        admission.record.refund.order = OrderRef::new(Some(named), None, Some(paid)).unwrap();
        self.ledger.admit(&[admission], now).await.unwrap();
    }

    async fn pause(&self, account: Option<&str>) {
        let account = account.map(|name| AccountName::parse(name).unwrap());
        let (who, reason) = ("ann".to_owned(), "drill".to_owned());
        let pause = Pause { account, who, reason, at: self.clock.now() };
        assert!(self.ledger.pause(&pause).await.unwrap());
    }

    async fn claim(&self) -> Claim {
        let now = self.clock.now();
        let claims = self.ledger.claim(1, now, now.plus(20_000)).await.unwrap();
        claims.claims.into_iter().next().expect("a refund is due")
    }

    async fn handle(&self, claim: Claim) -> Left {
        let before = self.ledger.clears.load(Ordering::SeqCst);
        self.gateway.submit_answers(Ok(ACCEPTED));
        let sent = self.gateway.called().len();
        let done = self.handler.handle(claim).await.unwrap();
        let asked = self.ledger.clears.load(Ordering::SeqCst) - before;
        match done {
            Done::Step(commit) => {
                assert_eq!(self.gateway.called().len(), sent + 1);
                self.ledger.commit(&[*commit], self.clock.now()).await.unwrap();
                Left::Sent { asked }
            }
            Done::Back(_) => {
                assert_eq!(self.gateway.called().len(), sent, "nothing has left");
                Left::Back { asked }
            }
            Done::Left => panic!("nobody else holds it"),
        }
    }
}

#[tokio::test]
async fn a_claim_that_has_cleared_its_refund_needs_no_question_while_it_is_fresh() {
    for (later, asked) in [(0, 0), (CLEARED_MS, 0), (CLEARED_MS + 1, 1)] {
        let desk = Desk::open(None);
        desk.admit("R1").await;
        let claim = desk.claim().await;
        assert_eq!(claim.cleared_at, Some(desk.clock.now()));
        desk.clock.advance(later);
        assert_eq!(desk.handle(claim).await, Left::Sent { asked }, "{later} ms later");
    }
}

#[tokio::test]
async fn a_clearance_from_a_moment_that_has_not_come_is_none() {
    let desk = Desk::open(None);
    desk.admit("R1").await;
    let mut claim = desk.claim().await;
    claim.cleared_at = Some(desk.clock.now().plus(1));
    assert_eq!(desk.handle(claim).await, Left::Sent { asked: 1 });
}

#[tokio::test]
async fn a_refund_that_is_claimed_while_anything_is_paused_asks() {
    for (account, left) in [
        (None, Left::Back { asked: 1 }),
        (Some("shop"), Left::Back { asked: 1 }),
        (Some("another"), Left::Sent { asked: 1 }),
    ] {
        let desk = Desk::open(None);
        desk.admit("R1").await;
        desk.pause(account).await;
        let claim = desk.claim().await;
        assert_eq!(claim.cleared_at, None);
        assert_eq!(desk.handle(claim).await, left, "{account:?}");
    }
}

#[tokio::test]
async fn a_pause_after_the_claim_holds_once_the_clearance_is_over() {
    for (later, left) in
        [(CLEARED_MS, Left::Sent { asked: 0 }), (CLEARED_MS + 1, Left::Back { asked: 1 })]
    {
        let desk = Desk::open(None);
        desk.admit("R1").await;
        let claim = desk.claim().await;
        desk.pause(None).await;
        desk.clock.advance(later);
        assert_eq!(desk.handle(claim).await, left, "{later} ms later");
    }
}

#[tokio::test]
async fn an_account_with_a_daily_limit_always_asks() {
    let desk = Desk::open(Some(600));
    desk.admit("R1").await;
    desk.admit("R2").await;
    let (first, second) = (desk.claim().await, desk.claim().await);
    assert!(first.cleared_at.is_some() && second.cleared_at.is_some());
    assert_eq!(desk.handle(first).await, Left::Sent { asked: 1 });
    assert_eq!(desk.handle(second).await, Left::Back { asked: 1 }, "5.00 each, of 6.00");
}

#[tokio::test]
async fn a_refund_that_is_claimed_while_an_order_is_overdrawn_asks() {
    let desk = Desk::open(None);
    desk.admit_of_one_order("R1").await;
    let claim = desk.claim().await;
    assert_eq!(desk.handle(claim).await, Left::Sent { asked: 0 });
    // It fails, its money is promised to the next, and then the gateway calls it a success.
    for status in ["FAIL", "SUCCESS"] {
        let no = RefundNo::parse("R1").unwrap();
        desk.ledger.nudge(&[no], desk.clock.now()).await.unwrap();
        desk.gateway.query_answers(status, 500);
        let Done::Step(commit) = desk.handler.handle(desk.claim().await).await.unwrap() else {
            panic!("an answer is stored");
        };
        assert_eq!(commit.record.state.kind(), StateKind::Settled);
        desk.ledger.commit(&[*commit], desk.clock.now()).await.unwrap();
        if status == "FAIL" {
            desk.admit_of_one_order("R2").await;
        }
    }
    // R2 is of that order, R3 is not.
    desk.clock.advance(3_600_000);
    let claim = desk.claim().await;
    assert_eq!((claim.lease.refund_no.as_str(), claim.cleared_at), ("R2", None));
    let Done::Step(commit) = desk.handler.handle(claim).await.unwrap() else { panic!("parked") };
    assert_eq!(commit.record.state.kind(), StateKind::Parked);
    desk.ledger.commit(&[*commit], desk.clock.now()).await.unwrap();
    desk.admit("R3").await;
    let claim = desk.claim().await;
    assert_eq!((claim.lease.refund_no.as_str(), claim.cleared_at), ("R3", None));
    assert_eq!(desk.handle(claim).await, Left::Sent { asked: 1 });
}
