//! What may happen next in a world, and what must always hold there.

use refundd::domain::StateKind;
use refundd::domain::state::Outcome;
use stateright::{Model, Property};

use super::gateway::{Fate, Money, Repeats};
use super::ledger::{Place, counts_absences, outcome};
use super::rules::Rule;
use super::system::{Network, System};
use super::world::{Act, Asked, Hold, Reply, Stage, World};

impl Model for System {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        for w in 0..self.workers {
            self.of_worker(world, w, acts);
        }
        for r in 0..self.amounts.len() {
            self.of_refund(world, r, acts);
        }
        self.of_gateway(world, acts);
        if self.write_loss && world.ledger.run == 0 {
            acts.push(if world.copy.is_none() { Act::Copy } else { Act::Restore });
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        self.perform(&mut next, act);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all: Vec<Property<Self>> = vec![
            Property::always(ONCE, Self::pays_once),
            Property::always(SUCCEEDED, Self::successes_are_true),
            Property::always(FINAL, |_, world: &World| world.told.iter().all(|told| !told.again)),
            Property::always(LEGAL, |_, world: &World| !world.illegal),
            Property::always(PAID, Self::keeps_to_what_was_paid),
            Property::sometimes("a refund succeeds", |_, world: &World| {
                world.told(Outcome::Succeeded)
            }),
            Property::sometimes("a refund fails", |_, world: &World| world.told(Outcome::Failed)),
            Property::sometimes("a refund is parked", |_, world: &World| {
                world.is_at(StateKind::Parked)
            }),
        ];
        // Beyond the window, absence proves nothing, and refundd promises nothing about it.
        if self.network == Network::WithinWindow {
            all.push(Property::always(FAILED, Self::failures_are_true));
            all.push(Property::always(ONE, Self::one_is_under_way));
        }
        if self.duplicates.is_certified() {
            all.push(Property::sometimes("a refund is sent again", |_, world: &World| {
                world.has_resent()
            }));
        }
        all
    }
}

/// At most one execution of a refund moves money.
pub(super) const ONCE: &str = "money moves at most once a refund";
/// A published success is in the book.
pub(super) const SUCCEEDED: &str = "a success is true";
/// Nothing of a published failure moves money, now or later.
pub(super) const FAILED: &str = "a failure is true";
/// Results are final.
pub(super) const FINAL: &str = "at most one final result a refund";
/// No worker meets an event that may not follow.
pub(super) const LEGAL: &str = "no worker meets an illegal transition";
/// The refunds of an order are at most what was paid.
pub(super) const PAID: &str = "no more goes back than was paid";
/// The gateway works on one refund of the order at a time.
pub(super) const ONE: &str = "one refund of an order is under way";

impl System {
    fn of_worker(&self, world: &World, w: usize, acts: &mut Vec<Act>) {
        let Some(hold) = &world.workers[w] else {
            let due = (0..self.amounts.len()).filter(|r| world.ledger.is_due(*r));
            acts.extend(due.map(|r| Act::Claim(w, r)));
            return;
        };
        acts.push(Act::Crash(w));
        let lease = world.ledger.entries[hold.refund].lease;
        if hold.fresh && lease.is_none_or(|lease| lease.fence != hold.fence) {
            acts.push(Act::TimeOver(w));
        }
        match hold.stage {
            Stage::Sending => {
                acts.push(Act::NotSent(w));
                if hold.fresh || !self.has(Rule::LookBeforeSend) {
                    acts.push(Act::Send(w));
                }
            }
            Stage::Calling => acts.push(Act::TimeOut(w)),
            Stage::Asking => {
                acts.extend([Asked::Book, Asked::Unsigned, Asked::Nothing].map(|a| Act::Ask(w, a)));
                if self.window_may_pass(world, hold.refund) {
                    acts.push(Act::Ask(w, Asked::Horizon));
                }
            }
            Stage::Done => acts.push(Act::Commit(w)),
        }
    }

    fn of_refund(&self, world: &World, r: usize, acts: &mut Vec<Act>) {
        let entry = &world.ledger.entries[r];
        if entry.place == Place::Outside {
            acts.push(Act::Admit(r));
        }
        if entry.lease.is_some_and(|lease| !lease.over) {
            acts.push(Act::LeaseOver(r));
        }
        if counts_absences(&entry.record) && !entry.waited && self.window_may_pass(world, r) {
            acts.push(Act::Window(r));
        }
    }

