//! The private server: who starts it, who stops it, and that there is never a second one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use refundd::ledger::{Connector, Embedded};
use refundd::ports::LedgerError;
use tempfile::TempDir;

use crate::support::redis::signal;
use crate::support::wait_until;

/// Far above what a test waits for, far below what a person would.
const SOON: Duration = Duration::from_secs(10);

/// A data folder whose server does not outlive the test, however it ends.
struct DataDir(TempDir);

impl DataDir {
    fn new() -> Self {
        Self(TempDir::with_prefix("refundd-it-").unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let socket = self.path().join("redis.sock");
        let client = redis::Client::open(format!("unix://{}", socket.display()))?;
        let mut con = client.get_connection()?;
        let mut cmd = redis::Cmd::new();
        for word in command.split(' ') {
            cmd.arg(word);
        }
        cmd.query(&mut con)
    }

    fn run<T: redis::FromRedisValue>(&self, command: &str) -> T {
        self.ask(command).unwrap()
    }

    fn setting(&self, name: &str) -> String {
        self.run::<(String, String)>(&format!("CONFIG GET {name}")).1
    }

    /// The process of a server that serves; one that loads answers INFO, but not PING.
    fn try_pid(&self) -> Option<String> {
        self.ask::<String>("PING").ok()?;
        let info: redis::InfoDict = self.ask("INFO server").ok()?;
        info.get("process_id")
    }

    fn pid(&self) -> String {
        self.try_pid().expect("a running server")
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _: redis::RedisResult<redis::Value> = self.ask("SHUTDOWN NOSAVE");
    }
}

#[tokio::test]
async fn the_server_listens_on_a_socket_only_and_syncs_every_write() {
    let dir = DataDir::new();
    let server = Embedded::start(&dir.path()).await.unwrap();
    let expected = [
        ("port", "0"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
    ];
    for (name, value) in expected {
        assert_eq!(dir.setting(name), value, "{name}");
    }
    let health = Connector::new(&server.url()).unwrap().preflight().await;
    assert!(health.unwrap().aof);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path()), 0o700);
    assert_eq!(mode(&dir.path().join("redis.sock")), 0o700);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_last_user_stops_the_server_and_no_other() {
    let dir = DataDir::new();
    let first = Embedded::start(&dir.path()).await.unwrap();
    let pid = dir.pid();
    let second = Embedded::start(&dir.path()).await.unwrap();
    assert_eq!(dir.pid(), pid, "joined");
    first.stop().await.unwrap();
    assert_eq!(dir.pid(), pid, "still used");
    second.stop().await.unwrap();
    assert!(dir.try_pid().is_none(), "stopped");
}

#[tokio::test]
async fn a_second_start_finds_the_data_of_the_first() {
    let dir = DataDir::new();
    let first = Embedded::start(&dir.path()).await.unwrap();
    dir.run::<()>("SET kept yes");
    first.stop().await.unwrap();
    let second = Embedded::start(&dir.path()).await.unwrap();
    assert_eq!(dir.run::<String>("GET kept"), "yes");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_comes_back_by_itself_with_its_data() {
    let dir = DataDir::new();
    let server = Embedded::start(&dir.path()).await.unwrap();
    dir.run::<()>("SET kept yes");
    let killed = dir.pid();
    signal("-9", &killed);
    let back = || async { dir.try_pid().filter(|pid| *pid != killed) };
    wait_until("the server to come back", back).await;
    assert_eq!(dir.run::<String>("GET kept"), "yes");
    server.stop().await.unwrap();
    assert!(dir.try_pid().is_none());
}

#[tokio::test]
async fn a_server_that_stands_still_is_waited_for_and_not_started_twice() {
    let dir = DataDir::new();
    let server = Embedded::start(&dir.path()).await.unwrap();
    let pid = dir.pid();
    signal("-STOP", &pid);
    let path = dir.path();
    let mut second = tokio::spawn(async move { Embedded::start(&path).await });
    let early = tokio::time::timeout(Duration::from_secs(3), &mut second).await;
    signal("-CONT", &pid);
    assert!(early.is_err(), "a second server on the same files: {early:?}");
    let second = second.await.unwrap().unwrap();
    assert_eq!(dir.pid(), pid);
    server.stop().await.unwrap();
    second.stop().await.unwrap();
    assert!(dir.try_pid().is_none());
}

#[tokio::test]
async fn a_server_that_is_dead_already_is_no_trouble_to_stop() {
    let dir = DataDir::new();
    let server = Embedded::start(&dir.path()).await.unwrap();
    signal("-9", &dir.pid());
    let stopped = tokio::time::timeout(SOON, server.stop()).await;
    stopped.expect("to stop at once").unwrap();
}

#[test]
fn a_server_left_over_by_a_killed_process_is_taken_over() {
    let dir = DataDir::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let killed = runtime();
    let server = killed.block_on(Embedded::start(&dir.path())).unwrap();
    let pid = dir.pid();
    drop((killed, server)); // nothing is told to stop
    assert_eq!(dir.pid(), pid);
    runtime().block_on(async {
        let server = Embedded::start(&dir.path()).await.unwrap();
        assert_eq!(dir.pid(), pid);
        server.stop().await.unwrap();
    });
    assert!(dir.try_pid().is_none());
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_refused_with_what_to_change() {
    let dir = DataDir::new();
    let long = dir.path().join("x".repeat(100));
    let Err(LedgerError::Unfit(text)) = Embedded::start(&long).await else {
        panic!("the path is too long");
    };
    assert!(text.starts_with("redis.data_dir is too long for a unix socket: /"));
    assert!(text.ends_with("redis.sock may have 107 bytes"), "{text}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_refused_with_its_name() {
    let dir = DataDir::new();
    std::fs::write(dir.path(), "a file").unwrap();
    let Err(LedgerError::Unfit(text)) = Embedded::start(&dir.path()).await else {
        panic!("the folder is a file");
    };
    assert!(text.starts_with("redis.data_dir /"), "{text}");
    assert!(text.contains("cannot be used"), "{text}");
}
