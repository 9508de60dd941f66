//! The gauges that are read from the ledger. The same in every process, so aggregate them with `max`.
//!
//! A series that has been shown once is shown for as long as the process lives: at zero when its bin is
//! empty, at NaN while the ledger cannot be read. So nothing that vanishes looks like nothing that is
//! wrong.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use metrics::gauge;

use super::metrics as name;
use crate::domain::{StateKind, UnixMillis};
use crate::ports::figures::Figures;
use crate::ports::ops::Counts;

/// What is read for a scrape.
#[derive(Debug, Clone)]
pub struct Levels {
    /// What is counted.
    pub figures: Figures,
    /// Processes that have been heard of lately.
    pub workers: u64,
    /// Accounts whose submits are paused, `*` for all.
    pub paused: Vec<String>,
}

/// Labels that have been shown: the metric's kind and their values.
static SHOWN: Mutex<BTreeSet<Series>> = Mutex::new(BTreeSet::new());

/// A series that may vanish from what is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Series {
    /// State, reason, account, currency.
    Bin([String; 4]),
    Oldest(&'static str),
    Group(String),
    Paused(String),
}

/// Shows what was read at `at`, or that nothing could be: then no gauge keeps an old value, least of
/// all zero.
pub fn show(read: Option<&Levels>, at: UnixMillis) {
    gauge!(name::LEDGER_UP).set(f64::from(u8::from(read.is_some())));
    if read.is_some() {
        gauge!(name::LEDGER_READ).set(name::seconds(at.get()));
    }
    show_counts(read.map(|levels| &levels.figures.counts));
    let moment = |at: Option<UnixMillis>| at.map_or(f64::NAN, |at| name::seconds(at.get()));
    let of = |get: fn(&Figures) -> Option<UnixMillis>| {
        moment(read.and_then(|levels| get(&levels.figures)))
    };
    gauge!(name::OLDEST_DUE).set(of(|figures| figures.counts.oldest_due));
    gauge!(name::OLDEST_REQUEST).set(of(|figures| figures.oldest_request));
    gauge!(name::LOST_AT).set(of(|figures| figures.lost_at));
    gauge!(name::WORKERS).set(read.map_or(f64::NAN, |levels| name::count(levels.workers)));
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(levels) = read {
        shown.extend(series(levels));
    }
    for series in shown.iter() {
        set(series, read);
    }
}

fn show_counts(counts: Option<&Counts>) {
    let set = |name: &'static str, level: fn(&Counts) -> u64| {
        gauge!(name).set(counts.map_or(f64::NAN, |counts| name::count(level(counts))));
    };
    set(name::STORED, |counts| counts.stored);
    set(name::OPEN, |counts| counts.open);
    set(name::DUE, |counts| counts.due);
    set(name::OVERDUE, |counts| counts.overdue);
    set(name::WAITING, |counts| counts.waiting);
    set(name::LEASED, |counts| counts.leased);
    set(name::SETTLED, |counts| counts.settled);
    set(name::BACKLOG, |counts| counts.backlog);
}

/// All series of what was read; the oldest of each state that is not final always is one.
fn series(levels: &Levels) -> impl Iterator<Item = Series> {
    let bins = levels.figures.levels.iter().map(|level| {
        let (bin, text) = (&level.bin, str::to_owned);
        let (account, currency) = (text(bin.account.as_str()), text(bin.currency.as_str()));
        Series::Bin([text(bin.state.as_str()), text(bin.detail), account, currency])
    });
    let open = StateKind::ALL.iter().filter(|kind| {
        // What is being submitted is stored as requested.
        **kind != StateKind::Settled && **kind != StateKind::Submitting
    });
    let oldest = open.map(|kind| Series::Oldest(kind.as_str()));
    let groups = levels.figures.groups.iter().map(|group| Series::Group(group.name.clone()));
    let paused = levels.paused.iter().cloned().map(Series::Paused);
    bins.chain(oldest).chain(groups).chain(paused)
}

/// Sets one series to what was read of it.
fn set(series: &Series, read: Option<&Levels>) {
    let figures = read.map(|levels| &levels.figures);
    match series {
        Series::Bin(labels) => {
            let found = figures.map(|figures| {
                let level = figures.levels.iter().find(|level| {
                    let bin = &level.bin;
                    let account = (bin.account.as_str(), bin.currency.as_str());
                    labels[..2] == [bin.state.as_str(), bin.detail]
                        && account == (labels[2].as_str(), labels[3].as_str())
                });
                level.map_or((0, 0), |level| (level.refunds, level.amount_cents))
            });
            let [state, reason, account, currency] = labels.clone();
            let labels = [
                ("state", state),
                ("reason", reason),
                ("account", account),
                ("currency", currency),
            ];
            let value = |value: Option<u64>| value.map_or(f64::NAN, name::count);
            gauge!(name::REFUNDS, &labels).set(value(found.map(|(refunds, _)| refunds)));
            gauge!(name::AMOUNT, &labels).set(value(found.map(|(_, cents)| cents)));
        }
        Series::Oldest(state) => {
            let found = figures.and_then(|figures| {
                figures.oldest.iter().find(|(kind, _)| kind.as_str() == *state)
            });
            let at = found.map_or(f64::NAN, |(_, at)| name::seconds(at.get()));
            gauge!(name::OLDEST_UNSETTLED, "state" => *state).set(at);
        }
        Series::Group(group) => {
            let found = figures
                .and_then(|figures| figures.groups.iter().find(|found| found.name == *group));
            let value = |value: Option<u64>| value.map_or(f64::NAN, name::count);
            let at = found.and_then(|found| found.oldest_at);
            gauge!(name::RESULTS_LAG, "group" => group.clone())
                .set(value(found.and_then(|found| found.lag)));
            gauge!(name::RESULTS_PENDING, "group" => group.clone())
                .set(value(found.map(|found| found.pending)));
            gauge!(name::RESULTS_OLDEST, "group" => group.clone())
                .set(at.map_or(f64::NAN, |at| name::seconds(at.get())));
        }
        Series::Paused(account) => {
            let is = read.map(|levels| levels.paused.contains(account));
            let value = is.map_or(f64::NAN, |is| f64::from(u8::from(is)));
            gauge!(name::PAUSED, "account" => account.clone()).set(value);
        }
    }
}
