//! Reads the tree and fails with file, line and rule where it breaks a rule of the house.
//!
//! One test a rule. A rule looks at text, not at syntax: it is short enough to be read, and a way
//! around it is found in review.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Which room may name which (`crate::…`). `app` and `cli` put everything together and may name
/// all. A path narrows a room: the sandbox shares the signer of the gateways and nothing else.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ports", &["domain"]),
    ("contract", &["domain", "ports::ledger"]),
    ("workers", &["domain", "ports", "contract", "crash", "telemetry"]),
    ("intake", &["domain", "ports", "contract", "crash", "telemetry"]),
    ("crash", &[]),
    ("operator", &["domain", "ports", "contract"]),
    ("ops", &["domain", "ports", "contract", "intake", "operator", "telemetry"]),
    ("reporting", &["domain", "ports", "telemetry"]),
    ("retention", &["domain", "ports"]),
    ("ledger", &["domain", "ports", "telemetry"]),
    ("gateways", &["domain", "ports"]),
    ("config", &["domain"]),
    ("sandbox", &["domain", "ports", "gateways::sign"]),
    ("telemetry", &["domain", "ports::figures", "ports::ops"]),
    ("generated", &[]),
    ("lib", &[]),
    ("main", &[]),
];

/// Rooms that may name every other.
const ROOTS: &[&str] = &["app", "cli"];

/// For the tests of every room: holds generated pages against the code.
const FOR_TESTS: &str = "generated";

/// Words that only one place may use: word, place, what to do instead.
const ONE_PLACE: &[(&str, &str, &str)] = &[
    ("redis::", "src/ledger/", "only ledger/ names the redis crate"),
    ("reqwest::Client::", "src/gateways/http.rs", "only gateways/http.rs builds the HTTP client"),
    ("reqwest::ClientBuilder", "src/gateways/http.rs", "only gateways/http.rs builds the client"),
    ("env::var", "src/config/", "only config/ reads the environment"),
];

/// Exceptions from [`ONE_PLACE`]: file, word.
const ELSEWHERE: &[(&str, &str)] = &[
    ("src/generated.rs", "env::var"), // a switch of the tests, no setting
];

/// Longest Rust file without its tests, lines.
const RUST_LINES: usize = 400;

/// Files that may be longer, and how long: what stands in them belongs together.
const LONGER: &[(&str, usize)] = &[];

/// Words that must not stay: word, folder where it may.
const BANNED: &[(&str, &str)] = &[
    ("#[ignore", ""),
    ("todo!", ""),
    ("unimplemented!", ""),
    ("dbg!", ""),
    ("FIXME", ""),
    ("XXX", ""),
    ("thread::sleep", "tests/it/support/"),
];

/// A file of the tree.
struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The lines with their numbers, comments cut off.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| {
            let code = if line.trim_start().starts_with("//") { "" } else { line };
            (at + 1, code.split(" // ").next().unwrap_or_default())
        })
    }

    /// The room of a file under `src/`: its folder, or its name where it has none.
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or_default();
        inside.split(['/', '.']).next().unwrap_or_default()
    }

    fn is_all_tests(&self) -> bool {
        self.path.ends_with("_tests.rs") || self.path.ends_with("/tests.rs")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Source {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"));
    Source { path: path.to_owned(), text }
}

/// All files below `folder` whose name ends in `end`, by path.
fn sources(folder: &str, end: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let relative = |path: PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    let found: Vec<_> =
        paths.into_iter().map(relative).filter(|path| path.ends_with(end)).collect();
    assert!(!found.is_empty(), "nothing to read in {folder}");
    found.iter().map(|path| read(path)).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, paths) } else { paths.push(path) }
    }
}

fn rust() -> Vec<Source> {
    let mut all = sources("src", ".rs");
    all.extend(sources("tests/it", ".rs"));
    all
}

/// Fails with all that was found.
fn hold(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// What follows each `crate::` of a line: `a::b` of `crate::a::b::C`, or each of `crate::{a, b}`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let group = rest.strip_prefix('{').map(|inner| inner.split('}').next().unwrap_or_default());
        for item in group.unwrap_or(rest).split(", ").take(group.map_or(1, |_| usize::MAX)) {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let parts = item.split("::").take(2).map(|part| part.split(|c| !word(c)).next());
            found.push(parts.flatten().collect::<Vec<_>>().join("::"));
        }
    }
    found
}

