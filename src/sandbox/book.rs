//! The gateway's book: which orders were paid, and how often money really went out for each refund.
//!
//! This is the judge of every money test, so it is small, keeps no promise to anybody and shares
//! nothing with refundd's own records. It is pure: no IO, and the time is an argument. What it
//! deliberately does not do: decide faults (`faults`) or spell answers (`iotpay`, `ionlinepay`).

use std::collections::HashMap;

use super::settings::{Duplicates, Lines, Settings};
use super::terms::{
    Ask, Denial, Fate, Lookup, OrderError, OrderIds, PaidOrder, RefundView, Standing,
};
use crate::domain::UnixMillis;

/// One paid order.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) ids: OrderIds,
    pub(super) paid_cents: u64,
    /// Sum of refunds that succeeded or still may, cents. Guards against over-refund only; the
    /// judge adds up `paid_out_cents` of the refunds instead.
    held_cents: u64,
    /// Its refunds, in the order in which they were taken.
    pub(super) refunds: Vec<usize>,
}

/// One refund that was taken.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) refund_no: String,
    pub(super) order: usize,
    pub(super) amount_cents: u64,
    reason: Option<String>,
    fate: Fate,
    pub(super) standing: Standing,
    /// Queries that still answer PROCESSING.
    polls_left: u32,
    /// Does not end before this moment.
    settles_at: UnixMillis,
    pub(super) settled_at: Option<UnixMillis>,
    /// How many times money went out for this number.
    pub(super) effects: u32,
    /// How much money went out for this number, cents.
    pub(super) paid_out_cents: u64,
    pub(super) submits: u32,
    pub(super) queries: u32,
    pub(super) first_submit_at: UnixMillis,
    pub(super) last_submit_at: UnixMillis,
    pub(super) last_query_at: Option<UnixMillis>,
}

/// The book.
#[derive(Debug)]
pub struct Book {
    duplicates: Duplicates,
    auto_orders: Option<u64>,
    settle_after_ms: u64,
    processing_polls: u32,
    lines: Lines,
    pub(super) orders: Vec<Order>,
    by_gateway_order_no: HashMap<String, usize>,
    by_order_no: HashMap<String, usize>,
    pub(super) refunds: Vec<Entry>,
    by_refund_no: HashMap<String, usize>,
}

impl Book {
    /// An empty book that follows `settings`.
    pub fn new(settings: &Settings) -> Self {
        Self {
            duplicates: settings.duplicates,
            auto_orders: settings.auto_orders,
            settle_after_ms: settings.settle_after_ms,
            processing_polls: settings.processing_polls,
            lines: settings.lines,
            orders: Vec::new(),
            by_gateway_order_no: HashMap::new(),
            by_order_no: HashMap::new(),
            refunds: Vec::new(),
            by_refund_no: HashMap::new(),
        }
    }

    /// Adds a paid order. To add an equal one again changes nothing.
    ///
    /// # Errors
    /// [`OrderError`] if it has no number, or shares one with an order that differs.
    pub fn add_order(&mut self, order: PaidOrder) -> Result<(), OrderError> {
        let ids = OrderIds { gateway_order_no: order.gateway_order_no, order_no: order.order_no };
        match (self.at_gateway_no(&ids), self.at_order_no(&ids)) {
            _ if ids == OrderIds::default() => Err(OrderError::NoNumber),
            (None, None) => {
                self.insert_order(ids, order.paid_cents);
                Ok(())
            }
            (found, other) => {
                let known = found.or(other).map(|at| &self.orders[at]);
                match known {
                    Some(known) if known.ids == ids && known.paid_cents == order.paid_cents => {
                        Ok(())
                    }
                    _ => Err(OrderError::Conflict),
                }
            }
        }
    }

