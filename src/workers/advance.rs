//! One step of one refund: the only place that calls a gateway.
//!
//! What to do comes from [`next_step`], what an answer means from the ports, what it makes of the
//! refund from [`advance`]. This file carries out, and carries the answer to the ledger.
//!
//! Before the bytes of a submit leave: a turn at the limits, the clearance of the ledger (lease,
//! pause, daily limit), then a look at the clock. Whatever says no, the refund goes back as it was.
//! A claim clears what it leases, in the operation that records the intent; while that is fresh it is
//! worth as much as an answer to a question would be, and nobody is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::Instrument;

use super::clearance::{self, Clearances, day_of, next_day};
use super::errors::{query_error, submit_event, tell_of_forgery, tell_of_low_balance};
use super::limits::{Call, Held, Limits, Pass, Turn};
use super::{Parts, measure, others};
use crate::contract::result_of;
use crate::crash::{self, Point};
use crate::domain::answer::{query_event, set_aside};
use crate::domain::send::{MaySend, Sending, may_send};
use crate::domain::state::{Event, IllegalTransition, ParkCause, StateKind};
use crate::domain::step::{Advanced, Step, advance, defer, next_step};
use crate::domain::{GatewayName, Grade, UnixMillis};
use crate::ports::figures::Bin;
use crate::ports::ledger::{CLEARED_MS, Claim, Clearance, Cleared, Commit, Daily, Lease, PutBack};
use crate::ports::{Account, QueryAnswer};

/// How long a refund waits that the ledger would not clear, ms.
const NO_ANSWER_WAIT_MS: u64 = 1_000;

/// How long a refund waits whose account the configuration no longer has, ms.
const NO_ACCOUNT_WAIT_MS: u64 = 60_000;

/// How long the submits of an account wait that are paused, ms.
const NOT_CLEARED_WAIT_MS: u64 = 10_000;

/// The longest that a refund waits for the next day, ms: somebody may raise the daily limit.
const DAILY_WAIT_MAX_MS: u64 = 300_000;

/// The longest that a refund waits in its slot instead of going back, ms: less than a round trip
/// through the ledger is worth to anybody.
const PATIENCE_MS: u64 = 50;

/// What a worker does with a lease when it is done.
#[derive(Debug, Clone)]
pub enum Done {
    /// Something happened to the refund: it is stored.
    Step(Box<Commit>),
    /// Nothing did: it goes back as it was, and is looked at again later.
    Back(PutBack),
    /// Another worker decides from here, or the lease runs out by itself.
    Left,
}

impl Done {
    /// Nobody has acted on it: it goes back with its place among the due.
    pub(super) fn untouched(claim: Claim) -> Self {
        Self::Back(PutBack { lease: claim.lease, due_at: claim.due_at })
    }
}

/// Whether and when a submit may leave.
#[derive(Debug, PartialEq, Eq)]
enum Leave {
    Now,
    /// Not before then is it looked at again.
    At(UnixMillis),
    /// The lease is somebody else's.
    Lost,
    /// Never by a machine.
    Never(ParkCause, &'static str),
}

/// Takes claimed refunds one step further.
#[derive(Debug)]
pub struct Handler {
    parts: Parts,
    limits: Limits,
    clearances: Clearances,
    patience_ms: u64,
}

impl Handler {
    /// A handler over the given parts that needs no task beside it and never sleeps: whoever has to
    /// wait for a limit goes back at once.
    pub fn new(parts: Parts) -> Self {
        let limits = Limits::new(&parts.accounts, Arc::clone(&parts.traffic), parts.clock.now());
        Self { parts, limits, clearances: Clearances::Alone, patience_ms: 0 }
    }

    /// A handler among many that share the questions to the ledger and wait out short waits.
    pub(super) fn among_many(parts: Parts, questions: mpsc::Sender<clearance::Question>) -> Self {
        let clearances = Clearances::Together(questions);
        Self { clearances, patience_ms: PATIENCE_MS, ..Self::new(parts) }
    }

