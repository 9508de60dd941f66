//! The simulated gateway: what is on its way to it, its own book, and every way it can answer badly.
//!
//! A call is a message. The world decides when the gateway handles it, long after the caller has
//! given up or died if it likes, but within [`LATE_MAX_MS`]: a message that outlives the account's
//! visibility window is beyond what any client can guard against.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use fastrand::Rng;
use refundd::domain::evidence::{Found, StatusLine, StatusWord};
use refundd::domain::refund::ParamsHash;
use refundd::domain::state::Refusal;
use refundd::domain::{GatewayName, Grade, Refund, UnixMillis};
use refundd::ports::{
    Acceptance, Clock, FieldError, GatewayError, ManualClock, QueryAnswer, RefundQuerier,
    RefundSubmitter,
};

use super::faults::Faults;

/// The longest a submit can stay on its way, ms.
pub(super) const LATE_MAX_MS: u64 = 200_000;

/// The longest the gateway takes to show a refund that it has, ms. Together with [`LATE_MAX_MS`] less
/// than the visibility window of the account.
pub(super) const VISIBLE_MAX_MS: u64 = 200_000;

/// When a caller gives up, ms.
pub(super) const TIMEOUT_MS: u64 = 15_000;

/// What the gateway does with a refund number that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// Answers as if it were the first time, moves no more money.
    Replays,
    /// Refuses it, moves no more money.
    Rejects,
    /// Moves the money again.
    Executes,
}

/// What became of an executed refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Processing,
    Succeeded,
    Failed,
}

/// One refund number in the gateway's book.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) order: String,
    pub(super) cents: u64,
    /// How often the money was moved.
    pub(super) executions: u32,
    pub(super) fate: Fate,
    visible_at: UnixMillis,
}

/// The book: by refund number.
pub(super) type Book = BTreeMap<String, Entry>;

enum Ask {
    Submit,
    Query,
}

struct Message {
    id: u64,
    ask: Ask,
    refund: Refund,
    sent_at: UnixMillis,
}

enum Reply {
    Submit(Result<Acceptance, GatewayError>),
    Query(Result<QueryAnswer, GatewayError>),
}

struct Inside {
    rng: Rng,
    faults: Faults,
    repeats: Repeats,
    book: Book,
    inbox: Vec<Message>,
    replies: BTreeMap<u64, Reply>,
    next_id: u64,
    submits: u64,
}

/// The gateway, as the accounts of the simulation see it.
pub(super) struct SimGateway {
    name: GatewayName,
    clock: Arc<ManualClock>,
    inside: Mutex<Inside>,
}

impl std::fmt::Debug for SimGateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimGateway")
    }
}

impl SimGateway {
    pub(super) fn new(
        seed: u64,
        repeats: Repeats,
        faults: Faults,
        clock: Arc<ManualClock>,
    ) -> Self {
        let inside = Inside {
            rng: Rng::with_seed(seed),
            faults,
            repeats,
            book: Book::new(),
            inbox: Vec::new(),
            replies: BTreeMap::new(),
            next_id: 0,
            submits: 0,
        };
        Self { name: GatewayName::parse("sim").unwrap(), clock, inside: Mutex::new(inside) }
    }

    /// From now on it behaves.
    pub(super) fn calm(&self) {
        let mut inside = self.inside.lock().unwrap();
        let breaks_promise = inside.faults.breaks_promise;
        inside.faults = Faults { breaks_promise, ..Faults::none() };
    }

    pub(super) fn book(&self) -> Book {
        self.inside.lock().unwrap().book.clone()
    }

    /// Submits that left a worker.
    pub(super) fn submits(&self) -> u64 {
        self.inside.lock().unwrap().submits
    }

    /// How many messages are on their way.
    pub(super) fn waiting(&self) -> usize {
        self.inside.lock().unwrap().inbox.len()
    }

    /// Handles one of the messages on their way; those that would be too late first.
    pub(super) fn handle_one(&self) {
        let now = self.clock.now();
        let mut inside = self.inside.lock().unwrap();
        if inside.inbox.is_empty() {
            return;
        }
        let some = inside.rng.clone().usize(..inside.inbox.len());
        inside.rng.u64(..);
        let late = inside.inbox.iter().position(|m| now.since(m.sent_at) >= LATE_MAX_MS / 2);
        let message = inside.inbox.swap_remove(late.unwrap_or(some));
        inside.handle(&message, now);
    }

