//! The lists of a stored state: its history, and what a gateway's answer said line by line.

use serde::{Deserialize, Serialize, Serializer};

use super::RecordError;
use super::array::{after, array, since};
use super::codes::{Coded, Spelling};
use crate::domain::evidence::{StatusLine, StatusWord};
use crate::domain::refund::HistoryLine;
use crate::domain::{EventKind, GatewayRefundNo, Refund, UnixMillis};

/// A history as it is written: each line counts its moment from the end of the one before, the first
/// from the admission.
#[derive(Debug)]
pub(super) struct History<'a> {
    pub(super) admitted_at: UnixMillis,
    pub(super) lines: &'a [HistoryLine],
}

impl Serialize for History<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut before = self.admitted_at;
        serializer.collect_seq(self.lines.iter().map(|line| {
            let stored = StoredLine {
                event: line.event.code(),
                at: since(line.at, before),
                note: &line.note,
                run: since(line.last_at, line.at),
                again: line.times.wrapping_sub(1),
            };
            before = line.last_at;
            stored
        }))
    }
}

/// One line of a history as it is stored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredLine<'a> {
    event: u8,
    /// Since the line before, ms.
    at: i64,
    #[serde(default)]
    note: &'a str,
    /// From its first to its last moment, ms.
    #[serde(default)]
    run: i64,
    /// How often less the first; it wraps.
    #[serde(default)]
    again: u32,
}

impl Serialize for StoredLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        array!(serializer;
            self.event => true,
            self.at => true,
            self.note => !self.note.is_empty(),
            self.run => self.run != 0,
            self.again => self.again != 0,
        )
    }
}

/// The history of a refund that was admitted then.
pub(super) fn history(
    admitted_at: UnixMillis,
    lines: Vec<StoredLine<'_>>,
) -> Result<Vec<HistoryLine>, RecordError> {
    let mut before = admitted_at;
    let line = |stored: StoredLine<'_>| {
        let at = after(before, stored.at);
        before = after(at, stored.run);
        Ok(HistoryLine {
            at,
            last_at: before,
            times: stored.again.wrapping_add(1),
            event: EventKind::of(stored.event)?,
            note: stored.note.to_owned(),
        })
    };
    lines.into_iter().map(line).collect()
}

/// What a line of an answer repeats of the refund it is about, so that it need not be stored again.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) refund: &'a Refund,
    pub(super) admitted_at: UnixMillis,
    pub(super) gateway_refund_no: Option<&'a GatewayRefundNo>,
}

/// One line of a gateway's answer as it is stored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Status<'a> {
    n: u32,
    #[serde(borrow)]
    spelling: Spelling<'a>,
    /// The gateway's number; empty, which none is, for that of the record.
    #[serde(default)]
    gateway: Option<&'a str>,
    /// Since the admission, ms.
    #[serde(default)]
    time: Option<i64>,
    #[serde(default)]
    reason: Option<&'a str>,
    /// Minor units; none for those of the refund.
    #[serde(default)]
    amount: Option<u64>,
    /// None for that of the refund.
    #[serde(default)]
    refund_no: Option<&'a str>,
    /// What the status means, if that is not what its spelling says.
    #[serde(default)]
    word: Option<u8>,
}

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        array!(serializer;
            self.n => true,
            self.spelling => true,
            self.gateway => self.gateway.is_some(),
            self.time => self.time.is_some(),
            self.reason => self.reason.is_some(),
            self.amount => self.amount.is_some(),
            self.refund_no => self.refund_no.is_some(),
            self.word => self.word.is_some(),
        )
    }
}

impl<'a> Status<'a> {
    /// A line as it is stored.
    pub(super) fn of(line: &'a StatusLine, about: About<'_>) -> Self {
        let own = line.gateway_refund_no.as_ref() == about.gateway_refund_no;
        let gateway = line.gateway_refund_no.as_ref();
        let means = StatusWord::parse(&line.status);
        Self {
            n: line.n,
            spelling: Spelling(&line.status),
            gateway: gateway.map(|no| if own { "" } else { no.as_str() }),
            time: line.time.map(|time| since(time, about.admitted_at)),
            reason: line.reason.as_deref(),
            amount: Some(line.amount_cents).filter(|cents| *cents != about.refund.amount.get()),
            refund_no: Some(line.refund_no.as_str())
                .filter(|no| *no != about.refund.refund_no.as_str()),
            word: (line.word != means).then(|| line.word.code()),
        }
    }

    /// The line as it was.
    pub(super) fn line(&self, about: About<'_>) -> Result<StatusLine, RecordError> {
        let Spelling(status) = self.spelling;
        let own = || about.gateway_refund_no.cloned().ok_or(RecordError::Value("gateway number"));
        let gateway = |text| match text {
            "" => own(),
            other => Ok(GatewayRefundNo::parse(other)?),
        };
        Ok(StatusLine {
            n: self.n,
            refund_no: self.refund_no.unwrap_or(about.refund.refund_no.as_str()).to_owned(),
            gateway_refund_no: self.gateway.map(gateway).transpose()?,
            amount_cents: self.amount.unwrap_or(about.refund.amount.get()),
            word: self.word.map_or(Ok(StatusWord::parse(status)), StatusWord::of)?,
            status: status.to_owned(),
            time: self.time.map(|millis| after(about.admitted_at, millis)),
            reason: self.reason.map(str::to_owned),
        })
    }
}
