//! A refund: what was asked, which never changes, and what has happened since, which only grows.

use super::state::{Event, EventKind, RefundState};
use super::{
    AccountName, AmountCents, Currency, GatewayName, GatewayOrderNo, GatewayRefundNo, OrderNo,
    RefundNo, UnixMillis,
};

/// Which paid order the money goes back to: by the gateway's id, the merchant's, or both.
///
/// Made by [`OrderRef::new`], which sees to it that at least one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRef {
    gateway_order_no: Option<GatewayOrderNo>,
    order_no: Option<OrderNo>,
    /// What was paid, minor units; enables the over-refund guard.
    pub paid: Option<AmountCents>,
}

impl OrderRef {
    /// Joins the two ids; `None` if neither is given.
    pub fn new(
        gateway_order_no: Option<GatewayOrderNo>,
        order_no: Option<OrderNo>,
        paid: Option<AmountCents>,
    ) -> Option<Self> {
        if gateway_order_no.is_none() && order_no.is_none() {
            return None;
        }
        Some(Self { gateway_order_no, order_no, paid })
    }

    /// The gateway's id of the order (`payOrderId`, `transaction_id`).
    pub fn gateway_order_no(&self) -> Option<&GatewayOrderNo> {
        self.gateway_order_no.as_ref()
    }

    /// The merchant's order number (`mchOrderNo`, `out_trade_no`).
    pub fn order_no(&self) -> Option<&OrderNo> {
        self.order_no.as_ref()
    }
}

/// The merchant's order to return money. Immutable once admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The idempotency key, the same on every resend.
    pub refund_no: RefundNo,
    /// Which merchant account pays it back.
    pub account: AccountName,
    /// How much, minor units of `currency`.
    pub amount: AmountCents,
    /// The account's currency.
    pub currency: Currency,
    /// The paid order.
    pub order: OrderRef,
    /// The merchant's words for why, up to 127 characters.
    pub reason: Option<String>,
    /// The payer's address, where the request gave one.
    pub client_ip: Option<String>,
    /// The device name, where the request gave one.
    pub device: Option<String>,
    /// When the order system says it asked.
    pub requested_at: Option<UnixMillis>,
    /// Not to be submitted earlier.
    pub not_before: Option<UnixMillis>,
    /// JSON of up to 4 KiB, echoed in the result and never sent to a gateway.
    pub metadata: Option<String>,
}

impl Refund {
    /// Whether `other` asks for the same thing, so that a repeated push is a harmless duplicate.
    ///
    /// `requested_at` is left out: a producer that pushes again after a lost answer stamps it anew,
    /// and it changes nothing about the money.
    pub fn same_content(&self, other: &Self) -> bool {
        let ignoring_time = Self { requested_at: other.requested_at, ..self.clone() };
        ignoring_time == *other
    }
}

/// Running totals of a refund. They only grow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Submits that may have reached the gateway.
    pub attempts: u32,
    /// Queries made, answered or not.
    pub polls: u32,
    /// When the first of those submits was recorded.
    pub submitted_at: Option<UnixMillis>,
    /// Results published so far; the next one carries this plus 1 as its version.
    pub results: u32,
    /// What happened so far, less the queries that changed nothing: the version that a person saw
    /// and acts on.
    pub revision: u32,
}

/// One line of a refund's history: what happened, when, and the words for it.
///
/// A run of equal events is one line with a count, so that a card refund that is polled for two
/// weeks has a history that a person can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// When it first happened.
    pub at: UnixMillis,
    /// When it last happened; equal to `at` unless `times` is above 1.
    pub last_at: UnixMillis,
    /// How often in a row.
    pub times: u32,
    /// What it was.
    pub event: EventKind,
    /// The gateway's or refundd's words.
    pub note: String,
}

/// A refund with its state and its history: the one durable record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRecord {
    /// What was asked.
    pub refund: Refund,
    /// The gateway whose order numbers it names, as it was when the refund was admitted: refunds
    /// of accounts that submit to one gateway share its orders.
    pub order_scope: GatewayName,
    /// When its order system pushed it, as far as the request tells: never later than `admitted_at`.
    pub pushed_at: UnixMillis,
    /// When the ledger took it in. After a loss of writes it may take in a request once more.
    pub admitted_at: UnixMillis,
    /// Where it stands.
    pub state: RefundState,
    /// Running totals.
    pub tally: Tally,
    /// The gateway's id of this refund, once an answer named it.
    pub gateway_refund_no: Option<GatewayRefundNo>,
    /// SHA-256 of the business parameters of the first submit; every resend must have the same.
    pub params_hash: Option<ParamsHash>,
    /// What has happened, oldest first.
    pub history: Vec<HistoryLine>,
}

/// SHA-256 over the business parameters of a submit (all but nonce, time and signature).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParamsHash(pub [u8; 32]);

impl RefundRecord {
    /// Most lines of a history. Beyond this the oldest query lines go, then submits that were put
    /// off, but for the first; what was sent and how it ended stays.
    pub const HISTORY_MAX: usize = 64;

    /// Longest note of a history line, characters.
    pub const NOTE_MAX: usize = 160;