    /// Handles every message that would otherwise be on its way for longer than it may be.
    pub(super) fn handle_before(&self, then: UnixMillis) {
        let now = self.clock.now();
        let mut inside = self.inside.lock().unwrap();
        while let Some(late) =
            inside.inbox.iter().position(|m| then.since(m.sent_at) >= LATE_MAX_MS)
        {
            let message = inside.inbox.swap_remove(late);
            inside.handle(&message, now);
        }
    }

    /// Brings one refund that it holds to its end.
    pub(super) fn settle_one(&self) {
        let mut inside = self.inside.lock().unwrap();
        let open: Vec<String> = inside
            .book
            .iter()
            .filter(|(_, entry)| entry.fate == Fate::Processing)
            .map(|(no, _)| no.clone())
            .collect();
        if open.is_empty() {
            return;
        }
        let no = &open[inside.rng.usize(..open.len())];
        let fails = inside.rng.u8(..100) < 20;
        let entry = inside.book.get_mut(no).unwrap();
        entry.fate = if fails { Fate::Failed } else { Fate::Succeeded };
    }

    async fn call(&self, ask: Ask, refund: &Refund) -> Reply {
        let id = {
            let mut inside = self.inside.lock().unwrap();
            let id = inside.next_id;
            inside.next_id += 1;
            let sent_at = self.clock.now();
            inside.inbox.push(Message { id, ask, refund: refund.clone(), sent_at });
            id
        };
        let deadline = self.clock.now().plus(TIMEOUT_MS);
        poll_fn(|_| {
            if let Some(reply) = self.inside.lock().unwrap().replies.remove(&id) {
                return Poll::Ready(reply);
            }
            if self.clock.now() < deadline {
                return Poll::Pending;
            }
            Poll::Ready(Reply::Submit(Err(timeout())))
        })
        .await
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|_| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        Poll::Pending
    })
    .await;
}

fn timeout() -> GatewayError {
    GatewayError::Timeout("late".into())
}

