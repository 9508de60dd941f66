//! One run: three workers, traffic, disturbances one after the other, and the end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use refundd::sandbox::{Settings, Standing};
use serde_json::Value;

use super::seasons;
use super::traffic::{About, Entry, Pushed, entries};
use super::verdict::{Violation, World, judge};
use crate::support::draw::Draw;
use crate::support::proxy::{Proxy, Rates, Upstream};
use crate::support::service::{Shop, gateway};
use crate::support::wait_within;

/// How many results may be owed before the next request is pushed: enough that every worker has
/// work whenever it is disturbed.
const BACKLOG: usize = 120;

/// Longest wait for the next step of a run, and for the end of it.
const LIMIT: Duration = Duration::from_secs(180);

/// As the shop's configuration has it.
const LEASE_MS: u64 = 3_000;

const WORKERS: usize = 3;

const TO_GATEWAY: Rates = Rates { delay: 60, reset: 10, truncate: 10, stall: 10, refuse: 5 };
const TO_REDIS: Rates = Rates { delay: 10, reset: 3, truncate: 3, stall: 2, refuse: 40 };

/// What is done to the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    /// kill -9, and another worker.
    Kill,
    /// SIGSTOP for longer than a lease, then SIGCONT.
    Freeze,
    /// SIGTERM, and another worker.
    End,
    /// kill -9 of Redis, and a start on the same file.
    KillRedis,
}

/// Two rounds of these and everything has been hit; kills are the most frequent.
const BLOWS: [Blow; 7] =
    [Blow::Kill, Blow::Freeze, Blow::Kill, Blow::KillRedis, Blow::Kill, Blow::End, Blow::KillRedis];

/// A run under way.
#[derive(Debug)]
pub(super) struct Chaos {
    seed: u64,
    pub(super) shop: Shop,
    proxies: Option<(Proxy, Proxy)>,
    ahead: std::vec::IntoIter<Entry>,
    pushed: Vec<Pushed>,
    /// Results that the pushed requests lead to.
    expected: usize,
    total: usize,
    workers: Vec<usize>,
    draw: Draw,
    blows: BTreeMap<Blow, u32>,
    seasons: BTreeMap<&'static str, u32>,
    /// Workers that ended by themselves, as one does that cannot reach Redis at its start.
    gave_up: u32,
}

impl Chaos {
    /// A run in which everything goes wrong.
    pub(super) async fn rough(seed: u64, refunds: usize) -> Self {
        let mut chaos = Self::calm(seed, refunds).await;
        let to_gateway = Upstream::Tcp(chaos.shop.sandbox.addr);
        let url = chaos.shop.redis.url();
        let socket = url.strip_prefix("unix://").expect("a unix socket").into();
        let gateway = Proxy::start(to_gateway, TO_GATEWAY, seed);
        let redis = Proxy::start(Upstream::Unix(socket), TO_REDIS, !seed);
        let (from, to) = (chaos.shop.sandbox.addr.to_string(), gateway.addr.to_string());
        chaos.shop.configure(|toml| {
            let toml = replaced(&toml, &url, &format!("redis://{}", redis.addr));
            replaced(&toml, &from, &to)
        });
        chaos.proxies = Some((gateway, redis));
        chaos
    }

    /// The same shop and the same requests, and nothing goes wrong but what the requests ask for.
    pub(super) async fn calm(seed: u64, refunds: usize) -> Self {
        let settings = Settings {
            settle_after_ms: 150,
            processing_polls: 2,
            faults: seasons::plan(seed, Vec::new()),
            ..gateway()
        };
        let shop = Shop::open(settings).await;
        // Parked refunds are asked about soon, so that a run sees corrections.
        shop.configure(|toml| {
            replaced(&toml, "horizon_ms = 600000", "horizon_ms = 600000, parked_ms = 1000")
        });
        let ahead = entries(seed, refunds);
        Self {
            seed,
            shop,
            proxies: None,
            total: ahead.iter().filter(|entry| entry.answered).count(),
            ahead: ahead.into_iter(),
            pushed: Vec::new(),
            expected: 0,
            workers: Vec::new(),
            draw: Draw::new(seed.rotate_left(32)),
            blows: BTreeMap::new(),
            seasons: BTreeMap::new(),
            gave_up: 0,
        }
    }

    /// Runs until nothing moves any more, prints what was done, and judges.
    pub(super) async fn finish(mut self) {
        self.start_workers();
        self.suffer().await;
        let world = self.drain().await;
        let violations = judge(&world);
        let report = self.report(&world, &violations);
        say(&report);
        for violation in &violations {
            say(&self.evidence(violation));
        }
        assert_eq!(violations, [], "seed {}", self.seed);
        self.was_rough();
    }

    pub(super) fn start_workers(&mut self) {
        self.workers = (0..WORKERS).map(|_| self.shop.run()).collect();
    }

