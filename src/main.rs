//! refundd: parse, run, exit. All else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    refundd::cli::main(std::env::args_os()).into()
}
