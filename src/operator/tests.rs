//! What people do, over the ledger in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use serde_json::Value;

use super::rules::{Place, Resolution, Verdict, judge};
use super::*;
use crate::domain::answer::set_aside;
use crate::domain::policy::Duplicates;
use crate::domain::refund::tests::admitted;
use crate::domain::state::{Event, Outcome, ParkCause, RefundState, StateKind, apply};
use crate::domain::{AmountCents, Evidence, Grade, RefundRecord, Source};
use crate::ledger::MemoryLedger;
use crate::ports::ManualClock;
use crate::ports::figures::Bin;
use crate::ports::ledger::{Admission, Admitted, Clearance, Cleared, Commit};

const T0: UnixMillis = UnixMillis::new(1_700_000_000_000);
const RESOLVE_FAILED: Action = Action::Resolve(Resolution::Failed);
const RESOLVE_SUCCEEDED: Action = Action::Resolve(Resolution::Succeeded);

fn no(text: &str) -> RefundNo {
    RefundNo::parse(text).unwrap()
}

fn gateway(name: &str) -> GatewayName {
    GatewayName::parse(name).unwrap()
}

fn by() -> Decision {
    Decision { who: "ann".to_owned(), reason: " called the bank ".to_owned() }
}

fn policy() -> Policy {
    Policy { duplicates: Duplicates::Rejects, order_gap_ms: 0, ..Policy::default() }
}

fn accounts() -> BTreeMap<AccountName, Terms> {
    let terms = Terms { policy: policy(), gateway: gateway("gw-now") };
    BTreeMap::from([(AccountName::parse("shop").unwrap(), terms)])
}

fn unknown() -> Event {
    Event::AnswerUnknown { note: "timeout".to_owned() }
}

fn no_answer() -> Event {
    Event::NoAnswer { note: "502".to_owned(), retry_after_ms: None }
}

fn parked() -> Event {
    set_aside(ParkCause::Discrepancy, "499 of 500".to_owned(), T0)
}

fn succeeded() -> Event {
    let evidence = Evidence { grade: Grade::A, source: Source::Query, at: T0 };
    Event::Succeeded { evidence, lines: Vec::new() }
}

fn failed() -> Event {
    let evidence = Evidence { grade: Grade::A, source: Source::Query, at: T0 };
    Event::Failed { evidence, lines: Vec::new() }
}

/// A desk and the ledger behind it.
struct Room {
    ledger: Arc<MemoryLedger>,
    desk: Desk,
}

impl Room {
    fn open() -> Self {
        let ledger = Arc::new(MemoryLedger::new());
        let clock = Arc::new(ManualClock::new(T0));
        let desk = Desk::new(ledger.clone(), clock, accounts());
        Self { ledger, desk }
    }

    /// Takes in a refund over `cents` of order `P1`, of which 10.00 was paid.
    async fn admit(&self, refund_no: &str, cents: u64) -> Admitted {
        let mut record = admitted(refund_no, cents, T0);
        record.refund.order.paid = Some(AmountCents::new(1_000).unwrap());
        let admission = Admission { record, due_at: T0, entry: None };
        self.ledger.admit(&[admission], T0).await.unwrap().remove(0)
    }

    /// A refund `R1` over 5.00 to which `events` have happened.
    async fn after(events: &[Event]) -> Self {
        let room = Self::open();
        assert_eq!(room.admit("R1", 500).await, Admitted::New);
        if !events.is_empty() {
            happen(&room.ledger, events).await;
        }
        room
    }

    async fn record(&self) -> RefundRecord {
        self.desk.look(&no("R1")).await.unwrap().record
    }

    async fn act(&self, action: Action, expected: Option<u32>) -> Result<Done, ActError> {
        self.desk.act(&Asked { refund_no: no("R1"), action, by: by(), expected }).await
    }

    /// The last result.
    fn published(&self) -> Value {
        serde_json::from_str(&self.ledger.results().last().unwrap().json).unwrap()
    }