impl Inside {
    fn roll(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    fn handle(&mut self, message: &Message, now: UnixMillis) {
        let reply = match message.ask {
            Ask::Submit => self.submit(&message.refund, now).map(Reply::Submit),
            Ask::Query => Some(Reply::Query(self.query(&message.refund, now))),
        };
        let lost = self.faults.answer_lost;
        if let Some(reply) = reply
            && !self.roll(lost)
        {
            self.replies.insert(message.id, reply);
        }
    }

    /// `None`: the message was lost on its way.
    fn submit(
        &mut self,
        refund: &Refund,
        now: UnixMillis,
    ) -> Option<Result<Acceptance, GatewayError>> {
        let faults = self.faults.clone();
        if self.roll(faults.message_lost) {
            return None;
        }
        let no = refund.refund_no.to_string();
        let known = self.book.contains_key(&no);
        if !known && self.roll(faults.refused) {
            let grade = if self.rng.bool() { Grade::A } else { Grade::B };
            let refusal = Refusal { code: "0014".into(), message: "refused".into(), grade };
            return Some(Err(GatewayError::Refused(refusal)));
        }
        if !known && self.roll(faults.put_off) {
            return Some(Err(GatewayError::PutOff {
                code: "too_frequent".into(),
                message: String::new(),
                retry_after_ms: self.rng.bool().then_some(2_000),
            }));
        }
        if self.roll(faults.doubtful) {
            if self.rng.bool() {
                self.execute(refund, now);
            }
            return Some(Err(self.doubt()));
        }
        if known && self.repeats == Repeats::Rejects {
            if self.rng.bool() && !faults.breaks_promise {
                // A resend is refused as if nothing had happened: only asking tells the truth.
                let message = "the number exists".to_owned();
                let refusal = Refusal { code: "0014".into(), message, grade: Grade::A };
                return Some(Err(GatewayError::Refused(refusal)));
            }
            let message = "the number exists".to_owned();
            return Some(Err(GatewayError::Ambiguous { code: "0110".into(), message }));
        }
        self.execute(refund, now);
        Some(Ok(Acceptance { gateway_refund_no: None }))
    }

    fn execute(&mut self, refund: &Refund, now: UnixMillis) {
        let delay = match (self.faults.invisible, self.faults.breaks_promise) {
            (0, _) => 0,
            (_, false) => self.rng.u64(..VISIBLE_MAX_MS),
            (_, true) => self.rng.u64(..VISIBLE_MAX_MS * 50),
        };
        let order = refund.order.gateway_order_no().map(ToString::to_string);
        let new = Entry {
            order: order.expect("every request of the simulation names it"),
            cents: refund.amount.get(),
            executions: 0,
            fate: Fate::Processing,
            visible_at: now.plus(delay),
        };
        let repeats = self.repeats;
        let entry = self.book.entry(refund.refund_no.to_string()).or_insert(new);
        if entry.executions == 0 || repeats == Repeats::Executes {
            entry.executions += 1;
        }
    }

    /// An answer that says nothing about whether the money moved.
    fn doubt(&mut self) -> GatewayError {
        match self.rng.u8(..5) {
            0 => GatewayError::HttpStatus { status: 502, retry_after_ms: None },
            1 => GatewayError::Unreadable("<html>".to_owned()),
            2 => GatewayError::BadSignature("sign differs".to_owned()),
            3 => GatewayError::Broken("reset".into()),
            _ => GatewayError::Ambiguous { code: "9999".into(), message: "?".to_owned() },
        }
    }

    fn query(&mut self, refund: &Refund, now: UnixMillis) -> Result<QueryAnswer, GatewayError> {
        let faults = self.faults.clone();
        if self.roll(faults.doubtful) {
            return Err(self.doubt());
        }
        let grade = if self.roll(faults.unsigned) { Grade::B } else { Grade::A };
        let no = refund.refund_no.as_str();
        let order = refund.order.gateway_order_no().map(ToString::to_string);
        let shown = |entry: &Entry| Some(&entry.order) == order.as_ref() && entry.visible_at <= now;
        if !self.book.get(no).is_some_and(shown) {
            let note = "0112 not found".to_owned();
            return Ok(QueryAnswer::NotFound { grade, note });
        }
        let mut lines: Vec<StatusLine> =
            self.book.iter().filter(|(_, e)| shown(e)).map(|(no, e)| line(no, e)).collect();
        if self.roll(faults.strange_word) {
            for line in lines.iter_mut().filter(|line| line.refund_no == no) {
                line.word = StatusWord::Unlisted;
            }
        }
        if grade < Grade::A && self.rng.bool() {
            // Whoever answers without a signature may be anybody.
            let status = if self.rng.bool() { "SUCCESS" } else { "FAIL" };
            for line in &mut lines {
                line.word = StatusWord::parse(status);
            }
        }
        if self.roll(faults.wrong_amount) {
            for line in lines.iter_mut().filter(|line| line.refund_no == no) {
                line.amount_cents += 1;
            }
        }
        Ok(QueryAnswer::Found(Found { lines, grade }))
    }
}

fn line(no: &str, entry: &Entry) -> StatusLine {
    let status = match entry.fate {
        Fate::Processing => "PROCESSING",
        Fate::Succeeded => "SUCCESS",
        Fate::Failed => "FAIL",
    };
    StatusLine {
        n: 0,
        refund_no: no.to_owned(),
        gateway_refund_no: None,
        amount_cents: entry.cents,
        word: StatusWord::parse(status),
        status: status.to_owned(),
        time: None,
        reason: None,
    }
}

#[async_trait]
impl RefundSubmitter for SimGateway {
    fn gateway(&self) -> &GatewayName {
        &self.name
    }
    fn check(&self, _refund: &Refund) -> Result<(), FieldError> {
        Ok(())
    }
    fn params_hash(&self, refund: &Refund) -> ParamsHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&refund.amount.get().to_le_bytes());
        ParamsHash(hash)
    }
    async fn submit(&self, refund: &Refund) -> Result<Acceptance, GatewayError> {
        let checked_at = self.clock.now();
        yield_once().await; // a worker can stop or die between its last look and the first byte
        {
            let mut inside = self.inside.lock().unwrap();
            let not_sent = inside.faults.not_sent;
            if inside.roll(not_sent) {
                return Err(GatewayError::Connect("refused".into()));
            }
            if self.clock.now().since(checked_at) > LATE_MAX_MS {
                return Err(timeout()); // whatever connection it had is gone by now
            }
            inside.submits += 1;
        }
        match self.call(Ask::Submit, refund).await {
            Reply::Submit(answer) => answer,
            Reply::Query(_) => Err(timeout()),
        }
    }
}

#[async_trait]
impl RefundQuerier for SimGateway {
    fn gateway(&self) -> &GatewayName {
        &self.name
    }
    fn check(&self, _refund: &Refund) -> Result<(), FieldError> {
        Ok(())
    }
    async fn query(&self, refund: &Refund) -> Result<QueryAnswer, GatewayError> {
        match self.call(Ask::Query, refund).await {
            Reply::Query(answer) => answer,
            Reply::Submit(_) => Err(timeout()),
        }
    }
}
