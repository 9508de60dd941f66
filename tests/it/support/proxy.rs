//! A proxy on loopback that disturbs what passes through it: delays, resets, truncates, stalls and
//! refuses, drawn from a seed.
//!
//! What it draws depends on the seed and on the order in which pieces of traffic arrive, so a seed
//! repeats the mix of a run, not its every byte.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::draw::Draw;

/// Most bytes that are one piece: enough for a request of either protocol, so that a cut of a piece
/// is a cut in the middle of a message.
const PIECE: usize = 16 * 1024;

/// Longest delay of a piece, ms: below every timeout of the tests, so that a submit which is only
/// late is still a submit that arrives while somebody waits for it.
const DELAY_MAX_MS: u64 = 250;

/// Shortest and longest stall before a connection ends, ms: around the gateways' timeout of 600 ms.
const STALL_MS: (u64, u64) = (200, 1_200);

/// Longest time for which nobody listens, ms.
const REFUSE_MAX_MS: u64 = 400;

/// Where the traffic goes.
#[derive(Debug, Clone)]
pub(crate) enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How many of a thousand are disturbed: pieces of traffic, and connections for `refuse`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) delay: u64,
    pub(crate) reset: u64,
    pub(crate) truncate: u64,
    pub(crate) stall: u64,
    pub(crate) refuse: u64,
}

/// A running proxy; closed when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    door: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    rates: Rates,
    clean: AtomicBool,
    draw: Mutex<Draw>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// What becomes of one piece.
enum Fate {
    Pass,
    Delay(Duration),
    Reset,
    Truncate,
    Stall(Duration),
}

/// How a connection ends.
enum End {
    Closed,
    Reset,
}

/// Which way a piece goes; the words of its faults.
struct Way {
    delayed: &'static str,
    reset: &'static str,
    truncated: &'static str,
    stalled: &'static str,
}

const REQUEST: Way = Way {
    delayed: "request delayed",
    reset: "request reset",
    truncated: "request truncated",
    stalled: "request stalled",
};

const ANSWER: Way = Way {
    delayed: "answer delayed",
    reset: "answer reset",
    truncated: "answer truncated",
    stalled: "answer stalled",
};

impl Proxy {
    /// Opens a proxy that disturbs from the start.
    pub(crate) fn start(upstream: Upstream, rates: Rates, seed: u64) -> Self {
        // Bound and never listening: it keeps the port for this proxy while nobody listens, and a
        // connect is then refused.
        let keeper = socket();
        keeper.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let addr = keeper.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared {
            upstream,
            rates,
            clean: AtomicBool::new(false),
            draw: Mutex::new(Draw::new(seed)),
            counts: Mutex::default(),
        });
        let listener = listen(addr);
        let door = tokio::spawn(door(Arc::clone(&shared), keeper, listener, addr));
        Self { addr, shared, door }
    }

    /// From now on everything passes; what is delayed or stalled already ends as it would have.
    pub(crate) fn clean(&self) {
        self.shared.clean.store(true, Ordering::SeqCst);
    }

    /// How often it did what.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.shared.counts.lock().expect("no panic inside").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.door.abort();
    }
}

fn socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an address that is used again");
    socket
}

fn listen(addr: SocketAddr) -> TcpListener {
    let socket = socket();
    socket.bind(addr).expect("the port of this proxy");
    socket.listen(1024).expect("a socket that listens")
}

/// Takes connections; now and then nobody is there for a while.
async fn door(shared: Arc<Shared>, keeper: TcpSocket, mut listener: TcpListener, addr: SocketAddr) {
    let _keeps_the_port = keeper;
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let Some(away) = shared.refuses() else {
            tokio::spawn(link(Arc::clone(&shared), client));
            continue;
        };
        drop(listener);
        reset(&client);
        drop(client);
        tokio::time::sleep(away).await;
        listener = listen(addr);
    }
}

fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger(); // then dropping it sends a real RST
}

/// One connection, from its beginning to its end.
async fn link(shared: Arc<Shared>, mut client: TcpStream) {
    let _ = client.set_nodelay(true);
    let end = match &shared.upstream {
        Upstream::Tcp(addr) => carry(&shared, &mut client, TcpStream::connect(addr).await).await,
        Upstream::Unix(path) => carry(&shared, &mut client, UnixStream::connect(path).await).await,
    };
    if matches!(end, End::Reset) {
        reset(&client);
    }
}

/// Carries both ways until one of them ends.
async fn carry<U>(shared: &Shared, client: &mut TcpStream, upstream: io::Result<U>) -> End
where
    U: AsyncRead + AsyncWrite,
{
    let Ok(upstream) = upstream else { return End::Reset };
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    tokio::select! {
        end = pump(shared, &REQUEST, from_client, to_upstream) => end,
        end = pump(shared, &ANSWER, from_upstream, to_client) => end,
    }
    .unwrap_or(End::Closed)
}

async fn pump(
    shared: &Shared,
    way: &Way,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<End> {
    let mut buffer = vec![0; PIECE];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return Ok(End::Closed);
        }
        let end = match shared.fate(way) {
            Fate::Pass => None,
            Fate::Delay(time) => {
                tokio::time::sleep(time).await;
                None
            }
            Fate::Stall(time) => {
                tokio::time::sleep(time).await;
                return Ok(End::Closed);
            }
            Fate::Reset => Some(End::Reset),
            Fate::Truncate => Some(End::Closed),
        };
        if let Some(end) = end {
            to.write_all(&buffer[..shared.part(n)]).await?;
            to.flush().await?;
            return Ok(end);
        }
        to.write_all(&buffer[..n]).await?;
        to.flush().await?;
    }
}

impl Shared {
    /// Decides what becomes of a piece, and counts it.
    fn fate(&self, way: &Way) -> Fate {
        if self.clean.load(Ordering::SeqCst) {
            self.count("passed");
            return Fate::Pass;
        }
        let mut draw = self.draw.lock().expect("no panic inside");
        let mut left = draw.below(1_000);
        let mut hit = |rate: u64| {
            let hit = left < rate;
            left = left.saturating_sub(rate);
            hit && rate > 0
        };
        let rates = self.rates;
        let (word, fate) = if hit(rates.delay) {
            (way.delayed, Fate::Delay(Duration::from_millis(1 + draw.below(DELAY_MAX_MS))))
        } else if hit(rates.reset) {
            (way.reset, Fate::Reset)
        } else if hit(rates.truncate) {
            (way.truncated, Fate::Truncate)
        } else if hit(rates.stall) {
            let time = STALL_MS.0 + draw.below(STALL_MS.1 - STALL_MS.0);
            (way.stalled, Fate::Stall(Duration::from_millis(time)))
        } else {
            ("passed", Fate::Pass)
        };
        drop(draw);
        self.count(word);
        fate
    }

    /// How much of a piece of `n` bytes still goes out before the end: often nothing, never all.
    fn part(&self, n: usize) -> usize {
        self.draw.lock().expect("no panic inside").index(n)
    }

    /// For how long nobody listens, if this connection is one that finds the door closed.
    fn refuses(&self) -> Option<Duration> {
        if self.clean.load(Ordering::SeqCst) {
            return None;
        }
        let mut draw = self.draw.lock().expect("no panic inside");
        if draw.below(1_000) >= self.rates.refuse {
            return None;
        }
        let away = Duration::from_millis(1 + draw.below(REFUSE_MAX_MS));
        drop(draw);
        self.count("refused for a while");
        Some(away)
    }

    fn count(&self, word: &'static str) {
        *self.counts.lock().expect("no panic inside").entry(word).or_default() += 1;
    }
}