    /// The refunds that a worker would be given now.
    async fn claims(&self) -> Vec<(String, StateKind)> {
        let claims = self.ledger.claim(10, T0, T0.plus(1_000)).await.unwrap().claims;
        let seen =
            |record: &RefundRecord| (record.refund.refund_no.to_string(), record.state.kind());
        claims.iter().map(|claim| seen(&claim.record)).collect()
    }

    /// What was written since: results and audit lines.
    fn written(&self) -> (usize, usize) {
        (self.ledger.results().len(), self.ledger.audit().len())
    }
}

/// A worker takes the refund that is due, or `R1` if none is, and stores what happened to it.
async fn happen(ledger: &MemoryLedger, events: &[Event]) {
    ledger.nudge(&[no("R1")], T0).await.unwrap();
    let claim = ledger.claim(1, T0, T0.plus(1_000)).await.unwrap().claims.remove(0);
    let from = Bin::of(&claim.record);
    let (mut record, mut plan, mut result) = (claim.record, Plan::Due(T0), None);
    for event in events {
        let then = advance(record, event, T0, &policy()).unwrap();
        (record, plan) = (then.record, then.plan);
        result = if then.publish { result_of(&record, &gateway("gw-now")) } else { result };
    }
    let commit = Commit { lease: claim.lease, from, record, plan, result, order: None };
    ledger.commit(&[commit], T0).await.unwrap();
}

/// One record of every state, and of every way to end.
fn every_place() -> Vec<RefundRecord> {
    let sent = [Event::SubmitStarted, unknown()];
    let by = by();
    let resends = [&sent[..], &[Event::ResubmitCleared]].concat();
    let abandoned = Event::Abandoned { at: T0, by };
    [
        vec![],
        resends,
        vec![Event::SubmitStarted],
        sent.to_vec(),
        vec![Event::SubmitStarted, Event::Accepted { gateway_refund_no: None }],
        vec![
            Event::SubmitStarted,
            Event::SubmitRefused(crate::domain::state::Refusal {
                code: "NO".to_owned(),
                message: String::new(),
                grade: Grade::A,
            }),
        ],
        [&sent[..], &[parked()]].concat(),
        [&sent[..], &[succeeded()]].concat(),
        [&sent[..], &[failed()]].concat(),
        [&sent[..], std::slice::from_ref(&abandoned)].concat(),
        vec![abandoned],
    ]
    .into_iter()
    .map(|events| {
        events.iter().fold(admitted("R1", 500, T0), |record, event| {
            advance(record, event, T0, &policy()).unwrap().record
        })
    })
    .collect()
}

#[test]
fn every_action_at_every_place_is_allowed_or_refused_as_listed() {
    use Outcome::{Failed, GivenUp, Succeeded, Withdrawn};
    // check, release, resolve succeeded, resolve failed, abandon
    let rules = [
        (Place::Unsent, "no no no no go"),
        (Place::Doubted, "no no no no no"),
        (Place::Resends, "no no no no go"),
        (Place::Submitting, "busy busy busy busy busy"),
        (Place::Open, "go no go go go"),
        (Place::Parked, "go go go go go"),
        (Place::Ended(Succeeded), "go no no go no"),
        (Place::Ended(Failed), "go no go no no"),
        (Place::Ended(Withdrawn), "go no go no no"),
        (Place::Ended(GivenUp), "go no go go no"),
    ];
    for (place, expected) in rules {
        let word = |action: &Action| match judge(place, *action) {
            Verdict::Go => "go",
            Verdict::Busy => "busy",
            Verdict::No(_) => "no",
        };
        let found: Vec<_> = Action::ALL.iter().map(word).collect();
        assert_eq!(found.join(" "), expected, "{place:?}");
    }
    let places = every_place();
    assert!(places.iter().all(|record| {
        let place = Place::of(record, None);
        rules.iter().any(|(listed, _)| *listed == place)
    }));
}

