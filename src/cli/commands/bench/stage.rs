//! The processes of a run: a private Redis, the gateway, the worker. Each is a child with its own CPU time,
//! and none outlives the run.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::gateway::Gateway;
use super::preload::Scene;
use super::{Args, POLL_MS, load};
use crate::app::{self, Store};
use crate::cli::CliError;
use crate::config::{self, Config, Environment};
use crate::ledger::{Checkup, Gauge};
use crate::sandbox::{Fault, FaultPlan, On, Rule, Settings as SandboxSettings};

/// How long a process may take until it can be used.
const READY: Duration = Duration::from_secs(60);

/// Between two looks at one that starts.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Holds the signing key, in the worker's environment.
const KEY_VARIABLE: &str = "BENCH_KEY";

/// What was paid for an order of the benchmark, cents.
const PAID_CENTS: u64 = 10_000;

/// The processes and how to reach them.
#[derive(Debug)]
pub(super) struct Stage {
    args: Args,
    folder: PathBuf,
    program: PathBuf,
    namespace: String,
    redis: Option<Child>,
    sandbox: Option<Child>,
    worker: Option<Child>,
    given: Option<Gauge>,
}

impl Stage {
    /// Starts nothing yet.
    pub(super) fn new(args: Args, folder: &Path) -> Result<Self, CliError> {
        let program = std::env::current_exe()
            .map_err(|err| CliError::Io("cannot tell where refundd lies".to_owned(), err))?;
        Ok(Self {
            args,
            folder: folder.to_owned(),
            program,
            namespace: format!("bench-{}", std::process::id()),
            redis: None,
            sandbox: None,
            worker: None,
            given: None,
        })
    }

    pub(super) fn args(&self) -> &Args {
        &self.args
    }

    /// The worker's process.
    pub(super) fn worker(&self) -> Option<u32> {
        self.worker.as_ref().and_then(Child::id)
    }

    /// The gateway's process, if it is ours.
    pub(super) fn sandbox(&self) -> Option<u32> {
        self.sandbox.as_ref().and_then(Child::id)
    }

    /// Starts Redis and the gateway, where they are not given, and writes the worker's configuration.
    pub(super) async fn open(&mut self) -> Result<Gateway, CliError> {
        if self.args.redis_url.is_none() {
            self.redis = Some(self.start_redis()?);
        }
        let base = match self.args.gateway_url.clone() {
            Some(base) => base,
            None => self.start_sandbox().await?,
        };
        let gateway = Gateway::at(&base);
        self.write("bench.toml", &self.configuration(gateway.base()))?;
        Ok(gateway)
    }

    fn start_redis(&self) -> Result<Child, CliError> {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--unixsocket", "redis.sock", "--unixsocketperm", "700"]);
        command.args(["--appendonly", "yes", "--appendfsync", self.args.sync.as_str()]);
        // Without rewrites the file's length tells how much each refund writes.
        command.args(["--auto-aof-rewrite-percentage", "0", "--save", ""]);
        command.args(["--maxmemory-policy", "noeviction", "--daemonize", "no"]);
        command.stdout(self.file("redis.log")?).stderr(Stdio::null());
        self.spawn(command, "redis-server")
    }

