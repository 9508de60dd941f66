//! Relations between settings, and values whose rule is more than a range.
//!
//! Each rule adds its problem and goes on, so that one start shows all of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::model::{AccountSettings, GatewaySettings, Protocol, Redis, Settings};
use super::shape::nearest;
use super::{AccountConfig, LEASE_MARGIN_MS, Problem};
use crate::domain::{AccountName, Currency, GatewayName};

/// The settings that passed, in the domain's types, and those that did not.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) accounts: BTreeMap<AccountName, AccountConfig>,
    pub(super) gateways: BTreeMap<GatewayName, GatewaySettings>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

/// Checks everything.
pub(super) fn check(settings: &Settings) -> Checked {
    let mut checked = Checked::default();
    checked.redis(&settings.redis);
    checked.ops(settings);
    checked.telemetry(settings);
    for (name, gateway) in &settings.gateways {
        checked.gateway(name, gateway);
    }
    checked.times(settings);
    for (name, account) in &settings.accounts {
        checked.account(name, account, settings);
        checked.window(name, account, settings);
    }
    checked
}

impl Checked {
    fn problem(&mut self, key: impl Into<String>, rule: impl Into<String>) {
        self.problems.push(Problem::new(key, rule));
    }

    fn redis(&mut self, redis: &Redis) {
        let namespace = &redis.namespace;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_-.:".contains(&b);
        if namespace.is_empty() || namespace.len() > 64 || !namespace.bytes().all(legal) {
            self.problem(
                "redis.namespace",
                format!("must be 1 to 64 of A-Z a-z 0-9 _ - . : without braces, got {namespace:?}"),
            );
        }
        if let Some(url) = &redis.url
            && let Err(rule) = redis_url(url.expose())
        {
            // A password can be masked only where the address has the shape of one.
            let text = url.expose();
            let shaped = text.contains("://");
            let open = !text.contains('@') && !text.to_ascii_lowercase().contains("pass");
            let got = if shaped || open { format!(", got \"{url}\"") } else { String::new() };
            self.problem("redis.url", format!("{rule}{got}"));
        }
    }

