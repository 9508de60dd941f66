//! What the core needs from the world, as traits with plain data.
//!
//! Workers, intake and ops see these and never an adapter. Each trait says what is durable when it
//! answers `Ok`, and what an error lets the caller do next.

pub mod accounts;
pub mod acts;
pub mod clock;
pub mod figures;
pub mod gateway;
pub mod ledger;
pub mod ops;
pub mod requests;
pub mod traffic;
pub mod views;

pub use accounts::{Account, Accounts};
pub use clock::{Clock, ManualClock};
pub use figures::Watch;
pub use gateway::{
    Acceptance, Certainty, FieldError, GatewayError, QueryAnswer, RefundQuerier, RefundSubmitter,
};
pub use ledger::{Ledger, LedgerError};
pub use ops::{Fitness, NoticeError, Pulse, RefundNotice};
pub use requests::{RawRequest, RequestSource};
pub use traffic::Traffic;

/// An error and its causes in one line, for the log and the history.
pub fn chain(err: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(err.source(), |err| err.source());
    causes.fold(err.to_string(), |text, cause| format!("{text}: {cause}"))
}
