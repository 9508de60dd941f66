//! Where the logs go: stderr, as lines for people or as JSON for machines. Never a key, never a
//! signing string, never a raw body of a gateway.

pub mod levels;
pub mod metrics;
pub mod otlp;

use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Starts the log, and the spans for a collector at that address if there is one. `level` is a filter
/// such as `info` or `refundd=debug`; an invalid one means `info`. Later calls do nothing.
pub fn start(format: LogFormat, level: &str, colour: bool, collector: Option<&str>) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Pretty => lines.with_ansi(colour).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    // A line says all there is to say; the spans would only repeat it.
    let lines = lines.with_filter(filter.and(filter_fn(|about| about.target() != otlp::TARGET)));
    let (spans, failed) = match collector.map(otlp::layer).transpose() {
        Ok(spans) => (spans, None),
        Err(err) => (None, Some(err)),
    };
    // Without a collector there is no layer for it at all: an empty one would keep every span alive.
    let started = match spans {
        Some(spans) => registry().with(lines).with(spans).try_init(),
        None => registry().with(lines).try_init(),
    };
    // Somebody who embeds the library may have set a log of their own; that one stays.
    drop(started);
    if let Some(err) = failed {
        tracing::warn!(%err, "telemetry.otlp_endpoint cannot be used; refunds go on without it");
    }
}