    fn ops(&mut self, settings: &Settings) {
        let ops = &settings.ops;
        match ops.listen.parse::<SocketAddr>() {
            Ok(listen) => {
                if !listen.ip().is_loopback() && ops.tokens.is_empty() {
                    self.problem(
                        "ops.listen",
                        format!(
                            "must be a loopback address such as 127.0.0.1:8790 as long as there is \
                             no [ops.tokens.<name>], got {listen}"
                        ),
                    );
                }
                self.listen = Some(listen);
            }
            Err(_) => self.problem(
                "ops.listen",
                format!(
                    "must be an address and a port such as 127.0.0.1:8790, got {:?}",
                    ops.listen
                ),
            ),
        }
        for (name, token) in &ops.tokens {
            // The name stands in audit lines; that one means a person without a token.
            let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
            if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) || name == "loopback"
            {
                self.problem(
                    format!("ops.tokens.{name}"),
                    "is named wrongly: must be 1 to 64 of a-z 0-9 _ - and not loopback",
                );
            }
            let hash = &token.sha256;
            if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                self.problem(
                    format!("ops.tokens.{name}.sha256"),
                    "must be 64 hexadecimal digits, as printed by: printf %s TOKEN | sha256sum",
                );
            }
        }
    }

    fn telemetry(&mut self, settings: &Settings) {
        let Some(endpoint) = &settings.telemetry.otlp_endpoint else { return };
        let url = endpoint.expose();
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let host =
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '['));
        if !host || url.contains(|c: char| c.is_whitespace() || "?#@".contains(c)) {
            // It may hold what somebody took for a place for a password, so it is not shown.
            self.problem(
                "telemetry.otlp_endpoint",
                "must be the address of a collector such as http://127.0.0.1:4318, without a login; \
                 /v1/traces is added",
            );
        }
    }

    fn gateway(&mut self, name: &str, gateway: &GatewaySettings) {
        let key = |field: &str| format!("gateways.{name}.{field}");
        match GatewayName::parse(name) {
            Ok(legal) => {
                self.gateways.insert(legal, gateway.clone());
            }
            Err(err) => {
                self.problem(format!("gateways.{name}"), format!("is named wrongly: {err}"));
            }
        }
        if gateway.protocol == Protocol::IotpayCard {
            self.problem(
                key("protocol"),
                "must be \"iotpay\" or \"ionlinepay\": \"iotpay_card\" is not supported yet",
            );
        }
        if let Err(rule) = gateway_url(&gateway.base_url) {
            self.problem(key("base_url"), rule);
        }
        if gateway.key_file.is_some() && gateway.key_env.is_some() {
            self.problem(key("key_env"), "contradicts key_file: write one of the two");
        }
        if gateway.connect_timeout_ms > gateway.timeout_ms {
            self.problem(
                key("connect_timeout_ms"),
                format!(
                    "must be at most timeout_ms, {}, got {}",
                    gateway.timeout_ms, gateway.connect_timeout_ms
                ),
            );
        }
        if gateway.protocol == Protocol::Iotpay && gateway.login_name.is_none() {
            self.problem(
                key("login_name"),
                "is missing: protocol iotpay sends the merchant's login",
            );
        }
        for (field, value) in
            [("submit_path", &gateway.submit_path), ("query_path", &gateway.query_path)]
        {
            if value.as_ref().is_some_and(|path| !path.starts_with('/')) {
                self.problem(key(field), "must begin with /");
            }
        }
        for (field, protocol) in foreign_fields(gateway) {
            self.problem(
                key(field),
                format!(
                    "is a setting of protocol {}, this gateway speaks {}: remove it",
                    protocol.as_str(),
                    gateway.protocol.as_str()
                ),
            );
        }
    }

    /// A lease must outlast every call, or two workers could hold one refund.
    fn times(&mut self, settings: &Settings) {
        let slowest = settings.gateways.iter().max_by_key(|(_, gateway)| gateway.longest_call_ms());
        let Some((name, slowest)) = slowest else {
            return;
        };
        let call = slowest.longest_call_ms();
        let needed = call.saturating_add(LEASE_MARGIN_MS);
        let lease = settings.worker.lease_ms;
        if lease < needed {
            self.problem(
                "worker.lease_ms",
                format!(
                    "must be at least {needed}: connect_timeout_ms {} and timeout_ms {} of gateway \
                     {name} and {LEASE_MARGIN_MS} more, got {lease}",
                    slowest.connect_timeout_ms, slowest.timeout_ms
                ),
            );
        }
        let shutdown = settings.worker.shutdown_ms;
        if shutdown < call {
            self.problem(
                "worker.shutdown_ms",
                format!(
                    "must be at least {call}: connect_timeout_ms {} and timeout_ms {} of gateway \
                     {name}, so that a stop waits for answers, got {shutdown}",
                    slowest.connect_timeout_ms, slowest.timeout_ms
                ),
            );
        }
    }

    fn account(&mut self, name: &str, account: &AccountSettings, settings: &Settings) {
        let key = |field: &str| format!("accounts.{name}.{field}");
        let legal = AccountName::parse(name);
        if let Err(err) = &legal {
            self.problem(format!("accounts.{name}"), format!("is named wrongly: {err}"));
        }
        let currency = Currency::parse(&account.currency);
        if let Err(err) = &currency {
            self.problem(key("currency"), err.to_string());
        }
        if let Some(ip) = &account.client_ip
            && ip.parse::<IpAddr>().is_err()
        {
            let rule = format!("must be an IPv4 or IPv6 address such as 203.0.113.7, got {ip:?}");
            self.problem(key("client_ip"), rule);
        }
        self.pace(name, account);
        let submit = self.gateway_named(key("submit"), &account.submit, settings);
        let query = match &account.query {
            Some(query) => self.gateway_named(key("query"), query, settings),
            None => submit.clone(),
        };
        if let (Ok(name), Ok(currency), Some(submit), Some(query)) =
            (legal, currency, submit, query)
        {
            let account = AccountConfig {
                currency,
                client_ip: account.client_ip.clone(),
                submit,
                query,
                policy: account.policy(),
                limits: account.limits.calls(),
                daily_cents: account.limits.daily_cents,
            };
            self.accounts.insert(name, account);
        }
    }

    /// First and longest delay and horizon must be in that order.
    fn pace(&mut self, name: &str, account: &AccountSettings) {
        let poll = &account.poll;
        let unknown = &account.unknown;
        for (longer, long_ms, shorter, short_ms) in [
            ("poll.max_ms", poll.max_ms, "poll.initial_ms", poll.initial_ms),
            ("poll.horizon_ms", poll.horizon_ms, "poll.initial_ms", poll.initial_ms),
            ("poll.horizon_ms", poll.horizon_ms, "unknown.visibility_ms", unknown.visibility_ms),
            ("retry.max_ms", account.retry.max_ms, "retry.initial_ms", account.retry.initial_ms),
        ] {
            if long_ms < short_ms {
                let rule = format!("must be at least {shorter}, {short_ms}, got {long_ms}");
                self.problem(format!("accounts.{name}.{longer}"), rule);
            }
        }
    }

    /// Absence over the visibility window permits a second submit, so the window should outlast any
    /// worker that may still send the first one. Only a warning: the store is asked right before the bytes
    /// leave, so a lease that is longer takes a worker that stands still between that answer and its
    /// bytes for a whole window. Tests and trials with windows of a second are no mistake.
    fn window(&mut self, name: &str, account: &AccountSettings, settings: &Settings) {
        let (lease, window) = (settings.worker.lease_ms, account.unknown.visibility_ms);
        if account.policy().duplicates.is_certified() && lease >= window {
            self.warnings.push(format!(
                "accounts.{name}.unknown.visibility_ms should be more than worker.lease_ms, {lease}, got \
                 {window}: a refund may be sent again while a worker still holds its first submit"
            ));
        }
    }

    /// The gateway that an account names.
    fn gateway_named(
        &mut self,
        key: String,
        name: &str,
        settings: &Settings,
    ) -> Option<GatewayName> {
        if settings.gateways.contains_key(name) {
            return GatewayName::parse(name).ok(); // its own problem if illegal
        }
        let names: Vec<&str> = settings.gateways.keys().map(String::as_str).collect();
        let hint = match nearest(name, &names) {
            Some(near) => format!("did you mean {near:?}?"),
            None if names.is_empty() => "there is none yet".to_owned(),
            None => format!("there are {}", names.join(", ")),
        };
        self.problem(key, format!("must name a [gateways.*] entry, got {name:?}: {hint}"));
        None
    }
}

