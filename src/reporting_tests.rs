//! Reports and samples, on a ledger in memory.

use super::*;
use crate::ledger::MemoryLedger;
use crate::ports::ManualClock;

#[tokio::test(start_paused = true)]
async fn a_process_reports_again_and_again_and_samples_once_a_minute() {
    let (ledger, start) = (Arc::new(MemoryLedger::new()), UnixMillis::new(90_000));
    let clock = Arc::new(ManualClock::new(start));
    let gateways = vec![GatewayName::parse("gw").unwrap()];
    let (watch, clock_of) = (Arc::clone(&ledger), Arc::clone(&clock));
    let traffic = Arc::default();
    let parts = Parts { watch, clock: clock_of, traffic, worker: "me".to_owned(), gateways };
    let mut sampled = None;
    for at in [90_000, 95_000, 121_000] {
        once(&parts, start, UnixMillis::new(at), &mut sampled).await.unwrap();
    }
    let reports = ledger.reports().await.unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].at.get(), reports[0].started_at), (121_000, start));
    assert_eq!(reports[0].gateways[0].gateway, "gw");
    let until = UnixMillis::new(200_000);
    let kept = ledger.history(UnixMillis::new(0), until, 10).await.unwrap();
    let minutes: Vec<i64> = kept.iter().map(|sample| sample.at.get()).collect();
    assert_eq!(minutes, [60_000, 120_000]);
}
