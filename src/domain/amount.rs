//! Money: an amount in minor units and its currency. Never a float, never an unchecked sum.

use std::fmt;

use super::RuleError;

/// An amount in minor units (cents for CAD, fils for KWD, whole yen for JPY); always above zero.
///
/// The unit belongs to the account's [`Currency`]; the two travel together in a refund.
///
/// ```
/// use refundd::domain::AmountCents;
/// let ten = AmountCents::new(1_000).unwrap();
/// assert_eq!(ten.get(), 1_000);
/// assert_eq!(ten.checked_add(AmountCents::new(1).unwrap()).unwrap().get(), 1_001);
/// assert!(AmountCents::new(0).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmountCents(u64);

impl AmountCents {
    /// The largest amount. Redis scripts add amounts as doubles, which are exact up to 2^53;
    /// with this bound the sum of 9,000 refunds of one order still is.
    pub const MAX: u64 = 999_999_999_999;

    /// Checks and wraps a count of minor units.
    ///
    /// # Errors
    /// [`RuleError`] for 0 and above [`Self::MAX`].
    pub fn new(cents: u64) -> Result<Self, RuleError> {
        if cents == 0 || cents > Self::MAX {
            return Err(RuleError::new(
                format!("must be an integer from 1 to {} in minor units", Self::MAX),
                &cents.to_string(),
            ));
        }
        Ok(Self(cents))
    }

    /// The count of minor units.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or `None` where it would pass [`Self::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_add(other.0)?).ok()
    }
}

impl fmt::Display for AmountCents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An ISO 4217 currency code such as `CAD`: three capital letters. Whether the code exists is not
/// checked; it must equal the account's, which a person wrote.
///
/// ```
/// use refundd::domain::Currency;
/// assert_eq!(Currency::parse("CAD").unwrap().as_str(), "CAD");
/// assert!(Currency::parse("cad").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Checks and wraps a code.
    ///
    /// # Errors
    /// [`RuleError`] unless it is three letters `A` to `Z`.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|l| l.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(RuleError::new("must be an ISO 4217 code of three capital letters A-Z", text)),
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???") // never: parse() lets only A-Z in
    }

    /// How many decimals people write for this currency (ISO 4217), for display only.
    pub fn digits(&self) -> u8 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF"
            | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }

    /// An amount as people write it: `12.34 CAD`, `1234 JPY`, `1.234 KWD`. For display only.
    ///
    /// ```
    /// use refundd::domain::Currency;
    /// assert_eq!(Currency::parse("CAD").unwrap().format(5), "0.05 CAD");
    /// assert_eq!(Currency::parse("JPY").unwrap().format(5), "5 JPY");
    /// ```
    pub fn format(&self, cents: u64) -> String {
        let digits = usize::from(self.digits());
        let text = format!("{cents:0>width$}", width = digits + 1);
        let (whole, part) = text.split_at(text.len() - digits);
        let dot = if digits == 0 { "" } else { "." };
        format!("{whole}{dot}{part} {}", self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stay_within_their_bounds() {
        assert!(AmountCents::new(0).is_err());
        assert!(AmountCents::new(1).is_ok());
        assert!(AmountCents::new(AmountCents::MAX).is_ok());
        let err = AmountCents::new(AmountCents::MAX + 1).unwrap_err();
        assert!(err.to_string().contains("from 1 to 999999999999"), "{err}");
        let max = AmountCents::new(AmountCents::MAX).unwrap();
        assert_eq!(max.checked_add(AmountCents::new(1).unwrap()), None);
    }

    #[test]
    fn currencies_are_three_capitals() {
        for bad in ["", "CA", "CADX", "cad", "C4D", "ÇAD"] {
            assert!(Currency::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Currency::parse("KWD").unwrap().format(1_234), "1.234 KWD");
        assert_eq!(Currency::parse("HKD").unwrap().format(123_456), "1234.56 HKD");
    }
}
