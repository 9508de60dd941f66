//! refundd: parse, run, exit. All else is in the library.

use std::process::ExitCode;

/// Measured: see DESIGN.md, "Speed".
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    refundd::cli::main(std::env::args_os()).into()
}
