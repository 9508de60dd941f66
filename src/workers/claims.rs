//! Claims due refunds for the free slots, and sleeps until the next one is due. While it is busy it
//! keeps a pace, so that slots gather and a call claims for several.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::backend::Held;
use super::pace::Pace;
use super::{Parts, Settings};
use crate::crash::{self, Point};
use crate::domain::UnixMillis;
use crate::ports::chain;
use crate::ports::ledger::{BATCH_MAX, Claims, PutBack};

/// The longest sleep of an idle worker: a net under the wake-ups, one claim a second.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// How long a refund is left alone whose record this program cannot read, ms: a newer worker can.
const UNREADABLE_WAIT_MS: u64 = 5_000;

/// First and longest pause after the ledger did not answer.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Claims until `stop` says so, then ends; that closes `held` and so ends the worker.
pub(super) async fn run(
    parts: Parts,
    settings: Settings,
    slots: Arc<Semaphore>,
    held: mpsc::Sender<Held>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pause = RETRY.0;
    let (mut heard, mut lost) = (0, false);
    let (mut pace_of_calls, mut more) = (Pace::default(), false);
    let most = settings.held().min(BATCH_MAX);
    loop {
        let free = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            free = free_slots(&slots, most, (&mut pace_of_calls, more)) => free,
        };
        if parts.ledger_away.load(Ordering::SeqCst) {
            tokio::time::sleep(RETRY.0).await;
            continue;
        }
        if lost {
            // A claim may have been made whose answer never came: give it back, nobody acted on it.
            // Nothing is claimed before that is confirmed, so `heard` still divides the two.
            if let Err(err) = parts.ledger.unclaim(heard, parts.clock.now()).await {
                tracing::warn!(err = %chain(&err), "claims without an answer are not given back yet");
                tokio::select! {
                    () = tokio::time::sleep(RETRY.1) => continue,
                    () = stopped(&mut stop) => return,
                }
            }
            lost = false;
        }
        let now = parts.clock.now();
        let until = now.plus(settings.lease_ms);
        // Not cancelled by `stop`: what it claims must be handed out, or it is left to its lease.
        crash::pass(Point::BeforeClaim);
        match parts.ledger.claim(free.len(), now, until).await {
            Ok(claims) => {
                parts.pulse.beat(parts.clock.now());
                if !claims.claims.is_empty() {
                    crash::pass(Point::AfterClaim);
                }
                pause = RETRY.0;
                heard = claims
                    .claims
                    .iter()
                    .map(|claim| claim.lease.fence.number)
                    .fold(heard, u64::max);
                more = claims.claims.len() == free.len();
                let next_due = claims.next_due;
                hand_out(&parts, claims, free, &held).await;
                if !more {
                    sleep(&parts, next_due, &mut stop).await;
                }
            }
            Err(err) => {
                lost = true;
                tracing::warn!(err = %chain(&err), "no refunds could be claimed, trying again");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stopped(&mut stop) => return,
                }
                pause = (pause * 2).min(RETRY.1);
            }
        }
    }
}

/// Waits for one free slot and for the pace, and takes all slots there are, up to a batch. Where
/// `more` is due for sure and no more than these can be free, it waits for no pace.
async fn free_slots(
    slots: &Arc<Semaphore>,
    most: usize,
    (pace, more): (&mut Pace, bool),
) -> Vec<OwnedSemaphorePermit> {
    let mut free = Vec::new();
    free.extend(Arc::clone(slots).acquire_owned().await);
    pace.keep(more && slots.available_permits().saturating_add(free.len()) >= most).await;
    while free.len() < BATCH_MAX
        && let Ok(slot) = Arc::clone(slots).try_acquire_owned()
    {
        free.push(slot);
    }
    free
}

async fn hand_out(
    parts: &Parts,
    claims: Claims,
    free: Vec<OwnedSemaphorePermit>,
    held: &mpsc::Sender<Held>,
) {
    let due_at = parts.clock.now().plus(UNREADABLE_WAIT_MS);
    let mut unreadable = Vec::new();
    for (lease, why) in claims.unreadable {
        tracing::error!(refund.no = %lease.refund_no, why, "its record cannot be read; left as it is");
        unreadable.push(PutBack { lease, due_at });
    }
    // If this fails the leases run out by themselves; then each counts as a crash and a lost intent.
    if !unreadable.is_empty()
        && let Err(err) = parts.ledger.put_back(&unreadable, parts.clock.now()).await
    {
        tracing::warn!(err = %chain(&err), "unreadable refunds are left to their leases");
    }
    for (claim, slot) in claims.claims.into_iter().zip(free) {
        // The channel has room for every slot, so this does not wait. It fails only when the worker
        // is gone; the lease then runs out by itself.
        let _ = held.send(Held { claim, slot: Arc::new(slot) }).await;
    }
}

/// Sleeps until a refund is due, something wakes the workers, or `stop` says so.
async fn sleep(parts: &Parts, next_due: Option<UnixMillis>, stop: &mut watch::Receiver<bool>) {
    let idle = next_due
        .map_or(IDLE_MAX, |due| Duration::from_millis(due.since(parts.clock.now())).min(IDLE_MAX));
    tokio::select! {
        () = tokio::time::sleep(idle) => {}
        () = parts.wake.notified() => {}
        () = stopped(stop) => {}
    }
}

/// Completes once `stop` is set, or its sender is gone.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
