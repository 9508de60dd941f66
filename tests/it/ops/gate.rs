//! Who gets in, and what everybody is told.

use reqwest::Method;
use serde_json::{Value, json};

use super::Desk;
use crate::support::service::request;

/// The configuration of a shop with one token a role, each named after its role.
pub(crate) fn with_tokens(toml: String) -> String {
    let mut text = toml;
    for role in ["read", "enqueue", "operate"] {
        let mut child = std::process::Command::new("sha256sum")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), role.as_bytes()).unwrap();
        let told = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let hash = told.split(' ').next().unwrap();
        let token =
            format!("\n[ops.tokens.{role}-token]\nrole = \"{role}\"\nsha256 = \"{hash}\"\n");
        text.push_str(&token);
    }
    text
}

/// A path of the document as it may be asked for.
fn filled(path: &str) -> String {
    path.replace("{refund_no}", "G-1").replace("{account}", "shop-ca")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_lets_in_exactly_the_roles_that_the_document_says() {
    let desk = Desk::with(with_tokens).await;
    let reader = [("authorization", "Bearer read")];
    let document = desk.ask(Method::GET, "/openapi.json", &reader, "").await;
    let kept = include_str!("../../../docs/openapi.json");
    assert_eq!(document.text, kept, "docs/openapi.json is what is served");
    let rank = |role: &str| ["", "read", "enqueue", "operate"].iter().position(|one| *one == role);
    let mut operations = 0;
    for (path, methods) in document.body["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            let needed = operation["x-role"].as_str().unwrap_or_default();
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            for role in ["", "read", "enqueue", "operate", "wrong"] {
                let token = format!("Bearer {role}");
                let mut headers = vec![("content-type", "application/json")];
                if !role.is_empty() {
                    headers.push(("authorization", &token));
                }
                let body = if method == Method::POST { "{}" } else { "" };
                let seen = desk.ask(method.clone(), &filled(path), &headers, body).await;
                let place = format!("{method} {path} as {role:?}: {seen:?}");
                let documented = operation["responses"].get(seen.status.to_string());
                assert!(documented.is_some(), "not in the document: {place}");
                if needed.is_empty() {
                    assert!(![403, 405].contains(&seen.status), "{place}");
                } else if rank(role).unwrap_or_default() == 0 {
                    assert_eq!(seen.problem(), (401, "unauthenticated", ""), "{place}");
                    assert_eq!(seen.headers["www-authenticate"], "Bearer realm=\"refundd\"");
                } else if rank(role) < rank(needed) {
                    assert_eq!(seen.problem(), (403, "forbidden", ""), "{place}");
                } else {
                    assert!(![401, 403, 405].contains(&seen.status), "{place}");
                }
                assert_eq!(seen.headers["x-content-type-options"], "nosniff", "{place}");
                assert_eq!(seen.headers["cache-control"], "no-store", "{place}");
            }
        }
    }
    assert!(operations >= 15, "{operations}");
    // The name of the token stands where people look for who did it.
    let operator = [("authorization", "Bearer operate"), ("content-type", "application/json")];
    let why = json!({"reason": "a drill"}).to_string();
    let paused = desk.ask(Method::POST, "/v1/pause", &operator, &why).await;
    assert_eq!(paused.body["paused"][0]["by"], "operate-token", "{paused:?}");
    let log = desk.shop.log(0);
    assert!(log.contains("without the role for it was denied"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_a_page_of_another_origin_and_a_proxy_are_kept_out() {
    let desk = Desk::open().await;
    let refund = request("G-1", "shop-ca").to_string();
    let push = async |name: &'static str, value: &str| {
        let headers = [("content-type", "application/json"), (name, value)];
        desk.ask(Method::POST, "/v1/refunds", &headers, &refund).await
    };
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example"),
        ("x-forwarded-for", "203.0.113.9"),
    ] {
        assert_eq!(push(name, value).await.problem(), (403, "forbidden", ""), "{name}: {value}");
    }
    let rebound = desk.ask(Method::GET, "/v1/refunds", &[("host", "evil.example")], "").await;
    assert_eq!(rebound.problem(), (403, "forbidden", ""));
    assert_eq!(desk.get("/v1/refunds/G-1").await.status, 404, "nothing came in");
    let own = format!("http://{}", desk.address);
    assert_eq!(push("origin", &own).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_document_too() {
    let desk = Desk::open().await;
    assert_eq!(desk.get("/v1").await.problem(), (404, "not_found", ""));
    let wrong = desk.ask(Method::DELETE, "/v1/refunds/G-1", &[], "").await;
    assert_eq!(wrong.problem(), (405, "method_not_allowed", ""));
    assert_eq!(wrong.body["detail"], "use GET");
    let head = desk.ask(Method::HEAD, "/healthz", &[], "").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    let health: Value = desk.get("/healthz").await.body;
    assert_eq!(health, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_on_the_same_address_does_not_start() {
    let mut desk = Desk::open().await;
    let address = desk.address.clone();
    let n = desk.shop.run_with(&[("REFUNDD__OPS__LISTEN", &address)]);
    let ended = crate::support::wait_for("the second worker to end", || desk.shop.has_ended(n));
    assert_eq!(ended.code(), Some(1));
    let log = desk.shop.log(n);
    assert!(log.contains(&address) && log.contains("ops.listen"), "{log}");
    assert_eq!(desk.get("/healthz").await.status, 200);
}
