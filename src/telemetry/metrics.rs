//! What is counted and measured: every name once, and one function for each thing that happens.
//!
//! Rules: prefix `refund_`, base units, `_total` on counters only, moments instead of ages, never a
//! refund or order number in a label. What happens is counted by the process that saw it; gauges that
//! are read from Redis are the same in every process, so aggregate them with `max`.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only ever rises while the process lives.
    Counter,
    /// A value at the moment of the scrape.
    Gauge,
    /// Counts by size; with the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// One metric: its name, what it is, what it says and by which labels.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name, as Prometheus has it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
}

/// From a fast answer on the local network to the longest call that a lease allows.
const CALL_S: &[f64] = &[0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0];

/// From a refund that settles at once to one that takes a week.
const SETTLE_S: &[f64] =
    &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 259_200.0, 604_800.0];

/// From a script in memory to a disk that hiccups.
const SCRIPT_S: &[f64] = &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// From a step that is done at once to one that waits for a restart.
const LAG_S: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3_600.0];

macro_rules! metrics {
    ($($(#[$about:meta])* $id:ident $kind:expr, $name:literal, $help:literal;)+) => {
        $($(#[$about])* pub(super) const $id: &str = $name;)+

        /// Every metric.
        pub const ALL: &[Metric] = &[$(Metric { name: $name, kind: $kind, help: $help }),+];
    };
}

metrics! {
    REQUESTS Kind::Counter, "refund_requests_total",
        "Requests by source (stream, http) and result (admitted, waiting, duplicate, quarantined or why it was refused)";
    SUBMITS Kind::Counter, "refund_submits_total",
        "Submits that may have left, by account, gateway and outcome";
    POLLS Kind::Counter, "refund_polls_total",
        "Refund queries by account, gateway and outcome";
    CALLS Kind::Histogram(CALL_S), "http_client_request_duration_seconds",
        "Gateway calls by gateway and call (submit, query)";
    RESULTS Kind::Counter, "refund_results_published_total",
        "Entries put onto the results stream, by outcome";
    SETTLES Kind::Histogram(SETTLE_S), "refund_settle_duration_seconds",
        "From admission to the first result, by account and outcome";
    PARKED Kind::Counter, "refund_parked_total",
        "Refunds stopped for a person, by reason";
    FENCED Kind::Counter, "refund_commits_refused_total",
        "Commits that the fence refused: another worker had taken the refund over";
    LIMIT_WAITS Kind::Counter, "refund_limit_waits_total",
        "Calls put off by a limit, by account and call";
    BREAKER Kind::Gauge, "refund_breaker_open",
        "1 while this process sends a gateway no submits because it does not answer";
    SCRIPTS Kind::Histogram(SCRIPT_S), "refund_redis_duration_seconds",
        "Writes to the ledger by operation, as the program waits for them";
    LOSSES Kind::Counter, "refund_write_losses_total",
        "Times that this process found that Redis may have lost writes";
    NOTICES Kind::Counter, "refund_notices_total",
        "Gateway notices by account and result (taken, unknown, forged, unreadable)";
    HTTP Kind::Counter, "refund_http_requests_total",
        "Requests to the ops server by route, method and status";
    DENIED Kind::Counter, "refund_http_denied_total",
        "Requests to the ops server that were denied, by reason";
    LEDGER_UP Kind::Gauge, "refund_ledger_up",
        "1 if the ledger answered when it was read last; the gauges read from it are NaN if not";
    LEDGER_READ Kind::Gauge, "refund_ledger_read_timestamp_seconds",
        "When the ledger was last read for these gauges";
    LAST_CLAIM Kind::Gauge, "refund_last_claim_timestamp_seconds",
        "When this process last heard from the ledger on a claim or a commit; its start before the first";
    STORED Kind::Gauge, "refund_stored",
        "Refunds that the ledger keeps, ended ones included";
    OPEN Kind::Gauge, "refund_open",
        "Refunds that need attention some day";
    DUE Kind::Gauge, "refund_due",
        "Refunds whose next step is due now";
    OVERDUE Kind::Gauge, "refund_overdue",
        "Refunds whose next step has been due for more than ten seconds";
    WAITING Kind::Gauge, "refund_waiting",
        "Refunds that wait for another refund of their order";
    LEASED Kind::Gauge, "refund_leased",
        "Refunds that a worker holds";
    SETTLED Kind::Gauge, "refund_settled",
        "Refunds that have settled and are kept until their retention ends";
    BACKLOG Kind::Gauge, "refund_requests_backlog",
        "Requests on the stream that are not taken in yet";
    OLDEST_DUE Kind::Gauge, "refund_oldest_due_timestamp_seconds",
        "The earliest moment at which a refund is or was due; NaN if none is";
    REFUNDS Kind::Gauge, "refund_refunds",
        "Refunds by state, reason (why it is parked, how it ended), account and currency; what is being submitted counts as requested";
    AMOUNT Kind::Gauge, "refund_amount_cents",
        "The sum of their amounts, in minor units of the currency";
    OLDEST_UNSETTLED Kind::Gauge, "refund_oldest_unsettled_timestamp_seconds",
        "When the oldest refund of a state was taken in; NaN if the state has none";
    OLDEST_REQUEST Kind::Gauge, "refund_requests_oldest_timestamp_seconds",
        "When the oldest request was pushed that is not taken in yet; NaN if there is none";
    RESULTS_LAG Kind::Gauge, "refund_results_lag",
        "Results that a consumer group has not been given yet; NaN if Redis cannot tell";
    RESULTS_PENDING Kind::Gauge, "refund_results_pending",
        "Results that a consumer group was given and has not acknowledged";
    RESULTS_OLDEST Kind::Gauge, "refund_results_oldest_timestamp_seconds",
        "When the oldest result was published that a consumer group has not read or not acknowledged; NaN if there is none";
    WORKERS Kind::Gauge, "refund_workers",
        "Processes of refundd that have been heard of in the last thirty seconds";
    LOST_AT Kind::Gauge, "refund_write_loss_timestamp_seconds",
        "When Redis was last found to have lost writes; NaN if never";
    PAUSED Kind::Gauge, "refund_paused",
        "1 while the submits of an account are paused; * is all accounts";
    STEP_LAG Kind::Histogram(LAG_S), "refund_step_lag_seconds",
        "From the moment a step was due until it was begun";
    BUILD Kind::Gauge, "refund_build_info",
        "1; the version is a label";
}

/// The recorder of this process; made by the first call.
///
/// # Errors
/// In words, if the process has a recorder of another kind already, as a program that embeds refundd
/// may.
pub fn start() -> Result<&'static PrometheusHandle, String> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    let made = HANDLE.get_or_init(|| {
        let handle = install().map_err(|err| err.to_string())?;
        describe();
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        // From zero on, so that the first of them is seen to rise.
        counter!(FENCED).absolute(0);
        counter!(LOSSES).absolute(0);
        Ok(handle)
    });
    made.as_ref().map_err(Clone::clone)
}

fn install() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    builder.install_recorder()
}

fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// A request was taken in or refused.
pub fn request(source: &'static str, result: &'static str) {
    counter!(REQUESTS, "source" => source, "result" => result).increment(1);
}

/// A submit has come to its end.
pub fn submitted(account: &str, gateway: &str, outcome: &'static str) {
    let (account, gateway) = (account.to_owned(), gateway.to_owned());
    counter!(SUBMITS, "account" => account, "gateway" => gateway, "outcome" => outcome)
        .increment(1);
}

/// A query has come to its end.
pub fn polled(account: &str, gateway: &str, outcome: &'static str) {
    let (account, gateway) = (account.to_owned(), gateway.to_owned());
    counter!(POLLS, "account" => account, "gateway" => gateway, "outcome" => outcome).increment(1);
}

/// A gateway was called.
pub fn called(gateway: &str, call: &'static str, took: Duration) {
    histogram!(CALLS, "gateway" => gateway.to_owned(), "call" => call).record(took.as_secs_f64());
}

/// A result was published.
pub fn published(outcome: &'static str) {
    counter!(RESULTS, "outcome" => outcome).increment(1);
}

/// A refund got its first result.
pub fn settled(account: &str, outcome: &'static str, took: Duration) {
    let account = account.to_owned();
    histogram!(SETTLES, "account" => account, "outcome" => outcome).record(took.as_secs_f64());
}

/// A refund was stopped for a person.
pub fn parked(reason: &'static str) {
    counter!(PARKED, "reason" => reason).increment(1);
}

/// The handling of a refund begins, so long after it was due.
pub fn step_lag(lag: Duration) {
    histogram!(STEP_LAG).record(lag.as_secs_f64());
}

/// The fence refused a commit.
pub fn fenced() {
    counter!(FENCED).increment(1);
}

/// A call was put off by a limit.
pub fn limited(account: &str, call: &'static str) {
    counter!(LIMIT_WAITS, "account" => account.to_owned(), "call" => call).increment(1);
}

/// A breaker has opened or closed.
pub fn breaker(gateway: &str, open: bool) {
    gauge!(BREAKER, "gateway" => gateway.to_owned()).set(f64::from(u8::from(open)));
}

/// A write to the ledger has come to its end.
pub fn ledger(operation: &'static str, took: Duration) {
    histogram!(SCRIPTS, "operation" => operation).record(took.as_secs_f64());
}

/// Redis may have lost writes.
pub fn writes_lost() {
    counter!(LOSSES).increment(1);
}

/// A gateway has told something unasked.
pub fn noticed(account: &str, result: &'static str) {
    counter!(NOTICES, "account" => account.to_owned(), "result" => result).increment(1);
}

/// The ops server has answered. `route` is a pattern, never a path as it was sent.
pub fn answered(route: &str, method: &'static str, status: u16) {
    let (route, status) = (route.to_owned(), status.to_string());
    counter!(HTTP, "route" => route, "method" => method, "status" => status).increment(1);
}

/// The ops server has denied a request.
pub fn denied(reason: &'static str) {
    counter!(DENIED, "reason" => reason).increment(1);
}

/// The last sign of life between the workers and the ledger, Unix ms.
pub fn last_claim(at_ms: i64) {
    gauge!(LAST_CLAIM).set(seconds(at_ms));
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a gauge is a float; counts stay far below 2^53"
)]
pub(super) fn count(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a timestamp is a float of seconds; milliseconds stay far below 2^53"
)]
pub(super) fn seconds(at_ms: i64) -> f64 {
    at_ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        for metric in ALL {
            let name = metric.name;
            assert!(name.bytes().all(legal), "{name}");
            // The one whose name a convention outside dictates.
            assert!(name.starts_with("refund_") || name == CALLS, "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
            assert!(!name.ends_with("_ms") && !metric.help.ends_with('.'), "{name}");
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(name.ends_with("_seconds") && buckets.is_sorted(), "{name}");
            }
            assert_eq!(ALL.iter().filter(|other| other.name == name).count(), 1, "{name}");
        }
    }
}
