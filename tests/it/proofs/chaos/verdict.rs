//! The judge: what the gateway's own book and the results say, held against what was asked.
//!
//! It is pure, and believes nothing that refundd stores except where the promise is about the store
//! itself: what is still held of an order, and that nothing is left over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use refundd::contract::ResultV1;
use refundd::contract::result::OutcomeV1;
use refundd::sandbox::{BookSnapshot, RefundSnapshot, Standing};

use super::traffic::{About, Ask, PAID_CENTS, Pushed};

/// All that there is to judge, once nothing moves any more.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) pushed: Vec<Pushed>,
    pub(super) results: Vec<ResultV1>,
    pub(super) book: BookSnapshot,
    /// The request entries that the quarantine names.
    pub(super) quarantined: Vec<String>,
    /// Refunds that the store still has to look at: parked, or behind a parked one.
    pub(super) unsettled: BTreeSet<String>,
    /// What the store holds of each order, cents, by a key that ends in the order's id.
    pub(super) held: Vec<(String, u64)>,
    /// Leases and unread requests that are left.
    pub(super) left_over: u64,
}

/// Something that no run may leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    /// The refund or order that it is about.
    pub(super) about: String,
    pub(super) what: String,
}

/// Judges a world: an empty list is what every run must end with.
pub(super) fn judge(world: &World) -> Vec<Violation> {
    Judge::new(world).run()
}

/// A refund number with all that was asked and answered under it.
#[derive(Debug, Default, Clone)]
struct Case<'a> {
    asks: Vec<(&'a str, &'a Ask)>,
    /// Results that are no rejections, by version.
    ends: BTreeMap<u32, &'a ResultV1>,
    rejections: Vec<&'a ResultV1>,
}

impl<'a> Case<'a> {
    /// The last word, if there is one.
    fn end(&self) -> Option<&'a ResultV1> {
        self.ends.values().next_back().copied()
    }

    /// The ask that was taken in, by the content of its end; any where nothing has ended.
    fn taken(&self) -> Option<&'a Ask> {
        let amount = self.end().and_then(|end| end.amount_cents);
        let mut asks = self.asks.iter().map(|(_, ask)| *ask);
        asks.find(|ask| amount.is_none_or(|amount| ask.amount_cents == amount))
    }

    fn is_rejected(&self) -> bool {
        self.ends.is_empty() && !self.rejections.is_empty()
    }

    fn outcome(&self) -> Option<OutcomeV1> {
        self.end().map(|end| end.outcome)
    }
}

struct Judge<'a> {
    world: &'a World,
    cases: BTreeMap<&'a str, Case<'a>>,
    /// Order → its refund numbers.
    orders: BTreeMap<&'a str, Vec<&'a str>>,
    book: HashMap<&'a str, &'a RefundSnapshot>,
    found: Vec<Violation>,
}

impl<'a> Judge<'a> {
    fn new(world: &'a World) -> Self {
        let mut cases: BTreeMap<&str, Case<'_>> = BTreeMap::new();
        let mut orders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for Pushed { id, about } in &world.pushed {
            if let About::Good(ask) = about {
                let case = cases.entry(&ask.refund_no).or_default();
                if case.asks.is_empty() {
                    orders.entry(&ask.order).or_default().push(&ask.refund_no);
                }
                case.asks.push((id, ask));
            }
        }
        let book = world.book.refunds.iter().map(|entry| (&*entry.refund_no, entry)).collect();
        Self { world, cases, orders, book, found: Vec::new() }
    }

    fn run(mut self) -> Vec<Violation> {
        self.read_results();
        self.money();
        for (refund_no, case) in self.cases.clone() {
            for what in self.problems_of(refund_no, &case) {
                self.add(refund_no, what);
            }
        }
        self.rubbish();
        for (order, refunds) in &std::mem::take(&mut self.orders) {
            self.order(order, refunds);
        }
        if self.world.left_over > 0 {
            let what = format!("{} leases or requests are left", self.world.left_over);
            self.add("the store", what);
        }
        self.found
    }

    fn add(&mut self, about: &str, what: impl Into<String>) {
        self.found.push(Violation { about: about.to_owned(), what: what.into() });
    }

