//! `refundd schema`: JSON Schema of the public JSON.

use crate::cli::{CliError, Context, Exit};
use crate::contract::schema;

/// Which schema.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Of the request or of the result; both, as a JSON array, without this
    #[arg(value_enum)]
    of: Option<Of>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    Request,
    Result,
}

/// Prints it.
pub(in crate::cli) fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let text = match args.of {
        Some(Of::Request) => schema::request(),
        Some(Of::Result) => schema::result(),
        None => format!("[{},\n{}]", schema::request().trim_end(), schema::result().trim_end()),
    };
    context.output.line(text.trim_end())?;
    Ok(Exit::Done)
}
