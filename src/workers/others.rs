//! The other refunds of an order that an answer shows: asked about sooner, or reported.

use super::Parts;
use crate::domain::evidence::{Found, StatusLine, StatusWord};
use crate::domain::state::{Outcome, RefundState, StateKind};
use crate::domain::{Grade, RefundNo, RefundRecord};

/// Most lines of other refunds that one answer is searched for.
const OTHERS_MAX: usize = 50;

/// Looks after the other refunds of the order that the answer shows as final, in a task of its
/// own: the answer about this refund is stored first, whatever becomes of the others.
pub(super) fn look_after(parts: &Parts, record: &RefundRecord, found: Found) {
    let own = record.refund.refund_no.clone();
    let is_final = |word| matches!(word, StatusWord::Success | StatusWord::Failed);
    let mut others = found.lines;
    others.retain(|line| line.refund_no != own.as_str() && is_final(line.word));
    others.truncate(OTHERS_MAX);
    if found.grade == Grade::A && !others.is_empty() {
        tokio::spawn(tell_others(parts.clone(), own, others));
    }
}

/// Other refunds of the order that a signed answer shows as final are asked about now. Money that
/// went out under a number that nobody knows, or against what was published, is reported.
async fn tell_others(parts: Parts, own: RefundNo, lines: Vec<StatusLine>) {
    for line in lines {
        let Ok(no) = RefundNo::parse(&line.refund_no) else { continue };
        match parts.ledger.find(&no).await {
            Ok(Some(stored)) => {
                if contradicts(&stored.record, line.word) {
                    tracing::error!(
                        refund.no = %no,
                        status = line.status,
                        "the gateway contradicts the published outcome; it is asked again"
                    );
                }
                // Only a shortcut for what is under way: its own schedule asks anyway. What has ended is
                // asked about again only where this answer contradicts it.
                if stored.record.state.kind() != StateKind::Settled
                    || contradicts(&stored.record, line.word)
                {
                    drop(parts.ledger.nudge(&[no], parts.clock.now()).await);
                }
            }
            Ok(None) if line.word == StatusWord::Success => tracing::warn!(
                refund.no = %own,
                other = line.refund_no,
                amount_cents = line.amount_cents,
                "the gateway shows a refund of this order that nobody asked refundd for"
            ),
            Ok(None) | Err(_) => {}
        }
    }
}

/// Whether a final word of the gateway is not the outcome that was published.
fn contradicts(record: &RefundRecord, word: StatusWord) -> bool {
    let RefundState::Settled(end) = &record.state else { return false };
    (end.outcome == Outcome::Succeeded) != (word == StatusWord::Success)
}