    /// Pushes and disturbs; each blow waits for its share of the results.
    async fn suffer(&mut self) {
        let mut seasons = seasons::all();
        self.draw.shuffle(&mut seasons);
        let steps = (self.total / 40).max(seasons.len());
        for step in 0..steps {
            let (name, rules) = seasons[step % seasons.len()].clone();
            let seed = self.seed.wrapping_add(u64::try_from(step).expect("small"));
            self.shop.sandbox.sandbox().set_faults(seasons::plan(seed, rules));
            *self.seasons.entry(name).or_default() += 1;
            self.until_results(self.total * (step + 1) * 9 / (steps * 10)).await;
            self.until_something_happens().await;
            self.strike(BLOWS[step % BLOWS.len()]).await;
        }
    }

    async fn strike(&mut self, blow: Blow) {
        *self.blows.entry(blow).or_default() += 1;
        let victim = self.draw.index(self.workers.len());
        let worker = self.workers[victim];
        match blow {
            Blow::Kill => {
                self.shop.kill(worker);
                self.workers[victim] = self.shop.run();
            }
            Blow::End => {
                self.shop.terminate(worker);
                self.workers[victim] = self.shop.run();
            }
            Blow::KillRedis => {
                self.shop.redis.kill();
                self.shop.redis.restart();
            }
            Blow::Freeze => {
                if self.shop.has_ended(worker).is_some() {
                    return;
                }
                self.shop.signal(worker, "STOP");
                let over = self.redis_ms() + LEASE_MS + 200;
                self.until("the frozen worker's leases to end", |chaos| chaos.redis_ms() > over)
                    .await;
                self.shop.signal(worker, "CONT");
            }
        }
    }

