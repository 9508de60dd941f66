//! Refunds as tests need them: asked for, claimed, and moved on.

use refundd::domain::evidence::{Evidence, Grade, Source};
use refundd::domain::order::OrderChange;
use refundd::domain::state::Decision;
use refundd::domain::state::Outcome;
use refundd::domain::state::{Event, ParkCause, Parking, RefundState, Refusal};
use refundd::domain::step::{self, Plan};
use refundd::domain::{
    AccountName, AmountCents, Currency, GatewayName, GatewayOrderNo, OrderNo, OrderRef, Policy,
    Refund, RefundNo, RefundRecord, UnixMillis,
};
use refundd::ports::figures::Bin;
use refundd::ports::ledger::{
    Act, Admission, Audit, Claim, Commit, EntryId, Pause, Publication, Stored,
};

/// The moment at which every test begins.
pub(crate) const T0: UnixMillis = UnixMillis::new(1_700_000_000_000);

/// How long a lease of the tests lasts, ms.
pub(crate) const LEASE_MS: u64 = 30_000;

/// `ms` after the beginning.
pub(crate) fn at(ms: u64) -> UnixMillis {
    T0.plus(ms)
}

/// A refund number.
pub(crate) fn no(text: &str) -> RefundNo {
    RefundNo::parse(text).unwrap()
}

/// An amount.
pub(crate) fn cents(n: u64) -> AmountCents {
    AmountCents::new(n).unwrap()
}

/// A refund to be asked for; every part has a default that stands in nobody's way.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    no: String,
    cents: u64,
    gateway_order: Option<String>,
    order: Option<String>,
    paid: Option<u64>,
    account: String,
    scope: String,
    reason: Option<String>,
    not_before: Option<UnixMillis>,
    admitted_at: UnixMillis,
    entry: Option<EntryId>,
}

/// Asks for a refund of 500 from an order of its own.
pub(crate) fn ask(no: &str) -> Asked {
    Asked {
        no: no.to_owned(),
        cents: 500,
        gateway_order: Some(format!("P-{no}")),
        order: None,
        paid: None,
        account: "shop".to_owned(),
        scope: "gw".to_owned(),
        reason: None,
        not_before: None,
        admitted_at: T0,
        entry: None,
    }
}

impl Asked {
    pub(crate) fn cents(self, cents: u64) -> Self {
        Self { cents, ..self }
    }

    /// Of the order that the gateway calls `gateway_order` and the merchant does not name.
    pub(crate) fn of_gateway_order(self, gateway_order: &str) -> Self {
        self.of_orders(Some(gateway_order), None)
    }

    /// Of the order that only the merchant names.
    pub(crate) fn of_order(self, order: &str) -> Self {
        self.of_orders(None, Some(order))
    }

    pub(crate) fn of_orders(self, gateway_order: Option<&str>, order: Option<&str>) -> Self {
        Self {
            gateway_order: gateway_order.map(str::to_owned),
            order: order.map(str::to_owned),
            ..self
        }
    }

    pub(crate) fn paid(self, cents: u64) -> Self {
        Self { paid: Some(cents), ..self }
    }

    pub(crate) fn account(self, account: &str) -> Self {
        Self { account: account.to_owned(), ..self }
    }

    pub(crate) fn scope(self, scope: &str) -> Self {
        Self { scope: scope.to_owned(), ..self }
    }

