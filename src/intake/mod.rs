//! Takes requests in: read, validate, admit; refuse or quarantine what cannot be.
//!
//! A request is acknowledged in the same write that stores what became of it, so a crash at any
//! point leaves it pending and some worker takes it over. Nothing that a request contains can stop
//! the loop.

mod direct;
mod sort;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::Instrument;

use crate::contract::RejectCode;
use crate::crash::{self, Point};
use crate::ports::ledger::{Admission, Admitted, Refusal};
use crate::ports::{Accounts, Clock, Ledger, LedgerError, RawRequest, RequestSource};
use crate::telemetry::{metrics, otlp};
pub use direct::{Enqueued, enqueue};
use sort::{Sorted, Verdict, refusal, sort, verdict};

/// How long one read waits for new requests; also how soon a shutdown is noticed at the latest.
const READ_BLOCK: Duration = Duration::from_millis(500);

/// First and longest pause after the store did not answer.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How the intake runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most requests taken at once.
    pub batch: usize,
    /// A request that a reader has held this long without acknowledging is taken over.
    pub reclaim_idle: Duration,
    /// Time between two looks for such requests, ms.
    pub reclaim_every_ms: u64,
}

/// What the intake needs of the world.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where the requests come from.
    pub requests: Arc<dyn RequestSource>,
    /// Where the refunds go.
    pub ledger: Arc<dyn Ledger>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// The merchant accounts.
    pub accounts: Arc<Accounts>,
    /// Told when a refund was taken in that is due now: the workers of this process need not wait to
    /// hear of it from Redis.
    pub wake: Arc<Notify>,
}

/// Takes requests in until `stop` says so. A request in hand is finished first.
pub async fn run(parts: Parts, settings: Settings, stop: watch::Receiver<bool>) {
    let mut reclaim_at = parts.clock.now();
    // Nothing here is cancelled: a read that is dropped half way leaves its entries pending.
    while !*stop.borrow() {
        let now = parts.clock.now();
        let taken = if now >= reclaim_at {
            reclaim_at = now.plus(settings.reclaim_every_ms);
            parts.requests.reclaim(settings.batch, settings.reclaim_idle).await
        } else {
            parts.requests.read(settings.batch, READ_BLOCK).await
        };
        match taken {
            Ok(requests) => {
                if !requests.is_empty() {
                    crash::pass(Point::RequestsRead);
                }
                insist(&parts, &requests, &stop).await;
            }
            Err(err) => {
                tracing::warn!(%err, "requests could not be read, trying again");
                tokio::time::sleep(RETRY.1).await;
            }
        }
    }
}

/// Takes a batch in, however long the ledger needs; at a shutdown it is left pending.
async fn insist(parts: &Parts, requests: &[RawRequest], stop: &watch::Receiver<bool>) {
    let mut pause = RETRY.0;
    while let Err(err) = take_in(parts, requests).await {
        tracing::warn!(%err, requests = requests.len(), "could not be taken in, trying again");
        if *stop.borrow() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

/// Takes a batch of requests in.
///
/// # Errors
/// [`LedgerError`]; what was not acknowledged stays pending and comes back by
/// [`RequestSource::reclaim`]. Taking a request in twice is harmless.
pub async fn take_in(parts: &Parts, requests: &[RawRequest]) -> Result<(), LedgerError> {
    let now = parts.clock.now();
    let mut admissions = Vec::with_capacity(requests.len());
    for request in requests {
        match sort(&parts.accounts, request, now) {
            Sorted::Admit(admission) => admissions.push(*admission),
            Sorted::Refuse(refusal, code) => {
                parts.ledger.refuse(&refusal).await?;
                refused(&refusal, code);
            }
        }
    }
    if admissions.is_empty() {
        return Ok(());
    }
    let alone = admissions.first().filter(|_| admissions.len() == 1);
    let span = otlp::admit(alone.map(|one| one.record.refund.refund_no.as_str()), admissions.len());
    let answers = parts.ledger.admit(&admissions, now).instrument(span).await?;
    crash::pass(Point::Admitted);
    let is_due = |admission: &Admission| admission.due_at <= now;
    if admissions.iter().zip(&answers).any(|(one, to)| *to == Admitted::New && is_due(one)) {
        parts.wake.notify_one();
    }
    for (admission, answer) in admissions.iter().zip(answers) {
        settle(parts, admission, answer).await?;
    }
    Ok(())
}

/// What is left to do after the ledger has answered.
async fn settle(parts: &Parts, admission: &Admission, answer: Admitted) -> Result<(), LedgerError> {
    let refund = &admission.record.refund;
    let entry = admission.entry.as_ref();
    match verdict(refund, answer) {
        Verdict::New { waits } => {
            metrics::request("stream", if waits { "waiting" } else { "admitted" });
            tracing::info!(
                refund.no = %refund.refund_no,
                account = %refund.account,
                amount_cents = refund.amount.get(),
                waits,
                "refund is admitted"
            );
            Ok(())
        }
        Verdict::Duplicate => {
            tracing::info!(refund.no = %refund.refund_no, "the same request again, nothing to do");
            metrics::request("stream", "duplicate");
            parts.ledger.refuse(&Refusal { entry: entry.cloned(), ..Refusal::default() }).await
        }
        Verdict::Decided => {
            tracing::info!(refund.no = %refund.refund_no, "was answered before, nothing to do");
            Ok(())
        }
        Verdict::Unreadable(why) => {
            tracing::error!(refund.no = %refund.refund_no, why, "left pending for a newer worker");
            Ok(())
        }
        Verdict::Refused(fault) => {
            let account = parts.accounts.get(&refund.account);
            let refusal = refusal(entry, refund, &fault, account, parts.clock.now());
            crash::pass(Point::BeforeRefuse);
            parts.ledger.refuse(&refusal).await?;
            refused(&refusal, fault.code);
            Ok(())
        }
    }
}

/// Counts what was refused; a repeat after a crash counts again.
fn refused(refusal: &Refusal, code: RejectCode) {
    let quarantined = !refusal.quarantine.is_empty() && refusal.result.is_none();
    metrics::request("stream", if quarantined { "quarantined" } else { code.as_str() });
    if let Some(result) = &refusal.result {
        metrics::published(result.outcome);
    }
}
