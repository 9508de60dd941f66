//! How much of a paid order may still be refunded, and whose turn it is.
//!
//! Every refund of an order holds its amount from admission on; only a settled failure frees it.
//! One refund of an order is in flight at a time, the others wait in the order of their admission.
//! The Redis scripts `admit`, `commit` and `clear` do the same arithmetic; the conformance suite holds
//! the two against each other.

use std::collections::VecDeque;

use super::{AmountCents, RefundNo, UnixMillis};

/// What an order has promised and paid back so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderAccount {
    /// What was paid, minor units: the least that any request of the order named.
    paid: Option<u64>,
    /// Sum of all refunds that succeeded or may still succeed, minor units.
    held: u64,
    /// The refund that is under way.
    in_flight: Option<RefundNo>,
    /// No submit for this order before this moment.
    gate_at: UnixMillis,
    /// Refunds that wait for their turn.
    waiting: VecDeque<RefundNo>,
}

/// When an admitted refund may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// From this moment on.
    At(UnixMillis),
    /// When the refund in flight has settled.
    Waits,
}

/// The order would give back more than was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverRefund {
    /// What was paid, minor units.
    pub paid_cents: u64,
    /// What is refunded or reserved already, minor units.
    pub held_cents: u64,
}

/// What a step of a refund means for its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderChange {
    /// What becomes of the reservation.
    pub reserve: Reserve,
    /// No submit of the order's next refund before this moment.
    pub next_at: UnixMillis,
}

/// What becomes of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// It stays as it is.
    Keep,
    /// It is certain that no money moved: the amount is free again.
    Free(AmountCents),
    /// It was freed, and the money has moved or may move after all. What is held may then be more
    /// than was paid: it is the truth, and no further refund of the order is admitted.
    HoldAgain(AmountCents),
}

impl OrderAccount {
    /// Reserves `amount` for a new refund, or says why not. Nothing changes on refusal.
    ///
    /// # Errors
    /// [`OverRefund`] if what is held and `amount` together pass what was paid.
    ///
    /// ```
    /// use refundd::domain::{order::{OrderAccount, Turn}, AmountCents, RefundNo, UnixMillis};
    /// let cents = |n| AmountCents::new(n).unwrap();
    /// let no = |text| RefundNo::parse(text).unwrap();
    /// let now = UnixMillis::new(0);
    /// let mut order = OrderAccount::default();
    /// assert_eq!(order.reserve(&no("R1"), cents(60), Some(cents(100)), now), Ok(Turn::At(now)));
    /// assert_eq!(order.reserve(&no("R2"), cents(40), None, now), Ok(Turn::Waits));
    /// assert!(order.reserve(&no("R3"), cents(1), None, now).is_err());
    /// ```
    pub fn reserve(
        &mut self,
        refund_no: &RefundNo,
        amount: AmountCents,
        paid: Option<AmountCents>,
        due: UnixMillis,
    ) -> Result<Turn, OverRefund> {
        let paid = match (self.paid, paid.map(AmountCents::get)) {
            (Some(known), Some(named)) => Some(known.min(named)),
            (known, named) => known.or(named),
        };
        let held = self.held.saturating_add(amount.get());
        if let Some(paid_cents) = paid
            && held > paid_cents
        {
            return Err(OverRefund { paid_cents, held_cents: self.held });
        }
        self.paid = paid;
        self.held = held;
        if self.in_flight.is_some() {
            self.waiting.push_back(refund_no.clone());
            return Ok(Turn::Waits);
        }
        self.in_flight = Some(refund_no.clone());
        Ok(Turn::At(due.max(self.gate_at)))
    }

    /// Takes what a step of a refund means for its order: its reservation, and the end of its turn
    /// or of its wait for one. Returns whose turn it is now, if that has changed.
    pub fn finish(&mut self, refund_no: &RefundNo, change: &OrderChange) -> Option<RefundNo> {
        self.held = match change.reserve {
            Reserve::Keep => self.held,
            Reserve::Free(amount) => self.held.saturating_sub(amount.get()),
            Reserve::HoldAgain(amount) => self.held.saturating_add(amount.get()),
        };
        if self.in_flight.as_ref() != Some(refund_no) {
            self.waiting.retain(|waiting| waiting != refund_no);
            return None;
        }
        self.gate_at = self.gate_at.max(change.next_at);
        self.in_flight = self.waiting.pop_front();
        self.in_flight.clone()
    }

    /// Sum of all refunds that succeeded or may still succeed, minor units.
    pub fn held_cents(&self) -> u64 {
        self.held
    }

