//! The model: a ledger, workers and a gateway, and everything that may happen next.
//!
//! Every decision about a refund is refundd's own: `next_step` says what a worker does, `advance`
//! what an answer makes of the record, `query_event` what a query proves, `OrderAccount` whose
//! turn it is. The model only chooses what happens, in every order. Time is a choice as well: a
//! lease runs out, the window passes, the horizon is reached.
//!
//! What is taken for granted: the last look at the lease and the first byte are one step (it may be the
//! worker's own claim, so lately that by its clock no lease can have run out since); in a
//! network [`Network::WithinWindow`] whatever was sent arrives and is shown within the window.

use refundd::domain::answer::{query_event, set_aside};
use refundd::domain::order::{OrderAccount, Turn};
use refundd::domain::policy::{Duplicates, PollPolicy, UnknownPolicy};
use refundd::domain::state::ParkCause;
use refundd::domain::step::{ClaimFacts, Step, advance, next_step};
use refundd::domain::{Event, Grade, Policy, RefundRecord, StateKind, UnixMillis};

use super::gateway::{Fate, Gateway, Money, Repeats, Request, Said, refusal, unsigned_success};
use super::ledger::{Entry, Lease, Ledger, Mark, Place, Printed, Record, normal, outcome};
use super::rules::Rule;
use super::world::{Act, Asked, Hold, Reply, Stage, Told, World};
use crate::support::refunds::ask;

/// After how many lost leases in a row a refund is set aside.
const POISON: u32 = 2;

/// The horizon, on the clock where the window is 1.
const HORIZON: u64 = 1_000;

/// How late what was sent may arrive, and what arrived may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// Within the window that the account's policy names.
    WithinWindow,
    /// At any time.
    Unbounded,
}

/// What is explored: which gateway, which policy, how many of everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct System {
    pub(super) repeats: Repeats,
    /// What the account says of its gateway.
    pub(super) duplicates: Duplicates,
    pub(super) network: Network,
    pub(super) workers: usize,
    /// The amounts of the refunds, all of one order.
    pub(super) amounts: &'static [u64],
    /// What was paid for the order.
    pub(super) paid: u64,
    /// Whether Redis may come back once as an older copy of itself.
    pub(super) write_loss: bool,
    /// The rule that is missing.
    pub(super) without: Option<Rule>,
}

impl System {
    pub(super) fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// The account's policy, with times on a clock of a few ticks.
    fn policy(&self) -> Policy {
        let usual = Policy::default();
        let window = self.has(Rule::AbsenceNeedsWindow);
        Policy {
            poll: PollPolicy { horizon_ms: HORIZON, ..usual.poll },
            unknown: UnknownPolicy {
                not_found_min: if window { 2 } else { 1 },
                visibility_ms: u64::from(window),
                resubmits_max: 1,
                ..usual.unknown
            },
            duplicates: if self.has(Rule::CertifiedBeforeResend) {
                self.duplicates
            } else {
                Duplicates::Replays
            },
            poison_max: POISON,
            ..usual
        }
    }

    /// The world in which nothing has happened. A refund that is alone is admitted already.
    pub(super) fn start(&self) -> World {
        let entry = |(i, cents): (usize, &u64)| Entry {
            record: record(i, *cents, self.paid),
            place: Place::Outside,
            lease: None,
            doubted: false,
            waited: false,
        };
        let ledger = Ledger {
            seq: 0,
            run: 0,
            entries: self.amounts.iter().enumerate().map(entry).collect(),
            order: Printed::new(OrderAccount::default()),
        };
        let mut world = World {
            ledger,
            copy: None,
            workers: vec![None; self.workers],
            gateway: Gateway::default(),
            told: vec![Told::default(); self.amounts.len()],
            illegal: false,
        };
        if let [_] = self.amounts {
            self.admit(&mut world, 0);
        }
        world
    }

    /// What `event` at `at` makes of the refund that worker `w` holds.
    fn learn(&self, world: &mut World, w: usize, event: &Event, at: u64) {
        let Some(hold) = &mut world.workers[w] else { return };
        let at = i64::try_from(at).unwrap();
        let after = |record: &RefundRecord, event: &Event, at: i64| {
            advance(record.clone(), event, UnixMillis::new(at), &self.policy())
        };
        let mut advanced = after(&hold.record, event, at);
        if !self.has(Rule::RefusalConfirmed) && matches!(event, Event::SubmitRefused(_)) {
            let unasked = Event::NotFound { note: String::new() };
            for later in [0, 1] {
                advanced = advanced.and_then(|before| {
                    let refused = before.record.state.kind() == StateKind::Refused;
                    if refused { after(&before.record, &unasked, at + later) } else { Ok(before) }
                });
            }
        }
        if let Ok(advanced) = advanced {
            hold.record = normal(advanced.record);
            hold.stage = Stage::Done;
        } else {
            world.illegal = true;
            world.workers[w] = None;
        }
    }

