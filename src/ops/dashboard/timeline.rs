//! Everything that has happened to one refund, on one line of time.

use maud::{Markup, html};

use super::words::{count, moment};
use crate::domain::refund::HistoryLine;
use crate::domain::{EventKind, RefundRecord};

/// Who makes something happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Submit,
    Query,
    Refundd,
    Person,
}

impl By {
    const fn word(self) -> &'static str {
        match self {
            Self::Submit => "→ submit",
            Self::Query => "? query",
            Self::Refundd => "⚙ refundd",
            Self::Person => "☺ person",
        }
    }
}

/// What an event means, for people.
const fn told(event: EventKind) -> (By, &'static str) {
    use EventKind as E;
    match event {
        E::SubmitStarted => (By::Submit, "intent to submit recorded; from here on bytes may leave"),
        E::NotSent => (By::Submit, "provably not sent"),
        E::Accepted => (By::Submit, "the gateway took it; that is not the end"),
        E::AnswerUnknown => (By::Submit, "sent or maybe sent, answer unknown"),
        E::SubmitRefused => (By::Submit, "the gateway says that it did not execute it"),
        E::StillProcessing => (By::Query, "under way at the gateway"),
        E::Inconclusive => {
            (By::Query, "the gateway knows it, and says nothing that could settle it")
        }
        E::NotFound => (By::Query, "the gateway shows nothing of this number"),
        E::NoAnswer => (By::Query, "taught nothing"),
        E::ResubmitCleared => (By::Refundd, "the same number may be sent again"),
        E::Succeeded => (By::Query, "proof of success"),
        E::Failed => (By::Query, "proof of failure"),
        E::RefusalConfirmed => (By::Query, "the refusal is confirmed: nothing was executed"),
        E::SetAside => (By::Refundd, "parked for a person"),
        E::WritesLost => (
            By::Refundd,
            "Redis may have lost writes: the gateway is asked before anything is sent",
        ),
        E::Confirmed => (By::Query, "the gateway says again how it ended"),
        E::Released => (By::Person, "released"),
        E::Resolved => (By::Person, "said how it ended"),
        E::Abandoned => (By::Person, "ended the work on it"),
    }
}

/// The admission and every line since, newest first.
pub(super) fn timeline(record: &RefundRecord) -> Markup {
    html! {
        ol.timeline reversed {
            @for one in record.history.iter().rev() { (line(one)) }
            li {
                div.when { (moment(record.admitted_at)) }
                div.by { "⚙ refundd" }
                div { strong { "admitted" } ": stored, its amount reserved on the order" }
            }
        }
    }
}

/// One line; a run of equal events is one.
pub(super) fn line(one: &HistoryLine) -> Markup {
    let (by, words) = told(one.event);
    html! {
        li {
            div.when { (moment(one.last_at))
                @if one.times > 1 { span.quiet { " since " (moment(one.at)) } } }
            div.by { (by.word()) @if one.times > 1 { " × " (count(one.times.into())) } }
            div { strong { (one.event.as_str()) } ": " (words) @if !one.note.is_empty() { " — " span.note { (one.note) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UnixMillis;

    #[test]
    fn a_note_of_a_gateway_is_text_whatever_it_is() {
        let line = line(&HistoryLine {
            at: UnixMillis::new(0),
            last_at: UnixMillis::new(60_000),
            times: 3,
            event: EventKind::NoAnswer,
            note: "<script>alert(1)</script>".to_owned(),
        });
        let text = line.into_string();
        assert!(!text.contains("<script") && text.contains("&lt;script&gt;"), "{text}");
        assert!(text.contains("? query × 3") && text.contains("1970-01-01 00:01:00"), "{text}");
    }
}
