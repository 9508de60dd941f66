//! Chaos with real processes: workers killed, frozen and ended, Redis killed, a gateway that
//! misbehaves in every way it knows, and connections that break on both sides, all at once and
//! under load. Then everything is well again, and the judge reads the gateway's own book.
//!
//! A seed draws the requests, the faults and the order of the disturbances. What happens between
//! two processes is not repeated by it, but the mix is.
//!
//! | variable | is |
//! |---|---|
//! | `REFUNDD_CHAOS_SEEDS` | seeds divided by commas; each is a run of its own |
//! | `REFUNDD_CHAOS_REFUNDS` | refund numbers of each run |

mod run;
mod seasons;
mod takeover;
mod traffic;
mod verdict;
mod verdict_tests;

use run::Chaos;

/// The runs of the ordinary tests.
const SEEDS: &str = "7,1";
const REFUNDS: &str = "300";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_paid_twice_or_lost_while_everything_goes_wrong() {
    let refunds = variable("REFUNDD_CHAOS_REFUNDS", REFUNDS).parse().expect("a number");
    for seed in variable("REFUNDD_CHAOS_SEEDS", SEEDS).split(',') {
        let seed = seed.trim().parse().expect("seeds are numbers divided by commas");
        Chaos::rough(seed, refunds).await.finish().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the product")]
fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
