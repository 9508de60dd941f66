//! What an answer of a gateway proves: grades, status words, and the one judgement over `$n` lines.
//!
//! Nothing here trusts a position, a count or a word it does not know. Doubt is never success and
//! never failure: it is no information, and the refund is asked about again.

use super::{GatewayRefundNo, Refund, UnixMillis};

/// How far an answer can be believed.
///
/// Only A may settle a refund as succeeded. Failure needs A, or a refusal of at least B that later
/// absences confirm. C carries no information at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Anything else.
    C,
    /// An unsigned answer over verified TLS with a listed meaning.
    B,
    /// A valid response signature, and ids and amounts that match.
    A,
}

impl Grade {
    /// `A`, `B` or `C`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

/// Where a piece of evidence came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The answer to a submit.
    Submit,
    /// The answer to a refund query.
    Query,
    /// A notification of the gateway (it only ever triggers a query).
    Callback,
    /// A person, with a reason.
    Operator,
    /// refundd itself: a limit was reached or a rule was broken.
    Refundd,
}

impl Source {
    /// The word that results carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Query => "query",
            Self::Callback => "callback",
            Self::Operator => "operator",
            Self::Refundd => "refundd",
        }
    }
}

/// Why refundd believes an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// How far it can be believed.
    pub grade: Grade,
    /// Where it came from.
    pub source: Source,
    /// When it arrived.
    pub at: UnixMillis,
}

/// A refund status as gateways of this family spell it, sorted by what may follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusWord {
    /// The money has gone back to the payer.
    Success,
    /// The gateway gave up; no money moved.
    Failed,
    /// The gateway calls it failed, but is known to say so of refunds that did happen, such as
    /// after a timeout of its own channel. Asking again will not tell; a person must.
    FailedUnproven,
    /// The gateway is still at it.
    Processing,
    /// The gateway itself does not know.
    NotSure,
    /// The money went back to the merchant's account; a person must settle it.
    Abnormal,
    /// A word that nobody has listed. Never success, never failure.
    Unlisted,
}

impl StatusWord {
    /// Sorts a status as the gateway spelt it. Case does not matter; an unknown word is
    /// [`StatusWord::Unlisted`].
    ///
    /// Sources: iOnline Pay "Query Refund", `refund_status_$n` (SUCCESS, FAIL, PROCESSING); the
    /// other words are WeChat Pay's and its resellers' (gateways.md, section C).
    ///
    /// ```
    /// use refundd::domain::evidence::StatusWord;
    /// assert_eq!(StatusWord::parse("SUCCESS"), StatusWord::Success);
    /// assert_eq!(StatusWord::parse("refunded?"), StatusWord::Unlisted);
    /// ```
    pub fn parse(text: &str) -> Self {
        match text.trim().to_ascii_uppercase().as_str() {
            "SUCCESS" => Self::Success,
            "FAIL" | "FAILED" | "REFUNDCLOSE" | "CLOSED" => Self::Failed,
            "PROCESSING" => Self::Processing,
            "NOTSURE" => Self::NotSure,
            "CHANGE" | "ABNORMAL" => Self::Abnormal,
            _ => Self::Unlisted,
        }
    }
}

/// One `$n` line of a refund query: one refund of the order, as the gateway tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusLine {
    /// The `$n` of the line. Kept for people; nothing is ever matched on it.
    pub n: u32,
    /// The merchant refund number (`out_refund_no_$n`) that says whose line this is.
    pub refund_no: String,
    /// The gateway's id of the refund (`refund_id_$n`), if it could be read.
    pub gateway_refund_no: Option<GatewayRefundNo>,
    /// The amount, minor units of the account's currency.
    pub amount_cents: u64,
    /// What the status means.
    pub word: StatusWord,
    /// The status as the gateway spelt it.
    pub status: String,
    /// When the gateway says it happened.
    pub time: Option<UnixMillis>,
    /// The gateway's words for why.
    pub reason: Option<String>,
}

