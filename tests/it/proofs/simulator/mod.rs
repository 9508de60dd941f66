//! The seeded simulator: refundd's own intake, handler and domain over the ledger in memory, a manual
//! clock and a simulated gateway with its own book, which is the judge. Every fault of the matrix in
//! random combination; the same seed is the same life.
//!
//! `REFUNDD_SIM_SEEDS` sets how many seeds are tried, `REFUNDD_SIM_SEED` replays one of them.

mod faults;
mod gateway;
mod judge;
mod worker;
mod world;

use world::World;

/// Things that happen in one seed before the faults end.
const STEPS: usize = 600;

/// Seeds of the short form.
const SHORT: u64 = 400;

#[derive(Debug, Default)]
struct Tried {
    seeds: u64,
    refunds: usize,
    submits: u64,
    stale: usize,
    losses: u32,
    acts: u32,
}

impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seeds, refunds, submits, stale, losses, acts } = self;
        write!(
            f,
            "{seeds} seeds, {refunds} refunds, {submits} submits, {stale} stale writes refused, \
             {losses} losses of writes, {acts} acts of people"
        )
    }
}

/// Lives one seed; what is wrong at its end.
fn live(seed: u64, tried: &mut Tried) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step().await;
        }
        let drained = world.drain().await;
        tried.seeds += 1;
        tried.refunds += world.asked.len();
        tried.submits += world.gateway.submits();
        tried.stale += world.stale;
        tried.losses += world.losses;
        tried.acts += world.acts;
        judge::verdict(&world, drained).await
    })
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment how long")]
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn no_seed_pays_twice_or_loses_a_refund() {
    let seeds = match number("REFUNDD_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("REFUNDD_SIM_SEEDS").unwrap_or(SHORT),
    };
    let mut tried = Tried::default();
    for seed in seeds {
        let wrong = live(seed, &mut tried);
        assert!(wrong.is_empty(), "replay with REFUNDD_SIM_SEED={seed}:\n{}", wrong.join("\n"));
    }
    assert!(tried.submits > tried.seeds, "the simulation does something: {tried:?}");
    eprintln!("proved: simulator, {tried}, 0 violations");
}

#[test]
fn a_seed_is_lived_the_same_way_twice() {
    for seed in 0..20 {
        let (mut first, mut second) = (Tried::default(), Tried::default());
        assert_eq!(live(seed, &mut first), live(seed, &mut second));
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}
