//! refundd takes refund requests from a Redis stream, submits each to its payment gateway, asks
//! until it has settled, and publishes the result.
//!
//! A reader who wants to know what refundd promises reads [`domain`]: it is pure, and every
//! decision about money stands there. [`ports`] says what the core needs from the world; all other
//! rooms are the world.
//!
//! ```text
//! main → cli → app ─┬→ workers ─┐
//!                   ├→ intake  ─┤
//!                   ├→ operator ┤
//!                   ├→ ops      ┤
//!                   ├→ ledger  ─┼→ ports → domain
//!                   ├→ gateways ┘
//!                   └→ config, telemetry, sandbox
//! ```

#![cfg_attr(test, allow(clippy::float_arithmetic, reason = "tests compare shares and ratios"))]

pub mod app;
pub mod cli;
pub mod config;
pub mod contract;
pub mod crash;
pub mod domain;
#[cfg(test)]
#[path = "../tests/it/proofs/fuzz/engine/mod.rs"]
mod fuzzing;
pub mod gateways;
#[cfg(test)]
mod generated;
pub mod intake;
pub mod ledger;
pub mod operator;
pub mod ops;
pub mod ports;
pub mod reporting;
pub mod retention;
pub mod sandbox;
pub mod telemetry;
pub mod workers;
