//! `refundd bench`: how many refunds a second this machine settles, and what each costs.
//!
//! This process makes the load and judges. The worker (`refundd run`), the gateway (`refundd sandbox`)
//! and a private Redis are processes of their own, so that the cost of each can be told apart. A run
//! whose refunds were not all settled exactly once has no figures: it fails.
//!
//! | file | does |
//! |---|---|
//! | [`stage`] | starts and stops the processes, writes their configuration |
//! | [`load`] | makes requests, pushes them, reads the results |
//! | [`preload`] | puts scheduled and settled refunds in before the start |
//! | [`gateway`], [`process`] | ask the sandbox and the kernel |
//! | [`check`] | compares results with the gateway's book |
//! | [`figures`], [`measure`] | what is told, and how it comes about |
//! | [`report`] | the tables |

mod check;
mod figures;
mod gateway;
mod load;
mod measure;
mod preload;
mod process;
mod report;
mod stage;

use super::Signals;
use super::folder::Folder;
use crate::cli::{CliError, Context, Exit, Output};
use crate::config::secret::SecretUrl;
use figures::{Report, Setup};
use measure::Recorder;
use stage::Stage;

/// Delay of every poll, ms.
const POLL_MS: u64 = 50;

/// How much load, on what.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Args {
    /// Refunds to push; 20000, with --idle 200
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    refunds: Option<u32>,
    /// Queries until a refund is final, 50 ms apart; all before the last answer "processing". With
    /// --gateway-url the gateway's settings decide, and this says what they are
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    polls: u32,
    /// How long the gateway takes for an answer, ms
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=5_000))]
    gateway_latency_ms: u64,
    /// Refunds that the worker works on at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// When the private Redis syncs its append-only file
    #[arg(long, value_enum, default_value_t = Sync::Always, conflicts_with = "redis_url")]
    sync: Sync,
    /// Refunds in the ledger from the start that are not due for a year
    #[arg(long, default_value_t = 0)]
    scheduled: u32,
    /// Refunds in the ledger from the start that have settled
    #[arg(long, default_value_t = 0)]
    settled: u32,
    /// Redis to use instead of a private one. A namespace of its own is made there, and deleted in the
    /// end; what else uses that Redis is counted too
    #[arg(long, value_name = "URL", value_parser = address)]
    redis_url: Option<SecretUrl>,
    /// Sandbox to use instead of one of its own, such as `http://127.0.0.1:8791`; its settings `arrivals`
    /// and `auto_orders` must be on
    #[arg(long, value_name = "URL")]
    gateway_url: Option<String>,
    /// What the worker logs, into a file: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: String,
    /// One refund at a time at an empty queue, and then nothing for 10 s
    #[arg(long)]
    idle: bool,
    /// The figures as one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// An address that may hold a password.
#[expect(clippy::unnecessary_wraps, reason = "the parser of an argument may fail")]
fn address(text: &str) -> Result<SecretUrl, String> {
    Ok(SecretUrl::new(text))
}

/// `appendfsync` of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sync {
    /// Before every answer
    Always,
    /// Once a second
    Everysec,
    /// When the system likes
    No,
}

impl Sync {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
            Self::No => "no",
        }
    }
}

impl Args {
    fn refunds(&self) -> u32 {
        self.refunds.unwrap_or(if self.idle { 200 } else { 20_000 })
    }

    /// What is measured, in the words of the report.
    fn setup(&self, redis: &str) -> Setup {
        Setup {
            refunds: self.refunds(),
            polls: self.polls,
            gateway_latency_ms: self.gateway_latency_ms,
            concurrency: self.concurrency,
            sync: self.redis_url.is_none().then(|| self.sync.as_str()),
            scheduled: self.scheduled,
            settled: self.settled,
            log_level: self.log_level.clone(),
            redis_version: redis.to_owned(),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            load_before: process::load_average(),
        }
    }
}

/// Runs the benchmark. Whatever happens, everything that was started is stopped.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let mut signals = Signals::listen()?;
    let folder = Folder::make("bench", None)?;
    let mut stage = Stage::new(args, &folder.path)?;
    let done = tokio::select! {
        done = perform(&mut stage, context.output) => done,
        exit = signals.next() => Err(CliError::Stopped(exit)),
    };
    let closed = stage.close().await;
    let report = done?;
    closed?;
    if context.output.json {
        context.output.object(&report)?;
    } else {
        context.output.line(&report::text(&report))?;
    }
    Ok(Exit::Done)
}

/// Preload, load, wait, check: the figures, if they count.
async fn perform(stage: &mut Stage, out: Output) -> Result<Report, CliError> {
    let gateway = stage.open().await?;
    let (gauge, store) = stage.store().await?;
    let setup = stage.args().setup(&gauge.read().await?.version);
    let preloaded = preload::run(&stage.scene()?, &store, &gauge, out).await?;
    let started = stage.start_worker(&store).await?;
    let idle = stage.args().idle;
    let requests = load::requests(stage.args());
    let recorder = Recorder::start(stage, gauge).await?;
    let loaded = if idle {
        load::one_by_one(&store, &requests, &recorder, out).await?
    } else {
        load::all_at_once(&store, &requests, &recorder, out).await?
    };
    let cost = recorder.finish(stage, &loaded).await?;
    let resting = if idle { Some(recorder.rest(stage).await?) } else { None };
    let published = load::read_results(&store).await?;
    let book = gateway.book().await?;
    let checked = check::check(&requests, &published, &book);
    if !checked.problems.is_empty() {
        return Err(refuse(&checked, stage, out));
    }
    let arrivals = gateway.arrivals().await?;
    Ok(Report {
        latency: measure::latencies(stage.args(), &loaded, &published, arrivals.as_deref()),
        rate: measure::rate(&loaded, &published),
        setup,
        start_ms: started,
        preload: preloaded,
        idle: resting,
        check: checked.told(),
        cost,
    })
}

/// Why the figures do not count.
fn refuse(checked: &check::Checked, stage: &Stage, out: Output) -> CliError {
    for problem in checked.problems.iter().take(20) {
        out.note(&format!("  {}", crate::cli::output::one_line(problem)));
    }
    let said = stage.last_words();
    if !said.is_empty() {
        out.note(&format!("the worker's last words: {}", crate::cli::output::one_line(&said)));
    }
    let first = checked.problems.first().map(String::as_str).unwrap_or_default();
    CliError::failed(format!(
        "the figures do not count: the check against the gateway's book found {} problems, the first: {}",
        checked.problems.len(),
        crate::cli::output::one_line(first)
    ))
}
