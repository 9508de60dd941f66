//! The dashboard of a real `refundd run`, as a browser without scripts sees it, and its stream.

use refundd::sandbox::{Fault, On, Rule, Settings};
use reqwest::Method;
use serde_json::json;

use super::gate::with_tokens;
use super::{Desk, Seen};
use crate::support::service::{gateway, request};
use crate::support::{wait_for, wait_until};

/// A gateway that shows another amount than was asked for, so that refunds are parked.
fn odd_gateway() -> Settings {
    let mut settings = Settings { processing_polls: 0, ..gateway() };
    settings.faults.rules = vec![Rule::new(On::Queries, Fault::WrongAmount)];
    settings
}

/// The value of the first hidden field of that name.
fn hidden(page: &Seen, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = page.text.split(&begin).nth(1);
    rest.unwrap_or_else(|| panic!("no {name} in {}", page.text))
        .split('"')
        .next()
        .unwrap()
        .to_owned()
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}

impl Desk {
    /// Sends a form, with more headers.
    async fn send(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Seen {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.ask(Method::POST, path, &[&kind, headers].concat(), &encoded(fields)).await
    }

    /// Signs in with a token; returns the cookie.
    async fn sign_in(&self, token: &str) -> String {
        let word = hidden(&self.get("/login").await, "form_word");
        let seen = self.send("/login", &[], &[("form_word", &word), ("token", token)]).await;
        assert_eq!(seen.status, 303, "{seen:?}");
        let cookie = seen.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn look(&self, path: &str, cookie: &str) -> Seen {
        self.ask(Method::GET, path, &[("cookie", cookie)], "").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_with_its_headers_and_nothing_in_line() {
    let desk = Desk::on(odd_gateway(), |toml| toml).await;
    desk.push(&request("R-1", "shop-ca")).await;
    desk.reaches("R-1", "parked").await;
    for path in [
        "/",
        "/refunds",
        "/refunds?state=parked&account=shop-ca&reason=discrepancy&age=",
        "/refunds/R-1",
        "/refunds/R-1/check",
        "/refunds/R-1/release",
        "/refunds/R-1/resolve",
        "/refunds/R-1/abandon",
        "/pause",
        "/pause?do=pause&account=shop-ca",
        "/attention?reason=discrepancy",
        "/audit",
    ] {
        let page = desk.get(path).await;
        assert_eq!((page.status, page.kind.as_str()), (200, "text/html; charset=utf-8"), "{path}");
        let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(page.headers["content-security-policy"], policy);
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["referrer-policy"], "same-origin");
        assert_eq!(page.headers["cache-control"], "no-store");
        for inline in [" style=", " onclick=", "<style", "<script>", "203.0.113.7<"] {
            assert!(!page.text.contains(inline), "{inline} in {path}");
        }
        let mut ids: Vec<_> =
            page.text.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id stands twice on {path}");
    }
    let home = desk.get("/").await;
    assert!(home.text.contains("● Look: 1 refund parked: 5.00\u{a0}CAD."), "{}", home.text);
    assert!(desk.get("/refunds").await.text.contains("href=\"/refunds/R-1\""));
    assert_eq!(desk.get("/refunds?q=R-1").await.headers["location"], "/refunds/R-1");
    assert_eq!(desk.get("/refunds/R-9").await.status, 404);
    let style = home.text.split("href=\"/assets/style.css").nth(1).unwrap();
    let style = format!("/assets/style.css{}", style.split('"').next().unwrap());
    let kept = desk.get(&style).await;
    assert_eq!((kept.status, kept.kind.as_str()), (200, "text/css; charset=utf-8"));
    assert_eq!(kept.headers["cache-control"], "public, max-age=31536000, immutable");
    let tag = kept.headers["etag"].to_str().unwrap();
    let again = desk.ask(Method::GET, &style, &[("if-none-match", tag)], "").await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_the_role_of_its_token_on_pages_and_none_on_the_api() {
    let desk = Desk::on(odd_gateway(), with_tokens).await;
    let bearer = [("authorization", "Bearer operate"), ("content-type", "application/json")];
    let body = request("R-1", "shop-ca").to_string();
    assert_eq!(desk.ask(Method::POST, "/v1/refunds", &bearer, &body).await.status, 202);
    // Nobody is led to the sign-in, and back to where they wanted to go.
    let nobody = desk.get("/refunds?state=parked").await;
    assert_eq!(nobody.status, 303);
    assert_eq!(nobody.headers["location"], "/login?next=%2Frefunds%3Fstate%3Dparked");
    assert_eq!(desk.get("/events").await.status, 401, "a stream cannot sign in");
    let reader = desk.sign_in("read").await;
    let operator = desk.sign_in("operate").await;
    let parked = async || {
        let page = desk.look("/refunds/R-1", &operator).await;
        page.text.contains("parked: discrepancy").then_some(page)
    };
    let seen = wait_until("the refund to be parked", parked).await;
    assert!(seen.text.contains("href=\"/refunds/R-1/abandon\""), "{}", seen.text);
    // Who may only look sees no buttons, and has none.
    let looked = desk.look("/refunds/R-1", &reader).await;
    assert!(
        !looked.text.contains("/abandon") && looked.text.contains("You may look"),
        "{}",
        looked.text
    );
    let word = hidden(&looked, "form_word");
    for path in ["/refunds/R-1/abandon", "/pause", "/attention"] {
        let cookie = [("cookie", reader.as_str())];
        let fields =
            [("form_word", word.as_str()), ("version", "3"), ("reason", "x"), ("do", "pause")];
        assert_eq!(desk.send(path, &cookie, &fields).await.status, 403, "{path}");
    }
    assert_eq!(desk.look("/refunds/R-1/abandon", &reader).await.status, 403);
    // The cookie is for pages alone, and only its own word goes with it.
    let cookie = [("cookie", operator.as_str())];
    assert_eq!(desk.ask(Method::GET, "/v1/refunds", &cookie, "").await.status, 401);
    let fields = [("form_word", word.as_str()), ("do", "pause"), ("reason", "x")];
    assert_eq!(
        desk.send("/pause", &cookie, &fields).await.status,
        403,
        "the word of another session"
    );
    // Signing out ends it at once.
    let page = desk.look("/", &operator).await;
    let out = desk.send("/logout", &cookie, &[("form_word", &hidden(&page, "form_word"))]).await;
    assert_eq!((out.status, out.headers["location"].to_str().unwrap()), (303, "/login"));
    assert_eq!(desk.look("/", &operator).await.status, 303);
    assert_eq!(desk.look("/", &reader).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_cannot_be_guessed_by_the_form() {
    let desk = Desk::with(with_tokens).await;
    let word = hidden(&desk.get("/login").await, "form_word");
    // What is no form of ours, or has a right token, uses up no try.
    for _ in 0..6 {
        let foreign = desk.send("/login", &[], &[("form_word", "0"), ("token", "a guess")]).await;
        assert_eq!(foreign.status, 403);
        desk.sign_in("read").await;
    }
    for _ in 0..5 {
        let wrong = desk.send("/login", &[], &[("form_word", &word), ("token", "a guess")]).await;
        assert_eq!(wrong.status, 401);
        assert!(!wrong.headers.contains_key("set-cookie") && !wrong.text.contains("a guess"));
    }
    let right = desk.send("/login", &[], &[("form_word", &word), ("token", "operate")]).await;
    assert_eq!(right.status, 429);
    let wait: u64 = right.retry_after.unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_origin_or_without_its_word_changes_nothing() {
    let desk = Desk::open().await;
    let word = hidden(&desk.get("/pause?do=pause").await, "form_word");
    let fields = [("form_word", word.as_str()), ("do", "pause"), ("account", ""), ("reason", "x")];
    for header in
        [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
    {
        assert_eq!(desk.send("/pause", &[header], &fields).await.status, 403, "{header:?}");
    }
    assert_eq!(desk.send("/pause", &[], &fields[1..]).await.status, 403, "no word");
    let wrong = [("form_word", "0"), fields[1], fields[2], fields[3]];
    assert_eq!(desk.send("/pause", &[], &wrong).await.status, 403, "a wrong word");
    assert_eq!(desk.post("/pause", &json!({"do": "pause"})).await.status, 403, "no form");
    assert_eq!(desk.get("/v1/pauses").await.body, json!({"paused": []}));
    let own = format!("http://{}", desk.address);
    let done = desk.send("/pause", &[("origin", &own)], &fields).await;
    assert_eq!(done.headers["location"], "/pause?done=yes");
    let home = desk.get("/pause").await;
    assert!(home.text.contains("‖ paused") && home.text.contains("loopback"), "{}", home.text);
}

#[tokio::test]
async fn a_resume_lifts_only_the_pause_that_was_seen() {
    let desk = Desk::open().await;
    desk.post("/v1/pause", &json!({"reason": "a look"})).await;
    let page = desk.get("/pause?do=resume").await;
    assert!(page.text.contains("a look"), "{}", page.text);
    let (word, since) = (hidden(&page, "form_word"), hidden(&page, "since"));
    desk.post("/v1/resume", &json!({"reason": "seen"})).await;
    desk.post("/v1/pause", &json!({"reason": "the gateway pays twice"})).await;
    let old = [
        ("form_word", word.as_str()),
        ("do", "resume"),
        ("account", ""),
        ("since", since.as_str()),
        ("reason", "all is well"),
    ];
    let done = desk.send("/pause", &[], &old).await;
    assert_eq!(done.headers["location"], "/pause?done=no");
    let paused = desk.get("/v1/pauses").await.body;
    assert_eq!(paused["paused"][0]["reason"], "the gateway pays twice");
    let body = json!({"reason": "all is well", "since": since});
    assert_eq!(desk.post("/v1/resume", &body).await.body["changed"], false);
    let body = json!({"reason": "all is well", "since": paused["paused"][0]["since"]});
    assert_eq!(desk.post("/v1/resume", &body).await.body["changed"], true);
    let refused = desk.post("/v1/resume", &json!({"reason": "x", "since": "now"})).await;
    assert_eq!(refused.problem(), (422, "invalid", "since"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_is_done_once_and_told_what_changed_and_hostile_text_stays_text() {
    let desk = Desk::on(odd_gateway(), |toml| toml).await;
    desk.push(&request("R-1", "shop-ca")).await;
    desk.reaches("R-1", "parked").await;
    let ask = desk.get("/refunds/R-1/resolve").await;
    assert!(
        ask.text.contains("5.00\u{a0}CAD") && ask.text.contains("P-R-1 / O-R-1"),
        "{}",
        ask.text
    );
    let (word, version) = (hidden(&ask, "form_word"), hidden(&ask, "version"));
    let fields = [
        ("form_word", word.as_str()),
        ("version", version.as_str()),
        ("outcome", "failed"),
        ("reason", "<script>alert(1)</script>"),
    ];
    let first = desk.send("/refunds/R-1/resolve", &[], &fields).await;
    assert_eq!(
        (first.status, first.headers["location"].to_str().unwrap()),
        (303, "/refunds/R-1?done=resolve")
    );
    let second = desk.send("/refunds/R-1/resolve", &[], &fields).await;
    assert_eq!(second.status, 409);
    assert!(second.text.contains("Nothing was done: the refund has changed"), "{}", second.text);
    assert!(
        second.text.contains(&format!("version {version}")) && second.text.contains("resolved")
    );
    let page = desk.get("/refunds/R-1?done=resolve").await;
    assert!(page.text.contains("✓ Resolved"), "{}", page.text);
    assert!(page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", page.text);
    for text in [&page.text, &second.text, &desk.get("/refunds?q=%3Cscript%3E").await.text] {
        assert!(!text.contains("<script>"), "{text}");
    }
    // What makes no sense any more is said, not offered.
    assert!(!page.text.contains("/refunds/R-1/release"));
    assert_eq!(desk.get("/refunds/R-1/release").await.status, 422);
    let blank = [fields[0], ("version", "4"), fields[2], ("reason", " ")];
    assert_eq!(
        desk.send("/refunds/R-1/check", &[], &blank).await.status,
        422,
        "a reason is needed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_parked_refunds_are_acted_on_together_each_at_the_version_that_was_shown() {
    let desk = Desk::on(odd_gateway(), |toml| toml).await;
    for no in ["R-1", "R-2", "R-3"] {
        desk.push(&request(no, "shop-ca")).await;
    }
    for no in ["R-1", "R-2", "R-3"] {
        desk.reaches(no, "parked").await;
    }
    let ask = desk.get("/attention?reason=discrepancy").await;
    assert!(ask.text.contains("This is about 3 refunds, 15.00\u{a0}CAD."), "{}", ask.text);
    let items: Vec<_> = ask.text.split("name=\"item\" value=\"").skip(1).collect();
    let items: Vec<_> = items.iter().map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(items.len(), 3);
    let word = hidden(&ask, "form_word");
    // One of them is resolved in between.
    let version = desk.get("/v1/refunds/R-2").await.body["version"].clone();
    let mut body = super::because(&version);
    body["outcome"] = json!("failed");
    assert_eq!(desk.post("/v1/refunds/R-2/resolve", &body).await.status, 200);
    let mut fields = vec![
        ("form_word", word.as_str()),
        ("reason_code", "discrepancy"),
        ("do", "check"),
        ("reason", "x"),
    ];
    fields.extend(items.iter().map(|item| ("item", *item)));
    let done = desk.send("/attention", &[], &fields).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert!(done.text.contains("check: 2 of 3 done"), "{}", done.text);
    assert!(done.text.contains("refund R-2 is at version"), "{}", done.text);
    fields.extend((0..100).map(|_| ("item", "R-1:1")));
    assert_eq!(desk.send("/attention", &[], &fields).await.status, 422, "over the cap");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_tells_what_changes_and_ends_with_the_server() {
    let mut desk =
        Desk::with(|toml| toml.replace("shutdown_ms = 2000", "shutdown_ms = 60000")).await;
    desk.post("/v1/pause", &json!({"reason": "counting"})).await;
    let open = async |path: &str| {
        let stream =
            desk.client.get(format!("http://{}{path}", desk.address)).send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        stream
    };
    let mut home = open("/events").await;
    let hear = async |stream: &mut reqwest::Response, what: &str| {
        let mut heard = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&heard).into_owned();
            if text.contains(what) {
                return text;
            }
            let chunk = stream.chunk().await.unwrap();
            heard.extend(chunk.unwrap_or_else(|| panic!("ended without {what}: {text}")));
        }
    };
    let first = hear(&mut home, "No money is in flight").await;
    assert!(first.starts_with("event: parts\ndata: <section"), "{first}");
    desk.push(&request("R-1", "shop-ca")).await;
    let news = hear(&mut home, "5.00\u{a0}CAD").await;
    assert!(
        news.contains("id=\"money\"") && !news.contains("id=\"gateways\""),
        "only what changed: {news}"
    );
    let mut one = open("/events?refund=R-1").await;
    hear(&mut one, "waits: submits are paused").await;
    desk.post("/v1/resume", &json!({"reason": "counted"})).await;
    hear(&mut one, "✓ settled: succeeded").await;
    // Both are open when it is told to stop; it waits for neither.
    desk.shop.signal(0, "TERM");
    let ended = wait_for("the worker to end", || desk.shop.has_ended(0));
    assert_eq!(ended.code(), Some(0));
    while home.chunk().await.unwrap().is_some() {}
    while one.chunk().await.unwrap().is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_the_last_figures_are_shown_as_old_and_never_as_zero() {
    let mut desk = Desk::on(odd_gateway(), |toml| toml).await;
    desk.push(&request("R-1", "shop-ca")).await;
    desk.reaches("R-1", "parked").await;
    wait_until("the figures to have it", async || {
        desk.get("/").await.text.contains("1 refund parked").then_some(())
    })
    .await;
    desk.shop.redis.kill();
    let away = wait_until("the page to say that Redis is away", async || {
        let page = desk.get("/").await;
        assert_eq!(page.status, 200);
        page.text.contains("<title>▲ Redis away – refundd</title>").then_some(page.text)
    })
    .await;
    assert!(away.contains("▲ Alarm: Redis") && away.contains("Old figures: as of"), "{away}");
    assert!(away.contains("1 refund parked: 5.00\u{a0}CAD"), "what was known stays: {away}");
    assert!(away.contains("id=\"money\" data-live=\"\" class=\"old\""), "{away}");
    assert_eq!(desk.get("/refunds/R-1").await.status, 503);
    desk.shop.redis.restart();
    wait_until("the page to be fresh again", async || {
        (!desk.get("/").await.text.contains("Redis away")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_what_has_settled_begins_with_the_newest_and_says_so() {
    let desk = Desk::open().await;
    for no in ["R-1", "R-2"] {
        desk.push(&request(no, "shop-ca")).await;
        desk.reaches(no, "settled").await;
    }
    let page = desk.get("/refunds?state=settled").await.text;
    let at = |no: &str| page.find(&format!("href=\"/refunds/{no}\"")).unwrap();
    assert!(at("R-2") < at("R-1"), "{page}");
}
