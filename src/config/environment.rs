//! The process environment, read once. Nothing else in refundd reads it.

use std::collections::BTreeMap;
use std::fmt;

/// What settings in the environment begin with.
pub(super) const PREFIX: &str = "REFUNDD__";

/// Names the configuration file, where `--config` does not.
pub const FILE_VARIABLE: &str = "REFUNDD_CONFIG";

/// A snapshot of environment variables. Does not print their values, some of which are keys.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let all = std::env::vars_os();
        all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Who has logged in, as far as the environment tells: the person behind `sudo` before root.
    pub fn login(&self) -> Option<&str> {
        let names = ["SUDO_USER", "LOGNAME", "USER"].into_iter();
        names.filter_map(|name| self.get(name)).find(|name| !name.trim().is_empty())
    }

    /// All settings: the name and the parts of it behind [`PREFIX`], and the value.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, Vec<String>, &str)> {
        self.0.iter().filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?;
            let parts = path.split("__").map(str::to_ascii_lowercase).collect();
            Some((name.as_str(), parts, value.as_str()))
        })
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
