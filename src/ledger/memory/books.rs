//! What the ledger in memory keeps, and what one refund's part of each operation does to it.

use std::collections::BTreeMap;

use crate::domain::order::{OrderAccount, OrderChange, Turn};
use crate::domain::state::StateKind;
use crate::domain::step::Plan;
use crate::domain::{AccountName, GatewayName, OrderRef, RefundNo, RefundRecord, UnixMillis};
use crate::ledger::bins::bound;
use crate::ledger::held::{Hold, Mark, as_held, order_ids};
use crate::ports::figures::{Bin, Report, Sample};
use crate::ports::ledger::{
    Act, Acted, Admission, Admitted, Audit, Claim, Clearance, Cleared, Commit, Committed, Counts,
    EntryId, Fence, Lease, OVERDUE_MS, Pause, Publication, PutBack, Stored,
};

#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    pub(super) refunds: BTreeMap<RefundNo, RefundRecord>,
    pub(super) due: BTreeMap<RefundNo, Due>,
    pub(super) leases: BTreeMap<RefundNo, (Fence, Hold)>,
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) settled: BTreeMap<RefundNo, UnixMillis>,
    pub(super) results: Vec<Publication>,
    pub(super) acknowledged: Vec<EntryId>,
    pub(super) quarantined: usize,
    pub(super) pauses: BTreeMap<Option<AccountName>, Pause>,
    pub(super) audit: Vec<Audit>,
    /// What each account has been cleared to send, by day.
    pub(super) spent: BTreeMap<(AccountName, u64), u64>,
    /// The last day in whose `spent` a refund stands.
    pub(super) counted: BTreeMap<RefundNo, u64>,
    pub(super) lost_at: Option<UnixMillis>,
    pub(super) seq: u64,
    /// What has ended, by outcome and place among the bounds.
    pub(super) ended: BTreeMap<(&'static str, usize), u64>,
    pub(super) samples: BTreeMap<UnixMillis, Sample>,
    pub(super) reports: BTreeMap<String, Report>,
    /// The counter when this run began; it never goes back, so a higher fence is one of this run.
    pub(super) began: u64,
}

/// When a refund needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    At(UnixMillis),
    /// When its order's turn comes, and not before this moment.
    Waits(UnixMillis),
}

#[derive(Debug, Clone)]
pub(super) enum Order {
    Account {
        account: OrderAccount,
        refunds: u32,
        /// The other ids that point here, so that they go with the account.
        others: Vec<String>,
    },
    Alias(String),
}

/// Stands for the word of a lease that was given back and left something.
const NOBODY: &str = "-";

/// Whether a lease was given back.
pub(super) fn is_nobodys(fence: &Fence) -> bool {
    &*fence.word == NOBODY
}

impl Books {
    /// The id that holds the account of an order, by either of its ids, and the id to point at it.
    pub(super) fn order_of(
        &self,
        scope: &GatewayName,
        order: &OrderRef,
    ) -> Option<(String, Option<String>)> {
        let (first, second) = order_ids(scope, order);
        let holder = |id: &String| match self.orders.get(id) {
            Some(Order::Alias(other)) => Some(other.clone()),
            Some(Order::Account { .. }) => Some(id.clone()),
            None => None,
        };
        if second.is_empty() {
            return Some((holder(&first).unwrap_or(first), None));
        }
        match (holder(&first), holder(&second)) {
            (Some(one), Some(other)) if one != other => None,
            (Some(id), _) => Some((id, Some(second))),
            (None, Some(id)) => Some((id, Some(first))),
            (None, None) => Some((first, Some(second))),
        }
    }

