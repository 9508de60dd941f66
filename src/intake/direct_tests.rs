//! One request that somebody waits for, over the ledger in memory.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::contract::RejectCode;
use crate::domain::policy::{CallLimits, Policy};
use crate::domain::refund::ParamsHash;
use crate::domain::{AccountName, Currency, GatewayName, Refund};
use crate::ledger::MemoryLedger;
use crate::ports::{
    Acceptance, Account, FieldError, GatewayError, QueryAnswer, RefundQuerier, RefundSubmitter,
};

const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);

/// A gateway that takes no device and is never called.
#[derive(Debug)]
struct Quiet(GatewayName);

#[async_trait]
impl RefundSubmitter for Quiet {
    fn gateway(&self) -> &GatewayName {
        &self.0
    }
    fn check(&self, refund: &Refund) -> Result<(), FieldError> {
        match &refund.device {
            Some(_) => Err(FieldError::new("device", "must be left out")),
            None => Ok(()),
        }
    }
    fn params_hash(&self, _: &Refund) -> ParamsHash {
        ParamsHash([1; 32])
    }
    async fn submit(&self, _: &Refund) -> Result<Acceptance, GatewayError> {
        Err(GatewayError::Request("not in this test".to_owned()))
    }
}

#[async_trait]
impl RefundQuerier for Quiet {
    fn gateway(&self) -> &GatewayName {
        &self.0
    }
    fn check(&self, _: &Refund) -> Result<(), FieldError> {
        Ok(())
    }
    async fn query(&self, _: &Refund) -> Result<QueryAnswer, GatewayError> {
        Err(GatewayError::Request("not in this test".to_owned()))
    }
}

fn accounts() -> Accounts {
    let gateway = Arc::new(Quiet(GatewayName::parse("gw").unwrap()));
    let shop = Account {
        name: AccountName::parse("shop").unwrap(),
        currency: Currency::parse("CAD").unwrap(),
        policy: Policy::default(),
        submitter: gateway.clone(),
        querier: gateway,
        limits: CallLimits::default(),
        daily_cents: None,
        longest_call_ms: 1,
    };
    [shop].into_iter().collect()
}

fn request(no: &str, cents: u64) -> Value {
    json!({
        "v": 1, "refund_no": no, "account": "shop", "amount_cents": cents, "currency": "CAD",
        "order": {"order_no": "A-7", "paid_cents": 1_000},
    })
}

async fn push(ledger: &MemoryLedger, request: &Value) -> Enqueued {
    enqueue(ledger, &accounts(), request.to_string().as_bytes(), NOW).await.unwrap()
}

fn refusal(answer: Enqueued) -> (RejectCode, String) {
    let Enqueued::Refused { fault, .. } = answer else { panic!("{answer:?}") };
    (fault.code, fault.field)
}

#[tokio::test]
async fn a_request_is_stored_once_however_often_it_comes() {
    let ledger = MemoryLedger::new();
    let refund_no = RefundNo::parse("R1").unwrap();
    let new = Enqueued::New { refund_no: refund_no.clone(), waits: false };
    assert_eq!(push(&ledger, &request("R1", 600)).await, new);
    assert_eq!(push(&ledger, &request("R1", 600)).await, Enqueued::Duplicate(refund_no.clone()));
    let second = RefundNo::parse("R2").unwrap();
    let waits = Enqueued::New { refund_no: second, waits: true };
    assert_eq!(push(&ledger, &request("R2", 400)).await, waits);
    let stored = ledger.find(&refund_no).await.unwrap().unwrap();
    assert_eq!((stored.record.pushed_at, stored.due_at), (NOW, Some(NOW)));
    assert_eq!(stored.record.params_hash, Some(ParamsHash([1; 32])));
}

#[tokio::test]
async fn a_refusal_is_told_to_the_caller_and_leaves_nothing_behind() {
    let ledger = MemoryLedger::new();
    push(&ledger, &request("R1", 600)).await;
    let with = |name: &str, value: Value| {
        let mut request = request("R2", 100);
        request[name] = value;
        request
    };
    let refused = [
        (request("R1", 601), RejectCode::Conflict, "refund_no"),
        (request("R2", 401), RejectCode::OverRefund, "amount_cents"),
        (with("amount_cents", json!(12.5)), RejectCode::Invalid, "amount_cents"),
        (with("account", json!("shopp")), RejectCode::UnknownAccount, "account"),
        (with("currency", json!("HKD")), RejectCode::Invalid, "currency"),
        (with("device", json!("WEB")), RejectCode::Invalid, "device"),
        (with("refund_no", json!("R 2")), RejectCode::Invalid, "refund_no"),
        (json!([]), RejectCode::Invalid, "request"),
    ];
    for (request, code, field) in refused {
        let found = refusal(push(&ledger, &request).await);
        assert_eq!(found, (code, field.to_owned()), "{request}");
    }
    assert_eq!((ledger.results().len(), ledger.quarantined()), (0, 0));
    assert_eq!(ledger.counts(NOW).await.unwrap().stored, 1);
}
