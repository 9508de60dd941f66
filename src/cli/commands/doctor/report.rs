//! What a check says, and how it is printed.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::output::one_line;

/// Widest line of the report, so that it can be read on any terminal and pasted into a mail.
const WIDTH: usize = 80;

/// Where the text begins, behind the level.
const INDENT: usize = 9;

/// How bad it is; the worst decides how the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// It could not be looked at.
    Unknown,
    /// Something should be done.
    Warning,
    /// Refunds do not move, or could be lost.
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, such as `redis.eviction`.
    pub(super) check: String,
    pub(super) level: Level,
    /// What is there.
    pub(super) found: String,
    /// Why that is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wrong: Option<String>,
    /// What to write where, or to run.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    fn new(check: impl Into<String>, level: Level, found: &str) -> Self {
        let check = check.into();
        // Some of it was written by others, such as the reason of a pause.
        Self { check, level, found: one_line(found), wrong: None, remedy: None }
    }

    pub(super) fn ok(check: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(check, Level::Ok, found.as_ref())
    }

    pub(super) fn note(check: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(check, Level::Note, found.as_ref())
    }

    pub(super) fn unknown(check: impl Into<String>, why: impl AsRef<str>) -> Self {
        Self::new(check, Level::Unknown, why.as_ref())
    }

    pub(super) fn warning(check: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(check, Level::Warning, found.as_ref())
    }

    pub(super) fn error(check: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(check, Level::Error, found.as_ref())
    }

    /// Says why it is wrong.
    pub(super) fn because(mut self, wrong: impl AsRef<str>) -> Self {
        self.wrong = Some(one_line(wrong.as_ref()));
        self
    }

    /// Says what to do.
    pub(super) fn remedy(mut self, remedy: impl AsRef<str>) -> Self {
        self.remedy = Some(one_line(remedy.as_ref()));
        self
    }
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    /// The worst level.
    status: Level,
    checks: Vec<Finding>,
}

impl Report {
    pub(super) fn of(checks: Vec<Finding>) -> Self {
        let status = checks.iter().map(|one| one.level).max().unwrap_or(Level::Unknown);
        Self { version: env!("CARGO_PKG_VERSION"), status, checks }
    }

    /// Whether nothing has to be done.
    pub(super) fn is_well(&self) -> bool {
        self.status <= Level::Note
    }

    /// The report for people, without a final line break.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.checks {
            let level = finding.level.as_str();
            let said = format!("{}: {}", finding.check, finding.found);
            paragraph(&mut text, level, &said);
            if let Some(wrong) = &finding.wrong {
                paragraph(&mut text, "", wrong);
            }
            if let Some(remedy) = &finding.remedy {
                paragraph(&mut text, "", &format!("do: {remedy}"));
            }
        }
        let count = |level| self.checks.iter().filter(|one| one.level == level).count();
        let levels = [Level::Error, Level::Warning, Level::Unknown, Level::Note, Level::Ok];
        let counts = levels.map(|level| {
            let many = count(level) != 1 && level != Level::Unknown && level != Level::Ok;
            format!("{} {}{}", count(level), level.as_str(), if many { "s" } else { "" })
        });
        let _ = write!(text, "\n{}", counts.join(", "));
        text
    }
}

/// `text` in lines of at most [`WIDTH`], the first of them behind `head`. A word that is longer, such
/// as a path, is not broken: people copy it.
fn paragraph(out: &mut String, head: &str, text: &str) {
    let mut line = format!("{head:INDENT$}");
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = " ".repeat(INDENT);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(&line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_into_80_columns_and_breaks_no_word() {
        let long = "word ".repeat(60);
        let path = format!("/{}", "x".repeat(100));
        let bad = Finding::error("redis.eviction", &long).because(&path).remedy(&long);
        let text = Report::of(vec![bad]).text();
        assert!(text.contains(&path));
        let wide = text.lines().filter(|line| line.chars().count() > WIDTH && !line.contains('/'));
        assert_eq!(wide.count(), 0, "{text}");
    }

    #[test]
    fn the_worst_finding_decides_and_a_note_is_no_harm() {
        let [fine, note] = [Finding::ok("a", ""), Finding::note("b", "")];
        assert!(Report::of(vec![fine.clone(), note]).is_well());
        for bad in [Finding::unknown("c", ""), Finding::warning("c", ""), Finding::error("c", "")] {
            assert!(!Report::of(vec![fine.clone(), bad]).is_well());
        }
    }
}