    fn admit(&self, world: &mut World, refund: usize) {
        let mut order = OrderAccount::clone(&world.ledger.order);
        let asked = &world.ledger.entries[refund].record.refund;
        let paid = asked.order.paid.filter(|_| self.has(Rule::Reservation));
        let turn = order.reserve(&asked.refund_no, asked.amount, paid, UnixMillis::new(0));
        world.ledger.seq += 1;
        world.ledger.entries[refund].place = match turn {
            Ok(Turn::Waits) if self.has(Rule::OneInFlight) => Place::Waits,
            Ok(_) => Place::Open,
            Err(_) => Place::Rejected,
        };
        world.ledger.order = Printed::new(order);
    }

    /// As `claim.lua` and the reading of a lease.
    fn claim(&self, world: &mut World, w: usize, refund: usize) {
        let fence = world.ledger.next_fence();
        let entry = &mut world.ledger.entries[refund];
        let unsent = entry.record.state.kind() == StateKind::Requested;
        let (mark, crashes) = match entry.lease {
            None if unsent => (Mark::Intent, 0),
            None => (Mark::Query, 0),
            Some(lease) => (
                match lease.mark {
                    Mark::Query => Mark::Query,
                    Mark::Intent if !self.has(Rule::LostIntentIsMaybeSent) => Mark::Intent,
                    Mark::Intent | Mark::Lost => Mark::Lost,
                },
                POISON.min(lease.crashes + 1),
            ),
        };
        // Every refund is as old as the loss of writes, if there was one.
        let lost_at = entry.doubted && self.has(Rule::AskAfterWriteLoss);
        let lost_at = lost_at.then_some(UnixMillis::new(0));
        entry.lease = Some(Lease { fence, mark, crashes, over: false });
        let mut record = entry.record.clone();
        if let Some(lost_at) = lost_at {
            let mut believed = RefundRecord::clone(&record);
            believed.state = believed.state.without_absences_before(lost_at);
            record = normal(believed);
        }
        if mark != Mark::Query && unsent {
            let at = UnixMillis::new(0);
            match advance((*record).clone(), &Event::SubmitStarted, at, &self.policy()) {
                Ok(advanced) => record = normal(advanced.record),
                Err(_) => world.illegal = true,
            }
        }
        let facts = ClaimFacts { intent_lost: mark == Mark::Lost, crashes, lost_at };
        let step = next_step(&record, facts, &self.policy());
        let parked = record.state.kind() == StateKind::Parked;
        let stage = if step == Step::Submit { Stage::Sending } else { Stage::Asking };
        world.workers[w] = Some(Hold { refund, fence, record, fresh: true, stage });
        match step {
            Step::Submit | Step::Query => {}
            Step::Recover => self.learn(world, w, &unknown(), 0),
            Step::Doubt => {
                let event = Event::WritesLost { note: String::new() };
                self.learn(world, w, &event, 0);
            }
            Step::SetAside if parked => self.learn(world, w, &no_answer(), 0),
            Step::SetAside => {
                let event = set_aside(ParkCause::Poison, String::new(), UnixMillis::new(0));
                self.learn(world, w, &event, 0);
            }
            // Left to its lease.
            Step::Nothing => world.workers[w] = None,
        }
    }

    fn ask(&self, world: &mut World, w: usize, asked: Asked) {
        let Some(hold) = &world.workers[w] else { return };
        let refund = hold.refund;
        let waited = u64::from(world.ledger.entries[refund].waited);
        let found = match asked {
            Asked::Nothing => return self.learn(world, w, &no_answer(), waited),
            Asked::Horizon => return self.learn(world, w, &no_answer(), HORIZON),
            Asked::Book => {
                let records: Vec<_> = world.ledger.entries.iter().map(|e| &*e.record).collect();
                let mut found = world.gateway.answer(&records, refund);
                if !self.has(Rule::OwnLines) {
                    let no = hold.record.refund.refund_no.as_str();
                    found.lines.truncate(1);
                    no.clone_into(&mut found.lines[0].refund_no);
                }
                found
            }
            Asked::Unsigned => {
                let mut found = unsigned_success(&hold.record);
                if !self.has(Rule::SignedEvidence) {
                    found.grade = Grade::A;
                }
                found
            }
        };
        let event = query_event(&hold.record, &found, UnixMillis::new(0));
        self.learn(world, w, &event, waited);
    }

    fn commit(&self, world: &mut World, w: usize) {
        let Some(hold) = world.workers[w].take() else { return };
        if !self.may_write(&world.ledger, &hold) {
            return;
        }
        if let Some(end) = outcome(&hold.record) {
            let told = &mut world.told[hold.refund];
            told.again |= told.outcome.is_some();
            told.outcome = Some(end);
        }
        world.ledger.store(hold.refund, hold.record);
    }

    /// The fence: the lease's counter, and that Redis still is in the run that gave it out.
    fn may_write(&self, ledger: &Ledger, hold: &Hold) -> bool {
        let is_holder = ledger.entries[hold.refund].lease.is_some_and(|l| l.fence == hold.fence);
        let is_of_today = hold.fence.run == ledger.run || !self.has(Rule::FenceOfThisRun);
        (is_holder && is_of_today) || !self.has(Rule::FenceAtCommit)
    }

