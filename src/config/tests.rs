//! Whole configurations: layers, problems and what is said about them, secrets.

use std::fmt::Write;

use secrecy::ExposeSecret;

use super::*;
use crate::domain::breaker::BreakerPolicy;
use crate::domain::policy::Duplicates;
use crate::generated;

/// The least that an account and its gateway need.
const SMALL: &str = r#"
[gateways.pay]
protocol = "ionlinepay"
base_url = "https://pay.example/gateway/"
merchant_id = "1"
key_env = "PAY_KEY"
[accounts.shop-ca]
currency = "CAD"
submit = "pay"
"#;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(owned).collect()
}

fn read(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let path = Some(PathBuf::from("refundd.toml"));
    read_layers(path, Some(toml), &environment(variables))
}

fn good(toml: &str, variables: &[(&str, &str)]) -> Config {
    read(toml, variables).unwrap_or_else(|err| panic!("{err}"))
}

/// The problems of `SMALL` with `more` behind it.
fn problems(more: &str) -> Vec<String> {
    problems_of(&format!("{SMALL}\n{more}"))
}

fn problems_of(toml: &str) -> Vec<String> {
    let err = read(toml, &[]).unwrap_err();
    err.problems().iter().map(ToString::to_string).collect()
}

fn account(config: &Config, name: &str) -> AccountConfig {
    config.accounts[&AccountName::parse(name).unwrap()].clone()
}

/// `config/default.toml` with its examples uncommented: lines with `#` and no space behind it.
fn examples() -> String {
    layers::DEFAULTS.lines().fold(String::new(), |mut text, line| {
        let example = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']));
        writeln!(text, "{}", example.unwrap_or(line)).unwrap();
        text
    })
}

#[test]
fn nothing_configured_is_a_configuration() {
    let config = load(None, &Environment::default()).unwrap();
    assert_eq!(config.settings.redis.url, None);
    assert_eq!(config.settings.redis.namespace, "refunds");
    assert_eq!(config.settings.worker.concurrency, 256);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8790");
    assert!(config.accounts.is_empty() && config.gateways.is_empty());
    assert!(config.keys(&Environment::default()).unwrap().by_gateway.is_empty());
}

#[test]
fn the_examples_of_the_reference_are_valid_and_show_the_defaults() {
    let shown = good(&examples(), &[]);
    assert_eq!((shown.accounts.len(), shown.gateways.len()), (1, 2));
    let shown = account(&shown, "shop-ca");
    let bare = account(&good(SMALL, &[]), "shop-ca");
    assert_eq!(shown.policy, bare.policy);
    assert_eq!(bare.policy, Policy::default());
    let (bare, name) = (good(SMALL, &[]), GatewayName::parse("pay").unwrap());
    let gateway = &bare.gateways[&name];
    assert!(examples().contains(&format!("connect_timeout_ms = {}", gateway.connect_timeout_ms)));
    assert!(examples().contains(&format!("\ntimeout_ms = {}", gateway.timeout_ms)));
}

#[test]
fn the_reference_names_every_key() {
    let schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
    let mut keys = Vec::new();
    for part in schema["$defs"].as_object().unwrap().values() {
        keys.extend(
            part["properties"].as_object().into_iter().flat_map(|keys| keys.keys().cloned()),
        );
    }
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        let named = [format!("{key} = "), format!(".{key}]"), format!(".{key}.")];
        assert!(named.iter().any(|form| examples().contains(form)), "{key} is missing");
    }
}

#[test]
fn the_reference_page_is_fresh() {
    generated::check("docs/configuration.md", &reference());
}

#[test]
fn later_layers_win_and_say_where_a_value_came_from() {
    let file = format!("{SMALL}\n[worker]\nconcurrency = 8\nlease_ms = 30000");
    let config = good(&file, &[("REFUNDD__WORKER__CONCURRENCY", "9"), ("REFUNDD_X", "1")]);
    assert_eq!(config.settings.worker.concurrency, 9);
    assert_eq!(config.settings.worker.lease_ms, 30_000);
    assert_eq!(config.settings.worker.shutdown_ms, 20_000);
    assert_eq!(config.origin("worker.concurrency"), Some("REFUNDD__WORKER__CONCURRENCY"));
    assert_eq!(config.origin("worker.lease_ms"), Some("refundd.toml"));
    assert_eq!(config.origin("worker.shutdown_ms"), None);
}

