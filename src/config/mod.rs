//! The configuration: layers, types, relations, secrets.
//!
//! Defaults (`config/default.toml`, compiled in), then one file, then the environment; later wins.
//! Whatever is wrong is said at once, each problem with the key's full name and what to write
//! instead. Nothing is guessed and nothing unknown is passed over: a misspelt key would be a
//! setting that silently does not apply.
//!
//! Only this room reads the environment. It opens no connection and starts nothing.
//!
//! | file | does |
//! |---|---|
//! | [`model`] | the settings as types; their schema holds names, types and ranges |
//! | `layers` | puts the layers over each other |
//! | `shape` | holds the layers against the schema |
//! | `check` | relations between settings |
//! | [`secret`] | keys from files and the environment |
//! | `inspect` | as much as can be read of a configuration with problems, for `doctor` |
//! | `show` | the effective configuration, secrets masked |
//! | `reference` | `docs/configuration.md` |

mod account;
mod check;
mod environment;
mod inspect;
mod layers;
mod limits;
pub mod model;
mod reference;
pub mod secret;
mod shape;
mod show;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::domain::policy::CallLimits;
use crate::domain::{AccountName, Currency, GatewayName, Policy};
pub use environment::{Environment, FILE_VARIABLE};
pub use inspect::{Inspection, KeyPlace, inspect};
pub use model::{GatewaySettings, Protocol, Settings};
pub use reference::reference;
pub use secret::{MASK, masked};

/// What a lease must be longer than connect and total timeout together, ms: time to sign, to store
/// the answer, and for two clocks to differ a little.
pub const LEASE_MARGIN_MS: u64 = 2_000;

/// One setting that is wrong: `accounts.shop.poll.jitter must be a number from 0 to 1, got 3.0`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {rule}")]
pub struct Problem {
    /// The key in full.
    pub key: String,
    /// What is wrong and what to write instead.
    pub rule: String,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { key: key.into(), rule: rule.into() }
    }
}

/// Every problem that was found, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(f, "configuration: {only}"),
            all => {
                write!(f, "configuration: {} problems", all.len())?;
                all.iter().try_for_each(|one| write!(f, "\n  {one}"))
            }
        }
    }
}

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. Passwords in the quoted line are masked.
    #[error("configuration file {} is not TOML: {why}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        why: String,
    },
    /// Settings are wrong, unknown, missing or contradict each other.
    #[error("{0}")]
    Problems(Problems),
}

impl ConfigError {
    /// The problems, where settings are the matter.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Problems(problems) => &problems.0,
            Self::Unreadable { .. } | Self::Syntax { .. } => &[],
        }
    }
}

/// One merchant account, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountConfig {
    /// The only currency it refunds in.
    pub currency: Currency,
    /// Sent where a gateway wants the payer's address and the request has none.
    pub client_ip: Option<String>,
    /// The gateway it submits to; one of [`Config::gateways`].
    pub submit: GatewayName,
    /// The gateway it asks; one of [`Config::gateways`].
    pub query: GatewayName,
    /// Its pace.
    pub policy: Policy,
    /// How many calls one process makes for it.
    pub limits: CallLimits,
    /// The most that is sent for it in one day (UTC), minor units.
    pub daily_cents: Option<u64>,
}

/// A configuration that has been checked. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// All settings as written; accounts and gateways are better taken from the fields below.
    pub settings: Settings,
    /// The merchant accounts.
    pub accounts: BTreeMap<AccountName, AccountConfig>,
    /// The gateways. Their keys are read by [`Config::keys`].
    pub gateways: BTreeMap<GatewayName, GatewaySettings>,
    /// Where dashboard, API and metrics listen.
    pub listen: SocketAddr,
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// What is allowed and should be thought over.
    pub warnings: Vec<String>,
    /// Where each value that is not a default came from.
    origins: BTreeMap<String, String>,
}

/// The signing keys of all gateways.
#[derive(Debug)]
pub struct Keys {
    /// By gateway.
    pub by_gateway: BTreeMap<GatewayName, SecretString>,
    /// What a person should change about where keys are kept.
    pub warnings: Vec<String>,
}

/// Reads and checks the configuration: defaults, then `file` (or what `REFUNDD_CONFIG` names), then
/// `REFUNDD__SECTION__KEY`.
///
/// # Errors
/// [`ConfigError`], with all problems at once.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    let named = environment.get(FILE_VARIABLE).filter(|name| !name.is_empty());
    let path = file.map(Path::to_owned).or(named.map(PathBuf::from));
    let text = match &path {
        Some(path) => Some(read(path)?),
        None => None,
    };
    read_layers(path, text.as_deref(), environment)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

fn read_layers(
    path: Option<PathBuf>,
    text: Option<&str>,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let name = path.as_ref().map(|path| path.display().to_string());
    let file = name.as_deref().zip(text);
    let tree = layers::merged(file, environment).map_err(|err| ConfigError::Syntax {
        path: path.clone().unwrap_or_default(),
        why: masked(&err.to_string()),
    })?;
    let shaped = shape::shape(&tree);
    let mut problems = shaped.problems;
    let mut settings: Settings = match serde_json::from_value(shaped.json) {
        Ok(settings) => settings,
        Err(err) => {
            if problems.is_empty() {
                problems.push(Problem::new("settings", format!("cannot be read: {err}")));
            }
            return Err(ConfigError::Problems(Problems(problems)));
        }
    };
    // An empty address, as a variable may have it, is none.
    settings.redis.url.take_if(|url| url.expose().is_empty());
    settings.telemetry.otlp_endpoint.take_if(|url| url.expose().is_empty());
    let checked = check::check(&settings);
    for problem in checked.problems {
        // A value of the wrong type has been reported as that already.
        if !problems.iter().any(|known| known.key == problem.key) {
            problems.push(problem);
        }
    }
    match checked.listen {
        Some(listen) if problems.is_empty() => Ok(Config {
            settings,
            accounts: checked.accounts,
            gateways: checked.gateways,
            listen,
            file: path,
            warnings: checked.warnings,
            origins: shaped.origins,
        }),
        _ => Err(ConfigError::Problems(Problems(problems))),
    }
}

impl Config {
    /// Reads the signing keys of all gateways; only commands that talk to gateways need them.
    ///
    /// # Errors
    /// [`ConfigError::Problems`] with every key that is missing, unreadable or empty.
    pub fn keys(&self, environment: &Environment) -> Result<Keys, ConfigError> {
        let folder = self.file.as_deref().and_then(Path::parent);
        let folder = folder.unwrap_or(Path::new(""));
        let mut keys = Keys { by_gateway: BTreeMap::new(), warnings: Vec::new() };
        let mut problems = Vec::new();
        for (name, gateway) in &self.gateways {
            match secret::read_key(name.as_str(), gateway, folder, environment) {
                Ok(key) => {
                    keys.by_gateway.insert(name.clone(), key.secret);
                    keys.warnings.extend(key.warning);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(keys) } else { Err(ConfigError::Problems(Problems(problems))) }
    }

    /// The effective configuration as TOML, secrets masked, each value that is not a default with
    /// where it came from.
    pub fn show(&self) -> String {
        show::toml(&self.settings, &self.origins)
    }

    /// Where the value of that key came from: a file's name or a variable's; `None` for a default.
    pub fn origin(&self, key: &str) -> Option<&str> {
        self.origins.get(key).map(String::as_str)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