    /// Sorts the results to their refunds; an event is published once.
    fn read_results(&mut self) {
        let mut events = BTreeSet::new();
        for result in &self.world.results {
            if !events.insert(&result.event_id) {
                self.add(&result.refund_no, format!("event {} twice", result.event_id));
                continue;
            }
            let Some(case) = self.cases.get_mut(&*result.refund_no) else { continue };
            if result.outcome == OutcomeV1::Rejected {
                case.rejections.push(result);
            } else if case.ends.insert(result.version, result).is_some() {
                let what = format!("two results of version {}", result.version);
                self.add(&result.refund_no, what);
            }
        }
    }

    /// What the book alone says.
    fn money(&mut self) {
        for violation in &self.world.book.violations {
            self.add("the book", format!("{violation:?}"));
        }
        for entry in &self.world.book.refunds {
            if entry.effects > 1 {
                self.add(&entry.refund_no, format!("paid {} times", entry.effects));
            }
            // This gateway refuses a number that it has, another one might pay again; no fault of a
            // run hides a refund for long enough to excuse a second submit.
            if entry.submits > 1 {
                self.add(&entry.refund_no, format!("submitted {} times", entry.submits));
            }
            if !self.cases.contains_key(&*entry.refund_no) {
                self.add(&entry.refund_no, "the gateway has it, nobody asked for it");
            }
        }
        for order in &self.world.book.orders {
            if order.refunded_cents > PAID_CENTS {
                let what = format!("{} of {PAID_CENTS} went back", order.refunded_cents);
                self.add(order.order_no.as_deref().unwrap_or("an order"), what);
            }
        }
    }

    /// What is wrong with one refund.
    fn problems_of(&self, refund_no: &str, case: &Case<'_>) -> Vec<String> {
        let mut problems = Vec::new();
        let versions: Vec<u32> = case.ends.keys().copied().collect();
        let expected: Vec<u32> = (1..).take(versions.len()).collect();
        if versions != expected {
            problems.push(format!("versions {versions:?}, expected {expected:?}"));
        }
        let corrected = case.ends.values().rev().skip(1);
        for earlier in corrected.filter(|earlier| earlier.outcome != OutcomeV1::Parked) {
            problems.push(format!("{:?} was corrected later", earlier.outcome));
        }
        let entry = self.book.get(refund_no).copied();
        if let Some(end) = case.end() {
            problems.extend(disagreement(end, entry));
            problems.extend(conflicts(refund_no, case, end));
        } else if case.is_rejected() {
            let codes = case.rejections.iter().map(|rejection| rejection.code.as_deref());
            let wrong = codes.filter(|code| *code != Some("over_refund"));
            problems.extend(wrong.map(|code| format!("rejected as {code:?}")));
            if case.rejections.len() != case.asks.len() {
                problems.push(format!("{} rejections", case.rejections.len()));
            }
            if entry.is_some() {
                problems.push("rejected, and the gateway has it".to_owned());
            }
        } else if !self.may_wait(refund_no, case) {
            problems.push("has no result".to_owned());
        }
        problems
    }

    /// Whether a refund waits behind a parked one of its order, which only a person ends.
    fn may_wait(&self, refund_no: &str, case: &Case<'_>) -> bool {
        let order = case.taken().map_or("", |ask| &ask.order);
        let behind_parked = self.world.results.iter().any(|result| {
            result.outcome == OutcomeV1::Parked
                && self.world.unsettled.contains(&result.refund_no)
                && result.order.as_ref().and_then(|order| order.order_no.as_deref())
                    == Some(&*format!("O-{order}"))
        });
        behind_parked
            && self.world.unsettled.contains(refund_no)
            && !self.book.contains_key(refund_no)
    }

