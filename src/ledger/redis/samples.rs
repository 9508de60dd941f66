//! Samples for charts and what processes say of themselves, as JSON. What cannot be read was written by
//! another version; it is left out, because a chart with a gap is better than none.

use std::collections::{BTreeMap, HashMap};

use redis::AsyncCommands;
use serde::{Deserialize, Serialize};

use super::{RedisLedger, map_error};
use crate::domain::UnixMillis;
use crate::domain::state::Outcome;
use crate::ports::LedgerError;
use crate::ports::figures::{
    Calls, Ended, GatewayReport, Report, SAMPLE_EVERY_MS, SETTLE_BOUNDS_MS, Sample,
};

/// About how many samples stay: thirty days.
const HISTORY_MAX: u32 = 43_200;

/// A process that has said nothing for longer is forgotten, ms.
const FORGET_MS: u64 = 86_400_000;

/// An entry of a stream, by field.
type Entry = (String, HashMap<String, String>);

#[derive(Serialize, Deserialize)]
struct StoredSample {
    unsettled: u64,
    parked: u64,
    unconfirmed: u64,
    overdue: u64,
    backlog: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oldest_at: Option<i64>,
    ended: BTreeMap<String, Vec<u64>>,
}

#[derive(Serialize, Deserialize)]
struct StoredReport {
    version: String,
    started_at: i64,
    at: i64,
    holds: u64,
    gateways: Vec<StoredGateway>,
}

#[derive(Serialize, Deserialize)]
struct StoredGateway {
    gateway: String,
    breaker_open: bool,
    put_off: u64,
    /// Call, outcome, code, count.
    calls: Vec<(String, String, String, u64)>,
}

impl RedisLedger {
    /// One entry a minute: its id is the minute, so a second one for it is refused.
    pub(super) async fn write_sample(&self, sample: &Sample) -> Result<(), LedgerError> {
        let text = encode_sample(sample)?;
        let mut cmd = redis::cmd("XADD");
        cmd.arg(self.keys.history()).arg("MAXLEN").arg("~").arg(HISTORY_MAX);
        cmd.arg(format!("{}-1", sample.at.get().max(0))).arg("sample").arg(text);
        let kept: Result<String, _> = cmd.query_async(&mut self.con.clone()).await;
        match kept {
            Err(err) if err.to_string().contains("equal or smaller") => Ok(()),
            kept => kept.map(drop).map_err(map_error),
        }?;
        self.forget_silent(sample.at).await
    }

    async fn forget_silent(&self, now: UnixMillis) -> Result<(), LedgerError> {
        let silent = |report: &Report| now.since(report.at) > FORGET_MS;
        let mut reports = self.read_reports().await?;
        reports.retain(silent);
        if reports.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = reports.into_iter().map(|report| report.worker).collect();
        self.con.clone().hdel(self.keys.workers(), names).await.map_err(map_error)
    }

    pub(super) async fn read_samples(
        &self,
        (since, until): (UnixMillis, UnixMillis),
        most: u32,
    ) -> Result<Vec<Sample>, LedgerError> {
        let step = (until.since(since) / u64::from(most.max(1))).max(SAMPLE_EVERY_MS);
        let mut pipe = redis::pipe();
        let mut from = since;
        while from <= until {
            let to = from.plus(step).get() - 1;
            let one = pipe.cmd("XRANGE").arg(self.keys.history());
            one.arg(from.get().max(0)).arg(to.max(0)).arg("COUNT").arg(1);
            from = from.plus(step);
        }
        let read: Vec<Vec<Entry>> =
            pipe.query_async(&mut self.con.clone()).await.map_err(map_error)?;
        let samples = read.iter().flatten().filter_map(|(id, fields)| {
            let at = id.split('-').next()?.parse().ok()?;
            decode_sample(UnixMillis::new(at), fields.get("sample")?)
        });
        Ok(samples.collect())
    }

    pub(super) async fn write_report(&self, report: &Report) -> Result<(), LedgerError> {
        let text = encode_report(report)?;
        let mut con = self.con.clone();
        con.hset(self.keys.workers(), &report.worker, text).await.map_err(map_error)
    }

    pub(super) async fn read_reports(&self) -> Result<Vec<Report>, LedgerError> {
        let stored: HashMap<String, String> =
            self.con.clone().hgetall(self.keys.workers()).await.map_err(map_error)?;
        let reports = stored.into_iter().filter_map(|(name, text)| decode_report(name, &text));
        let mut reports: Vec<Report> = reports.collect();
        reports.sort_by(|one, other| {
            (other.started_at, &other.worker).cmp(&(one.started_at, &one.worker))
        });
        Ok(reports)
    }
}

fn encode<T: Serialize>(stored: &T) -> Result<String, LedgerError> {
    serde_json::to_string(stored)
        .map_err(|err| LedgerError::Corrupt { key: "figures".to_owned(), why: err.to_string() })
}

fn encode_sample(sample: &Sample) -> Result<String, LedgerError> {
    let ended = |ended: &Ended| (ended.outcome.as_str().to_owned(), ended.took.to_vec());
    encode(&StoredSample {
        unsettled: sample.unsettled,
        parked: sample.parked,
        unconfirmed: sample.unconfirmed,
        overdue: sample.overdue,
        backlog: sample.backlog,
        oldest_at: sample.oldest_at.map(UnixMillis::get),
        ended: sample.ended.iter().map(ended).collect(),
    })
}

fn decode_sample(at: UnixMillis, text: &str) -> Option<Sample> {
    let stored: StoredSample = serde_json::from_str(text).ok()?;
    let ended = |(outcome, took): (String, Vec<u64>)| {
        let took: [u64; SETTLE_BOUNDS_MS.len() + 1] = took.try_into().ok()?;
        Some(Ended { outcome: Outcome::parse(&outcome)?, took })
    };
    Some(Sample {
        at,
        unsettled: stored.unsettled,
        parked: stored.parked,
        unconfirmed: stored.unconfirmed,
        overdue: stored.overdue,
        backlog: stored.backlog,
        oldest_at: stored.oldest_at.map(UnixMillis::new),
        ended: stored.ended.into_iter().filter_map(ended).collect(),
    })
}

fn encode_report(report: &Report) -> Result<String, LedgerError> {
    let calls = |calls: &Calls| {
        let Calls { call, outcome, code, count } = calls.clone();
        (call, outcome, code, count)
    };
    let gateway = |report: &GatewayReport| StoredGateway {
        gateway: report.gateway.clone(),
        breaker_open: report.breaker_open,
        put_off: report.put_off,
        calls: report.calls.iter().map(calls).collect(),
    };
    encode(&StoredReport {
        version: report.version.clone(),
        started_at: report.started_at.get(),
        at: report.at.get(),
        holds: report.holds,
        gateways: report.gateways.iter().map(gateway).collect(),
    })
}

fn decode_report(worker: String, text: &str) -> Option<Report> {
    let stored: StoredReport = serde_json::from_str(text).ok()?;
    let calls = |(call, outcome, code, count)| Calls { call, outcome, code, count };
    let gateway = |stored: StoredGateway| GatewayReport {
        gateway: stored.gateway,
        breaker_open: stored.breaker_open,
        put_off: stored.put_off,
        calls: stored.calls.into_iter().map(calls).collect(),
    };
    Some(Report {
        worker,
        version: stored.version,
        started_at: UnixMillis::new(stored.started_at),
        at: UnixMillis::new(stored.at),
        holds: stored.holds,
        gateways: stored.gateways.into_iter().map(gateway).collect(),
    })
}
