//! The limits of accounts and gateways: whether a call may be made now, and if not, when to come back.
//!
//! They hold in this process; what an account may send in a day, and whether it is paused, the
//! ledger says. Nothing here waits: a refund that has to is put back by its worker with the moment
//! that it is given here, so that its slot is free for refunds that may go.
//!
//! | file | does |
//! |---|---|
//! | `rate` | calls per second |
//! | `line` | who waits, and in which order they come back |
//!
//! A call takes its turn at every limit that it has, its account's and its gateway's, or at none.

mod line;
mod rate;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::breaker::{Ask, Breaker, BreakerPolicy};
use crate::domain::policy::CallLimits;
use crate::domain::{AccountName, GatewayName, RefundNo, RefundRecord, UnixMillis};
use crate::ports::{Account, Accounts, Certainty, GatewayError, Traffic};
use crate::telemetry::metrics;
use line::Line;
use rate::{Before, Rate};

/// How far apart refunds come back that wait for a breaker or until their account may send again, ms.
const SPREAD_MS: u64 = 10;

/// How long a call is taken to last before one has been seen, ms.
const CALL_GUESS_MS: u64 = 400;

/// Longest call that counts for how soon room is expected again, ms: one timeout is no rule.
const CALL_COUNTED_MAX_MS: u64 = 5_000;

/// How often the same thing is said about one account, ms.
const TOLD_EVERY_MS: u64 = 60_000;

/// What a worker wants of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// To submit a refund.
    Submit,
    /// To ask about one.
    Query,
}

/// Whether a call may be made.
#[derive(Debug)]
pub(super) enum Turn {
    /// It may, now. Tell [`Limits::over`] when it is over.
    Go(Pass),
    /// Not before this moment.
    Wait(UnixMillis),
}

/// The right to make one call; room is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    began: UnixMillis,
    trial: bool,
    _room: Vec<OwnedSemaphorePermit>,
}

/// All limits of this process.
#[derive(Debug)]
pub(super) struct Limits {
    state: Mutex<State>,
    traffic: Arc<Traffic>,
}

#[derive(Debug)]
struct State {
    accounts: BTreeMap<AccountName, Gate>,
    gateways: BTreeMap<GatewayName, (Gate, Fuse)>,
    /// Accounts whose submits do not leave for now, by word of the ledger.
    held: BTreeMap<(AccountName, bool), Hold>,
    told: BTreeMap<(AccountName, &'static str), UnixMillis>,
}

/// The limits of one account or gateway.
#[derive(Debug)]
struct Gate {
    room: Option<Room>,
    submits: Option<Rate>,
    queries: Option<Rate>,
}

/// Calls at once, and who waits for one to end.
#[derive(Debug)]
struct Room {
    free: Arc<Semaphore>,
    size: u64,
    /// How long a call lasts lately, ms.
    lasts_ms: u64,
    line: Line,
}

/// The breaker of a gateway, and who waits for it.
#[derive(Debug)]
struct Fuse {
    policy: BreakerPolicy,
    breaker: Breaker,
    line: Line,
}

/// Which submits of an account do not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// All: somebody has paused them.
    Paused,
    /// Those of this amount or more, minor units: the day has no room for them.
    From(u64),
}

/// Which submits of an account do not leave, and until when nobody asks again. A pause and a full day
/// are held apart, because they end at different times.
#[derive(Debug)]
struct Hold {
    until: UnixMillis,
    /// Amounts from here on, minor units.
    from_cents: u64,
    line: Line,
}

impl Limits {
    /// The limits of these accounts and of their gateways, none of them used yet.
    pub(super) fn new(accounts: &Accounts, traffic: Arc<Traffic>, now: UnixMillis) -> Self {
        let names = |account: &Account| {
            [account.submitter.gateway().clone(), account.querier.gateway().clone()]
        };
        let gateway = |name: GatewayName| {
            let limits = accounts.gateway_limits(&name);
            let (policy, breaker) = (limits.breaker, Breaker::default());
            (name, (Gate::new(limits.calls, now), Fuse { policy, breaker, line: Line::default() }))
        };
        let state = Mutex::new(State {
            accounts: accounts
                .iter()
                .map(|account| (account.name.clone(), Gate::new(account.limits, now)))
                .collect(),
            gateways: accounts.iter().flat_map(names).map(gateway).collect(),
            held: BTreeMap::new(),
            told: BTreeMap::new(),
        });
        Self { state, traffic }
    }

