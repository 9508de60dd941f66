//! The private `redis-server` child of an install that names no Redis of its own.
//!
//! It listens on a unix socket in the data folder and on no TCP port, syncs every write, and never
//! evicts. Several refundd processes may use one folder: the first starts the server, the last one
//! out stops it. Each holds a shared lock on `users.lock`; whoever can take that lock alone is the
//! last. A server that was left behind by a killed process is taken over.
//!
//! There are never two servers on one folder: they would write into one file. The server itself
//! holds `server.lock`, as its standard input, for as long as it lives; a server that does not
//! answer but holds its lock (it loads, the disk hangs, it was stopped) is waited for.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use redis::Client;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::ports::LedgerError;

/// The longest path of a unix socket that Linux takes, without the final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Between two looks at a server that is starting.
const STARTING_POLL: Duration = Duration::from_millis(20);

/// Looks before a server that does not answer is given up: 30 s, enough to load a large file.
const STARTING_POLLS: u32 = 1_500;

/// Between two looks at whether the server still runs.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// A private Redis in a folder. Stop it with [`Embedded::stop`].
#[derive(Debug)]
pub struct Embedded {
    dir: PathBuf,
    users: File,
    watcher: JoinHandle<()>,
}

impl Embedded {
    /// Starts the server of `dir`, or joins the one that runs there, and keeps it running.
    ///
    /// # Errors
    /// [`LedgerError::Unfit`] says what to change: the folder cannot be used, its path is too long
    /// for a socket, or there is no `redis-server`.
    pub async fn start(dir: &Path) -> Result<Self, LedgerError> {
        let dir = prepare(dir).map_err(|err| unfit(dir, &err))?;
        let socket = socket(&dir);
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(LedgerError::Unfit(format!(
                "redis.data_dir is too long for a unix socket: {} may have {SOCKET_PATH_MAX} bytes",
                socket.display()
            )));
        }
        let users = lock_file(&dir, "users.lock").map_err(|err| unfit(&dir, &err))?;
        let users = off_thread(&dir, move || users.lock_shared().map(|()| users)).await?;
        ensure_running(&dir).await?;
        let watcher = tokio::spawn(watch(dir.clone()));
        Ok(Self { dir, users, watcher })
    }

    /// Where the server of `dir` would be reached; `None` if there is none that answers. Starts nothing
    /// and makes no folder.
    pub async fn running(dir: &Path) -> Option<String> {
        let dir = dir.canonicalize().ok()?;
        let url = format!("unix://{}", socket(&dir).display());
        answers(&dir).await.then_some(url)
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("unix://{}", socket(&self.dir).display())
    }

    /// Stops the server if nobody else uses it. All that was confirmed is on disk either way.
    ///
    /// # Errors
    /// [`LedgerError`] if the server does not stop; it then goes on running, harmlessly.
    pub async fn stop(self) -> Result<(), LedgerError> {
        self.watcher.abort();
        match self.users.try_lock() {
            Ok(()) => shut_down(&self.dir).await,
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(err)) => Err(unfit(&self.dir, &err)),
        }
    }
}

/// Makes the folder, for its owner only, and its path absolute.
fn prepare(dir: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(dir)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    dir.canonicalize()
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("redis.sock")
}

fn lock_file(dir: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).read(true).open(dir.join(name))
}

fn unfit(dir: &Path, err: &io::Error) -> LedgerError {
    LedgerError::Unfit(format!("redis.data_dir {} cannot be used: {err}", dir.display()))
}

/// Starts the server again whenever it is gone, for ever. The workers reconnect by themselves.
async fn watch(dir: PathBuf) {
    loop {
        tokio::time::sleep(WATCH_PERIOD).await;
        if !answers(&dir).await {
            tracing::warn!(dir = %dir.display(), "the embedded Redis is gone, starting it again");
            if let Err(err) = ensure_running(&dir).await {
                tracing::error!(%err, "the embedded Redis does not start");
            }
        }
    }
}

