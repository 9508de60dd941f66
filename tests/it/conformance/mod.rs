//! One suite over both ledgers: what [`Ledger`] promises, whoever keeps the books.

mod acts;
mod admission;
mod claims;
mod commits;
mod money;
mod orders;
mod reading;

use std::collections::HashMap;

use redis::Value;
use refundd::domain::state::StateKind;
use refundd::domain::{RefundNo, UnixMillis};
use refundd::ledger::{Keys, MemoryLedger, RedisLedger, Results};
use refundd::ports::Ledger;
use refundd::ports::ledger::{
    Admitted, Audit, Claim, Claims, Commit, Committed, EntryId, Publication, Stored,
};

use crate::support::redis::{TestRedis, namespace};
use crate::support::refunds::{Asked, LEASE_MS, no};

/// Names each case once for each ledger.
macro_rules! on_both_ledgers {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case($crate::conformance::Subject::memory()).await;
            })+
        }
        mod redis {
            $(#[tokio::test]
            async fn $case() {
                super::$case($crate::conformance::Subject::redis().await).await;
            })+
        }
    };
}
pub(crate) use on_both_ledgers;

/// The ledger under test, and a look behind it.
pub(crate) enum Subject {
    Memory(Box<MemoryLedger>),
    Redis(Box<RedisLedger>, Keys),
}

impl Subject {
    pub(crate) fn memory() -> Self {
        Self::Memory(Box::new(MemoryLedger::new()))
    }

    pub(crate) async fn redis() -> Self {
        let keys = namespace();
        Self::Redis(Box::new(TestRedis::shared().ledger(&keys).await), keys)
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        match self {
            Self::Memory(ledger) => ledger.as_ref(),
            Self::Redis(ledger, _) => ledger.as_ref(),
        }
    }

    /// Takes refunds in, as one batch.
    pub(crate) async fn admit(&self, asked: &[Asked]) -> Vec<Admitted> {
        let batch: Vec<_> = asked.iter().map(Asked::admission).collect();
        let now = batch.iter().map(|one| one.record.admitted_at).max();
        self.ledger().admit(&batch, now.unwrap()).await.unwrap()
    }

    /// Takes one refund in.
    pub(crate) async fn admit_one(&self, asked: &Asked) -> Admitted {
        self.admit(std::slice::from_ref(asked)).await.remove(0)
    }

    /// Claims for [`LEASE_MS`].
    pub(crate) async fn claims(&self, want: usize, now: UnixMillis) -> Claims {
        let claimed = self.ledger().claim(want, now, now.plus(LEASE_MS)).await;
        let claims = claimed.unwrap();
        assert!(claims.unreadable.is_empty(), "{:?}", claims.unreadable);
        claims
    }

    /// Claims everything that is due.
    pub(crate) async fn claim_all(&self, now: UnixMillis) -> Vec<Claim> {
        self.claims(500, now).await.claims
    }

    /// Claims the one refund that is due.
    pub(crate) async fn claim_one(&self, now: UnixMillis) -> Claim {
        let mut claims = self.claim_all(now).await;
        assert_eq!(claims.len(), 1, "{:?}", numbers(&claims));
        claims.remove(0)
    }

    /// Stores what became of one refund.
    pub(crate) async fn commit_one(&self, commit: Commit, now: UnixMillis) -> Committed {
        self.ledger().commit(&[commit], now).await.unwrap()[0]
    }

    /// Stores what became of one refund, which must succeed.
    pub(crate) async fn store(&self, commit: Commit, now: UnixMillis) {
        assert_eq!(self.commit_one(commit, now).await, Committed::Stored);
    }

    pub(crate) async fn find(&self, refund_no: &str) -> Option<Stored> {
        self.ledger().find(&no(refund_no)).await.unwrap()
    }

    /// The state of a refund that must be there.
    pub(crate) async fn state(&self, refund_no: &str) -> StateKind {
        let stored = self.find(refund_no).await;
        stored.expect("a stored refund").record.state.kind()
    }

