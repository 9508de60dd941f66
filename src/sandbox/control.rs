//! The paths for people and tests: read the book, switch faults, add orders.
//!
//! | request | does |
//! |---|---|
//! | `GET /healthz` | `{"ok":true}` |
//! | `GET /book` | the whole book ([`BookSnapshot`](super::BookSnapshot)) |
//! | `GET /book/totals` | its sums only ([`Totals`](super::Totals)) |
//! | `GET /arrivals` | when requests came in ([`Arrival`](super::Arrival)), if the settings say so |
//! | `GET /faults` | the rules that are on ([`FaultPlan`](super::FaultPlan)) |
//! | `PUT /faults` | replaces them |
//! | `POST /orders` | adds paid orders: a list of [`PaidOrder`](super::PaidOrder) |
//!
//! Errors are `{"error":"…"}` with 400, 404, 405 or 409. Of a list of orders, those before the
//! one that is refused are added.

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::Shared;
use super::exchange::lock;
use super::faults::FaultPlan;
use super::server::json as json_response;
use super::terms::{OrderError, PaidOrder};

/// Answers a request to a path that belongs to no protocol.
pub(super) fn answer(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> Response<Body> {
    let now = shared.clock.now();
    match (method, path) {
        (&Method::GET, "/healthz") => said(&json!({"ok": true})),
        (&Method::GET, "/book") => {
            let snapshot = lock(&shared.book).snapshot(now);
            said(&snapshot)
        }
        (&Method::GET, "/book/totals") => {
            let totals = lock(&shared.book).totals(now);
            said(&totals)
        }
        (&Method::GET, "/arrivals") => match shared.arrivals.all() {
            Some(arrivals) => said(&arrivals),
            None => refused(StatusCode::NOT_FOUND, &"arrivals are not kept; see the settings"),
        },
        (&Method::GET, "/faults") => said(&shared.faults.plan()),
        (&Method::PUT, "/faults") => match serde_json::from_slice::<FaultPlan>(body) {
            Ok(plan) => {
                shared.faults.set(plan);
                said(&shared.faults.plan())
            }
            Err(err) => refused(StatusCode::BAD_REQUEST, &err),
        },
        (&Method::POST, "/orders") => match serde_json::from_slice::<Vec<PaidOrder>>(body) {
            Ok(orders) => add(shared, orders),
            Err(err) => refused(StatusCode::BAD_REQUEST, &err),
        },
        (_, "/healthz" | "/book" | "/book/totals" | "/arrivals" | "/faults" | "/orders") => {
            refused(StatusCode::METHOD_NOT_ALLOWED, &"method not allowed")
        }
        _ => refused(StatusCode::NOT_FOUND, &"no such path"),
    }
}

fn add(shared: &Shared, orders: Vec<PaidOrder>) -> Response<Body> {
    let added = orders.len();
    let mut book = lock(&shared.book);
    match orders.into_iter().try_for_each(|order| book.add_order(order)) {
        Ok(()) => said(&json!({"added": added})),
        Err(err @ OrderError::NoNumber) => refused(StatusCode::BAD_REQUEST, &err),
        Err(err @ OrderError::Conflict) => refused(StatusCode::CONFLICT, &err),
    }
}

fn said(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => json_response(text),
        Err(err) => refused(StatusCode::INTERNAL_SERVER_ERROR, &err),
    }
}

fn refused(status: StatusCode, err: &dyn std::fmt::Display) -> Response<Body> {
    let mut response = json_response(json!({"error": err.to_string()}).to_string());
    *response.status_mut() = status;
    response
}
