//! The configuration and where the keys are.

use super::report::Finding;
use crate::config::{Inspection, Settings};

/// What the layers say, taken alone.
pub(super) fn check(seen: &Inspection) -> Vec<Finding> {
    let mut findings = Vec::new();
    for problem in &seen.problems {
        findings.push(
            Finding::error("configuration", problem)
                .because("refundd does not start.")
                .remedy("write that key as config/default.toml has it; refundd config shows all"),
        );
    }
    if seen.problems.is_empty() {
        findings.push(loaded(seen));
    }
    for warning in &seen.warnings {
        findings.push(Finding::warning("configuration", warning));
    }
    if seen.password_in_the_open {
        findings.push(open_password(seen));
    }
    findings.extend(seen.keys.iter().map(|(gateway, key)| {
        let check = format!("gateways.{gateway}.key");
        match key {
            Ok(key) => match &key.warning {
                None => Finding::ok(check, format!("is {} (not shown)", key.place)),
                Some(warning) => Finding::warning(check, warning),
            },
            Err(problem) => {
                Finding::error(check, problem.to_string()).because("refundd does not start.")
            }
        }
    }));
    findings.extend(seen.settings.as_ref().map(access));
    findings
}

fn loaded(seen: &Inspection) -> Finding {
    let (accounts, gateways) = seen
        .settings
        .as_ref()
        .map_or((0, 0), |settings| (settings.accounts.len(), settings.gateways.len()));
    let Some(file) = &seen.file else {
        return Finding::error("configuration", "no file is named; the defaults have no account")
            .because("refundd run does not start without an account.")
            .remedy("refundd --config FILE doctor, or set the variable REFUNDD_CONFIG");
    };
    let found = format!("{} has {accounts} accounts and {gateways} gateways", file.display());
    if accounts == 0 {
        return Finding::error("configuration", found)
            .because("there is no account to refund from, so refundd run does not start.")
            .remedy("write an [accounts.*] and a [gateways.*] entry; see config/default.toml");
    }
    Finding::ok("configuration", found)
}

fn open_password(seen: &Inspection) -> Finding {
    let file = seen.file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    Finding::warning("configuration.password", format!("{file} holds a password"))
        .because("everyone on this machine can read it.")
        .remedy(format!("chmod 600 {file}, or give it by the variable REFUNDD__REDIS__URL"))
}

fn access(settings: &Settings) -> Finding {
    let ops = &settings.ops;
    let check = "ops.tokens";
    if !ops.tokens.is_empty() {
        return Finding::ok(check, format!("{} tokens", ops.tokens.len()));
    }
    let loopback = ops.listen.parse().is_ok_and(|at: std::net::SocketAddr| at.ip().is_loopback());
    if loopback {
        return Finding::note(
            check,
            "none: whoever is on this machine may do everything over HTTP, under the name loopback",
        );
    }
    Finding::error(check, format!("none, and ops.listen is {}", ops.listen))
        .because("whoever reaches that address could act on refunds, so refundd does not start.")
        .remedy("write an [ops.tokens.<name>] with role and sha256, or listen on 127.0.0.1")
}
