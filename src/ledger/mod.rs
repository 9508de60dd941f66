//! The durable record of every refund, on Redis: the only room that names the redis crate.
//!
//! The queue *is* the ledger. A refund is one entry in a few large keys:
//!
//! | key | holds |
//! |---|---|
//! | `refunds` | what was asked, written once |
//! | `states` | where it stands: state, totals, history; written at every commit |
//! | `due` | when it needs attention next, or when its lease ends |
//! | `leases` | who may act on it: fence, whether an intent to submit was recorded, crashes, word |
//! | `orders` | how much of an order is held, whose turn it is |
//! | `settled` | when it settled, for retention |
//! | `pauses` | whose submits a person has stopped |
//! | `spent`, `counted` | what each account was cleared to send in a day, and which refunds count |
//! | `requests`, `results`, `quarantine`, `audit`, `stale` | the streams |
//! | `seq` | counter that every write raises; the fences come from it |
//! | `bins`, `requested` … `parked`, `found` | what people watch: counts, the oldest of each state, gateways' numbers |
//! | `history`, `workers` | samples for charts, what each process says of itself |
//! | `epoch` | which Redis wrote last, and when it was last found to have lost writes |
//!
//! A refund whose state begins with `r` is submitted next. Claiming it writes a lease with mark `i`,
//! and that lease *is* the state "submitting": if the worker dies, the next claim finds the mark
//! and knows that the submit may have happened. Invariant: no policy here. Delays, limits, codes
//! and time come as arguments; the scripts compare fences and move state.

mod audit;
mod bins;
mod checkup;
mod clock;
mod connection;
mod embedded;
mod gauge;
mod held;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod hot;
mod keys;
mod memory;
mod record;
mod redis;
mod requests;
mod results;
mod scripts;
mod stream;
mod wake;

pub use audit::AuditTrail;
pub use checkup::{Checkup, Group, Requests, Server, Streams};
pub use clock::{RedisClock, keep_in_step};
pub use connection::{Connector, Health};
pub use embedded::Embedded;
pub use gauge::{Gauge, Reading, Spent};
pub use keys::Keys;
pub use memory::{Backup, MemoryLedger};
pub use redis::{Losses, RedisLedger};
pub use requests::RedisRequests;
pub use results::{Results, ResultsEntry};
pub use wake::listen;
