//! refundd takes refund requests from a Redis stream, submits each to its payment gateway, asks
//! until it has settled, and publishes the result.

#![cfg_attr(
    test,
    allow(clippy::float_arithmetic, reason = "tests compare shares and ratios")
)]

pub mod config;
pub mod contract;
pub mod domain;
pub mod gateways;
#[cfg(test)]
mod generated;
pub mod intake;
pub mod ledger;
pub mod ports;
pub mod telemetry;
pub mod workers;
pub mod sandbox;
