//! A private Redis for tests, and a printable copy of everything it keeps.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use redis::{Connection, FromRedisValue, Value};
use refundd::ledger::{Connector, Keys, RedisLedger};
use tempfile::TempDir;

use super::wait_for;

/// Keeps a server no longer than this process lives: when its standard input ends, because the
/// process has ended in whatever way, the server is killed and its folder removed.
const GUARDIAN: &str = r#"
trap '' INT TERM
cd "$DIR" || exit 1
redis-server "$@" >redis.log 2>&1 &
echo $!
read -r _
kill -9 $! 2>/dev/null
wait $! 2>/dev/null
cd / && [ -n "$REMOVE" ] && rm -rf "$DIR"
"#;

/// A redis-server of its own, on a unix socket in a folder of its own; gone when dropped.
#[derive(Debug)]
pub(crate) struct TestRedis {
    folder: PathBuf,
    owned: Option<TempDir>,
    options: Vec<String>,
    guardian: Child,
    server: String,
}

impl TestRedis {
    /// Starts one that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with_options(&["--save", "", "--appendonly", "no"])
    }

    /// Starts one that syncs every write.
    pub(crate) fn start_durable() -> Self {
        let aof = ["--appendonly", "yes", "--appendfsync", "always"];
        Self::with_options(&[&["--save", ""], &aof[..]].concat())
    }

    fn with_options(options: &[&str]) -> Self {
        let owned = TempDir::with_prefix("refundd-it-").expect("a temporary folder");
        let folder = owned.path().to_owned();
        Self::in_folder(folder, Some(owned), options)
    }

    /// The one that all tests of this process share; each takes a namespace of its own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<TestRedis> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = TempDir::with_prefix("refundd-it-").expect("a temporary folder");
            let options = ["--save", "", "--appendonly", "no"];
            Self::in_folder(folder.keep(), None, &options) // removed by the guardian
        })
    }

    fn in_folder(folder: PathBuf, owned: Option<TempDir>, options: &[&str]) -> Self {
        assert_installed();
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let (guardian, server) = spawn(&folder, owned.is_none(), &options);
        let redis = Self { folder, owned, options, guardian, server };
        redis.wait_until_ready();
        redis
    }

    /// Where to connect.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.folder.join("redis.sock").display())
    }

    /// The product's way to it.
    pub(crate) fn connector(&self) -> Connector {
        Connector::new(&self.url()).unwrap()
    }

    /// The ledger of a namespace on it.
    pub(crate) async fn ledger(&self, keys: &Keys) -> RedisLedger {
        RedisLedger::connect(&self.connector(), keys.clone()).await.unwrap()
    }

    /// A plain connection, for looking and for breaking things.
    pub(crate) fn raw(&self) -> Connection {
        self.try_raw().expect("a connection to the test's redis")
    }

    fn try_raw(&self) -> Option<Connection> {
        let client = redis::Client::open(self.url()).ok()?;
        client.get_connection().ok()
    }

    fn wait_until_ready(&self) {
        wait_for("redis-server to start", || {
            let mut con = self.try_raw()?;
            redis::cmd("PING").query::<String>(&mut con).ok()
        });
    }

    /// Runs one command, its words divided by spaces.
    pub(crate) fn run<T: FromRedisValue>(&self, command: &str) -> T {
        self.cmd(&command.split(' ').collect::<Vec<_>>())
    }

    /// Runs one command.
    pub(crate) fn cmd<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut cmd = redis::Cmd::new();
        for word in words {
            cmd.arg(*word);
        }
        cmd.query(&mut self.raw()).unwrap()
    }

    /// Kills the server as a power cut would, and waits until it is gone.
    pub(crate) fn kill(&self) {
        signal("-9", &self.server);
        wait_for("redis-server to die", || self.try_raw().is_none().then_some(()));
    }

    /// Starts it again on the same folder, killing it first if it runs.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.retire();
        (self.guardian, self.server) = spawn(&self.folder, self.owned.is_none(), &self.options);
        self.wait_until_ready();
    }

    /// Ends the guardian, and the server with it.
    fn retire(&mut self) {
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }

    /// Everything kept under a namespace.
    pub(crate) fn dump(&self, keys: &Keys) -> Dump {
        Dump::of(&mut self.raw(), keys)
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.retire();
    }
}

/// A namespace that no other test uses.
pub(crate) fn namespace() -> Keys {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Keys::new(&format!("test{n}"))
}

/// Sends a signal, such as `-9`, to one process by its number.
pub(crate) fn signal(which: &str, pid: &str) {
    let sent = Command::new("kill").args([which, pid]).output();
    let sent = sent.expect("the command `kill` is needed by the tests");
    assert!(which == "-9" || sent.status.success(), "kill {which} {pid}: {sent:?}");
}

fn assert_installed() {
    let found = Command::new("redis-server").arg("--version").output();
    assert!(
        found.is_ok_and(|out| out.status.success()),
        "these tests need redis-server on PATH (Debian: apt-get install redis-server)"
    );
}

