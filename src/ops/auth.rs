//! Who asks, and what they may do.
//!
//! With tokens, a request carries one as `Authorization: Bearer …`; only their SHA-256 is known here,
//! and all of them are compared in constant time. Without tokens, whoever is on this machine may do
//! everything: then the configuration lets refundd listen on loopback only, and what a browser or a
//! proxy could carry here for somebody else is refused. A name in `Host` other than loopback's is DNS
//! rebinding, an `Origin` of another host is a page of somebody else, and a header that proxies add
//! means that the peer is not who asks.

use std::net::{IpAddr, SocketAddr};

use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, HeaderName, Method, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::telemetry::metrics;

/// What somebody may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To look.
    Read,
    /// To enqueue refunds.
    Enqueue,
    /// Everything.
    Operate,
}

impl Role {
    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Enqueue => "enqueue",
            Self::Operate => "operate",
        }
    }
}

/// Who asks. The name stands in audit lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name, or [`LOOPBACK`].
    pub who: String,
    /// What they may do.
    pub role: Role,
}

/// The name of whoever asks on this machine while there are no tokens.
pub const LOOPBACK: &str = "loopback";

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// All tokens, by hash.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    known: Vec<Token>,
    /// Whether one is needed: from the first that was added, even if it could not be read.
    needed: bool,
}

#[derive(Debug, Clone)]
struct Token {
    caller: Caller,
    hash: [u8; 32],
}

/// Headers by which a proxy says that it speaks for somebody else.
const BY_PROXY: &[&str] = &["forwarded", "x-forwarded-for", "x-real-ip", "via"];

impl Tokens {
    /// Adds a token, known by its SHA-256 in 64 hexadecimal digits. One that is not that opens nothing,
    /// and closes the server to whoever has no token all the same.
    pub fn add(&mut self, name: &str, role: Role, sha256: &str) {
        self.needed = true;
        let digits = |at: usize| sha256.get(at * 2..at * 2 + 2);
        let bytes = (0..32).map_while(|at| u8::from_str_radix(digits(at)?, 16).ok());
        if let Ok(hash) = <[u8; 32]>::try_from(bytes.collect::<Vec<_>>())
            && sha256.len() == 64
        {
            self.known.push(Token { caller: Caller { who: name.to_owned(), role }, hash });
        }
    }

    /// Whether nobody gets in without one.
    pub(super) fn are_needed(&self) -> bool {
        self.needed
    }

    /// Whose token this is. Looks at every one, whichever it is.
    pub(super) fn owner(&self, token: &[u8]) -> Option<&Caller> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let mut found = None;
        for known in &self.known {
            if bool::from(known.hash.ct_eq(&hash)) {
                found = Some(&known.caller);
            }
        }
        found
    }

    /// Who asks.
    ///
    /// # Errors
    /// A [`Problem`] if that is not clear, or the request comes from where it must not.
    pub(super) fn identify(&self, head: &Head, peer: Option<Peer>) -> Result<Caller, Problem> {
        same_origin(head)?;
        if !self.needed {
            return on_this_machine(head, peer);
        }
        let Some(given) = head.headers.get(header::AUTHORIZATION) else {
            metrics::denied("no_token");
            return Err(Problem::unauthenticated("send a token as Authorization: Bearer TOKEN"));
        };
        let caller = bearer(given.as_bytes()).and_then(|token| self.owner(token));
        caller.cloned().ok_or_else(|| {
            metrics::denied("wrong_token");
            tracing::warn!(peer = %network(peer), "a request with an unknown token was denied");
            Problem::unauthenticated("this token is not known")
        })
    }
}

/// What stands behind `Bearer `.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

/// Refuses a change that a page of another origin asks for, whatever else it carries.
pub(super) fn same_origin(head: &Head) -> Result<(), Problem> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.method) {
        return Ok(());
    }
    let host = host(head);
    let foreign = |origin: &str| {
        let (scheme, authority) = origin.split_once("://").unwrap_or_default();
        !["http", "https"].contains(&scheme)
            || host.is_none_or(|host| !host.eq_ignore_ascii_case(authority))
    };
    let mut origins = head.headers.get_all(header::ORIGIN).iter();
    let mut sites = head.headers.get_all("sec-fetch-site").iter();
    let elsewhere = origins.any(|origin| origin.to_str().map_or(true, foreign))
        || sites.any(|site| site != "same-origin" && site != "none");
    if elsewhere {
        metrics::denied("cross_origin");
        tracing::warn!("a change that a page of another origin asked for was denied");
        return Err(Problem::forbidden("a page of another origin must not change anything here"));
    }
    Ok(())
}

/// Whoever asks without a token must be on this machine, and must have meant this address.
fn on_this_machine(head: &Head, peer: Option<Peer>) -> Result<Caller, Problem> {
    let denied = |reason: &'static str, detail: &str| {
        metrics::denied(reason);
        tracing::warn!(reason, peer = %network(peer), "a request without a token was denied");
        Err(Problem::forbidden(format!(
            "{detail}; without tokens refundd serves this machine only"
        )))
    };
    if !peer.is_some_and(|Peer(peer)| peer.ip().to_canonical().is_loopback()) {
        return denied("not_loopback", "the request comes from another machine");
    }
    if BY_PROXY.iter().any(|name| head.headers.contains_key(HeaderName::from_static(name))) {
        return denied("proxy", "the request comes through a proxy");
    }
    if !host(head).is_some_and(is_loopback_name) {
        return denied("host", "Host must be a loopback address or localhost");
    }
    Ok(Caller { who: LOOPBACK.to_owned(), role: Role::Operate })
}

/// The one `Host` of a request; `None` if there is none, several, or another one in the target.
fn host(head: &Head) -> Option<&str> {
    let mut hosts = one(&head.headers, header::HOST)?;
    if let Some(authority) = head.uri.authority() {
        hosts = Some(hosts).filter(|host| *host == authority.as_str())?;
    }
    Some(hosts)
}

fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether `host`, with or without a port, names this machine alone.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
        Some(_) => return false,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The network that a peer is in: enough to see a pattern, too little to follow a person.
pub(super) fn network(peer: Option<Peer>) -> String {
    peer.map_or_else(|| "unknown".to_owned(), |Peer(peer)| network_of(peer.ip()))
}

/// The network of an address.
pub(super) fn network_of(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
