//! A moment, in Unix milliseconds. Inside refundd every `…_at` is one; outside it is RFC 3339.

use std::fmt;

use jiff::{Timestamp, Unit};

use super::RuleError;

/// Milliseconds since 1970-01-01T00:00:00Z. Made by `ports::Clock` or parsed from RFC 3339.
///
/// Shown as RFC 3339 in UTC with milliseconds.
///
/// ```
/// use refundd::domain::UnixMillis;
/// let at = UnixMillis::parse_rfc3339("2026-11-22T09:30:00+08:00").unwrap();
/// assert_eq!(at.to_string(), "2026-11-22T01:30:00.000Z");
/// assert_eq!(at.plus(1_500).to_string(), "2026-11-22T01:30:01.500Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// Wraps a count of milliseconds; any value is a moment.
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// The count of milliseconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This moment and `millis` more; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add_unsigned(millis))
    }

    /// This moment less `millis`; stops at the beginning of time instead of wrapping.
    #[must_use]
    pub const fn minus(self, millis: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(millis))
    }

    /// How many milliseconds have passed since `earlier`; 0 if it lies in the future.
    pub fn since(self, earlier: Self) -> u64 {
        if self > earlier { self.0.abs_diff(earlier.0) } else { 0 }
    }

    /// Reads RFC 3339 with any offset.
    ///
    /// # Errors
    /// [`RuleError`] if the text is not an RFC 3339 date and time with an offset.
    pub fn parse_rfc3339(text: &str) -> Result<Self, RuleError> {
        text.parse::<Timestamp>().map(|at| Self(at.as_millisecond())).map_err(|_| {
            RuleError::new("must be an RFC 3339 time such as 2026-11-22T09:30:00Z", text)
        })
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0).and_then(|at| at.round(Unit::Millisecond)) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0), // beyond the year 9999
        }
    }
}
