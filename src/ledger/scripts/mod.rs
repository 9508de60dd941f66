//! One typed function a script: arguments in, result codes out as enums.
//!
//! The sources are compiled in and hashed once. A code that a script does not document is an
//! error, never a default.

mod items;
mod pack;

use redis::aio::ConnectionLike;
use redis::{RedisError, Script, ScriptInvocation};

use super::keys::Keys;
use super::redis::Known;
use crate::domain::StateKind;
pub(super) use items::{
    ActItem, ActReply, AdmitItem, AdmitReply, Batch, ClaimHead, ClaimItem, ClaimReply, ClearItem,
    ClearReply, EpochReply, ForgetItem, OrderStep, PutBackItem, StepItem,
};
use items::{act_reply, admit_reply, clear_args, clear_reply, flag, line_args};
use pack::{Pack, Packer};

/// The consumer group through which refundd reads the requests.
pub(super) const GROUP: &str = "refundd";

/// About how long a row of a batch is: one with a result and its order.
const ROW_BYTES: usize = 1_024;

/// About how many lines the audit stream keeps: what people did in years, and losses of writes.
const AUDIT_MAX: usize = 1_000_000;

/// About how many lines the stream of stale commits keeps. Workers write it by themselves, so it has a
/// cap of its own and pushes out no line about a person.
const STALE_MAX: usize = 100_000;

