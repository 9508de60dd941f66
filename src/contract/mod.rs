//! The public JSON: what order systems write and what they read back.
//!
//! Pure: bytes in, checked refunds out; records in, results out. Nothing here talks to Redis, to a
//! gateway or to a clock. It knows the domain and the ports' plain data.
//!
//! | file | is |
//! |---|---|
//! | [`request`] | the request as a type: the source of its JSON Schema |
//! | [`fault`] | why a request leads to no refund |
//! | [`mod@parse`] | bytes to a checked refund, or the field and the rule it breaks |
//! | [`evidence`] | the gateway's lines about a refund, and how far an answer can be believed |
//! | [`result`] | a settled, parked or rejected refund as the entry of the results stream |
//! | [`schema`] | JSON Schema of both, kept under `docs/schemas/` |
//! | [`view`] | a stored refund as people and scripts look at it |
//!
//! A version of this JSON never changes its meaning; a change is a new `v`.

pub mod evidence;
pub mod fault;
mod json;
pub mod parse;
pub mod request;
pub mod result;
pub mod schema;
pub mod view;

pub use evidence::{EvidenceV1, GradeV1, SourceV1, StatusV1};
pub use fault::{Fault, Invalid, RejectCode, RequestError};
pub use parse::{Readable, parse};
pub use request::{OrderV1, RequestV1};
pub use result::{OutcomeV1, Rejection, ResultV1, rejected, result_of};
pub use view::{PauseView, RefundView, next_of};
