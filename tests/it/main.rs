//! The integration tests: one binary, so that it links once.

mod gateways;
mod sandbox;