/// All scripts, built once per ledger.
#[derive(Debug)]
pub(super) struct Scripts {
    act: Script,
    admit: Script,
    claim: Script,
    clear: Script,
    commit: Script,
    epoch: Script,
    forget: Script,
    nudge: Script,
    put_back: Script,
    refuse: Script,
    switch: Script,
    trim: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        const LEASE: &str = include_str!("../lua/lease.lua");
        const ORDER: &str = include_str!("../lua/order.lua");
        const BINS: &str = include_str!("../lua/bins.lua");
        let on_leases = |source: &str| Script::new(&format!("{LEASE}{source}"));
        let on_both = |source: &str| Script::new(&format!("{LEASE}{ORDER}{source}"));
        let on_bins = |source: &str| Script::new(&format!("{ORDER}{BINS}{source}"));
        let on_all = |source: &str| Script::new(&format!("{LEASE}{ORDER}{BINS}{source}"));
        Self {
            act: on_all(include_str!("../lua/act.lua")),
            admit: on_bins(include_str!("../lua/admit.lua")),
            claim: on_leases(include_str!("../lua/claim.lua")),
            clear: on_both(include_str!("../lua/clear.lua")),
            commit: on_all(include_str!("../lua/commit.lua")),
            epoch: on_leases(include_str!("../lua/epoch.lua")),
            forget: on_bins(include_str!("../lua/forget.lua")),
            nudge: Script::new(include_str!("../lua/nudge.lua")),
            put_back: on_leases(include_str!("../lua/put_back.lua")),
            refuse: Script::new(include_str!("../lua/refuse.lua")),
            switch: Script::new(include_str!("../lua/switch.lua")),
            trim: Script::new(include_str!("../lua/trim.lua")),
        }
    }

    pub(super) async fn admit(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        now: i64,
        batch: &Batch<AdmitItem>,
    ) -> Result<Vec<AdmitReply>, RedisError> {
        let mut call = self.admit.prepare_invoke();
        call.key(keys.requests()).key(keys.refunds()).key(keys.states()).key(keys.due());
        call.key(keys.orders()).key(keys.seq()).key(keys.overdrawn());
        bin_keys(&mut call, keys);
        call.arg(GROUP).arg(keys.wake()).arg(now).arg(packed(batch));
        let replies: Vec<redis::Value> = call.invoke_async(con).await?;
        same_length("admit", batch.rows.len(), replies.len())?;
        replies.iter().map(admit_reply).collect()
    }

    /// The reply, to be read by [`ClaimReply::read`]. `None`: this is not the Redis that the handle
    /// knows, and nothing was claimed.
    pub(super) async fn claim(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        (now, until, want): (i64, i64, usize),
        (word, known): (&str, &Known),
    ) -> Result<Option<Vec<u8>>, RedisError> {
        let mut call = self.claim.prepare_invoke();
        call.key(keys.due()).key(keys.refunds()).key(keys.states()).key(keys.leases());
        call.key(keys.seq()).key(keys.epoch()).key(keys.pauses()).key(keys.overdrawn());
        call.arg(now).arg(until).arg(want).arg(word).arg(&known.run_id).arg(known.seen);
        call.invoke_async(con).await
    }

    pub(super) async fn epoch(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        (now, latest): (i64, i64),
        known: &Known,
    ) -> Result<EpochReply, RedisError> {
        type Reply = (String, String, u64, u64, i64);
        let mut call = self.epoch.prepare_invoke();
        call.key(keys.epoch()).key(keys.refunds()).key(keys.audit()).key(keys.seq());
        call.key(keys.requests()).arg(now).arg(AUDIT_MAX).arg(&known.run_id);
        call.arg(known.losses).arg(known.seen).arg(latest);
        let (run_id, _, losses, counter, recorded): Reply = call.invoke_async(con).await?;
        Ok(EpochReply { run_id, losses, counter, recorded: flag("epoch", recorded)? })
    }

    pub(super) async fn commit(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        now: i64,
        batch: &Batch<StepItem>,
    ) -> Result<Vec<bool>, RedisError> {
        let mut call = self.commit.prepare_invoke();
        call.key(keys.due()).key(keys.states()).key(keys.leases()).key(keys.orders());
        call.key(keys.settled()).key(keys.results()).key(keys.stale()).key(keys.seq());
        call.key(keys.overdrawn());
        bin_keys(&mut call, keys);
        call.arg(now).arg(STALE_MAX).arg(packed(batch));
        let replies: Vec<i64> = call.invoke_async(con).await?;
        same_length("commit", batch.rows.len(), replies.len())?;
        replies.into_iter().map(|code| flag("commit", code)).collect()
    }

    pub(super) async fn put_back(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        unheard: bool,
        items: &[PutBackItem],
    ) -> Result<usize, RedisError> {
        let mut call = self.put_back.prepare_invoke();
        call.key(keys.leases()).key(keys.due()).key(keys.seq());
        call.arg(if unheard { "1" } else { "" });
        for item in items {
            call.arg(&item.refund_no).arg(&item.proof).arg(item.due);
        }
        call.invoke_async(con).await
    }

    pub(super) async fn clear(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        items: &[ClearItem],
    ) -> Result<Vec<ClearReply>, RedisError> {
        let mut call = self.clear.prepare_invoke();
        call.key(keys.leases()).key(keys.pauses()).key(keys.spent()).key(keys.counted());
        call.key(keys.orders()).key(keys.seq()).key(keys.overdrawn());
        for item in items {
            clear_args(&mut call, item);
        }
        let replies: Vec<i64> = call.invoke_async(con).await?;
        same_length("clear", items.len(), replies.len())?;
        replies.into_iter().map(clear_reply).collect()
    }

    pub(super) async fn act(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        now: i64,
        item: &ActItem,
    ) -> Result<ActReply, RedisError> {
        let mut call = self.act.prepare_invoke();
        call.key(keys.due()).key(keys.states()).key(keys.leases()).key(keys.orders());
        call.key(keys.settled()).key(keys.results()).key(keys.audit()).key(keys.seq());
        call.key(keys.epoch()).key(keys.overdrawn());
        bin_keys(&mut call, keys);
        call.arg(now).arg(AUDIT_MAX).arg(keys.wake());
        call.arg(&item.refund_no).arg(&item.seen).arg(&item.lost_at);
        call.arg(packed(&item.step));
        line_args(&mut call, &item.audit);
        act_reply(call.invoke_async(con).await?)
    }

    /// Sets a field of the pauses, or removes it where `value` is empty. Returns whether that was new.
    pub(super) async fn switch(
        &self,
        con: &mut impl ConnectionLike,
        keys: &Keys,
        (field, value, meant): (&str, &str, &str),
        audit: &[(&'static str, String)],
    ) -> Result<bool, RedisError> {
        let mut call = self.switch.prepare_invoke();
        call.key(keys.pauses()).key(keys.audit()).key(keys.seq());
        call.arg(field).arg(value).arg(meant).arg(AUDIT_MAX);
        line_args(&mut call, audit);
        flag("switch", call.invoke_async(con).await?)
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
        batch: &Batch<ForgetItem>,
    ) -> Result<usize, RedisError> {
        let mut call = self.forget.prepare_invoke();
        call.key(keys.settled()).key(keys.refunds()).key(keys.states()).key(keys.orders());
        call.key(keys.due()).key(keys.leases()).key(keys.counted()).key(keys.seq());
        call.key(keys.overdrawn());
        bin_keys(&mut call, keys);
        call.arg(before).arg(packed(batch)).invoke_async(con).await
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

/// The states whose refunds are kept by age, in the order of `bins.lua`.
pub(super) const BY_AGE: [StateKind; 5] = [
    StateKind::Requested,
    StateKind::Unconfirmed,
    StateKind::Refused,
    StateKind::Processing,
    StateKind::Parked,
];

/// The keys that `bins.lua` takes.
fn bin_keys(call: &mut ScriptInvocation<'_>, keys: &Keys) {
    call.key(keys.bins());
    for state in BY_AGE {
        call.key(keys.of_state(state.as_str()));
    }
    call.key(keys.found());
}

/// A batch as one argument.
fn packed<T: Pack>(batch: &Batch<T>) -> Vec<u8> {
    Packer::packed(batch, batch.rows.len() * ROW_BYTES)
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
