//! The ledger port: the one durable record of every refund, which is also the queue.
//!
//! A refund is one record with a due time. Claiming it gives a lease with a fence; a claim of a
//! refund that is to be submitted is, in the same write, the record of the intent. Every later
//! write compares the fence. A final state and its published result are one write.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use super::acts::{Act, Acted, Audit, Pause};
use super::figures::Bin;
pub use super::ops::{Counts, OVERDUE_MS};
pub use super::views::{Filter, Page, Stored};
use crate::domain::order::OrderChange;
use crate::domain::refund::RefundRecord;
use crate::domain::step::{ClaimFacts, Plan};
use crate::domain::{
    AccountName, AmountCents, GatewayName, OrderRef, Refund, RefundNo, UnixMillis,
};

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store cannot be reached or did not confirm. The write may or may not have happened;
    /// every operation may be repeated.
    #[error("the ledger did not confirm")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The store answered, and refuses: out of memory, read-only, wrong type. Repeating helps only
    /// after somebody has acted.
    #[error("the ledger refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// Something stored cannot be read. It is left as it is.
    #[error("ledger entry {key} cannot be read: {why}")]
    Corrupt {
        /// Which entry.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store is not fit to keep refunds; see the text for what to change.
    #[error("{0}")]
    Unfit(String),
}

/// The id of an entry of the requests stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub String);

impl EntryId {
    /// When it was pushed: Redis makes ids of its own time. Whoever chooses other ids only makes
    /// their requests look older, after which a loss of writes asks about them first.
    pub fn pushed_at(&self) -> Option<UnixMillis> {
        let (ms, _) = self.0.split_once('-')?;
        ms.parse().ok().map(UnixMillis::new)
    }
}

/// A refund to take in, and the request entry that it answers.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The record as it is to be stored, in state requested.
    pub record: RefundRecord,
    /// When its submit is due.
    pub due_at: UnixMillis,
    /// The request entry to acknowledge in the same write; `None` for a refund that came by HTTP.
    pub entry: Option<EntryId>,
}

/// What became of an [`Admission`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// Stored, reserved and due. Durable; the entry is acknowledged.
    New,
    /// Stored and reserved; waits for another refund of its order. Durable, acknowledged.
    Waiting,
    /// This refund number is known, but what is stored under it cannot be read here, as after a
    /// newer refundd wrote it. Nothing was written, not acknowledged; left for a newer worker.
    Unreadable(String),
    /// This refund number is known. Nothing was written, the entry is **not** acknowledged: the
    /// caller compares the contents and calls [`Ledger::refuse`].
    Known(Box<Refund>),
    /// The order would give back more than was paid. Nothing was written, not acknowledged.
    OverRefund {
        /// What was paid, minor units.
        paid_cents: u64,
        /// What is refunded or reserved already, minor units.
        held_cents: u64,
    },
    /// The two order ids belong to two orders that the ledger knows apart. Nothing was written,
    /// not acknowledged.
    OrderMismatch,
    /// The request entry has had its answer, and the refund is not (or no longer) known: it was
    /// refused, and whoever pushed it was told so. Nothing was written, nothing is to be published,
    /// whatever would fit by now.
    Decided,
}

/// A request entry that leads to no refund: acknowledged together with what it leaves behind.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The request entry to acknowledge.
    pub entry: Option<EntryId>,
    /// A result to publish.
    pub result: Option<Publication>,
    /// What to put on the quarantine stream, as field and value.
    pub quarantine: Vec<(&'static str, Vec<u8>)>,
}

/// An entry of the results stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Unique id, the same on every repeat of the same write.
    pub event_id: String,
    /// The refund number as the request had it.
    pub refund_no: String,
    /// `succeeded`, `failed`, `rejected` or `parked`.
    pub outcome: &'static str,
    /// The result, JSON.
    pub json: String,
}

/// What proves that a lease is still the one that was given: a number that every claim raises, and
/// a word of the claim itself, because the number may come again after Redis has lost writes. The word
/// tells the run of the store that gave the lease: in another run it is stale, because the store may
/// have come back without what others have done since, and with this lease still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Higher with every claim, as long as Redis loses nothing.
    pub number: u64,
    /// Unlike the word of any other claim.
    pub word: Arc<str>,
}

/// The right to act on one refund until a moment, and the fence that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which refund.
    pub refund_no: RefundNo,
    /// A write with another one is refused.
    pub fence: Fence,
    /// When the lease ends.
    pub until: UnixMillis,
}

