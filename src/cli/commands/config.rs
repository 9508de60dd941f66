//! `refundd config`: the effective configuration.

use crate::cli::{CliError, Context, Exit};

/// Prints it as TOML, secrets masked, with where each value came from.
pub(in crate::cli) fn run(context: &Context) -> Result<Exit, CliError> {
    let config = context.load()?;
    context.output.line(config.show().trim_end())?;
    Ok(Exit::Done)
}
