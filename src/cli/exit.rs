//! Exit codes and the errors behind them.

use std::error::Error;
use std::process::ExitCode;

use crate::app::AppError;
use crate::config::ConfigError;
use crate::operator::ActError;
use crate::ports::LedgerError;

/// How the program ends. The numbers are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed; the message says why.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// What was asked for is not there.
    NotFound = 3,
    /// Refused because it would be unsafe.
    Refused = 4,
    /// Interrupted by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// All codes with their meaning, as `--help` shows them.
    pub const HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, \
                            3 not found, 4 refused (unsafe), 130 interrupted";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::from(0),
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::NotFound => Self::from(3),
            Exit::Refused => Self::from(4),
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    /// refundd cannot start as configured.
    #[error(transparent)]
    App(#[from] AppError),
    /// Redis cannot be used.
    #[error("the ledger cannot be used")]
    Ledger(#[from] LedgerError),
    /// The command line or its input is wrong; the text says how.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// It was refused, because it would be unsafe or makes no sense; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Something failed; the text says what, the source why.
    #[error("{what}")]
    Failed {
        /// What.
        what: String,
        /// Why.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Standard output or a file could not be written or read.
    #[error("{0}")]
    Io(String, #[source] std::io::Error),
    /// A signal ended it; there is nothing to say.
    #[error("stopped by a signal")]
    Stopped(Exit),
}

impl From<ActError> for CliError {
    fn from(err: ActError) -> Self {
        let text = err.to_string();
        match err {
            ActError::Ledger(err) => Self::Ledger(err),
            ActError::NotFound(_) | ActError::UnknownAccount { .. } => Self::NotFound(text),
            ActError::Stale { .. } | ActError::Busy(_) | ActError::NotAllowed { .. } => {
                Self::Refused(text)
            }
            ActError::Words { .. } => Self::Usage(text),
            ActError::Defect(err) => Self::Failed { what: text, source: Some(Box::new(err)) },
        }
    }
}

impl CliError {
    /// A failure in words alone.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), source: None }
    }

    /// The exit code of this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Usage(_)
            | Self::Ledger(LedgerError::Unfit(_))
            | Self::App(AppError::Gateway { .. } | AppError::Ledger(LedgerError::Unfit(_))) => {
                Exit::Usage
            }
            Self::NotFound(_) => Exit::NotFound,
            Self::Refused(_) => Exit::Refused,
            Self::Stopped(exit) => *exit,
            Self::App(_) | Self::Ledger(_) | Self::Failed { .. } | Self::Io(..) => Exit::Failed,
        }
    }

    /// What the person may do about it, if that is not in the text.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Config(_) => Some("the commented reference is config/default.toml"),
            Self::Ledger(LedgerError::Unavailable(_))
            | Self::App(AppError::Ledger(LedgerError::Unavailable(_))) => {
                Some("is Redis running, and is redis.url right? refundd config shows it")
            }
            Self::App(_)
            | Self::Ledger(_)
            | Self::Usage(_)
            | Self::NotFound(_)
            | Self::Refused(_)
            | Self::Failed { .. }
            | Self::Stopped(_)
            | Self::Io(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_configuration_is_code_2_and_an_absent_redis_code_1() {
        let unfit = CliError::Ledger(LedgerError::Unfit("too old".to_owned()));
        assert_eq!(unfit.exit(), Exit::Usage);
        let away = CliError::Ledger(LedgerError::Unavailable("refused".into()));
        assert_eq!((away.exit(), away.hint().is_some()), (Exit::Failed, true));
        assert_eq!(CliError::NotFound(String::new()).exit(), Exit::NotFound);
    }
}