    /// Starts the gateway; answers its address.
    async fn start_sandbox(&mut self) -> Result<String, CliError> {
        let settings = sandbox_settings(&self.args);
        let text = serde_json::to_string(&settings).map_err(|err| CliError::Failed {
            what: "the gateway's settings cannot be written".to_owned(),
            source: Some(Box::new(err)),
        })?;
        self.write("sandbox.json", &text)?;
        let mut command = Command::new(&self.program);
        command.env_clear().args(["sandbox", "--settings", "sandbox.json"]);
        command.stdout(self.file("sandbox.out")?).stderr(self.file("sandbox.log")?);
        self.sandbox = Some(self.spawn(command, "refundd sandbox")?);
        let begun = Instant::now();
        loop {
            // iotpay      http://127.0.0.1:40123  merchant_id …
            let said = self.text("sandbox.out");
            if let Some(base) = said.lines().next().and_then(|line| line.split_whitespace().nth(1))
                && said.ends_with('\n')
            {
                return Ok(base.to_owned());
            }
            if has_ended(self.sandbox.as_mut()) || begun.elapsed() > READY {
                let why = self.text("sandbox.log");
                return Err(CliError::failed(format!("the gateway sandbox does not start: {why}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The worker's configuration: the defaults, but for what the flags say and a fixed poll delay.
    fn configuration(&self, gateway: &str) -> String {
        let socket = format!("unix://{}", self.folder.join("redis.sock").display());
        let redis = self.args.redis_url.as_ref().map_or(socket.as_str(), |url| url.expose());
        let sandbox = SandboxSettings::default();
        format!(
            "# Written by `refundd bench`.\n\
             [redis]\nurl = {redis:?}\nnamespace = \"{namespace}\"\n\n\
             [ops]\nlisten = \"127.0.0.1:0\"\n\n[log]\nlevel = {log_level:?}\n\n\
             [worker]\nconcurrency = {concurrency}\n\n\
             [gateways.bench]\nprotocol = \"iotpay\"\nbase_url = {gateway:?}\n\
             merchant_id = \"{merchant}\"\nlogin_name = \"bench\"\nkey_env = \"{KEY_VARIABLE}\"\n\n\
             [accounts.{account}]\ncurrency = \"{currency}\"\nclient_ip = \"203.0.113.7\"\n\
             submit = \"bench\"\norder_gap_ms = 0\n\
             poll = {{ initial_ms = {POLL_MS}, multiplier = 1.0, max_ms = {POLL_MS}, jitter = 0.0 }}\n",
            namespace = self.namespace,
            log_level = self.args.log_level,
            concurrency = self.args.concurrency,
            merchant = sandbox.iotpay.merchant_id,
            account = load::ACCOUNT,
            currency = load::CURRENCY,
        )
    }

    /// The configuration, read back as a user's would be.
    fn config(&self) -> Result<(Config, Environment), CliError> {
        let key = SandboxSettings::default().iotpay.key;
        let environment = [(KEY_VARIABLE.to_owned(), key)].into_iter().collect();
        let config = config::load(Some(&self.folder.join("bench.toml")), &environment)?;
        Ok((config, environment))
    }

    /// Opens the ledger as soon as Redis answers.
    pub(super) async fn store(&mut self) -> Result<(Gauge, Store), CliError> {
        let (config, _) = self.config()?;
        let begun = Instant::now();
        let store = loop {
            match Store::open(&config.settings.redis).await {
                Ok(store) => break store,
                Err(err) if self.redis.is_none() || begun.elapsed() > READY => {
                    return Err(err.into());
                }
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        let gauge = || Gauge::connect(&store.connector, store.keys.clone());
        if self.redis.is_none() {
            self.given = Some(gauge().await?);
        }
        Ok((gauge().await?, store))
    }

    /// What is to be preloaded, and for which account.
    pub(super) fn scene(&self) -> Result<Scene, CliError> {
        let (config, environment) = self.config()?;
        let accounts = app::accounts(&config, &config.keys(&environment)?)?;
        let account = accounts.iter().next().cloned();
        let account = account.ok_or_else(|| CliError::failed("there is no account"))?;
        Ok(Scene { account, scheduled: self.args.scheduled, settled: self.args.settled })
    }

    /// Starts the worker and waits until it takes requests; answers how long that took, ms.
    pub(super) async fn start_worker(&mut self, store: &Store) -> Result<u64, CliError> {
        let checkup = Checkup::connect(&store.connector, store.keys.clone()).await?;
        let begun = Instant::now();
        let mut command = Command::new(&self.program);
        command.env_clear().env(KEY_VARIABLE, SandboxSettings::default().iotpay.key);
        command.args(["--config", "bench.toml", "run"]);
        command.stdout(Stdio::null()).stderr(self.file("worker.log")?);
        self.worker = Some(self.spawn(command, "refundd run")?);
        while !checkup.streams(Duration::ZERO).await?.requests.group {
            if has_ended(self.worker.as_mut()) || begun.elapsed() > READY {
                let text = format!("the worker does not start: {}", self.last_words());
                return Err(CliError::failed(text));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The last line that the worker has logged.
    pub(super) fn last_words(&self) -> String {
        self.text("worker.log").lines().last().unwrap_or_default().to_owned()
    }

    /// What a file of the run has in it so far; nothing if it cannot be read.
    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Ends all processes, and deletes what was written to a given Redis.
    pub(super) async fn close(mut self) -> Result<(), CliError> {
        for child in [&mut self.worker, &mut self.sandbox, &mut self.redis] {
            if let Some(mut child) = child.take() {
                // Nothing that they hold is of use any more. One that has ended already is no failure.
                let _ = child.kill().await;
            }
        }
        match self.given {
            Some(gauge) => Ok(gauge.erase().await?),
            None => Ok(()),
        }
    }

    fn spawn(&self, mut command: Command, what: &str) -> Result<Child, CliError> {
        command.current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        command.spawn().map_err(|err| CliError::Io(format!("{what} cannot be started"), err))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), CliError> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)
            .map_err(|err| CliError::Io(format!("cannot write {}", path.display()), err))
    }

    fn file(&self, name: &str) -> Result<File, CliError> {
        let path = self.folder.join(name);
        File::create(&path)
            .map_err(|err| CliError::Io(format!("cannot write {}", path.display()), err))
    }
}

fn has_ended(child: Option<&mut Child>) -> bool {
    child.is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
}

/// A gateway that does what the flags say and nothing else.
fn sandbox_settings(args: &Args) -> SandboxSettings {
    let late = Rule::new(On::Both, Fault::AnswerLate { ms: args.gateway_latency_ms });
    SandboxSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        auto_orders: Some(PAID_CENTS),
        processing_polls: args.polls.saturating_sub(1),
        arrivals: true,
        faults: FaultPlan {
            rules: if args.gateway_latency_ms > 0 { vec![late] } else { Vec::new() },
            ..FaultPlan::default()
        },
        ..SandboxSettings::default()
    }
}
