//! The configuration: the text of a file and the values of variables.

use std::path::Path;

use refundd::config::{Config, ConfigError, Environment, load};

use super::engine::Target;
use super::engine::mutate::{mutated, mutated_text};

/// Stands in every address of the examples where a password is.
const PASSWORD: &str = "s3cret";

/// A file with one of everything, and a small one.
fn corpus() -> Vec<Vec<u8>> {
    let reference = include_str!("../../../../config/default.toml");
    let examples = reference.lines().map(|line| {
        let example = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']));
        example.unwrap_or(line)
    });
    // Comments are left out: what is spoilt there spoils nothing.
    let examples: Vec<&str> = examples.filter(|line| !line.starts_with('#')).collect();
    let examples = examples.join("\n").replace("redis://", &format!("redis://app:{PASSWORD}@"));
    let small = r#"redis.url = "unix:///run/redis.sock?db=1&pass=s3cret"
ops = { listen = "[::1]:0", tokens.a = { role = "read", sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" } }
[gateways."pay"]
protocol = "ionlinepay"
base_url = 'https://pay.example/gateway/'
merchant_id = """
1"""
key_env = "PAY_KEY"
[accounts.shop]
currency = "C\u0041D"
submit = "pay"
poll.jitter = 0.0
"#;
    vec![examples.into_bytes(), small.as_bytes().to_vec()]
}

fn read(bytes: &[u8], folder: &Path, variables: &Environment) -> Result<Config, ConfigError> {
    let path = folder.join("refundd.toml");
    std::fs::write(&path, bytes).unwrap();
    load(Some(&path), variables)
}

/// Holds what was read to what people rely on: reasons that name a key, and a page of effective
/// settings that can be used as a file again.
fn is_told(folder: &Path, read_back: &Result<Config, ConfigError>) -> bool {
    match read_back {
        Ok(config) => {
            let shown = config.show();
            let again = read(shown.as_bytes(), folder, &Environment::default());
            let again = again.unwrap_or_else(|err| panic!("{err}\n{shown}"));
            let settings = |config: &Config| serde_json::to_value(&config.settings).unwrap();
            assert_eq!(settings(&again), settings(config), "{shown}");
        }
        Err(ConfigError::Problems(problems)) => {
            assert!(!problems.0.is_empty());
            assert!(problems.0.iter().all(|one| !one.rule.is_empty()), "{problems}");
        }
        Err(ConfigError::Syntax { why, .. }) => assert!(!why.is_empty()),
        Err(ConfigError::Unreadable { source, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::InvalidData, "{source}");
        }
    }
    read_back.is_ok()
}

#[test]
fn fuzz_of_a_configuration_file_gives_settings_that_can_be_shown_or_reasons() {
    let corpus = corpus();
    let folder = tempfile::tempdir().unwrap();
    for good in &corpus {
        let config = read(good, folder.path(), &Environment::default());
        let shown = config.unwrap_or_else(|err| panic!("{err}")).show();
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
    let target =
        Target { name: "config-file", cases: 200, memory_per_byte: 320, memory_more: 1 << 21 };
    target.run(
        |dice| mutated(dice, &corpus),
        |bytes| read(bytes, folder.path(), &Environment::default()),
        |_, read| is_told(folder.path(), &read),
    );
}

/// Names of settings, good and not so good ones.
const NAMES: &[&str] = &[
    "REFUNDD__REDIS__URL",
    "REFUNDD__REDIS",
    "REFUNDD__WORKER__CONCURRENCY",
    "REFUNDD__OPS__LISTEN",
    "REFUNDD__LOG__LEVEL",
    "REFUNDD__ACCOUNTS__SHOP_CA__CURRENCY",
    "REFUNDD__ACCOUNTS__SHOP__POLL__JITTER",
    "REFUNDD__GATEWAYS__PAY__SEND_REASON",
    "REFUNDD__GATEWAYS__PAY__NOT_FOUND_CODES",
    "REFUNDD____",
    "REFUNDD__",
];

#[test]
fn fuzz_of_variables_gives_settings_that_can_be_shown_or_reasons() {
    let file = corpus().pop().unwrap();
    let values: Vec<Vec<u8>> =
        ["redis://app:s3cret@db:6379/0", "256", "0.25", "CAD", "true", "a,b , c", "[::1]:0", ""]
            .map(|text| text.as_bytes().to_vec())
            .into();
    let names: Vec<Vec<u8>> = NAMES.iter().map(|name| name.as_bytes().to_vec()).collect();
    let folder = tempfile::tempdir().unwrap();
    let target =
        Target { name: "config-variables", cases: 200, memory_per_byte: 320, memory_more: 1 << 21 };
    target.run(
        |dice| {
            let lines: Vec<String> = (0..=dice.below(4))
                .map(|_| {
                    let good = dice.of(NAMES).to_owned();
                    let name = if dice.once_in(3) { mutated_text(dice, &names) } else { good };
                    format!("{}={}", name.replace('\n', ""), mutated_text(dice, &values))
                })
                .collect();
            lines.join("\n\0").into_bytes()
        },
        |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let pairs = text.split("\n\0").filter_map(|line| line.split_once('='));
            let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            read(&file, folder.path(), &owned.collect())
        },
        |_, read| is_told(folder.path(), &read),
    );
}
