//! Where the logs go: stderr, as lines for people or as JSON for machines. Never a key, never a
//! signing string, never a raw body of a gateway.

pub mod levels;
pub mod metrics;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Starts the log. `level` is a filter such as `info` or `refundd=debug`; an invalid one means
/// `info`. Later calls do nothing.
pub fn start(format: LogFormat, level: &str, colour: bool) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Pretty => lines.with_ansi(colour).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).try_init(),
    };
    // Somebody who embeds the library may have set a log of their own; that one stays.
    drop(started);
}
