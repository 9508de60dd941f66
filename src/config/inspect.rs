//! The configuration as far as it can be read, for `refundd doctor`: a problem in one place does not
//! hide what stands in another.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::environment::{Environment, FILE_VARIABLE};
use super::{Problem, Settings, layers, load, masked, read, secret, shape};

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// The file that was read, or should have been.
    pub file: Option<PathBuf>,
    /// The settings, if there are any that fit together; without those that do not fit.
    pub settings: Option<Settings>,
    /// What is wrong, each with its key and what to write instead.
    pub problems: Vec<String>,
    /// What is allowed and should be thought over.
    pub warnings: Vec<String>,
    /// The signing key of each gateway: where it is, and what a person should change, or what is wrong.
    pub keys: Vec<(String, Result<KeyPlace, Problem>)>,
    /// Whether the file holds a password and everybody on this machine may read it.
    pub password_in_the_open: bool,
}

/// Where a signing key is. Holds no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// In words.
    pub place: String,
    /// What a person should change.
    pub warning: Option<String>,
}

/// Reads whatever can be read of the layers that [`load`] reads.
pub fn inspect(file: Option<&Path>, environment: &Environment) -> Inspection {
    let named = environment.get(FILE_VARIABLE).filter(|name| !name.is_empty());
    let file = file.map(Path::to_owned).or(named.map(PathBuf::from));
    let (settings, problems, warnings) = match load(file.as_deref(), environment) {
        Ok(config) => (Some(config.settings), Vec::new(), config.warnings),
        Err(err) => {
            let problems: Vec<_> = err.problems().iter().map(ToString::to_string).collect();
            let problems = if problems.is_empty() { vec![with_cause(&err)] } else { problems };
            (leniently(file.as_deref(), environment), problems, Vec::new())
        }
    };
    let keys = settings.as_ref().map(|found| keys(found, file.as_deref(), environment));
    let password_in_the_open = file.as_deref().is_some_and(holds_an_open_password);
    Inspection {
        file,
        settings,
        problems,
        warnings,
        keys: keys.unwrap_or_default(),
        password_in_the_open,
    }
}

/// The settings that fit, of a configuration that has problems. A file that is no TOML gives none: its
/// defaults would be another installation's.
fn leniently(file: Option<&Path>, environment: &Environment) -> Option<Settings> {
    let text = file.map(read).transpose().ok()?;
    let name = file.map(|path| path.display().to_string());
    let tree = layers::merged(name.as_deref().zip(text.as_deref()), environment).ok()?;
    let mut settings: Settings = serde_json::from_value(shape::shape(&tree).json).ok()?;
    settings.redis.url.take_if(|url| url.expose().is_empty());
    settings.telemetry.otlp_endpoint.take_if(|url| url.expose().is_empty());
    Some(settings)
}

/// An error and its cause in one line.
fn with_cause(err: &super::ConfigError) -> String {
    std::error::Error::source(err).map_or(err.to_string(), |cause| format!("{err}: {cause}"))
}

fn keys(
    settings: &Settings,
    file: Option<&Path>,
    environment: &Environment,
) -> Vec<(String, Result<KeyPlace, Problem>)> {
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let look = |(name, gateway): (&String, &super::GatewaySettings)| {
        let place = match (&gateway.key_file, &gateway.key_env) {
            (Some(file), _) => format!("in {}", folder.join(file).display()),
            (None, variable) => format!("in the variable {}", variable.as_deref().unwrap_or("")),
        };
        let key = secret::read_key(name, gateway, folder, environment);
        (name.clone(), key.map(|key| KeyPlace { place, warning: key.warning }))
    };
    settings.gateways.iter().map(look).collect()
}

/// Whether a text holds something that would be masked, and others may read it.
fn holds_an_open_password(file: &Path) -> bool {
    let open = std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o004 != 0);
    open && read(file).is_ok_and(|text| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.into_iter().any(|line| line.contains("://") && masked(line) != line)
    })
}
