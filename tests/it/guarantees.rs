//! Holds `docs/guarantees.md` to the sources: every test that it names exists, every rule and every
//! fault stands in it once, and none is without a test or an honest word.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/guarantees.md";
const RULES: usize = 16;
const FAULTS: usize = 34;

/// What stands where nothing is shown.
const NOT_BUILT: &str = "not built yet";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join(PAGE)).unwrap_or_else(|err| panic!("{PAGE}: {err}"))
}

/// What stands between a heading and the next of any level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let from = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let body = &page[from + 1 + heading.len()..];
    &body[..body.find("\n#").unwrap_or(body.len())]
}

/// The rows of a table whose first cell is a number: that number and the row.
fn rows(section: &str) -> Vec<(usize, &str)> {
    let number = |row: &str| row.strip_prefix("| ")?.split(' ').next()?.parse().ok();
    section.lines().filter_map(|row| Some((number(row)?, row))).collect()
}

/// The paths of tests that a text names: what is in backticks and joined by `::`.
fn named(text: &str) -> Vec<&str> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
    let path = |quoted: &&str| quoted.contains("::") && quoted.chars().all(word);
    text.split('`').skip(1).step_by(2).filter(path).collect()
}

/// A module of the sources.
struct Module {
    text: String,
    file: PathBuf,
    /// Where the files of its own modules lie.
    folder: PathBuf,
}

impl Module {
    fn root(file: &str, folder: &str) -> Self {
        Self::read(root().join(file), root().join(folder))
    }

    fn read(file: PathBuf, folder: PathBuf) -> Self {
        let text =
            fs::read_to_string(&file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
        Self { text, file, folder }
    }

    /// The module `name` in this one, if it is declared here.
    fn child(&self, name: &str) -> Option<Self> {
        let lines: Vec<&str> = self.text.lines().collect();
        let declares = |end: &str| {
            let (own, of_the_crate) =
                (format!("mod {name}{end}"), format!("pub(crate) mod {name}{end}"));
            let public = format!("pub mod {name}{end}");
            lines
                .iter()
                .position(|line| [&own, &public, &of_the_crate].contains(&&(*line).to_owned()))
        };
        if let Some(at) = declares(";") {
            return Some(self.in_a_file(name, lines[..at].iter().rev().copied()));
        }
        let (file, folder) = (self.file.clone(), self.folder.join(name));
        if let Some(at) = declares(" {") {
            let inside = lines[at + 1..].iter().take_while(|line| **line != "}").copied();
            return Some(Self { text: inside.collect::<Vec<_>>().join("\n"), file, folder });
        }
        // A macro makes one of each of these modules, with the same tests in it.
        let listed = self.text.split("\non_both_ledgers!(").nth(1)?.split(");").next()?;
        let cases = listed.split(',').map(|case| format!("#[test]\nfn {}() {{}}", case.trim()));
        let text = cases.collect::<Vec<_>>().join("\n\n");
        ["memory", "redis"].contains(&name).then_some(Self { text, file, folder })
    }

    /// A module in a file of its own; `above` are the lines above its declaration, the nearest first.
    fn in_a_file<'a>(&self, name: &str, above: impl Iterator<Item = &'a str>) -> Self {
        let mut attributes = above.take_while(|line| line.starts_with("#["));
        let path = attributes.find_map(|line| line.strip_prefix("#[path = \""));
        let beside = |file: &Path| file.parent().map(Path::to_path_buf).unwrap_or_default();
        if let Some(path) = path {
            let file = beside(&self.file).join(path.trim_end_matches("\"]"));
            let folder = beside(&file);
            return Self::read(file, folder);
        }
        let folder = self.folder.join(name);
        let file = self.folder.join(format!("{name}.rs"));
        Self::read(if file.exists() { file } else { folder.join("mod.rs") }, folder)
    }

    /// Whether a test of this name stands in this module itself.
    fn has_test(&self, name: &str) -> bool {
        let own = |line: &&str| !(line.starts_with("mod ") && line.ends_with(" {"));
        let lines: Vec<&str> = self.text.lines().take_while(own).map(str::trim).collect();
        let (plain, waits) = (format!("fn {name}("), format!("async fn {name}("));
        let is_it = |line: &&str| line.starts_with(&plain) || line.starts_with(&waits);
        let Some(at) = lines.iter().position(is_it) else { return false };
        let attributes = lines[..at].iter().rev().take_while(|line| !matches!(**line, "" | "}"));
        let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
        attributes.into_iter().any(|line| is_test(line))
    }
}

/// Whether a test of this path is compiled into one of the two binaries.
fn exists(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split("::").collect();
    let Some(name) = parts.pop() else { return false };
    [("src/lib.rs", "src"), ("tests/it/main.rs", "tests/it")].into_iter().any(|(file, folder)| {
        let module =
            parts.iter().try_fold(Module::root(file, folder), |module, part| module.child(part));
        module.is_some_and(|module| module.has_test(name))
    })
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let page = page();
    let names: BTreeSet<&str> = named(&page).into_iter().collect();
    let missing: Vec<&str> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{PAGE} names tests that are not there:\n{}", missing.join("\n"));
}

#[test]
fn every_proof_that_the_guarantees_run_is_a_module_with_tests() {
    let page = page();
    let command = "cargo test --test it ";
    let runs: BTreeSet<&str> =
        page.split(command).skip(1).filter_map(|rest| rest.split(['`', ' ']).next()).collect();
    assert!(runs.len() >= 6, "{runs:?}");
    for path in runs {
        let module = path
            .split("::")
            .try_fold(Module::root("tests/it/main.rs", "tests/it"), |module, part| {
                module.child(part)
            });
        assert!(module.is_some(), "{PAGE} runs {path}, which is no module");
    }
}

#[test]
fn every_rule_and_every_fault_stands_once_and_is_shown_or_said_not_to_be_built() {
    let page = page();
    for (heading, last) in [("## Rules", RULES), ("## Faults", FAULTS)] {
        let rows = rows(section(&page, heading));
        let numbers: Vec<usize> = rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "{heading}");
        for (number, row) in rows {
            let shown = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            let proved = !named(shown).is_empty() || row.contains(NOT_BUILT);
            assert!(proved, "{heading}, row {number}: no test, and not said to be missing");
        }
    }
}

#[test]
fn what_is_not_built_yet_stands_in_one_list() {
    let page = page();
    let faults = rows(section(&page, "## Faults")).into_iter();
    let missing: BTreeSet<usize> =
        faults.filter(|(_, row)| row.contains(NOT_BUILT)).map(|(number, _)| number).collect();
    let listed: BTreeSet<usize> = section(&page, "### Not built yet")
        .split("Row ")
        .skip(1)
        .map(|rest| rest.split(':').next().and_then(|no| no.parse().ok()).expect("Row NUMBER:"))
        .collect();
    assert_eq!(listed, missing);
}