#[test]
fn rooms_know_only_the_rooms_that_the_arrows_allow() {
    let mut broken = Vec::new();
    // A room's tests may stand it on the real rooms beside it.
    let sources = sources("src", ".rs");
    let rooms = sources.iter().filter(|file| !ROOTS.contains(&file.room()) && !file.is_all_tests());
    for file in rooms {
        let room = file.room();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            broken.push(format!("{}:1: room {room} has no row in ARROWS", file.path));
            continue;
        };
        for (line, code) in file.code() {
            for path in crate_paths(code) {
                let other = path.split("::").next().unwrap_or_default();
                let narrow = allowed.iter().any(|allow| other == *allow || path == *allow);
                if other != room && other != FOR_TESTS && !narrow {
                    broken.push(format!("{}:{line}: {room} must not know {path}", file.path));
                }
            }
        }
    }
    hold(&broken);
}

#[test]
fn what_one_place_does_no_other_does() {
    let mut broken = Vec::new();
    for file in sources("src", ".rs") {
        for (line, code) in file.code() {
            for (word, place, rule) in ONE_PLACE {
                let mut hits = code.match_indices(word).map(|(at, _)| &code[..at]);
                let begins =
                    |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
                let excepted = ELSEWHERE.contains(&(file.path.as_str(), *word));
                if hits.any(begins) && !file.path.starts_with(place) && !excepted {
                    broken.push(format!("{}:{line}: {rule}", file.path));
                }
            }
        }
    }
    hold(&broken);
}