fn spawn(folder: &PathBuf, remove: bool, options: &[String]) -> (Child, String) {
    let mut command = Command::new("sh");
    command.args(["-c", GUARDIAN, "guardian", "--port", "0"]);
    command.args(["--unixsocket", "redis.sock", "--daemonize", "no"]);
    command.args(options).env("DIR", folder);
    command.env("REMOVE", if remove { "1" } else { "" });
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut guardian = command.spawn().expect("a shell to run redis-server in");
    let mut pid = String::new();
    let stdout = guardian.stdout.take().expect("a piped output");
    BufReader::new(stdout).read_line(&mut pid).unwrap();
    (guardian, pid.trim().to_owned())
}

/// A copy of a namespace, one line an item, sorted. Two are equal if nothing differs, stream ids
/// included; printed, the ids that Redis made from its clock are numbered instead.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Dump(Vec<(String, String)>);

impl Dump {
    fn of(con: &mut Connection, keys: &Keys) -> Self {
        let seq = keys.seq();
        let prefix = seq.trim_end_matches("seq");
        let pattern = format!("{prefix}*");
        let mut names: Vec<String> = query(con, &["KEYS", &pattern]);
        names.sort_unstable();
        let mut lines = Vec::new();
        for key in names {
            let name = key.trim_start_matches(prefix).to_owned();
            let kind: String = query(con, &["TYPE", &key]);
            lines.extend(items(con, &key, &kind).into_iter().map(|(raw, shown)| {
                (format!("{name} {kind} {raw}"), format!("{name} {kind} {shown}"))
            }));
        }
        Self(lines)
    }

    /// The printed lines of one key.
    pub(crate) fn of_key(&self, name: &str) -> Vec<&str> {
        let lines = self.0.iter().map(|(_, shown)| shown.as_str());
        let prefix = format!("{name} ");
        lines.filter(|line| line.starts_with(&prefix)).collect()
    }

    /// The copy without one key.
    pub(crate) fn without(&self, name: &str) -> Self {
        let prefix = format!("{name} ");
        let others = self.0.iter().filter(|(raw, _)| !raw.starts_with(&prefix));
        Self(others.cloned().collect())
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, shown) in &self.0 {
            writeln!(f, "{shown}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

type Line = (String, String);

fn same(text: String) -> Line {
    (text.clone(), text)
}

fn items(con: &mut Connection, key: &str, kind: &str) -> Vec<Line> {
    match kind {
        "string" => vec![same(query::<String>(con, &["GET", key]))],
        "hash" => hash(con, key),
        "zset" => query::<Vec<(String, String)>>(con, &["ZRANGE", key, "0", "-1", "WITHSCORES"])
            .into_iter()
            .map(|(member, score)| same(format!("{member} @ {score}")))
            .collect(),
        "stream" => stream(con, key),
        other => vec![same(format!("({other})"))],
    }
}

fn hash(con: &mut Connection, key: &str) -> Vec<Line> {
    let mut pairs: Vec<(String, Value)> = query(con, &["HGETALL", key]);
    pairs.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    pairs.iter().map(|(name, value)| same(format!("{name} = {}", bytes(value)))).collect()
}

fn stream(con: &mut Connection, key: &str) -> Vec<Line> {
    type Entries = Vec<(String, Vec<Value>)>;
    let entries: Entries = query(con, &["XRANGE", key, "-", "+"]);
    let mut lines: Vec<Line> = entries
        .into_iter()
        .enumerate()
        .map(|(n, (id, fields))| {
            let fields: Vec<String> = fields.iter().map(bytes).collect();
            let text = fields.chunks(2).map(|pair| pair.join("=")).collect::<Vec<_>>();
            let text = text.join(" ");
            let made = id.len() > 12; // an id from the clock; those of the tests are short
            let shown = if made { format!("#{n}") } else { id.clone() };
            (format!("{id} {text}"), format!("{shown} {text}"))
        })
        .collect();
    let groups: Vec<HashMap<String, Value>> = query(con, &["XINFO", "GROUPS", key]);
    for group in groups {
        let name = bytes(&group["name"]);
        let pending: Vec<(String, String, Value, Value)> =
            query(con, &["XPENDING", key, &name, "-", "+", "1000"]);
        let pending: Vec<String> =
            pending.into_iter().map(|(id, consumer, _, _)| format!("{id} of {consumer}")).collect();
        lines.push(same(format!("group {name} pending {pending:?}")));
    }
    lines
}

/// A value as text; bytes that are not UTF-8 escaped.
fn bytes(value: &Value) -> String {
    if let Value::BulkString(bytes) = value {
        bytes.escape_ascii().to_string().replace("\\\"", "\"")
    } else {
        format!("{value:?}")
    }
}

fn query<T: FromRedisValue>(con: &mut Connection, words: &[&str]) -> T {
    let mut cmd = redis::Cmd::new();
    for word in words {
        cmd.arg(*word);
    }
    cmd.query(con).unwrap()
}
