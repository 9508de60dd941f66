//! One typed function a script: arguments in, result codes out as enums.
//!
//! The sources are compiled in and hashed once. A code that a script does not document is an
//! error, never a default.

use redis::aio::ConnectionLike;
use redis::{FromRedisValue, RedisError, Script, ScriptInvocation};

use super::held::Hold;
use super::keys::Keys;

/// The consumer group through which refundd reads the requests.
pub(super) const GROUP: &str = "refundd";

/// About how many lines the audit stream keeps.
const AUDIT_MAX: usize = 100_000;

/// All scripts, built once per ledger.
#[derive(Debug)]
pub(super) struct Scripts {
    admit: Script,
    claim: Script,
    commit: Script,
    forget: Script,
    nudge: Script,
    refuse: Script,
    trim: Script,
    unclaim: Script,
}

/// One refund as `admit.lua` takes it.
#[derive(Debug)]
pub(super) struct AdmitItem {
    pub(super) refund_no: String,
    pub(super) entry: String,
    pub(super) record: String,
    pub(super) state: String,
    pub(super) amount: u64,
    pub(super) paid: Option<u64>,
    pub(super) due: i64,
    pub(super) orders: (String, String),
}

/// What `admit.lua` says of one refund.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AdmitReply {
    New,
    Waiting,
    Known(String),
    OverRefund { paid: u64, held: u64 },
    OrderMismatch,
}

/// One refund as `claim.lua` hands it out.
#[derive(Debug)]
pub(super) struct ClaimItem {
    pub(super) refund_no: String,
    pub(super) record: String,
    pub(super) state: String,
    pub(super) lease: Hold,
}

/// The answer of `claim.lua`.
#[derive(Debug)]
pub(super) struct ClaimReply {
    /// As Redis spells a score: a double.
    pub(super) next_due: Option<f64>,
    pub(super) fence: u64,
    pub(super) items: Vec<ClaimItem>,
}

/// One refund as `commit.lua` takes it.
#[derive(Debug)]
pub(super) struct CommitItem {
    pub(super) refund_no: String,
    pub(super) fence: u64,
    pub(super) state: String,
    pub(super) due: Option<i64>,
    pub(super) result: Option<(String, &'static str, String)>,
    pub(super) order: Option<OrderEnd>,
}

/// The end of a refund for its order, as `commit.lua` takes it.
#[derive(Debug)]
pub(super) struct OrderEnd {
    pub(super) ids: (String, String),
    pub(super) freed: u64,
    pub(super) next_at: i64,
}

impl Scripts {
    pub(super) fn new() -> Self {
        const ORDER: &str = include_str!("lua/order.lua");
        Self {
            admit: Script::new(&format!("{ORDER}{}", include_str!("lua/admit.lua"))),
            claim: Script::new(include_str!("lua/claim.lua")),
            commit: Script::new(&format!("{ORDER}{}", include_str!("lua/commit.lua"))),
            forget: Script::new(&format!("{ORDER}{}", include_str!("lua/forget.lua"))),
            nudge: Script::new(include_str!("lua/nudge.lua")),
            refuse: Script::new(include_str!("lua/refuse.lua")),
            trim: Script::new(include_str!("lua/trim.lua")),
            unclaim: Script::new(include_str!("lua/unclaim.lua")),
        }
    }

    pub(super) async fn admit(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        now: i64,
        items: &[AdmitItem],
    ) -> Result<Vec<AdmitReply>, RedisError> {
        let mut call = self.admit.prepare_invoke();
        call.key(keys.requests()).key(keys.refunds()).key(keys.states()).key(keys.due());
        call.key(keys.orders()).key(keys.seq()).arg(GROUP).arg(keys.wake()).arg(now);
        for item in items {
            call.arg(&item.refund_no).arg(&item.entry).arg(&item.record).arg(&item.state);
            call.arg(item.amount).arg(item.paid.map(|paid| paid.to_string()).unwrap_or_default());
            call.arg(item.due).arg(&item.orders.0).arg(&item.orders.1);
        }
        let replies: Vec<Vec<String>> = call.invoke_async(con).await?;
        same_length("admit", items.len(), replies.len())?;
        replies.iter().map(|reply| admit_reply(reply)).collect()
    }

    pub(super) async fn claim(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        (now, until, want): (i64, i64, usize),
        owner: &str,
    ) -> Result<ClaimReply, RedisError> {
        let mut call = self.claim.prepare_invoke();
        call.key(keys.due()).key(keys.refunds()).key(keys.states()).key(keys.leases());
        call.key(keys.seq()).arg(now).arg(until).arg(want).arg(owner);
        let reply: Vec<redis::Value> = call.invoke_async(con).await?;
        let mut values = reply.into_iter();
        let next_due: String = next(&mut values)?;
        let fence = next(&mut values)?;
        let mut items = Vec::with_capacity(values.len() / 4);
        while values.len() > 0 {
            items.push(ClaimItem {
                refund_no: next(&mut values)?,
                record: next(&mut values)?,
                state: next(&mut values)?,
                lease: lease(&next::<String>(&mut values)?)?,
            });
        }
        let next_due = (!next_due.is_empty())
            .then(|| next_due.parse().map_err(|_| unknown("claim", &next_due)))
            .transpose()?;
        Ok(ClaimReply { next_due, fence, items })
    }

