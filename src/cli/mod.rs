//! The command line: parse, build what the command needs, run it, say how it ended.

mod commands;
mod exit;
mod output;
mod progress;

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::secret::SecretUrl;
use crate::config::{Config, ConfigError, Environment, load};
use crate::telemetry;

pub use exit::{CliError, Exit};
pub use output::Output;

/// Durable background refund worker: never pays twice, never loses a refund, says what it knows
/// and why.
#[derive(Debug, Parser)]
#[command(name = "refundd", version, after_help = Exit::HELP, max_term_width = 100)]
struct Cli {
    /// Configuration file (TOML); default: what `REFUNDD_CONFIG` names, else none
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// No progress bars, no notes
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole thing on this machine with nothing configured, checked against the gateway's book
    Demo(commands::demo::Args),
    /// Refunds a second on this machine, and what each costs, checked against the gateway's book
    Bench(commands::bench::Args),
    /// Intake and workers from the configuration, until SIGTERM or Ctrl-C
    Run,
    /// The gateway emulator alone, both protocols, with faults to switch on
    Sandbox(commands::sandbox::Args),
    /// Push one refund from flags, or many from JSON lines
    Enqueue(Box<commands::enqueue::Args>),
    /// One refund: state, money, timeline
    Show(commands::show::Args),
    /// Refunds by state, account, age, reason
    List(commands::list::Args),
    /// Results as they were published
    Results(commands::results::Args),
    /// Ask the gateway about a refund now, also after its end
    Check(commands::act::Args),
    /// Let a parked refund go on: the gateway is asked first
    Release(commands::act::AgreedArgs),
    /// Say how a refund ended, on evidence of your own
    Resolve(commands::act::ResolveArgs),
    /// Stop working on a refund; this does not cancel anything at the gateway
    Abandon(commands::act::AgreedArgs),
    /// Stop submits of one account or of all; queries go on
    Pause(commands::pause::Args),
    /// Let submits go on
    Resume(commands::pause::Args),
    /// Who did what to which refund, when and why
    Audit(commands::audit::Args),
    /// Looks at configuration, Redis, gateways and this machine; says what to do about each finding
    Doctor(commands::doctor::Args),
    /// The effective configuration, secrets masked
    Config,
    /// JSON Schema of request and result
    Schema(commands::schema::Args),
}

/// What every command may use.
#[derive(Debug)]
struct Context {
    config: Option<PathBuf>,
    environment: Environment,
    output: Output,
}

impl Context {
    /// The checked configuration.
    fn load(&self) -> Result<Config, ConfigError> {
        load(self.config.as_deref(), &self.environment)
    }

    /// The checked configuration of a command that runs for long, with the log started by it.
    fn load_with_log(&self) -> Result<Config, ConfigError> {
        let config = self.load()?;
        let log = &config.settings.log;
        let format = match log.format {
            crate::config::model::LogFormat::Text => telemetry::LogFormat::Pretty,
            crate::config::model::LogFormat::Json => telemetry::LogFormat::Json,
        };
        let collector = config.settings.telemetry.otlp_endpoint.as_ref().map(SecretUrl::expose);
        telemetry::start(format, &log.level, self.output.colour, collector);
        Ok(config)
    }
}

/// Runs the program with the given arguments, the first being its own name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(err) => {
            // Help and version are no errors; clap knows where each belongs.
            let _ = err.print();
            return if err.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let environment = Environment::of_process();
    let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let output = Output::new(cli.command.json(), cli.quiet, no_color);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.worker_threads(threads()).enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => {
            output.error(&CliError::Io("cannot start the runtime".to_owned(), err));
            return Exit::Failed;
        }
    };
    let context = Context { config: cli.config, environment, output };
    let done = runtime.block_on(dispatch(cli.command, &context));
    // A read of the terminal cannot be called off; whoever was interrupted does not wait for it.
    runtime.shutdown_background();
    match done {
        Ok(exit) | Err(CliError::Stopped(exit)) => exit,
        // Whoever reads our output has heard enough, such as `head`.
        Err(CliError::Io(_, err)) if err.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
        Err(err) => {
            output.error(&err);
            err.exit()
        }
    }
}

/// Half of the processors: refunds wait much and compute little, Redis and the kernel need the rest, and
/// threads that take turns at small tasks cost more than they bring.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

async fn dispatch(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Demo(args) => commands::demo::run(args, context).await,
        Command::Bench(args) => commands::bench::run(args, context).await,
        Command::Run => commands::run::run(context).await,
        Command::Sandbox(args) => commands::sandbox::run(args, context).await,
        Command::Enqueue(args) => commands::enqueue::run(*args, context).await,
        Command::Show(args) => commands::show::run(args, context).await,
        Command::List(args) => commands::list::run(args, context).await,
        Command::Results(args) => commands::results::run(args, context).await,
        Command::Check(args) => commands::act::check(args, context).await,
        Command::Release(args) => commands::act::release(args, context).await,
        Command::Resolve(args) => commands::act::resolve(args, context).await,
        Command::Abandon(args) => commands::act::abandon(args, context).await,
        Command::Pause(args) => commands::pause::pause(args, context).await,
        Command::Resume(args) => commands::pause::resume(args, context).await,
        Command::Audit(args) => commands::audit::run(args, context).await,
        Command::Doctor(_) => commands::doctor::run(context).await,
        Command::Config => commands::config::run(context),
        Command::Schema(args) => commands::schema::run(&args, context),
    }
}

impl Command {
    fn json(&self) -> bool {
        match self {
            Self::Demo(args) => args.json,
            Self::Bench(args) => args.json,
            Self::Show(args) => args.json,
            Self::List(args) => args.json,
            Self::Results(args) => args.json,
            Self::Enqueue(args) => args.json,
            Self::Check(args) => args.json,
            Self::Release(args) | Self::Abandon(args) => args.args.json,
            Self::Resolve(args) => args.agreed.args.json,
            Self::Audit(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Pause(args) | Self::Resume(args) => args.json,
            Self::Run | Self::Sandbox(_) | Self::Config | Self::Schema(_) => false,
        }
    }
}

/// The help of every command, for `docs/cli.md`.
pub fn help_page() -> String {
    let mut page = String::from(
        "# Commands\n\nPrinted from the program; a test fails when this page is stale.\n",
    );
    let mut root = Cli::command();
    root.build();
    let mut describe = |name: String, command: &clap::Command| {
        let help = command.clone().term_width(90).render_long_help();
        let help = help.to_string();
        let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end());
    };
    describe("refundd".to_owned(), &root);
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        describe(format!("refundd {}", command.get_name()), command);
    }
    page
}

#[cfg(test)]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_commands_page_is_fresh() {
        crate::generated::check("docs/cli.md", &help_page());
    }
}
