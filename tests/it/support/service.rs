//! A whole shop for a test: a gateway sandbox in this process, a Redis of its own, and `refundd` as
//! real processes that can be killed.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use refundd::contract::ResultV1;
use refundd::sandbox::{BookSnapshot, Duplicates, Running, Sandbox, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::redis::{TestRedis, signal};
use super::{wait_for, wait_until};

/// The program under test.
const REFUNDD: &str = env!("CARGO_BIN_EXE_refundd");

/// The keys of the sandbox, as the environment of the program holds them.
const KEYS: [(&str, &str); 2] =
    [("IOTPAY_KEY", "sandbox-iotpay-key"), ("IONLINEPAY_KEY", "sandbox-ionlinepay-key")];

/// A shop with three accounts: `shop-ca` (IOTPay, CAD), `shop-hk` (iOnline Pay, HKD) and
/// `shop-pair` (submits to IOTPay, asks iOnline Pay, HKD).
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) sandbox: Running,
    pub(crate) redis: TestRedis,
    folder: TempDir,
    workers: Vec<Child>,
}

/// A gateway that knows every order (100.00 paid), refuses a number it knows, and keeps a refund in
/// processing for one poll.
pub(crate) fn gateway() -> Settings {
    Settings {
        auto_orders: Some(10_000),
        duplicates: Duplicates::Rejects,
        processing_polls: 1,
        ..Settings::default()
    }
}

impl Shop {
    /// A shop on the given gateway, with a Redis that syncs every write.
    pub(crate) async fn open(settings: Settings) -> Self {
        let sandbox = Sandbox::start(settings).await.expect("the sandbox starts");
        let redis = TestRedis::start_durable();
        let folder = TempDir::with_prefix("refundd-shop-").expect("a temporary folder");
        let shop = Self { sandbox, redis, folder, workers: Vec::new() };
        std::fs::write(shop.config(), shop.toml()).expect("the configuration can be written");
        shop
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("refundd.toml")
    }

    /// The folder of the shop, gone with it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Rewrites the configuration, for whatever starts from now on.
    pub(crate) fn configure(&self, edit: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        std::fs::write(self.config(), edit(text)).expect("the configuration can be written");
    }

    fn toml(&self) -> String {
        let gateways = format!(
            "[redis]\nurl = \"{}\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n[worker]\nconcurrency = 32\nlease_ms = 3000\n\
             shutdown_ms = 2000\n\n[intake]\nreclaim_idle_ms = 1000\n\n\
             [gateways.iotpay]\nprotocol = \"iotpay\"\nbase_url = \"{}\"\n\
             merchant_id = \"10000576\"\nlogin_name = \"demo\"\nkey_env = \"IOTPAY_KEY\"\n\
             connect_timeout_ms = 300\ntimeout_ms = 600\n\
             status_map = {{ 0 = \"processing\", 1 = \"processing\", 2 = \"success\", 3 = \"failed\" }}\n\n\
             [gateways.ionlinepay]\nprotocol = \"ionlinepay\"\nbase_url = \"{}\"\n\
             merchant_id = \"sandbox-hk\"\nkey_env = \"IONLINEPAY_KEY\"\n\
             connect_timeout_ms = 300\ntimeout_ms = 600\n",
            self.redis.url(),
            self.sandbox.base_url(),
            self.sandbox.ionlinepay_url(),
        );
        let account = |name: &str, currency: &str, submit: &str, query: &str| {
            format!(
                "\n[accounts.{name}]\ncurrency = \"{currency}\"\nclient_ip = \"203.0.113.7\"\n\
                 submit = \"{submit}\"\nquery = \"{query}\"\nduplicate_refund_no = \"rejects\"\n\
                 order_gap_ms = 0\nretry = {{ initial_ms = 50, max_ms = 500 }}\n\
                 poll = {{ initial_ms = 50, multiplier = 1.5, max_ms = 400, jitter = 0.2, horizon_ms = 600000 }}\n\
                 unknown = {{ first_query_ms = 50, not_found_min = 3, visibility_ms = 1000, resubmits_max = 2 }}\n"
            )
        };
        [
            gateways,
            account("shop-ca", "CAD", "iotpay", "iotpay"),
            account("shop-hk", "HKD", "ionlinepay", "ionlinepay"),
            account("shop-pair", "HKD", "iotpay", "ionlinepay"),
        ]
        .concat()
    }

    /// The program with this shop's configuration and keys, and nothing else of the environment
    /// that refundd reads.
    pub(crate) fn refundd(&self, args: &[&str]) -> Command {
        let mut command = Command::new(REFUNDD);
        command.arg("--config").arg(self.config()).args(args).envs(KEYS);
        command.env_remove("REFUNDD_CONFIG").env("NO_COLOR", "1").stdin(Stdio::null());
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        self.refundd(args).output().expect("refundd can be run")
    }

