//! Asks the ledger whether submits may leave, all that are ready in one call.
//!
//! Only those ask that their claim has not cleared, or not lately, and those with a daily limit.
//! Nothing is kept here: while one call is under way the next questions gather, so a submit costs a
//! share of a call. Without an answer nothing is sent.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Parts;
use crate::domain::UnixMillis;
use crate::ports::ledger::{BATCH_MAX, Clearance, Cleared};
use crate::ports::{Clock, Ledger, chain};

const DAY_MS: i64 = 86_400_000;

/// A question, and who waits for the answer.
pub(super) type Question = (Clearance, oneshot::Sender<Cleared>);

/// Where a handler asks.
#[derive(Debug)]
pub(super) enum Clearances {
    /// At the ledger, each by itself.
    Alone,
    /// At [`run`], together with others.
    Together(mpsc::Sender<Question>),
}

impl Clearances {
    /// Whether the submit may leave; `None` if nobody could say.
    pub(super) async fn ask(&self, parts: &Parts, question: Clearance) -> Option<Cleared> {
        match self {
            Self::Alone => {
                let answers = ask(&parts.ledger, &parts.clock, &[question]).await;
                answers.into_iter().next()
            }
            Self::Together(questions) => {
                let (tell, answer) = oneshot::channel();
                questions.send((question, tell)).await.ok()?;
                answer.await.ok()
            }
        }
    }
}

/// Asks for everybody until nobody can ask any more.
pub(super) async fn run(parts: Parts, mut questions: mpsc::Receiver<Question>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while questions.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (asked, waiting): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let answers = ask(&parts.ledger, &parts.clock, &asked).await;
        // Who gets no answer is told so by its sender, which is dropped here.
        for (answer, tell) in answers.into_iter().zip(waiting) {
            let _ = tell.send(answer); // its handler may be gone in a shutdown
        }
    }
}

/// The answers in order; none if the ledger gave none.
async fn ask(
    ledger: &Arc<dyn Ledger>,
    clock: &Arc<dyn Clock>,
    asked: &[Clearance],
) -> Vec<Cleared> {
    match ledger.clear(asked, clock.now()).await {
        Ok(answers) if answers.len() == asked.len() => answers,
        Ok(answers) => {
            let (asked, answers) = (asked.len(), answers.len());
            tracing::error!(asked, answers, "the ledger cleared another number than it was asked");
            Vec::new()
        }
        Err(err) => {
            tracing::warn!(refunds = asked.len(), err = %chain(&err), "not cleared, so not sent");
            Vec::new()
        }
    }
}

/// Days since 1970, UTC.
pub(super) fn day_of(at: UnixMillis) -> u64 {
    u64::try_from(at.get().div_euclid(DAY_MS)).unwrap_or(0)
}

/// The next midnight, UTC.
pub(super) fn next_day(at: UnixMillis) -> UnixMillis {
    UnixMillis::new(at.get().saturating_sub(at.get().rem_euclid(DAY_MS)).saturating_add(DAY_MS))
}
