//! What people do to refunds: check, release, resolve, abandon; and to submits: pause, resume.
//!
//! The one way for the command line and for whatever else lets people act. It reads the refund,
//! holds the version that the person saw against it, asks the rules ([`rules`]) and the domain, and
//! writes state, result and audit line in one. What it deliberately does not do: call a gateway, or
//! decide who may act.

mod pauses;
pub mod rules;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

pub use pauses::PauseDone;
pub use rules::{Action, Resolution};

use crate::contract::{next_of, result_of};
use crate::domain::policy::Policy;
use crate::domain::state::{Decision, IllegalTransition};
use crate::domain::step::{Advanced, Plan, advance};
use crate::domain::{AccountName, GatewayName, RefundNo, UnixMillis};
use crate::ports::ledger::{Act, Acted, Audit, Stored};
use crate::ports::{Account, Clock, Ledger, LedgerError};
use rules::{Place, Verdict, judge};

/// How often an action is tried when polls come between its reading and its writing.
const TRIES: usize = 5;

/// Longest reason, characters.
pub const REASON_MAX: usize = 500;

/// Longest name of a person, characters.
pub const WHO_MAX: usize = 64;

/// Why an action was not done. Nothing was written, but for [`ActError::Ledger`].
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such refund.
    #[error("there is no refund {0}")]
    NotFound(RefundNo),
    /// The refund is not what the person saw.
    #[error("refund {refund_no} is at version {found}, not {expected}: look at it again first")]
    Stale {
        /// Which refund.
        refund_no: RefundNo,
        /// The version that the person saw.
        expected: u32,
        /// The version it has.
        found: u32,
    },
    /// A worker is submitting it, or answers kept coming in between.
    #[error("refund {0} is being worked on at this moment: try again when the answer is in")]
    Busy(RefundNo),
    /// The action makes no sense where the refund stands.
    #[error("refund {refund_no}: {why}")]
    NotAllowed {
        /// Which refund.
        refund_no: RefundNo,
        /// Why, and what to do instead.
        why: &'static str,
    },
    /// Who or why is missing, too long or illegible.
    #[error("{field} must be 1 to {max} characters, not blank and without control characters")]
    Words {
        /// `reason` or `who`.
        field: &'static str,
        /// Most characters.
        max: usize,
    },
    /// The configuration has no such account.
    #[error("the configuration has no account {account}{}", suggestion(.near.as_deref()))]
    UnknownAccount {
        /// The name that was given.
        account: String,
        /// One that is much like it.
        near: Option<String>,
    },
    /// The ledger did not do it. If it was [`LedgerError::Unavailable`], the write may have happened:
    /// a repeat with the same version is refused then.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The rules allow what the machine does not: a defect of refundd. Nothing was written.
    #[error("a defect of refundd")]
    Defect(#[from] IllegalTransition),
}

fn suggestion(near: Option<&str>) -> String {
    near.map(|near| format!(", did you mean {near}?")).unwrap_or_default()
}

/// What an action needs to know of an account.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Its pace.
    pub policy: Policy,
    /// Where its refunds are submitted.
    pub gateway: GatewayName,
}

impl From<&Account> for Terms {
    fn from(account: &Account) -> Self {
        Self { policy: account.policy, gateway: account.submitter.gateway().clone() }
    }
}

/// What a person wants done to one refund.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which refund.
    pub refund_no: RefundNo,
    /// What.
    pub action: Action,
    /// Who, and their words for why.
    pub by: Decision,
    /// The version that they saw; `None` acts on whatever stands there.
    pub expected: Option<u32>,
}

/// What was done.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// The merchant refund number.
    pub refund_no: String,
    /// `check`, `release`, `resolve` or `abandon`.
    pub action: &'static str,
    /// What changed, as the audit trail has it, such as `parked -> unconfirmed`.
    pub change: String,
    /// The version of the refund now: what the next action is held against.
    pub version: u32,
    /// The result that was published with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// What happens next, in words.
    pub next: String,
}

/// Where people's decisions are carried out.
#[derive(Debug, Clone)]
pub struct Desk {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    accounts: BTreeMap<AccountName, Terms>,
}

