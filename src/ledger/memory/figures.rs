//! What people watch, counted anew each time: the judge of the counts that the scripts keep.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryLedger;
use super::books::Books;
use crate::domain::state::{Outcome, StateKind};
use crate::domain::{GatewayName, OrderRef, RefundRecord, UnixMillis};
use crate::ledger::held::orders_named;
use crate::ports::LedgerError;
use crate::ports::figures::{
    AuditLine, Bin, Ended, Figures, Level, Report, SETTLE_BOUNDS_MS, Sample, Watch,
};
use crate::ports::ledger::{Audit, Stored};

impl Books {
    fn levels(&self) -> Vec<Level> {
        let mut bins: BTreeMap<Bin, (u64, u64)> = BTreeMap::new();
        for record in self.refunds.values() {
            let (refunds, cents) = bins.entry(Bin::of(record)).or_default();
            *refunds += 1;
            *cents += record.refund.amount.get();
        }
        let level = |(bin, (refunds, amount_cents))| Level { bin, refunds, amount_cents };
        bins.into_iter().map(level).collect()
    }

    fn oldest(&self) -> Vec<(StateKind, UnixMillis)> {
        let mut oldest: BTreeMap<StateKind, UnixMillis> = BTreeMap::new();
        for record in self.refunds.values() {
            let state = Bin::of(record).state;
            if state != StateKind::Settled {
                let first = oldest.entry(state).or_insert(record.admitted_at);
                *first = (*first).min(record.admitted_at);
            }
        }
        oldest.into_iter().collect()
    }

    fn endings(&self) -> Vec<Ended> {
        let mut ended: BTreeMap<&str, Ended> = BTreeMap::new();
        for ((word, place), count) in &self.ended {
            let Some(outcome) = Outcome::parse(word) else { continue };
            let new = Ended { outcome, took: [0; SETTLE_BOUNDS_MS.len() + 1] };
            if let Some(took) = ended.entry(word).or_insert(new).took.get_mut(*place) {
                *took += count;
            }
        }
        ended.into_values().collect()
    }
}

#[async_trait]
impl Watch for MemoryLedger {
    async fn figures(&self, now: UnixMillis) -> Result<Figures, LedgerError> {
        let books = self.books();
        Ok(Figures {
            at: now,
            counts: books.counts(now),
            levels: books.levels(),
            oldest: books.oldest(),
            ended: books.endings(),
            oldest_request: None,
            groups: Vec::new(),
            losses: u64::from(books.lost_at.is_some()),
            lost_at: books.lost_at,
        })
    }

    async fn keep_sample(&self, sample: &Sample) -> Result<(), LedgerError> {
        self.books().samples.entry(sample.at).or_insert_with(|| sample.clone());
        Ok(())
    }

    async fn history(
        &self,
        since: UnixMillis,
        now: UnixMillis,
        _most: u32,
    ) -> Result<Vec<Sample>, LedgerError> {
        Ok(self.books().samples.range(since..=now).map(|(_, sample)| sample.clone()).collect())
    }

    async fn keep_report(&self, report: &Report) -> Result<(), LedgerError> {
        self.books().reports.insert(report.worker.clone(), report.clone());
        Ok(())
    }

    async fn reports(&self) -> Result<Vec<Report>, LedgerError> {
        Ok(self.books().reports.values().cloned().collect())
    }

    async fn audit(
        &self,
        before: Option<&str>,
        most: usize,
    ) -> Result<Vec<AuditLine>, LedgerError> {
        let books = self.books();
        let until = before.and_then(|id| id.split('-').next()?.parse().ok());
        let until = until.unwrap_or(books.audit.len()).min(books.audit.len());
        let lines = books.audit.iter().enumerate().take(until).rev().take(most);
        Ok(lines.map(|(at, line)| audit_line(at, line)).collect())
    }

    async fn search(&self, text: &str, scopes: &[GatewayName]) -> Result<Vec<Stored>, LedgerError> {
        let books = self.books();
        // An order is one, whichever of its numbers a refund has named.
        let account =
            |scope: &GatewayName, order: &OrderRef| books.order_of(scope, order).map(|(id, _)| id);
        let orders = scopes.iter().flat_map(|scope| {
            let orders = orders_named(text).into_iter();
            orders.filter_map(move |order| account(scope, &order))
        });
        let orders: Vec<String> = orders.collect();
        let is_named = |record: &&RefundRecord| {
            let (refund, scope) = (&record.refund, &record.order_scope);
            let gateway = record.gateway_refund_no.as_ref().is_some_and(|no| no.as_str() == text);
            refund.refund_no.as_str() == text
                || gateway && scopes.contains(scope)
                || account(scope, &refund.order).is_some_and(|id| orders.contains(&id))
        };
        Ok(books.refunds.values().filter(is_named).map(|record| books.stored(record)).collect())
    }
}

fn audit_line(at: usize, line: &Audit) -> AuditLine {
    let fields = [
        ("kind", "operator"),
        ("action", line.action),
        ("subject", &line.subject),
        ("who", &line.who),
        ("reason", &line.reason),
        ("change", &line.change),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    AuditLine { id: format!("{at}-0"), fields }
}
