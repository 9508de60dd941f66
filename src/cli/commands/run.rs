//! `refundd run`: intake and workers until told to stop.

use super::Signals;
use crate::app::{self, Service, Store};
use crate::cli::{CliError, Context, Exit};
use crate::crash;
use crate::telemetry::otlp;

/// Runs until SIGTERM or Ctrl-C; then waits for answers under way. A second signal ends at once.
pub(in crate::cli) async fn run(context: &Context) -> Result<Exit, CliError> {
    let config = context.load_with_log()?;
    if let Some(point) = context.environment.get(crash::VARIABLE) {
        crash::arm(point);
    }
    let keys = config.keys(&context.environment)?;
    for warning in &keys.warnings {
        tracing::warn!("{warning}");
    }
    let accounts = app::accounts(&config, &keys)?;
    if accounts.iter().next().is_none() {
        return Err(CliError::Usage(
            "there is no account to refund from: write an [accounts.*] and a [gateways.*] entry \
             into a file and name it with --config"
                .to_owned(),
        ));
    }
    let names: Vec<_> = accounts.iter().map(|account| account.name.to_string()).collect();
    let mut signals = Signals::listen()?;
    let store = Store::open(&config.settings.redis).await?;
    let mut service = match Service::start(&config, &store, accounts).await {
        Ok(service) => service,
        Err(err) => {
            store.close().await?;
            return Err(err.into());
        }
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = config.settings.redis.namespace,
        accounts = names.join(","),
        concurrency = config.settings.worker.concurrency,
        ops = %format!("http://{}", service.ops()),
        "refundd is running"
    );
    let exit = tokio::select! {
        exit = signals.next() => exit,
        () = service.broken() => Exit::Failed,
    };
    tracing::info!("stopping: waiting for answers under way; a second signal ends at once");
    tokio::select! {
        () = service.stop() => {}
        _ = signals.next() => {
            tracing::warn!("ended at once; what was under way will be asked for");
            return Ok(Exit::Interrupted);
        }
    }
    store.close().await?;
    tracing::info!("stopped");
    // On a thread where it keeps nobody waiting; the flush itself has a limit.
    drop(tokio::task::spawn_blocking(otlp::flush).await);
    Ok(exit)
}
