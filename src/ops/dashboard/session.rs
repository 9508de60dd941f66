//! Who is signed in, and the words that prove that a form came from a page of ours.
//!
//! A session lives in memory: it ends with the process, after twelve hours, or when there are too many.
//! Only the hash of its id is kept, so that finding one tells nothing by the time it takes.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::ops::auth::Caller;

/// The name of the cookie.
const COOKIE: &str = "refundd_session";

/// How long a session lasts.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 3_600);

/// Most sessions at once; the oldest makes room.
const SESSIONS_MAX: usize = 1_000;

/// By what a session is known here.
pub(super) type Key = [u8; 32];

/// Somebody who looks at a page.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Visit {
    /// Who, and what they may do.
    pub(super) caller: Caller,
    /// What every form of theirs must carry.
    pub(super) form_word: String,
    /// Their session, if that is how they came in.
    pub(super) session: Option<Key>,
}

/// All sessions.
#[derive(Debug)]
pub(in crate::ops) struct Sessions {
    /// Makes the form words of those who have no session. `None` if the system gave no random bytes:
    /// then no form is accepted.
    secret: Option<[u8; 32]>,
    open: Mutex<HashMap<Key, Session>>,
}

#[derive(Debug)]
struct Session {
    caller: Caller,
    form_word: String,
    until: Instant,
}

impl Sessions {
    /// None yet.
    pub(in crate::ops) fn new() -> Self {
        Self { secret: random(), open: Mutex::default() }
    }

    /// Opens a session; returns its id, for the cookie alone. `None` if the system gives no random bytes.
    pub(super) fn open(&self, caller: Caller, now: Instant) -> Option<String> {
        let (id, form_word) = (hex(&random()?), hex(&random()?));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.until > now);
        if open.len() >= SESSIONS_MAX {
            let first = open.iter().min_by_key(|(_, session)| session.until).map(|(key, _)| *key);
            first.and_then(|key| open.remove(&key));
        }
        open.insert(key_of(&id), Session { caller, form_word, until: now + LASTS });
        Some(id)
    }

    /// Who is signed in by the cookie of a request.
    pub(super) fn find(&self, headers: &HeaderMap, now: Instant) -> Option<Visit> {
        let key = key_of(cookie(headers)?);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(&key).filter(|session| session.until > now)?;
        Some(Visit {
            caller: session.caller.clone(),
            form_word: session.form_word.clone(),
            session: Some(key),
        })
    }

    /// Whether a visit is still what it was when it began.
    pub(super) fn lasts(&self, visit: &Visit, now: Instant) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |key| open.get(key).is_some_and(|session| session.until > now);
        visit.session.as_ref().is_none_or(is_open)
    }

    /// Ends a session.
    pub(super) fn close(&self, key: &Key) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// A visit of somebody who has no session: with a token in the header, or on this machine.
    pub(super) fn without(&self, caller: Caller) -> Visit {
        let form_word = self.word(&caller.who);
        Visit { caller, form_word, session: None }
    }

    /// The form word of a name, by the secret of this process; empty if there is none.
    pub(super) fn word(&self, name: &str) -> String {
        let Some(secret) = self.secret else { return String::new() };
        let digest: [u8; 32] =
            Sha256::new().chain_update(secret).chain_update(name).finalize().into();
        hex(&digest)
    }
}

/// Whether a form carries the word that it must, compared in constant time. No word is never right.
pub(super) fn is_word(given: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
}

/// The `Set-Cookie` of a session, or of its end. `Secure` as far as a proxy says that it speaks https.
pub(super) fn set_cookie(id: Option<&str>, headers: &HeaderMap) -> String {
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let (id, age) = id.map_or(("", 0), |id| (id, LASTS.as_secs()));
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn key_of(id: &str) -> Key {
    Sha256::digest(id).into()
}

fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(err) => {
            tracing::error!(%err, "the system gives no random bytes, so nobody can sign in");
            None
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::auth::Role;

    fn caller(who: &str) -> Caller {
        Caller { who: who.to_owned(), role: Role::Read }
    }

    fn with(id: &str) -> HeaderMap {
        let cookie = format!("other=1; {COOKIE}={id}; more=2");
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_id_until_it_expires_or_is_closed() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let id = sessions.open(caller("me"), now).unwrap();
        assert_eq!(id.len(), 64, "256 bits");
        let visit = sessions.find(&with(&id), now).unwrap();
        assert_eq!(visit.caller, caller("me"));
        assert!(sessions.find(&with(&id.replace(&id[..1], "x")), now).is_none());
        assert!(sessions.find(&HeaderMap::new(), now).is_none());
        let last = now + LASTS - Duration::from_millis(1);
        assert!(sessions.find(&with(&id), last).is_some() && sessions.lasts(&visit, last));
        assert!(sessions.find(&with(&id), now + LASTS).is_none());
        assert!(!sessions.lasts(&visit, now + LASTS));
        sessions.close(&visit.session.unwrap());
        assert!(sessions.find(&with(&id), now).is_none());
        assert!(
            sessions.lasts(&sessions.without(caller("loopback")), now),
            "has no session to end"
        );
    }

    #[tokio::test]
    async fn sessions_are_bounded_and_the_oldest_makes_room() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let first = sessions.open(caller("first"), now).unwrap();
        let later = now + Duration::from_secs(1);
        for _ in 0..SESSIONS_MAX {
            sessions.open(caller("more"), later).unwrap();
        }
        assert!(sessions.find(&with(&first), later).is_none());
        assert_eq!(sessions.open.lock().unwrap().len(), SESSIONS_MAX);
    }

    #[tokio::test]
    async fn a_form_word_belongs_to_one_session_or_one_name_and_one_process() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let ids =
            [sessions.open(caller("me"), now).unwrap(), sessions.open(caller("me"), now).unwrap()];
        let [one, two] = ids.map(|id| sessions.find(&with(&id), now).unwrap().form_word);
        let none = sessions.without(caller("me")).form_word;
        assert!(one != two && one != none && none != sessions.word("you"));
        assert_ne!(none, Sessions::new().word("me"));
        assert!(is_word(&one, &one) && !is_word(&one, &two) && !is_word("", &one));
        let without_random = Sessions { secret: None, open: Mutex::default() };
        let empty = without_random.word("me");
        assert!(!is_word(&empty, &empty), "no word is never right");
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let plain = set_cookie(Some("abc"), &HeaderMap::new());
        assert_eq!(plain, "refundd_session=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
        let https = HeaderMap::from_iter([(
            "x-forwarded-proto".parse().unwrap(),
            "https".parse().unwrap(),
        )]);
        let end = set_cookie(None, &https);
        assert_eq!(end, "refundd_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure");
    }
}