    /// Whether more is held than was paid, as a correction may make it: nothing more of it may be sent.
    pub fn is_overdrawn(&self) -> bool {
        self.paid.is_some_and(|paid| self.held > paid)
    }

    /// No submit for this order before this moment.
    pub fn gate_at(&self) -> UnixMillis {
        self.gate_at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn no(i: usize) -> RefundNo {
        RefundNo::parse(&format!("R{i}")).unwrap()
    }

    fn cents(n: u64) -> AmountCents {
        AmountCents::new(n).unwrap()
    }

    fn ended(reserve: Reserve, next_at: i64) -> OrderChange {
        OrderChange { reserve, next_at: UnixMillis::new(next_at) }
    }

    #[test]
    fn a_correction_holds_the_amount_again_even_beyond_what_was_paid() {
        let mut order = OrderAccount::default();
        let now = UnixMillis::new(0);
        order.reserve(&no(1), cents(60), Some(cents(100)), now).unwrap();
        order.finish(&no(1), &ended(Reserve::Free(cents(60)), 0));
        order.reserve(&no(2), cents(100), None, now).unwrap();
        assert!(!order.is_overdrawn(), "all that was paid, and no more");
        assert_eq!(order.finish(&no(1), &ended(Reserve::HoldAgain(cents(60)), 0)), None);
        assert_eq!(order.held_cents(), 160);
        assert!(order.is_overdrawn());
        assert!(order.reserve(&no(3), cents(1), None, now).is_err());
    }

    #[test]
    fn what_is_withdrawn_while_it_waits_never_gets_a_turn() {
        let mut order = OrderAccount::default();
        let now = UnixMillis::new(0);
        for n in 1..=3 {
            order.reserve(&no(n), cents(1), None, now).unwrap();
        }
        assert_eq!(order.finish(&no(2), &ended(Reserve::Free(cents(1)), 0)), None);
        assert_eq!(order.finish(&no(1), &ended(Reserve::Keep, 0)), Some(no(3)));
        assert_eq!(order.held_cents(), 2);
    }

    #[test]
    fn the_least_paid_amount_counts() {
        let mut order = OrderAccount::default();
        let now = UnixMillis::new(0);
        order.reserve(&no(1), cents(50), Some(cents(100)), now).unwrap();
        let over = order.reserve(&no(2), cents(31), Some(cents(80)), now).unwrap_err();
        assert_eq!(over, OverRefund { paid_cents: 80, held_cents: 50 });
        // The refusal has changed nothing: 100 still counts for whoever names no amount.
        order.reserve(&no(3), cents(50), None, now).unwrap();
    }

    #[test]
    fn the_next_refund_waits_its_turn_and_the_gap() {
        let mut order = OrderAccount::default();
        let now = UnixMillis::new(0);
        assert_eq!(order.reserve(&no(1), cents(1), None, now), Ok(Turn::At(now)));
        assert_eq!(order.reserve(&no(2), cents(1), None, now), Ok(Turn::Waits));
        assert_eq!(order.finish(&no(1), &ended(Reserve::Keep, 60)), Some(no(2)));
        assert_eq!(order.finish(&no(2), &ended(Reserve::Keep, 60)), None);
        assert_eq!(order.reserve(&no(3), cents(1), None, now), Ok(Turn::At(UnixMillis::new(60))));
    }

    proptest! {
        #[test]
        fn refunds_never_pass_what_was_paid(
            paid in 1_u64..1_000,
            steps in proptest::collection::vec((1_u64..400, any::<bool>()), 1..60),
        ) {
            let mut order = OrderAccount::default();
            let mut open: Vec<(usize, u64)> = Vec::new();
            let mut refunded = 0_u64;
            for (i, (amount, succeeds)) in steps.into_iter().enumerate() {
                let now = UnixMillis::new(0);
                if order.reserve(&no(i), cents(amount), Some(cents(paid)), now).is_ok() {
                    open.push((i, amount));
                }
                if !open.is_empty() {
                    let (first, amount) = open.remove(0);
                    refunded += if succeeds { amount } else { 0 };
                    let reserve =
                        if succeeds { Reserve::Keep } else { Reserve::Free(cents(amount)) };
                    let next = order.finish(&no(first), &ended(reserve, 0));
                    prop_assert_eq!(next, open.first().map(|(i, _)| no(*i)));
                }
                let reserved: u64 = open.iter().map(|(_, amount)| amount).sum();
                prop_assert_eq!(order.held_cents(), refunded + reserved);
                prop_assert!(order.held_cents() <= paid);
            }
        }
    }
}
