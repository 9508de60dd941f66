//! What an action will do, in words, before it is done: with the money in it.

use super::rules::{Action, Place, Resolution};
use crate::domain::policy::Policy;
use crate::domain::state::{Outcome, RefundState};
use crate::domain::{OrderRef, RefundRecord};

/// Where a refund stands, for the audit trail: `parked`, or `settled (succeeded)`.
pub(super) fn standing(record: &RefundRecord) -> String {
    let kind = record.state.kind().as_str();
    if let RefundState::Settled(end) = &record.state {
        return format!("{kind} ({})", end.outcome.as_str());
    }
    kind.to_owned()
}

/// What `action` will do to the refund, its amount and its order.
pub(super) fn intent(record: &RefundRecord, action: Action, policy: Option<&Policy>) -> String {
    let refund = &record.refund;
    let subject = format!(
        "{} {}: {} to order {} of account {}, now {}",
        action.as_str(),
        refund.refund_no,
        refund.currency.format(refund.amount.get()),
        order(&refund.order),
        refund.account,
        standing(record)
    );
    format!("{subject}\n{}", effect(record, action, policy))
}

fn order(order: &OrderRef) -> String {
    let gateway_no = order.gateway_order_no().map(ToString::to_string);
    let no = order.order_no().map(ToString::to_string);
    gateway_no.into_iter().chain(no).collect::<Vec<_>>().join(" / ")
}

fn effect(record: &RefundRecord, action: Action, policy: Option<&Policy>) -> String {
    // Whether a send may have been lost was asked before: it is refused, and has no effect.
    match (action, Place::of(record, None)) {
        (Action::Check, _) => "The gateway is asked about it at once.".to_owned(),
        (Action::Release, _) => after_release(record, policy),
        (Action::Resolve(Resolution::Succeeded), _) => {
            "It is recorded that this money went back to the payer, on your word: the amount counts \
             as refunded, and the next refund of the order may go."
                .to_owned()
        }
        (Action::Resolve(Resolution::Failed), _) => {
            "It is recorded that no money moved and none will, on your word: the amount may be \
             refunded again. If the gateway pays it after all, it is paid twice."
                .to_owned()
        }
        (Action::Abandon, Place::Unsent) => {
            "It is withdrawn before anything was sent: it never will be, its amount is free again, and \
             the next refund of the order may go."
                .to_owned()
        }
        (Action::Abandon, _) => {
            "refundd stops working on it. This does not cancel anything at the gateway: it may still \
             succeed there, so its amount stays reserved; the next refund of the order may go."
                .to_owned()
        }
    }
}

/// What follows a release: the gateway is asked, and only its silence may lead to a send.
pub(super) fn after_release(record: &RefundRecord, policy: Option<&Policy>) -> String {
    let asked = "The gateway is asked first, and what it says decides.";
    let Some(policy) = policy else {
        return format!(
            "The configuration has no account {}: nothing happens until it has.",
            record.refund.account
        );
    };
    let unknown = &policy.unknown;
    let absent = format!(
        "if the gateway does not know it in {} answers over {} s",
        unknown.not_found_min,
        unknown.visibility_ms / 1_000
    );
    let resend = if record.has_ended_before() {
        format!("It had ended before and is not sent again: {absent}, it is parked again.")
    } else if record.tally.attempts == 0 {
        format!("It is sent only {absent}.")
    } else if !policy.duplicates.is_certified() {
        format!(
            "It is not sent again, because duplicate_refund_no is \"unknown\": {absent}, it is \
             parked again."
        )
    } else if record.tally.attempts > unknown.resubmits_max {
        format!("It was resubmitted as often as allowed: {absent}, it is parked again.")
    } else {
        format!("It is sent again, under the same number, only {absent}.")
    };
    format!("{asked} {resend}")
}

/// What a person should know after the end that they have made.
pub(super) fn after_end(record: &RefundRecord) -> Option<&'static str> {
    match &record.state {
        RefundState::Settled(end) => Some(match end.outcome {
            Outcome::Succeeded => "it has ended; its amount counts as refunded",
            Outcome::Failed | Outcome::Withdrawn => "it has ended; its amount may be refunded anew",
            Outcome::GivenUp => {
                "nobody works on it any more. This does not cancel anything at the gateway; its \
                 amount stays reserved until resolve says how it ended"
            }
        }),
        RefundState::Requested { .. }
        | RefundState::Submitting { .. }
        | RefundState::Unconfirmed { .. }
        | RefundState::Refused { .. }
        | RefundState::Processing { .. }
        | RefundState::Parked(_) => None,
    }
}
