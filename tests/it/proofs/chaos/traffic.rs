//! What the order systems of a chaos run push: good requests, the same again, other content under a
//! known number, more than was paid, and rubbish.

use refundd::sandbox::{Fault, On, Rule};
use serde_json::json;

use crate::support::draw::Draw;

/// What was paid for every order, cents.
pub(super) const PAID_CENTS: u64 = 10_000;

/// Four refunds share an order, of which three fit.
const SHARERS: usize = 4;
const SHARE_CENTS: u64 = 3_000;

/// The accounts: name, beginning of their refund numbers, currency.
const ACCOUNTS: [(&str, &str, &str); 3] =
    [("shop-ca", "ca", "CAD"), ("shop-hk", "hk", "HKD"), ("shop-pair", "pr", "HKD")];

/// Refunds that fail for good end so, those whose money goes to the merchant so.
const FAILS: &str = "-fail";
const GONE: &str = "-gone";

/// A request that refundd can read and that is not over its own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) refund_no: String,
    pub(super) order: String,
    pub(super) amount_cents: u64,
    account: usize,
}

/// What is true of a pushed entry.
#[derive(Debug, Clone)]
pub(super) enum About {
    /// A good request; perhaps not the only one of its number.
    Good(Ask),
    /// Asks for more than the order's whole sum.
    OverPaid { refund_no: String },
    /// Cannot be read; answered only where a refund number is legible.
    Rubbish { refund_no: Option<String> },
}

/// One entry of the requests stream.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) about: About,
    pub(super) field: &'static str,
    pub(super) value: String,
    /// Whether a result is to be expected that was not expected before it.
    pub(super) answered: bool,
}

/// An entry that was pushed, and its id in the stream.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub(super) id: String,
    pub(super) about: About,
}

impl Ask {
    fn json(&self, requested_at: &str) -> String {
        let (account, _, currency) = ACCOUNTS[self.account];
        json!({
            "v": 1,
            "refund_no": self.refund_no,
            "account": account,
            "amount_cents": self.amount_cents,
            "currency": currency,
            "order": {
                "gateway_order_no": format!("P-{}", self.order),
                "order_no": format!("O-{}", self.order),
                "paid_cents": PAID_CENTS,
            },
            "requested_at": requested_at,
        })
        .to_string()
    }

    fn entry(&self, answered: bool, second: usize) -> Entry {
        let value = self.json(&format!("2026-11-22T04:00:{:02}Z", second % 60));
        Entry { about: About::Good(self.clone()), field: "request", value, answered }
    }
}

/// How refunds end that do not end well, whatever else is on.
pub(super) fn fates() -> Vec<Rule> {
    vec![
        Rule::new(On::Submits, Fault::FailFinal).suffix(FAILS),
        Rule::new(On::Submits, Fault::Change).suffix(GONE),
    ]
}

/// Everything that a run with `refunds` refund numbers pushes, in order.
pub(super) fn entries(seed: u64, refunds: usize) -> Vec<Entry> {
    let mut draw = Draw::new(seed);
    let mut placed: Vec<(usize, Entry)> = Vec::new();
    let mut no = 0;
    while no < refunds {
        let account = draw.index(ACCOUNTS.len());
        let ask = |at: usize, ending: &str, order: usize, amount_cents: u64| Ask {
            refund_no: format!("{}{seed}-{at:05}{ending}", ACCOUNTS[account].1),
            order: format!("{seed}-{order:05}"),
            amount_cents,
            account,
        };
        let amount = 100 + draw.below(2_000);
        // A later entry of the same number comes at once, or after up to thirty others.
        let later = no * 10 + 1 + draw.index(30) * 10 * draw.index(2);
        let mut place = |at: usize, entry: Entry| placed.push((at, entry));
        match draw.below(24) {
            0 => place(no * 10, rubbish(&ask(no, "-bad", no, amount), &mut draw)),
            1 => place(no * 10, over_paid(&ask(no, "-over", no, PAID_CENTS + 1))),
            2 | 3 => {
                let twice = ask(no, "-twice", no, amount);
                place(no * 10, twice.entry(true, no));
                place(later, twice.entry(false, no + 1));
            }
            4 | 5 => {
                place(no * 10, ask(no, "-clash", no, amount).entry(true, no));
                place(later, ask(no, "-clash", no, amount + 1).entry(true, no));
            }
            6 | 7 => place(no * 10, ask(no, FAILS, no, amount).entry(true, no)),
            8 => place(no * 10, ask(no, GONE, no, amount).entry(true, no)),
            9..=12 => {
                for at in no..no + SHARERS {
                    place(at * 10, ask(at, "-part", no, SHARE_CENTS).entry(true, at));
                }
                no += SHARERS - 1;
            }
            _ => place(no * 10, ask(no, "-plain", no, amount).entry(true, no)),
        }
        no += 1;
    }
    placed.sort_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, entry)| entry).collect()
}

fn over_paid(ask: &Ask) -> Entry {
    let about = About::OverPaid { refund_no: ask.refund_no.clone() };
    Entry { about, ..ask.entry(true, 0) }
}

fn rubbish(ask: &Ask, draw: &mut Draw) -> Entry {
    let good = ask.json("2026-11-22T04:00:00Z");
    let (field, value, legible) = match draw.below(6) {
        0 => ("request", good[..good.len() / 2].to_owned(), false),
        1 => ("request", good.replace("refund_no", "refund_nr"), false),
        2 => ("reqest", good, false),
        3 => ("request", good.replace("\"amount_cents\":", "\"amount_cents\":0."), true),
        4 => ("request", good.replace("\"v\":1", "\"v\":2"), true),
        _ => ("request", format!("{good}{}", " ".repeat(70_000)), false),
    };
    let refund_no = legible.then(|| ask.refund_no.clone());
    Entry { about: About::Rubbish { refund_no }, field, value, answered: legible }
}