#[test]
fn the_environment_reaches_names_with_hyphens() {
    for variable in [
        "REFUNDD__ACCOUNTS__SHOP_CA__CURRENCY",
        "REFUNDD__ACCOUNTS__SHOP-CA__CURRENCY",
        "REFUNDD__accounts__shop_ca__currency",
    ] {
        let config = good(SMALL, &[(variable, "HKD")]);
        assert_eq!(account(&config, "shop-ca").currency.as_str(), "HKD", "{variable}");
        assert_eq!(config.accounts.len(), 1);
    }
}

#[test]
fn an_account_may_live_in_the_environment_alone() {
    let config = good(
        SMALL,
        &[
            ("REFUNDD__ACCOUNTS__SHOP_HK__CURRENCY", "HKD"),
            ("REFUNDD__ACCOUNTS__SHOP_HK__SUBMIT", "pay"),
            ("REFUNDD__ACCOUNTS__SHOP_HK__POLL__JITTER", "0.5"),
            ("REFUNDD__ACCOUNTS__SHOP_HK__DUPLICATE_REFUND_NO", "replays"),
        ],
    );
    let account = account(&config, "shop_hk");
    assert!((account.policy.poll.jitter - 0.5).abs() < 1e-9);
    assert_eq!(account.policy.duplicates, Duplicates::Replays);
}

#[test]
fn lists_and_switches_come_from_the_environment_too() {
    let config = good(
        &examples(),
        &[
            ("REFUNDD__GATEWAYS__IOTPAY__NOT_FOUND_CODES", "0112, 0119"),
            ("REFUNDD__GATEWAYS__IOTPAY__SEND_CURRENCY", "true"),
            ("REFUNDD__GATEWAYS__IOTPAY__STATUS_MAP__3", "not_sure"),
            ("REFUNDD__REDIS__URL", ""),
        ],
    );
    let gateway = &config.gateways[&GatewayName::parse("iotpay").unwrap()];
    assert_eq!(
        gateway.not_found_codes.as_deref(),
        Some(&["0112".to_owned(), "0119".to_owned()][..])
    );
    assert_eq!(gateway.send_currency, Some(true));
    let words = gateway.status_words().unwrap();
    assert_eq!(words["3"], crate::domain::evidence::StatusWord::NotSure);
    assert_eq!(config.settings.redis.url, None, "an empty address is none");
}

#[test]
fn the_query_goes_where_the_submit_went_unless_told_otherwise() {
    let own = account(&good(SMALL, &[]), "shop-ca");
    assert_eq!(own.submit, own.query);
    let other = examples().replace("query = \"iotpay\"", "query = \"ionlinepay\"");
    let other = account(&good(&other, &[]), "shop-ca");
    assert_eq!((other.submit.as_str(), other.query.as_str()), ("iotpay", "ionlinepay"));
}

#[test]
fn limits_are_none_unless_written_and_a_rate_becomes_a_distance() {
    let bare = good(SMALL, &[]);
    assert_eq!(account(&bare, "shop-ca").limits, CallLimits::default());
    assert_eq!(account(&bare, "shop-ca").daily_cents, None);
    let gateway = &bare.gateways[&GatewayName::parse("pay").unwrap()];
    assert_eq!(gateway.limits.calls(), CallLimits::default());
    assert_eq!(gateway.breaker.policy(), BreakerPolicy::default());
    let limits = "[accounts.shop-ca.limits]\nsubmit_per_s = 2.5\nquery_per_s = 3\ndaily_cents = 9";
    let variable = ("REFUNDD__ACCOUNTS__SHOP_CA__LIMITS__CONCURRENCY", "7");
    let written = account(&good(&format!("{SMALL}\n{limits}"), &[variable]), "shop-ca");
    assert_eq!(written.daily_cents, Some(9));
    let every = (Some(400), Some(334));
    assert_eq!((written.limits.submit_every_ms, written.limits.query_every_ms), every);
    assert_eq!(written.limits.concurrency, Some(7));
}

#[test]
fn a_name_that_fits_exactly_wins_over_one_with_hyphens() {
    let two = format!("{SMALL}\n[accounts.shop_ca]\ncurrency = \"CAD\"\nsubmit = \"pay\"");
    let config = good(&two, &[("REFUNDD__ACCOUNTS__SHOP_CA__CURRENCY", "HKD")]);
    assert_eq!(account(&config, "shop_ca").currency.as_str(), "HKD");
    assert_eq!(account(&config, "shop-ca").currency.as_str(), "CAD");
}