    /// Takes a refund, or says why not. `fate` is how it will end if it is a new one.
    ///
    /// # Errors
    /// [`Denial`]: nothing was paid for this submit.
    pub fn submit(&mut self, ask: Ask, fate: Fate, now: UnixMillis) -> Result<RefundView, Denial> {
        if let Some(&at) = self.by_refund_no.get(&ask.refund_no) {
            return self.submit_again(at, &ask, now);
        }
        let order = self.order_for(&ask.order).ok_or(Denial::OrderNotFound)?;
        let held = self.orders[order].held_cents.saturating_add(ask.amount_cents);
        if held > self.orders[order].paid_cents {
            return Err(Denial::OverRefund);
        }
        self.orders[order].held_cents = held;
        let at = self.refunds.len();
        self.orders[order].refunds.push(at);
        self.by_refund_no.insert(ask.refund_no.clone(), at);
        self.refunds.push(Entry {
            refund_no: ask.refund_no,
            order,
            amount_cents: ask.amount_cents,
            reason: ask.reason,
            fate,
            standing: Standing::Processing,
            polls_left: self.processing_polls,
            settles_at: now.plus(self.settle_after_ms),
            settled_at: None,
            effects: 0,
            paid_out_cents: 0,
            submits: 1,
            queries: 0,
            first_submit_at: now,
            last_submit_at: now,
            last_query_at: None,
        });
        self.settle(at, now);
        Ok(self.view(at))
    }

    /// The same refund number again.
    fn submit_again(
        &mut self,
        at: usize,
        ask: &Ask,
        now: UnixMillis,
    ) -> Result<RefundView, Denial> {
        self.settle(at, now);
        let same_order = self.known_order(&ask.order) == Some(self.refunds[at].order);
        let entry = &mut self.refunds[at];
        entry.submits += 1;
        entry.last_submit_at = now;
        match self.duplicates {
            Duplicates::Rejects => Err(Denial::NumberExists),
            Duplicates::Replays if !same_order || entry.amount_cents != ask.amount_cents => {
                Err(Denial::Differs)
            }
            Duplicates::Replays => Ok(self.view(at)),
            Duplicates::PaysAgain => {
                entry.pay_out(ask.amount_cents);
                Ok(self.view(at))
            }
        }
    }

    /// Looks refunds up, as a merchant's query does. `None` if there is none.
    ///
    /// The refund that was asked for comes last where the whole order is shown.
    pub fn query(&mut self, by: &Lookup, now: UnixMillis) -> Option<Vec<RefundView>> {
        let own = match by {
            Lookup::RefundNo(no) => self.by_refund_no.get(no).copied(),
            Lookup::GatewayRefundNo(no) => self.at_gateway_refund_no(no),
            Lookup::Order(ids) => {
                let lines = self.orders[self.known_order(ids)?].refunds.clone();
                for &at in &lines {
                    self.asked(at, now);
                }
                let views: Vec<_> = lines.into_iter().map(|at| self.view(at)).collect();
                return (!views.is_empty()).then_some(views);
            }
        }?;
        self.asked(own, now);
        let mut lines = Vec::new();
        if self.lines == Lines::WholeOrder {
            let all = self.orders[self.refunds[own].order].refunds.clone();
            for at in all.into_iter().filter(|&at| at != own) {
                self.settle(at, now);
                lines.push(self.view(at));
            }
        }
        lines.push(self.view(own));
        Some(lines)
    }

    /// Counts a query of a refund that is answered without a look into the book.
    pub fn note_query(&mut self, by: &Lookup, now: UnixMillis) {
        let own = match by {
            Lookup::RefundNo(no) => self.by_refund_no.get(no).copied(),
            Lookup::GatewayRefundNo(no) => self.at_gateway_refund_no(no),
            Lookup::Order(_) => None,
        };
        if let Some(at) = own {
            self.refunds[at].queries += 1;
            self.refunds[at].last_query_at = Some(now);
        }
    }

    /// Ends every refund whose time has come.
    pub(super) fn settle_all(&mut self, now: UnixMillis) {
        for at in 0..self.refunds.len() {
            self.settle(at, now);
        }
    }

    /// One query of the refund itself: it counts, and it is one of those that answer PROCESSING
    /// or may bring the end.
    fn asked(&mut self, at: usize, now: UnixMillis) {
        let entry = &mut self.refunds[at];
        entry.queries += 1;
        entry.last_query_at = Some(now);
        if entry.polls_left > 0 {
            entry.polls_left -= 1;
        } else {
            self.settle(at, now);
        }
    }

