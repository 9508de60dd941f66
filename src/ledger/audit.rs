//! The audit trail, as people read it: what others did to refunds, and when writes may have been lost.
//!
//! Key: stream `audit`, written by the scripts, read here only.

use std::time::Duration;

use super::connection::Connector;
use super::keys::Keys;
use super::stream::{Entry, Stream};
use crate::ports::LedgerError;
use crate::ports::figures::AuditLine;

/// Reads `{ns}:audit`. About the newest 1,000,000 lines are kept.
#[derive(Debug)]
pub struct AuditTrail(Stream);

impl AuditTrail {
    /// Connects.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(connector: &Connector, keys: &Keys) -> Result<Self, LedgerError> {
        Ok(Self(Stream::connect(connector, keys.audit()).await?))
    }

    /// At most `max` lines after the line `after` (`0` for the beginning); waits up to `block` for the
    /// first. Keeps nothing; any number may read.
    ///
    /// # Errors
    /// [`LedgerError`]; harmless to repeat.
    pub async fn read(
        &self,
        after: &str,
        max: usize,
        block: Option<Duration>,
    ) -> Result<Vec<AuditLine>, LedgerError> {
        let entries = self.0.read(after, max, block).await?;
        Ok(entries.into_iter().map(|Entry { id, fields }| AuditLine { id, fields }).collect())
    }
}
