//! How numbers, times and money are written on pages.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::domain::{Currency, UnixMillis};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span, by its two largest units: `45 s`, `12 min`, `3 h 12 min`, `5 d 3 h`.
pub(super) fn span(ms: u64) -> String {
    let (days, hours, minutes) = (ms / DAY, ms % DAY / HOUR, ms % HOUR / MINUTE);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", ms / SECOND),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// The same, exact below ten seconds: `0.45 s`, `7.5 s`.
pub(super) fn fine_span(ms: u64) -> String {
    if ms < 10 * SECOND { format!("{}.{:02} s", ms / SECOND, ms % SECOND / 10) } else { span(ms) }
}

/// How long ago, or how soon.
pub(super) fn distance(at: UnixMillis, now: UnixMillis) -> String {
    if at > now {
        format!("in {}", span(at.since(now)))
    } else {
        format!("{} ago", span(now.since(at)))
    }
}

/// `08:15:03 UTC`.
pub(super) fn clock(at: UnixMillis) -> String {
    let text = at.to_string();
    text.get(11..19).map_or(text.clone(), |time| format!("{time} UTC"))
}

/// `08:15`.
pub(super) fn minute(at: UnixMillis) -> String {
    let text = at.to_string();
    text.get(11..16).unwrap_or(&text).to_owned()
}

/// A moment to the second, with the exact one for machines: `2026-11-22 08:15:03`, always UTC.
pub(super) fn moment(at: UnixMillis) -> Markup {
    let exact = at.to_string();
    let date = exact.get(..10).unwrap_or(&exact);
    let time = exact.get(11..19).unwrap_or_default();
    html! { time datetime=(exact) title=(exact) { (date) " " (time) } }
}

/// A count with its thousands apart, by a space that does not break.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 refund`, `2 refunds`.
pub(super) fn counted(n: u64, one: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(n))
}

/// An amount as [`Currency::format`] has it, with its thousands apart.
pub(super) fn money(currency: Currency, cents: u64) -> String {
    let text = currency.format(cents);
    let end = text.find(['.', ' ']).unwrap_or(text.len());
    let (whole, rest) = text.split_at(end);
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    format!("{whole}{}", rest.replace(' ', "\u{a0}"))
}

/// Sums by currency; the currencies are never added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// How many refunds.
    pub(super) refunds: u64,
    by: BTreeMap<Currency, u64>,
}

impl Sum {
    /// Adds `refunds` refunds of `cents` in all.
    pub(super) fn add(&mut self, refunds: u64, currency: Currency, cents: u64) {
        self.refunds = self.refunds.saturating_add(refunds);
        let sum = self.by.entry(currency).or_default();
        *sum = sum.saturating_add(cents);
    }

    /// `12.34 CAD`, `12.34 CAD + 500 JPY`, or a dash.
    pub(super) fn money(&self) -> String {
        let each: Vec<_> =
            self.by.iter().map(|(currency, cents)| money(*currency, *cents)).collect();
        if each.is_empty() { "–".to_owned() } else { each.join(" + ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(text: &str) -> Currency {
        Currency::parse(text).unwrap()
    }

    #[test]
    fn a_span_is_told_by_its_two_largest_units() {
        for (ms, text) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_599_999, "59 min"),
            (3_600_000, "1 h"),
            (3 * HOUR + 12 * MINUTE + 59_000, "3 h 12 min"),
            (DAY + 59 * MINUTE, "1 d"),
            (5 * DAY + 3 * HOUR, "5 d 3 h"),
        ] {
            assert_eq!(span(ms), text);
        }
        assert_eq!((fine_span(7_510).as_str(), fine_span(10_000).as_str()), ("7.51 s", "10 s"));
        let now = UnixMillis::new(100_000);
        assert_eq!(distance(UnixMillis::new(40_000), now), "1 min ago");
        assert_eq!(distance(UnixMillis::new(105_000), now), "in 5 s");
    }

    #[test]
    fn a_moment_is_utc_and_exact_for_machines() {
        let at = UnixMillis::parse_rfc3339("2026-11-22T09:30:00.5+08:00").unwrap();
        assert_eq!((clock(at).as_str(), minute(at).as_str()), ("01:30:00 UTC", "01:30"));
        let text = moment(at).into_string();
        assert!(text.contains(">2026-11-22 01:30:00<"), "{text}");
        assert!(text.contains("datetime=\"2026-11-22T01:30:00.500Z\""), "{text}");
    }

    #[test]
    fn money_has_the_digits_of_its_currency_and_currencies_stay_apart() {
        assert_eq!(money(currency("CAD"), 123_456_789), "1\u{202f}234\u{202f}567.89\u{a0}CAD");
        assert_eq!(money(currency("JPY"), 1_234), "1\u{202f}234\u{a0}JPY");
        assert_eq!(money(currency("KWD"), 5), "0.005\u{a0}KWD");
        let mut sum = Sum::default();
        assert_eq!(sum.money(), "–");
        sum.add(2, currency("JPY"), 500);
        sum.add(1, currency("CAD"), 5);
        sum.add(1, currency("JPY"), u64::MAX);
        assert_eq!(sum.refunds, 4);
        assert!(sum.money().starts_with("0.05\u{a0}CAD + 18\u{202f}446"), "{}", sum.money());
        assert_eq!(counted(1, "refund"), "1 refund");
        assert_eq!(counted(1_000, "refund"), "1\u{202f}000 refunds");
    }
}
