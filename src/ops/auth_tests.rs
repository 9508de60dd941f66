//! Who is let in, as what, and who is not.

use axum::http::{Request, StatusCode};

use super::*;

const LOCAL: &str = "127.0.0.1:50000";

/// The tokens `look`, `push` and `act`, each named after its role.
fn tokens() -> Tokens {
    let mut tokens = Tokens::default();
    for (token, role) in [("look", Role::Read), ("push", Role::Enqueue), ("act", Role::Operate)] {
        tokens.add(role.as_str(), role, &hash(token));
    }
    tokens
}

/// The SHA-256 of a token as the configuration has it.
fn hash(token: &str) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    Sha256::digest(token).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn ask(tokens: &Tokens, method: &str, peer: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
    let mut request = Request::builder().method(method).uri("/v1/refunds");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let caller = tokens.identify(&head, Some(Peer(peer.parse().unwrap())));
    caller
        .map(|caller| format!("{} {}", caller.who, caller.role.as_str()))
        .map_err(|err| err.status)
}

const UNAUTHORIZED: Result<String, u16> = Err(StatusCode::UNAUTHORIZED.as_u16());
const FORBIDDEN: Result<String, u16> = Err(StatusCode::FORBIDDEN.as_u16());

#[test]
fn a_token_is_known_by_its_hash_and_has_the_role_it_was_given() {
    let tokens = tokens();
    let with = |value: &str| ask(&tokens, "GET", "203.0.113.9:1", &[("authorization", value)]);
    assert_eq!(with("Bearer look"), Ok("read read".to_owned()));
    assert_eq!(with("bearer push"), Ok("enqueue enqueue".to_owned()));
    assert_eq!(with("BEARER  act "), Ok("operate operate".to_owned()));
    for wrong in ["Bearer Look", "Bearer looks", "Bearer ", "Bearer", "look", "Basic look", ""] {
        assert_eq!(with(wrong), UNAUTHORIZED, "{wrong:?}");
    }
    // The hash itself opens nothing.
    assert_eq!(with(&format!("Bearer {}", hash("act"))), UNAUTHORIZED);
    assert_eq!(ask(&tokens, "GET", LOCAL, &[("host", "127.0.0.1")]), UNAUTHORIZED, "loopback too");
    assert!(Role::Read < Role::Enqueue && Role::Enqueue < Role::Operate);
}

#[test]
fn a_token_that_cannot_be_read_closes_the_server_instead_of_opening_it() {
    for hash in ["", "9f86", &"g".repeat(64), &"é".repeat(32), &"ab".repeat(33)] {
        let mut tokens = Tokens::default();
        tokens.add("me", Role::Read, hash);
        assert_eq!(ask(&tokens, "GET", LOCAL, &[("host", "localhost")]), UNAUTHORIZED, "{hash:?}");
    }
}

#[test]
fn without_tokens_this_machine_may_do_everything_under_its_own_name_only() {
    let none = Tokens::default();
    let by = |peer: &str, host: &str| ask(&none, "POST", peer, &[("host", host)]);
    for host in
        ["127.0.0.1:8790", "localhost:8790", "LOCALHOST", "[::1]:8790", "[::1]", "127.8.8.8"]
    {
        assert_eq!(by(LOCAL, host), Ok("loopback operate".to_owned()), "{host}");
    }
    assert_eq!(by("[::1]:5", "[::1]:8790"), Ok("loopback operate".to_owned()));
    assert_eq!(by("[::ffff:127.0.0.1]:5", "localhost"), Ok("loopback operate".to_owned()));
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "203.0.113.9:8790",
        "[::1].evil.example",
        "[::1]evil",
        "",
    ] {
        assert_eq!(by(LOCAL, host), FORBIDDEN, "{host}");
    }
    assert_eq!(by("203.0.113.9:5", "127.0.0.1:8790"), FORBIDDEN);
    assert_eq!(ask(&none, "GET", LOCAL, &[]), FORBIDDEN, "no Host");
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(ask(&none, "GET", LOCAL, &two), FORBIDDEN);
    for header in ["forwarded", "x-forwarded-for", "x-real-ip", "via"] {
        let headers = [("host", "localhost"), (header, "203.0.113.9")];
        assert_eq!(ask(&none, "GET", LOCAL, &headers), FORBIDDEN, "{header}");
    }
}

#[test]
fn a_page_of_another_origin_changes_nothing_whoever_asks() {
    let open = Tokens::default();
    let closed = tokens();
    for tokens in [&open, &closed] {
        let from = |method: &str, name: &str, value: &str| {
            let headers =
                [("host", "localhost:8790"), ("authorization", "Bearer act"), (name, value)];
            ask(tokens, method, LOCAL, &headers).is_ok()
        };
        assert!(from("POST", "origin", "http://localhost:8790"));
        assert!(from("POST", "sec-fetch-site", "same-origin"));
        assert!(from("POST", "sec-fetch-site", "none"));
        for origin in [
            "http://evil.example",
            "http://localhost:8791",
            "http://localhost",
            "null",
            "",
            "file://localhost:8790",
            "localhost:8790",
        ] {
            assert!(!from("POST", "origin", origin), "{origin:?}");
        }
        assert!(!from("POST", "sec-fetch-site", "cross-site"));
        assert!(!from("DELETE", "sec-fetch-site", "same-site"));
        assert!(from("GET", "origin", "http://evil.example"), "it cannot read the answer");
    }
}

#[test]
fn a_peer_is_logged_by_its_network_alone() {
    let told = |peer: &str| network(Some(Peer(peer.parse().unwrap())));
    assert_eq!(told("203.0.113.9:443"), "203.0.113.0/24");
    assert_eq!(told("[2001:db8:7:8::9]:443"), "2001:db8:7::/48");
}