/// The settings of another protocol that this gateway has.
fn foreign_fields(gateway: &GatewaySettings) -> Vec<(&'static str, Protocol)> {
    let iotpay = [
        ("login_name", gateway.login_name.is_some()),
        ("submit_path", gateway.submit_path.is_some()),
        ("query_path", gateway.query_path.is_some()),
        ("query_id_field", gateway.query_id_field.is_some()),
        ("status_map", gateway.status_map.is_some()),
        ("not_found_codes", gateway.not_found_codes.is_some()),
        ("not_found_texts", gateway.not_found_texts.is_some()),
        ("send_currency", gateway.send_currency.is_some()),
    ];
    let ionlinepay = [
        ("refund_service", gateway.refund_service.is_some()),
        ("query_service", gateway.query_service.is_some()),
        ("op_user_id", gateway.op_user_id.is_some()),
        ("send_reason", gateway.send_reason.is_some()),
    ];
    let (fields, owner): (&[(&str, bool)], _) = match gateway.protocol {
        Protocol::Iotpay => (&ionlinepay, Protocol::Ionlinepay),
        Protocol::Ionlinepay => (&iotpay, Protocol::Iotpay),
        Protocol::IotpayCard => return Vec::new(), // refused as a whole
    };
    let set = fields.iter().filter(|(_, set)| *set);
    set.map(|(field, _)| (*field, owner)).collect()
}

/// One Redis, by network or by socket.
fn redis_url(url: &str) -> Result<(), String> {
    let scheme = url.split("://").next().unwrap_or_default();
    if scheme.ends_with("+sentinel") {
        return Err("is not supported yet: Sentinel; write the address of one Redis".to_owned());
    }
    if url.contains(',') {
        return Err("is not supported yet: several cluster nodes; write the address of one Redis"
            .to_owned());
    }
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let known = ["redis", "rediss", "unix", "redis+unix"].contains(&scheme);
    let host = rest.rsplit('@').next().unwrap_or_default();
    if !known
        || host.is_empty()
        || (scheme.starts_with("redis") && !scheme.ends_with("unix") && host.starts_with('/'))
    {
        return Err("must be redis://host:port, rediss://host:port or unix:///path, or be left out for a private Redis".to_owned());
    }
    Ok(())
}

/// https anywhere, http on this machine only. Read by hand and strictly: what two readers of
/// addresses could understand differently is refused.
fn gateway_url(url: &str) -> Result<(), String> {
    let wrong = |rule: &str| Err(format!("must be {rule}, got \"{}\"", super::masked(url)));
    let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return wrong("an address that begins with https://"),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&b);
    if !rest.bytes().all(plain) {
        return wrong("an address of host, port and path only");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return wrong("an address with a port from 0 to 65535");
    }
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let v6 = v6.map(str::parse::<Ipv6Addr>);
    let named = !host.is_empty() && !host.contains(['[', ']', ':', '%']);
    if !named && !matches!(v6, Some(Ok(_))) {
        return wrong("an address with a host");
    }
    let loopback = match v6 {
        Some(address) => address.is_ok_and(|address| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
    };
    if !tls && !loopback {
        return wrong(
            "https: plain http is for loopback addresses (127.0.0.0/8, [::1], localhost) only",
        );
    }
    Ok(())
}
