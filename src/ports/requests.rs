//! The requests port: what order systems have pushed and nobody has taken in yet.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::ledger::{EntryId, LedgerError};

/// One entry of the requests stream, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRequest {
    /// Its id; handed back with the admission or refusal that acknowledges it.
    pub entry: EntryId,
    /// All fields and values, unread. A request has one field, `request`.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads requests so that a reader that dies loses none.
///
/// An entry that was read stays pending until [`super::Ledger::admit`] or
/// [`super::Ledger::refuse`] acknowledges it.
#[async_trait]
pub trait RequestSource: Send + Sync + Debug {
    /// Waits up to `block` for new entries and takes at most `max`.
    ///
    /// # Errors
    /// [`LedgerError`]; entries may have become pending for this reader, [`Self::reclaim`] brings
    /// them back.
    async fn read(&self, max: usize, block: Duration) -> Result<Vec<RawRequest>, LedgerError>;

    /// Takes over at most `max` entries that some reader has held for `idle` without acknowledging.
    ///
    /// # Errors
    /// [`LedgerError`]; harmless to repeat.
    async fn reclaim(&self, max: usize, idle: Duration) -> Result<Vec<RawRequest>, LedgerError>;
}
