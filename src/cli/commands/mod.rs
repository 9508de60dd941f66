//! One file a command.

pub(super) mod act;
pub(super) mod audit;
pub(super) mod bench;
pub(super) mod config;
pub(super) mod demo;
pub(super) mod doctor;
pub(super) mod enqueue;
mod folder;
pub(super) mod list;
pub(super) mod pause;
pub(super) mod results;
pub(super) mod run;
pub(super) mod sandbox;
pub(super) mod schema;
pub(super) mod show;
mod stream;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CliError, Exit};
use crate::app::Store;
use crate::config::Config;

/// SIGTERM (a normal end) and Ctrl-C (an interruption), heard from the moment this is made: a
/// signal that comes while something is being started must not kill the process half way.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|err| CliError::Io("cannot listen to signals".to_owned(), err))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one; says how the program ends by it.
    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.terminate.recv() => Exit::Done,
            _ = self.interrupt.recv() => Exit::Interrupted,
        }
    }
}

/// Opens the store, runs `work` with it, closes it whatever came of the work. A signal ends the
/// work with [`CliError::Stopped`].
async fn with_store<T, F>(
    config: &Config,
    work: impl FnOnce(Arc<Store>) -> F,
) -> Result<T, CliError>
where
    F: Future<Output = Result<T, CliError>>,
{
    let mut signals = Signals::listen()?;
    let store = Arc::new(Store::open(&config.settings.redis).await?);
    let done = tokio::select! {
        done = work(Arc::clone(&store)) => done,
        exit = signals.next() => Err(CliError::Stopped(exit)),
    };
    if let Some(store) = Arc::into_inner(store) {
        store.close().await?;
    }
    done
}

/// A duration as people write it: `90s`, `15m`, `2h`, `3d`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("must be a number with ms, s, m, h or d, such as 90s or 2h".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "must begin with a number".to_owned())?;
    count.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| "is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "5", "h", "-1s", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
