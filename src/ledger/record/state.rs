//! Where a refund stands, as it is stored: a letter, the version, one array.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::array::{List, after, array, read, since, write};
use super::codes::Coded;
use super::lines::{About, History, Status, StoredLine, history};
use super::{RecordError, VERSION, first_byte, versioned};
use crate::domain::evidence::StatusLine;
use crate::domain::refund::{ParamsHash, Tally};
use crate::domain::state::{Absences, Outcome, ParkCause, Parking, Refusal, Settlement};
use crate::domain::{
    Evidence, GatewayName, GatewayRefundNo, Grade, Refund, RefundRecord, RefundState, Source,
    StateKind, UnixMillis,
};

/// Where a refund stands, as it is stored.
pub(in crate::ledger) fn encode_state(record: &RefundRecord) -> Result<Vec<u8>, RecordError> {
    write(&[first_byte(record.state.kind()), VERSION], &Written(record))
}

/// Where a refund stands, as it was stored.
pub(in crate::ledger) fn decode_state(
    (refund, order_scope): (Refund, GatewayName),
    bytes: &[u8],
) -> Result<RefundRecord, RecordError> {
    let (first, rest) = bytes.split_first().ok_or(RecordError::Value("state"))?;
    let stored: Stored<'_> = read(versioned(rest)?)?;
    let admitted_at = UnixMillis::new(stored.admitted_at);
    let gateway_refund_no = stored.gateway.map(GatewayRefundNo::parse).transpose()?;
    let about =
        About { refund: &refund, admitted_at, gateway_refund_no: gateway_refund_no.as_ref() };
    let state = stored.standing.state(about)?;
    // The scripts go by the letter: a state that they take for another is none.
    if *first != first_byte(state.kind()) {
        return Err(RecordError::Value("letter of the state"));
    }
    Ok(RefundRecord {
        refund,
        order_scope,
        pushed_at: after(admitted_at, stored.pushed),
        admitted_at,
        state,
        tally: Tally {
            attempts: stored.attempts,
            polls: stored.polls,
            submitted_at: stored.submitted.map(|millis| after(admitted_at, millis)),
            results: stored.results,
            revision: stored.revision,
        },
        gateway_refund_no,
        params_hash: stored.hash.map(params_hash).transpose()?,
        history: history(admitted_at, stored.history.0)?,
    })
}

fn params_hash(bytes: &[u8]) -> Result<ParamsHash, RecordError> {
    Ok(ParamsHash(bytes.try_into().map_err(|_| RecordError::Value("hash"))?))
}

/// The array after letter and version. All moments but the first are counted from the admission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    admitted_at: i64,
    #[serde(borrow)]
    standing: Standing<'a>,
    #[serde(default)]
    pushed: i64,
    #[serde(default)]
    revision: u32,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    submitted: Option<i64>,
    #[serde(default)]
    hash: Option<&'a [u8]>,
    #[serde(default, borrow)]
    history: List<StoredLine<'a>>,
    #[serde(default)]
    polls: u32,
    #[serde(default)]
    gateway: Option<&'a str>,
    #[serde(default)]
    results: u32,
}

/// A record as [`Stored`] reads it.
struct Written<'a>(&'a RefundRecord);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record) = self;
        let (tally, admitted_at) = (&record.tally, record.admitted_at);
        let pushed = since(record.pushed_at, admitted_at);
        array!(serializer;
            admitted_at.get() => true,
            Stands(record) => true,
            pushed => pushed != 0,
            tally.revision => tally.revision != 0,
            tally.attempts => tally.attempts != 0,
            tally.submitted_at.map(|at| since(at, admitted_at)) => tally.submitted_at.is_some(),
            record.params_hash.as_ref().map(Hash) => record.params_hash.is_some(),
            History { admitted_at, lines: &record.history } => !record.history.is_empty(),
            tally.polls => tally.polls != 0,
            record.gateway_refund_no.as_ref().map(GatewayRefundNo::as_str)
                => record.gateway_refund_no.is_some(),
            tally.results => tally.results != 0,
        )
    }
}

/// A hash as bytes, not as a list of numbers.
struct Hash<'a>(&'a ParamsHash);

impl Serialize for Hash<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.0)
    }
}

/// How many, and when the first.
type Absent = Option<(u32, i64)>;

/// Grade, source, at.
type Proof = (u8, u8, i64);

/// A state: an array of its code and what it holds.
#[derive(Debug)]
enum Standing<'a> {
    Requested(u32),
    Submitting(u32),
    Unconfirmed(u32, Absent),
    Refused(u32, Absent, &'a str, &'a str, u8),
    Processing(u32),
    Parked(u8, &'a str, Proof, List<Status<'a>>),
    Settled(u8, Proof, List<Status<'a>>, Option<&'a str>, Option<&'a str>),
}

/// The state of a record as [`Standing`] reads it.
struct Stands<'a>(&'a RefundRecord);