#[test]
fn redis_is_reached_by_network_tls_or_socket() {
    for url in [
        "redis://127.0.0.1:6379",
        "redis://:pw@db/2",
        "rediss://u:pw@db:6380/0",
        "unix:///run/redis.sock?db=1",
        "redis+unix:///run/redis.sock",
    ] {
        let config = good(SMALL, &[("REFUNDD__REDIS__URL", url)]);
        assert_eq!(config.settings.redis.url.unwrap().expose(), url);
    }
    for url in ["redis://", "redis:///0", "rediss+sentinel://a/b", "http://a", "unix://"] {
        assert!(read(SMALL, &[("REFUNDD__REDIS__URL", url)]).is_err(), "{url}");
    }
}

/// What is added to a small configuration, and the one problem it makes.
const PROBLEMS: &[(&str, &str)] = &[
    (
        "[gateways.pay.limits]\nsubmit_per_s = 0",
        "gateways.pay.limits.submit_per_s must be a number from 0.001 to 1000, got 0",
    ),
    (
        "[accounts.shop-ca.limits]\nconcurrency = 0",
        "accounts.shop-ca.limits.concurrency must be an integer from 1 to 10000, got 0",
    ),
    (
        "[accounts.shop-ca.limits]\ndaily_cent = 1",
        "accounts.shop-ca.limits.daily_cent is not a known key, did you mean \
         accounts.shop-ca.limits.daily_cents?",
    ),
    (
        "[gateways.pay.breaker]\nfailures = 0",
        "gateways.pay.breaker.failures must be an integer from 1 to 1000, got 0",
    ),
    (
        "[worker]\nconcurency = 1",
        "worker.concurency is not a known key, did you mean worker.concurrency?",
    ),
    ("[log]\nqqq = 1", "log.qqq is not a known key, known here are level, format"),
    ("[wroker]\nconcurrency = 1", "wroker is not a known key, did you mean worker?"),
    ("[worker]\nconcurrency = 0", "worker.concurrency must be an integer from 1 to 10000, got 0"),
    (
        "[worker]\nconcurrency = \"many\"",
        "worker.concurrency must be an integer from 1 to 10000, got \"many\"",
    ),
    (
        "[worker]\nconcurrency = 1.5",
        "worker.concurrency must be an integer from 1 to 10000, got 1.5",
    ),
    (
        "[worker]\nlease_ms = 500000000",
        "worker.lease_ms must be an integer from 1000 to 600000 milliseconds, got 500000000",
    ),
    (
        "[worker]\nlease_ms = 19999",
        "worker.lease_ms must be at least 20000: connect_timeout_ms 3000 and timeout_ms 15000 of \
         gateway pay and 2000 more, got 19999",
    ),
    (
        "[worker]\nshutdown_ms = 1",
        "worker.shutdown_ms must be at least 18000: connect_timeout_ms 3000 and timeout_ms 15000 of \
         gateway pay, so that a stop waits for answers, got 1",
    ),
    (
        "[accounts.shop-ca.poll]\nmultiplier = 0.5",
        "accounts.shop-ca.poll.multiplier must be a number from 1 to 100, got 0.5",
    ),
    (
        "[accounts.shop-ca.poll]\nmax_ms = 4999",
        "accounts.shop-ca.poll.max_ms must be at least poll.initial_ms, 5000, got 4999",
    ),
    (
        "[accounts.shop-ca.poll]\nhorizon_ms = 10000",
        "accounts.shop-ca.poll.horizon_ms must be at least unknown.visibility_ms, 600000, got 10000",
    ),
    (
        "[accounts.Shop]\ncurrency = \"CAD\"\nsubmit = \"pay\"",
        "accounts.Shop is named wrongly: must be 1 to 64 of a-z 0-9 _ -, got \"Shop\"",
    ),
    (
        "[accounts.two]\ncurrency = \"CAD\"\nsubmit = \"payy\"",
        "accounts.two.submit must name a [gateways.*] entry, got \"payy\": did you mean \"pay\"?",
    ),
    (
        "[accounts.two]\nsubmit = \"pay\"",
        "accounts.two.currency is missing: must be a string in quotes",
    ),
    (
        "[accounts.two]\ncurrency = \"cad\"\nsubmit = \"pay\"",
        "accounts.two.currency must be an ISO 4217 code of three capital letters A-Z, got \"cad\"",
    ),
    (
        "[accounts.two]\ncurrency = \"CAD\"\nsubmit = \"pay\"\nclient_ip = \"here\"",
        "accounts.two.client_ip must be an IPv4 or IPv6 address such as 203.0.113.7, got \"here\"",
    ),
    (
        "[accounts.two]\ncurrency = \"CAD\"\nsubmit = \"pay\"\nduplicate_refund_no = \"yes\"",
        "accounts.two.duplicate_refund_no must be one of \"unknown\", \"replays\", \"rejects\", got \
         \"yes\"",
    ),
    (
        "[redis]\nnamespace = \"{refunds}\"",
        "redis.namespace must be 1 to 64 of A-Z a-z 0-9 _ - . : without braces, got \"{refunds}\"",
    ),
    (
        "[redis]\nurl = \"redis+sentinel://u:pw@a:1/x\"",
        "redis.url is not supported yet: Sentinel; write the address of one Redis, got \
         \"redis+sentinel://u:****@a:1/x\"",
    ),
    (
        "[redis]\nurl = \"redis://a:1,redis://b:1\"",
        "redis.url is not supported yet: several cluster nodes; write the address of one Redis, got \
         \"redis://a:1,redis://b:1\"",
    ),
    (
        "[redis]\nurl = \"localhost:6379\"",
        "redis.url must be redis://host:port, rediss://host:port or unix:///path, or be left out for \
         a private Redis, got \"localhost:6379\"",
    ),
    (
        "[ops]\nlisten = \"0.0.0.0:8790\"",
        "ops.listen must be a loopback address such as 127.0.0.1:8790 as long as there is no \
         [ops.tokens.<name>], got 0.0.0.0:8790",
    ),
    (
        "[ops]\nlisten = \"8790\"",
        "ops.listen must be an address and a port such as 127.0.0.1:8790, got \"8790\"",
    ),
    (
        "[ops.tokens.loopback]\nrole = \"read\"\nsha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
        "ops.tokens.loopback is named wrongly: must be 1 to 64 of a-z 0-9 _ - and not loopback",
    ),
    (
        "[ops.tokens.me]\nrole = \"read\"\nsha256 = \"secret\"",
        "ops.tokens.me.sha256 must be 64 hexadecimal digits, as printed by: printf %s TOKEN | sha256sum",
    ),
    (
        "[gateways.b]\nprotocol = \"iotpay_card\"\nbase_url = \"https://b.example\"\nmerchant_id = \"1\"",
        "gateways.b.protocol must be \"iotpay\" or \"ionlinepay\": \"iotpay_card\" is not supported yet",
    ),
    (
        "[gateways.b]\nprotocol = \"iotpay\"\nbase_url = \"https://b.example\"\nmerchant_id = \"1\"",
        "gateways.b.login_name is missing: protocol iotpay sends the merchant's login",
    ),
    (
        "[gateways.b]\nprotocol = \"ionlinepay\"\nbase_url = \"https://b.example\"\nmerchant_id = 1",
        "gateways.b.merchant_id must be a string in quotes, not empty, got 1",
    ),
    (
        "[gateways.b]\nprotocol = \"ionlinepay\"\nbase_url = \"https://b.example\"\nmerchant_id = \"1\"\n\
         query_path = \"/q\"",
        "gateways.b.query_path is a setting of protocol iotpay, this gateway speaks ionlinepay: remove it",
    ),
    (
        "[gateways.b]\nprotocol = \"ionlinepay\"\nbase_url = \"https://b.example\"\nmerchant_id = \"1\"\n\
         key_env = \"A\"\nkey_file = \"b\"",
        "gateways.b.key_env contradicts key_file: write one of the two",
    ),
    (
        "[gateways.b]\nprotocol = \"ionlinepay\"\nbase_url = \"https://b.example\"\nmerchant_id = \"1\"\n\
         timeout_ms = 2000",
        "gateways.b.connect_timeout_ms must be at most timeout_ms, 2000, got 3000",
    ),
];

