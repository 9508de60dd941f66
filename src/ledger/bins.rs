//! The stored form of what people watch: bins, endings, and a gateway's number for a refund.

use super::record::letter;
use crate::domain::state::{Outcome, ParkCause, StateKind};
use crate::domain::{AccountName, Currency, GatewayName, RefundRecord, UnixMillis};
use crate::ports::figures::{Bin, Ended, Level, SETTLE_BOUNDS_MS};

/// The bins that a batch moves refunds between, each named once.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(Bin, String)>);

impl Names {
    /// The place of `bin` in the list, counted from 1 as the scripts do.
    pub(super) fn place(&mut self, bin: &Bin) -> usize {
        // A batch has few, and looking is cheaper than hashing.
        let known = self.0.iter().position(|(known, _)| known == bin);
        let at = known.unwrap_or_else(|| {
            self.0.push((bin.clone(), encode(bin)));
            self.0.len().saturating_sub(1)
        });
        at.saturating_add(1)
    }

    /// The list as the scripts take it.
    pub(super) fn finish(self) -> Vec<String> {
        self.0.into_iter().map(|(_, name)| name).collect()
    }
}

/// Where a refund goes, as the scripts take it.
#[derive(Debug)]
pub(super) struct Move {
    /// The place of the bin that is left.
    pub(super) from: usize,
    /// The place of the bin that is entered.
    pub(super) to: usize,
    /// Minor units.
    pub(super) amount: u64,
    /// When the refund was admitted, Unix ms.
    pub(super) since: String,
    /// How it ended and how fast, if it did.
    pub(super) ended: Option<String>,
}

impl Move {
    /// What it means that a refund has gone from bin `from` to where `record` stands at `now`; `None`
    /// if it has stayed.
    pub(super) fn of(
        from: &Bin,
        record: &RefundRecord,
        now: UnixMillis,
        names: &mut Names,
    ) -> Option<Self> {
        let to = Bin::of(record);
        if *from == to {
            return None;
        }
        let ended = (to.state == StateKind::Settled)
            .then(|| format!("{} {}", to.detail, bound(now.since(record.admitted_at))));
        Some(Self {
            from: names.place(from),
            to: names.place(&to),
            amount: record.refund.amount.get(),
            since: record.admitted_at.get().to_string(),
            ended,
        })
    }
}

/// The place of a settle time among the bounds.
pub(super) fn bound(took_ms: u64) -> usize {
    SETTLE_BOUNDS_MS.partition_point(|bound| *bound < took_ms)
}

/// The field of `found` under which a gateway's number stands, if it has one.
pub(super) fn found(record: &RefundRecord) -> Option<String> {
    let no = record.gateway_refund_no.as_ref();
    no.map(|no| found_field(&record.order_scope, no.as_str()))
}

/// The same, of a number that somebody looks for.
pub(super) fn found_field(scope: &GatewayName, gateway_refund_no: &str) -> String {
    format!("{scope} {gateway_refund_no}")
}

/// A bin as the scripts have it: letter, detail or `-`, account, currency.
pub(super) fn encode(bin: &Bin) -> String {
    let detail = if bin.detail.is_empty() { "-" } else { bin.detail };
    format!("{} {detail} {} {}", letter(bin.state), bin.account, bin.currency)
}

fn decode(text: &str) -> Option<Bin> {
    let mut words = text.split(' ');
    let state = words.next()?;
    let state = StateKind::ALL.iter().find(|kind| state.starts_with(letter(**kind)))?;
    let detail = detail(*state, words.next()?);
    let account = AccountName::parse(words.next()?).ok()?;
    let currency = Currency::parse(words.next()?).ok()?;
    words.next().is_none().then_some(Bin { state: *state, detail, account, currency })
}

/// The word that this program has for it; one of a newer program's is shown as such, not left out.
fn detail(state: StateKind, word: &str) -> &'static str {
    let known = match state {
        StateKind::Parked => ParkCause::ALL.iter().map(|cause| cause.as_str()).find(|c| *c == word),
        StateKind::Settled => Outcome::parse(word).map(Outcome::as_str),
        StateKind::Requested
        | StateKind::Submitting
        | StateKind::Unconfirmed
        | StateKind::Refused
        | StateKind::Processing => Some(""),
    };
    known.unwrap_or("unknown")
}