    /// Does what is next for the claimed refund.
    ///
    /// # Errors
    /// [`IllegalTransition`] is a defect of refundd; the refund is left to its lease.
    pub async fn handle(&self, mut claim: Claim) -> Result<Done, IllegalTransition> {
        let _held = measure::begun(&self.parts, &claim);
        if let Some(lost_at) = claim.facts.lost_at {
            claim.record.state = claim.record.state.without_absences_before(lost_at);
        }
        let Some(account) = self.parts.accounts.get(&claim.record.refund.account) else {
            return self.without_account(claim).map(Done::Step);
        };
        let step = next_step(&claim.record, claim.facts, &account.policy);
        let calls = matches!(step, Step::Submit | Step::Query);
        if calls && self.parts.clock.now().plus(account.longest_call_ms) >= claim.lease.until {
            // It has waited long for a free hand, or was stopped. A lease that ended under a call would let
            // another worker act meanwhile, and would count as a crash.
            return Ok(Done::untouched(claim));
        }
        match step {
            Step::Submit => self.submit(claim, account).await,
            Step::Query => self.query(claim, account).await,
            Step::Recover => {
                let note = "the worker that was submitting it is gone".to_owned();
                self.commit(claim, account, &Event::AnswerUnknown { note }).map(Done::Step)
            }
            Step::Doubt => {
                let note = "the ledger may have lost that it was sent".to_owned();
                self.commit(claim, account, &Event::WritesLost { note }).map(Done::Step)
            }
            Step::SetAside => self.set_aside(claim, account).map(Done::Step),
            Step::Nothing => Ok(Done::Left),
        }
    }

    /// Submits once. The claim has recorded the intent.
    async fn submit(&self, mut claim: Claim, account: &Account) -> Result<Done, IllegalTransition> {
        let hash = account.submitter.params_hash(&claim.record.refund);
        let (gateway, daily_cents) = (account.submitter.gateway(), account.daily_cents);
        let sending = Sending { hash, gateway, daily_cents };
        match may_send(&claim.record, sending, &account.policy) {
            MaySend::Yes => {}
            MaySend::Renew => {
                claim.record.params_hash = Some(hash);
                let note = "the parameters have changed since it was admitted".to_owned();
                let event = Event::NotSent { note, retry_after_ms: None };
                return self.commit(claim, account, &event).map(Done::Step);
            }
            MaySend::Never(cause, why) => return self.park_unsent(claim, account, (cause, why)),
        }
        let pass = match self.turn(Call::Submit, &claim, account).await {
            Ok(pass) => pass,
            Err(back) => return Ok(back),
        };
        crash::pass(Point::BeforeClearance);
        let clearance = self.clearance(&claim, account).await;
        if clearance != Leave::Now {
            self.limits.unsent(&pass, account, self.parts.clock.now());
        }
        match clearance {
            Leave::Now => {}
            Leave::At(due_at) => return Ok(Done::Back(PutBack { lease: claim.lease, due_at })),
            Leave::Lost => return Ok(Done::Left),
            Leave::Never(cause, why) => return self.park_unsent(claim, account, (cause, why)),
        }
        tracing::debug!(
            refund.no = %claim.lease.refund_no,
            gateway.name = %account.submitter.gateway(),
            attempt.no = claim.record.tally.attempts,
            amount_cents = claim.record.refund.amount.get(),
            "submitting"
        );
        crash::pass(Point::BeforeSend);
        let sending = account.submitter.submit(&claim.record.refund);
        let span = measure::submit_span(account, &claim.record);
        let answer = measure::submit(&self.parts, account, sending).instrument(span.clone()).await;
        crash::pass(Point::AfterSend);
        let at = self.parts.clock.now();
        self.limits.over(pass, Call::Submit, account, at);
        self.limits.heard(account, answer.as_ref().err(), at);
        let event = match answer {
            Ok(accepted) => Event::Accepted { gateway_refund_no: accepted.gateway_refund_no },
            Err(err) => {
                tell_of_low_balance(&self.limits, account, &err, at);
                tell_of_forgery(&claim.record, &err);
                submit_event(&err, at)
            }
        };
        span.record("refund.event", event.kind().as_str());
        self.commit(claim, account, &event).map(Done::Step)
    }

