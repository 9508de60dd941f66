//! One step at a time, with a scripted gateway that counts its calls, over the ledger in memory.

use std::sync::Arc;

use tokio::sync::Notify;

use super::*;
use crate::domain::order::Reserve;
use crate::domain::policy::Duplicates;
use crate::domain::refund::ParamsHash;
use crate::domain::step::{ClaimFacts, Plan};
use crate::domain::{Policy, RefundNo, RefundRecord, RefundState};
use crate::ledger::MemoryLedger;
use crate::ports::ledger::{Committed, Pause};
use crate::ports::{Acceptance, Accounts, Clock, Ledger, ManualClock};
use crate::workers::script::{Script, accounts, admission, timeout};

const LEASE_MS: u64 = 20_000;
const LONGEST_CALL_MS: u64 = 18_000;

struct Desk {
    handler: Handler,
    gateway: Arc<Script>,
    ledger: Arc<MemoryLedger>,
    clock: Arc<ManualClock>,
}

impl Desk {
    /// One admitted refund `R1` over 5.00 of account `shop`.
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis::new(1_000_000)));
        let ledger = Arc::new(MemoryLedger::new());
        let gateway = Arc::new(Script::new());
        ledger.admit(&[admission("R1", clock.now())], clock.now()).await.unwrap();
        let parts = Parts {
            ledger: ledger.clone(),
            clock: clock.clone(),
            accounts: Arc::new(accounts(&gateway, LONGEST_CALL_MS)),
            wake: Arc::new(Notify::new()),
            ledger_away: Arc::default(),
            pulse: Arc::default(),
            traffic: Arc::default(),
        };
        Self { handler: Handler::new(parts), gateway, ledger, clock }
    }

    async fn claim(&self) -> Claim {
        let now = self.clock.now();
        let claims = self.ledger.claim(1, now, now.plus(LEASE_MS)).await.unwrap();
        claims.claims.into_iter().next().expect("a refund is due")
    }

    /// Handles the claim, commits what came of it, and moves the clock to its next due time.
    async fn handle(&self, claim: Claim) -> RefundRecord {
        let Done::Step(commit) = self.handler.handle(claim).await.unwrap() else {
            panic!("a step to store");
        };
        let stored = self.ledger.commit(&[(*commit).clone()], self.clock.now()).await.unwrap();
        assert_eq!(stored, [Committed::Stored]);
        if let Plan::Due(at) = commit.plan {
            self.clock.set(at);
        }
        commit.record
    }

    /// Sees the claim go back as it was, and moves the clock to when it is due again.
    async fn put_back(&self, claim: Claim) {
        let Done::Back(back) = self.handler.handle(claim).await.unwrap() else {
            panic!("it goes back");
        };
        self.ledger.put_back(std::slice::from_ref(&back), self.clock.now()).await.unwrap();
        self.clock.set(back.due_at);
    }

    async fn step(&self) -> RefundRecord {
        let claim = self.claim().await;
        self.handle(claim).await
    }
}

/// The one refund.
fn no() -> RefundNo {
    RefundNo::parse("R1").unwrap()
}

#[tokio::test]
async fn an_accepted_refund_is_polled_until_it_settles_and_published_once() {
    let desk = Desk::open().await;
    desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
    desk.gateway.query_answers("PROCESSING", 500);
    desk.gateway.query_answers("SUCCESS", 500);
    assert_eq!(desk.step().await.state.kind(), StateKind::Processing);
    assert_eq!(desk.step().await.state.kind(), StateKind::Processing);
    assert_eq!(desk.ledger.results(), []);
    assert_eq!(desk.step().await.state.kind(), StateKind::Settled);
    assert_eq!(desk.gateway.called(), ["submit", "query", "query"]);
    let results = desk.ledger.results();
    assert_eq!(results.len(), 1);
    assert_eq!((results[0].event_id.as_str(), results[0].outcome), ("R1.1.succeeded", "succeeded"));
}

#[tokio::test]
async fn a_timeout_is_queried_before_any_resend() {
    let desk = Desk::open().await;
    desk.gateway.submit_answers(Err(timeout()));
    desk.gateway.query_answers("SUCCESS", 500);
    assert_eq!(desk.step().await.state.kind(), StateKind::Unconfirmed);
    assert_eq!(desk.step().await.state.kind(), StateKind::Settled);
    assert_eq!(desk.gateway.called(), ["submit", "query"]);
}

#[tokio::test]
async fn a_worker_that_died_while_submitting_is_followed_by_a_query_never_by_a_submit() {
    let desk = Desk::open().await;
    let lost = desk.claim().await;
    assert_eq!(lost.record.state.kind(), StateKind::Submitting);
    drop(lost); // nobody ever hears of it again
    desk.clock.advance(LEASE_MS);
    let next = desk.claim().await;
    assert_eq!(next.facts, ClaimFacts { intent_lost: true, crashes: 1, lost_at: None });
    assert_eq!(desk.handle(next).await.state.kind(), StateKind::Unconfirmed);
    assert_eq!(desk.gateway.called(), Vec::<&str>::new());
    desk.gateway.query_answers("SUCCESS", 500);
    let record = desk.step().await;
    assert_eq!((record.state.kind(), record.tally.attempts), (StateKind::Settled, 1));
    assert_eq!(desk.gateway.called(), ["query"]);
}

