//! When requests came in: the wire's side of a benchmark, kept apart from the book and its clock.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::exchange::Request;
use super::faults::Op;

/// One request that was understood, disturbed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// The refund number, or what the request named in its place.
    pub refund_no: String,
    /// Whether it was a query; a submit otherwise.
    pub query: bool,
    /// When all of it had come in: Unix time of this machine, microseconds.
    pub at_us: i64,
}

/// All requests so far, in the order in which they came; none where nobody wants to know.
#[derive(Debug)]
pub(super) struct Arrivals(Option<Mutex<Vec<Arrival>>>);

impl Arrivals {
    pub(super) fn new(kept: bool) -> Self {
        Self(kept.then(Mutex::default))
    }

    /// Notes a request.
    pub(super) fn note(&self, request: &Request) {
        if let Some(kept) = &self.0 {
            let at_us = Timestamp::now().as_microsecond();
            let query = request.op() == Op::Query;
            let refund_no = request.refund_no().to_owned();
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(Arrival { refund_no, query, at_us });
        }
    }

    /// All that were noted; `None` if none are.
    pub(super) fn all(&self) -> Option<Vec<Arrival>> {
        let kept = self.0.as_ref()?;
        Some(kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