#[test]
fn what_the_rules_allow_is_legal_in_the_machine_and_what_they_refuse_is_explained() {
    let records = every_place();
    let kinds = records.iter().map(|record| record.state.kind());
    let kinds: std::collections::BTreeSet<_> = kinds.collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), StateKind::ALL, "every state is tried");
    for (record, lost_at) in records.into_iter().flat_map(|r| [(r.clone(), None), (r, Some(T0))]) {
        for action in Action::ALL.iter().copied() {
            match (judge(Place::of(&record, lost_at), action), action.event(T0, by())) {
                (Verdict::Go, Some(event)) => {
                    apply(record.state.clone(), &event).expect("the machine has this edge");
                }
                (Verdict::No(why), _) => {
                    assert!(why.len() > 20 && !why.ends_with('.'), "{action:?}: {why}");
                }
                (Verdict::Go, None) | (Verdict::Busy, _) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_refund_that_redis_may_have_lost_the_send_of_is_not_withdrawn_before_it_was_asked_about()
{
    let room = Room::after(&[]).await;
    room.ledger.lose_writes_since(room.ledger.backup(), T0);
    let before = room.record().await;
    for action in Action::ALL.iter().copied() {
        let refused = room.act(action, None).await.unwrap_err();
        assert!(matches!(refused, ActError::NotAllowed { .. }), "{action:?}");
        assert!(refused.to_string().contains("Redis may have lost that it was sent"), "{refused}");
    }
    let seen = room.desk.look(&no("R1")).await.unwrap();
    assert!(room.desk.intent(&seen, Action::Abandon).is_err());
    assert_eq!((room.record().await, room.written()), (before, (0, 0)));
    // What was pushed after the loss is not doubted, and what was asked about is withdrawn or given up.
    let mut record = admitted("R2", 100, T0.plus(1));
    record.refund.order = room.record().await.refund.order;
    let late = Admission { record, due_at: T0, entry: None };
    room.ledger.admit(&[late], T0.plus(1)).await.unwrap();
    let asked = Asked { refund_no: no("R2"), action: Action::Abandon, by: by(), expected: None };
    assert_eq!(room.desk.act(&asked).await.unwrap().change, "requested -> settled (withdrawn)");
    happen(&room.ledger, &[Event::WritesLost { note: "lost".to_owned() }]).await;
    let done = room.act(Action::Abandon, None).await.unwrap();
    assert_eq!(done.change, "unconfirmed -> settled (given_up)");
}

#[tokio::test]
async fn what_was_seen_before_a_loss_of_writes_is_not_acted_on() {
    let room = Room::after(&[]).await;
    let seen = room.desk.look(&no("R1")).await.unwrap();
    let act = room.desk.decide(seen, Action::Abandon, &by(), T0).unwrap();
    room.ledger.lose_writes_since(room.ledger.backup(), T0);
    assert_eq!(room.ledger.act(&act, T0).await.unwrap(), Acted::Changed);
    assert_eq!(room.record().await.state.kind(), StateKind::Requested);
}

#[tokio::test]
async fn a_released_refund_is_asked_about_before_anything_else() {
    let room = Room::after(&[unknown(), parked()]).await;
    let (seen, written) = (room.record().await, room.written());
    let done = room.act(Action::Release, Some(seen.tally.revision)).await.unwrap();
    assert_eq!((done.change.as_str(), done.event_id), ("parked -> unconfirmed", None));
    assert_eq!(done.version, seen.tally.revision + 1);
    assert!(done.next.starts_with("The gateway is asked first"), "{}", done.next);
    let stored = room.desk.look(&no("R1")).await.unwrap();
    assert!(stored.due_at.unwrap() <= T0.plus(policy().unknown.first_query_ms * 2));
    assert_eq!(room.written(), (written.0, written.1 + 1));
    let line = room.ledger.audit().pop().unwrap();
    let audit = (line.action, line.subject.as_str(), line.who.as_str(), line.reason.as_str());
    assert_eq!(audit, ("release", "R1", "ann", "called the bank"));
    assert_eq!(line.change, "parked -> unconfirmed");
    let again = room.act(Action::Release, Some(seen.tally.revision)).await.unwrap_err();
    let stale = "refund R1 is at version 4, not 3: look at it again first";
    assert_eq!(again.to_string(), stale);
    let again = room.act(Action::Release, None).await.unwrap_err();
    assert!(matches!(again, ActError::NotAllowed { .. }), "{again}");
    assert_eq!(room.written(), (written.0, written.1 + 1), "nothing was written");
    assert_eq!(room.claims().await, [], "nothing is due before the first query");
}

#[tokio::test]
async fn a_refund_resolved_as_failed_publishes_the_next_version_and_frees_its_amount() {
    let room = Room::after(&[unknown(), parked()]).await;
    assert!(matches!(room.admit("R2", 600).await, Admitted::OverRefund { .. }));
    let done = room.act(RESOLVE_FAILED, None).await.unwrap();
    assert_eq!(done.change, "parked -> settled (failed)");
    assert_eq!(done.event_id.as_deref(), Some("R1.2.failed"));
    let result = room.published();
    assert_eq!((&result["version"], &result["outcome"]), (&2.into(), &"failed".into()));
    assert_eq!((&result["code"], &result["gateway"]), (&"resolved".into(), &"gw-now".into()));
    assert_eq!(result["evidence"]["source"], "operator");
    assert_eq!(result["message"], "by ann: called the bank");
    let written = room.written();
    let again = room.act(RESOLVE_FAILED, None).await.unwrap_err().to_string();
    assert!(again.contains("nothing to do"), "{again}");
    assert_eq!(room.written(), written);
    assert_eq!(room.admit("R2", 600).await, Admitted::New, "the amount is free");
}

#[tokio::test]
async fn a_refund_resolved_as_succeeded_keeps_its_amount_and_lets_its_order_go_on() {
    let room = Room::after(&[unknown(), parked()]).await;
    assert_eq!(room.admit("R2", 500).await, Admitted::Waiting);
    room.act(RESOLVE_SUCCEEDED, None).await.unwrap();
    assert_eq!(room.published()["outcome"], "succeeded");
    assert!(matches!(room.admit("R3", 1).await, Admitted::OverRefund { .. }));
    assert_eq!(room.claims().await, [("R2".to_owned(), StateKind::Submitting)]);
}

#[tokio::test]
async fn an_end_can_be_corrected_by_a_person_in_both_directions() {
    let room = Room::after(&[unknown(), parked()]).await;
    room.act(RESOLVE_FAILED, None).await.unwrap();
    room.act(RESOLVE_SUCCEEDED, None).await.unwrap();
    assert_eq!(room.published()["version"], 3);
    assert!(matches!(room.admit("R2", 600).await, Admitted::OverRefund { .. }), "held again");
    let done = room.act(RESOLVE_FAILED, None).await.unwrap();
    assert_eq!(done.event_id.as_deref(), Some("R1.4.failed"));
    assert_eq!(room.admit("R2", 600).await, Admitted::New);
}

#[tokio::test]
async fn an_abandoned_refund_that_may_have_been_sent_keeps_its_amount() {
    let room = Room::after(&[unknown(), parked()]).await;
    assert_eq!(room.admit("R2", 500).await, Admitted::Waiting);
    let done = room.act(Action::Abandon, None).await.unwrap();
    assert_eq!(done.change, "parked -> settled (given_up)");
    assert!(done.next.contains("does not cancel anything at the gateway"), "{}", done.next);
    let result = room.published();
    assert_eq!((&result["outcome"], &result["code"]), (&"parked".into(), &"abandoned".into()));
    assert!(matches!(room.admit("R3", 1).await, Admitted::OverRefund { .. }));
    assert_eq!(room.claims().await, [("R2".to_owned(), StateKind::Submitting)]);
    let again = room.act(Action::Abandon, None).await.unwrap_err().to_string();
    assert!(again.contains("abandoned already"), "{again}");
}

#[tokio::test]
async fn a_refund_abandoned_while_it_waits_is_never_sent_and_the_next_one_goes() {
    let room = Room::open();
    for refund_no in ["R0", "R1", "R2"] {
        room.admit(refund_no, 300).await;
    }
    let done = room.act(Action::Abandon, None).await.unwrap();
    assert_eq!(done.change, "requested -> settled (withdrawn)");
    assert_eq!(room.published()["outcome"], "rejected");
    let asked = Asked { refund_no: no("R0"), action: Action::Abandon, by: by(), expected: None };
    room.desk.act(&asked).await.unwrap();
    assert_eq!(room.claims().await, [("R2".to_owned(), StateKind::Submitting)]);
    assert_eq!(room.admit("R4", 700).await, Admitted::Waiting, "their amounts are free");
}

#[tokio::test]
async fn nothing_is_done_to_a_refund_that_a_worker_submits() {
    let room = Room::after(&[]).await;
    assert_eq!(room.claims().await, [("R1".to_owned(), StateKind::Submitting)]);
    for action in Action::ALL {
        let refused = room.act(*action, None).await.unwrap_err();
        assert!(matches!(refused, ActError::Busy(_)), "{action:?}: {refused}");
    }
    assert_eq!(room.written(), (0, 0));
}

#[tokio::test]
async fn a_refund_that_is_about_to_be_sent_again_can_be_kept_from_it_and_stays_reserved() {
    let room = Room::after(&[unknown(), Event::ResubmitCleared]).await;
    let done = room.act(Action::Abandon, None).await.unwrap();
    assert_eq!(done.change, "requested -> settled (given_up)");
    assert!(room.record().await.state.holds(), "it was sent before");
    let failed = room.act(RESOLVE_FAILED, None).await.unwrap();
    assert_eq!(failed.change, "settled (given_up) -> settled (failed)");
}

/// A clock that lets a worker have its way with `R1` whenever it is asked, some times.
#[derive(Debug)]
struct Meanwhile {
    ledger: Arc<MemoryLedger>,
    times: AtomicUsize,
    event: Event,
}

impl Clock for Meanwhile {
    fn now(&self) -> UnixMillis {
        let left =
            self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if left.is_ok() {
            let happened = happen(&self.ledger, std::slice::from_ref(&self.event)).now_or_never();
            happened.expect("the ledger in memory never waits");
        }
        T0
    }
}

impl Room {
    /// This room, but with a worker that comes in between reading and writing, some times.
    fn with_meanwhile(self, event: Event, times: usize) -> Self {
        let (ledger, times) = (self.ledger.clone(), AtomicUsize::new(times));
        let clock = Arc::new(Meanwhile { ledger, times, event });
        Self { desk: Desk::new(self.ledger.clone(), clock, accounts()), ledger: self.ledger }
    }
}

#[tokio::test]
async fn a_poll_that_comes_in_between_does_not_disturb_a_person() {
    let room = Room::after(&[unknown(), parked()]).await.with_meanwhile(no_answer(), TRIES - 1);
    let seen = room.record().await;
    let done = room.act(RESOLVE_FAILED, Some(seen.tally.revision)).await.unwrap();
    assert_eq!(done.change, "parked -> settled (failed)");
    let polls = u32::try_from(TRIES - 1).unwrap();
    assert_eq!(room.record().await.tally.polls, seen.tally.polls + polls, "no answer is lost");
    assert_eq!(room.ledger.audit().len(), 1);
}

#[tokio::test]
async fn polls_without_end_are_told_as_busy() {
    let room = Room::after(&[unknown(), parked()]).await.with_meanwhile(no_answer(), 1_000);
    let busy = room.act(RESOLVE_FAILED, None).await.unwrap_err();
    assert!(matches!(busy, ActError::Busy(_)), "{busy}");
    assert_eq!(room.ledger.audit().len(), 0);
}

#[tokio::test]
async fn an_end_that_comes_in_between_is_not_overwritten() {
    let room = Room::after(&[unknown(), parked()]).await.with_meanwhile(succeeded(), 1);
    let seen = room.record().await.tally.revision;
    let stale = room.act(RESOLVE_FAILED, Some(seen)).await.unwrap_err();
    assert!(matches!(stale, ActError::Stale { .. }), "{stale}");
    let RefundState::Settled(end) = room.record().await.state else { panic!("it has settled") };
    assert_eq!((end.outcome, end.evidence.source), (Outcome::Succeeded, Source::Query));
    assert_eq!(room.ledger.audit().len(), 0);
}

#[tokio::test]
async fn a_check_of_an_ended_refund_changes_nothing_and_has_the_gateway_asked_now() {
    let room = Room::after(&[unknown(), succeeded()]).await;
    let seen = room.record().await;
    let done = room.act(Action::Check, None).await.unwrap();
    assert_eq!(done.change, "settled (succeeded), asked again");
    assert_eq!((done.version, room.record().await), (seen.tally.revision, seen));
    assert_eq!(room.written(), (1, 1), "no result, one audit line");
    assert_eq!(room.claims().await, [("R1".to_owned(), StateKind::Settled)]);
    let unsent = Room::after(&[]).await.act(Action::Check, None).await.unwrap_err().to_string();
    assert!(unsent.contains("nothing has been sent"), "{unsent}");
}

#[tokio::test]
async fn who_and_why_must_be_said_and_legible() {
    let room = Room::after(&[unknown(), parked()]).await;
    let long = "x".repeat(REASON_MAX);
    for (who, reason, good) in [
        ("ann", "", false),
        ("ann", " \t ", false),
        ("ann", "two\nlines", false),
        ("ann", &format!("{long}x"), false),
        (" ", "why", false),
        (&"a".repeat(WHO_MAX + 1), "why", false),
        ("ann", long.as_str(), true),
    ] {
        let by = Decision { who: who.to_owned(), reason: reason.to_owned() };
        let pause = room.desk.pause(None, &by).await;
        assert_eq!(pause.is_ok(), good, "{who:?} {reason:?}");
        let asked = Asked { refund_no: no("R1"), action: Action::Check, by, expected: None };
        let done = room.desk.act(&asked).await;
        assert_eq!(done.is_ok(), good, "{who:?} {reason:?}");
    }
    assert_eq!(room.ledger.audit().len(), 2, "only what was good is written");
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let room = Room::open();
    let absent = room.act(Action::Check, None).await.unwrap_err();
    assert!(matches!(absent, ActError::NotFound(_)), "{absent}");
    let misspelt = room.desk.pause(Some("shpo"), &by()).await.unwrap_err().to_string();
    assert_eq!(misspelt, "the configuration has no account shpo, did you mean shop?");
    let strange = room.desk.resume(Some("Z Z"), &by(), None).await.unwrap_err().to_string();
    assert_eq!(strange, "the configuration has no account Z Z");
    assert_eq!(room.ledger.audit().len(), 0);
}

#[tokio::test]
async fn without_its_account_a_refund_is_resolved_under_its_own_gateway() {
    let room = Room::after(&[unknown(), parked()]).await;
    let clock = Arc::new(ManualClock::new(T0));
    let desk = Desk::new(room.ledger.clone(), clock, BTreeMap::new());
    let asked = Asked { refund_no: no("R1"), action: RESOLVE_FAILED, by: by(), expected: None };
    desk.act(&asked).await.unwrap();
    assert_eq!(room.published()["gateway"], "gw");
}

#[tokio::test]
async fn a_pause_holds_submits_until_it_is_taken_back_and_says_whether_it_is_new() {
    let room = Room::after(&[]).await;
    let first = room.desk.pause(Some("shop"), &by()).await.unwrap();
    assert_eq!((first.changed, first.paused.len()), (true, 1));
    let other = Decision { who: "bob".to_owned(), reason: "me too".to_owned() };
    let again = room.desk.pause(Some("shop"), &other).await.unwrap();
    assert_eq!((again.changed, again.paused[0].by.as_str()), (false, "ann"));
    let stored = room.desk.look(&no("R1")).await.unwrap();
    assert_eq!(next_of(&stored, &room.desk.pauses().await.unwrap()), "waits: submits are paused");
    let claim = room.ledger.claim(1, T0, T0.plus(1_000)).await.unwrap().claims.remove(0);
    let account = claim.record.refund.account.clone();
    let refund = &claim.record.refund;
    let order = (claim.record.order_scope.clone(), refund.order.clone());
    let ask = [Clearance { lease: claim.lease, account, order, daily: None }];
    assert_eq!(room.ledger.clear(&ask, T0).await.unwrap(), [Cleared::Paused]);
    // The pause of all is another one.
    assert!(!room.desk.resume(None, &by(), None).await.unwrap().changed);
    let resumed = room.desk.resume(Some("shop"), &by(), None).await.unwrap();
    assert_eq!((resumed.changed, resumed.paused.len()), (true, 0));
    assert_eq!(room.ledger.clear(&ask, T0).await.unwrap(), [Cleared::Go]);
    let actions: Vec<_> = room.ledger.audit().iter().map(|line| line.action).collect();
    assert_eq!(actions, ["pause", "resume"], "only what changed something is written");
}

#[tokio::test]
async fn what_left_the_configuration_while_it_was_paused_can_be_let_go() {
    let room = Room::open();
    room.desk.pause(Some("shop"), &by()).await.unwrap();
    let clock = Arc::new(ManualClock::new(T0));
    let desk = Desk::new(room.ledger.clone(), clock, BTreeMap::new());
    assert!(desk.resume(Some("shop"), &by(), None).await.unwrap().changed);
}

#[tokio::test]
async fn an_intent_names_the_money_and_writes_nothing() {
    let room = Room::after(&[unknown(), parked()]).await;
    let seen = room.desk.look(&no("R1")).await.unwrap();
    for action in [Action::Release, RESOLVE_FAILED, RESOLVE_SUCCEEDED, Action::Abandon] {
        let said = room.desk.intent(&seen, action).unwrap();
        let subject =
            format!("{} R1: 5.00 CAD to order P1 of account shop, now parked\n", action.as_str());
        assert!(said.starts_with(&subject), "{said}");
    }
    assert_eq!(room.written(), (1, 0), "the result of the parking only");
    let waits = Room::after(&[]).await;
    let seen = waits.desk.look(&no("R1")).await.unwrap();
    assert!(waits.desk.intent(&seen, Action::Release).is_err());
    let said = waits.desk.intent(&seen, Action::Abandon).unwrap();
    assert!(said.contains("withdrawn before anything was sent"), "{said}");
}

#[test]
fn a_release_says_whether_and_when_it_may_be_sent_again() {
    let mut record = admitted("R1", 500, T0);
    let says = |record: &RefundRecord, policy: &Policy| words::after_release(record, Some(policy));
    assert!(says(&record, &policy()).contains("It is sent only if the gateway does not know it"));
    record.tally.attempts = 1;
    let certified = says(&record, &policy());
    assert!(certified.contains("sent again, under the same number, only if"), "{certified}");
    assert!(certified.contains("in 3 answers over 600 s"), "{certified}");
    assert!(says(&record, &Policy::default()).contains("not sent again, because"));
    record.tally.attempts = policy().unknown.resubmits_max + 1;
    assert!(says(&record, &policy()).contains("as often as allowed"));
    assert!(words::after_release(&record, None).contains("no account shop"));
}
