//! Secrets: read from a file or the environment, never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use super::environment::Environment;
use super::{GatewaySettings, Problem};

/// What stands in the place of a secret.
pub const MASK: &str = "****";

/// A text with its passwords masked: in `scheme://user:password@host`, and behind `pass=` and
/// `password=`.
///
/// ```
/// use refundd::config::masked;
/// assert_eq!(masked("redis://app:s3cret@db:6379/0"), "redis://app:****@db:6379/0");
/// assert_eq!(masked("unix:///run/redis.sock?pass=s3cret&db=1"), "unix:///run/redis.sock?pass=****&db=1");
/// ```
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((scheme, after)) = rest.split_once("://") {
        out.push_str(scheme);
        out.push_str("://");
        let end =
            after.find(|c: char| c.is_whitespace() || c == '"' || c == '\'').unwrap_or(after.len());
        let (address, tail) = after.split_at(end);
        // The last @ ends the password: one that holds @ or / unescaped must not show a part of it.
        match address.rsplit_once('@') {
            Some((login, host)) => {
                let user = login.split_once(':').map_or("", |(user, _)| user);
                out.push_str(user);
                let colon = if login.contains(':') { ":" } else { "" };
                out.push_str(colon);
                out.push_str(MASK);
                out.push('@');
                out.push_str(&masked_parameters(host));
            }
            None => out.push_str(&masked_parameters(address)),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn masked_parameters(address: &str) -> String {
    let Some((path, query)) = address.split_once('?') else {
        return address.to_owned();
    };
    let parameters: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().starts_with("pass") => {
                format!("{name}={MASK}")
            }
            _ => parameter.to_owned(),
        })
        .collect();
    format!("{path}?{}", parameters.join("&"))
}

/// An address that may hold a password. Prints with the password masked.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The address with its password, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", masked(&self.0))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A key, and what a person should know about where it came from.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) secret: SecretString,
    pub(super) warning: Option<String>,
}

/// Reads the signing key of one gateway. A relative `key_file` lies in `folder`.
///
/// # Errors
/// [`Problem`] with the key's full name and what to write instead.
pub(super) fn read_key(
    name: &str,
    gateway: &GatewaySettings,
    folder: &Path,
    environment: &Environment,
) -> Result<Key, Problem> {
    match (&gateway.key_file, &gateway.key_env) {
        (Some(file), _) => from_file(&format!("gateways.{name}.key_file"), &folder.join(file)),
        (None, Some(variable)) => {
            let problem = |rule| Problem::new(format!("gateways.{name}.key_env"), rule);
            match environment.get(variable).map(str::trim) {
                None => Err(problem(format!(
                    "names the environment variable {variable}, which is not set: set it to the \
                     signing key"
                ))),
                Some("") => Err(problem(format!(
                    "names the environment variable {variable}, which is empty: set it to the \
                     signing key"
                ))),
                Some(key) => Ok(Key { secret: SecretString::from(key), warning: None }),
            }
        }
        (None, None) => Err(Problem::new(
            format!("gateways.{name}.key_file"),
            "is missing: write key_file = \"<file with the signing key>\" or key_env = \
             \"<environment variable>\"",
        )),
    }
}

fn from_file(setting: &str, path: &PathBuf) -> Result<Key, Problem> {
    let shown = path.display();
    let problem = |rule: String| Problem::new(setting, rule);
    let text = std::fs::read_to_string(path)
        .map_err(|err| problem(format!("names {shown}, which cannot be read: {err}")))?;
    let key = text.trim_end_matches(['\r', '\n']);
    if key.trim().is_empty() {
        return Err(problem(format!("names {shown}, which is empty: put the signing key in it")));
    }
    if key.contains(['\r', '\n']) {
        let rule =
            format!("names {shown}, which has several lines: keep only the signing key in it");
        return Err(problem(rule));
    }
    Ok(Key {
        secret: SecretString::from(key),
        warning: everyone_may_read(path).then(|| {
            format!(
                "{setting}: {shown} can be read by everyone on this machine, run: chmod 600 {shown}"
            )
        }),
    })
}

#[cfg(unix)]
fn everyone_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn everyone_may_read(_: &Path) -> bool {
    false
}