    /// What could not be read or was over its own order: quarantined once, answered once if at all.
    fn rubbish(&mut self) {
        let mut kept: HashMap<&str, usize> = HashMap::new();
        for id in &self.world.quarantined {
            *kept.entry(id).or_default() += 1;
        }
        for Pushed { id, about } in &self.world.pushed {
            let (refund_no, code) = match about {
                About::Good(_) => (None, ""),
                About::OverPaid { refund_no } => (Some(refund_no), "over_refund"),
                About::Rubbish { refund_no } => (refund_no.as_ref(), "invalid"),
            };
            let expected = usize::from(!matches!(about, About::Good(_)));
            let times = kept.remove(&**id).unwrap_or_default();
            if times != expected {
                self.add(id, format!("{times} times in quarantine, expected {expected}"));
            }
            if let Some(refund_no) = refund_no {
                let event = format!("{refund_no}.rejected.{id}");
                let results = &self.world.results;
                let own: Vec<_> = results.iter().filter(|r| r.refund_no == *refund_no).collect();
                let right = own.len() == 1
                    && own[0].event_id == event
                    && own[0].outcome == OutcomeV1::Rejected
                    && own[0].code.as_deref() == Some(code);
                if !right {
                    self.add(refund_no, format!("expected one rejection as {code}, got {own:?}"));
                }
            }
        }
        for id in kept.into_keys() {
            self.add(id, "quarantined, and nobody pushed it");
        }
    }

    /// One order: what was promised fits what was paid, rejections were needed, the store holds
    /// exactly what may still be or has been paid.
    fn order(&mut self, order: &str, refunds: &[&str]) {
        let amount = |no: &&str| self.cases[*no].taken().map_or(0, |ask| ask.amount_cents);
        let sum = |keep: &dyn Fn(&Case<'_>) -> bool| -> u64 {
            refunds.iter().filter(|no| keep(&self.cases[**no])).map(amount).sum()
        };
        let asked = sum(&|case| !case.is_rejected());
        let holds = sum(&|case| !case.is_rejected() && case.outcome() != Some(OutcomeV1::Failed));
        let mut problems = Vec::new();
        if holds > PAID_CENTS {
            problems.push(format!("{holds} promised of {PAID_CENTS}"));
        }
        for no in refunds.iter().filter(|no| self.cases[**no].is_rejected()) {
            if asked + amount(no) <= PAID_CENTS {
                problems.push(format!("{no} was rejected although there was room for it"));
            }
        }
        let ending = format!("P-{order}");
        let accounts = self.world.held.iter().filter(|(id, _)| id.ends_with(&ending));
        let stored: Vec<u64> = accounts.map(|(_, held)| *held).collect();
        if stored != [holds] {
            problems.push(format!("the store holds {stored:?}, expected {holds}"));
        }
        for what in problems {
            self.add(order, what);
        }
    }
}

/// Where a final result and the book differ.
fn disagreement(end: &ResultV1, entry: Option<&RefundSnapshot>) -> Option<String> {
    let standing = entry.map(|entry| entry.standing);
    let paid = entry.map_or(0, |entry| entry.paid_out_cents);
    let code = end.code.as_deref().unwrap_or_default();
    let agrees = match end.outcome {
        OutcomeV1::Succeeded => {
            standing == Some(Standing::Succeeded) && Some(paid) == end.amount_cents
        }
        // IOTPay has no word of its own for money that went to the merchant: it is its failure.
        OutcomeV1::Failed => {
            !matches!(standing, Some(Standing::Succeeded | Standing::Processing)) && paid == 0
        }
        OutcomeV1::Parked if code == "abnormal" => standing == Some(Standing::Abnormal),
        // Nobody can know more of what the gateway never got, or got and never showed.
        OutcomeV1::Parked => matches!(code, "not_found" | "poison") && standing.is_none(),
        OutcomeV1::Rejected => false,
    };
    (!agrees)
        .then(|| format!("{:?} {code}, but the book has {standing:?}, {paid} paid", end.outcome))
}

/// Every other content than the one that was taken is rejected as a conflict, once an entry.
fn conflicts(refund_no: &str, case: &Case<'_>, end: &ResultV1) -> Option<String> {
    let others = case.asks.iter().filter(|(_, ask)| Some(ask.amount_cents) != end.amount_cents);
    let expected: BTreeSet<String> =
        others.map(|(id, _)| format!("{refund_no}.rejected.{id}")).collect();
    let conflict = |r: &&&ResultV1| r.code.as_deref() == Some("conflict");
    let got: BTreeSet<String> =
        case.rejections.iter().filter(conflict).map(|r| r.event_id.clone()).collect();
    let right = got == expected && case.rejections.len() == expected.len();
    (!right).then(|| format!("rejected {:?}, expected conflicts {expected:?}", case.rejections))
}