    /// Starts one more `refundd run`; its log is `run-N.log` in the shop's folder.
    pub(crate) fn run(&mut self) -> usize {
        self.run_with(&[])
    }

    /// The same with something more in its environment.
    pub(crate) fn run_with(&mut self, environment: &[(&str, &str)]) -> usize {
        let n = self.workers.len();
        let log = File::create(self.path(&format!("run-{n}.log"))).expect("the log can be written");
        let mut command = self.refundd(&["run"]);
        let child =
            command.envs(environment.iter().copied()).stderr(log).stdout(Stdio::null()).spawn();
        self.workers.push(child.expect("refundd can be started"));
        n
    }

    /// The log of a worker so far.
    pub(crate) fn log(&self, n: usize) -> String {
        std::fs::read_to_string(self.path(&format!("run-{n}.log"))).unwrap_or_default()
    }

    /// Where the ops server of a worker listens, such as `127.0.0.1:40123`, once it does.
    pub(crate) async fn ops(&self, n: usize) -> String {
        wait_until("the ops server", async || {
            let log = self.log(n);
            let (_, told) = log
                .lines()
                .find(|line| line.contains("refundd is running"))?
                .split_once("http://")?;
            // In the log for machines it ends with a quotation mark.
            Some(told.split(|c: char| c.is_whitespace() || c == '"').next()?.to_owned())
        })
        .await
    }

    /// Sends a signal to a worker: `KILL`, `TERM`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, n: usize, which: &str) {
        signal(&format!("-{which}"), &self.workers[n].id().to_string());
    }

    /// What the kernel says of a worker: `T` stopped, `Z` dead, another letter alive.
    pub(crate) fn kernel_state(&self, n: usize) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.workers[n].id())).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    /// Kills a worker with -9 and sees it dead.
    pub(crate) fn kill(&mut self, n: usize) {
        self.workers[n].kill().expect("the worker can be killed");
        self.workers[n].wait().expect("the worker is dead");
    }

    /// Asks a worker to end and waits for it.
    pub(crate) fn terminate(&mut self, n: usize) -> ExitStatus {
        self.signal(n, "TERM");
        ended(&mut self.workers[n])
    }

    /// Whether a worker has ended, by itself or by a signal.
    pub(crate) fn has_ended(&mut self, n: usize) -> Option<ExitStatus> {
        self.workers[n].try_wait().expect("a child of ours")
    }

    /// Pushes a request as a plain client would.
    pub(crate) fn push(&self, request: &Value) {
        self.push_raw(&request.to_string());
    }

    /// Pushes any text as a request.
    pub(crate) fn push_raw(&self, request: &str) {
        let _: String = self.redis.cmd(&["XADD", "{refunds}:requests", "*", "request", request]);
    }

    /// Waits until there are at least `n` results and returns all there are.
    pub(crate) async fn results(&self, n: usize) -> Vec<ResultV1> {
        let what = format!("{n} results");
        wait_until(&what, async || {
            let results = self.results_now();
            (results.len() >= n).then_some(results)
        })
        .await
    }

    /// The results so far.
    pub(crate) fn results_now(&self) -> Vec<ResultV1> {
        let entries: Vec<(String, Vec<String>)> =
            self.redis.cmd(&["XRANGE", "{refunds}:results", "-", "+"]);
        let json = |(_, fields): &(String, Vec<String>)| {
            let at = fields.iter().position(|field| field == "result").expect("a field `result`");
            serde_json::from_str(&fields[at + 1]).expect("a result of version 1")
        };
        entries.iter().map(json).collect()
    }

    /// The gateway's own book.
    pub(crate) fn book(&self) -> BookSnapshot {
        self.sandbox.book()
    }
}

/// Waits until a process has ended; kills it if it does not.
pub(crate) fn ended(child: &mut Child) -> ExitStatus {
    let waited = std::panic::AssertUnwindSafe(|| {
        wait_for("a process to end", || child.try_wait().expect("a child of ours"))
    });
    std::panic::catch_unwind(waited).unwrap_or_else(|panic| {
        let _ = child.kill();
        let _ = child.wait();
        std::panic::resume_unwind(panic)
    })
}

impl Drop for Shop {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
        // Captured with the failing test; nobody else sees it.
        #[expect(clippy::print_stderr, reason = "the log of a worker says why the test failed")]
        if std::thread::panicking() {
            for n in 0..self.workers.len() {
                eprintln!("--- run-{n}.log\n{}", self.log(n));
            }
        }
    }
}

/// A good request over 5.00 for one account, with an order of its own.
pub(crate) fn request(refund_no: &str, account: &str) -> Value {
    json!({
        "v": 1,
        "refund_no": refund_no,
        "account": account,
        "amount_cents": 500,
        "currency": if account == "shop-ca" { "CAD" } else { "HKD" },
        "order": {
            "gateway_order_no": format!("P-{refund_no}"),
            "order_no": format!("O-{refund_no}"),
            "paid_cents": 10_000,
        },
    })
}
