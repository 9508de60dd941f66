//! The payment gateways: one folder a protocol, behind the gateway ports.
//!
//! | file | holds |
//! |---|---|
//! | [`http`] | the one client: sends a form once, says how far it got |
//! | [`sign`] | the one signer, and the check of what was received |
//! | `answer` | an answer as received: every field, by its exact text |
//! | `notice` | what a gateway says unasked, and whether it is signed |
//! | [`codes`] | what follows from an error code; each protocol has its own table |
//! | [`iotpay`] | IOTPay `refund_order` and its refund query |
//! | [`ionlinepay`] | iOnline Pay refund and refund query |
//!
//! Invariants of this room:
//!
//! * It holds no policy and decides nothing about money. It says what an answer proves, and every
//!   doubt is an error whose certainty is `Unknown`.
//! * It sends each request once, and never again by itself.
//! * Lists are positive: a code, a status or a field that nobody has listed means nothing, and never
//!   success, failure or absence.
//! * It never logs keys, signing texts or raw bodies.
//! * What a provider dictates carries a `Source:`; what a page leaves open is a setting and says
//!   `Assumed:`.

pub(crate) mod answer;
pub mod codes;
pub mod http;
pub mod ionlinepay;
pub mod iotpay;
mod notice;
pub mod sign;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use self::sign::Params;
use crate::domain::refund::ParamsHash;
use crate::ports::{FieldError, GatewayError};

/// Checks that a text has 1 to `max` characters, as `String(max)` of a parameter table asks.
fn within(field: &str, text: &str, max: usize) -> Result<(), FieldError> {
    let length = text.chars().count();
    if (1..=max).contains(&length) {
        return Ok(());
    }
    Err(FieldError::new(
        field,
        format!("must have 1 to {max} characters for this gateway, got {length}"),
    ))
}

/// Checks that there is a key to sign with.
fn key_is_set(key: &SecretString) -> Result<(), FieldError> {
    if key.expose_secret().is_empty() {
        return Err(FieldError::new("key", "must not be empty"));
    }
    Ok(())
}

/// Parses an address that requests go to.
fn url(field: &str, text: &str) -> Result<reqwest::Url, FieldError> {
    reqwest::Url::parse(text)
        .map_err(|err| FieldError::new(field, format!("must give a URL, got {text:?}: {err}")))
}

/// SHA-256 over the parameters but those in `changing`, each name and value ended by a byte that
/// UTF-8 never has, so that no two sets of parameters give the same text.
fn params_hash(params: &Params, changing: &[&str]) -> ParamsHash {
    let mut hasher = Sha256::new();
    for (name, value) in params {
        if !changing.contains(&name.as_str()) {
            hasher.update(name.as_bytes());
            hasher.update([0xff]);
            hasher.update(value.as_bytes());
            hasher.update([0xff]);
        }
    }
    ParamsHash(hasher.finalize().into())
}

/// The answer is about something else than was asked. Only a signature makes that a contradiction;
/// without one it teaches nothing.
fn mismatch(signed: bool, field: &str, asked: &str, got: &str) -> GatewayError {
    let got = answer::clip(got);
    let message = format!("{field} is {got:?}, asked was {asked:?}");
    if signed {
        GatewayError::Contradiction(message)
    } else {
        GatewayError::Ambiguous { code: "mismatch".to_owned(), message }
    }
}

#[cfg(test)]
mod fuzz_tests;
