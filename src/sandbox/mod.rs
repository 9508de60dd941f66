//! The sandbox: a gateway emulator that speaks IOTPay and iOnline Pay over one book.
//!
//! Its book is the judge of every money test: it counts how often money really went out for each
//! refund number, and shares nothing with refundd's own records. It runs inside a test, the demo
//! or the benchmark ([`Sandbox::start`]), or alone (`refundd sandbox`).
//!
//! | file | is |
//! |---|---|
//! | [`settings`] | what kind of gateway it plays |
//! | [`terms`], [`book`] | orders, refunds and the money that went out |
//! | [`snapshot`] | the book as a judge reads it, and what must never be in it |
//! | [`faults`] | which request is disturbed, and how |
//! | `arrivals` | when requests came in, for a benchmark |
//! | `exchange` | one request against the book: where a fault meets the money |
//! | `iotpay`, `ionlinepay`, `wire` | the spelling of the two protocols |
//! | `server`, `link`, `control` | HTTP, connections that can be reset, the paths for people |
//!
//! It deliberately does not check that a merchant behaves: a repeated number, a repeated query, a
//! refund of a refunded order are answered as a gateway would, and written down.
//!
//! Refunds that an outage must not lose are kept: the book outlives its server, so that
//! [`Running::kill`] and [`Sandbox::listen`] on the same address play a gateway that was away.

mod arrivals;
pub mod book;
mod control;
mod exchange;
pub mod faults;
mod ionlinepay;
mod iotpay;
mod link;
mod server;
pub mod settings;
pub mod snapshot;
pub mod terms;
mod wire;

#[cfg(test)]
mod book_tests;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use arrivals::Arrival;
pub use book::Book;
pub use faults::{Fault, FaultPlan, On, Rule};
pub use settings::{Duplicates, Lines, Settings};
pub use snapshot::{BookSnapshot, OrderSnapshot, RefundSnapshot, Totals, Violation};
pub use terms::{OrderError, PaidOrder, Standing};

use crate::domain::UnixMillis;
use crate::ports::Clock;
use arrivals::Arrivals;
use exchange::lock;
use faults::Faults;
use link::{Door, Links};
use server::Reception;

/// A gateway: its book, its faults and its settings. Clones share them.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Shared>);

/// What all connections of a gateway share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    book: Mutex<Book>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    nonces: AtomicU64,
    arrivals: Arrivals,
}

impl Shared {
    fn next_nonce(&self) -> u64 {
        self.nonces.fetch_add(1, Ordering::Relaxed)
    }
}

/// The machine's own clock. The emulator plays somebody else's machine, so its time is on purpose
/// not the one that refundd's workers share.
#[derive(Debug)]
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(Timestamp::now().as_millisecond())
    }
}

impl Sandbox {
    /// A gateway with an empty book that nobody can reach yet, on the machine's clock.
    pub fn new(settings: Settings) -> Self {
        Self::with_clock(settings, Arc::new(WallClock))
    }

    /// The same on another clock: tests drive `settle_after_ms` by a manual one.
    pub fn with_clock(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            book: Mutex::new(Book::new(&settings)),
            faults: Faults::new(settings.faults.clone()),
            clock,
            nonces: AtomicU64::new(0),
            arrivals: Arrivals::new(settings.arrivals),
            settings,
        }))
    }

    /// Opens a gateway where `settings` say.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(settings: Settings) -> io::Result<Running> {
        let addr = settings.listen;
        Self::new(settings).listen(addr).await
    }

    /// Opens this gateway, or opens it again after it was closed: book and faults are as they were.
    /// Must be called inside a tokio runtime, which then serves it.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn listen(&self, addr: SocketAddr) -> io::Result<Running> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let links = Links::default();
        let (stop, stopping) = watch::channel(false);
        let reception = Reception { shared: Arc::clone(&self.0), stopping: stopping.clone() };
        let server = axum::serve(Door::new(listener, links.clone()), reception)
            .with_graceful_shutdown(wait(stopping));
        Ok(Running {
            addr,
            sandbox: self.clone(),
            links,
            stop,
            server: tokio::spawn(server.into_future()),
        })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The whole book at this moment.
    pub fn book(&self) -> BookSnapshot {
        lock(&self.0.book).snapshot(self.0.clock.now())
    }

    /// The sums of the book at this moment. Copies nothing, but looks at every refund while all
    /// requests wait: not for a loop while a benchmark runs.
    pub fn totals(&self) -> Totals {
        lock(&self.0.book).totals(self.0.clock.now())
    }

    /// Adds a paid order. To add an equal one again changes nothing.
    ///
    /// # Errors
    /// [`OrderError`] if it has no number, or shares one with an order that differs.
    pub fn add_order(&self, order: PaidOrder) -> Result<(), OrderError> {
        lock(&self.0.book).add_order(order)
    }

    /// Replaces all fault rules and forgets how often they struck; an empty plan ends all faults.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.0.faults.set(plan);
    }

    /// Adds a fault rule behind the others.
    pub fn add_fault(&self, rule: Rule) {
        self.0.faults.push(rule);
    }
}

/// Completes when the gateway is to stop, or when nobody is left to say so.
async fn wait(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// A gateway that can be reached. Dropping it is [`Running::kill`] without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    sandbox: Sandbox,
    links: Links,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

impl Running {
    /// The address of IOTPay's host, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address of iOnline Pay's gateway.
    pub fn ionlinepay_url(&self) -> String {
        format!("http://{}{}", self.addr, ionlinepay::PATH)
    }

    /// The gateway behind the address, which outlives it.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The whole book at this moment.
    pub fn book(&self) -> BookSnapshot {
        self.sandbox.book()
    }

    /// Closes in good order: takes no connection more, answers what is under way (late answers at
    /// once), then ends.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // Cancelled or panicked, it has ended either way.
        let _ = (&mut self.server).await;
    }

    /// Closes as a crash would: every connection is reset, answers under way are lost, the book
    /// keeps what was processed. The port is free when this returns.
    pub async fn kill(mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
        self.links.reset_all();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
        self.links.reset_all();
    }
}
