//! The ledger port on Redis. What is durable on `Ok` is durable as far as Redis syncs: with
//! `appendfsync always`, on disk.

mod counts;
mod epoch;
mod figures;
mod list;
mod purge;
mod samples;
mod translate;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use redis::AsyncCommands;
use redis::aio::ConnectionManager;

use super::connection::{Connector, map_error};
use super::held::{Hold, as_held};
use super::keys::Keys;
use super::scripts::{ActReply, ClaimReply, ClearReply, PutBackItem, Scripts};
use crate::domain::{RefundNo, UnixMillis};
use crate::ports::ledger::{
    Act, Acted, Admission, Admitted, BATCH_MAX, Claims, Clearance, Cleared, Commit, Committed,
    Counts, Filter, Page, Pause, PutBack, Refusal, Stored,
};
use crate::ports::{Ledger, LedgerError};
use counts::timed;
pub(super) use epoch::Known;
pub use epoch::Losses;
use translate::{
    act_item, admit_batch, admitted, audit_line, claims, clear_item, commit_batch, corrupt, decode,
    decode_pause, encode_pause, from_score, pause_field, put_back_item,
};

/// How often one claim gets to know the Redis behind it; more often it is not replaced meanwhile.
const LOOKS: usize = 3;

/// The ledger of one namespace.
#[derive(Debug)]
pub struct RedisLedger {
    con: ConnectionManager,
    keys: Keys,
    scripts: Scripts,
    /// Stands in the leases of this handle's claims, with the run of Redis and the round.
    owner: String,
    /// Raised by every claim, before it is made: owner, run and round are the word of its leases,
    /// which never comes again, even if the counter of the fences goes back.
    round: AtomicU64,
    known: Mutex<Known>,
    /// The latest moment that this handle was told, Unix ms.
    latest: AtomicI64,
}