    /// Ends a refund if its time has come. The one place where a refund's first money moves.
    fn settle(&mut self, at: usize, now: UnixMillis) {
        let entry = &mut self.refunds[at];
        if entry.standing != Standing::Processing || entry.polls_left > 0 || now < entry.settles_at
        {
            return;
        }
        entry.standing = match entry.fate {
            Fate::NeverEnds => return,
            Fate::Succeeds => Standing::Succeeded,
            Fate::Fails => Standing::Failed,
            Fate::GoesToMerchant => Standing::Abnormal,
        };
        entry.settled_at = Some(now);
        if entry.standing == Standing::Succeeded {
            entry.pay_out(entry.amount_cents);
        } else {
            let order = &mut self.orders[entry.order];
            order.held_cents = order.held_cents.saturating_sub(entry.amount_cents);
        }
    }

    /// What the gateway shows of a refund.
    fn view(&self, at: usize) -> RefundView {
        let entry = &self.refunds[at];
        RefundView {
            refund_no: entry.refund_no.clone(),
            gateway_refund_no: gateway_refund_no(at),
            order: self.orders[entry.order].ids.clone(),
            amount_cents: entry.amount_cents,
            standing: entry.standing,
            settled_at: entry.settled_at,
            reason: entry.reason.clone(),
        }
    }

    /// The order of these ids; made up as paid where the settings say so.
    fn order_for(&mut self, ids: &OrderIds) -> Option<usize> {
        let unknown = self.at_gateway_no(ids).is_none() && self.at_order_no(ids).is_none();
        match self.auto_orders {
            Some(paid_cents) if unknown && *ids != OrderIds::default() => {
                Some(self.insert_order(ids.clone(), paid_cents))
            }
            _ => self.known_order(ids),
        }
    }

    /// The order of these ids. Two ids must not point at two orders.
    fn known_order(&self, ids: &OrderIds) -> Option<usize> {
        let at = self.at_gateway_no(ids).or_else(|| self.at_order_no(ids))?;
        let known = &self.orders[at].ids;
        let fits = |asked: &Option<String>, known: &Option<String>| {
            asked.is_none() || known.is_none() || asked == known
        };
        let agrees = fits(&ids.gateway_order_no, &known.gateway_order_no)
            && fits(&ids.order_no, &known.order_no);
        agrees.then_some(at)
    }

    fn insert_order(&mut self, ids: OrderIds, paid_cents: u64) -> usize {
        let at = self.orders.len();
        if let Some(no) = &ids.gateway_order_no {
            self.by_gateway_order_no.insert(no.clone(), at);
        }
        if let Some(no) = &ids.order_no {
            self.by_order_no.insert(no.clone(), at);
        }
        self.orders.push(Order { ids, paid_cents, held_cents: 0, refunds: Vec::new() });
        at
    }

    fn at_gateway_no(&self, ids: &OrderIds) -> Option<usize> {
        let no = ids.gateway_order_no.as_ref()?;
        self.by_gateway_order_no.get(no).copied()
    }

    fn at_order_no(&self, ids: &OrderIds) -> Option<usize> {
        self.by_order_no.get(ids.order_no.as_ref()?).copied()
    }

    fn at_gateway_refund_no(&self, no: &str) -> Option<usize> {
        let at = no.strip_prefix('S')?.parse::<usize>().ok()?;
        (at < self.refunds.len() && gateway_refund_no(at) == no).then_some(at)
    }
}

impl Entry {
    /// Money goes out. Nothing else in the sandbox touches these two numbers.
    fn pay_out(&mut self, amount_cents: u64) {
        self.effects += 1;
        self.paid_out_cents = self.paid_out_cents.saturating_add(amount_cents);
    }
}

/// The gateway's number of the refund at this place of the book.
pub(super) fn gateway_refund_no(at: usize) -> String {
    format!("S{at:015}")
}