    fn of_gateway(&self, world: &World, acts: &mut Vec<Act>) {
        for (i, request) in world.gateway.wire.iter().enumerate() {
            acts.push(Act::Lose(i));
            let known = world.gateway.knows(*request);
            let fates: &[Fate] = match self.repeats {
                Repeats::Replays | Repeats::Rejects if known => &[Fate::Refused],
                Repeats::Replays | Repeats::Rejects | Repeats::Executes => {
                    &[Fate::Shown, Fate::Hidden, Fate::Refused]
                }
            };
            for fate in fates {
                acts.push(Act::Deliver(i, *fate, Reply::Lost));
                if request.caller.is_some() {
                    acts.push(Act::Deliver(i, *fate, Reply::Heard));
                    if known && self.repeats == Repeats::Rejects {
                        acts.push(Act::Deliver(i, *fate, Reply::HeardAsRefusal));
                    }
                }
                if !request.repeated && self.repeats != Repeats::Executes {
                    acts.push(Act::Deliver(i, *fate, Reply::Repeated));
                }
            }
        }
        for (i, line) in world.gateway.book.iter().enumerate() {
            if !line.shown {
                acts.push(Act::Show(i));
            } else if line.money == Money::Moving {
                // While it is hidden nobody can tell whether it is final.
                acts.extend([Act::Settle(i, true), Act::Settle(i, false)]);
            }
        }
    }

    /// Whether so much time may have passed as the account's window is long. A lease is shorter
    /// than that: nobody may still be about to send under an old one.
    fn window_may_pass(&self, world: &World, r: usize) -> bool {
        let may_send = world
            .workers
            .iter()
            .flatten()
            .any(|hold| hold.refund == r && hold.fresh && hold.stage == Stage::Sending);
        match self.network {
            Network::WithinWindow => world.gateway.is_quiet(r) && !may_send,
            Network::Unbounded => true,
        }
    }

    fn refunds(&self) -> std::ops::Range<usize> {
        0..self.amounts.len()
    }

    fn pays_once(&self, world: &World) -> bool {
        self.refunds().all(|r| world.gateway.effective(r) <= 1)
    }

    fn successes_are_true(&self, world: &World) -> bool {
        let out =
            |r| world.gateway.book.iter().any(|line| line.refund == r && line.money == Money::Out);
        self.refunds().all(|r| world.told[r].outcome != Some(Outcome::Succeeded) || out(r))
    }

    fn failures_are_true(&self, world: &World) -> bool {
        self.refunds().all(|r| {
            world.told[r].outcome != Some(Outcome::Failed)
                || world.gateway.effective(r) == 0 && !world.gateway.may_still_pay(r, self.repeats)
        })
    }

    fn keeps_to_what_was_paid(&self, world: &World) -> bool {
        let effective = |r: usize| world.gateway.effective(r).min(1) > 0;
        self.refunds().filter(|r| effective(*r)).map(|r| self.amounts[r]).sum::<u64>() <= self.paid
    }

    fn one_is_under_way(&self, world: &World) -> bool {
        self.refunds().filter(|r| world.gateway.is_busy(*r, self.repeats)).count() <= 1
    }

    /// Whether every refund has come to its end or to a person; one that waits for a parked refund
    /// of its order has come to the same person.
    pub(super) fn is_over(world: &World) -> bool {
        let kind = |entry: &super::ledger::Entry| entry.record.state.kind();
        let parked = world.ledger.entries.iter().any(|entry| kind(entry) == StateKind::Parked);
        world.ledger.entries.iter().all(|entry| match entry.place {
            Place::Outside => false,
            Place::Rejected => true,
            Place::Waits => parked,
            Place::Open => outcome(&entry.record).is_some() || kind(entry) == StateKind::Parked,
        })
    }
}

impl World {
    fn told(&self, outcome: Outcome) -> bool {
        self.told.iter().any(|told| told.outcome == Some(outcome))
    }

    fn is_at(&self, kind: StateKind) -> bool {
        self.ledger.entries.iter().any(|entry| entry.record.state.kind() == kind)
    }

    fn has_resent(&self) -> bool {
        let again = |hold: &Hold| hold.stage == Stage::Calling && hold.record.tally.attempts > 1;
        self.workers.iter().flatten().any(again)
    }
}
