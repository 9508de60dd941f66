//! The audit trail, as people read it: what others did to refunds, and when writes may have been lost.
//!
//! Key: stream `audit`, written by the scripts, read here only.

use std::time::Duration;

use redis::aio::ConnectionManager;

use super::connection::{Connector, map_error};
use super::keys::Keys;
use crate::ports::LedgerError;
use crate::ports::figures::AuditLine;

/// What `XREAD` answers: streams with their entries, each an id and a flat list of fields.
type Reply = Option<Vec<(String, Vec<(String, Vec<String>)>)>>;

/// Reads `{ns}:audit`. About the newest 1,000,000 lines are kept.
#[derive(Debug)]
pub struct AuditTrail {
    connector: Connector,
    con: ConnectionManager,
    keys: Keys,
}

impl AuditTrail {
    /// Connects.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(connector: &Connector, keys: Keys) -> Result<Self, LedgerError> {
        Ok(Self { connector: connector.clone(), con: connector.shared().await?, keys })
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
        let mut cmd = redis::cmd("XREAD");
        cmd.arg("COUNT").arg(max);
        if let Some(block) = block {
            // `BLOCK 0` would wait for ever.
            cmd.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        cmd.arg("STREAMS").arg(self.keys.audit()).arg(after);
        let reply: Reply = if block.is_some() {
            let mut con = self.connector.blocking().await?;
            cmd.query_async(&mut con).await.map_err(map_error)?
        } else {
            cmd.query_async(&mut self.con.clone()).await.map_err(map_error)?
        };
        let entries = reply.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(entries.map(line).collect())
    }
}

fn line((id, flat): (String, Vec<String>)) -> AuditLine {
    let mut flat = flat.into_iter();
    let mut fields = Vec::new();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        fields.push((name, value));
    }
    AuditLine { id, fields }
}