impl Serialize for Stands<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record) = self;
        let code = record.state.kind().code();
        let absent = |seen: &Option<Absences>| {
            seen.map(|seen| (seen.count, since(seen.first_at, record.admitted_at)))
        };
        let proof =
            |by: &Evidence| (by.grade.code(), by.source.code(), since(by.at, record.admitted_at));
        match &record.state {
            RefundState::Requested { waits } | RefundState::Submitting { waits } => {
                (code, waits).serialize(serializer)
            }
            RefundState::Processing { polls } => (code, polls).serialize(serializer),
            RefundState::Unconfirmed { polls, absences } => {
                (code, polls, absent(absences)).serialize(serializer)
            }
            RefundState::Refused { refusal, polls, absences } => {
                let Refusal { code: why, message, grade } = refusal;
                (code, polls, absent(absences), why, message, grade.code()).serialize(serializer)
            }
            RefundState::Parked(Parking { cause, message, evidence, lines }) => {
                let lines = Answer(record, lines);
                (code, cause.code(), message, proof(evidence), lines).serialize(serializer)
            }
            RefundState::Settled(end) => {
                let (proof, lines) = (proof(&end.evidence), Answer(record, &end.lines));
                (code, end.outcome.code(), proof, lines, &end.code, &end.message)
                    .serialize(serializer)
            }
        }
    }
}

/// What an answer said about a refund.
struct Answer<'a>(&'a RefundRecord, &'a [StatusLine]);

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record, lines) = self;
        let about = About {
            refund: &record.refund,
            admitted_at: record.admitted_at,
            gateway_refund_no: record.gateway_refund_no.as_ref(),
        };
        serializer.collect_seq(lines.iter().map(|line| Status::of(line, about)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Standing<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByCode;

        impl<'de> Visitor<'de> for ByCode {
            type Value = Standing<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a state")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Standing<'de>, A::Error> {
                let mut parts = Parts(seq);
                let kind = StateKind::of(parts.next()?).map_err(A::Error::custom)?;
                parts.standing(kind)
            }
        }

        deserializer.deserialize_tuple(0, ByCode)
    }
}

/// What follows in an array.
struct Parts<A>(A);

impl<'de, A: SeqAccess<'de>> Parts<A> {
    fn next<T: Deserialize<'de>>(&mut self) -> Result<T, A::Error> {
        self.0.next_element()?.ok_or_else(|| A::Error::custom("a part of the state is missing"))
    }

    fn standing(&mut self, kind: StateKind) -> Result<Standing<'de>, A::Error> {
        Ok(match kind {
            StateKind::Requested => Standing::Requested(self.next()?),
            StateKind::Submitting => Standing::Submitting(self.next()?),
            StateKind::Unconfirmed => Standing::Unconfirmed(self.next()?, self.next()?),
            StateKind::Refused => Standing::Refused(
                self.next()?,
                self.next()?,
                self.next()?,
                self.next()?,
                self.next()?,
            ),
            StateKind::Processing => Standing::Processing(self.next()?),
            StateKind::Parked => {
                Standing::Parked(self.next()?, self.next()?, self.next()?, self.next()?)
            }
            StateKind::Settled => Standing::Settled(
                self.next()?,
                self.next()?,
                self.next()?,
                self.next()?,
                self.next()?,
            ),
        })
    }
}

impl Standing<'_> {
    fn state(self, about: About<'_>) -> Result<RefundState, RecordError> {
        let absent = |seen: Absent| {
            seen.map(|(count, at)| Absences { count, first_at: after(about.admitted_at, at) })
        };
        let evidence = |(grade, source, at): Proof| {
            let (grade, source) = (Grade::of(grade)?, Source::of(source)?);
            Ok::<_, RecordError>(Evidence { grade, source, at: after(about.admitted_at, at) })
        };
        let lines = |List(lines): List<Status<'_>>| {
            lines.iter().map(|line| line.line(about)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::Requested(waits) => RefundState::Requested { waits },
            Self::Submitting(waits) => RefundState::Submitting { waits },
            Self::Unconfirmed(polls, seen) => {
                RefundState::Unconfirmed { polls, absences: absent(seen) }
            }
            Self::Refused(polls, seen, code, message, grade) => RefundState::Refused {
                refusal: Refusal {
                    code: code.to_owned(),
                    message: message.to_owned(),
                    grade: Grade::of(grade)?,
                },
                polls,
                absences: absent(seen),
            },
            Self::Processing(polls) => RefundState::Processing { polls },
            Self::Parked(cause, message, by, answer) => RefundState::Parked(Parking {
                cause: ParkCause::of(cause)?,
                message: message.to_owned(),
                evidence: evidence(by)?,
                lines: lines(answer)?,
            }),
            Self::Settled(outcome, by, answer, code, message) => RefundState::Settled(Settlement {
                outcome: Outcome::of(outcome)?,
                evidence: evidence(by)?,
                lines: lines(answer)?,
                code: code.map(str::to_owned),
                message: message.map(str::to_owned),
            }),
        })
    }
}
