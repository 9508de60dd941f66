//! The overview over made-up figures.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::time::Duration;

use super::*;
use crate::domain::state::Outcome;
use crate::domain::{AccountName, Currency, GatewayName};
use crate::ledger::MemoryLedger;
use crate::operator::Desk;
use crate::ops::dashboard::board::Board;
use crate::ports::figures::{
    AuditLine, Bin, Calls, Ended, Figures, GatewayReport, Level, Report, ResultsGroup,
    SETTLE_BOUNDS_MS, Sample, Watch,
};
use crate::ports::ledger::{Counts, Stored};
use crate::ports::{Fitness, LedgerError, ManualClock};

const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);

/// Answers with what it was given; `None` is a Redis that is away.
#[derive(Debug)]
struct Made(Mutex<Option<Figures>>);

#[async_trait]
impl Watch for Made {
    async fn figures(&self, _: UnixMillis) -> Result<Figures, LedgerError> {
        let figures = self.0.lock().unwrap().clone();
        figures.ok_or_else(|| LedgerError::Unavailable("secret-host:6379 refused".into()))
    }
    async fn keep_sample(&self, _: &Sample) -> Result<(), LedgerError> {
        Ok(())
    }
    async fn history(
        &self,
        _: UnixMillis,
        now: UnixMillis,
        _: u32,
    ) -> Result<Vec<Sample>, LedgerError> {
        Ok((0..=4).map(|n| sample(now.minus((4 - n) * 3_600_000), n)).collect())
    }
    async fn keep_report(&self, _: &Report) -> Result<(), LedgerError> {
        Ok(())
    }
    async fn reports(&self) -> Result<Vec<Report>, LedgerError> {
        let calls = |outcome: &str, code: &str, count| Calls {
            call: "query".to_owned(),
            outcome: outcome.to_owned(),
            code: code.to_owned(),
            count,
        };
        let gateway = GatewayReport {
            gateway: "gw".to_owned(),
            breaker_open: true,
            put_off: 3,
            calls: vec![calls("found", "", 10), calls("timeout", "<b>504</b>", 30)],
        };
        let report = |worker: &str, at| Report {
            worker: worker.to_owned(),
            version: "0.1.0".to_owned(),
            started_at: NOW.minus(7_200_000),
            at,
            holds: 4,
            gateways: vec![gateway.clone()],
        };
        Ok(vec![report("alive-1", NOW), report("gone-1", NOW.minus(60_000))])
    }
    async fn audit(&self, _: Option<&str>, _: usize) -> Result<Vec<AuditLine>, LedgerError> {
        Ok(Vec::new())
    }
    async fn search(&self, _: &str, _: &[GatewayName]) -> Result<Vec<Stored>, LedgerError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Fitness for Made {
    async fn fit(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

fn ended(outcome: Outcome, count: u64) -> Ended {
    let mut took = [0; SETTLE_BOUNDS_MS.len() + 1];
    took[4] = count;
    Ended { outcome, took }
}

fn sample(at: UnixMillis, n: u64) -> Sample {
    Sample {
        at,
        unsettled: 3,
        parked: 1,
        unconfirmed: 1,
        overdue: 0,
        backlog: 0,
        oldest_at: Some(NOW.minus(18_000_000)),
        ended: vec![ended(Outcome::Succeeded, n * 10), ended(Outcome::Failed, n)],
    }
}

fn level(state: StateKind, detail: &'static str, currency: &str, amount_cents: u64) -> Level {
    let account = AccountName::parse("shop").unwrap();
    let bin = Bin { state, detail, account, currency: Currency::parse(currency).unwrap() };
    Level { bin, refunds: 2, amount_cents }
}

fn figures() -> Figures {
    Figures {
        at: NOW,
        counts: Counts {
            due: 5,
            overdue: 2,
            backlog: 7,
            oldest_due: Some(NOW.minus(9_000)),
            ..Counts::default()
        },
        levels: vec![
            level(StateKind::Unconfirmed, "", "KWD", 1_234),
            level(StateKind::Processing, "", "JPY", 1_234_567),
            level(StateKind::Parked, "horizon", "CAD", 99_999),
            level(StateKind::Settled, "succeeded", "CAD", 777_777),
        ],
        oldest: vec![
            (StateKind::Parked, NOW.minus(86_400_000)),
            (StateKind::Unconfirmed, NOW.minus(25_200_000)),
        ],
        ended: vec![ended(Outcome::Succeeded, 60), ended(Outcome::Failed, 4)],
        oldest_request: Some(NOW.minus(120_000)),
        groups: vec![ResultsGroup {
            name: "orders".to_owned(),
            lag: None,
            pending: 4,
            oldest_at: Some(NOW.minus(960_000)),
        }],
        losses: 1,
        lost_at: Some(NOW.minus(3_540_000)),
    }
}

fn parts(watch: &Arc<Made>) -> Parts {
    let (ledger, clock) = (Arc::new(MemoryLedger::new()), Arc::new(ManualClock::new(NOW)));
    Parts {
        ledger: ledger.clone(),
        watch: watch.clone(),
        clock: clock.clone(),
        accounts: Arc::default(),
        desk: Desk::new(ledger, clock, BTreeMap::new()),
        fitness: watch.clone(),
        pulse: Arc::default(),
    }
}

async fn drawn(watch: &Arc<Made>, board: &Board) -> (String, String) {
    drawn_after(watch, board, 4_000).await
}

/// The same, looked at so many ms after [`NOW`].
async fn drawn_after(watch: &Arc<Made>, board: &Board, ms: u64) -> (String, String) {
    let parts = parts(watch);
    let view = board.view(&parts).await;
    let all = sections(&view, &parts, NOW.plus(ms));
    let text = all.into_iter().map(|section| section.html).collect();
    (text, title(&findings(&view, &parts, NOW.plus(ms))))
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_comes_first_and_money_has_the_digits_of_its_currency() {
    let made = Arc::new(Made(Mutex::new(Some(figures()))));
    let (text, title) = drawn(&made, &Board::default()).await;
    assert_eq!(title, "▲ gw unreachable – refundd");
    let mut from = 0;
    for told in [
        "▲ Alarm: Gateway gw does not answer: submits are stopped, queries go on.",
        "● Look: The oldest refund that no gateway is known to hold is 7 h old (unconfirmed).",
        "● Look: 2 refunds parked: 999.99\u{a0}CAD.",
        "● Look: 2 steps overdue.",
        "● Look: A request has waited 2 min to be taken in.",
        "● Look: Consumer group orders has left a result unread or unacknowledged for 16 min.",
        "● Look: Redis was restarted or replaced 59 min ago and may have lost writes.",
        "Figures as of 22:13:20 UTC",
        "/refunds?state=unconfirmed",
        "✕ over",
        " its limit of 6 h",
        "1.234\u{a0}KWD",
        "1\u{202f}234\u{202f}567\u{a0}JPY",
        "64 refunds in the last 4 h",
        "<svg",
        "▲ breaker open",
        "30 (75.0 %)",
        "timeout &lt;b&gt;504&lt;/b&gt; × 30",
        "✓ alive",
        "✕ gone",
        "unknown",
        "/attention?reason=horizon",
        "Redis was restarted or replaced and may have lost writes 1 time",
    ] {
        let found = text[from..].find(told);
        from += found.unwrap_or_else(|| panic!("no {told:?} after place {from} in {text}"));
    }
    assert!(!text.contains("7\u{202f}777.77"), "what has settled is not in flight");
}

#[tokio::test(start_paused = true)]
async fn a_failed_reading_keeps_the_last_figures_and_says_so_without_addresses() {
    let made = Arc::new(Made(Mutex::new(None)));
    let never = drawn(&made, &Board::default()).await.0;
    assert!(
        never.contains("Nothing could be read yet") && never.contains("Redis cannot be reached")
    );
    assert!(!never.contains("secret-host") && !never.contains("id=\"money\""), "{never}");
    *made.0.lock().unwrap() = Some(figures());
    let board = Board::default();
    let good = drawn(&made, &board).await.0;
    assert!(!good.contains("data-live=\"\" class=\"old\""), "{good}");
    *made.0.lock().unwrap() = None;
    assert_eq!(drawn(&made, &board).await.0, good, "read once a second at most");
    tokio::time::advance(Duration::from_millis(1_001)).await;
    let (old, title) = drawn(&made, &board).await;
    assert_eq!(title, "▲ Redis away – refundd");
    assert!(old.contains("Old figures: as of 22:13:20 UTC, 4 s ago."), "{old}");
    assert!(old.contains("999.99\u{a0}CAD") && old.contains("class=\"old\""), "{old}");
}

#[tokio::test(start_paused = true)]
async fn what_an_outage_of_redis_hides_is_judged_as_of_the_last_reading() {
    let made = Arc::new(Made(Mutex::new(Some(figures()))));
    let board = Board::default();
    drawn(&made, &board).await;
    *made.0.lock().unwrap() = None;
    tokio::time::advance(Duration::from_mins(1)).await;
    // A minute later every report is older than a living process would leave it.
    let (old, _) = drawn_after(&made, &board, 60_000).await;
    assert!(old.contains("Old figures: as of 22:13:20 UTC, 1 min ago."), "{old}");
    for kept in ["30 (75.0 %)", "▲ breaker open", "✓ alive", "Gateway gw does not answer"] {
        assert!(old.contains(kept), "no {kept:?} in {old}");
    }
    for invented in ["No worker has been heard of", "no calls"] {
        assert!(!old.contains(invented), "{invented:?} in {old}");
    }
}

/// What the page says of these figures.
async fn told(figures: Figures) -> String {
    drawn(&Arc::new(Made(Mutex::new(Some(figures)))), &Board::default()).await.0
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_redis_is_worth_a_look_for_an_hour_and_claims_no_loss() {
    let at = |ago| Figures { lost_at: Some(NOW.minus(ago)), ..figures() };
    let fresh = told(at(3_540_000)).await;
    assert!(fresh.contains("● Look: Redis was restarted or replaced 59 min ago"), "{fresh}");
    let past = told(at(3_601_000)).await;
    assert!(!past.contains("Look: Redis was restarted"), "{past}");
    for text in [fresh, past] {
        assert!(!text.contains("lost writes 1 h ago") && !text.contains("Redis lost"), "{text}");
        assert!(text.contains("and may have lost writes 1 time, last found at"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_gateway_holds_has_an_age_and_no_limit() {
    let held = vec![(StateKind::Processing, NOW.minus(864_000_000))];
    let text = told(Figures { oldest: held, ..figures() }).await;
    assert!(!text.contains("Look: The oldest") && !text.contains("✕ over"), "{text}");
    assert!(text.contains("/refunds?state=processing"), "{text}");
    let tile = text.split("Oldest unsettled").nth(1).unwrap().split("</div>").next().unwrap();
    assert!(tile.contains("10 d") && tile.contains("a gateway holds it, no limit"), "{tile}");
    // An older one at a gateway does not hide the verdict on the others.
    let mut both = figures();
    both.oldest.push((StateKind::Processing, NOW.minus(864_000_000)));
    let text = told(both).await;
    assert!(text.contains("✕ over") && text.contains("a gateway has held one for 10 d"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_reads_its_results_is_no_finding() {
    let mut read = figures();
    read.groups[0].oldest_at = Some(NOW.minus(890_000));
    assert!(!told(read).await.contains("Look: Consumer"));
}