    /// Waits for a condition; pushes what there is room for and replaces workers meanwhile.
    async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        wait_within(LIMIT, what, || {
            self.push_some();
            self.replace_those_who_gave_up();
            std::future::ready(holds(self).then_some(()))
        })
        .await;
    }

    async fn until_results(&mut self, n: usize) {
        self.until(&format!("{n} results"), |chaos| chaos.results() >= n).await;
    }

    /// The next submit or result: a blow then meets something under way.
    async fn until_something_happens(&mut self) {
        let progress = |chaos: &Self| {
            let submits = chaos.shop.sandbox.sandbox().totals().submits;
            (submits, chaos.results())
        };
        let before = progress(self);
        self.until("a submit or a result", |chaos| progress(chaos) != before).await;
    }

    fn results(&self) -> usize {
        self.shop.redis.run("XLEN {refunds}:results")
    }

    fn redis_ms(&self) -> u64 {
        let (seconds, micros): (u64, u64) = self.shop.redis.run("TIME");
        seconds * 1_000 + micros / 1_000
    }

    fn push_some(&mut self) {
        while self.expected.saturating_sub(self.results()) < BACKLOG {
            let Some(entry) = self.ahead.next() else { return };
            let words = ["XADD", "{refunds}:requests", "*", entry.field, &entry.value];
            let id = self.shop.redis.cmd(&words);
            self.expected += usize::from(entry.answered);
            self.pushed.push(Pushed { id, about: entry.about });
        }
    }

    /// What a supervisor does for a worker that could not start.
    fn replace_those_who_gave_up(&mut self) {
        for at in 0..self.workers.len() {
            if let Some(status) = self.shop.has_ended(self.workers[at]) {
                // 1 is what one says that cannot reach Redis; all else is no way to end.
                assert_eq!(status.code(), Some(1), "{}", self.shop.log(self.workers[at]));
                self.gave_up += 1;
                self.workers[at] = self.shop.run();
            }
        }
    }

    /// All is well again; waits until every refund has come as far as it can, ends the workers and
    /// takes everything down.
    pub(super) async fn drain(&mut self) -> World {
        if let Some((gateway, redis)) = &self.proxies {
            gateway.clean();
            redis.clean();
        }
        self.shop.sandbox.sandbox().set_faults(seasons::plan(self.seed, Vec::new()));
        self.until("every refund to end", |chaos| {
            chaos.ahead.as_slice().is_empty() && chaos.nothing_moves()
        })
        .await;
        for worker in self.workers.clone() {
            assert!(self.shop.terminate(worker).success(), "{}", self.shop.log(worker));
        }
        self.world()
    }

    /// Whether all requests are taken in and all refunds have settled, are parked where the gateway
    /// itself knows no better, or wait behind one that is.
    fn nothing_moves(&self) -> bool {
        if self.shop.redis.run::<u64>("XLEN {refunds}:requests") > 0 {
            return false;
        }
        let Some(refunds) = self.list() else { return false };
        let book = self.shop.book();
        let word = |refund: &Value, name: &str| refund[name].as_str().unwrap_or("").to_owned();
        let order = |refund: &Value| refund["order"]["order_no"].clone();
        let parked = |refund: &Value| word(refund, "state") == "parked";
        refunds.iter().all(|refund| {
            let standing = book.refund(&word(refund, "refund_no")).map(|entry| entry.standing);
            match &*word(refund, "state") {
                "settled" => true,
                "parked" => matches!(standing, None | Some(Standing::Abnormal)),
                _ => {
                    refund["waiting"] == true
                        && refunds
                            .iter()
                            .any(|other| parked(other) && order(other) == order(refund))
                }
            }
        })
    }

    /// All stored refunds, as `refundd list --json` shows them.
    fn list(&self) -> Option<Vec<Value>> {
        let listed = self.shop.call(&["list", "--json", "--limit", "10000000"]);
        let text = String::from_utf8(listed.stdout).ok().filter(|_| listed.status.success())?;
        text.lines().map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn world(&self) -> World {
        let redis = &self.shop.redis;
        let kept: Vec<(String, Vec<(String, redis::Value)>)> =
            redis.run("XRANGE {refunds}:quarantine - +");
        let entry = |fields: Vec<(String, redis::Value)>| {
            let entry = fields.into_iter().find(|(name, _)| name == "entry").map(|(_, id)| id);
            redis::from_redis_value(entry.expect("a field `entry`")).expect("an id")
        };
        let accounts: Vec<(String, String)> = redis.run("HGETALL {refunds}:orders");
        // An order under a second id only points at the first one.
        let held =
            |(id, account): (String, String)| Some((id, account.split('|').next()?.parse().ok()?));
        let unsettled: Vec<String> = redis.run("ZRANGE {refunds}:due 0 -1");
        let unread: u64 = redis.run("XLEN {refunds}:requests");
        World {
            pushed: self.pushed.clone(),
            results: self.shop.results_now(),
            book: self.shop.book(),
            quarantined: kept.into_iter().map(|(_, fields)| entry(fields)).collect(),
            unsettled: unsettled.into_iter().collect(),
            held: accounts.into_iter().filter_map(held).collect(),
            left_over: unread + redis.run::<u64>("HLEN {refunds}:leases"),
        }
    }

    fn report(&self, world: &World, violations: &[Violation]) -> String {
        let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
        for result in &world.results {
            let code = result.code.as_deref().unwrap_or_default();
            let outcome = format!("{} {code}", result.outcome.as_str());
            *outcomes.entry(outcome.trim().to_owned()).or_default() += 1;
        }
        let good = world.pushed.iter().filter(|push| matches!(push.about, About::Good(_))).count();
        let totals = world.book.totals;
        let mut page = format!(
            "proved: chaos, seed {}: {} requests ({good} good), {} refunds at the gateway, {} submits, \
             {} paid",
            self.seed,
            world.pushed.len(),
            totals.refunds,
            totals.submits,
            totals.effects
        );
        let mut row = |name: &str, what: &dyn std::fmt::Debug| {
            let _ = write!(page, "; {name} {what:?}");
        };
        row("blows", &self.blows);
        row("workers that gave up", &self.gave_up);
        row("gateway faults", &self.seasons);
        if let Some((gateway, redis)) = &self.proxies {
            row("proxy to the gateway", &gateway.counts());
            row("proxy to Redis", &redis.counts());
        }
        row("results", &outcomes);
        row("violations", &violations.len());
        page
    }

    /// Everything that helps to see how a violation came to be.
    fn evidence(&self, violation: &Violation) -> String {
        let Violation { about, what } = violation;
        let shown = self.shop.call(&["show", about, "--json"]).stdout;
        let shown = String::from_utf8_lossy(&shown);
        let mut page = format!("seed {}: {about}: {what}\n{shown}", self.seed);
        for n in 0..=self.workers.iter().copied().max().unwrap_or(0) {
            let log = self.shop.log(n);
            for line in log.lines().filter(|line| line.contains(about)) {
                let _ = writeln!(page, "  run-{n}: {line}");
            }
        }
        page
    }

    /// A run in which nothing went wrong proves nothing.
    fn was_rough(&self) {
        let (gateway, redis) = self.proxies.as_ref().expect("a rough run has proxies");
        for way in ["request", "answer"] {
            for kind in ["delayed", "reset", "truncated", "stalled"] {
                let met = gateway.counts().keys().any(|word| *word == format!("{way} {kind}"));
                assert!(met, "seed {}: no {way} to the gateway was {kind}", self.seed);
            }
        }
        assert!(redis.counts().len() > 3, "seed {}: Redis was hardly disturbed", self.seed);
        assert_eq!(self.blows.len(), 4, "seed {}: {:?}", self.seed, self.blows);
        assert_eq!(self.seasons.len(), seasons::all().len());
    }
}

/// The text with another piece in place of one that must be there.
pub(super) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the configuration has no {from:?}:\n{text}");
    text.replace(from, to)
}

/// Shown with a test that fails, or by `--nocapture`.
#[expect(clippy::print_stdout, reason = "what a run did is half of its result")]
pub(super) fn say(text: &str) {
    println!("{text}");
}