    /// Sends home whoever can neither send any more nor write what it learns: it makes no
    /// difference any longer, and the model is the smaller for it.
    fn dismiss(&self, world: &mut World) {
        for w in 0..self.workers {
            let Some(hold) = &world.workers[w] else { continue };
            let may_send =
                hold.stage == Stage::Sending && (hold.fresh || !self.has(Rule::LookBeforeSend));
            let copy = world.copy.iter().filter(|_| !self.has(Rule::FenceOfThisRun));
            let mut ledgers = std::iter::once(&world.ledger).chain(copy);
            if !may_send && !ledgers.any(|ledger| self.may_write(ledger, hold)) {
                world.workers[w] = None;
                world.forget_caller(w);
            }
        }
    }

    fn deliver(&self, world: &mut World, at: usize, fate: Fate, reply: Reply) {
        let request = world.gateway.wire.remove(at);
        let said = world.gateway.handle(request, fate, self.repeats);
        if reply == Reply::Repeated {
            world.gateway.wire.push(Request { repeated: true, ..request });
            return;
        }
        let (Some(w), false) = (request.caller, reply == Reply::Lost) else {
            // The worker goes on waiting, for nothing.
            return;
        };
        let listed = if self.has(Rule::ExistsIsNoRefusal) { Grade::B } else { Grade::A };
        let event = match said {
            Said::Accepted => Event::Accepted { gateway_refund_no: None },
            Said::Refused => Event::SubmitRefused(refusal(Grade::A)),
            Said::Exists if reply == Reply::HeardAsRefusal => Event::SubmitRefused(refusal(listed)),
            Said::Exists => unknown(),
        };
        self.learn(world, w, &event, 0);
    }

    /// The world after `act`.
    pub(super) fn perform(&self, world: &mut World, act: Act) {
        match act {
            Act::Admit(r) => self.admit(world, r),
            Act::Claim(w, r) => self.claim(world, w, r),
            Act::Crash(w) => {
                world.workers[w] = None;
                world.forget_caller(w);
            }
            Act::LeaseOver(r) => self.lease_over(world, r),
            Act::TimeOver(w) => world.with_hold(w, |hold| hold.fresh = false),
            Act::Send(w) => self.send(world, w),
            Act::NotSent(w) => self.learn(world, w, &not_sent(), 0),
            Act::TimeOut(w) => {
                world.forget_caller(w);
                let is_unknown = self.has(Rule::UnknownMeansQuery);
                self.learn(world, w, &if is_unknown { unknown() } else { not_sent() }, 0);
            }
            Act::Ask(w, asked) => self.ask(world, w, asked),
            Act::Commit(w) => self.commit(world, w),
            Act::Deliver(i, fate, reply) => self.deliver(world, i, fate, reply),
            Act::Lose(i) => drop(world.gateway.wire.remove(i)),
            Act::Show(i) => world.gateway.book[i].shown = true,
            Act::Settle(i, out) => {
                world.gateway.book[i].money = if out { Money::Out } else { Money::Back };
            }
            Act::Window(r) => world.ledger.entries[r].waited = true,
            Act::Copy => world.copy = Some(world.ledger.clone()),
            Act::Restore => {
                if let Some(copy) = world.copy.take() {
                    world.ledger = copy.restored();
                    world.unread_what_was_lost();
                }
            }
        }
        self.dismiss(world);
        world.tidy();
    }

    fn send(&self, world: &mut World, w: usize) {
        let Some(hold) = &mut world.workers[w] else { return };
        hold.stage = Stage::Calling;
        let resend = hold.record.tally.attempts > 1;
        world.gateway.wire.push(Request {
            refund: hold.refund,
            minted: resend && !self.has(Rule::SameNumber),
            caller: Some(w),
            repeated: false,
        });
    }

    fn lease_over(&self, world: &mut World, refund: usize) {
        let lease = &mut world.ledger.entries[refund].lease;
        let Some(over) = *lease else { return };
        let forgets = over.mark != Mark::Query && !self.has(Rule::IntentBeforeBytes);
        *lease = (!forgets).then_some(Lease { over: true, ..over });
        for hold in world.workers.iter_mut().flatten() {
            if hold.refund == refund && hold.fence == over.fence {
                hold.fresh = false;
            }
        }
    }
}

fn unknown() -> Event {
    Event::AnswerUnknown { note: String::new() }
}

fn no_answer() -> Event {
    Event::NoAnswer { note: String::new(), retry_after_ms: None }
}

fn not_sent() -> Event {
    Event::NotSent { note: String::new(), retry_after_ms: None }
}

/// The `i`-th refund of the order as admitted.
fn record(i: usize, cents: u64, paid: u64) -> Record {
    let asked = ask(&format!("R{}", i + 1)).cents(cents).of_order("P1").paid(paid);
    normal(asked.admitted_at(UnixMillis::new(0)).admission().record)
}
