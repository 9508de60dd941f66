#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#[path = "it/simulator/mod.rs"]
mod simulator;
