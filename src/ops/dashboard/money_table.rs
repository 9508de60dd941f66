//! Where the money is: by currency and state, and what waits for people, by reason.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::findings::in_state;
use super::overview::amount;
use super::words::{Sum, count, span};
use crate::domain::state::{ParkCause, StateKind};
use crate::domain::{Currency, UnixMillis};
use crate::ports::figures::Figures;

/// The states that a stored refund may be in before its end, in the order of its life.
const IN_FLIGHT: [StateKind; 5] = [
    StateKind::Requested,
    StateKind::Unconfirmed,
    StateKind::Refused,
    StateKind::Processing,
    StateKind::Parked,
];

/// Money that is not settled, by currency and state.
pub(super) fn in_flight(figures: &Figures) -> Markup {
    let mut rows = BTreeMap::<Currency, BTreeMap<StateKind, (u64, u64)>>::new();
    for level in figures.levels.iter().filter(|level| IN_FLIGHT.contains(&level.bin.state)) {
        let row = rows.entry(level.bin.currency).or_default();
        let cell = row.entry(level.bin.state).or_default();
        *cell = (cell.0.saturating_add(level.amount_cents), cell.1.saturating_add(level.refunds));
    }
    if rows.is_empty() {
        return html! { p { "✓ No money is in flight: everything that was asked for has ended." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Money in flight" {
            table.cards {
                caption { "Amounts by currency and state, with the number of refunds. Currencies are never added up." }
                thead { tr {
                    th scope="col" { "Currency" }
                    @for state in IN_FLIGHT { th.num scope="col" { (state.as_str()) } }
                    th.num scope="col" { "in all" }
                } }
                tbody {
                    @for (currency, row) in &rows {
                        tr {
                            th scope="row" { (currency.as_str()) }
                            @for state in IN_FLIGHT {
                                td.num data-label=(state.as_str()) {
                                    @match row.get(&state) {
                                        Some((cents, refunds)) => (amount(*currency, *cents, *refunds)),
                                        None => span.quiet { "–" },
                                    }
                                }
                            }
                            @let all = row.values().fold((0_u64, 0_u64), |sum, one| {
                                (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1))
                            });
                            td.num data-label="in all" { strong { (amount(*currency, all.0, all.1)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Why refunds of a cause are parked, for people.
pub(super) fn cause_words(code: &str) -> &'static str {
    match ParkCause::ALL.iter().find(|cause| cause.as_str() == code) {
        Some(ParkCause::Horizon) => "asked about up to the horizon without a final answer",
        Some(ParkCause::NotFound) => "sent with unknown outcome, and the gateway does not know it",
        Some(ParkCause::Discrepancy) => "the gateway shows another amount or number than was asked",
        Some(ParkCause::Abnormal) => "the money went back to the merchant's account",
        Some(ParkCause::UnprovenFailure) => "the gateway calls it failed, and does not prove it",
        Some(ParkCause::ParamsChanged) => "a resend would differ from the first send",
        Some(ParkCause::Poison) => "handling it crashed several times",
        Some(ParkCause::Contradiction) => "it had settled, and the gateway now tells otherwise",
        Some(ParkCause::OverRefund) => "its order would give back more than was paid",
        Some(ParkCause::DailyLimit) => "more than its account may send in a day",
        None => "a reason of another version of refundd",
    }
}

/// Parked refunds by reason, and the unconfirmed ones; every one of them is counted.
pub(super) fn attention(figures: &Figures, now: UnixMillis) -> Markup {
    let mut parked = BTreeMap::<&str, Sum>::new();
    for level in figures.levels.iter().filter(|level| level.bin.state == StateKind::Parked) {
        let sum = parked.entry(level.bin.detail).or_default();
        sum.add(level.refunds, level.bin.currency, level.amount_cents);
    }
    let unconfirmed = in_state(figures, StateKind::Unconfirmed);
    let oldest = |state| figures.oldest.iter().find(|(of, _)| *of == state).map(|(_, at)| *at);
    if parked.is_empty() && unconfirmed.refunds == 0 {
        return html! { p { "✓ Nothing waits for a person." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Needs attention" {
            table.cards {
                caption { "Every parked and unconfirmed refund, grouped." }
                thead { tr {
                    th scope="col" { "What" } th scope="col" { "Why" } th.num scope="col" { "Refunds" }
                    th.num scope="col" { "Money" } th scope="col" { "Do" }
                } }
                tbody {
                    @for (cause, sum) in &parked {
                        tr {
                            th scope="row" { a href={ "/refunds?state=parked&reason=" (cause) } { "‖ parked: " (cause) } }
                            td data-label="Why" { (cause_words(cause)) }
                            td.num data-label="Refunds" { (count(sum.refunds)) }
                            td.num data-label="Money" { (sum.money()) }
                            td data-label="Do" { a href={ "/attention?reason=" (cause) } { "Check or release together" } }
                        }
                    }
                    @if unconfirmed.refunds > 0 {
                        tr {
                            th scope="row" { a href="/refunds?state=unconfirmed" { "? unconfirmed" } }
                            td data-label="Why" { "sent or maybe sent; refundd goes on asking the gateway"
                                @if let Some(at) = oldest(StateKind::Unconfirmed) { ", the oldest for " (span(now.since(at))) } }
                            td.num data-label="Refunds" { (count(unconfirmed.refunds)) }
                            td.num data-label="Money" { (unconfirmed.money()) }
                            td data-label="Do" { span.quiet { "nothing: refundd works on it" } }
                        }
                    }
                }
            }
        }
        @if let Some(at) = oldest(StateKind::Parked) {
            p.quiet { "The oldest parked refund was taken in " (span(now.since(at))) " ago." }
        }
    }
}
