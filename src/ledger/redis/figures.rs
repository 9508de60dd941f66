//! What people watch, read from Redis: a few cheap commands, never a record.

use async_trait::async_trait;
use redis::AsyncCommands;

use super::{RedisLedger, from_score, map_error};
use crate::domain::state::StateKind;
use crate::domain::{GatewayName, UnixMillis};
use crate::ledger::bins;
use crate::ledger::held::{order_ids, orders_named};
use crate::ledger::scripts::BY_AGE;
use crate::ports::figures::{AuditLine, Figures, Report, ResultsGroup, Sample, Watch};
use crate::ports::ledger::{EntryId, Stored};
use crate::ports::{LedgerError, chain};

/// Most refunds that a search shows.
const SEARCH_MAX: usize = 100;

/// Entries of a stream, or of a list of what is pending: each begins with an id.
type Entries = Vec<Vec<redis::Value>>;

#[async_trait]
impl Watch for RedisLedger {
    async fn figures(&self, now: UnixMillis) -> Result<Figures, LedgerError> {
        type First = Vec<(String, f64)>;
        type Flat = (Vec<(String, i64)>, u64, Entries, First, First, First, First, First);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(self.keys.bins());
        pipe.cmd("EXISTS").arg(self.keys.results());
        pipe.cmd("XRANGE").arg(self.keys.requests()).arg("-").arg("+").arg("COUNT").arg(1);
        for state in BY_AGE {
            let key = self.keys.of_state(state.as_str());
            pipe.cmd("ZRANGE").arg(key).arg(0).arg(0).arg("WITHSCORES");
        }
        let read: Flat = pipe.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let (fields, results, request, requested, unconfirmed, refused, processing, parked) = read;
        let (levels, ended) = bins::read(fields);
        let firsts = BY_AGE.into_iter().zip([requested, unconfirmed, refused, processing, parked]);
        let oldest = |(state, first): (StateKind, First)| {
            first.first().map(|(_, score)| (state, from_score(*score)))
        };
        let losses = self.losses().await?;
        Ok(Figures {
            at: now,
            counts: self.count(now).await?,
            levels,
            oldest: firsts.filter_map(oldest).collect(),
            ended,
            oldest_request: first_moment(&request),
            groups: if results == 0 { Vec::new() } else { self.groups().await? },
            losses: losses.count,
            lost_at: losses.last_at,
        })
    }

    async fn keep_sample(&self, sample: &Sample) -> Result<(), LedgerError> {
        self.write_sample(sample).await
    }

    async fn history(
        &self,
        since: UnixMillis,
        now: UnixMillis,
        most: u32,
    ) -> Result<Vec<Sample>, LedgerError> {
        self.read_samples((since, now), most).await
    }

    async fn keep_report(&self, report: &Report) -> Result<(), LedgerError> {
        self.write_report(report).await
    }

    async fn reports(&self) -> Result<Vec<Report>, LedgerError> {
        self.read_reports().await
    }

    async fn audit(
        &self,
        before: Option<&str>,
        most: usize,
    ) -> Result<Vec<AuditLine>, LedgerError> {
        let mut cmd = redis::cmd("XREVRANGE");
        let last = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        cmd.arg(self.keys.audit()).arg(last).arg("-").arg("COUNT").arg(most);
        let lines: Vec<(String, Vec<(String, String)>)> =
            cmd.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        Ok(lines.into_iter().map(|(id, fields)| AuditLine { id, fields }).collect())
    }

    async fn search(&self, text: &str, scopes: &[GatewayName]) -> Result<Vec<Stored>, LedgerError> {
        let mut refund_nos = self.of_orders(&order_fields(text, scopes)).await?;
        let fields: Vec<String> =
            scopes.iter().map(|scope| bins::found_field(scope, text)).collect();
        if !fields.is_empty() {
            let found: Vec<Option<String>> =
                self.con.clone().hmget(self.keys.found(), &fields).await.map_err(map_error)?;
            refund_nos.extend(found.into_iter().flatten());
        }
        refund_nos.push(text.to_owned());
        refund_nos.sort_unstable();
        refund_nos.dedup();
        refund_nos.truncate(SEARCH_MAX);
        let mut refunds = Vec::new();
        for stored in self.read_many(&refund_nos).await? {
            match stored {
                Ok(stored) => refunds.push(stored),
                Err(err) => tracing::warn!(err = %chain(&err), "left out of what was found"),
            }
        }
        Ok(refunds)
    }
}

impl RedisLedger {
    /// The numbers of the refunds of orders, by the fields that the orders stand under.
    async fn of_orders(&self, fields: &[String]) -> Result<Vec<String>, LedgerError> {
        let mut refund_nos = Vec::new();
        let mut fields = fields.to_vec();
        // The second round follows the ids that lead to another one.
        for _ in 0..2 {
            if fields.is_empty() {
                break;
            }
            let accounts: Vec<Option<String>> =
                self.con.clone().hmget(self.keys.orders(), &fields).await.map_err(map_error)?;
            fields.clear();
            for account in accounts.into_iter().flatten() {
                if let Some(other) = account.strip_prefix('=') {
                    fields.push(other.to_owned());
                } else {
                    let stored = account.split('|').nth(5).unwrap_or_default();
                    refund_nos.extend(stored.split_whitespace().map(str::to_owned));
                }
            }
        }
        Ok(refund_nos)
    }

    /// Who reads results, and how far behind they are.
    async fn groups(&self) -> Result<Vec<ResultsGroup>, LedgerError> {
        type Info = std::collections::HashMap<String, redis::Value>;
        let key = self.keys.results();
        let mut con = self.con.clone();
        let mut cmd = redis::cmd("XINFO");
        cmd.arg("GROUPS").arg(&key);
        let infos: Vec<Info> = cmd.query_async(&mut con).await.map_err(map_error)?;
        if infos.is_empty() {
            return Ok(Vec::new());
        }
        let text = |info: &Info, field: &str| {
            info.get(field).and_then(|v| redis::from_redis_value_ref::<String>(v).ok())
        };
        let number = |info: &Info, field: &str| text(info, field).and_then(|t| t.parse().ok());
        let mut pipe = redis::pipe();
        for info in &infos {
            let (name, last) = (text(info, "name"), text(info, "last-delivered-id"));
            let unread = format!("({}", last.unwrap_or_default());
            pipe.cmd("XRANGE").arg(&key).arg(unread).arg("+").arg("COUNT").arg(1);
            pipe.cmd("XPENDING").arg(&key).arg(name.unwrap_or_default()).arg("-").arg("+").arg(1);
        }
        let firsts: Vec<Entries> = pipe.query_async(&mut con).await.map_err(map_error)?;
        let oldest = firsts.chunks(2).map(|pair| pair.iter().filter_map(first_moment).min());
        let group = |(info, oldest_at): (&Info, Option<UnixMillis>)| ResultsGroup {
            name: text(info, "name").unwrap_or_default(),
            lag: number(info, "lag"),
            pending: number(info, "pending").unwrap_or_default(),
            oldest_at,
        };
        Ok(infos.iter().zip(oldest).map(group).collect())
    }
}

fn first_moment(entries: &Entries) -> Option<UnixMillis> {
    let id = redis::from_redis_value_ref::<String>(entries.first()?.first()?).ok()?;
    EntryId(id).pushed_at()
}

/// Where an order of that number may stand: by either of its numbers, at each gateway.
fn order_fields(text: &str, scopes: &[GatewayName]) -> Vec<String> {
    let orders = orders_named(text);
    let of = |scope| orders.iter().map(move |order| order_ids(scope, order).0);
    scopes.iter().flat_map(of).collect()
}