    pub(super) fn admit(&mut self, admission: &Admission) -> Admitted {
        let record = &admission.record;
        let refund = &record.refund;
        if let Some(known) = self.refunds.get(&refund.refund_no) {
            return Admitted::Known(Box::new(known.refund.clone()));
        }
        if admission.entry.as_ref().is_some_and(|entry| self.acknowledged.contains(entry)) {
            return Admitted::Decided;
        }
        let Some((id, alias)) = self.order_of(&record.order_scope, &refund.order) else {
            return Admitted::OrderMismatch;
        };
        let (mut account, refunds, mut others) = match self.orders.get(&id) {
            Some(Order::Account { account, refunds, others }) => {
                (account.clone(), *refunds, others.clone())
            }
            Some(Order::Alias(_)) | None => (OrderAccount::default(), 0, Vec::new()),
        };
        let due = admission.due_at;
        let turn = match account.reserve(&refund.refund_no, refund.amount, refund.order.paid, due) {
            Ok(turn) => turn,
            Err(over) => {
                let (paid_cents, held_cents) = (over.paid_cents, over.held_cents);
                return Admitted::OverRefund { paid_cents, held_cents };
            }
        };
        if let Some(alias) = alias.filter(|alias| *alias != id && !others.contains(alias)) {
            self.orders.insert(alias.clone(), Order::Alias(id.clone()));
            others.push(alias);
        }
        let order = Order::Account { account, refunds: refunds.saturating_add(1), others };
        self.orders.insert(id, order);
        self.refunds.insert(refund.refund_no.clone(), record.clone());
        self.acknowledged.extend(admission.entry.clone());
        let (due, answer) = match turn {
            Turn::At(at) => (Due::At(at), Admitted::New),
            Turn::Waits => (Due::Waits(due), Admitted::Waiting),
        };
        self.due.insert(refund.refund_no.clone(), due);
        answer
    }

    pub(super) fn due_moments(&self) -> Vec<(UnixMillis, RefundNo)> {
        let due = self.due.iter().filter_map(|(no, due)| match due {
            Due::At(at) => Some((*at, no.clone())),
            Due::Waits(_) => None,
        });
        due.collect()
    }

    /// See `Ledger::counts`. Requests are not kept here, so none of them wait.
    pub(super) fn counts(&self, now: UnixMillis) -> Counts {
        let due = self.due_moments();
        let until = |moment: UnixMillis| count(due.iter().filter(|(at, _)| *at <= moment).count());
        Counts {
            stored: count(self.refunds.len()),
            open: count(self.due.len()),
            due: until(now),
            overdue: until(now.minus(OVERDUE_MS)),
            waiting: count(self.due.len() - due.len()),
            leased: count(self.leases.len()),
            settled: count(self.settled.len()),
            backlog: 0,
            oldest_due: due.iter().map(|(at, _)| *at).min(),
        }
    }

