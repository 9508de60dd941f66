//! Stores what became of refunds, all that are ready in one call, for as long as it takes.
//!
//! An answer of a gateway is worth more than a worker's time: while the ledger cannot be reached or
//! refuses, the answers wait here in memory. If the process ends before the ledger is back, the
//! leases run out and the next holder asks the gateway.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Parts;
use super::backend::Pending;
use crate::ports::LedgerError;
use crate::ports::ledger::{BATCH_MAX, Commit, Committed};

/// First and longest pause after the ledger did not confirm.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Commits until every sender is gone and everything is stored.
pub(super) async fn run(parts: Parts, mut pending: mpsc::Receiver<Pending>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while pending.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (commits, waiting): (Vec<Commit>, Vec<_>) =
            batch.drain(..).map(|pending| (pending.commit, pending.done)).unzip();
        let answers = store(&parts, &commits).await;
        for ((commit, answer), done) in commits.iter().zip(answers).zip(waiting) {
            log(commit, answer);
            let _ = done.send(answer); // nobody waits for it during a shutdown
        }
        // Something may be due sooner than the claiming side expects.
        parts.wake.notify_one();
    }
}

/// Stores a batch, however long it takes. If the ledger refuses the batch, its refunds are stored
/// one by one, so that one that cannot be stored does not hold up the others.
async fn store(parts: &Parts, commits: &[Commit]) -> Vec<Committed> {
    match parts.ledger.commit(commits, parts.clock.now()).await {
        Ok(answers) => answers,
        Err(LedgerError::Unavailable(_)) => persist(parts, commits).await,
        Err(_) => {
            let mut answers = Vec::with_capacity(commits.len());
            for commit in commits {
                answers.extend(persist(parts, std::slice::from_ref(commit)).await);
            }
            answers
        }
    }
}

/// Tries until the ledger confirms.
async fn persist(parts: &Parts, commits: &[Commit]) -> Vec<Committed> {
    let mut pause = RETRY.0;
    loop {
        match parts.ledger.commit(commits, parts.clock.now()).await {
            Ok(answers) => return answers,
            Err(LedgerError::Corrupt { key, why }) => {
                tracing::error!(refund.no = key, why, "cannot be stored; left to its lease");
                return vec![Committed::StaleFence; commits.len()];
            }
            Err(err) => {
                let first = commits.first().map(|commit| commit.lease.refund_no.to_string());
                tracing::warn!(
                    %err,
                    refund.no = first,
                    refunds = commits.len(),
                    "answers wait in memory until the ledger confirms"
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

/// One line a transition, written where it is committed.
fn log(commit: &Commit, answer: Committed) {
    if answer != Committed::Stored {
        return;
    }
    let record = &commit.record;
    let last = record.history.last();
    tracing::info!(
        refund.no = %record.refund.refund_no,
        account = %record.refund.account,
        state.to = record.state.kind().as_str(),
        event = last.map(|line| line.event.as_str()),
        note = last.map(|line| line.note.as_str()),
        attempt.no = record.tally.attempts,
        poll.no = record.tally.polls,
        amount_cents = record.refund.amount.get(),
        "refund is {}",
        record.state.kind().as_str()
    );
}