    pub(crate) fn reason(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    pub(crate) fn not_before(self, moment: UnixMillis) -> Self {
        Self { not_before: Some(moment), ..self }
    }

    pub(crate) fn admitted_at(self, admitted_at: UnixMillis) -> Self {
        Self { admitted_at, ..self }
    }

    pub(crate) fn entry(self, entry: &EntryId) -> Self {
        Self { entry: Some(entry.clone()), ..self }
    }

    pub(crate) fn refund(&self) -> Refund {
        let gateway_order = self.gateway_order.as_deref().map(GatewayOrderNo::parse);
        let order = self.order.as_deref().map(OrderNo::parse);
        let order = OrderRef::new(
            gateway_order.transpose().unwrap(),
            order.transpose().unwrap(),
            self.paid.map(cents),
        );
        Refund {
            refund_no: no(&self.no),
            account: AccountName::parse(&self.account).unwrap(),
            amount: cents(self.cents),
            currency: Currency::parse("CAD").unwrap(),
            order: order.expect("an order id"),
            reason: self.reason.clone(),
            client_ip: None,
            device: None,
            requested_at: None,
            not_before: self.not_before,
            metadata: None,
        }
    }

    pub(crate) fn record(&self) -> RefundRecord {
        let scope = GatewayName::parse(&self.scope).unwrap();
        RefundRecord::admitted(self.refund(), scope, self.admitted_at)
    }

    pub(crate) fn admission(&self) -> Admission {
        let record = self.record();
        Admission { due_at: step::first_due(&record), record, entry: self.entry.clone() }
    }
}

/// The answer "taken" to a submit.
pub(crate) fn accepted() -> Event {
    Event::Accepted { gateway_refund_no: None }
}

/// Proof that a submit did not happen.
pub(crate) fn not_sent() -> Event {
    Event::NotSent { note: "connection refused".to_owned(), retry_after_ms: None }
}

/// A submit without an answer.
pub(crate) fn answer_unknown() -> Event {
    Event::AnswerUnknown { note: "no answer".to_owned() }
}

/// A signed refusal of a submit.
pub(crate) fn refused() -> Event {
    Event::SubmitRefused(Refusal {
        code: "CLOSED_ORDER".to_owned(),
        message: "order is closed".to_owned(),
        grade: Grade::A,
    })
}

/// A query that shows the refund under way.
pub(crate) fn processing() -> Event {
    Event::StillProcessing { gateway_refund_no: None }
}

/// A query that shows nothing.
pub(crate) fn not_found() -> Event {
    Event::NotFound { note: "no such refund".to_owned() }
}

/// A query that proves how the refund ended.
pub(crate) fn ended(outcome: Outcome, at: UnixMillis) -> Event {
    let evidence = Evidence { grade: Grade::A, source: Source::Query, at };
    let lines = Vec::new();
    match outcome {
        Outcome::Succeeded => Event::Succeeded { evidence, lines },
        Outcome::Failed => Event::Failed { evidence, lines },
        Outcome::Withdrawn | Outcome::GivenUp => Event::Abandoned { at, by: by() },
    }
}

/// Who acts in the tests, and why.
pub(crate) fn by() -> Decision {
    Decision { who: "ana".to_owned(), reason: "asked by phone".to_owned() }
}

/// A person lets a parked refund go on.
pub(crate) fn released() -> Event {
    Event::Released(by())
}

/// A person says how it ended.
pub(crate) fn resolved(outcome: Outcome, at: UnixMillis) -> Event {
    Event::Resolved { outcome, at, by: by() }
}

/// A person ends the work on it.
pub(crate) fn abandoned(at: UnixMillis) -> Event {
    Event::Abandoned { at, by: by() }
}

/// Submits of one account stopped, or of all.
pub(crate) fn pause(account: Option<&str>, at: UnixMillis) -> Pause {
    let Decision { who, reason } = by();
    Pause { account: account.map(|name| AccountName::parse(name).unwrap()), who, reason, at }
}

/// A reason to stop for a person.
pub(crate) fn parked(at: UnixMillis) -> Event {
    let evidence = Evidence { grade: Grade::C, source: Source::Refundd, at };
    Event::SetAside(Parking {
        cause: ParkCause::Discrepancy,
        message: "499 of 500".to_owned(),
        evidence,
        lines: Vec::new(),
    })
}

/// What a worker commits after `events` have happened to a refund that it holds; `None` if one of
/// them cannot happen to it. The next refund of the order waits `Policy::order_gap_ms`.
pub(crate) fn try_commit(claim: &Claim, events: &[Event], now: UnixMillis) -> Option<Commit> {
    let step = try_steps(claim.record.clone(), events, now)?;
    let (record, plan, result, order) = step;
    let (lease, from) = (claim.lease.clone(), Bin::of(&claim.record));
    Some(Commit { lease, from, record, plan, result, order })
}

/// What a person stores who saw `seen` and lets `event` happen to it; `None` if it cannot happen.
pub(crate) fn try_act(seen: &Stored, event: &Event, now: UnixMillis) -> Option<Act> {
    let before = seen.record.state.kind().as_str();
    let events = std::slice::from_ref(event);
    let (record, plan, result, order) = try_steps(seen.record.clone(), events, now)?;
    let audit = Audit {
        action: "resolve",
        subject: record.refund.refund_no.to_string(),
        who: by().who,
        reason: by().reason,
        change: format!("{before} -> {}", record.state.kind().as_str()),
    };
    Some(Act { seen: seen.clone(), record, plan, result, order, audit })
}

/// As [`try_act`], for an event that can happen.
pub(crate) fn act(seen: &Stored, event: &Event, now: UnixMillis) -> Act {
    try_act(seen, event, now).expect("an event that may follow")
}

type Steps = (RefundRecord, Plan, Option<Publication>, Option<OrderChange>);

/// What `events` make of a record together, by the rules of the domain.
fn try_steps(mut record: RefundRecord, events: &[Event], now: UnixMillis) -> Option<Steps> {
    let policy = Policy::default();
    let (mut plan, mut publish) = (Plan::Due(now), false);
    let mut order: Option<OrderChange> = None;
    for event in events {
        let advanced = step::advance(record, event, now, &policy).ok()?;
        (record, plan) = (advanced.record, advanced.plan);
        publish |= advanced.publish;
        let next_at = now.plus(policy.order_gap_ms);
        order = advanced.order.map(|change| OrderChange { next_at, ..change }).or(order);
    }
    let result = publish.then(|| publication(&record));
    Some((record, plan, result, order))
}

/// As [`try_commit`], for events that can happen.
pub(crate) fn commit(claim: &Claim, events: &[Event], now: UnixMillis) -> Commit {
    try_commit(claim, events, now).expect("events that may follow each other")
}

/// The commit of a refund that was submitted and has ended.
pub(crate) fn settle(claim: &Claim, outcome: Outcome, now: UnixMillis) -> Commit {
    let end = ended(outcome, now);
    let submitted = [accepted(), end.clone()];
    try_commit(claim, &submitted, now).unwrap_or_else(|| commit(claim, &[end], now))
}

fn outcome_of(record: &RefundRecord) -> Option<Outcome> {
    if let RefundState::Settled(end) = &record.state { Some(end.outcome) } else { None }
}

/// The result of a record that was just settled or parked, as far as the ledger cares.
fn publication(record: &RefundRecord) -> Publication {
    let no = record.refund.refund_no.to_string();
    Publication {
        event_id: format!("{no}:{}", record.tally.results),
        outcome: match outcome_of(record) {
            Some(Outcome::Succeeded) => "succeeded",
            Some(Outcome::Failed) => "failed",
            Some(Outcome::Withdrawn | Outcome::GivenUp) => "abandoned",
            None => "parked",
        },
        json: format!("{{\"refund_no\":\"{no}\"}}"),
        refund_no: no,
    }
}