#[test]
fn every_problem_names_its_key_and_what_to_write() {
    for (more, expected) in PROBLEMS {
        assert_eq!(problems(more), [*expected], "{more}");
    }
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let with = |url: &str| SMALL.replace("https://pay.example/gateway/", url);
    for fine in [
        "http://127.0.0.1:8080/a",
        "http://127.9.9.9",
        "http://localhost:1",
        "http://[::1]:8080/",
        "https://pay.example:8443/v1",
        "https://[2001:db8::1]/",
    ] {
        assert!(read(&with(fine), &[]).is_ok(), "{fine}: {:?}", read(&with(fine), &[]));
    }
    for refused in [
        "http://pay.example/",
        "http://127.0.0.1.example/",
        "http://localhost.example/",
        "http://127.0.0.1@pay.example/",
        "http://127.0.0.1\\\\@pay.example/",
        "http://0.0.0.0/",
        "http://[::2]/",
        "http://127.1/",
        "https://",
        "https:///path",
        "https://user:pw@pay.example/",
        "https://pay.example/?a=b",
        "https://pay.example:99999/",
        "ftp://pay.example/",
        "pay.example",
    ] {
        let found = problems_of(&with(refused));
        assert_eq!(found.len(), 1, "{refused}");
        assert!(found[0].starts_with("gateways.pay.base_url must be "), "{found:?}");
        assert!(!found[0].contains(":pw@"), "{found:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "[worker]\nconcurency = 1\nconcurrency = 0\nlease_ms = 5000\n[redis]\nnamespace = \"a b\"\n\
                [accounts.x]\nsubmit = \"nowhere\"";
    let found = problems(text);
    for key in [
        "worker.concurency ",
        "worker.concurrency ",
        "worker.lease_ms ",
        "redis.namespace ",
        "accounts.x.currency ",
        "accounts.x.submit ",
    ] {
        let times = found.iter().filter(|one| one.starts_with(key)).count();
        assert_eq!(times, 1, "{key}: {found:?}");
    }
    assert_eq!(found.len(), 6, "{found:?}");
    let shown = read(&format!("{SMALL}\n{text}"), &[]).unwrap_err().to_string();
    assert!(shown.starts_with("configuration: 6 problems\n  "), "{shown}");
}

#[test]
fn a_problem_of_a_variable_names_the_variable() {
    let err = read(SMALL, &[("REFUNDD__WORKER__CONCURENCY", "1"), ("REFUNDD__INTAKE__BATCH", "x")]);
    let found: Vec<String> = err.unwrap_err().problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "intake.batch must be an integer from 1 to 500, got \"x\" (from REFUNDD__INTAKE__BATCH)",
            "worker.concurency is not a known key, did you mean worker.concurrency? (from \
             REFUNDD__WORKER__CONCURENCY)",
        ]
    );
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refundd.toml");
    let missing = load(Some(&path), &Environment::default()).unwrap_err();
    assert!(missing.to_string().ends_with("refundd.toml cannot be read"), "{missing}");
    std::fs::write(&path, "[redis]\nurl = redis://u:hunter2@a\n").unwrap();
    let named = environment(&[(FILE_VARIABLE, path.to_str().unwrap())]);
    let broken = load(None, &named).unwrap_err().to_string();
    assert!(broken.contains("is not TOML") && broken.contains("line 2"), "{broken}");
    assert!(!broken.contains("hunter2"), "{broken}");
}