    /// All results published so far: event, refund number, outcome, text.
    pub(crate) async fn results(&self) -> Vec<(String, String, String, String)> {
        match self {
            Self::Memory(ledger) => ledger.results().into_iter().map(told).collect(),
            Self::Redis(_, keys) => {
                let connector = TestRedis::shared().connector();
                let results = Results::connect(&connector, keys).await.unwrap();
                let read = results.read("0", 10_000, None).await.unwrap();
                let told = read
                    .into_iter()
                    .map(|entry| (entry.event_id, entry.refund_no, entry.outcome, entry.json));
                told.collect()
            }
        }
    }

    /// What people did so far, in order.
    pub(crate) fn audit(&self) -> Vec<Audit> {
        match self {
            Self::Memory(ledger) => ledger.audit(),
            Self::Redis(_, keys) => audited(keys),
        }
    }

    /// A request entry that a reader has been given and nobody has acknowledged.
    pub(crate) fn pending_entry(&self, n: u32) -> EntryId {
        let id = format!("{n}-1");
        if let Self::Redis(_, keys) = self {
            let redis = TestRedis::shared();
            let requests = keys.requests();
            let _: Value = redis.cmd(&["XADD", &requests, &id, "request", "{}"]);
            if redis.cmd::<Vec<Value>>(&["XINFO", "GROUPS", &requests]).is_empty() {
                let _: Value = redis.cmd(&["XGROUP", "CREATE", &requests, "refundd", "0"]);
            }
            let read = ["XREADGROUP", "GROUP", "refundd", "me", "STREAMS"];
            let _: Value = redis.cmd(&[&read[..], &[&requests, ">"]].concat());
        }
        EntryId(id)
    }

    /// Whether an entry has been acknowledged and is gone.
    pub(crate) fn is_acknowledged(&self, entry: &EntryId) -> bool {
        match self {
            Self::Memory(ledger) => ledger.acknowledged().contains(entry),
            Self::Redis(_, keys) => {
                let redis = TestRedis::shared();
                let requests = keys.requests();
                let range = ["XRANGE", &requests, &entry.0, &entry.0];
                let pending = ["XPENDING", &requests, "refundd", &entry.0, &entry.0, "1"];
                redis.cmd::<Vec<Value>>(&range).is_empty()
                    && redis.cmd::<Vec<Value>>(&pending).is_empty()
            }
        }
    }

    /// How many requests were quarantined.
    pub(crate) fn quarantined(&self) -> usize {
        match self {
            Self::Memory(ledger) => ledger.quarantined(),
            Self::Redis(_, keys) => TestRedis::shared().cmd(&["XLEN", &keys.quarantine()]),
        }
    }
}

/// The lines of the audit stream that people left.
fn audited(keys: &Keys) -> Vec<Audit> {
    type Entries = Vec<(String, Vec<(String, String)>)>;
    let entries: Entries = TestRedis::shared().cmd(&["XRANGE", &keys.audit(), "-", "+"]);
    let lines = entries.into_iter().map(|(_, fields)| HashMap::<_, _>::from_iter(fields));
    let lines = lines.filter(|line| line["kind"] == "operator");
    let audit = lines.map(|line| Audit {
        action: ["pause", "resume", "resolve"].into_iter().find(|a| *a == line["action"]).unwrap(),
        subject: line["subject"].clone(),
        who: line["who"].clone(),
        reason: line["reason"].clone(),
        change: line["change"].clone(),
    });
    audit.collect()
}

fn told(result: Publication) -> (String, String, String, String) {
    let outcome = result.outcome.to_owned();
    (result.event_id, result.refund_no, outcome, result.json)
}

/// The refund numbers of claims, in their order.
pub(crate) fn numbers(claims: &[Claim]) -> Vec<&str> {
    let numbers = claims.iter().map(|claim| claim.lease.refund_no.as_str());
    numbers.collect()
}

/// Claims by refund number.
pub(crate) fn by_number(claims: Vec<Claim>) -> HashMap<String, Claim> {
    let named = claims.into_iter().map(|claim| (claim.lease.refund_no.to_string(), claim));
    named.collect()
}

/// Everything that `find` says, so that two looks can be compared.
pub(crate) fn seen(stored: Option<&Stored>) -> String {
    format!("{stored:#?}")
}

/// The refund numbers of stored refunds, sorted.
pub(crate) fn sorted(stored: &[Stored]) -> Vec<RefundNo> {
    let mut numbers: Vec<_> =
        stored.iter().map(|stored| stored.record.refund.refund_no.clone()).collect();
    numbers.sort_unstable();
    numbers
}