/// A refund that this worker may act on.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The right to act.
    pub lease: Lease,
    /// The record; submitting, if this claim recorded the intent.
    pub record: RefundRecord,
    /// What the claim found beside the record.
    pub facts: ClaimFacts,
    /// Since when it was due: its time, or the end of a lease that ran out.
    pub due_at: UnixMillis,
    /// The `now` of the claim, if in the same atomic operation nothing at all was paused and no order
    /// at all held more than was paid. It then says what [`Ledger::clear`] would have said at that
    /// moment to a submit without a daily limit. `None` says nothing: ask.
    pub cleared_at: Option<UnixMillis>,
}

/// The answer to [`Ledger::claim`].
#[derive(Debug, Default)]
pub struct Claims {
    /// The refunds that are now leased, oldest due time first.
    pub claims: Vec<Claim>,
    /// Refunds whose records cannot be read, and why; the caller puts them back.
    pub unreadable: Vec<(Lease, String)>,
    /// When the next refund is due, if fewer than wanted were.
    pub next_due: Option<UnixMillis>,
}

/// What a worker made of a refund it held.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The right to write it.
    pub lease: Lease,
    /// Where the refund was counted when it was claimed.
    pub from: Bin,
    /// The record to store.
    pub record: RefundRecord,
    /// When it needs attention next.
    pub plan: Plan,
    /// The result to publish in the same write.
    pub result: Option<Publication>,
    /// What this means for its order.
    pub order: Option<OrderChange>,
}

/// A leased refund that goes back as it was: it waits for a limit, or this program cannot read it.
#[derive(Debug, Clone)]
pub struct PutBack {
    /// The right to put it back.
    pub lease: Lease,
    /// When it is to be looked at again.
    pub due_at: UnixMillis,
}

/// A question right before the bytes of a submit leave.
#[derive(Debug, Clone)]
pub struct Clearance {
    /// The lease under which it is to be sent.
    pub lease: Lease,
    /// The account that pays.
    pub account: AccountName,
    /// The gateway whose order numbers the refund names, and the order.
    pub order: (GatewayName, OrderRef),
    /// The daily limit of that account, if it has one.
    pub daily: Option<Daily>,
}

/// What an account may send in one day. A refund counts once in each day in which it is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// Days since 1970-01-01, UTC.
    pub day: u64,
    /// The amount that asks for clearance, minor units.
    pub amount: AmountCents,
    /// The most that may be cleared in that day, minor units.
    pub limit_cents: u64,
}

/// The answer to a [`Clearance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// The lease is held, nothing is paused, the amount is counted: send.
    Go,
    /// Another worker holds the refund, somebody acted on it, or the store was started anew since the
    /// claim: do not send, do not write.
    Lost,
    /// Submits are paused: do not send.
    Paused,
    /// The account has sent what it may send today: do not send.
    DailyLimit,
    /// More of the order is held than was paid, because a correction has shown money that had been
    /// thought free: never send.
    OverRefund,
}

/// What became of a [`Commit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Stored. Durable.
    Stored,
    /// Another worker holds the refund, it was released, or the store was started anew since the claim:
    /// nothing was stored but a line that says what it knew.
    StaleFence,
}

/// The durable record of every refund.
///
/// Every method may be repeated after [`LedgerError::Unavailable`]; what a repeat does is said at
/// each. Batches hold at most [`BATCH_MAX`] items.
#[async_trait]
pub trait Ledger: Send + Sync + Debug {
    /// Takes refunds in: dedupe, reservation on the order, record, due time and acknowledgement
    /// in one write. Answers in the order of the batch.
    ///
    /// A repeat of an admission that was stored answers [`Admitted::Known`] with the same content; one
    /// of an entry that was refused answers [`Admitted::Decided`], also after room was made.
    async fn admit(
        &self,
        batch: &[Admission],
        now: UnixMillis,
    ) -> Result<Vec<Admitted>, LedgerError>;

    /// Acknowledges a request entry that leads to no refund, and publishes or quarantines what it
    /// leaves behind, in one write. An entry that was acknowledged already is left alone, so a
    /// repeat publishes nothing twice.
    async fn refuse(&self, refusal: &Refusal) -> Result<(), LedgerError>;

