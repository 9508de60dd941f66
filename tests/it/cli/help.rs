//! Help, version, schema: what needs no configuration.

use serde_json::Value;

use super::{assert_told, call, folder};

/// Every command of the contract that this version has.
const COMMANDS: [&str; 18] = [
    "demo", "bench", "run", "sandbox", "enqueue", "show", "list", "results", "check", "release",
    "resolve", "abandon", "pause", "resume", "audit", "doctor", "config", "schema",
];

#[test]
fn help_goes_to_stdout_and_lists_every_command_and_exit_code() {
    let folder = folder();
    assert_told("help", &call(folder.path(), &["--help"]));
    let short = String::from_utf8(call(folder.path(), &["-h"]).stdout).unwrap();
    for command in COMMANDS {
        assert!(short.contains(&format!("\n  {command} ")), "{command} is not in the help");
    }
}

#[test]
fn every_command_has_a_help_that_names_its_flags() {
    let folder = folder();
    for command in COMMANDS {
        let help = call(folder.path(), &[command, "--help"]);
        assert_told(&format!("help_{command}"), &help);
    }
}

#[test]
fn the_commands_page_has_the_help_of_every_command() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
    let page = std::fs::read_to_string(page).expect("docs/cli.md is there");
    for command in COMMANDS {
        assert!(page.contains(&format!("\n## `refundd {command}`\n")), "{command} is missing");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let folder = folder();
    let version = call(folder.path(), &["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let expected = format!("refundd {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
}

#[test]
fn what_is_no_command_is_wrong_usage_and_goes_to_stderr() {
    let folder = folder();
    assert_told("unknown_command", &call(folder.path(), &["shwo", "R-1"]));
    assert_told("no_command", &call(folder.path(), &[]));
    assert_told("unknown_flag", &call(folder.path(), &["list", "--acount", "shop-ca"]));
}

#[test]
fn the_schemas_are_printed_as_they_are_kept_in_the_repository() {
    let folder = folder();
    for which in ["request", "result"] {
        let printed = call(folder.path(), &["schema", which]);
        assert_eq!((printed.status.code(), printed.stderr.len()), (Some(0), 0));
        let kept = format!("{}/docs/schemas/refund-{which}-v1.json", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(kept).unwrap();
        assert_eq!(String::from_utf8(printed.stdout).unwrap().trim(), kept.trim());
    }
    let both: Value = serde_json::from_slice(&call(folder.path(), &["schema"]).stdout).unwrap();
    assert_eq!(both[0]["title"], "refundd request v1");
    assert_eq!(both[1]["title"], "refundd result v1");
    assert_told("schema_of_nothing", &call(folder.path(), &["schema", "answer"]));
}
