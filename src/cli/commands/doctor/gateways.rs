//! Whether the gateways can be reached, without asking any of them for anything.

use futures_util::future::join_all;
use tokio::time::Instant;

use super::report::Finding;
use super::spoken;
use crate::config::{GatewaySettings, Settings, masked};
use crate::gateways::http;
use crate::ports::{GatewayError, chain};

/// How long a gateway may take to answer, all in all.
const PATIENCE_MS: u64 = 5_000;

/// All gateways at once.
pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let gateways = settings.gateways.iter();
    let found = join_all(gateways.map(|(name, gateway)| reach(name, gateway))).await;
    found.into_iter().collect()
}

/// Name look-up, connection, TLS handshake and the head of the base URL.
async fn reach(name: &str, gateway: &GatewaySettings) -> Finding {
    let check = format!("gateways.{name}.base_url");
    let shown = masked(&gateway.base_url);
    let client = http::Client::new(&http::Settings {
        connect_timeout_ms: PATIENCE_MS,
        timeout_ms: PATIENCE_MS,
        read_timeout_ms: PATIENCE_MS,
        idle_per_host: 0,
        ..http::Settings::default()
    });
    let client = match client {
        Ok(client) => client,
        Err(err) => {
            return Finding::error(check, chain(&err))
                .because("no gateway can be called.")
                .remedy("install the system's CA certificates (Debian: ca-certificates)");
        }
    };
    let asked = Instant::now();
    let answer = client.head(&gateway.base_url).await;
    let took = spoken(asked.elapsed());
    match answer {
        Ok(status) => reached(check, &gateway.base_url, &format!("{status} after {took}")),
        // The connection stood, TLS included: that was the question.
        Err(GatewayError::Broken(err)) => {
            reached(check, &gateway.base_url, &format!("no HTTP ({})", chain(err.as_ref())))
        }
        Err(err) => Finding::error(check, format!("{shown}: {}", chain(&err)))
            .because(format!("its refunds wait until it can be reached (within {} s).", 5))
            .remedy(format!(
                "check gateways.{name}.base_url, DNS, the firewall and the gateway's own notices"
            )),
    }
}

fn reached(check: String, url: &str, answer: &str) -> Finding {
    let found = format!("{} answers HEAD with {answer}", masked(url));
    if url.starts_with("https://") {
        return Finding::ok(check, found);
    }
    Finding::note(check, format!("{found}; plain http, so this is an emulator and no money moves"))
}