    pub(super) fn claim(
        &mut self,
        refund_no: &RefundNo,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Option<Claim> {
        let record = self.refunds.get(refund_no)?.clone();
        let Some(Due::At(due_at)) = self.due.get(refund_no).copied() else { return None };
        let hold = match self.leases.get(refund_no) {
            Some((fence, old)) => Hold {
                mark: if old.mark == Mark::Query { Mark::Query } else { Mark::IntentLost },
                crashes: old.crashes.saturating_add(u32::from(self.is_of_this_run(fence))),
                since: old.since,
            },
            None if record.state.kind() == StateKind::Requested => {
                Hold { mark: Mark::Intent, crashes: 0, since: now }
            }
            None => Hold { mark: Mark::Query, crashes: 0, since: now },
        };
        // Nobody else claims here, so the word need not tell claims apart but by their number.
        let fence = Fence { number: self.seq, word: self.seq.to_string().into() };
        self.leases.insert(refund_no.clone(), (fence.clone(), hold));
        self.due.insert(refund_no.clone(), Due::At(until));
        let lease = Lease { refund_no: refund_no.clone(), fence, until };
        let (record, facts) = (as_held(record, hold), hold.facts(self.lost_at));
        Some(Claim { lease, record, facts, due_at, cleared_at: None })
    }

    /// Whether nothing at all speaks against a submit but its lease and a daily limit.
    pub(super) fn stops_nothing(&self) -> bool {
        let overdrawn = |order: &Order| matches!(order, Order::Account { account, .. } if account.is_overdrawn());
        self.pauses.is_empty() && !self.orders.values().any(overdrawn)
    }

    pub(super) fn commit(&mut self, commit: &Commit, now: UnixMillis) -> Committed {
        if !self.holds(&commit.lease) {
            return Committed::StaleFence;
        }
        self.store(&commit.record, commit.plan, now);
        if let Some(change) = &commit.order {
            self.finish(&commit.record, change);
        }
        self.results.extend(commit.result.clone());
        Committed::Stored
    }

    /// Whether the lease is the one that was given last, in this run.
    fn holds(&self, lease: &Lease) -> bool {
        let given = self.leases.get(&lease.refund_no);
        given.is_some_and(|(fence, _)| *fence == lease.fence && self.is_of_this_run(fence))
    }

    /// Whether somebody was given this in this run.
    fn is_of_this_run(&self, fence: &Fence) -> bool {
        fence.number > self.began && !is_nobodys(fence)
    }

    fn store(&mut self, record: &RefundRecord, plan: Plan, now: UnixMillis) {
        let no = &record.refund.refund_no;
        self.leases.remove(no);
        let before = self.refunds.insert(no.clone(), record.clone());
        let then = Bin::of(record);
        if then.state == StateKind::Settled && before.is_none_or(|before| Bin::of(&before) != then)
        {
            let place = bound(now.since(record.admitted_at));
            *self.ended.entry((then.detail, place)).or_default() += 1;
        }
        match plan {
            Plan::Due(at) => {
                self.due.insert(no.clone(), Due::At(at));
                self.settled.remove(no);
            }
            Plan::Ended => {
                self.due.remove(no);
                self.settled.insert(no.clone(), now);
            }
        }
    }

    pub(super) fn put_back(&mut self, back: &PutBack) {
        if self.holds(&back.lease) {
            self.unlease(&back.lease.refund_no, back.due_at);
        }
    }

    /// The lease as if it had never been given: what earlier ones left stays, in a lease of nobody.
    pub(super) fn unlease(&mut self, no: &RefundNo, due_at: UnixMillis) {
        if let Some((fence, hold)) = self.leases.get_mut(no) {
            fence.word = NOBODY.into();
            if hold.mark != Mark::IntentLost && hold.crashes == 0 {
                self.leases.remove(no);
            }
        }
        self.due.insert(no.clone(), Due::At(due_at));
    }

    pub(super) fn clear(&mut self, ask: &Clearance) -> Cleared {
        if !self.holds(&ask.lease) {
            return Cleared::Lost;
        }
        let account = Some(ask.account.clone());
        if self.pauses.contains_key(&None) || self.pauses.contains_key(&account) {
            return Cleared::Paused;
        }
        if self.is_overdrawn(&ask.order) {
            return Cleared::OverRefund;
        }
        let no = &ask.lease.refund_no;
        let counted = self.counted.get(no).copied();
        let Some(daily) = ask.daily.filter(|daily| counted != Some(daily.day)) else {
            return Cleared::Go;
        };
        let day = (ask.account.clone(), daily.day);
        let spent = self.spent.get(&day).copied();
        let then = spent.unwrap_or_default().saturating_add(daily.amount.get());
        if then > daily.limit_cents {
            return Cleared::DailyLimit;
        }
        if spent.is_none() {
            // The day before may still be asked for, by a worker whose clock is a little behind.
            let old = |of: &AccountName, on: u64| *of == ask.account && on + 1 < daily.day;
            self.spent.retain(|(of, on), _| !old(of, *on));
        }
        self.spent.insert(day, then);
        self.counted.insert(no.clone(), daily.day);
        Cleared::Go
    }

    fn is_overdrawn(&self, (scope, order): &(GatewayName, OrderRef)) -> bool {
        let account = self.order_of(scope, order).and_then(|(id, _)| self.orders.get(&id));
        matches!(account, Some(Order::Account { account, .. }) if account.is_overdrawn())
    }

    pub(super) fn act(&mut self, act: &Act, now: UnixMillis) -> Acted {
        let no = &act.record.refund.refund_no;
        let hold = self.leases.get(no).map(|(_, hold)| *hold);
        if hold.is_some_and(|hold| hold.mark != Mark::Query) {
            return Acted::Submitting;
        }
        if self.refunds.get(no) != Some(&act.seen.record) || self.lost_at != act.seen.lost_at {
            return Acted::Changed;
        }
        let waits = self.due.get(no).copied().filter(|due| matches!(due, Due::Waits(_)));
        self.store(&act.record, act.plan, now);
        if let Some(waits) = waits.filter(|_| act.plan != Plan::Ended) {
            self.due.insert(no.clone(), waits); // its order's turn is not ours to give
        }
        if let Some(change) = &act.order {
            self.finish(&act.record, change);
        }
        self.results.extend(act.result.clone());
        self.audit.push(act.audit.clone());
        Acted::Stored
    }

    pub(super) fn nudge(&mut self, no: &RefundNo, now: UnixMillis) {
        let submits_next = |record: &RefundRecord| record.state.kind() == StateKind::Requested;
        if self.refunds.get(no).is_none_or(submits_next) || self.leases.contains_key(no) {
            return;
        }
        let due = self.due.entry(no.clone()).or_insert(Due::At(now));
        if let Due::At(at) = due {
            *at = (*at).min(now);
        }
    }

    /// Takes what a step means for the order; the next refund of it may go.
    pub(super) fn finish(&mut self, record: &RefundRecord, change: &OrderChange) {
        let Some((id, _)) = self.order_of(&record.order_scope, &record.refund.order) else {
            return;
        };
        let Some(Order::Account { account, .. }) = self.orders.get_mut(&id) else {
            return;
        };
        let no = &record.refund.refund_no;
        let Some(next) = account.finish(no, change) else {
            return;
        };
        let gate = account.gate_at();
        if let Some(Due::Waits(not_before)) = self.due.get(&next).copied() {
            self.due.insert(next, Due::At(gate.max(not_before)));
        }
    }

    pub(super) fn stored(&self, record: &RefundRecord) -> Stored {
        let no = &record.refund.refund_no;
        let lease = self.leases.get(no);
        let due = self.due.get(no);
        Stored {
            record: match lease {
                Some((_, hold)) => as_held(record.clone(), *hold),
                None => record.clone(),
            },
            due_at: due.and_then(|due| match due {
                Due::At(at) => Some(*at),
                Due::Waits(_) => None,
            }),
            leased: lease.is_some(),
            waiting: matches!(due, Some(Due::Waits(_))),
            lost_at: self.lost_at,
        }
    }

    /// Refunds that settled before `before` and that nobody asks about again.
    pub(super) fn forgettable(&self, before: UnixMillis) -> Vec<RefundNo> {
        let busy = |no: &RefundNo| self.due.contains_key(no) || self.leases.contains_key(no);
        let old = self.settled.iter().filter(|(no, at)| **at < before && !busy(no));
        old.map(|(no, _)| no.clone()).collect()
    }

    pub(super) fn forget(&mut self, refund_no: &RefundNo) {
        self.settled.remove(refund_no);
        self.counted.remove(refund_no);
        let Some(record) = self.refunds.remove(refund_no) else {
            return;
        };
        let Some((id, _)) = self.order_of(&record.order_scope, &record.refund.order) else {
            return;
        };
        if let Some(Order::Account { refunds, others, .. }) = self.orders.get_mut(&id) {
            *refunds = refunds.saturating_sub(1);
            if *refunds == 0 {
                for gone in std::mem::take(others) {
                    self.orders.remove(&gone);
                }
                self.orders.remove(&id);
            }
        }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