    /// Every operation leaves the state whole, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `account` may make this call for `record` now.
    pub(super) fn turn(
        &self,
        call: Call,
        account: &Account,
        record: &RefundRecord,
        now: UnixMillis,
    ) -> Turn {
        let no = &record.refund.refund_no;
        let state = &mut *self.state();
        if call == Call::Submit
            && let Some(until) = state.held_until(account, record, now)
        {
            return Turn::Wait(until);
        }
        let Some((gateway, fuse)) = state.gateways.get_mut(call.gateway(account)) else {
            return Turn::Go(Pass { began: now, trial: false, _room: Vec::new() });
        };
        // Tried on a copy: who is stopped by another limit is not the trial.
        let (mut breaker, mut trial) = (fuse.breaker, false);
        if call == Call::Submit {
            match breaker.ask(now, fuse.policy) {
                Ask::Go => {}
                Ask::Trial => trial = true,
                Ask::Wait(until) => {
                    return Turn::Wait(fuse.line.place(no, now, until.since(now), SPREAD_MS));
                }
            }
        }
        let mut gates: Vec<&mut Gate> = state.accounts.get_mut(&account.name).into_iter().collect();
        gates.push(gateway);
        match take_all(&mut gates, call, no, now) {
            Ok(room) => {
                fuse.breaker = breaker;
                fuse.line.leave(no);
                Turn::Go(Pass { began: now, trial, _room: room })
            }
            Err(until) => Turn::Wait(until),
        }
    }

    /// The call of `pass` has been made.
    pub(super) fn over(&self, pass: Pass, call: Call, account: &Account, now: UnixMillis) {
        let Pass { began, _room: room, .. } = pass;
        drop(room);
        let state = &mut *self.state();
        let gateway = state.gateways.get_mut(call.gateway(account)).map(|(gate, _)| gate);
        let took_ms = now.since(began).min(CALL_COUNTED_MAX_MS);
        let gates = state.accounts.get_mut(&account.name).into_iter().chain(gateway);
        for room in gates.filter_map(|gate| gate.room.as_mut()) {
            room.lasts_ms = room.lasts_ms.saturating_mul(7).saturating_add(took_ms) / 8;
        }
    }

    /// The submit of `pass` did not leave.
    pub(super) fn unsent(&self, pass: &Pass, account: &Account, now: UnixMillis) {
        let gateway = account.submitter.gateway();
        if pass.trial
            && let Some((_, fuse)) = self.state().gateways.get_mut(gateway)
        {
            fuse.breaker.not_tried(now);
        }
    }

    /// Tells the breaker what became of a submit: what could not connect and what may have happened
    /// counts against the gateway, any understood answer for it.
    pub(super) fn heard(&self, account: &Account, err: Option<&GatewayError>, now: UnixMillis) {
        let gateway = account.submitter.gateway();
        let mut state = self.state();
        let Some((_, fuse)) = state.gateways.get_mut(gateway) else { return };
        let failed = match err {
            Some(GatewayError::Request(_)) => return fuse.breaker.not_tried(now),
            Some(GatewayError::Connect(_)) => true,
            Some(err) => err.certainty() == Certainty::Unknown,
            None => false,
        };
        if !failed {
            if !matches!(fuse.breaker, Breaker::Closed(_)) {
                self.breaker(gateway, None);
                tracing::info!(gateway.name = %gateway, "the gateway answers: submits go on");
            }
            fuse.breaker.understood();
        } else if fuse.breaker.failed(now, fuse.policy) {
            // A failed trial says so again before that.
            let until = now.plus(fuse.policy.open_ms.saturating_mul(2));
            self.breaker(gateway, Some(until));
            tracing::error!(
                gateway.name = %gateway,
                wait_ms = fuse.policy.open_ms,
                "the gateway does not answer submits: they stop for a while, queries go on"
            );
        }
    }

    fn breaker(&self, gateway: &GatewayName, until: Option<UnixMillis>) {
        metrics::breaker(gateway.as_str(), until.is_some());
        self.traffic.breaker(gateway, until);
    }