#[test]
fn keys_come_from_files_and_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refundd.toml");
    std::fs::write(&path, SMALL.replace("key_env = \"PAY_KEY\"", "key_file = \"pay.key\""))
        .unwrap();
    let config = load(Some(&path), &Environment::default()).unwrap();
    let name = GatewayName::parse("pay").unwrap();

    let rule = |config: &Config, environment: &Environment| {
        config.keys(environment).unwrap_err().to_string()
    };
    let none = Environment::default();
    assert!(rule(&config, &none).contains("gateways.pay.key_file names"), "no file");
    let key = folder.path().join("pay.key");
    std::fs::write(&key, "\n").unwrap();
    assert!(rule(&config, &none).contains("which is empty"));
    std::fs::write(&key, "a\nb\n").unwrap();
    assert!(rule(&config, &none).contains("several lines"));
    std::fs::write(&key, "s3cret\r\n").unwrap();
    let keys = config.keys(&none).unwrap();
    assert_eq!(keys.by_gateway[&name].expose_secret(), "s3cret");
    assert!(!format!("{keys:?} {config:?}").contains("s3cret"));

    let config = good(SMALL, &[]);
    assert_eq!(
        rule(&config, &none),
        "configuration: gateways.pay.key_env names the environment variable PAY_KEY, which is not \
         set: set it to the signing key"
    );
    let keys = config.keys(&environment(&[("PAY_KEY", "k")])).unwrap();
    assert_eq!(keys.by_gateway[&name].expose_secret(), "k");
    let bare = good(&SMALL.replace("key_env = \"PAY_KEY\"", ""), &[]);
    assert!(
        rule(&bare, &none).starts_with("configuration: gateways.pay.key_file is missing: write")
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_everyone_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("pay.key");
    std::fs::write(&key, "s3cret").unwrap();
    let file = format!("key_file = {:?}", key.to_str().unwrap());
    let config = good(&SMALL.replace("key_env = \"PAY_KEY\"", &file), &[]);
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let keys = config.keys(&Environment::default()).unwrap();
        assert_eq!(keys.warnings.len(), warnings, "{mode:o}: {:?}", keys.warnings);
    }
}