impl Desk {
    /// A desk over the given ledger, for the accounts of the configuration.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        accounts: BTreeMap<AccountName, Terms>,
    ) -> Self {
        Self { ledger, clock, accounts }
    }

    /// The refund as it stands; its version is `record.tally.revision`.
    ///
    /// # Errors
    /// [`ActError::NotFound`], [`ActError::Ledger`].
    pub async fn look(&self, refund_no: &RefundNo) -> Result<Stored, ActError> {
        let found = self.ledger.find(refund_no).await?;
        found.ok_or_else(|| ActError::NotFound(refund_no.clone()))
    }

    /// What `action` would do to the refund that was seen, in words, with the amount and the order.
    /// Writes nothing.
    ///
    /// # Errors
    /// [`ActError::Busy`], [`ActError::NotAllowed`]: it would be refused.
    pub fn intent(&self, seen: &Stored, action: Action) -> Result<String, ActError> {
        allow(seen, action)?;
        let terms = self.accounts.get(&seen.record.refund.account);
        Ok(words::intent(&seen.record, action, terms.map(|terms| &terms.policy)))
    }

    /// Does it: new state, result and audit line in one durable write.
    ///
    /// A poll that comes between reading and writing changes nothing that a person decides on; it is
    /// read again. Harmless to repeat with the same `expected`: what was done has raised the version,
    /// but for a check, which may be asked twice.
    ///
    /// # Errors
    /// [`ActError`] says what was not right, and what to do instead.
    pub async fn act(&self, asked: &Asked) -> Result<Done, ActError> {
        let by = person(&asked.by)?;
        for _ in 0..TRIES {
            let seen = self.look(&asked.refund_no).await?;
            let found = seen.record.tally.revision;
            if let Some(expected) = asked.expected.filter(|expected| *expected != found) {
                return Err(ActError::Stale {
                    refund_no: asked.refund_no.clone(),
                    expected,
                    found,
                });
            }
            let now = self.clock.now();
            let act = self.decide(seen, asked.action, &by, now)?;
            match self.ledger.act(&act, now).await? {
                Acted::Stored => return Ok(self.done(act, asked.action)),
                Acted::Submitting => break,
                Acted::Changed => {}
            }
        }
        Err(ActError::Busy(asked.refund_no.clone()))
    }

    /// The write that `action` is.
    fn decide(
        &self,
        seen: Stored,
        action: Action,
        by: &Decision,
        now: UnixMillis,
    ) -> Result<Act, ActError> {
        allow(&seen, action)?;
        let record = &seen.record;
        let audit = |change| Audit {
            action: action.as_str(),
            subject: record.refund.refund_no.to_string(),
            who: by.who.clone(),
            reason: by.reason.clone(),
            change,
        };
        let before = words::standing(record);
        let Some(event) = action.event(now, by.clone()) else {
            let (audit, record) = (audit(format!("{before}, asked again")), record.clone());
            let plan = Plan::Due(now);
            return Ok(Act { seen, record, plan, result: None, order: None, audit });
        };
        let terms = self.accounts.get(&record.refund.account);
        let policy = terms.map_or_else(Policy::default, |terms| terms.policy);
        let Advanced { record: then, plan, publish, order } =
            advance(record.clone(), &event, now, &policy)?;
        let gateway = terms.map_or(&record.order_scope, |terms| &terms.gateway);
        let result = if publish { result_of(&then, gateway) } else { None };
        let audit = audit(format!("{before} -> {}", words::standing(&then)));
        Ok(Act { seen, record: then, plan, result, order, audit })
    }

    fn done(&self, act: Act, action: Action) -> Done {
        let record = &act.record;
        let terms = self.accounts.get(&record.refund.account);
        let next = match (action, words::after_end(record)) {
            (Action::Release, _) => {
                words::after_release(&act.seen.record, terms.map(|terms| &terms.policy))
            }
            (Action::Resolve(_) | Action::Abandon, Some(end)) => end.to_owned(),
            (Action::Check | Action::Resolve(_) | Action::Abandon, _) => {
                let due_at = match act.plan {
                    Plan::Due(at) => Some(at),
                    Plan::Ended => None,
                };
                let record = record.clone();
                let lost_at = act.seen.lost_at;
                let now = Stored { record, due_at, leased: false, waiting: false, lost_at };
                next_of(&now, &[])
            }
        };
        Done {
            refund_no: record.refund.refund_no.to_string(),
            action: action.as_str(),
            change: act.audit.change,
            version: record.tally.revision,
            event_id: act.result.map(|result| result.event_id),
            next,
        }
    }
}

/// Holds an action against the rules.
fn allow(seen: &Stored, action: Action) -> Result<(), ActError> {
    let refund_no = || seen.record.refund.refund_no.clone();
    match judge(Place::of(&seen.record, seen.lost_at), action) {
        Verdict::Go => Ok(()),
        Verdict::Busy => Err(ActError::Busy(refund_no())),
        Verdict::No(why) => Err(ActError::NotAllowed { refund_no: refund_no(), why }),
    }
}

/// Who and why, trimmed and legible.
fn person(by: &Decision) -> Result<Decision, ActError> {
    Ok(Decision {
        who: legible("who", &by.who, WHO_MAX)?,
        reason: legible("reason", &by.reason, REASON_MAX)?,
    })
}

fn legible(field: &'static str, text: &str, max: usize) -> Result<String, ActError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(ActError::Words { field, max });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
