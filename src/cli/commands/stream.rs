//! Printing a stream from its beginning, to its end or for ever: what `results` and `audit` share.

use std::time::Duration;

use crate::cli::{CliError, Context};
use crate::ports::LedgerError;

/// Entries read at once.
pub(super) const BATCH: usize = 500;

/// How long one read waits for more, for whoever follows.
pub(super) const BLOCK: Duration = Duration::from_secs(1);

/// Pause before trying again when Redis is away.
const RETRY: Duration = Duration::from_millis(500);

/// One entry of a stream that can be printed.
pub(super) trait Line {
    /// Its id in the stream.
    fn id(&self) -> &str;

    /// Prints it, as a person or a program wants it.
    fn print(&self, context: &Context) -> Result<(), CliError>;
}

/// Prints the batches that `read` finds after an entry, and has each one `printed` before the next is
/// read. Without `follow` it ends with the first read that finds nothing; with it, an outage of Redis
/// is waited for, and it ends never.
pub(super) async fn print_all<L: Line>(
    context: &Context,
    follow: bool,
    read: impl AsyncFn(&str) -> Result<Vec<L>, LedgerError>,
    printed: impl AsyncFn(&[L]) -> Result<(), LedgerError>,
) -> Result<(), CliError> {
    let mut after = "0".to_owned();
    loop {
        let lines = match read(&after).await {
            Ok(lines) => lines,
            Err(LedgerError::Unavailable(_)) if follow => {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            Err(err) => return Err(err.into()),
        };
        match lines.last() {
            Some(last) => last.id().clone_into(&mut after),
            None if follow => continue,
            None => return Ok(()),
        }
        for line in &lines {
            line.print(context)?;
        }
        printed(&lines).await?;
    }
}
