//! The proofs of docs/guarantees.md: what must never happen does not, under every fault.
//!
//! Each has a short form, which `deploy/test.sh` runs, and a long one for releases
//! (`deploy/prove.sh`). All print what they tried.

mod chaos;
mod crash;
mod drain;
mod fuzz;
mod model;
mod pages;
mod simulator;
