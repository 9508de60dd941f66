//! Sorts one request: a refund to admit, or a refusal that says which field breaks which rule.
//! Pure; the clock's answer is an argument.

use crate::contract::{RejectCode, Rejection, RequestError, parse, rejected};
use crate::domain::{Refund, RefundRecord, UnixMillis, step};
use crate::ports::ledger::{Admission, EntryId, Refusal};
use crate::ports::{Account, Accounts, RawRequest};

/// The one field of a request entry.
const FIELD: &[u8] = b"request";

/// Stands in the event id of a rejection that answers no entry of the stream.
const NO_ENTRY: &str = "0-0";

/// Most fields of an entry that the quarantine keeps: a request has one, and a script can take only
/// so many values.
const FIELDS_KEPT: usize = 50;

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Sorted {
    /// Admit this refund.
    Admit(Box<Admission>),
    /// Acknowledge it with what it leaves behind.
    Refuse(Box<Refusal>),
}

/// Sorts `request`.
pub(super) fn sort(accounts: &Accounts, request: &RawRequest, now: UnixMillis) -> Sorted {
    let [(name, bytes)] = request.fields.as_slice() else {
        return quarantine(request, &one_field("must be the only field of the entry"), None, now);
    };
    if name != FIELD {
        return quarantine(request, &one_field("must be the name of the field"), None, now);
    }
    let refund = match parse(bytes) {
        Ok(refund) => refund,
        Err(err) => return quarantine(request, &err.fault().to_string(), Some(&err), now),
    };
    let Some(account) = accounts.get(&refund.account) else {
        let message =
            format!("account must be one of {}, got \"{}\"", names(accounts), refund.account);
        return reject(request, &refund, (RejectCode::UnknownAccount, message), None, now);
    };
    if let Err(err) = account.check(&refund) {
        let why = (RejectCode::Invalid, err.to_string());
        return reject(request, &refund, why, Some(account), now);
    }
    Sorted::Admit(Box::new(admission(request, refund, account, now)))
}

fn one_field(rule: &str) -> String {
    format!("request {rule}; push with: XADD <namespace>:requests * request '<JSON>'")
}

fn names(accounts: &Accounts) -> String {
    let names: Vec<_> = accounts.iter().map(|account| account.name.as_str()).collect();
    if names.is_empty() {
        "the configured accounts (there are none)".to_owned()
    } else {
        names.join(", ")
    }
}

fn admission(
    request: &RawRequest,
    refund: Refund,
    account: &Account,
    now: UnixMillis,
) -> Admission {
    let params_hash = account.submitter.params_hash(&refund);
    let mut record = RefundRecord::admitted(refund, account.submitter.gateway().clone(), now);
    record.params_hash = Some(params_hash);
    record.pushed_at = request.entry.pushed_at().map_or(now, |at| at.min(now));
    let due_at = step::first_due(&record);
    Admission { record, due_at, entry: Some(request.entry.clone()) }
}

/// Keeps the bytes, and tells the producer if a refund number can be read.
fn quarantine(
    request: &RawRequest,
    why: &str,
    err: Option<&RequestError>,
    now: UnixMillis,
) -> Sorted {
    tracing::warn!(entry = request.entry.0, why, "request cannot be read, quarantined");
    let mut kept: Vec<(&'static str, Vec<u8>)> = vec![
        ("entry", request.entry.0.clone().into_bytes()),
        ("reason", why.as_bytes().to_vec()),
        ("at", now.to_string().into_bytes()),
    ];
    if request.fields.len() > FIELDS_KEPT {
        kept.push(("fields", request.fields.len().to_string().into_bytes()));
    }
    for (name, value) in request.fields.iter().take(FIELDS_KEPT) {
        kept.push(("field", name.clone()));
        kept.push(("value", value.clone()));
    }
    let result = match err {
        Some(RequestError::Invalid(invalid)) => {
            Some(rejected(&Rejection::of(invalid, request.entry.clone()), now))
        }
        Some(RequestError::Unreadable(_)) | None => None,
    };
    let entry = Some(request.entry.clone());
    Sorted::Refuse(Box::new(Refusal { entry, result, quarantine: kept }))
}

fn reject(
    request: &RawRequest,
    refund: &Refund,
    why: (RejectCode, String),
    account: Option<&Account>,
    now: UnixMillis,
) -> Sorted {
    Sorted::Refuse(Box::new(refusal(Some(&request.entry), refund, why, account, now)))
}

/// The rejection of a refund that could be read: acknowledged, published, not quarantined.
pub(super) fn refusal(
    entry: Option<&EntryId>,
    refund: &Refund,
    (code, message): (RejectCode, String),
    account: Option<&Account>,
    now: UnixMillis,
) -> Refusal {
    tracing::warn!(refund.no = %refund.refund_no, code = code.as_str(), message, "refund is rejected");
    let rejection = Rejection {
        refund_no: refund.refund_no.clone(),
        entry: entry.cloned().unwrap_or_else(|| EntryId(NO_ENTRY.to_owned())),
        code,
        message,
        readable: refund.into(),
        gateway: account.map(|account| account.submitter.gateway().clone()),
    };
    let result = Some(rejected(&rejection, now));
    Refusal { entry: entry.cloned(), result, quarantine: Vec::new() }
}
