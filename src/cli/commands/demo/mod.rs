//! `refundd demo`: the whole thing on one machine with nothing configured, judged by the sandbox's
//! own book.

mod check;
mod report;
mod scenario;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Signals;
use super::folder::Folder;
use crate::app::{self, Service, Store};
use crate::cli::progress;
use crate::cli::{CliError, Context, Exit, Output};
use crate::config::{self, Config};
use crate::contract::ResultV1;
use crate::ports::Accounts;
use crate::sandbox::{Running, Sandbox};
use scenario::{Case, Scenario};

/// How long the refunds may take to settle before the demo gives up.
const LIMIT: Duration = Duration::from_secs(120);

/// Results read at once.
const BATCH: usize = 500;

/// How much to show.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Refunds to enqueue
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    refunds: u32,
    /// Disturb one call in ten at random on top: resets, 5xx, HTML, cut-off and forged answers
    #[arg(long)]
    faults: bool,
    /// Keep refundd's data in this empty folder instead of a temporary one that goes with the demo
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Keep the dashboard up after the check, until Ctrl-C
    #[arg(long)]
    stay: bool,
    /// The published results, one JSON object a line, instead of the tables
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Runs the demo; fails if the check against the book fails. Whatever happens, everything that was
/// started is stopped.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let mut signals = Signals::listen()?;
    let folder = Folder::make("demo", args.data_dir.clone())?;
    let scenario = Scenario::new(args.refunds, args.faults);
    let sandbox = Sandbox::start(scenario.sandbox_settings());
    let sandbox = sandbox
        .await
        .map_err(|err| CliError::Io("the gateway sandbox does not start".to_owned(), err))?;
    for order in scenario.orders() {
        // The scenario names each order once.
        let _ = sandbox.sandbox().add_order(order);
    }
    let (config, accounts) = configure(&sandbox, &folder.path)?;
    context.output.note(&format!(
        "gateway sandbox at {}, private Redis in {}",
        sandbox.base_url(),
        folder.path.display()
    ));
    let store = Store::open(&config.settings.redis).await?;
    let shown = match Service::start(&config, &store, accounts).await {
        Ok(service) => {
            let address = service.ops();
            context
                .output
                .note(&format!("dashboard at http://{address}/ as long as the demo runs"));
            let shown = tokio::select! {
                shown = show(&scenario, &store, &service, &sandbox, context.output) => shown,
                exit = signals.next() => Ok(exit),
            };
            if args.stay && matches!(shown, Ok(Exit::Done)) {
                context.output.note(&format!("dashboard at http://{address}/ until Ctrl-C"));
                signals.next().await;
            }
            service.stop().await;
            shown
        }
        Err(err) => Err(err.into()),
    };
    let closed = store.close().await;
    sandbox.shutdown().await;
    let shown = shown?;
    closed?;
    Ok(shown)
}

/// Writes the demo's configuration and reads it back, as a user's would be.
fn configure(sandbox: &Running, folder: &Path) -> Result<(Config, Accounts), CliError> {
    let file = folder.join("demo.toml");
    std::fs::write(&file, Scenario::config(sandbox, folder))
        .map_err(|err| CliError::Io(format!("cannot write {}", file.display()), err))?;
    let environment = scenario::keys(sandbox);
    let config = config::load(Some(&file), &environment)?;
    let accounts = app::accounts(&config, &config.keys(&environment)?)?;
    Ok((config, accounts))
}

/// Enqueues, waits for the results, shows and checks them.
async fn show(
    scenario: &Scenario,
    store: &Store,
    service: &Service,
    sandbox: &Running,
    out: Output,
) -> Result<Exit, CliError> {
    enqueue(store, scenario, out).await?;
    let results = collect(store, scenario, out).await?;
    if out.json {
        results.values().flatten().try_for_each(|result| out.object(result))?;
    } else {
        report::print(scenario, &results, service, out).await?;
    }
    report::verdict(&check::check(scenario, &results, &sandbox.book()), out)?;
    Ok(Exit::Done)
}

/// Pushes every request of the scenario onto the stream, as an order system would.
async fn enqueue(store: &Store, scenario: &Scenario, out: Output) -> Result<(), CliError> {
    let requests = store.requests("demo").await?;
    let pushes = scenario.requests();
    let bar = progress::bar(out, pushes.len().try_into().unwrap_or(0), "enqueued");
    for batch in pushes.chunks(BATCH) {
        requests.push_all(batch).await?;
        bar.inc(batch.len().try_into().unwrap_or(0));
    }
    bar.finish();
    Ok(())
}

/// All results by refund number, in the order of their publication.
type ResultsByNo = BTreeMap<String, Vec<ResultV1>>;

/// Reads results until every request has its final one, or the time is up.
async fn collect(store: &Store, scenario: &Scenario, out: Output) -> Result<ResultsByNo, CliError> {
    let stream = store.results().await?;
    let expected = scenario.cases.iter().map(Case::results).sum::<usize>();
    let bar = progress::bar(out, expected.try_into().unwrap_or(0), "settled");
    let mut results = ResultsByNo::new();
    let mut after = "0".to_owned();
    let reading = async {
        let mut got = 0;
        while got < expected {
            for entry in stream.read(&after, BATCH, Some(Duration::from_secs(1))).await? {
                after.clone_from(&entry.id);
                let result: ResultV1 =
                    serde_json::from_str(&entry.json).map_err(|err| CliError::Failed {
                        what: format!("the result of {} cannot be read", entry.refund_no),
                        source: Some(Box::new(err)),
                    })?;
                got += 1;
                bar.inc(1);
                results.entry(entry.refund_no).or_default().push(result);
            }
        }
        Ok::<(), CliError>(())
    };
    // What is missing when the time is up is for the check to tell.
    if let Ok(read) = tokio::time::timeout(LIMIT, reading).await {
        read?;
    }
    bar.finish();
    Ok(results)
}
