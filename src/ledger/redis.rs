//! The ledger port on Redis. What is durable on `Ok` is durable as far as Redis syncs: with
//! `appendfsync always`, on disk.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use redis::AsyncCommands;
use redis::aio::ConnectionManager;

use super::connection::{Connector, map_error};
use super::held::{Hold, as_held, order_ids};
use super::keys::Keys;
use super::record::{RecordError, decode_refund, decode_state, encode_refund, encode_state};
use super::scripts::{AdmitItem, AdmitReply, ClaimItem, CommitItem, OrderEnd, Scripts};
use crate::domain::order::Reserve;
use crate::domain::step::Plan;
use crate::domain::{AmountCents, RefundNo, RefundRecord, UnixMillis};
use crate::ports::ledger::{
    Act, Acted, Admission, Admitted, BATCH_MAX, Claim, Claims, Clearance, Cleared, Commit,
    Committed, Fence, Filter, Lease, Page, Pause, PutBack, Refusal, Stored,
};
use crate::ports::{Ledger, LedgerError, chain};

/// The ledger of one namespace.
#[derive(Debug)]
pub struct RedisLedger {
    con: ConnectionManager,
    keys: Keys,
    scripts: Scripts,
    /// Stands in the leases of this handle's claims, with the round.
    owner: String,
    /// Raised by every attempt to give claims back, before it is made: one that Redis sees late must
    /// not give back what was claimed after it, because somebody is acting on that.
    round: AtomicU64,
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
        })
    }

    /// Reads those of the refunds that exist.
    async fn read_many(&self, refund_nos: &[String]) -> Result<Vec<Stored>, LedgerError> {
        type Column<T> = Vec<Option<T>>;
        type Columns = (Column<String>, Column<String>, Column<String>, Column<f64>);
        if refund_nos.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(self.keys.refunds()).arg(refund_nos);
        pipe.cmd("HMGET").arg(self.keys.states()).arg(refund_nos);
        pipe.cmd("HMGET").arg(self.keys.leases()).arg(refund_nos);
        pipe.cmd("ZMSCORE").arg(self.keys.due()).arg(refund_nos);
        let (refunds, states, leases, due): Columns =
            pipe.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let mut stored = Vec::with_capacity(refund_nos.len());
        let rows = refund_nos.iter().zip(refunds).zip(states).zip(leases).zip(due);
        for ((((no, refund), state), lease), due) in rows {
            let (Some(refund), Some(state)) = (refund, state) else {
                continue;
            };
            let hold = lease.as_deref().and_then(Hold::parse);
            let record = decode(no, &refund, &state).map_err(|err| corrupt(no, &err))?;
            stored.push(Stored {
                record: match hold {
                    Some(hold) => as_held(record, hold),
                    None => record,
                },
                due_at: due.filter(|due| due.is_finite()).map(from_score),
                leased: lease.is_some(),
                waiting: due.is_some_and(f64::is_infinite),
            });
        }
        Ok(stored)
    }

    /// Forgets one batch of refunds that settled before `before`.
    async fn forget(&self, before: UnixMillis) -> Result<usize, LedgerError> {
        let mut con = self.con.clone();
        let mut cmd = redis::cmd("ZRANGEBYSCORE");
        cmd.arg(self.keys.settled()).arg("-inf").arg(format!("({}", before.get()));
        cmd.arg("LIMIT").arg(0).arg(BATCH_MAX);
        let old: Vec<String> = cmd.query_async(&mut con).await.map_err(map_error)?;
        if old.is_empty() {
            return Ok(0);
        }
        let refunds: Vec<Option<String>> =
            con.hmget(self.keys.refunds(), &old).await.map_err(map_error)?;
        let mut items = Vec::with_capacity(old.len());
        for (no, text) in old.into_iter().zip(refunds) {
            let asked = text.map(|text| decode_refund(&no, &text)).transpose();
            match asked {
                Ok(asked) => {
                    let orders = asked.map(|(refund, scope)| order_ids(&scope, &refund));
                    items.push((no, orders.unwrap_or_default()));
                }
                // Left for the newer worker that wrote it, or for a person.
                Err(err) => {
                    tracing::warn!(refund.no = no, why = chain(&err), "settled refund kept");
                }
            }
        }
        if items.is_empty() {
            return Ok(0);
        }
        let forget = self.scripts.forget(&mut con, &self.keys, before.get(), &items);
        forget.await.map_err(map_error)
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
        let items = batch.iter().map(admit_item).collect::<Result<Vec<_>, _>>()?;
        let mut con = self.con.clone();
        let replies = self.scripts.admit(&mut con, &self.keys, now.get(), &items);
        let replies = replies.await.map_err(map_error)?;
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
        let owner = format!("{}.{}", self.owner, self.round.load(Ordering::SeqCst));
        let mut con = self.con.clone();
        let reply =
            self.scripts.claim(&mut con, &self.keys, bounds, &owner).await.map_err(map_error)?;
        let next_due = reply.next_due.map(from_score);
        let mut claims = Claims { next_due, ..Claims::default() };
        let fence = Fence { number: reply.fence, word: owner.as_str().into() };
        let lease = |refund_no| Lease { refund_no, fence: fence.clone(), until };
        for item in reply.items {
            // The whole batch is leased by now, so one alien entry must not lose the others.
            let refund_no = match RefundNo::parse(&item.refund_no) {
                Ok(refund_no) => refund_no,
                Err(err) => {
                    tracing::error!(entry = item.refund_no, %err, "not a refund number among the due");
                    continue;
                }
            };
            match decode(&item.refund_no, &item.record, &item.state) {
                Ok(record) => claims.claims.push(claim(lease(refund_no), record, &item)),
                Err(err) => claims.unreadable.push((lease(refund_no), chain(&err))),
            }
        }
        Ok(claims)
    }

    async fn unclaim(&self, heard: u64, now: UnixMillis) -> Result<usize, LedgerError> {
        let mut con = self.con.clone();
        let whose = (self.owner.as_str(), self.round.fetch_add(1, Ordering::SeqCst));
        let call = self.scripts.unclaim(&mut con, &self.keys, whose, (heard, now.get()));
        call.await.map_err(map_error)
    }

    async fn commit(
        &self,
        batch: &[Commit],
        now: UnixMillis,
    ) -> Result<Vec<Committed>, LedgerError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let items = batch.iter().map(commit_item).collect::<Result<Vec<_>, _>>()?;
        let mut con = self.con.clone();
        let stored = self.scripts.commit(&mut con, &self.keys, now.get(), &items);
        let stored = stored.await.map_err(map_error)?;
        let verdict = |stored| {
            if stored { Committed::Stored } else { Committed::StaleFence }
        };
        Ok(stored.into_iter().map(verdict).collect())
    }

    async fn put_back(&self, _batch: &[PutBack], _now: UnixMillis) -> Result<(), LedgerError> {
        Err(LedgerError::Unfit("not yet".to_owned()))
    }

    async fn clear(
        &self,
        batch: &[Clearance],
        _now: UnixMillis,
    ) -> Result<Vec<Cleared>, LedgerError> {
        Ok(vec![Cleared::Go; batch.len()])
    }

    async fn act(&self, _act: &Act, _now: UnixMillis) -> Result<Acted, LedgerError> {
        Err(LedgerError::Unfit("not yet".to_owned()))
    }

    async fn pause(&self, _pause: &Pause) -> Result<bool, LedgerError> {
        Err(LedgerError::Unfit("not yet".to_owned()))
    }

    async fn resume(&self, _resume: &Pause) -> Result<bool, LedgerError> {
        Err(LedgerError::Unfit("not yet".to_owned()))
    }

    async fn pauses(&self) -> Result<Vec<Pause>, LedgerError> {
        Err(LedgerError::Unfit("not yet".to_owned()))
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
        Ok(self.read_many(&[refund_no.to_string()]).await?.pop())
    }

    async fn list(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Page, LedgerError> {
        let mut cmd = redis::cmd("HSCAN");
        cmd.arg(self.keys.refunds()).arg(cursor.unwrap_or("0")).arg("COUNT").arg(count);
        let (next, flat): (String, Vec<String>) =
            cmd.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let mut refund_nos: Vec<String> = flat.into_iter().step_by(2).collect();
        refund_nos.sort_unstable(); // a scan may name one refund twice
        refund_nos.dedup();
        let mut refunds = self.read_many(&refund_nos).await?;
        refunds.retain(|stored| filter.matches(&stored.record));
        Ok(Page { refunds, cursor: (next != "0").then_some(next) })
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

fn admit_item(admission: &Admission) -> Result<AdmitItem, LedgerError> {
    let record = &admission.record;
    let no = record.refund.refund_no.as_str();
    Ok(AdmitItem {
        refund_no: no.to_owned(),
        entry: admission.entry.as_ref().map(|entry| entry.0.clone()).unwrap_or_default(),
        record: encode_refund(record).map_err(|err| corrupt(no, &err))?,
        state: encode_state(record).map_err(|err| corrupt(no, &err))?,
        amount: record.refund.amount.get(),
        paid: record.refund.order.paid.map(AmountCents::get),
        due: admission.due_at.get(),
        orders: order_ids(&record.order_scope, &record.refund),
    })
}

fn admitted(admission: &Admission, reply: AdmitReply) -> Admitted {
    match reply {
        AdmitReply::New => Admitted::New,
        AdmitReply::Waiting => Admitted::Waiting,
        AdmitReply::Known(text) => {
            match decode_refund(admission.record.refund.refund_no.as_str(), &text) {
                Ok((refund, _)) => Admitted::Known(Box::new(refund)),
                Err(err) => Admitted::Unreadable(chain(&err)),
            }
        }
        AdmitReply::OverRefund { paid, held } => {
            Admitted::OverRefund { paid_cents: paid, held_cents: held }
        }
        AdmitReply::OrderMismatch => Admitted::OrderMismatch,
    }
}

fn claim(lease: Lease, record: RefundRecord, item: &ClaimItem) -> Claim {
    Claim { lease, record: as_held(record, item.lease), facts: item.lease.facts(None) }
}

fn commit_item(commit: &Commit) -> Result<CommitItem, LedgerError> {
    let record = &commit.record;
    let no = record.refund.refund_no.as_str();
    Ok(CommitItem {
        refund_no: no.to_owned(),
        fence: commit.lease.fence.number,
        state: encode_state(record).map_err(|err| corrupt(no, &err))?,
        due: match commit.plan {
            Plan::Due(at) => Some(at.get()),
            Plan::Ended => None,
        },
        result: commit
            .result
            .as_ref()
            .map(|result| (result.event_id.clone(), result.outcome, result.json.clone())),
        order: commit.order.as_ref().map(|change| OrderEnd {
            ids: order_ids(&record.order_scope, &record.refund),
            freed: match change.reserve {
                Reserve::Keep | Reserve::HoldAgain(_) => 0,
                Reserve::Free(amount) => amount.get(),
            },
            next_at: change.next_at.get(),
        }),
    })
}

fn decode(refund_no: &str, refund: &str, state: &str) -> Result<RefundRecord, RecordError> {
    decode_state(decode_refund(refund_no, refund)?, state)
}

fn corrupt(refund_no: &str, err: &RecordError) -> LedgerError {
    LedgerError::Corrupt { key: refund_no.to_owned(), why: chain(err) }
}

/// A score of the due set; what refundd writes are whole milliseconds far below 2^53, or the end
/// of time for a gateway that asks for a wait beyond it, where the cast stops.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "whole milliseconds far below 2^53"
)]
fn from_score(score: f64) -> UnixMillis {
    UnixMillis::new(score as i64)
}
