//! The program as its users meet it: exit code, stdout and stderr of every command.

mod acting;
mod asking;
mod configuration;
mod doctor;
mod enqueue;
mod following;
mod help;
mod running;
mod secrets;
mod terminal;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with an environment in which nothing is set that it reads.
fn refundd(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refundd"));
    command.args(args).env_clear().env("PATH", path()).current_dir(folder).stdin(Stdio::null());
    command
}

/// Where to find `redis-server`.
#[expect(clippy::disallowed_methods, reason = "the machine's, not a setting of the product")]
fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Runs a command to its end.
fn call(folder: &Path, args: &[&str]) -> Output {
    refundd(folder, args).output().expect("refundd can be run")
}

/// Exit code, stdout and stderr in one text.
fn told(output: &Output) -> String {
    let mut text = match output.status.code() {
        Some(code) => format!("exit {code}\n"),
        None => "killed\n".to_owned(),
    };
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let said = String::from_utf8(bytes.clone()).expect("output is UTF-8");
        let _ = write!(text, "--- {name}\n{said}");
    }
    text
}

/// Compares what a command told with the snapshot of that name, but for what differs from run to
/// run and from machine to machine.
fn assert_told(name: &str, output: &Output) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, shown) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
        (r"127\.0\.0\.1:[1-9]\d*", "127.0.0.1:[port]"),
        (r#"/[^ "]*/(refundd-(it|shop|cli))-[A-Za-z0-9]+"#, "[$1]"),
        (r"polls \d+", "polls [n]"),
        (r"refundd \d+\.\d+\.\d+", "refundd [version]"),
    ] {
        settings.add_filter(pattern, shown);
    }
    settings.bind(|| insta::assert_snapshot!(name, told(output)));
}

/// A folder for a test that needs no shop.
fn folder() -> tempfile::TempDir {
    tempfile::TempDir::with_prefix("refundd-cli-").expect("a temporary folder")
}
