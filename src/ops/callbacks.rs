//! Gateways' notices: a signed one makes refundd ask that gateway, and nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::Room;
use super::auth::{Peer, network};
use super::body;
use super::problem::Problem;
use crate::domain::{AccountName, RefundNo};
use crate::ports::{NoticeError, RefundNotice};
use crate::telemetry::metrics;

/// Largest notice, bytes: far above any that is documented.
const NOTICE_MAX: usize = 16 * 1024;

/// `POST /callbacks/{account}`.
///
/// What it answers depends on the signature and on nothing else: whoever forges notices must not learn
/// which refunds there are. The gateway is told "received" before the question is asked, because
/// refundd asks anyway sooner or later.
pub(super) async fn notice(
    State(room): State<Arc<Room>>,
    peer: Option<Extension<Peer>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let name = path.map(|Path(name)| name).unwrap_or_default();
    let accounts = &room.parts.accounts;
    let known = AccountName::parse(&name).ok().filter(|account| accounts.get(account).is_some());
    let Some(account) = known else {
        return Err(Problem::not_found("the configuration has no such account"));
    };
    let bytes = body::bytes(body, NOTICE_MAX).await?;
    // XxPay puts the fields behind the address. Assumed.
    let sent = if bytes.is_empty() { uri.query().unwrap_or_default().as_bytes() } else { &bytes };
    match read(accounts.notices(&account), sent) {
        Ok((refund_no, received)) => {
            ask(&room, &account, &refund_no).await?;
            let mut response = received.into_response();
            let kind = HeaderValue::from_static("text/plain");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            Ok(response)
        }
        Err(NoticeError::Forged(why)) => {
            metrics::noticed(account.as_str(), "forged");
            let peer = network(peer.map(|Extension(peer)| peer));
            tracing::warn!(
                security = true,
                account = %account,
                peer,
                why,
                "a notice without a valid signature was denied"
            );
            Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "forged",
                "The notice is not the gateway's",
                "its signature is missing or wrong",
            ))
        }
        Err(NoticeError::Unreadable(why)) => {
            metrics::noticed(account.as_str(), "unreadable");
            tracing::warn!(account = %account, why, "a notice could not be read");
            Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "unreadable",
                "The notice cannot be read",
                "it is not a notice of this account's gateways",
            ))
        }
    }
}

/// The refund of a notice, by the first gateway of the account that signs so. A forgery of one
/// gateway's notice weighs more than another gateway's "cannot be read".
fn read(
    notices: &[Arc<dyn RefundNotice>],
    sent: &[u8],
) -> Result<(RefundNo, &'static str), NoticeError> {
    let mut worst = NoticeError::Unreadable("no gateway of this account sends notices".to_owned());
    for notice in notices {
        match notice.notified(sent) {
            Ok(refund_no) => return Ok((refund_no, notice.acknowledgement())),
            Err(err @ NoticeError::Forged(_)) => worst = err,
            Err(err) if matches!(worst, NoticeError::Unreadable(_)) => worst = err,
            Err(NoticeError::Unreadable(_)) => {}
        }
    }
    Err(worst)
}

/// Makes the refund due, if it is this account's.
async fn ask(room: &Room, account: &AccountName, refund_no: &RefundNo) -> Result<(), Problem> {
    let ledger = &room.parts.ledger;
    let found = ledger.find(refund_no).await?;
    if found.is_none_or(|stored| stored.record.refund.account != *account) {
        metrics::noticed(account.as_str(), "unknown");
        tracing::info!(refund.no = %refund_no, account = %account, "a notice about no refund of ours");
        return Ok(());
    }
    ledger.nudge(std::slice::from_ref(refund_no), room.parts.clock.now()).await?;
    metrics::noticed(account.as_str(), "taken");
    tracing::info!(refund.no = %refund_no, account = %account, "the gateway has news: asking it");
    Ok(())
}