    /// The ledger stopped the submit of `record`. Says when to come back, and until `until` keeps
    /// back all refunds of the account that would be stopped too.
    pub(super) fn hold(
        &self,
        account: &Account,
        no: &RefundNo,
        (which, until): (Held, UnixMillis),
        now: UnixMillis,
    ) -> UnixMillis {
        let mut state = self.state();
        let from_cents = match which {
            Held::Paused => 0,
            Held::From(cents) => cents,
        };
        let none = || Hold { until, from_cents, line: Line::default() };
        let key = (account.name.clone(), which == Held::Paused);
        let hold = state.held.entry(key).or_insert_with(none);
        if hold.until <= now {
            (hold.until, hold.from_cents) = (until, from_cents);
        }
        hold.until = hold.until.max(until);
        hold.from_cents = hold.from_cents.min(from_cents);
        hold.line.place(no, now, until.since(now), SPREAD_MS)
    }

    /// Whether it is time to say this about the account again: once a minute, not once a refund.
    pub(super) fn tell(&self, account: &Account, what: &'static str, now: UnixMillis) -> bool {
        let mut state = self.state();
        let told = state.told.entry((account.name.clone(), what)).or_insert(UnixMillis::new(0));
        let again = told.plus(TOLD_EVERY_MS) <= now;
        if again {
            *told = now;
        }
        again
    }
}

impl State {
    /// Until when a submit is kept back without another question to the ledger.
    fn held_until(
        &mut self,
        account: &Account,
        record: &RefundRecord,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        // What has been tried before may be counted for the day already; only the ledger knows.
        let is_first = record.history.len() <= 1;
        let amount = record.refund.amount.get();
        let hold = [true, false].into_iter().find(|paused| {
            let hold = self.held.get(&(account.name.clone(), *paused));
            hold.is_some_and(|hold| {
                now < hold.until && (*paused || (is_first && amount >= hold.from_cents))
            })
        })?;
        let hold = self.held.get_mut(&(account.name.clone(), hold))?;
        Some(hold.line.place(&record.refund.refund_no, now, hold.until.since(now), SPREAD_MS))
    }
}

impl Call {
    /// The word that metrics carry.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Query => "query",
        }
    }

    pub(super) fn gateway(self, account: &Account) -> &GatewayName {
        match self {
            Self::Submit => account.submitter.gateway(),
            Self::Query => account.querier.gateway(),
        }
    }
}

impl Gate {
    fn new(limits: CallLimits, now: UnixMillis) -> Self {
        let rate = |every_ms: Option<u64>| every_ms.and_then(|ms| Rate::every(ms, now));
        Self {
            room: limits.concurrency.map(Room::new),
            submits: rate(limits.submit_every_ms),
            queries: rate(limits.query_every_ms),
        }
    }

    fn rate(&mut self, call: Call) -> Option<&mut Rate> {
        match call {
            Call::Submit => self.submits.as_mut(),
            Call::Query => self.queries.as_mut(),
        }
    }
}

impl Room {
    fn new(size: u32) -> Self {
        let permits = usize::try_from(size).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(permits)),
            size: u64::from(size.max(1)),
            lasts_ms: CALL_GUESS_MS,
            line: Line::default(),
        }
    }
}

/// Takes a turn at every gate, or at none.
fn take_all(
    gates: &mut [&mut Gate],
    call: Call,
    no: &RefundNo,
    now: UnixMillis,
) -> Result<Vec<OwnedSemaphorePermit>, UnixMillis> {
    let mut rooms = Vec::new();
    for room in gates.iter_mut().filter_map(|gate| gate.room.as_mut()) {
        let Ok(permit) = Arc::clone(&room.free).try_acquire_owned() else {
            let every_ms = (room.lasts_ms / room.size).max(1);
            return Err(room.line.place(no, now, every_ms, every_ms));
        };
        rooms.push(permit);
    }
    let mut taken: Vec<(&mut Rate, Before)> = Vec::new();
    for rate in gates.iter_mut().filter_map(|gate| gate.rate(call)) {
        match rate.take(now) {
            Ok(before) => taken.push((rate, before)),
            Err(wait_ms) => {
                let every_ms = rate.every_ms;
                let place = rate.line.place(no, now, wait_ms, every_ms);
                for (rate, before) in taken {
                    rate.put_back(before);
                }
                return Err(place);
            }
        }
    }
    for (rate, _) in taken {
        rate.line.leave(no);
    }
    for room in gates.iter_mut().filter_map(|gate| gate.room.as_mut()) {
        room.line.leave(no);
    }
    Ok(rooms)
}
