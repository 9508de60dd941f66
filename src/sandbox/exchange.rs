//! One request against the book, before any protocol spells the answer.
//!
//! Here a fault meets the money: whether the book takes a submit before something goes wrong is
//! decided in [`run`], and nowhere else. Both protocols use the same book, so that a refund
//! submitted over one can be asked for over the other.

use std::sync::{Mutex, PoisonError};

use super::book::Book;
use super::faults::{Chosen, Fault, Op};
use super::terms::{Ask, Denial, Fate, Lookup, RefundView, Standing};
use crate::domain::UnixMillis;

/// A request that was read: its signature is right and its fields are there.
#[derive(Debug)]
pub(super) enum Request {
    Submit(Ask),
    Query(Lookup),
}

impl Request {
    pub(super) const fn op(&self) -> Op {
        match self {
            Self::Submit(_) => Op::Submit,
            Self::Query(_) => Op::Query,
        }
    }

    /// What fault rules are matched on: the refund number, or what stands in for it.
    pub(super) fn refund_no(&self) -> &str {
        match self {
            Self::Submit(ask) => &ask.refund_no,
            Self::Query(Lookup::RefundNo(no) | Lookup::GatewayRefundNo(no)) => no,
            Self::Query(Lookup::Order(ids)) => {
                let no = ids.order_no.as_deref();
                no.or(ids.gateway_order_no.as_deref()).unwrap_or_default()
            }
        }
    }
}

/// What is said in answer to a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// The refund was taken, now or earlier.
    Accepted(Line),
    /// These refunds were found.
    Found(Vec<Line>),
    /// Anything else.
    Trouble(Trouble),
}

/// One refund in an answer.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) view: RefundView,
    /// Said instead of the truth about where it stands.
    pub(super) instead: Option<Word>,
}

/// A status that does not come from the book.
#[derive(Debug, Clone)]
pub(super) enum Word {
    NotSure,
    Unlisted,
    Raw(String),
}

/// Why there is no refund in the answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another HTTP method than POST.
    NotPost,
    /// No parameters.
    Empty,
    /// The request's signature is wrong or missing.
    BadSignature,
    /// This field is missing, too long or no number.
    Field(&'static str),
    /// Nobody knows this merchant.
    UnknownMerchant,
    /// Nobody knows this service.
    UnknownService,
    /// The book turned the submit down.
    Denied(Denial),
    /// No such refund.
    NotFound,
    /// The system error that says nothing; with this code, or the protocol's usual one.
    System(Option<String>),
    /// Refused with this code.
    Refused(String),
}

/// Runs a request against the book, with the disturbance that was chosen for it.
pub(super) fn run(book: &Mutex<Book>, request: Request, chosen: &Chosen, now: UnixMillis) -> Reply {
    match (&chosen.fault, &request) {
        (Some(Fault::Refuse { code }), _) => return Reply::Trouble(Trouble::Refused(code.clone())),
        (Some(Fault::SysError { code, processed }), _) => {
            if *processed {
                look(book, request, fate(chosen), now);
            }
            return Reply::Trouble(Trouble::System(code.clone()));
        }
        (Some(Fault::NotFound), Request::Query(by)) => {
            lock(book).note_query(by, now);
            return Reply::Trouble(Trouble::NotFound);
        }
        _ => {}
    }
    let mut reply = look(book, request, fate(chosen), now);
    if let Some(fault) = &chosen.fault {
        distort(&mut reply, fault);
    }
    reply
}

/// The book's own answer.
fn look(book: &Mutex<Book>, request: Request, fate: Fate, now: UnixMillis) -> Reply {
    let honest = |view| Line { view, instead: None };
    match request {
        Request::Submit(ask) => match lock(book).submit(ask, fate, now) {
            Ok(view) => Reply::Accepted(honest(view)),
            Err(denial) => Reply::Trouble(Trouble::Denied(denial)),
        },
        Request::Query(by) => match lock(book).query(&by, now) {
            Some(views) => Reply::Found(views.into_iter().map(honest).collect()),
            None => Reply::Trouble(Trouble::NotFound),
        },
    }
}

/// Locks the book. A panic elsewhere does not take it from the judge.
pub(super) fn lock(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a new refund will end.
fn fate(chosen: &Chosen) -> Fate {
    match &chosen.fate {
        Some(Fault::FailFinal) => Fate::Fails,
        Some(Fault::Change) => Fate::GoesToMerchant,
        Some(Fault::NeverSettle) => Fate::NeverEnds,
        _ => Fate::Succeeds,
    }
}

/// Makes an answer say something else than the book. The own refund is the last line.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a fault that does not change what is said has no business here"
)]
fn distort(reply: &mut Reply, fault: &Fault) {
    if let (Fault::StrangerLine, Reply::Found(lines)) = (fault, &mut *reply) {
        if let Some(own) = lines.last() {
            let stranger = stranger(&own.view);
            lines.insert(0, stranger);
        }
        return;
    }
    let own = match reply {
        Reply::Accepted(line) => line,
        Reply::Found(lines) => match lines.last_mut() {
            Some(line) => line,
            None => return,
        },
        Reply::Trouble(_) => return,
    };
    match fault {
        Fault::WrongAmount => own.view.amount_cents = own.view.amount_cents.saturating_add(1),
        Fault::WrongNumber => own.view.refund_no = other_number(&own.view.refund_no),
        Fault::NotSure => own.instead = Some(Word::NotSure),
        Fault::UnlistedStatus => own.instead = Some(Word::Unlisted),
        Fault::Status { word } => own.instead = Some(Word::Raw(word.clone())),
        _ => {}
    }
}

/// A number that is not `refund_no`, and no longer than the protocols allow.
fn other_number(refund_no: &str) -> String {
    format!("X{refund_no}").chars().take(30).collect()
}

/// A successful refund of the same order that nobody asked for.
fn stranger(own: &RefundView) -> Line {
    let mut view = own.clone();
    "STRANGER-1".clone_into(&mut view.refund_no);
    view.gateway_refund_no = format!("X{}", own.gateway_refund_no);
    view.standing = Standing::Succeeded;
    Line { view, instead: None }
}
