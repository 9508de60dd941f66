//! The logs: nothing secret in any of them whatever happens, and one line a transition by which people
//! and machines follow a refund through all processes.

use std::collections::BTreeSet;
use std::fmt::Write;

use refundd::domain::transitions::TRANSITIONS;
use refundd::sandbox::{Fault, On, Rule};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::service::{Shop, gateway, request};
use crate::support::wait_until;

/// The password of the Redis, a token of the ops server, and a token that nobody knows.
const PASSWORD: &str = "redis-hunter2-pass";
const TOKEN: &str = "0ps-t0ken-of-the-night-shift";
const WRONG_TOKEN: &str = "wr0ng-t0ken-of-somebody";

/// A gateway that answers badly in every way, to refunds that are named after it.
fn bad_gateway() -> refundd::sandbox::Settings {
    let mut settings = gateway();
    let once = |on, fault, ending| Rule::new(on, fault).times(3).suffix(ending);
    settings.faults.rules = vec![
        once(On::Submits, Fault::BadSignature, "-forged"),
        once(On::Queries, Fault::BadSignature, "-forged"),
        once(On::Submits, Fault::ResetAfter, "-reset"),
        once(On::Submits, Fault::Html, "-html"),
        once(On::Queries, Fault::NoSignature, "-unsigned"),
        Rule::new(On::Queries, Fault::WrongAmount).suffix("-parked"),
    ];
    settings
}

const ENDINGS: [&str; 6] = ["plain", "forged", "reset", "html", "unsigned", "parked"];

/// A shop with a password and a token, that logs at that level and in that form.
async fn guarded(level: &str, format: &str) -> Shop {
    let shop = Shop::open(bad_gateway()).await;
    let _: String = shop.redis.cmd(&[
        "ACL",
        "SETUSER",
        "shop",
        "on",
        &format!(">{PASSWORD}"),
        "~*",
        "&*",
        "+@all",
    ]);
    let url = shop.redis.url();
    let mut hash = String::new();
    for byte in Sha256::digest(TOKEN) {
        write!(hash, "{byte:02x}").unwrap();
    }
    shop.configure(|toml| {
        let with_password = format!("{url}?user=shop&pass={PASSWORD}");
        let token = format!("[ops.tokens.night]\nrole = \"operate\"\nsha256 = \"{hash}\"\n");
        let log = format!("[log]\nlevel = \"{level}\"\nformat = \"{format}\"\n");
        format!("{}\n{token}\n{log}", toml.replace(&url, &with_password))
    });
    shop
}

/// One call of the ops server; its status.
async fn ask(shop: &Shop, n: usize, method: Method, path: &str, token: &str, body: &str) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    let url = format!("http://{}{path}", shop.ops(n).await);
    let call = client.request(method, url).bearer_auth(token).body(body.to_owned());
    call.header("content-type", "application/json").send().await.unwrap().status().as_u16()
}

/// Everything that can go wrong, to one process; its whole log.
async fn log_of_a_bad_day(level: &str, format: &str) -> String {
    let mut shop = guarded(level, format).await;
    let n = shop.run();
    for account in ["shop-ca", "shop-hk", "shop-pair"] {
        for ending in ENDINGS {
            shop.push(&request(&format!("R-{account}-{ending}"), account));
        }
    }
    shop.push_raw("{\"v\":1,\"refund_no\":\"R-broken\"");
    shop.push_raw("{}");
    for token in [WRONG_TOKEN, "", TOKEN] {
        let status = ask(&shop, n, Method::GET, "/v1/refunds", token, "").await;
        assert_eq!(status, if token == TOKEN { 200 } else { 401 });
    }
    // A notice that was signed with another key, and one that was not signed.
    for body in
        ["{\"mchId\":\"10000576\",\"mchRefundNo\":\"R-1\",\"sign\":\"0123456789ABCDEF\"}", "{}"]
    {
        let status = ask(&shop, n, Method::POST, "/callbacks/shop-ca", "", body).await;
        assert!((400..500).contains(&status), "{status}");
    }
    shop.results(18).await;
    // Redis goes away, comes back without the user, and then with another password.
    shop.redis.restart();
    wait_until("the loss of Redis to be told", async || {
        let log = shop.log(n);
        (log.contains("WRONGPASS")
            || log.contains("AuthenticationFailed")
            || log.contains("trying again"))
        .then_some(())
    })
    .await;
    shop.terminate(n);
    let log = shop.log(n);
    for happened in ["security", "R-shop-ca-parked", "refund is settled"] {
        assert!(log.contains(happened), "{happened} is not in the log");
    }
    log
}

