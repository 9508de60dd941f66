//! Spoilt command lines: they are read, or refused with a text; nothing is carried out here.

use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::fuzzing::Target;
use crate::fuzzing::mutate::mutated;

/// Command lines, their arguments divided by NUL as the system divides them.
const LINES: &[&str] = &[
    "run",
    "--config\0refundd.toml\0run",
    "-q\0demo\0--json",
    "sandbox\0--listen\x00127.0.0.1:0",
    "enqueue\0--refund-no\0R1\0--account\0shop\0--amount-cents\x00500\0--currency\0CAD\0--order-no\0A-7",
    "enqueue\0--file\0-",
    "show\0R20261122-0001\0--json",
    "list\0--state\0parked\0--older-than\x002h\0--limit\x0010\0--account=shop",
    "results\0--json\0--count\x005",
    "schema\0request",
    "config",
    "help\0run",
    "--version",
];

#[test]
fn fuzz_of_a_command_line_is_read_or_refused_in_words() {
    let corpus: Vec<Vec<u8>> = LINES.iter().map(|line| line.as_bytes().to_vec()).collect();
    let target =
        Target { name: "command-line", cases: 800, memory_per_byte: 64, memory_more: 1 << 20 };
    target.run(
        |dice| mutated(dice, &corpus),
        |bytes| {
            let words = bytes.split(|b| *b == 0).map(|word| OsString::from_vec(word.to_vec()));
            Cli::try_parse_from([OsString::from("refundd")].into_iter().chain(words))
        },
        |_, read| match read {
            Ok(cli) => !format!("{cli:?}").is_empty(),
            Err(err) => {
                assert!(!err.to_string().is_empty());
                false
            }
        },
    );
}
