//! Sorts one request: a refund to admit, or the field and the rule that speak against it. Pure; the
//! clock's answer is an argument.
//!
//! [`admission`] and [`verdict`] are what the stream and HTTP share; what a refusal leaves behind on
//! the streams is the stream's own.

use crate::contract::{Fault, Invalid, RejectCode, Rejection, RequestError, parse, rejected};
use crate::domain::{Refund, RefundNo, RefundRecord, UnixMillis, step};
use crate::ports::ledger::{Admission, Admitted, EntryId, Refusal};
use crate::ports::{Account, Accounts, RawRequest};

/// The one field of a request entry.
const FIELD: &[u8] = b"request";

/// Stands in the event id of a rejection that answers no entry of the stream.
const NO_ENTRY: &str = "0-0";

/// Most fields of an entry that the quarantine keeps: a request has one, and a script can take only
/// so many values.
const FIELDS_KEPT: usize = 50;

/// Why a request leads to no refund.
#[derive(Debug)]
pub(super) enum Unfit {
    /// No legal refund number can be read.
    Unreadable(Fault),
    /// The number can be read, and the request breaks a rule of the contract.
    Invalid(Box<Invalid>),
    /// It is a request, and no account can pay it back.
    Unpayable(Box<Refund>, Fault),
}

impl Unfit {
    /// The field and the rule.
    pub(super) fn fault(&self) -> &Fault {
        match self {
            Self::Unreadable(fault) | Self::Unpayable(_, fault) => fault,
            Self::Invalid(invalid) => &invalid.fault,
        }
    }

    /// The refund number, if a legal one can be read.
    pub(super) fn refund_no(&self) -> Option<&RefundNo> {
        match self {
            Self::Unreadable(_) => None,
            Self::Invalid(invalid) => Some(&invalid.refund_no),
            Self::Unpayable(refund, _) => Some(&refund.refund_no),
        }
    }
}

/// What the ledger's answer to an admission means.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Stored; whether it waits for another refund of its order.
    New {
        /// Whether it waits.
        waits: bool,
    },
    /// The same request again: harmless.
    Duplicate,
    /// What is stored under its number cannot be read here; a newer worker can.
    Unreadable(String),
    /// Its entry was answered before: nothing is left to do.
    Decided,
    /// It leads to no refund.
    Refused(Fault),
}

/// What is to be done with a request of the stream.
#[derive(Debug)]
pub(super) enum Sorted {
    /// Admit this refund.
    Admit(Box<Admission>),
    /// Acknowledge it with what it leaves behind, for this reason.
    Refuse(Box<Refusal>, RejectCode),
}

/// The admission that the bytes of a request ask for; `entry` is what it acknowledges.
pub(super) fn admission(
    accounts: &Accounts,
    bytes: &[u8],
    entry: Option<&EntryId>,
    now: UnixMillis,
) -> Result<Box<Admission>, Unfit> {
    let refund = parse(bytes).map_err(|err| match err {
        RequestError::Unreadable(fault) => Unfit::Unreadable(fault),
        RequestError::Invalid(invalid) => Unfit::Invalid(invalid),
    })?;
    let Some(account) = accounts.get(&refund.account) else {
        let rule = format!("must be one of {}, got \"{}\"", names(accounts), refund.account);
        let fault = fault(RejectCode::UnknownAccount, "account", rule);
        return Err(Unfit::Unpayable(Box::new(refund), fault));
    };
    if let Err(err) = account.check(&refund) {
        let fault = fault(RejectCode::Invalid, err.field, err.rule);
        return Err(Unfit::Unpayable(Box::new(refund), fault));
    }
    let params_hash = account.submitter.params_hash(&refund);
    let mut record = RefundRecord::admitted(refund, account.submitter.gateway().clone(), now);
    record.params_hash = Some(params_hash);
    record.pushed_at = entry.and_then(EntryId::pushed_at).map_or(now, |at| at.min(now));
    let due_at = step::first_due(&record);
    Ok(Box::new(Admission { record, due_at, entry: entry.cloned() }))
}

/// What the ledger has answered to the admission of `refund`.
pub(super) fn verdict(refund: &Refund, answer: Admitted) -> Verdict {
    Verdict::Refused(match answer {
        Admitted::New => return Verdict::New { waits: false },
        Admitted::Waiting => return Verdict::New { waits: true },
        Admitted::Unreadable(why) => return Verdict::Unreadable(why),
        Admitted::Known(first) if first.same_content(refund) => return Verdict::Duplicate,
        Admitted::Decided => return Verdict::Decided,
        Admitted::Known(_) => fault(
            RejectCode::Conflict,
            "refund_no",
            "must be a new one, got one that is known with other content",
        ),
        Admitted::OverRefund { paid_cents, held_cents } => {
            let left = paid_cents.saturating_sub(held_cents);
            let rule = format!(
                "must be at most {left}: {paid_cents} were paid and {held_cents} are refunded or \
                 reserved, got {}",
                refund.amount
            );
            fault(RejectCode::OverRefund, "amount_cents", rule)
        }
        Admitted::OrderMismatch => fault(
            RejectCode::OrderMismatch,
            "order",
            "must name one order, got gateway_order_no and order_no of two that have refunds of \
             their own; name the order as its earlier refunds did",
        ),
    })
}

fn fault(code: RejectCode, field: impl Into<String>, rule: impl Into<String>) -> Fault {
    Fault { field: field.into(), rule: rule.into(), code }
}

/// Sorts an entry of the stream.
pub(super) fn sort(accounts: &Accounts, request: &RawRequest, now: UnixMillis) -> Sorted {
    let [(name, bytes)] = request.fields.as_slice() else {
        return quarantine(request, &one_field("must be the only field of the entry"), None, now);
    };
    if name != FIELD {
        return quarantine(request, &one_field("must be the name of the field"), None, now);
    }
    match admission(accounts, bytes, Some(&request.entry), now) {
        Ok(admission) => Sorted::Admit(admission),
        Err(Unfit::Unreadable(fault)) => quarantine(request, &fault.to_string(), None, now),
        Err(Unfit::Invalid(invalid)) => {
            quarantine(request, &invalid.fault.to_string(), Some(&invalid), now)
        }
        Err(Unfit::Unpayable(refund, fault)) => {
            let account = accounts.get(&refund.account);
            let refusal = refusal(Some(&request.entry), &refund, &fault, account, now);
            Sorted::Refuse(Box::new(refusal), fault.code)
        }
    }
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

/// Keeps the bytes, and tells the producer if a refund number can be read.
fn quarantine(
    request: &RawRequest,
    why: &str,
    invalid: Option<&Invalid>,
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
    let result =
        invalid.map(|invalid| rejected(&Rejection::of(invalid, request.entry.clone()), now));
    let code = invalid.map_or(RejectCode::Invalid, |invalid| invalid.fault.code);
    let entry = Some(request.entry.clone());
    Sorted::Refuse(Box::new(Refusal { entry, result, quarantine: kept }), code)
}

/// The rejection of a refund that could be read: acknowledged, published, not quarantined.
pub(super) fn refusal(
    entry: Option<&EntryId>,
    refund: &Refund,
    fault: &Fault,
    account: Option<&Account>,
    now: UnixMillis,
) -> Refusal {
    let (code, message) = (fault.code, fault.to_string());
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