/// No line of the log holds any of what must stay secret.
fn holds_no_secret(log: &str) {
    let secrets = [
        "sandbox-iotpay-key",
        "sandbox-ionlinepay-key",
        PASSWORD,
        TOKEN,
        WRONG_TOKEN,
        "0123456789ABCDEF",
        "&key=",
        "&sign=",
        "\"sign\"",
        "Authorization",
        "authorization",
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_bad_day_for_machines_holds_no_secret() {
    let log = log_of_a_bad_day("debug", "json").await;
    for line in log.lines() {
        let json: Result<Value, _> = serde_json::from_str(line);
        assert!(json.is_ok(), "not JSON: {line}");
    }
    holds_no_secret(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_bad_day_for_people_holds_no_secret() {
    holds_no_secret(&log_of_a_bad_day("debug", "text").await);
}

/// The lines about one refund, oldest first.
fn lines_of<'a>(lines: &'a [Value], refund_no: &str) -> Vec<&'a Value> {
    let mut own: Vec<_> = lines.iter().filter(|line| line["refund.no"] == refund_no).collect();
    own.sort_by_key(|line| line["timestamp"].as_str().unwrap_or_default());
    own
}

fn parsed(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_one_refund_in_two_processes_join_into_one_story() {
    let mut settings = gateway();
    settings.faults.rules = vec![Rule::new(On::Submits, Fault::NeverSettle).refund_no("R-1")];
    let mut shop = Shop::open(settings).await;
    shop.configure(|toml| format!("{toml}\n[log]\nlevel = \"info\"\nformat = \"json\"\n"));
    let first = shop.run();
    shop.push(&request("R-1", "shop-ca"));
    wait_until("the first process to have it in processing", async || {
        shop.log(first).contains("refund is processing").then_some(())
    })
    .await;
    // The second takes it over from a process that was killed.
    shop.kill(first);
    let second = shop.run();
    wait_until("the second process to go on with it", async || {
        (shop.log(second).matches("refund is processing").count() > 2).then_some(())
    })
    .await;
    assert!(shop.terminate(second).success());
    let mut lines = parsed(&shop.log(first));
    lines.extend(parsed(&shop.log(second)));
    let own = lines_of(&lines, "R-1");
    assert_eq!(own[0]["message"], "refund is admitted");
    let moves: Vec<_> = own.iter().filter(|line| line["state.to"].is_string()).collect();
    assert!(moves.len() > 2, "{own:?}");
    for line in &moves {
        for field in ["account", "event"] {
            assert!(line[field].is_string(), "{field} in {line}");
        }
        for field in ["attempt.no", "poll.no", "amount_cents"] {
            assert!(line[field].is_u64(), "{field} in {line}");
        }
    }
    // Each line begins where the one before it ended, over the change of the process.
    for pair in moves.windows(2) {
        let (before, after) = (&pair[0]["state.to"], &pair[1]["state.from"]);
        assert_eq!(before, after, "{} then {}", pair[0], pair[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transition_in_the_log_is_an_edge_of_the_table() {
    let mut shop = Shop::open(bad_gateway()).await;
    shop.configure(|toml| format!("{toml}\n[log]\nlevel = \"info\"\nformat = \"json\"\n"));
    shop.run();
    for ending in ENDINGS {
        shop.push(&request(&format!("R-{ending}"), "shop-hk"));
    }
    shop.results(ENDINGS.len()).await;
    assert!(shop.terminate(0).success());
    let mut seen = BTreeSet::new();
    for line in parsed(&shop.log(0)) {
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        let (Some(from), Some(event), Some(to)) =
            (text("state.from"), text("event"), text("state.to"))
        else {
            continue;
        };
        let edge = TRANSITIONS.iter().any(|(a, by, b)| {
            (a.as_str(), by.as_str(), b.as_str()) == (from.as_str(), event.as_str(), to.as_str())
        });
        assert!(edge, "{from} -{event}-> {to} is no edge: {line}");
        seen.insert(to);
    }
    for state in ["unconfirmed", "processing", "parked", "settled"] {
        assert!(seen.contains(state), "{state} was not reached: {seen:?}");
    }
}