    /// A refund as it is admitted: nothing has been sent.
    pub fn admitted(refund: Refund, order_scope: GatewayName, at: UnixMillis) -> Self {
        Self {
            refund,
            order_scope,
            pushed_at: at,
            admitted_at: at,
            state: RefundState::Requested { waits: 0 },
            tally: Tally::default(),
            gateway_refund_no: None,
            params_hash: None,
            history: Vec::new(),
        }
    }

    /// Whether the refund has settled at some time: then its order's turn was passed on, and its amount
    /// may have been freed and promised to others.
    pub fn has_ended_before(&self) -> bool {
        use EventKind as E;
        let ends = |event| {
            matches!(
                event,
                E::Succeeded | E::Failed | E::RefusalConfirmed | E::Resolved | E::Abandoned
            )
        };
        self.history.iter().any(|line| ends(line.event))
    }

    /// The line that a full history can best do without.
    fn least_telling(&self) -> usize {
        let of = |wanted: fn(EventKind) -> bool| {
            self.history.iter().enumerate().filter(move |(_, line)| wanted(line.event))
        };
        let query = of(EventKind::is_query).next();
        let put_off = of(|event| event == EventKind::NotSent).nth(1);
        query.or(put_off).map_or(1, |(at, _)| at)
    }

    /// Adds what happened to the history.
    pub fn remember(&mut self, event: &Event, at: UnixMillis) {
        let note: String = event.note().chars().take(Self::NOTE_MAX).collect();
        let kind = event.kind();
        // A submit that provably did not happen is no line of its own, so that runs of them merge.
        let started =
            |line: &HistoryLine| line.event == EventKind::SubmitStarted && line.times == 1;
        if kind == EventKind::NotSent {
            self.history.pop_if(|line| started(line));
        }
        if let Some(last) = self.history.last_mut()
            && last.event == kind
            && last.note == note
        {
            last.times = last.times.saturating_add(1);
            last.last_at = at;
            return;
        }
        if self.history.len() >= Self::HISTORY_MAX {
            self.history.remove(self.least_telling());
        }
        self.history.push(HistoryLine { at, last_at: at, times: 1, event: kind, note });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plain refund as admitted at `at`.
    pub(crate) fn admitted(no: &str, cents: u64, at: UnixMillis) -> RefundRecord {
        RefundRecord::admitted(refund(no, cents), GatewayName::parse("gw").unwrap(), at)
    }

    /// A plain refund of account `shop`, order `P1`.
    pub(crate) fn refund(no: &str, cents: u64) -> Refund {
        Refund {
            refund_no: RefundNo::parse(no).unwrap(),
            account: AccountName::parse("shop").unwrap(),
            amount: AmountCents::new(cents).unwrap(),
            currency: Currency::parse("CAD").unwrap(),
            order: OrderRef::new(Some(GatewayOrderNo::parse("P1").unwrap()), None, None).unwrap(),
            reason: None,
            client_ip: None,
            device: None,
            requested_at: None,
            not_before: None,
            metadata: None,
        }
    }

    #[test]
    fn a_run_of_equal_events_is_one_line_with_a_count() {
        let mut record = admitted("R1", 1, UnixMillis::new(0));
        for second in 0..500 {
            record.remember(
                &Event::StillProcessing { gateway_refund_no: None },
                UnixMillis::new(second * 1_000),
            );
        }
        assert_eq!(record.history.len(), 1);
        assert_eq!(record.history[0].times, 500);
        assert_eq!(record.history[0].last_at, UnixMillis::new(499_000));
    }

    #[test]
    fn a_long_history_forgets_queries_and_never_submits() {
        let mut record = admitted("R1", 1, UnixMillis::new(0));
        record.remember(&Event::SubmitStarted, UnixMillis::new(0));
        for i in 0..1_000 {
            let event = Event::NoAnswer { note: format!("{i}"), retry_after_ms: None };
            record.remember(&event, UnixMillis::new(i));
        }
        assert_eq!(record.history.len(), RefundRecord::HISTORY_MAX);
        assert_eq!(record.history[0].event, EventKind::SubmitStarted);
        assert_eq!(record.history.last().unwrap().note, "999");
    }

    #[test]
    fn a_gateway_that_is_away_for_days_does_not_fill_the_history() {
        let mut record = admitted("R1", 1, UnixMillis::new(0));
        for i in 0..10_000 {
            record.remember(&Event::SubmitStarted, UnixMillis::new(i));
            let note = if i % 100 < 50 { "refused".to_owned() } else { format!("reset {i}") };
            record.remember(&Event::NotSent { note, retry_after_ms: None }, UnixMillis::new(i));
        }
        assert_eq!(record.history.len(), RefundRecord::HISTORY_MAX);
        let first = &record.history[0];
        assert_eq!((first.at, first.times), (UnixMillis::new(0), 50), "the first is kept");
    }

    #[test]
    fn a_repeated_push_may_carry_another_request_time_and_nothing_else() {
        let first = refund("R1", 500);
        let again = Refund { requested_at: Some(UnixMillis::new(9)), ..first.clone() };
        assert!(first.same_content(&again));
        let other = Refund { metadata: Some("{}".to_owned()), ..first.clone() };
        assert!(!first.same_content(&other));
    }
}