#[test]
fn a_lease_that_outlasts_the_window_of_an_account_that_resubmits_is_warned_of() {
    let with = |duplicates: &str, lease_ms: u64| {
        let config = good(
            SMALL,
            &[
                ("REFUNDD__ACCOUNTS__SHOP_CA__DUPLICATE_REFUND_NO", duplicates),
                ("REFUNDD__ACCOUNTS__SHOP_CA__UNKNOWN__VISIBILITY_MS", "120000"),
                ("REFUNDD__WORKER__LEASE_MS", &lease_ms.to_string()),
            ],
        );
        config.warnings
    };
    assert_eq!(good(SMALL, &[]).warnings, Vec::<String>::new());
    assert_eq!(with("rejects", 119_999), Vec::<String>::new());
    assert_eq!(with("unknown", 120_000), Vec::<String>::new());
    for duplicates in ["rejects", "replays"] {
        let warnings = with(duplicates, 120_000);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let named =
            "accounts.shop-ca.unknown.visibility_ms should be more than worker.lease_ms, 120000";
        assert!(warnings[0].starts_with(named), "{warnings:?}");
    }
}

#[test]
fn what_is_shown_has_no_password_and_loads_again() {
    let variables = [("REFUNDD__REDIS__URL", "redis://app:s3cret@db:6379/0")];
    let config = good(&examples(), &variables);
    let shown = config.show();
    assert!(!format!("{shown} {config:?}").contains("s3cret"), "{shown}");
    let masked = "url = \"redis://app:****@db:6379/0\"  # REFUNDD__REDIS__URL\n";
    assert!(shown.contains(masked), "{shown}");
    let again = good(&shown, &[]);
    assert_eq!(again.accounts, config.accounts);
    let names = |config: &Config| config.gateways.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&again), names(&config));
}

#[test]
fn what_is_shown_is_toml_in_the_order_of_the_reference() {
    let shown = good(SMALL, &[("REFUNDD__LOG__FORMAT", "json")]).show();
    let (head, _) = shown.split_once("[gateways").unwrap();
    insta::assert_snapshot!(head, @r#"
    [redis]
    namespace = "refunds"
    data_dir = "refundd-data"

    [worker]
    concurrency = 256
    lease_ms = 20000
    shutdown_ms = 20000

    [intake]
    batch = 100
    reclaim_idle_ms = 10000

    [retention]
    settled_ms = 34560000000
    results_ms = 2592000000

    [ops]
    listen = "127.0.0.1:8790"

    [log]
    level = "info"
    format = "json"  # REFUNDD__LOG__FORMAT
    "#);
}

#[test]
fn passwords_are_masked_wherever_they_stand() {
    for (text, shown) in [
        ("redis://:pw@h/0", "redis://:****@h/0"),
        ("redis://token@h", "redis://****@h"),
        ("redis://u:p@w:p/w@h:1", "redis://u:****@h:1"),
        ("unix:///run/r.sock?db=1&pass=pw", "unix:///run/r.sock?db=1&pass=****"),
        ("a redis://u:pw@h and rediss://u:pw@i", "a redis://u:****@h and rediss://u:****@i"),
        ("no address", "no address"),
    ] {
        assert_eq!(masked(text), shown);
    }
}
