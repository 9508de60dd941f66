//! What must be true of a refund right before its bytes leave: the last word of the rules, after
//! whatever may have changed since its turn was given.

use super::refund::{ParamsHash, RefundRecord};
use super::state::ParkCause;
use super::{GatewayName, Policy};

/// What would be sent, and on whose terms.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// SHA-256 of the business parameters as they would leave now.
    pub hash: ParamsHash,
    /// Where they would go.
    pub gateway: &'a GatewayName,
    /// Most that the account may send in a day, minor units of its currency.
    pub daily_cents: Option<u64>,
}

/// Whether a submit may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaySend {
    /// It may.
    Yes,
    /// Not under the intent that is recorded: that is of other parameters. Nothing was ever sent, so
    /// a new intent may be recorded.
    Renew,
    /// Never by a machine.
    Never(ParkCause, &'static str),
}

/// Decides about a refund whose intent this claim has recorded; its `attempts` count this submit.
///
/// A resend must be what the first send was, and still be allowed: an account may have learnt since
/// that its gateway pays a number twice.
pub fn may_send(record: &RefundRecord, sending: Sending<'_>, policy: &Policy) -> MaySend {
    use {MaySend as M, ParkCause as C};
    let resends = record.tally.attempts.saturating_sub(1);
    let equal = record.params_hash == Some(sending.hash);
    if resends > 0 && !(equal && record.order_scope == *sending.gateway) {
        return M::Never(C::ParamsChanged, "a resend would not be equal to the first send");
    }
    if resends > 0 && !policy.duplicates.is_certified() {
        return M::Never(
            C::NotFound,
            "sent with unknown outcome, and duplicate_refund_no is \"unknown\" by now",
        );
    }
    if resends > policy.unknown.resubmits_max {
        return M::Never(C::NotFound, "sent with unknown outcome and resent as often as allowed");
    }
    if sending.daily_cents.is_some_and(|limit| record.refund.amount.get() > limit) {
        return M::Never(C::DailyLimit, "it is more than its account may send in a day");
    }
    if equal { M::Yes } else { M::Renew }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Duplicates;
    use crate::domain::refund::tests::admitted;
    use crate::domain::state::Event;
    use crate::domain::step::advance;
    use crate::domain::{Policy, UnixMillis};

    const HASH: ParamsHash = ParamsHash([1; 32]);

    /// A refund over 5.00 whose `attempts`-th submit is about to leave.
    fn sending(attempts: u32) -> RefundRecord {
        let record = admitted("R1", 500, UnixMillis::new(0));
        let policy = Policy::default();
        let started = advance(record, &Event::SubmitStarted, UnixMillis::new(0), &policy);
        let mut record = started.unwrap().record;
        record.tally.attempts = attempts;
        record.params_hash = Some(HASH);
        record
    }

    fn asked(
        record: &RefundRecord,
        hash: ParamsHash,
        gateway: &str,
        duplicates: Duplicates,
    ) -> MaySend {
        let gateway = GatewayName::parse(gateway).unwrap();
        let policy = Policy { duplicates, ..Policy::default() };
        may_send(record, Sending { hash, gateway: &gateway, daily_cents: None }, &policy)
    }

    #[test]
    fn a_first_send_needs_an_intent_for_what_leaves() {
        let (first, other) = (sending(1), ParamsHash([2; 32]));
        assert_eq!(asked(&first, HASH, "gw", Duplicates::Unknown), MaySend::Yes);
        assert_eq!(asked(&first, other, "gw", Duplicates::Unknown), MaySend::Renew);
    }

    #[test]
    fn a_resend_is_equal_to_the_first_send_and_still_certified() {
        let (again, other) = (sending(2), ParamsHash([2; 32]));
        assert_eq!(asked(&again, HASH, "gw", Duplicates::Replays), MaySend::Yes);
        for (hash, gateway, duplicates, cause) in [
            (other, "gw", Duplicates::Replays, ParkCause::ParamsChanged),
            (HASH, "elsewhere", Duplicates::Replays, ParkCause::ParamsChanged),
            (HASH, "gw", Duplicates::Unknown, ParkCause::NotFound),
        ] {
            let answer = asked(&again, hash, gateway, duplicates);
            assert!(matches!(answer, MaySend::Never(why, _) if why == cause), "{answer:?}");
        }
        let often = asked(&sending(4), HASH, "gw", Duplicates::Replays);
        assert!(matches!(often, MaySend::Never(ParkCause::NotFound, _)), "{often:?}");
    }

    #[test]
    fn what_no_day_has_room_for_is_for_a_person() {
        let (record, gateway) = (sending(1), GatewayName::parse("gw").unwrap());
        let answer = |limit| {
            let sending = Sending { hash: HASH, gateway: &gateway, daily_cents: Some(limit) };
            may_send(&record, sending, &Policy::default())
        };
        assert_eq!(answer(500), MaySend::Yes);
        assert!(matches!(answer(499), MaySend::Never(ParkCause::DailyLimit, _)));
    }
}
