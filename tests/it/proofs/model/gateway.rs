//! The modelled gateway: its own book, and the requests that are on their way to it.

use refundd::domain::RefundRecord;
use refundd::domain::evidence::{Found, StatusLine, StatusWord};
use refundd::domain::{Grade, state::Refusal};

/// What the gateway does with a refund number that its book has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// Answers as the first time and moves no more money.
    Replays,
    /// Refuses the number and moves no more money.
    Rejects,
    /// Pays again: the gateway that nobody may certify.
    Executes,
}

/// What became of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Money {
    /// Under way; it counts as money out until it has failed.
    Moving,
    /// With the payer.
    Out,
    /// Given up; no money moved.
    Back,
}

/// One execution in the gateway's book: the judge of every property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Line {
    /// Which refund asked for it.
    pub(super) refund: usize,
    /// Whether it came under a second number that was minted for the same refund.
    pub(super) minted: bool,
    /// What became of it.
    pub(super) money: Money,
    /// Whether queries show it yet.
    pub(super) shown: bool,
}

/// A submit on its way: it may arrive late, never, or twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Request {
    /// Which refund.
    pub(super) refund: usize,
    /// Whether it carries a number of its own instead of the refund's.
    pub(super) minted: bool,
    /// The worker that still waits for the answer.
    pub(super) caller: Option<usize>,
    /// Whether a proxy before the gateway has sent it a second time.
    pub(super) repeated: bool,
}

/// What the gateway decides about a number that it has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Takes it; queries show it at once.
    Shown,
    /// Takes it; queries show it later.
    Hidden,
    /// Refuses it for a passing reason such as the balance, signed, and forgets it.
    Refused,
}

/// What the gateway says to a submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It has it.
    Accepted,
    /// It did not execute it; signed.
    Refused,
    /// It knows the number already.
    Exists,
}

/// The gateway's side of the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Gateway {
    /// Every execution there has been, sorted.
    pub(super) book: Vec<Line>,
    /// Submits on their way, sorted.
    pub(super) wire: Vec<Request>,
}

impl Gateway {
    /// Whether the book has the number of `request`.
    pub(super) fn knows(&self, request: Request) -> bool {
        self.book.iter().any(|l| (l.refund, l.minted) == (request.refund, request.minted))
    }

    /// Handles one submit and answers it.
    pub(super) fn handle(&mut self, request: Request, fate: Fate, repeats: Repeats) -> Said {
        if self.knows(request) {
            match repeats {
                Repeats::Replays => return Said::Accepted,
                Repeats::Rejects => return Said::Exists,
                Repeats::Executes => {}
            }
        }
        if fate == Fate::Refused {
            return Said::Refused;
        }
        self.book.push(Line {
            refund: request.refund,
            minted: request.minted,
            money: Money::Moving,
            shown: fate == Fate::Shown,
        });
        Said::Accepted
    }

    /// Executions of `refund` whose money is out or may still go out.
    pub(super) fn effective(&self, refund: usize) -> usize {
        self.book.iter().filter(|line| line.refund == refund && line.money != Money::Back).count()
    }

    /// Whether money of `refund` may still begin to move: a submit on its way would be executed.
    pub(super) fn may_still_pay(&self, refund: usize, repeats: Repeats) -> bool {
        let pays = |request: &&Request| {
            request.refund == refund && (repeats == Repeats::Executes || !self.knows(**request))
        };
        self.wire.iter().any(|request| pays(&request))
    }

    /// Whether everything that was sent for `refund` has arrived or is lost, and is shown.
    pub(super) fn is_quiet(&self, refund: usize) -> bool {
        self.wire.iter().all(|request| request.refund != refund)
            && self.book.iter().all(|line| line.refund != refund || line.shown)
    }

    /// Whether the gateway is at work for `refund`, or will be once a submit arrives.
    pub(super) fn is_busy(&self, refund: usize, repeats: Repeats) -> bool {
        self.may_still_pay(refund, repeats)
            || self.book.iter().any(|line| line.refund == refund && line.money == Money::Moving)
    }

    /// The signed answer to a query: what the book shows of the order, and a refund of the order
    /// that somebody made by hand, of the same amount.
    pub(super) fn answer(&self, records: &[&RefundRecord], asked: usize) -> Found {
        let by_hand = line("BY-HAND", records[asked].refund.amount.get(), StatusWord::Success);
        let shown = self.book.iter().filter(|entry| entry.shown).map(|entry| {
            let refund = &records[entry.refund].refund;
            let no = format!("{}{}", refund.refund_no, if entry.minted { "-2" } else { "" });
            let word = match entry.money {
                Money::Moving => StatusWord::Processing,
                Money::Out => StatusWord::Success,
                Money::Back => StatusWord::Failed,
            };
            line(&no, refund.amount.get(), word)
        });
        Found { lines: std::iter::once(by_hand).chain(shown).collect(), grade: Grade::A }
    }
}

/// An unsigned answer that calls the refund succeeded, whatever the book says.
pub(super) fn unsigned_success(record: &RefundRecord) -> Found {
    let no = record.refund.refund_no.as_str();
    let own = line(no, record.refund.amount.get(), StatusWord::Success);
    Found { lines: vec![own], grade: Grade::B }
}

/// A refusal as the adapters report it.
pub(super) fn refusal(grade: Grade) -> Refusal {
    Refusal { code: "BALANCE".to_owned(), message: "not executed".to_owned(), grade }
}

fn line(no: &str, cents: u64, word: StatusWord) -> StatusLine {
    StatusLine {
        n: 0,
        refund_no: no.to_owned(),
        gateway_refund_no: None,
        amount_cents: cents,
        word,
        status: String::new(),
        time: None,
        reason: None,
    }
}
