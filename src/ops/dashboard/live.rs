//! `GET /events`: the parts of a page that have changed, once a second, until the page, the session
//! or the server ends.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::board::reason;
use super::layout::Failed;
use super::overview::Section;
use super::session::Visit;
use super::{detail, overview};
use crate::domain::RefundNo;
use crate::ops::Room;
use crate::ops::problem::Problem;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Most pages that may listen at once: fewer than the connections that the server takes.
pub(in crate::ops) const LISTENERS_MAX: usize = 128;

/// What a stream keeps from one look to the next.
struct Listener {
    room: Arc<Room>,
    visit: Visit,
    /// The refund that the page shows; `None` for the overview.
    refund_no: Option<RefundNo>,
    ticks: Interval,
    stop: watch::Receiver<bool>,
    sent: HashMap<&'static str, String>,
    /// The refund as it was last read.
    last: Option<detail::Look>,
    _slot: OwnedSemaphorePermit,
}

/// `GET /events`, or `GET /events?refund=NO`.
pub(super) async fn events(
    State(room): State<Arc<Room>>,
    Extension(visit): Extension<Visit>,
    uri: Uri,
) -> Result<Response, Failed> {
    let query = uri.query().unwrap_or_default();
    let wanted = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "refund");
    let refund_no = wanted.map(|(_, value)| RefundNo::parse(&value)).transpose();
    let refund_no = refund_no.map_err(|err| Problem::invalid("refund", err.to_string()))?;
    let slot = Arc::clone(&room.listeners).try_acquire_owned();
    let slot = slot.map_err(|_| Problem::unavailable("too many pages listen already"))?;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = room.stop.clone();
    let sent = HashMap::new();
    let listener = Listener { room, visit, refund_no, ticks, stop, sent, last: None, _slot: slot };
    let body = Body::from_stream(stream::unfold(listener, next));
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Waits for the next look, and tells what is new; `None` ends the stream.
async fn next(mut listener: Listener) -> Option<(Result<Bytes, Infallible>, Listener)> {
    tokio::select! {
        biased;
        _ = listener.stop.wait_for(|stop| *stop) => return None,
        _ = listener.ticks.tick() => {}
    }
    if !listener.room.sessions.lasts(&listener.visit, Instant::now()) {
        return None;
    }
    let sections = listener.look().await;
    let event = news(&mut listener.sent, sections);
    Some((Ok(Bytes::from(event)), listener))
}

impl Listener {
    async fn look(&mut self) -> Vec<Section> {
        let parts = &self.room.parts;
        let view = self.room.board.view(parts).await;
        let now = parts.clock.now();
        let Some(refund_no) = &self.refund_no else {
            return overview::sections(&view, parts, now);
        };
        let trouble = match timeout(EVERY, parts.ledger.find(refund_no)).await {
            Ok(Ok(Some(seen))) => {
                let pauses = view.last.as_ref().map(|last| last.pauses.clone());
                let look = detail::Look { seen, pauses: pauses.unwrap_or_default(), at: now };
                let sections = detail::sections(&look, false, parts, &self.visit);
                self.last = Some(look);
                return sections;
            }
            Ok(Ok(None)) => "this refund is not stored any more",
            Ok(Err(err)) => reason(&err),
            Err(_) => "Redis does not answer",
        };
        detail::old_sections(self.last.as_ref(), trouble, parts, &self.visit, now)
    }
}

/// One event with every part that is not what it was, and always the one that tells the age of the
/// rest: a page that hears nothing for a while takes its connection for dead.
fn news(sent: &mut HashMap<&'static str, String>, sections: Vec<Section>) -> String {
    let mut event = "event: parts\n".to_owned();
    for Section { id, html } in sections {
        if id == "asof" || sent.get(id) != Some(&html) {
            data(&mut event, &html);
            sent.insert(id, html);
        }
    }
    event + "\n"
}

/// Text as lines of data; a line break of any kind only parts lines.
fn data(event: &mut String, text: &str) {
    for line in text.split(['\n', '\r']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_tells_the_age_and_otherwise_what_is_new() {
        let section = |id, html: &str| Section { id, html: html.to_owned() };
        let parts = || vec![section("asof", "A"), section("state", "S")];
        let mut sent = HashMap::new();
        assert_eq!(news(&mut sent, parts()), "event: parts\ndata: A\ndata: S\n\n");
        assert_eq!(news(&mut sent, parts()), "event: parts\ndata: A\n\n");
    }

    #[test]
    fn text_cannot_end_an_event_or_begin_another() {
        let mut event = String::new();
        data(&mut event, "a\n\nevent: x\r\rdata: y\r\n");
        assert!(event.lines().all(|line| line.starts_with("data: ")), "{event:?}");
        assert!(!event.contains('\r'));
    }
}