impl RedisLedger {
    /// Connects.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(connector: &Connector, keys: Keys) -> Result<Self, LedgerError> {
        // Random keys of the standard library: unique among processes, and nothing secret.
        let owner = format!("{:016x}", RandomState::new().build_hasher().finish());
        Ok(Self {
            con: connector.shared().await?,
            keys,
            scripts: Scripts::new(),
            owner,
            round: AtomicU64::new(0),
            known: Mutex::new(Known::default()),
            latest: AtomicI64::new(i64::MIN),
        })
    }

    /// Reads those of the refunds that exist; one that cannot be read does not hide the others.
    async fn read_many(
        &self,
        refund_nos: &[String],
    ) -> Result<Vec<Result<Stored, LedgerError>>, LedgerError> {
        type Column<T> = Vec<Option<T>>;
        type Columns = (Column<Vec<u8>>, Column<Vec<u8>>, Column<String>, Column<f64>, Option<i64>);
        if refund_nos.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(self.keys.refunds()).arg(refund_nos);
        pipe.cmd("HMGET").arg(self.keys.states()).arg(refund_nos);
        pipe.cmd("HMGET").arg(self.keys.leases()).arg(refund_nos);
        pipe.cmd("ZMSCORE").arg(self.keys.due()).arg(refund_nos);
        pipe.cmd("HGET").arg(self.keys.epoch()).arg("lost_at");
        let (refunds, states, leases, due, lost_at): Columns =
            pipe.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let rows = refund_nos.iter().zip(refunds).zip(states).zip(leases).zip(due);
        let stored = rows.filter_map(|((((no, refund), state), lease), due)| {
            let (refund, state) = (refund?, state?);
            let hold = lease.as_deref().and_then(Hold::parse);
            let record = decode(no, &refund, &state).map_err(|err| corrupt(no, &err));
            Some(record.map(|record| Stored {
                record: match hold {
                    Some(hold) => as_held(record, hold),
                    None => record,
                },
                due_at: due.filter(|due| due.is_finite()).map(from_score),
                leased: lease.is_some(),
                waiting: due.is_some_and(f64::is_infinite),
                lost_at: lost_at.map(UnixMillis::new),
            }))
        });
        Ok(stored.collect())
    }

    /// The leases of this handle's claims under fences above `heard`, to be put back.
    async fn unheard(&self, heard: u64, due: i64) -> Result<Vec<PutBackItem>, LedgerError> {
        let leases: HashMap<String, String> =
            self.con.clone().hgetall(self.keys.leases()).await.map_err(map_error)?;
        let mut unheard = Vec::new();
        for (refund_no, lease) in leases {
            let (number, word) = (lease.split(' ').next(), lease.rsplit(' ').next());
            let (Some(number), Some(word)) = (number, word) else { continue };
            let owner = word.split('.').next();
            let above = number.parse::<u64>().is_ok_and(|number| number > heard);
            if above && owner == Some(self.owner.as_str()) {
                unheard.push(PutBackItem { refund_no, proof: format!("{number} {word}"), due });
            }
        }
        Ok(unheard)
    }

    async fn put_back_all(
        &self,
        unheard: bool,
        items: &[PutBackItem],
    ) -> Result<usize, LedgerError> {
        let (mut con, mut back) = (self.con.clone(), 0);
        for batch in items.chunks(BATCH_MAX) {
            let call = self.scripts.put_back(&mut con, &self.keys, unheard, batch);
            back += call.await.map_err(map_error)?;
        }
        Ok(back)
    }
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn admit(
        &self,
        batch: &[Admission],
        now: UnixMillis,
    ) -> Result<Vec<Admitted>, LedgerError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let packed = admit_batch(batch)?;
        self.first_look(now).await?;
        let mut con = self.con.clone();
        let replies = self.scripts.admit(&mut con, &self.keys, now.get(), &packed);
        let replies = timed("admit", replies).await.map_err(map_error)?;
        Ok(batch.iter().zip(replies).map(|(admission, reply)| admitted(admission, reply)).collect())
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), LedgerError> {
        let entry = refusal.entry.as_ref().map_or("", |entry| entry.0.as_str());
        let result = refusal.result.as_ref().map_or([""; 4], |result| {
            [&result.event_id, &result.refund_no, result.outcome, &result.json]
        });
        let mut con = self.con.clone();
        let call = self.scripts.refuse(&mut con, &self.keys, (entry, result), &refusal.quarantine);
        call.await.map_err(map_error)
    }

    async fn claim(
        &self,
        want: usize,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Claims, LedgerError> {
        let bounds = (now.get(), until.get(), want.min(BATCH_MAX));
        let mut con = self.con.clone();
        self.first_look(now).await?;
        for _ in 0..LOOKS {
            let round = self.round.fetch_add(1, Ordering::SeqCst) + 1;
            let known = self.known();
            let word = format!("{}.{}.{round}", self.owner, known.run_id);
            let call = self.scripts.claim(&mut con, &self.keys, bounds, (&word, &known));
            if let Some(reply) = timed("claim", call).await.map_err(map_error)? {
                let reply = ClaimReply::read(&reply).map_err(map_error)?;
                self.saw(reply.head().map_err(map_error)?.fence);
                return claims(&reply, &word, (now, until)).map_err(map_error);
            }
            self.look(now).await?;
        }
        Err(LedgerError::Unavailable("Redis was replaced several times in a row".into()))
    }

    async fn unclaim(&self, heard: u64, now: UnixMillis) -> Result<usize, LedgerError> {
        // Each is named by fence and word: a call that Redis sees late touches no later claim.
        let unheard = self.unheard(heard, now.get()).await?;
        self.put_back_all(true, &unheard).await
    }

    async fn commit(
        &self,
        batch: &[Commit],
        now: UnixMillis,
    ) -> Result<Vec<Committed>, LedgerError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.used(now);
        let packed = commit_batch(batch, now)?;
        let mut con = self.con.clone();
        let stored = self.scripts.commit(&mut con, &self.keys, now.get(), &packed);
        let stored = timed("commit", stored).await.map_err(map_error)?;
        let verdict = |stored| {
            if stored { Committed::Stored } else { Committed::StaleFence }
        };
        Ok(stored.into_iter().map(verdict).collect())
    }

    async fn put_back(&self, batch: &[PutBack], _now: UnixMillis) -> Result<(), LedgerError> {
        let items: Vec<_> = batch.iter().map(put_back_item).collect();
        self.put_back_all(false, &items).await.map(drop)
    }

    async fn clear(
        &self,
        batch: &[Clearance],
        _now: UnixMillis,
    ) -> Result<Vec<Cleared>, LedgerError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let items: Vec<_> = batch.iter().map(clear_item).collect();
        let mut con = self.con.clone();
        let replies = self.scripts.clear(&mut con, &self.keys, &items);
        let replies = timed("clear", replies).await.map_err(map_error)?;
        let cleared = |reply| match reply {
            ClearReply::Go => Cleared::Go,
            ClearReply::Lost => Cleared::Lost,
            ClearReply::Paused => Cleared::Paused,
            ClearReply::Limit => Cleared::DailyLimit,
            ClearReply::Overdrawn => Cleared::OverRefund,
        };
        Ok(replies.into_iter().map(cleared).collect())
    }

    async fn act(&self, act: &Act, now: UnixMillis) -> Result<Acted, LedgerError> {
        self.used(now);
        let item = act_item(act, now)?;
        let mut con = self.con.clone();
        let call = self.scripts.act(&mut con, &self.keys, now.get(), &item);
        Ok(match call.await.map_err(map_error)? {
            ActReply::Stored => Acted::Stored,
            ActReply::Changed => Acted::Changed,
            ActReply::Submitting => Acted::Submitting,
            ActReply::Replaced => {
                // What the person saw may be older than what was done: they look again, and see that.
                self.look(now).await?;
                Acted::Changed
            }
        })
    }

    async fn pause(&self, pause: &Pause) -> Result<bool, LedgerError> {
        let (field, value) = (pause_field(pause), encode_pause(pause)?);
        let line = audit_line(&pause.audit("pause"), pause.at);
        let mut con = self.con.clone();
        let call = self.scripts.switch(&mut con, &self.keys, (&field, &value, ""), &line);
        call.await.map_err(map_error)
    }

    async fn resume(&self, resume: &Pause, seen: Option<UnixMillis>) -> Result<bool, LedgerError> {
        let line = audit_line(&resume.audit("resume"), resume.at);
        let (field, mut con) = (pause_field(resume), self.con.clone());
        let mut meant = String::new();
        if let Some(seen) = seen {
            let pauses = self.pauses().await?;
            let same = |pause: &&Pause| pause.account == resume.account && pause.at == seen;
            let Some(pause) = pauses.iter().find(same) else { return Ok(false) };
            meant = encode_pause(pause)?;
        }
        let call = self.scripts.switch(&mut con, &self.keys, (&field, "", &meant), &line);
        call.await.map_err(map_error)
    }

    async fn pauses(&self) -> Result<Vec<Pause>, LedgerError> {
        let stored: HashMap<String, String> =
            self.con.clone().hgetall(self.keys.pauses()).await.map_err(map_error)?;
        let pauses = stored.iter().map(|(field, text)| decode_pause(field, text));
        let mut pauses = pauses.collect::<Result<Vec<_>, _>>()?;
        pauses.sort_by(|one, other| one.account.cmp(&other.account));
        Ok(pauses)
    }

    async fn nudge(&self, refund_nos: &[RefundNo], now: UnixMillis) -> Result<(), LedgerError> {
        let mut con = self.con.clone();
        for batch in refund_nos.chunks(BATCH_MAX) {
            let batch: Vec<&str> = batch.iter().map(RefundNo::as_str).collect();
            let call = self.scripts.nudge(&mut con, &self.keys, now.get(), &batch);
            call.await.map_err(map_error)?;
        }
        Ok(())
    }

    async fn find(&self, refund_no: &RefundNo) -> Result<Option<Stored>, LedgerError> {
        self.read_many(&[refund_no.to_string()]).await?.pop().transpose()
    }

    async fn list(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Page, LedgerError> {
        self.page(filter, cursor, count).await
    }

    async fn counts(&self, now: UnixMillis) -> Result<Counts, LedgerError> {
        self.count(now).await
    }

    async fn purge(
        &self,
        settled_before: UnixMillis,
        published_before: UnixMillis,
    ) -> Result<usize, LedgerError> {
        let mut con = self.con.clone();
        let trim = self.scripts.trim(&mut con, &self.keys, published_before.get().max(0));
        trim.await.map_err(map_error)?;
        self.forget(settled_before).await
    }
}