#[tokio::test]
async fn a_query_that_waited_for_most_of_its_lease_goes_back_with_its_place_and_no_crash() {
    let desk = Desk::open().await;
    desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
    desk.step().await;
    let claim = desk.claim().await;
    let was_due_at = claim.due_at;
    desk.clock.advance(LEASE_MS - LONGEST_CALL_MS);
    let Done::Back(back) = desk.handler.handle(claim).await.unwrap() else {
        panic!("it goes back");
    };
    assert_eq!(back.due_at, was_due_at);
    desk.ledger.put_back(&[back], desk.clock.now()).await.unwrap();
    assert_eq!(desk.claim().await.facts, ClaimFacts::default());
    assert_eq!(desk.gateway.called(), ["submit"]);
}

#[tokio::test]
async fn a_worker_that_was_held_up_for_its_whole_lease_sends_nothing() {
    let desk = Desk::open().await;
    let claim = desk.claim().await;
    desk.clock.advance(LEASE_MS - LONGEST_CALL_MS); // a call begun now could outlast the lease
    desk.put_back(claim).await;
    assert_eq!(desk.gateway.called(), Vec::<&str>::new());
    let record = desk.ledger.find(&no()).await.unwrap().unwrap().record;
    assert_eq!((record.state.kind(), record.tally.attempts), (StateKind::Requested, 0));
    assert_eq!(record.history, [], "nothing has happened to it");
}

#[tokio::test]
async fn a_worker_that_wakes_after_its_lease_was_taken_over_sends_nothing() {
    let desk = Desk::open().await;
    let frozen = desk.claim().await;
    desk.clock.advance(LEASE_MS);
    let taken_over = desk.claim().await;
    let awake = desk.handler.handle(frozen.clone()).await.unwrap();
    assert!(!matches!(awake, Done::Step(_)), "by a clock that went on");
    // Its own clock stood still, too, from when the clearance of its claim was over.
    desk.clock.set(UnixMillis::new(1_000_000).plus(CLEARED_MS + 1));
    assert!(matches!(desk.handler.handle(frozen).await.unwrap(), Done::Left));
    assert_eq!(desk.gateway.called(), Vec::<&str>::new());
    desk.clock.advance(LEASE_MS);
    assert_eq!(desk.handle(taken_over).await.state.kind(), StateKind::Unconfirmed);
}

#[tokio::test]
async fn a_paused_refund_waits_without_an_attempt_and_is_still_asked_about() {
    let desk = Desk::open().await;
    let pause = Pause {
        account: None,
        who: "ann".to_owned(),
        reason: "drill".to_owned(),
        at: desk.clock.now(),
    };
    desk.ledger.pause(&pause).await.unwrap();
    let claim = desk.claim().await;
    desk.put_back(claim).await;
    assert_eq!(desk.gateway.called(), Vec::<&str>::new());
    desk.ledger.resume(&pause, None).await.unwrap();
    desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
    assert_eq!(desk.step().await.tally.attempts, 1);
    desk.ledger.pause(&pause).await.unwrap();
    desk.gateway.query_answers("SUCCESS", 500);
    assert_eq!(desk.step().await.state.kind(), StateKind::Settled);
    assert_eq!(desk.gateway.called(), ["submit", "query"]);
}

#[tokio::test]
async fn after_a_loss_of_writes_the_gateway_is_asked_before_the_first_submit() {
    let desk = Desk::open().await;
    let backup = desk.ledger.backup();
    desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
    desk.step().await; // sent, and then the ledger forgets it
    desk.ledger.lose_writes_since(backup, desk.clock.now());
    assert_eq!(desk.step().await.state.kind(), StateKind::Unconfirmed);
    desk.gateway.query_answers("SUCCESS", 500);
    let record = desk.step().await;
    assert_eq!((record.state.kind(), record.tally.attempts), (StateKind::Settled, 1));
    assert_eq!(desk.gateway.called(), ["submit", "query"]);
}

#[tokio::test]
async fn a_settled_refund_that_the_gateway_contradicts_is_corrected() {
    let desk = Desk::open().await;
    desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
    desk.step().await;
    desk.gateway.query_answers("FAIL", 500);
    desk.step().await;
    for (status, outcome) in
        [("FAIL", None), ("SUCCESS", Some("succeeded")), ("FAIL", Some("parked"))]
    {
        let before = desk.ledger.results().len();
        desk.ledger.nudge(&[no()], desk.clock.now()).await.unwrap();
        desk.gateway.query_answers(status, 500);
        desk.step().await;
        let new: Vec<&str> =
            desk.ledger.results()[before..].iter().map(|result| result.outcome).collect();
        assert_eq!(new, outcome.into_iter().collect::<Vec<_>>(), "{status}");
    }
    assert_eq!(desk.ledger.results().last().unwrap().event_id, "R1.3.parked");
}