    pub(super) async fn commit(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        now: i64,
        items: &[CommitItem],
    ) -> Result<Vec<bool>, RedisError> {
        let mut call = self.commit.prepare_invoke();
        call.key(keys.due()).key(keys.states()).key(keys.leases()).key(keys.orders());
        call.key(keys.settled()).key(keys.results()).key(keys.audit()).key(keys.seq());
        call.arg(now).arg(AUDIT_MAX);
        for item in items {
            commit_args(&mut call, item);
        }
        let replies: Vec<i64> = call.invoke_async(con).await?;
        same_length("commit", items.len(), replies.len())?;
        replies
            .into_iter()
            .map(|code| match code {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(unknown("commit", &other.to_string())),
            })
            .collect()
    }

    pub(super) async fn refuse(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        (entry, result): (&str, [&str; 4]),
        quarantine: &[(&'static str, Vec<u8>)],
    ) -> Result<(), RedisError> {
        let mut call = self.refuse.prepare_invoke();
        call.key(keys.requests()).key(keys.results()).key(keys.quarantine()).key(keys.seq());
        call.arg(GROUP).arg(entry);
        for field in result {
            call.arg(field);
        }
        for (name, value) in quarantine {
            call.arg(*name).arg(value.as_slice());
        }
        call.invoke_async(con).await
    }

    pub(super) async fn nudge(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        now: i64,
        refund_nos: &[&str],
    ) -> Result<(), RedisError> {
        let mut call = self.nudge.prepare_invoke();
        call.key(keys.due()).key(keys.states()).key(keys.leases()).key(keys.seq());
        call.arg(now).arg(keys.wake()).arg(refund_nos);
        call.invoke_async(con).await
    }

    pub(super) async fn forget(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        before: i64,
        items: &[(String, (String, String))],
    ) -> Result<usize, RedisError> {
        let mut call = self.forget.prepare_invoke();
        call.key(keys.settled()).key(keys.refunds()).key(keys.states()).key(keys.orders());
        call.key(keys.seq()).arg(before);
        for (refund_no, orders) in items {
            call.arg(refund_no).arg(&orders.0).arg(&orders.1);
        }
        call.invoke_async(con).await
    }

    pub(super) async fn unclaim(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        (owner, round): (&str, u64),
        (heard, now): (u64, i64),
    ) -> Result<usize, RedisError> {
        let mut call = self.unclaim.prepare_invoke();
        call.key(keys.leases()).key(keys.due()).key(keys.seq());
        call.arg(owner).arg(heard).arg(now).arg(round).invoke_async(con).await
    }

    pub(super) async fn trim(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        before: i64,
    ) -> Result<usize, RedisError> {
        let mut call = self.trim.prepare_invoke();
        call.key(keys.results()).arg(before).invoke_async(con).await
    }
}

fn commit_args(call: &mut ScriptInvocation<'_>, item: &CommitItem) {
    call.arg(&item.refund_no).arg(item.fence).arg(&item.state);
    call.arg(item.due.map(|due| due.to_string()).unwrap_or_default());
    match &item.result {
        Some((event_id, outcome, json)) => call.arg(event_id).arg(*outcome).arg(json),
        None => call.arg("").arg("").arg(""),
    };
    match &item.order {
        Some(end) => call.arg(&end.ids.0).arg(&end.ids.1).arg(end.freed).arg(end.next_at),
        None => call.arg("").arg("").arg(0).arg(0),
    };
}

fn admit_reply(reply: &[String]) -> Result<AdmitReply, RedisError> {
    let parts: Vec<&str> = reply.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().map_err(|_| unknown("admit", text));
    match parts.as_slice() {
        ["0"] => Ok(AdmitReply::New),
        ["1"] => Ok(AdmitReply::Waiting),
        ["2", record] => Ok(AdmitReply::Known((*record).to_owned())),
        ["3", paid, held] => {
            Ok(AdmitReply::OverRefund { paid: number(paid)?, held: number(held)? })
        }
        ["4"] => Ok(AdmitReply::OrderMismatch),
        other => Err(unknown("admit", &format!("{other:?}"))),
    }
}

fn lease(text: &str) -> Result<Hold, RedisError> {
    Hold::parse(text).ok_or_else(|| unknown("claim", text))
}

fn next<T: FromRedisValue>(
    values: &mut impl Iterator<Item = redis::Value>,
) -> Result<T, RedisError> {
    let value = values.next().ok_or_else(|| unknown("claim", "too few values"))?;
    Ok(T::from_redis_value(value)?)
}

fn same_length(script: &'static str, sent: usize, got: usize) -> Result<(), RedisError> {
    if sent == got { Ok(()) } else { Err(unknown(script, &format!("{got} replies for {sent}"))) }
}

/// A reply that the script's header does not document.
fn unknown(script: &'static str, got: &str) -> RedisError {
    RedisError::from((
        redis::ErrorKind::UnexpectedReturnType,
        "undocumented reply of script",
        format!("{script}: {got}"),
    ))
}