    /// A turn at the limits, after a short wait if that is enough.
    async fn turn(&self, call: Call, claim: &Claim, account: &Account) -> Result<Pass, Done> {
        let mut patience_ms = self.patience_ms;
        loop {
            let now = self.parts.clock.now();
            let due_at = match self.limits.turn(call, account, &claim.record, now) {
                Turn::Go(pass) => return Ok(pass),
                Turn::Wait(due_at) => due_at,
            };
            let wait_ms = due_at.since(now).max(1);
            measure::put_off(&self.parts, account, call);
            let Some(left_ms) = patience_ms.checked_sub(wait_ms) else {
                return Err(Done::Back(PutBack { lease: claim.lease.clone(), due_at }));
            };
            patience_ms = left_ms;
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// The last look before bytes leave: the lease is held in the ledger and long enough, and nobody
    /// has stopped the submits.
    async fn clearance(&self, claim: &Claim, account: &Account) -> Leave {
        let answer = if self.is_cleared(claim, account) {
            Some(Cleared::Go)
        } else {
            self.ask(claim, account).await
        };
        self.leave(claim, account, answer)
    }

    /// Whether the claim itself has cleared the submit, and so lately that nobody needs to be asked: the
    /// clearance was one operation with the intent, and is as fresh as an answer would be. Who has
    /// waited since, for a limit or because it was stopped, asks; a daily limit counts only when asked.
    fn is_cleared(&self, claim: &Claim, account: &Account) -> bool {
        let now = self.parts.clock.now();
        let fresh = |at: UnixMillis| at <= now && now.since(at) <= CLEARED_MS;
        account.daily_cents.is_none() && claim.cleared_at.is_some_and(fresh)
    }

    /// Asks the ledger.
    async fn ask(&self, claim: &Claim, account: &Account) -> Option<Cleared> {
        let (lease, refund) = (&claim.lease, &claim.record.refund);
        let amount = refund.amount;
        let today = |limit_cents| {
            let day = day_of(self.parts.clock.now());
            Daily { day, amount, limit_cents }
        };
        let question = Clearance {
            lease: lease.clone(),
            account: account.name.clone(),
            order: (claim.record.order_scope.clone(), refund.order.clone()),
            daily: account.daily_cents.map(today),
        };
        self.clearances.ask(&self.parts, question).await
    }

    /// What the ledger's word means for the submit, after a look at the clock.
    fn leave(&self, claim: &Claim, account: &Account, answer: Option<Cleared>) -> Leave {
        let (lease, amount) = (&claim.lease, claim.record.refund.amount);
        // Whoever was stopped for a while must not send: the lease must outlast the longest call.
        let now = self.parts.clock.now();
        match answer {
            Some(Cleared::Go) if now.plus(account.longest_call_ms) < lease.until => Leave::Now,
            Some(Cleared::Go) => Leave::At(claim.due_at),
            None => Leave::At(now.plus(NO_ANSWER_WAIT_MS)),
            Some(Cleared::Lost) => Leave::Lost,
            Some(Cleared::OverRefund) => Leave::Never(
                ParkCause::OverRefund,
                "its order would give back more than was paid: an earlier refund of it has moved money \
                 after all",
            ),
            Some(Cleared::Paused) => {
                if self.limits.tell(account, "paused", now) {
                    tracing::warn!(account = %account.name, "submits are paused; its refunds wait");
                }
                let hold = (Held::Paused, now.plus(NOT_CLEARED_WAIT_MS));
                Leave::At(self.limits.hold(account, &lease.refund_no, hold, now))
            }
            Some(Cleared::DailyLimit) => {
                if self.limits.tell(account, "daily limit", now) {
                    tracing::warn!(
                        account = %account.name,
                        daily_cents = account.daily_cents,
                        "it has sent what it may send today; its refunds wait"
                    );
                }
                let until = next_day(now).min(now.plus(DAILY_WAIT_MAX_MS));
                let hold = (Held::From(amount.get()), until);
                Leave::At(self.limits.hold(account, &lease.refund_no, hold, now))
            }
        }
    }

    /// Asks the gateway once.
    async fn query(&self, claim: Claim, account: &Account) -> Result<Done, IllegalTransition> {
        let pass = match self.turn(Call::Query, &claim, account).await {
            Ok(pass) => pass,
            Err(back) => return Ok(back),
        };
        crash::pass(Point::BeforeQuery);
        let asking = account.querier.query(&claim.record.refund);
        let span = measure::query_span(account, &claim.record);
        let answer = measure::query(&self.parts, account, asking).instrument(span.clone()).await;
        crash::pass(Point::AfterQuery);
        let at = self.parts.clock.now();
        self.limits.over(pass, Call::Query, account, at);
        let event = match answer {
            Ok(QueryAnswer::Found(found)) => {
                let event = query_event(&claim.record, &found, at);
                if claim.record.state.kind() != StateKind::Parked {
                    others::look_after(&self.parts, &claim.record, found);
                }
                event
            }
            Ok(QueryAnswer::NotFound { grade, note }) if grade >= Grade::B => {
                Event::NotFound { note }
            }
            Ok(QueryAnswer::NotFound { note, .. }) => {
                Event::NoAnswer { note, retry_after_ms: None }
            }
            Err(err) => query_error(&claim.record, &err, at),
        };
        span.record("refund.event", event.kind().as_str());
        self.commit(claim, account, &event).map(Done::Step)
    }

    /// Stops a refund whose handling has failed too often; one that is parked already is left alone
    /// until its next daily query, and one that has ended until somebody asks again.
    fn set_aside(&self, claim: Claim, account: &Account) -> Result<Box<Commit>, IllegalTransition> {
        let message = format!("handling it failed {} times in a row", claim.facts.crashes);
        let kind = claim.record.state.kind();
        let event = if kind == StateKind::Parked || kind == StateKind::Settled {
            Event::NoAnswer { note: message, retry_after_ms: None }
        } else {
            set_aside(ParkCause::Poison, message, self.parts.clock.now())
        };
        self.commit(claim, account, &event)
    }

    /// A refund whose account the configuration no longer has: nothing is sent, nothing concluded.
    fn without_account(&self, claim: Claim) -> Result<Box<Commit>, IllegalTransition> {
        let note = format!("the configuration has no account {}", claim.record.refund.account);
        tracing::error!(refund.no = %claim.record.refund.refund_no, "{note}");
        let event = match claim.record.state.kind() {
            StateKind::Submitting if claim.facts.intent_lost => Event::AnswerUnknown { note },
            StateKind::Submitting => Event::NotSent { note, retry_after_ms: None },
            StateKind::Requested
            | StateKind::Unconfirmed
            | StateKind::Refused
            | StateKind::Processing
            | StateKind::Parked
            | StateKind::Settled => Event::NoAnswer { note, retry_after_ms: None },
        };
        let (at, from) = (self.parts.clock.now(), Bin::of(&claim.record));
        let deferred = defer(claim.record, &event, at, NO_ACCOUNT_WAIT_MS)?;
        let scope = deferred.record.order_scope.clone();
        Ok(commit((claim.lease, from), deferred, &scope))
    }

    /// Stops a refund for a person whose submit has not left: no attempt was made.
    fn park_unsent(
        &self,
        claim: Claim,
        account: &Account,
        (cause, why): (ParkCause, &str),
    ) -> Result<Done, IllegalTransition> {
        let at = self.parts.clock.now();
        let not_sent = Event::NotSent { note: why.to_owned(), retry_after_ms: None };
        let record = defer(claim.record, &not_sent, at, 0)?.record;
        let event = set_aside(cause, why.to_owned(), at);
        self.commit(Claim { record, ..claim }, account, &event).map(Done::Step)
    }

    /// What `event` makes of the refund, ready for the ledger.
    fn commit(
        &self,
        claim: Claim,
        account: &Account,
        event: &Event,
    ) -> Result<Box<Commit>, IllegalTransition> {
        let (at, from) = (self.parts.clock.now(), Bin::of(&claim.record));
        let advanced = advance(claim.record, event, at, &account.policy)?;
        Ok(commit((claim.lease, from), advanced, account.submitter.gateway()))
    }
}

/// Everything that a step of a refund writes, in one commit.
fn commit(held: (Lease, Bin), advanced: Advanced, gateway: &GatewayName) -> Box<Commit> {
    let (lease, from) = held;
    let Advanced { record, plan, publish, order } = advanced;
    let result = if publish { result_of(&record, gateway) } else { None };
    Box::new(Commit { lease, from, record, plan, result, order })
}

#[cfg(test)]
#[path = "advance_tests.rs"]
mod tests;