/// An answer that was understood: the lines, and how far they can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// All lines of the answer, of this refund and of others of the order.
    pub lines: Vec<StatusLine>,
    /// How far the answer can be believed.
    pub grade: Grade,
}

/// What the lines of an answer say about one refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every line of this refund succeeded and the amounts add up.
    Succeeded,
    /// Every line of this refund failed and the amounts add up.
    Failed,
    /// At least one line is still under way, none contradicts.
    Processing,
    /// No line belongs to this refund.
    Absent,
    /// The lines cannot both be true with what was asked: a person must look.
    Discrepancy(String),
    /// The money went back to the merchant's account: a person must settle it.
    Abnormal(String),
    /// The gateway's word for failure does not prove it: a person must find out.
    UnprovenFailure(String),
    /// The gateway shows the refund, but nothing that could settle it.
    Inconclusive(String),
    /// Nothing can be concluded, not even that the gateway knows the refund.
    NoInformation(String),
}

/// Judges the lines of an answer about `refund`: the only place where a query settles anything.
///
/// Lines are matched on the refund number, never on position. A refund may stand on several lines;
/// then all of them together must agree and add up.
pub fn judge(refund: &Refund, found: &Found) -> Verdict {
    if found.grade < Grade::B {
        return Verdict::NoInformation("the answer carries no evidence".to_owned());
    }
    let own: Vec<&StatusLine> = own_lines(refund, &found.lines).collect();
    if own.is_empty() {
        return Verdict::Absent;
    }
    if let Some(line) = own.iter().find(|line| line.word == StatusWord::Unlisted) {
        return Verdict::Inconclusive(format!("unlisted status {:?}", line.status));
    }
    if own.iter().any(|line| line.word == StatusWord::NotSure) {
        return Verdict::Inconclusive("the gateway is not sure".to_owned());
    }
    if found.grade < Grade::A {
        return if own.iter().any(|line| line.word == StatusWord::Processing) {
            Verdict::Processing
        } else {
            Verdict::Inconclusive("only a signed answer can say more than that".to_owned())
        };
    }
    let sum = own.iter().try_fold(0_u64, |sum, line| sum.checked_add(line.amount_cents));
    if sum != Some(refund.amount.get()) {
        let sum = sum.map_or_else(|| "more than can be counted".to_owned(), |sum| sum.to_string());
        return Verdict::Discrepancy(format!(
            "the gateway shows {sum} in minor units, {} were asked for",
            refund.amount
        ));
    }
    settled_word(&own)
}

/// The verdict over signed lines that add up and whose words are all listed.
fn settled_word(own: &[&StatusLine]) -> Verdict {
    let any = |word: StatusWord| own.iter().any(|line| line.word == word);
    if any(StatusWord::Processing) {
        Verdict::Processing
    } else if any(StatusWord::Abnormal) {
        Verdict::Abnormal("the gateway returned the money to the merchant's account".to_owned())
    } else if any(StatusWord::FailedUnproven) {
        Verdict::UnprovenFailure(
            "the gateway calls it failed, which it also does when its channel timed out".to_owned(),
        )
    } else if any(StatusWord::Success) && any(StatusWord::Failed) {
        Verdict::Discrepancy("some lines of this refund succeeded, others failed".to_owned())
    } else if any(StatusWord::Success) {
        Verdict::Succeeded
    } else {
        Verdict::Failed
    }
}

