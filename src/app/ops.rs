//! The ops server, put together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{AppError, Store, desk};
use crate::config::Config;
use crate::config::model::Role as Written;
use crate::ops::auth::{Role, Tokens};
use crate::ops::{Listening, Parts, Settings};
use crate::ports::Watch;
use crate::telemetry::metrics;
use crate::workers;

/// How often what was measured is folded into buckets if nobody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Takes the address of the configuration.
pub(super) async fn listen(config: &Config) -> Result<Listening, AppError> {
    let listen = config.listen;
    Listening::on(listen).await.map_err(|source| AppError::Listen { listen, source })
}

/// Answers until `stop` says so.
pub(super) fn serve(
    listening: Listening,
    config: &Config,
    store: &Store,
    workers: &workers::Parts,
    watch: Arc<dyn Watch>,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    let parts = Parts {
        ledger: Arc::clone(&workers.ledger),
        watch,
        clock: Arc::clone(&workers.clock),
        accounts: Arc::clone(&workers.accounts),
        desk: desk(config, Arc::clone(&workers.ledger), Arc::clone(&workers.clock)),
        fitness: Arc::new(store.connector.clone()),
        pulse: Arc::clone(&workers.pulse),
    };
    let settings = settings(config);
    listening.serve(parts, settings, stop)
}

fn settings(config: &Config) -> Settings {
    let mut tokens = Tokens::default();
    for (name, token) in &config.settings.ops.tokens {
        let role = match token.role {
            Written::Read => Role::Read,
            Written::Enqueue => Role::Enqueue,
            Written::Operate => Role::Operate,
        };
        tokens.add(name, role, &token.sha256);
    }
    let worker = &config.settings.worker;
    Settings { tokens, silence_ms: worker.lease_ms, drain_ms: worker.shutdown_ms }
}

/// Keeps what is measured small; never ends.
pub(super) async fn upkeep() {
    let recorder = match metrics::start() {
        Ok(recorder) => recorder,
        Err(err) => return tracing::warn!(err, "there are no metrics"),
    };
    loop {
        recorder.run_upkeep();
        tokio::time::sleep(UPKEEP).await;
    }
}
