//! What people do over HTTP.

use serde_json::{Value, json};

use super::{Desk, because};
use crate::support::service::request;

/// What the audit stream says: action, subject, who.
fn audit(desk: &Desk) -> Vec<(String, String, String)> {
    let entries: Vec<(String, Vec<String>)> =
        desk.shop.redis.cmd(&["XRANGE", "{refunds}:audit", "-", "+"]);
    let field = |fields: &[String], name: &str| {
        let at = fields.iter().position(|field| field == name);
        at.map(|at| fields[at + 1].clone()).unwrap_or_default()
    };
    let lines = entries.iter().map(|(_, fields)| {
        (field(fields, "action"), field(fields, "subject"), field(fields, "who"))
    });
    lines.filter(|(action, ..)| !action.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_held_against_the_version_that_was_seen_and_stands_in_the_audit() {
    let desk = Desk::open().await;
    desk.push(&request("A-1", "shop-ca")).await;
    let seen = desk.reaches("A-1", "settled").await;
    let version = &seen["version"];
    let resolve = |outcome: &str| {
        let mut body = because(version);
        body["outcome"] = json!(outcome);
        body
    };
    let at = |verb: &str| format!("/v1/refunds/A-1/{verb}");
    // What makes no sense, and what is not said.
    let refused = desk.post(&at("release"), &because(version)).await;
    assert_eq!(refused.problem(), (422, "not_allowed", ""));
    let mut blank = because(version);
    blank["reason"] = json!("  ");
    assert_eq!(desk.post(&at("check"), &blank).await.problem(), (422, "invalid", "reason"));
    let unversioned = json!({"reason": "x"});
    assert_eq!(desk.post(&at("check"), &unversioned).await.problem(), (422, "invalid", "version"));
    assert_eq!(
        desk.post(&at("resolve"), &because(version)).await.problem(),
        (422, "invalid", "outcome")
    );
    let nobody = desk.post("/v1/refunds/A-9/check", &because(version)).await;
    assert_eq!(nobody.problem(), (404, "not_found", ""));
    assert_eq!(audit(&desk), [], "nothing was done");
    // A correction, and a second click on the same page.
    let done = desk.post(&at("resolve"), &resolve("failed")).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(done.body["event_id"], "A-1.2.failed");
    assert_eq!(done.body["version"], json!(version.as_u64().unwrap() + 1));
    let twice = desk.post(&at("resolve"), &resolve("failed")).await;
    assert_eq!(twice.problem(), (409, "stale", "version"));
    let line = |action: &str, subject: &str| {
        (action.to_owned(), subject.to_owned(), "loopback".to_owned())
    };
    assert_eq!(audit(&desk), [line("resolve", "A-1")]);
    let check = desk.post(&at("check"), &because(&done.body["version"])).await;
    assert_eq!((check.status, &check.body["action"]), (200, &json!("check")));
    assert_eq!(audit(&desk).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_sent_can_be_abandoned_while_its_account_is_paused() {
    let desk = Desk::open().await;
    let why = json!({"account": "shop-ca", "reason": "stock-taking"});
    let paused = desk.post("/v1/pause", &why).await;
    assert_eq!((paused.status, &paused.body["changed"]), (200, &json!(true)));
    assert_eq!(desk.post("/v1/pause", &why).await.body["changed"], false);
    let seen = desk.get("/v1/pauses").await.body;
    assert_eq!(seen["paused"][0]["account"], "shop-ca");
    assert_eq!(seen["paused"][0]["by"], "loopback");
    desk.push(&request("A-1", "shop-ca")).await;
    let unknown = desk.post("/v1/pause", &json!({"account": "shop-cc", "reason": "x"})).await;
    assert_eq!(unknown.problem(), (422, "unknown_account", "account"));
    let done = crate::support::wait_until("the refund to be abandoned", async || {
        let seen = desk.get("/v1/refunds/A-1").await.body;
        let done = desk.post("/v1/refunds/A-1/abandon", &because(&seen["version"])).await;
        // A worker may hold it at this very moment to find out that it is paused.
        assert!([200, 409].contains(&done.status), "{done:?}");
        (done.status == 200).then_some(done.body)
    })
    .await;
    assert_eq!(done["action"], "abandon");
    let resumed = desk.post("/v1/resume", &why).await;
    assert_eq!((&resumed.body["changed"], &resumed.body["paused"]), (&json!(true), &json!([])));
    assert_eq!(desk.shop.results(1).await[0].outcome.as_str(), "rejected");
    assert_eq!(desk.shop.book().effects("A-1"), 0);
    let none: Value = desk.get("/v1/pauses").await.body;
    assert_eq!(none, json!({"paused": []}));
}