    /// Leases up to `want` refunds that are due or whose lease has run out, oldest first, until
    /// `until`. For a refund whose next step is a submit this is the durable record of the intent.
    ///
    /// What it leases it clears in the same operation where it can ([`Claim::cleared_at`]): for
    /// [`CLEARED_MS`] that is as good as an answer of [`Self::clear`], except for a daily limit.
    ///
    /// After an error some refunds may be leased to nobody; [`Self::unclaim`] gives them back. Without
    /// it their lease runs out like that of a worker that died, and an intent among them counts as
    /// maybe sent.
    async fn claim(
        &self,
        want: usize,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Claims, LedgerError>;

    /// Gives back what this handle's claims have leased under fences above `heard`, the last one it
    /// was told of: claims whose answers were lost, so that nobody has acted on them. They are due at
    /// once, and an intent among them is as if it had never been recorded. Returns how many.
    ///
    /// Only the one loop that claims through this handle may call it, not while a claim is under way,
    /// and it claims nothing before this has answered `Ok`. Harmless to repeat, also late: what is
    /// claimed after the call is never touched by it.
    async fn unclaim(&self, heard: u64, now: UnixMillis) -> Result<usize, LedgerError>;

    /// Stores what became of leased refunds and publishes what is to be published. Each item
    /// stands by itself: a stale one does not touch the others. Answers in the order of the batch.
    ///
    /// A repeat after a lost answer finds the lease gone and says [`Committed::StaleFence`];
    /// nothing is stored or published twice.
    async fn commit(
        &self,
        batch: &[Commit],
        now: UnixMillis,
    ) -> Result<Vec<Committed>, LedgerError>;

    /// Gives leased refunds back as they were before the claim, due when the caller says: no
    /// attempt, no crash, no line of history. One whose lease is gone is left alone, so a repeat does
    /// nothing further.
    async fn put_back(&self, batch: &[PutBack], now: UnixMillis) -> Result<(), LedgerError>;

    /// Says whether submits may leave now, and counts their amounts where the account has a daily
    /// limit. Answers in the order of the batch. What is counted in a day stays counted, once a refund; a
    /// repeat in that day changes nothing.
    async fn clear(
        &self,
        batch: &[Clearance],
        now: UnixMillis,
    ) -> Result<Vec<Cleared>, LedgerError>;

    /// Stores what a person decided, with its audit line, in one write. A repeat finds the refund
    /// changed.
    async fn act(&self, act: &Act, now: UnixMillis) -> Result<Acted, LedgerError>;

    /// Stops the submits of one account, or of all (`None`); queries go on. From the return on, neither
    /// [`Self::clear`] nor a claim clears a submit of it; one that a claim has cleared before may still
    /// leave for [`CLEARED_MS`]. Returns whether that is new; the audit line is written only then.
    async fn pause(&self, pause: &Pause) -> Result<bool, LedgerError>;

    /// Lets the submits of one account, or of all that are not paused by themselves, go on. Returns
    /// whether they were paused; the audit line is written only then. With `seen`, only if it still is the
    /// pause that was set at that moment.
    async fn resume(&self, resume: &Pause, seen: Option<UnixMillis>) -> Result<bool, LedgerError>;

    /// What is paused now.
    async fn pauses(&self) -> Result<Vec<Pause>, LedgerError>;

    /// Makes refunds due now that are not leased and not waiting for their submit, ended ones
    /// included: the gateway is asked about them again. Harmless to repeat.
    async fn nudge(&self, refund_nos: &[RefundNo], now: UnixMillis) -> Result<(), LedgerError>;

    /// Reads one refund.
    async fn find(&self, refund_no: &RefundNo) -> Result<Option<Stored>, LedgerError>;

    /// Reads a page of refunds: about `count` are looked at, those that match are returned.
    async fn list(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Page, LedgerError>;

    /// Counts what it holds. Reads no record, so it costs the same for ten refunds and ten million.
    async fn counts(&self, now: UnixMillis) -> Result<Counts, LedgerError>;

    /// Forgets refunds that settled before `settled_before`, at most [`BATCH_MAX`] of them, and
    /// trims results older than `published_before` that every consumer group has read. Returns how
    /// many refunds were forgotten.
    async fn purge(
        &self,
        settled_before: UnixMillis,
        published_before: UnixMillis,
    ) -> Result<usize, LedgerError>;
}

/// Most items of one batch: far below the 8,000 values at which Lua's `unpack` fails on Redis 7.0.
pub const BATCH_MAX: usize = 500;

/// How old the clearance of a claim may be when the call begins, ms, by the worker's clock. What a new
/// connection takes comes on top.
pub const CLEARED_MS: u64 = 100;
