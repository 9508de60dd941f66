//! The stored form of a refund: two compact JSON texts, versioned, to and from the domain.
//!
//! What was asked is written once. Where it stands is written at every commit and begins with one
//! letter for its state, which is all that a script ever reads of it. A text of a newer version is
//! an error: the refund is left for the newer worker that wrote it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::domain::evidence::{StatusLine, StatusWord};
use crate::domain::refund::{HistoryLine, ParamsHash, Tally};
use crate::domain::state::{
    Absences, EventKind, Outcome, ParkCause, Parking, RefundState, Refusal, Settlement, StateKind,
};
use crate::domain::{
    AccountName, AmountCents, Currency, Evidence, GatewayName, GatewayOrderNo, GatewayRefundNo,
    Grade, OrderNo, OrderRef, Refund, RefundNo, RefundRecord, RuleError, Source, UnixMillis,
};

/// The version that this program writes, and the newest that it reads.
const VERSION: u8 = 1;

/// Why a stored text cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// Not the JSON that it should be.
    #[error("stored text is not a record")]
    Json(#[from] serde_json::Error),
    /// Written by a newer refundd.
    #[error("stored by a newer refundd (version {0}); left for a newer worker")]
    Newer(u8),
    /// A value that no version writes.
    #[error("stored {0} is not one")]
    Value(&'static str),
    /// A value that breaks its own rule.
    #[error("stored value {0}")]
    Rule(#[from] RuleError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRefund<'a> {
    v: u8,
    s: &'a str,
    a: &'a str,
    c: u64,
    y: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dev: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ra: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nb: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<String>,
}

/// What was asked, as it is stored.
pub(super) fn encode_refund(record: &RefundRecord) -> Result<String, RecordError> {
    let refund = &record.refund;
    Ok(serde_json::to_string(&StoredRefund {
        v: VERSION,
        s: record.order_scope.as_str(),
        a: refund.account.as_str(),
        c: refund.amount.get(),
        y: refund.currency.as_str(),
        g: refund.order.gateway_order_no().map(|no| no.as_str().into()),
        o: refund.order.order_no().map(|no| no.as_str().into()),
        p: refund.order.paid.map(AmountCents::get),
        why: refund.reason.clone(),
        ip: refund.client_ip.clone(),
        dev: refund.device.clone(),
        ra: refund.requested_at.map(UnixMillis::get),
        nb: refund.not_before.map(UnixMillis::get),
        m: refund.metadata.clone(),
    })?)
}

/// What was asked, as it was stored, and the scope of its order.
pub(super) fn decode_refund(
    refund_no: &str,
    text: &str,
) -> Result<(Refund, GatewayName), RecordError> {
    let stored = versioned(text, |stored: &StoredRefund<'_>| stored.v)?;
    let order = OrderRef::new(
        stored.g.as_deref().map(GatewayOrderNo::parse).transpose()?,
        stored.o.as_deref().map(OrderNo::parse).transpose()?,
        stored.p.map(AmountCents::new).transpose()?,
    );
    let refund = Refund {
        refund_no: RefundNo::parse(refund_no)?,
        account: AccountName::parse(stored.a)?,
        amount: AmountCents::new(stored.c)?,
        currency: Currency::parse(stored.y)?,
        order: order.ok_or(RecordError::Value("order"))?,
        reason: stored.why,
        client_ip: stored.ip,
        device: stored.dev,
        requested_at: stored.ra.map(UnixMillis::new),
        not_before: stored.nb.map(UnixMillis::new),
        metadata: stored.m,
    };
    Ok((refund, GatewayName::parse(stored.s)?))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredState {
    v: u8,
    s: State,
    /// Admitted at, and how much earlier it was pushed.
    a: (i64, u64),
    /// Attempts, polls, results, revision.
    t: (u32, u32, u32, u32),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<String>,
    h: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum State {
    Requested(u32),
    Submitting(u32),
    Unconfirmed(u32, Option<(u32, i64)>),
    Refused(u32, Option<(u32, i64)>, String, String, char),
    Processing(u32),
    Parked(String, String, Proof, Vec<Status>),
    Settled(String, Proof, Vec<Status>, Option<String>, Option<String>),
}

/// Grade, source, at.
type Proof = (char, char, i64);

/// n, refund number, gateway refund number, minor units, status, time, reason.
type Status = (u32, String, Option<String>, u64, String, Option<i64>, Option<String>);

/// At, last at less at, times, event, note.
type Line = (i64, u64, u32, String, String);

/// Where a refund stands, as it is stored.
pub(super) fn encode_state(record: &RefundRecord) -> Result<String, RecordError> {
    let line = |line: &HistoryLine| {
        let run = line.last_at.since(line.at);
        (line.at.get(), run, line.times, line.event.as_str().to_owned(), line.note.clone())
    };
    let stored = StoredState {
        v: VERSION,
        s: state_to_stored(&record.state),
        a: (record.admitted_at.get(), record.admitted_at.since(record.pushed_at)),
        t: (record.tally.attempts, record.tally.polls, record.tally.results, record.tally.revision),
        sub: record.tally.submitted_at.map(UnixMillis::get),
        g: record.gateway_refund_no.as_ref().map(ToString::to_string),
        p: record.params_hash.map(|hash| STANDARD_NO_PAD.encode(hash.0)),
        h: record.history.iter().map(line).collect(),
    };
    Ok(format!("{}{}", letter(record.state.kind()), serde_json::to_string(&stored)?))
}

/// The letter that the scripts see: `r` is the only one that a claim turns into a submit.
pub(super) const fn letter(state: StateKind) -> char {
    match state {
        StateKind::Requested => 'r',
        StateKind::Submitting => 's', // never stored: the lease says so
        StateKind::Unconfirmed => 'u',
        StateKind::Refused => 'f',
        StateKind::Processing => 'p',
        StateKind::Parked => 'k',
        StateKind::Settled => 'z',
    }
}

/// Where a refund stands, as it was stored.
pub(super) fn decode_state(
    (refund, order_scope): (Refund, GatewayName),
    text: &str,
) -> Result<RefundRecord, RecordError> {
    let json = text.get(1..).ok_or(RecordError::Value("state"))?;
    let stored = versioned(json, |stored: &StoredState| stored.v)?;
    let state = state_from_stored(stored.s)?;
    // The scripts go by the letter: a state that they take for another is none.
    if !text.starts_with(letter(state.kind())) {
        return Err(RecordError::Value("letter of the state"));
    }
    let line = |(at, run, times, event, note): Line| {
        let at = UnixMillis::new(at);
        let event = EventKind::parse(&event).ok_or(RecordError::Value("event"))?;
        Ok::<_, RecordError>(HistoryLine { at, last_at: at.plus(run), times, event, note })
    };
    let (attempts, polls, results, revision) = stored.t;
    let submitted_at = stored.sub.map(UnixMillis::new);
    Ok(RefundRecord {
        refund,
        order_scope,
        pushed_at: UnixMillis::new(stored.a.0).minus(stored.a.1),
        admitted_at: UnixMillis::new(stored.a.0),
        state,
        tally: Tally { attempts, polls, submitted_at, results, revision },
        gateway_refund_no: stored.g.as_deref().map(GatewayRefundNo::parse).transpose()?,
        params_hash: stored.p.as_deref().map(decode_hash).transpose()?,
        history: stored.h.into_iter().map(line).collect::<Result<_, _>>()?,
    })
}

fn decode_hash(text: &str) -> Result<ParamsHash, RecordError> {
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| RecordError::Value("hash"))?;
    Ok(ParamsHash(bytes.try_into().map_err(|_| RecordError::Value("hash"))?))
}

/// Parses a text whose version this program knows. A newer one may look the same and mean something
/// else, so its version is looked at even where it can be read.
fn versioned<'a, T: Deserialize<'a>>(
    json: &'a str,
    version: impl Fn(&T) -> u8,
) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u8,
    }
    let refused = |v: u8| match v {
        VERSION => None,
        newer if newer > VERSION => Some(RecordError::Newer(newer)),
        _ => Some(RecordError::Value("version")),
    };
    match serde_json::from_str(json) {
        Ok(stored) => refused(version(&stored)).map_or(Ok(stored), Err),
        Err(err) => {
            let read = serde_json::from_str::<Versioned>(json).ok();
            Err(read.and_then(|read| refused(read.v)).unwrap_or(RecordError::Json(err)))
        }
    }
}

fn state_to_stored(state: &RefundState) -> State {
    let absent =
        |seen: &Option<Absences>| seen.map(|seen: Absences| (seen.count, seen.first_at.get()));
    match state {
        RefundState::Requested { waits } => State::Requested(*waits),
        RefundState::Submitting { waits } => State::Submitting(*waits),
        RefundState::Unconfirmed { polls, absences } => {
            State::Unconfirmed(*polls, absent(absences))
        }
        RefundState::Refused { refusal, polls, absences } => State::Refused(
            *polls,
            absent(absences),
            refusal.code.clone(),
            refusal.message.clone(),
            grade_letter(refusal.grade),
        ),
        RefundState::Processing { polls } => State::Processing(*polls),
        RefundState::Parked(parking) => State::Parked(
            parking.cause.as_str().to_owned(),
            parking.message.clone(),
            proof(&parking.evidence),
            parking.lines.iter().map(status).collect(),
        ),
        RefundState::Settled(end) => State::Settled(
            end.outcome.as_str().to_owned(),
            proof(&end.evidence),
            end.lines.iter().map(status).collect(),
            end.code.clone(),
            end.message.clone(),
        ),
    }
}

fn state_from_stored(state: State) -> Result<RefundState, RecordError> {
    let absent = |seen: Option<(u32, i64)>| {
        seen.map(|(count, at)| Absences { count, first_at: UnixMillis::new(at) })
    };
    Ok(match state {
        State::Requested(waits) => RefundState::Requested { waits },
        State::Submitting(waits) => RefundState::Submitting { waits },
        State::Unconfirmed(polls, absences) => {
            RefundState::Unconfirmed { polls, absences: absent(absences) }
        }
        State::Refused(polls, absences, code, message, grade) => RefundState::Refused {
            refusal: Refusal { code, message, grade: grade_of(grade)? },
            polls,
            absences: absent(absences),
        },
        State::Processing(polls) => RefundState::Processing { polls },
        State::Parked(cause, message, evidence, lines) => RefundState::Parked(Parking {
            cause: park_cause(&cause)?,
            message,
            evidence: evidence_of(evidence)?,
            lines: lines_of(lines)?,
        }),
        State::Settled(outcome, evidence, lines, code, message) => {
            RefundState::Settled(Settlement {
                outcome: Outcome::parse(&outcome).ok_or(RecordError::Value("outcome"))?,
                evidence: evidence_of(evidence)?,
                lines: lines_of(lines)?,
                code,
                message,
            })
        }
    })
}

fn park_cause(text: &str) -> Result<ParkCause, RecordError> {
    let cause = ParkCause::ALL.iter().find(|cause| cause.as_str() == text);
    cause.copied().ok_or(RecordError::Value("cause"))
}

const SOURCES: [(char, Source); 5] = [
    ('s', Source::Submit),
    ('q', Source::Query),
    ('c', Source::Callback),
    ('o', Source::Operator),
    ('r', Source::Refundd),
];

fn grade_letter(grade: Grade) -> char {
    match grade {
        Grade::A => 'A',
        Grade::B => 'B',
        Grade::C => 'C',
    }
}

fn grade_of(letter: char) -> Result<Grade, RecordError> {
    [Grade::A, Grade::B, Grade::C]
        .into_iter()
        .find(|grade| grade_letter(*grade) == letter)
        .ok_or(RecordError::Value("grade"))
}

fn proof(evidence: &Evidence) -> Proof {
    let source = SOURCES.iter().find(|(_, source)| *source == evidence.source);
    (grade_letter(evidence.grade), source.map_or('r', |(letter, _)| *letter), evidence.at.get())
}

fn evidence_of((grade, source, at): Proof) -> Result<Evidence, RecordError> {
    let source = SOURCES.iter().find(|(letter, _)| *letter == source);
    let (_, source) = source.ok_or(RecordError::Value("source"))?;
    Ok(Evidence { grade: grade_of(grade)?, source: *source, at: UnixMillis::new(at) })
}

fn status(line: &StatusLine) -> Status {
    (
        line.n,
        line.refund_no.clone(),
        line.gateway_refund_no.as_ref().map(ToString::to_string),
        line.amount_cents,
        line.status.clone(),
        line.time.map(UnixMillis::get),
        line.reason.clone(),
    )
}

fn lines_of(lines: Vec<Status>) -> Result<Vec<StatusLine>, RecordError> {
    let line = |(n, refund_no, gateway, amount_cents, status, time, reason): Status| {
        Ok(StatusLine {
            n,
            refund_no,
            gateway_refund_no: gateway.as_deref().map(GatewayRefundNo::parse).transpose()?,
            amount_cents,
            word: StatusWord::parse(&status),
            status,
            time: time.map(UnixMillis::new),
            reason,
        })
    };
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "fuzz_tests.rs"]
mod fuzz_tests;
