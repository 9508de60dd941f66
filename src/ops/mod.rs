//! HTTP for people and machines: health, metrics, the API, gateways' notices.
//!
//! | file | does |
//! |---|---|
//! | [`server`] | listens, bounds what a client may cost, drains at the end |
//! | [`auth`] | who asks, and what they may do |
//! | `routes` | every operation in one table: path, role, what it takes and answers |
//! | `openapi` | the same table as `GET /openapi.json` |
//! | `refunds`, `acts` | take a refund in, look, decide |
//! | `callbacks` | a gateway's notice makes refundd ask; it never changes a refund |
//! | `dashboard` | pages for people |
//! | `vitals` | health and the gauges that are read from the ledger |
//! | [`problem`] | every error, as RFC 9457 has it |
//!
//! Invariants: no operation is reachable that the table does not name, with its role, and no page that
//! the table of `dashboard` does not; people's actions
//! go through the operator's desk and requests through the intake, so HTTP decides nothing; health and
//! metrics read no refund.

pub mod acts;
pub mod auth;
mod body;
mod callbacks;
mod dashboard;
pub mod openapi;
pub mod problem;
pub mod refunds;
mod routes;
pub mod server;
pub mod vitals;

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::operator::Desk;
use crate::ports::{Accounts, Clock, Fitness, Ledger, Pulse, Watch};
use auth::Tokens;
pub use server::Listening;
use vitals::Vitals;

/// What the ops server needs of the world.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where the refunds are.
    pub ledger: Arc<dyn Ledger>,
    /// Where figures, history and the audit trail are read.
    pub watch: Arc<dyn Watch>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// The merchant accounts.
    pub accounts: Arc<Accounts>,
    /// Where people's decisions are carried out.
    pub desk: Desk,
    /// Whether the store may keep refunds.
    pub fitness: Arc<dyn Fitness>,
    /// Whether the workers hear from the ledger.
    pub pulse: Arc<Pulse>,
}

/// How the ops server behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may do what; none means: everything, for people on this machine only.
    pub tokens: Tokens,
    /// Workers that have not heard from the ledger for longer are not ready, ms.
    pub silence_ms: u64,
    /// How long a stop waits for requests under way, ms.
    pub drain_ms: u64,
}

/// What every handler sees.
#[derive(Debug)]
pub(crate) struct Room {
    parts: Parts,
    tokens: Tokens,
    vitals: Vitals,
    board: dashboard::Board,
    sessions: dashboard::Sessions,
    attempts: dashboard::Attempts,
    /// One permit for each page that listens for changes.
    listeners: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Room {
    fn new(parts: Parts, settings: &Settings, stop: watch::Receiver<bool>) -> Self {
        let vitals = Vitals::new(settings.silence_ms, parts.clock.now());
        Self {
            parts,
            tokens: settings.tokens.clone(),
            vitals,
            board: dashboard::Board::default(),
            sessions: dashboard::Sessions::new(),
            attempts: dashboard::Attempts::default(),
            listeners: Arc::new(Semaphore::new(dashboard::LISTENERS_MAX)),
            stop,
        }
    }
}
