//! Forgets settled refunds and trims results once their time has passed and everybody has read.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::ports::ledger::BATCH_MAX;
use crate::ports::{Clock, Ledger};

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(60);

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// A settled refund, ms. Its number may be used again after that, so it should be longer than
    /// any gateway allows a refund after the payment.
    pub settled_ms: u64,
    /// A result that every consumer group has read, ms.
    pub results_ms: u64,
}

/// Clears up until `stop` says so. What could not be done now is done in the next round.
pub async fn run(
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        loop {
            let now = clock.now();
            let round =
                ledger.purge(now.minus(settings.settled_ms), now.minus(settings.results_ms));
            match round.await {
                Ok(forgotten) if forgotten == BATCH_MAX => {}
                Ok(_) => break,
                Err(err) => {
                    tracing::warn!(%err, "nothing could be cleared up, trying again later");
                    break;
                }
            }
        }
    }
}
