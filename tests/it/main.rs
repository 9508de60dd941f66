//! The integration tests: one binary, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops, with the reason"
)]

mod support;

mod bench;
mod browser;
mod cli;
mod clock;
mod conformance;
mod contract;
mod demo;
mod embedded;
mod examples;
mod faults;
mod gateways;
mod guarantees;
mod logs;
mod ops;
mod otlp;
mod outage;
mod proofs;
mod requests;
mod results;
mod sandbox;
mod scripts;
mod service;
mod side_by_side;
mod tidy;
mod wake;
