//! What people who watch want to know. For now by a look at every refund.

use async_trait::async_trait;

use super::RedisLedger;
use crate::domain::state::StateKind;
use crate::domain::{GatewayName, UnixMillis};
use crate::ports::figures::{AuditLine, Bin, Figures, Level, Report, Sample, Watch};
use crate::ports::ledger::{BATCH_MAX, Filter, Stored};
use crate::ports::{Ledger, LedgerError};

#[async_trait]
impl Watch for RedisLedger {
    async fn figures(&self, now: UnixMillis) -> Result<Figures, LedgerError> {
        let counts = self.count(now).await?;
        let (mut levels, mut oldest) = (Vec::<Level>::new(), Vec::<(StateKind, UnixMillis)>::new());
        let mut cursor = None;
        loop {
            let page = self.list(&Filter::default(), cursor.as_deref(), BATCH_MAX).await?;
            for stored in &page.refunds {
                let (bin, cents) = (Bin::of(&stored.record), stored.record.refund.amount.get());
                let (state, at) = (bin.state, stored.record.admitted_at);
                match levels.iter_mut().find(|level| level.bin == bin) {
                    Some(level) => {
                        level.refunds += 1;
                        level.amount_cents += cents;
                    }
                    None => levels.push(Level { bin, refunds: 1, amount_cents: cents }),
                }
                match oldest.iter_mut().find(|(of, _)| *of == state) {
                    Some((_, first)) => *first = (*first).min(at),
                    None if state == StateKind::Settled => {}
                    None => oldest.push((state, at)),
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(Figures {
            at: now,
            counts,
            levels,
            oldest,
            ended: Vec::new(),
            oldest_request: None,
            groups: Vec::new(),
            losses: 0,
            lost_at: None,
        })
    }

    async fn keep_sample(&self, _: &Sample) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn history(
        &self,
        _: UnixMillis,
        _: UnixMillis,
        _: u32,
    ) -> Result<Vec<Sample>, LedgerError> {
        Ok(Vec::new())
    }

    async fn keep_report(&self, _: &Report) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn reports(&self) -> Result<Vec<Report>, LedgerError> {
        Ok(Vec::new())
    }

    async fn audit(&self, _: Option<&str>, _: usize) -> Result<Vec<AuditLine>, LedgerError> {
        Ok(Vec::new())
    }

    async fn search(&self, text: &str, _: &[GatewayName]) -> Result<Vec<Stored>, LedgerError> {
        let Ok(refund_no) = crate::domain::RefundNo::parse(text) else { return Ok(Vec::new()) };
        Ok(self.find(&refund_no).await?.into_iter().collect())
    }
}