/// The contents of the hash: bins that hold something, in order, and endings.
pub(super) fn read(fields: Vec<(String, i64)>) -> (Vec<Level>, Vec<Ended>) {
    let mut levels = Vec::new();
    let mut ended: Vec<Ended> = Vec::new();
    let level = |levels: &mut Vec<Level>, text: &str| {
        let bin = decode(text)?;
        let at = levels.iter().position(|level| level.bin == bin);
        Some(at.unwrap_or_else(|| {
            levels.push(Level { bin, refunds: 0, amount_cents: 0 });
            levels.len() - 1
        }))
    };
    for (field, value) in fields {
        // Below zero only if somebody wrote here; a count never lets a page fail.
        let value = u64::try_from(value).unwrap_or_default();
        match field.split_once(' ') {
            Some(("n", text)) => {
                if let Some(at) = level(&mut levels, text) {
                    levels[at].refunds += value;
                }
            }
            Some(("c", text)) => {
                if let Some(at) = level(&mut levels, text) {
                    levels[at].amount_cents += value;
                }
            }
            Some(("e", text)) => count_end(&mut ended, text, value),
            _ => {}
        }
    }
    levels.retain(|level| level.refunds > 0);
    levels.sort_by(|one, other| one.bin.cmp(&other.bin));
    ended.sort_by_key(|ended| ended.outcome.as_str());
    (levels, ended)
}

fn count_end(ended: &mut Vec<Ended>, text: &str, value: u64) {
    let Some((outcome, place)) = text.split_once(' ') else { return };
    let (Some(outcome), Ok(place)) = (Outcome::parse(outcome), place.parse::<usize>()) else {
        return;
    };
    let at = ended.iter().position(|ended| ended.outcome == outcome).unwrap_or_else(|| {
        ended.push(Ended { outcome, took: [0; SETTLE_BOUNDS_MS.len() + 1] });
        ended.len() - 1
    });
    if let Some(count) = ended[at].took.get_mut(place) {
        *count += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_reads_as_it_was_written() {
        let account = || AccountName::parse("shop-ca").unwrap();
        let currency = Currency::parse("CAD").unwrap();
        let bin = |state, detail| Bin { state, detail, account: account(), currency };
        for kind in StateKind::ALL.iter().filter(|kind| **kind != StateKind::Submitting) {
            let words = [(StateKind::Parked, "horizon"), (StateKind::Settled, "succeeded")];
            let detail = words.iter().find(|(of, _)| of == kind).map_or("", |(_, word)| word);
            let bin = bin(*kind, detail);
            assert_eq!(decode(&encode(&bin)), Some(bin));
        }
        assert_eq!(decode("k later shop-ca CAD").unwrap().detail, "unknown");
        for bad in ["", "k", "x - shop-ca CAD", "k horizon shop-ca", "k horizon shop-ca CAD more"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_settle_time_stands_at_the_first_bound_that_holds_it() {
        assert_eq!([0, 500, 501, 1_000, u64::MAX].map(bound), [0, 0, 1, 1, 15]);
    }

    #[test]
    fn what_is_not_a_count_is_left_out_and_what_is_empty_too() {
        let field = |text: &str, value| (text.to_owned(), value);
        let (levels, ended) = read(vec![
            field("n p - shop-ca CAD", 2),
            field("c p - shop-ca CAD", 300),
            field("n u - shop-ca CAD", 0),
            field("n k horizon shop-ca CAD", -1),
            field("e failed 3", 4),
            field("e failed 99", 4),
            field("junk", 7),
        ]);
        assert_eq!(levels.len(), 1);
        assert_eq!((levels[0].refunds, levels[0].amount_cents), (2, 300));
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].took.iter().sum::<u64>(), 4);
    }
}