#[tokio::test]
async fn a_late_commit_of_a_frozen_worker_is_refused() {
    let desk = Desk::open().await;
    let frozen = desk.claim().await;
    desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
    let Done::Step(late) = desk.handler.handle(frozen).await.unwrap() else { panic!() };
    desk.clock.advance(LEASE_MS);
    let taken_over = desk.claim().await;
    let stale = desk.ledger.commit(&[*late], desk.clock.now()).await.unwrap();
    assert_eq!(stale, [Committed::StaleFence]);
    assert_eq!(desk.handle(taken_over).await.state.kind(), StateKind::Unconfirmed);
}

#[tokio::test]
async fn changed_parameters_record_a_new_intent_before_the_first_send() {
    let desk = Desk::open().await;
    desk.gateway.hashes_to(2);
    let record = desk.step().await;
    assert_eq!(desk.gateway.called(), Vec::<&str>::new());
    assert_eq!(record.params_hash, Some(ParamsHash([2; 32])));
    desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
    assert_eq!(desk.step().await.state.kind(), StateKind::Processing);
}

#[tokio::test]
async fn a_resend_with_other_parameters_is_parked_and_not_sent() {
    let desk = Desk::open().await;
    desk.gateway.submit_answers(Err(timeout()));
    desk.step().await;
    let record = loop {
        desk.gateway.query_finds_nothing(Grade::B);
        let record = desk.step().await;
        if record.state.kind() == StateKind::Requested {
            break record;
        }
    };
    assert_eq!(record.tally.attempts, 1);
    desk.gateway.hashes_to(2);
    let record = desk.step().await;
    assert_eq!(record.state.kind(), StateKind::Parked);
    assert_eq!(record.tally.attempts, 1, "the second has not left");
    let submits = desk.gateway.called().iter().filter(|call| **call == "submit").count();
    assert_eq!(submits, 1);
    assert_eq!(desk.ledger.results()[0].outcome, "parked");
}

#[tokio::test]
async fn a_cleared_resend_is_looked_at_again_when_it_leaves() {
    let mut desk = Desk::open().await;
    desk.gateway.submit_answers(Err(timeout()));
    desk.step().await;
    loop {
        desk.gateway.query_finds_nothing(Grade::B);
        if desk.step().await.state.kind() == StateKind::Requested {
            break;
        }
    }
    // Meanwhile somebody has learnt that this gateway pays a number twice.
    let account = |account: &Account| {
        let policy = Policy { duplicates: Duplicates::Unknown, ..account.policy };
        Account { policy, ..account.clone() }
    };
    let accounts = desk.handler.parts.accounts.iter().map(account).collect::<Accounts>();
    let parts = Parts { accounts: Arc::new(accounts), ..desk.handler.parts.clone() };
    desk.handler = Handler::new(parts);
    let record = desk.step().await;
    assert_eq!((record.state.kind(), record.tally.attempts), (StateKind::Parked, 1));
    let submits = desk.gateway.called().iter().filter(|call| **call == "submit").count();
    assert_eq!(submits, 1);
}

#[tokio::test]
async fn absence_without_evidence_and_errors_are_no_absence() {
    let desk = Desk::open().await;
    desk.gateway.submit_answers(Err(timeout()));
    desk.step().await;
    for _ in 0..20 {
        desk.gateway.query_finds_nothing(Grade::C);
        desk.gateway.query_fails(timeout());
        desk.step().await;
        assert_eq!(desk.step().await.state.kind(), StateKind::Unconfirmed);
    }
}

#[tokio::test]
async fn a_refund_that_brings_down_its_workers_is_set_aside() {
    let desk = Desk::open().await;
    for _ in 0..3 {
        drop(desk.claim().await);
        desk.clock.advance(LEASE_MS);
    }
    let claim = desk.claim().await;
    assert_eq!(claim.facts.crashes, 3);
    let record = desk.handle(claim).await;
    let RefundState::Parked(parking) = &record.state else { panic!("{:?}", record.state) };
    assert_eq!(parking.cause, ParkCause::Poison);
    assert_eq!(desk.gateway.called(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_refund_of_a_forgotten_account_is_kept_and_nothing_is_sent() {
    let mut desk = Desk::open().await;
    let none = Parts { accounts: Arc::new(Accounts::default()), ..desk.handler.parts.clone() };
    desk.handler = Handler::new(none);
    let record = desk.step().await;
    assert_eq!((record.state.kind(), record.tally.attempts), (StateKind::Requested, 0));
    assert_eq!(desk.gateway.called(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_failure_frees_its_amount_and_a_success_does_not() {
    for (status, free) in [("FAIL", true), ("SUCCESS", false)] {
        let desk = Desk::open().await;
        desk.gateway.submit_answers(Ok(Acceptance { gateway_refund_no: None }));
        desk.step().await;
        desk.gateway.query_answers(status, 500);
        let claim = desk.claim().await;
        let Done::Step(commit) = desk.handler.handle(claim).await.unwrap() else { panic!() };
        let reserve = commit.order.unwrap().reserve;
        assert_eq!(matches!(reserve, Reserve::Free(_)), free, "{status}");
    }
}