/// Starts the server unless it runs; only one process at a time tries.
async fn ensure_running(dir: &Path) -> Result<(), LedgerError> {
    let start = lock_file(dir, "start.lock").map_err(|err| unfit(dir, &err))?;
    let start = off_thread(dir, move || start.lock().map(|()| start)).await?;
    if !answers(dir).await {
        if let Some(lock) = server_lock(dir)? {
            spawn(dir, lock)?;
        }
        wait_until_ready(dir).await?;
    }
    drop(start); // the lock goes with the file
    Ok(())
}

/// Waits for a lock where waiting stops no other task.
async fn off_thread(
    dir: &Path,
    lock: impl FnOnce() -> io::Result<File> + Send + 'static,
) -> Result<File, LedgerError> {
    match tokio::task::spawn_blocking(lock).await {
        Ok(locked) => locked.map_err(|err| unfit(dir, &err)),
        Err(err) => Err(LedgerError::Unfit(err.to_string())),
    }
}

/// The lock of the server; `None` while a server lives, whether it answers or not.
fn server_lock(dir: &Path) -> Result<Option<File>, LedgerError> {
    let lock = lock_file(dir, "server.lock").map_err(|err| unfit(dir, &err))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(err)) => Err(unfit(dir, &err)),
    }
}

/// Starts the server in a process group of its own, so that Ctrl-C reaches refundd only and the
/// answers under way can still be recorded. It inherits the lock and lets go of it when it ends.
fn spawn(dir: &Path, lock: File) -> Result<(), LedgerError> {
    let log = File::create(dir.join("redis.log")).map_err(|err| unfit(dir, &err))?;
    let mut command = Command::new("redis-server");
    command.current_dir(dir).process_group(0).stdin(Stdio::from(lock));
    command.stdout(log).stderr(Stdio::null());
    command.args(["--port", "0", "--unixsocket", "redis.sock", "--unixsocketperm", "700"]);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    command.args(["--maxmemory-policy", "noeviction", "--daemonize", "no"]);
    // The last user stops it; one that is killed leaves it to the next.
    command.kill_on_drop(false);
    match command.spawn() {
        Ok(mut child) => {
            tokio::spawn(async move { child.wait().await }); // no zombie
            Ok(())
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => Err(LedgerError::Unfit(
            "there is no redis-server to embed: install it (Debian: apt-get install \
             redis-server) or set redis.url"
                .to_owned(),
        )),
        Err(err) => Err(LedgerError::Unfit(format!("redis-server does not start: {err}"))),
    }
}

async fn wait_until_ready(dir: &Path) -> Result<(), LedgerError> {
    for _ in 0..STARTING_POLLS {
        if answers(dir).await {
            return Ok(());
        }
        tokio::time::sleep(STARTING_POLL).await;
    }
    Err(LedgerError::Unfit(format!(
        "the embedded Redis does not answer; its log is {}",
        dir.join("redis.log").display()
    )))
}

/// Whether a server answers on the socket and has loaded its file.
async fn answers(dir: &Path) -> bool {
    let url = format!("unix://{}", socket(dir).display());
    let Ok(client) = Client::open(url) else {
        return false;
    };
    let Ok(mut con) = client.get_multiplexed_async_connection().await else {
        return false;
    };
    redis::cmd("PING").query_async::<String>(&mut con).await.is_ok()
}

/// Tells the server to stop and waits until it has.
async fn shut_down(dir: &Path) -> Result<(), LedgerError> {
    let url = format!("unix://{}", socket(dir).display());
    if let Ok(client) = Client::open(url)
        && let Ok(mut con) = client.get_multiplexed_async_connection().await
    {
        // The server closes the connection instead of answering.
        let _: Result<(), _> = redis::cmd("SHUTDOWN").arg("NOSAVE").query_async(&mut con).await;
    }
    for _ in 0..STARTING_POLLS {
        if server_lock(dir)?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(STARTING_POLL).await;
    }
    Err(LedgerError::Unfit("the embedded Redis does not stop".to_owned()))
}