/// The lines that belong to `refund`.
pub fn own_lines<'a>(
    refund: &'a Refund,
    lines: &'a [StatusLine],
) -> impl Iterator<Item = &'a StatusLine> {
    lines.iter().filter(|line| line.refund_no == refund.refund_no.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refund::tests::refund;

    fn line(no: &str, cents: u64, status: &str) -> StatusLine {
        StatusLine {
            n: 0,
            refund_no: no.to_owned(),
            gateway_refund_no: None,
            amount_cents: cents,
            word: StatusWord::parse(status),
            status: status.to_owned(),
            time: None,
            reason: None,
        }
    }

    fn verdict(lines: &[(&str, u64, &str)], grade: Grade) -> Verdict {
        let lines = lines.iter().map(|(no, cents, status)| line(no, *cents, status)).collect();
        judge(&refund("R1", 500), &Found { lines, grade })
    }

    #[test]
    fn a_signed_success_of_the_whole_amount_is_success() {
        assert_eq!(verdict(&[("R1", 500, "SUCCESS")], Grade::A), Verdict::Succeeded);
    }

    #[test]
    fn only_grade_a_settles() {
        for status in ["SUCCESS", "FAIL", "REFUNDCLOSE", "CLOSED", "FAILED"] {
            let unsigned = verdict(&[("R1", 500, status)], Grade::B);
            assert!(matches!(unsigned, Verdict::Inconclusive(_)), "{status}: {unsigned:?}");
        }
        let worthless = verdict(&[("R1", 500, "SUCCESS")], Grade::C);
        assert!(matches!(worthless, Verdict::NoInformation(_)));
    }

    #[test]
    fn an_unsigned_answer_neither_settles_nor_parks() {
        assert_eq!(verdict(&[("R1", 500, "PROCESSING")], Grade::B), Verdict::Processing);
        for status in ["SUCCESS", "FAIL", "CHANGE"] {
            let other = verdict(&[("R1", 499, status)], Grade::B);
            assert!(matches!(other, Verdict::Inconclusive(_)), "{status}: {other:?}");
        }
    }

    #[test]
    fn a_failure_that_proves_nothing_needs_a_person() {
        let mut unproven = line("R1", 500, "3");
        unproven.word = StatusWord::FailedUnproven;
        let found = Found { lines: vec![unproven], grade: Grade::A };
        assert!(matches!(judge(&refund("R1", 500), &found), Verdict::UnprovenFailure(_)));
    }

    #[test]
    fn lines_are_matched_on_the_number_and_never_on_position() {
        let lines = [("R0", 500, "SUCCESS"), ("R1", 500, "PROCESSING"), ("R10", 500, "FAIL")];
        assert_eq!(verdict(&lines, Grade::A), Verdict::Processing);
        assert_eq!(verdict(&lines[..1], Grade::A), Verdict::Absent);
        assert_eq!(verdict(&[], Grade::A), Verdict::Absent);
    }

    #[test]
    fn every_line_of_the_refund_must_have_settled() {
        let both = [("R1", 200, "SUCCESS"), ("R1", 300, "PROCESSING")];
        assert_eq!(verdict(&both, Grade::A), Verdict::Processing);
        let done = [("R1", 200, "SUCCESS"), ("R1", 300, "SUCCESS")];
        assert_eq!(verdict(&done, Grade::A), Verdict::Succeeded);
        let split = [("R1", 200, "SUCCESS"), ("R1", 300, "FAIL")];
        assert!(matches!(verdict(&split, Grade::A), Verdict::Discrepancy(_)));
    }

    #[test]
    fn another_amount_is_a_discrepancy_whatever_the_status() {
        for status in ["SUCCESS", "FAIL", "PROCESSING", "CHANGE"] {
            let other = verdict(&[("R1", 499, status)], Grade::A);
            assert!(matches!(other, Verdict::Discrepancy(_)), "{status}: {other:?}");
        }
        let huge = [("R1", u64::MAX, "SUCCESS"), ("R1", 1, "SUCCESS")];
        assert!(matches!(verdict(&huge, Grade::A), Verdict::Discrepancy(_)));
    }

    #[test]
    fn doubtful_words_conclude_nothing() {
        for status in ["NOTSURE", "", "4", "REFUNDED", "refund_status_$n"] {
            let doubt = verdict(&[("R1", 500, status)], Grade::A);
            assert!(matches!(doubt, Verdict::Inconclusive(_)), "{status}: {doubt:?}");
        }
        assert!(matches!(verdict(&[("R1", 500, "CHANGE")], Grade::A), Verdict::Abnormal(_)));
    }
}
