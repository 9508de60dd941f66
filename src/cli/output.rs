//! All output of the program: data to stdout, everything else to stderr.
//!
//! Text that came from a gateway or a producer is stripped of control characters before a person
//! sees it, so that nobody can repaint an operator's terminal.

use std::error::Error;
use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::exit::CliError;

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object a line instead of text for people.
    pub json: bool,
    /// Colour on stderr and stdout; meaning never hangs on it.
    pub colour: bool,
    /// No progress bars, no notes.
    pub quiet: bool,
}

impl Output {
    /// From the flags, the terminal and `NO_COLOR`.
    pub fn new(json: bool, quiet: bool, no_color: bool) -> Self {
        Self { json, quiet, colour: !no_color && std::io::stderr().is_terminal() }
    }

    /// Whether progress bars make sense: a person watches, and nobody parses.
    pub fn shows_progress(self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// Prints a line of data.
    ///
    /// # Errors
    /// [`CliError::Io`] if stdout is closed.
    pub fn line(self, text: &str) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{text}")
            .map_err(|err| CliError::Io("cannot write to standard output".to_owned(), err))
    }

    /// Prints one JSON object on a line.
    ///
    /// # Errors
    /// [`CliError::Io`] if stdout is closed.
    pub fn object(self, object: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(object).map_err(|err| CliError::Failed {
            what: "cannot be written as JSON".to_owned(),
            source: Some(Box::new(err)),
        })?;
        self.line(&text)
    }

    /// Tells the person something that is not data.
    pub fn note(self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// Tells the person what they are asked about, whatever the flags say. The line stays open.
    pub fn ask(self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
    }

    /// Tells the person what went wrong, why, and what to do.
    pub fn error(self, err: &CliError) {
        let (red, reset) = if self.colour { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        let mut last = visible(&err.to_string());
        complain(&format!("{red}error:{reset} {}", last.trim_end()));
        let mut cause = err.source();
        while let Some(err) = cause {
            let text = visible(&err.to_string());
            // Some errors repeat their cause word for word.
            if text != last {
                complain(&format!("caused by: {}", text.trim_end()));
            }
            last = text;
            cause = err.source();
        }
        if let Some(hint) = err.hint() {
            complain(&format!("\nhint: {hint}"));
        }
    }
}

/// Writes to stderr; if that is closed nobody can be told.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// `text` without control characters other than line breaks.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// `text` without control characters, on one line: no answer of a gateway can look like a line of
/// ours.
pub(super) fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\u{7}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\nd");
        assert_eq!(one_line("a\r\nR2 succeeded"), "a\u{fffd}\u{fffd}R2 succeeded");
    }
}
