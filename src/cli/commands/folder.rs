//! The folder in which a command keeps what it starts.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use crate::cli::CliError;

/// The folder of a command's data; a temporary one goes with it.
#[derive(Debug)]
pub(super) struct Folder {
    /// Where it is.
    pub(super) path: PathBuf,
    temporary: bool,
}

impl Folder {
    /// The folder that the person wants, which must be empty; without one, a temporary one of `command`.
    pub(super) fn make(command: &str, wanted: Option<PathBuf>) -> Result<Self, CliError> {
        let Some(path) = wanted else {
            return Self::temporary(command);
        };
        let cannot = |err| CliError::Io(format!("cannot use {}", path.display()), err);
        std::fs::create_dir_all(&path).map_err(cannot)?;
        // Refunds of an earlier run would not be in the book of this one.
        if std::fs::read_dir(&path).map_err(cannot)?.next().is_some() {
            let rule = format!("--data-dir must be an empty folder, {} is not", path.display());
            return Err(CliError::Usage(rule));
        }
        Ok(Self { path, temporary: false })
    }

    /// A folder that was not there before: never one that somebody has put in our way. For its owner
    /// only, because a configuration in it may hold a password.
    fn temporary(command: &str) -> Result<Self, CliError> {
        let name = format!("refundd-{command}-{}", std::process::id());
        let base = std::env::temp_dir().join(name);
        let mut path = base.clone();
        for n in 1.. {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(err) if err.kind() == ErrorKind::AlreadyExists && n < 100 => {
                    path = base.with_extension(n.to_string());
                }
                Err(err) => {
                    return Err(CliError::Io(format!("cannot make {}", path.display()), err));
                }
                Ok(()) => break,
            }
        }
        Ok(Self { path, temporary: true })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // Nothing in it is worth a failure.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
