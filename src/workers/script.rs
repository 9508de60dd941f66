//! For tests only: a scripted gateway that counts its calls, and an account on it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::evidence::{Found, StatusLine, StatusWord};
use crate::domain::policy::{CallLimits, Duplicates};
use crate::domain::refund::ParamsHash;
use crate::domain::refund::tests::admitted;
use crate::domain::{GatewayName, GatewayOrderNo, Grade, OrderRef, Policy, Refund, UnixMillis};
use crate::ports::ledger::Admission;
use crate::ports::{
    Acceptance, Account, Accounts, FieldError, GatewayError, QueryAnswer, RefundQuerier,
    RefundSubmitter,
};

/// Answers from a list, and remembers what it was asked.
#[derive(Debug)]
pub(super) struct Script {
    name: GatewayName,
    submits: Mutex<VecDeque<Result<Acceptance, GatewayError>>>,
    queries: Mutex<VecDeque<Result<QueryAnswer, GatewayError>>>,
    calls: Mutex<Vec<&'static str>>,
    hash: Mutex<ParamsHash>,
    submits_take_ms: AtomicU64,
}

impl Script {
    /// A gateway without answers: the next call panics.
    pub(super) fn new() -> Self {
        Self {
            name: GatewayName::parse("gw").unwrap(),
            submits: Mutex::default(),
            queries: Mutex::default(),
            calls: Mutex::default(),
            hash: Mutex::new(ParamsHash([1; 32])),
            submits_take_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn submit_answers(&self, answer: Result<Acceptance, GatewayError>) {
        self.submits.lock().unwrap().push_back(answer);
    }

    /// A signed answer with one line of `R1`.
    pub(super) fn query_answers(&self, status: &str, cents: u64) {
        let line = StatusLine {
            n: 0,
            refund_no: "R1".to_owned(),
            gateway_refund_no: None,
            amount_cents: cents,
            word: StatusWord::parse(status),
            status: status.to_owned(),
            time: None,
            reason: None,
        };
        let found = Found { lines: vec![line], grade: Grade::A };
        self.queries.lock().unwrap().push_back(Ok(QueryAnswer::Found(found)));
    }

    pub(super) fn query_finds_nothing(&self, grade: Grade) {
        let answer = QueryAnswer::NotFound { grade, note: "absent".to_owned() };
        self.queries.lock().unwrap().push_back(Ok(answer));
    }

    pub(super) fn query_fails(&self, err: GatewayError) {
        self.queries.lock().unwrap().push_back(Err(err));
    }

    /// From now on a submit takes so long.
    pub(super) fn submits_take(&self, ms: u64) {
        self.submits_take_ms.store(ms, Ordering::SeqCst);
    }

    /// From now on the parameters hash to something else.
    pub(super) fn hashes_to(&self, byte: u8) {
        *self.hash.lock().unwrap() = ParamsHash([byte; 32]);
    }

    /// The calls so far, in order.
    pub(super) fn called(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl RefundSubmitter for Script {
    fn gateway(&self) -> &GatewayName {
        &self.name
    }
    fn check(&self, _refund: &Refund) -> Result<(), FieldError> {
        Ok(())
    }
    fn params_hash(&self, _refund: &Refund) -> ParamsHash {
        *self.hash.lock().unwrap()
    }
    async fn submit(&self, _refund: &Refund) -> Result<Acceptance, GatewayError> {
        self.calls.lock().unwrap().push("submit");
        let takes_ms = self.submits_take_ms.load(Ordering::SeqCst);
        if takes_ms > 0 {
            tokio::time::sleep(Duration::from_millis(takes_ms)).await;
        }
        self.submits.lock().unwrap().pop_front().expect("a scripted answer")
    }
}

#[async_trait]
impl RefundQuerier for Script {
    fn gateway(&self) -> &GatewayName {
        &self.name
    }
    fn check(&self, _refund: &Refund) -> Result<(), FieldError> {
        Ok(())
    }
    async fn query(&self, _refund: &Refund) -> Result<QueryAnswer, GatewayError> {
        self.calls.lock().unwrap().push("query");
        self.queries.lock().unwrap().pop_front().expect("a scripted answer")
    }
}

/// Account `shop`, which may resubmit.
pub(super) fn accounts(gateway: &Arc<Script>, longest_call_ms: u64) -> Accounts {
    let refund = admitted("R1", 500, UnixMillis::new(0)).refund;
    Accounts::from_iter([Account {
        name: refund.account,
        currency: refund.currency,
        policy: Policy { duplicates: Duplicates::Rejects, ..Policy::default() },
        submitter: gateway.clone(),
        querier: gateway.clone(),
        limits: CallLimits::default(),
        daily_cents: None,
        longest_call_ms,
    }])
}

/// A refund over 5.00 of account `shop`, of an order of its own, due now.
pub(super) fn admission(no: &str, now: UnixMillis) -> Admission {
    let mut record = admitted(no, 500, now);
    record.refund.order =
        OrderRef::new(Some(GatewayOrderNo::parse(no).unwrap()), None, None).unwrap();
    record.params_hash = Some(ParamsHash([1; 32]));
    Admission { record, due_at: now, entry: None }
}

pub(super) fn timeout() -> GatewayError {
    GatewayError::Timeout("late".into())
}
