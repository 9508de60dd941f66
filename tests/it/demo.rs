//! `refundd demo`: the whole thing on one machine, checked against the gateway's book.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use refundd::contract::ResultV1;

use crate::support::redis::signal;
use crate::support::service::ended;
use crate::support::wait_for;

fn demo(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refundd"));
    command.arg("demo").args(args).current_dir(folder).env("NO_COLOR", "1");
    command.env("TMPDIR", folder).env_remove("REFUNDD_CONFIG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn folder() -> tempfile::TempDir {
    // Short: the socket of the private Redis lies three folders deeper.
    tempfile::TempDir::with_prefix("rd-").expect("a temporary folder")
}

/// Everything that is left in a folder, and every process that works in it.
fn left_in(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|process| {
        let process = process.unwrap().path();
        let at = std::fs::read_link(process.join("cwd")).ok()?;
        at.starts_with(folder).then_some(process)
    });
    files.chain(processes).collect()
}

#[test]
fn the_demo_prints_its_table_and_agrees_with_the_book_of_the_gateway() {
    let folder = folder();
    let output = demo(folder.path(), &["--refunds", "60"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{told}");
    for expected in [
        "account",
        "nothing special",
        "executed, answer with a bad signature",
        "more than was paid",
        "R0004-late",
        "timeline",
        "60 refunds asked for",
        "each refund paid at most once, none lost, every result as the book has it. OK",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    for account in ["shop-ca", "shop-hk", "shop-pair"] {
        assert!(text.contains(&format!("\n {account} ")), "{account} is missing in\n{text}");
    }
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn the_demo_prints_one_result_a_line_for_scripts() {
    let folder = folder();
    let output = demo(folder.path(), &["--refunds", "60", "--json"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    let results: Vec<ResultV1> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a result of version 1 on each line"))
        .collect();
    // Sixty refunds; each conflict is a rejection beside the first result.
    let conflicts = results.iter().filter(|one| one.code.as_deref() == Some("conflict")).count();
    assert!(conflicts > 0);
    assert_eq!(results.len(), 60 + conflicts);
    assert!(told.contains("every result as the book has it. OK"), "{told}");
}

/// Starts a demo and waits until it has said where its data are.
fn start(folder: &Path) -> (Child, PathBuf) {
    let mut child = demo(folder, &["--refunds", "2000"]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let data = said.trim_end().rsplit("private Redis in ").next().unwrap();
    let data = PathBuf::from(data);
    assert!(data.starts_with(folder) && data.is_dir(), "{said}");
    (child, data)
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let folder = folder();
    let (mut child, data) = start(folder.path());
    let client = redis::Client::open(format!("unix://{}/redis.sock", data.display())).unwrap();
    wait_for("the first result", || {
        let mut con = client.get_connection().ok()?;
        let results: u32 = redis::cmd("XLEN").arg("{refunds}:results").query(&mut con).ok()?;
        (results > 0).then_some(())
    });
    signal("-INT", &child.id().to_string());
    assert_eq!(ended(&mut child).code(), Some(130));
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_demo_that_is_interrupted_while_it_starts_leaves_nothing_behind_either() {
    let folder = folder();
    let (mut child, _) = start(folder.path());
    // Its Redis is being started now, or is about to be.
    signal("-INT", &child.id().to_string());
    assert_eq!(ended(&mut child).code(), Some(130));
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn the_data_of_an_earlier_demo_are_not_taken_for_those_of_this_one() {
    let folder = folder();
    std::fs::write(folder.path().join("appendonly.aof"), "").unwrap();
    let here = folder.path().display().to_string();
    let output = demo(folder.path(), &["--data-dir", &here]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--data-dir must be an empty folder"), "{told}");
    let none = demo(folder.path(), &["--refunds", "0"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn a_demo_that_stays_shows_its_dashboard_until_it_is_told_to_end() {
    let folder = folder();
    let mut child = demo(folder.path(), &["--refunds", "10", "--stay"]).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let line =
        told.find_map(|line| line.unwrap().strip_suffix("/ until Ctrl-C").map(str::to_owned));
    let line = line.expect("the address, once the check is done");
    let address = line.rsplit("http://").next().unwrap().to_owned();
    let mut page = std::net::TcpStream::connect(&address).unwrap();
    write!(page, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let answer = std::io::read_to_string(page).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("Money in flight"), "{answer}");
    signal("-INT", &child.id().to_string());
    assert_eq!(ended(&mut child).code(), Some(0), "it had done what it was to do");
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}