#[test]
fn rust_files_are_short() {
    let mut broken = Vec::new();
    for file in sources("src", ".rs").iter().filter(|file| !file.is_all_tests()) {
        let lines = file.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let longer = LONGER.iter().find(|(path, _)| *path == file.path).map(|(_, most)| *most);
        if lines > longer.unwrap_or(RUST_LINES) {
            broken.push(format!("{}:{lines}: too long without its tests, divide it", file.path));
        }
        if longer.is_some() && lines <= RUST_LINES {
            broken.push(format!("{}:{lines}: is short enough now, delete it in LONGER", file.path));
        }
    }
    hold(&broken);
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = |file: &Source| !file.text.starts_with("//! ");
    let broken: Vec<_> = rust().into_iter().filter(silent).collect();
    hold(
        &broken.iter().map(|file| format!("{}:1: needs a //! line", file.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_half_done_stays() {
    let mut broken = Vec::new();
    for file in rust().iter().filter(|file| file.path != "tests/it/tidy.rs") {
        for (at, line) in file.text.lines().enumerate() {
            for (word, may) in BANNED {
                if line.contains(word) && (may.is_empty() || !file.path.starts_with(may)) {
                    broken.push(format!("{}:{}: {word} must not stay", file.path, at + 1));
                }
            }
        }
    }
    hold(&broken);
}

/// The parts of a script's header in their order.
const HEADER: &[&str] = &["purpose", "KEYS", "ARGV", "Returns", "Reads first", "Repeat"];

/// The libraries that are put in front of other scripts have a header of their own kind.
const LIBRARIES: &[&str] =
    &["src/ledger/lua/bins.lua", "src/ledger/lua/lease.lua", "src/ledger/lua/order.lua"];

#[test]
fn every_script_says_what_it_takes_answers_and_repeats() {
    let mut broken = Vec::new();
    for file in sources("src/ledger/lua", ".lua") {
        if LIBRARIES.contains(&file.path.as_str()) {
            library_header(&file, &mut broken);
            continue;
        }
        let mut parts = vec!["purpose"];
        for (at, line) in header(&file).iter().enumerate() {
            let text = line.trim_start_matches("--").strip_prefix(' ').unwrap_or_default();
            let part = HEADER[1..].iter().copied().find(|part| text.starts_with(part));
            let ranks = |part: &str| HEADER.iter().position(|known| *known == part);
            let Some(part) = part else { continue };
            if at == 0 || ranks(part) < ranks(parts.last().unwrap()) {
                broken.push(format!("{}:{}: {part} is out of order", file.path, at + 1));
            }
            parts.push(part);
        }
        for missing in HEADER.iter().filter(|part| !parts.contains(part)) {
            broken.push(format!("{}:1: the header has no {missing}", file.path));
        }
    }
    hold(&broken);
}

fn library_header(file: &Source, broken: &mut Vec<String>) {
    if !file.text.starts_with("-- Library of ") {
        broken.push(format!("{}:1: must begin with: -- Library of", file.path));
    }
    if file.text.contains("KEYS[") || file.text.contains("ARGV[") {
        broken.push(format!("{}:1: a library gets keys and arguments as parameters", file.path));
    }
}

fn header(file: &Source) -> Vec<&str> {
    file.text.lines().take_while(|line| line.starts_with("--")).collect()
}

#[test]
fn scripts_use_exactly_the_keys_and_arguments_that_they_name() {
    let mut broken = Vec::new();
    let all = sources("src/ledger/lua", ".lua");
    for file in all.iter().filter(|file| !LIBRARIES.contains(&file.path.as_str())) {
        let named = header(file).join("\n");
        let body = file.text[named.len()..].to_owned();
        for name in ["KEYS", "ARGV"] {
            same_indices(
                &file.path,
                name,
                &indices(&named, name),
                &indices(&body, name),
                &mut broken,
            );
        }
    }
    hold(&broken);
}

#[test]
fn scripts_hand_their_last_keys_to_the_bins() {
    let mut broken = Vec::new();
    for file in sources("src/ledger/lua", ".lua") {
        let named = header(&file).join("\n");
        let open = indices(&named, "KEYS").into_iter().find_map(|index| index.strip_suffix(".."));
        // The last statement: whatever matters is written before what people only watch.
        let last = file.text.trim_end().lines().rev().nth(1).unwrap_or_default();
        let stores =
            open.is_none_or(|from| last == format!("Bins.store({{ unpack(KEYS, {from}) }})"));
        if !stores {
            broken.push(format!(
                "{}:1: KEYS[{}..] is not stored last",
                file.path,
                open.unwrap_or_default()
            ));
        }
    }
    hold(&broken);
}

/// What stands in the brackets after each `name`: `1`, `3..`, `a + 2`.
fn indices<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!("{name}[");
    let after = text.split(opening.as_str()).skip(1);
    after.map(|rest| rest.split(']').next().unwrap_or_default()).collect()
}

/// A literal index of the body is named; a named one is used; computed ones need an open `n..`.
fn same_indices(path: &str, name: &str, named: &[&str], used: &[&str], broken: &mut Vec<String>) {
    let open = named.iter().find_map(|index| index.strip_suffix("..")?.parse::<u32>().ok());
    for (at, index) in named.iter().enumerate() {
        if index.trim_end_matches("..").parse() != Ok(at + 1) {
            broken.push(format!("{path}:1: the header names {name}[{index}] out of order"));
        }
        if !index.ends_with("..") && !used.contains(index) {
            broken.push(format!("{path}:1: {name}[{index}] is named and not used"));
        }
    }
    for index in used {
        let fits = match index.parse::<u32>() {
            Ok(number) => named.contains(index) || open.is_some_and(|from| number >= from),
            Err(_) => open.is_some() || name == "KEYS",
        };
        if !fits {
            broken.push(format!("{path}:1: {name}[{index}] is used and not named"));
        }
    }
    let computed = used.iter().any(|index| index.parse::<u32>().is_err());
    if open.is_some() && !computed && name != "KEYS" {
        broken.push(format!("{path}:1: {name}[n..] is named and not used"));
    }
}

#[test]
fn scripts_and_pages_are_short() {
    let mut all: Vec<_> = sources("src/ledger/lua", ".lua").into_iter().map(|f| (f, 100)).collect();
    all.extend([(read("README.md"), 200), (read("ARCHITECTURE.md"), 200)]);
    let long = all.iter().filter(|(file, most)| file.text.lines().count() > *most);
    hold(
        &long.map(|(file, most)| format!("{}:{most}: is too long", file.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let (mut broken, mut inside) = (Vec::new(), false);
    for (at, line) in read("Cargo.toml").text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && line.contains('=') && !line.contains(" # ") {
            broken.push(format!("Cargo.toml:{}: a dependency needs a comment", at + 1));
        }
    }
    hold(&broken);
}

#[test]
fn every_script_for_the_shell_can_be_run() {
    let mut broken = Vec::new();
    for folder in ["deploy", ".ci", "examples"] {
        for file in sources(folder, "").iter().filter(|file| file.text.starts_with("#!")) {
            let mode = fs::metadata(root().join(&file.path)).unwrap().permissions().mode();
            if mode & 0o111 == 0 {
                broken.push(format!("{}:1: must be executable (chmod +x)", file.path));
            }
        }
    }
    hold(&broken);
}

#[test]
fn the_readme_shows_the_examples_as_they_are() {
    let readme = read("README.md").text;
    let shown =
        |file: &&Source| !readme.contains(&format!("```{}\n{}```\n", kind(file), file.text));
    let stale: Vec<_> = sources("examples", "").into_iter().filter(|file| shown(&file)).collect();
    hold(
        &stale
            .iter()
            .map(|f| format!("{}:1: README.md has another text", f.path))
            .collect::<Vec<_>>(),
    );
}

/// What the fence around a file is called, by the end of the file's name.
fn kind(file: &Source) -> &str {
    match file.path.rsplit('.').next() {
        Some("py") => "python",
        other => other.unwrap_or_default(),
    }
}
