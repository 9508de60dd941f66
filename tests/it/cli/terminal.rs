//! What depends on who reads: a terminal, a pipe that closes, nobody.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use super::{folder, path};
use crate::support::service::{Shop, gateway, request};

/// Runs a command on a terminal of its own, as `script` would.
const ON_TERMINAL: &str = "import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

fn on_terminal(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = folder();
    let mut command = Command::new("python3");
    command.args(["-c", ON_TERMINAL, env!("CARGO_BIN_EXE_refundd")]).args(args);
    command.env_clear().env("PATH", path()).env("TERM", "xterm").current_dir(folder.path());
    command.envs(environment.iter().copied()).stdin(Stdio::null());
    command.output().expect("python3 is needed by the tests")
}

#[test]
fn colour_is_for_terminals_and_no_color_turns_it_off() {
    for args in [&["show", "R 1"][..], &["run"], &["list", "--state", "done"], &["--help"]] {
        let coloured = on_terminal(args, &[]);
        let plain = on_terminal(args, &[("NO_COLOR", "1")]);
        let piped = super::call(folder().path(), args);
        assert_eq!(coloured.status, piped.status, "{args:?}");
        assert_eq!(plain.status, piped.status, "{args:?}");
        let escapes = |bytes: &[u8]| bytes.contains(&0x1b);
        assert!(escapes(&coloured.stdout), "{args:?}: {coloured:?}");
        assert!(!escapes(&plain.stdout), "{args:?}: {plain:?}");
        assert!(!escapes(&piped.stdout) && !escapes(&piped.stderr), "{args:?}: {piped:?}");
        let words = |text: &[u8]| String::from_utf8_lossy(text).contains("error");
        assert_eq!(words(&plain.stdout), words(&coloured.stdout), "meaning is never in colour");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_reading_is_no_error() {
    let shop = Shop::open(gateway()).await;
    let lines: Vec<String> =
        (0..3_000).map(|n| request(&format!("R-{n:04}"), "nowhere").to_string()).collect();
    std::fs::write(shop.path("refunds.jsonl"), lines.join("\n")).unwrap();
    assert!(shop.call(&["enqueue", "refunds.jsonl"]).status.success());
    let mut shop = shop;
    shop.run();
    shop.results(3_000).await;
    for args in [&["results"][..], &["results", "--json", "--group", "books"], &["schema"]] {
        let mut command = shop.refundd(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut head = BufReader::with_capacity(64, child.stdout.take().unwrap());
        let mut first = String::new();
        head.read_line(&mut first).unwrap();
        drop(head);
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""), "{args:?}");
        assert!(!first.is_empty());
    }
    // What nobody has read is not lost to the group.
    let again = shop.call(&["results", "--json", "--group", "books"]);
    assert_eq!(again.stdout.split(|byte| *byte == b'\n').count(), 3_001);
}
