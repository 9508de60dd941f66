//! The one-byte codes that stand for words in stored records. A code never changes its meaning: what
//! is new takes the next number, what has gone leaves a gap.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::RecordError;
use crate::domain::evidence::StatusWord;
use crate::domain::state::{EventKind, Outcome, ParkCause, StateKind};
use crate::domain::{Grade, Source};

/// A value that is stored as one byte.
pub(super) trait Coded: Copy {
    /// Its byte, below 128: `MessagePack` writes that as it is.
    fn code(self) -> u8;

    /// The value of a byte.
    fn of(code: u8) -> Result<Self, RecordError>;
}

/// Makes both directions of one table; the compiler refuses a missing variant and a code used twice.
macro_rules! codes {
    ($type:ident, $what:literal: $($variant:ident = $code:literal),+) => {
        #[deny(unreachable_patterns)]
        impl Coded for $type {
            fn code(self) -> u8 {
                match self { $(Self::$variant => $code),+ }
            }

            fn of(code: u8) -> Result<Self, RecordError> {
                match code {
                    $($code => Ok(Self::$variant),)+
                    _ => Err(RecordError::Value($what)),
                }
            }
        }

        #[cfg(test)]
        impl tests::Listed for $type {
            const LIST: &[Self] = &[$(Self::$variant),+];
        }
    };
}

codes!(StateKind, "state":
    Requested = 0, Submitting = 1, Unconfirmed = 2, Refused = 3, Processing = 4, Parked = 5,
    Settled = 6);

codes!(EventKind, "event":
    SubmitStarted = 0, NotSent = 1, Accepted = 2, AnswerUnknown = 3, SubmitRefused = 4,
    StillProcessing = 5, Inconclusive = 6, NotFound = 7, NoAnswer = 8, ResubmitCleared = 9,
    Succeeded = 10, Failed = 11, RefusalConfirmed = 12, SetAside = 13, WritesLost = 14,
    Confirmed = 15, Released = 16, Resolved = 17, Abandoned = 18);

codes!(ParkCause, "cause":
    Horizon = 0, NotFound = 1, Discrepancy = 2, Abnormal = 3, UnprovenFailure = 4,
    ParamsChanged = 5, Poison = 6, Contradiction = 7, OverRefund = 8, DailyLimit = 9);

codes!(Outcome, "outcome": Succeeded = 0, Failed = 1, Withdrawn = 2, GivenUp = 3);

codes!(Grade, "grade": A = 0, B = 1, C = 2);

codes!(Source, "source": Submit = 0, Query = 1, Callback = 2, Operator = 3, Refundd = 4);

codes!(StatusWord, "meaning of a status":
    Success = 0, Failed = 1, FailedUnproven = 2, Processing = 3, NotSure = 4, Abnormal = 5,
    Unlisted = 6);

/// Statuses as gateways spell them, by code; any other is stored as text.
const SPELLINGS: &[&str] = &[
    "SUCCESS",
    "FAIL",
    "PROCESSING",
    "NOTSURE",
    "CHANGE",
    "REFUNDCLOSE",
    "FAILED",
    "CLOSED",
    "ABNORMAL",
];

/// A status as a gateway spelt it: a code for those of the table, else the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling<'a>(pub(super) &'a str);

impl Serialize for Spelling<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match SPELLINGS.iter().position(|spelling| *spelling == self.0) {
            Some(code) => code.serialize(serializer),
            None => serializer.serialize_str(self.0),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Spelling<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeOrText;

        impl<'de> Visitor<'de> for CodeOrText {
            type Value = Spelling<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a status or the code of one")
            }

            fn visit_u64<E: Error>(self, code: u64) -> Result<Spelling<'de>, E> {
                let spelling = usize::try_from(code).ok().and_then(|code| SPELLINGS.get(code));
                let unknown = || E::invalid_value(Unexpected::Unsigned(code), &self);
                spelling.map(|text| Spelling(text)).ok_or_else(unknown)
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Spelling<'de>, E> {
                Ok(Spelling(text))
            }
        }

        deserializer.deserialize_any(CodeOrText)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    /// Every value of a table; which are missing, the compiler tells.
    pub(super) trait Listed: Sized + 'static {
        const LIST: &[Self];
    }

    fn hold<T: Coded + Listed + PartialEq + Debug>() {
        let mut codes: Vec<u8> = T::LIST.iter().map(|value| value.code()).collect();
        for (value, code) in T::LIST.iter().zip(&codes) {
            assert_eq!(T::of(*code).unwrap(), *value);
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), T::LIST.len(), "each has a code of its own: {codes:?}");
        for unknown in (0..=u8::MAX).filter(|code| !codes.contains(code)) {
            assert!(matches!(T::of(unknown), Err(RecordError::Value(_))), "{unknown}");
        }
        assert!(codes.iter().all(|code| *code < 128), "one byte each: {codes:?}");
    }

    #[test]
    fn every_code_is_one_byte_that_reads_back_and_an_unknown_one_is_refused() {
        hold::<StateKind>();
        hold::<EventKind>();
        hold::<ParkCause>();
        hold::<Outcome>();
        hold::<Grade>();
        hold::<Source>();
        hold::<StatusWord>();
    }

    #[test]
    fn every_listed_spelling_is_one_byte_and_any_other_stays_as_it_is() {
        for spelling in SPELLINGS {
            let stored = rmp_serde::to_vec(&Spelling(spelling)).unwrap();
            assert_eq!(stored.len(), 1, "{spelling}");
            assert_eq!(rmp_serde::from_slice::<Spelling<'_>>(&stored).unwrap().0, *spelling);
        }
        for other in ["success", "", "2", "REFUND CLOSE", "\u{0}"] {
            let stored = rmp_serde::to_vec(&Spelling(other)).unwrap();
            assert_eq!(rmp_serde::from_slice::<Spelling<'_>>(&stored).unwrap().0, other);
        }
        let unknown = [u8::try_from(SPELLINGS.len()).unwrap()];
        assert!(rmp_serde::from_slice::<Spelling<'_>>(&unknown).is_err());
    }
}
