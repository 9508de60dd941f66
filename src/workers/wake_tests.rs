//! The intake wakes the workers of its own process. In virtual time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::house::House;
use crate::domain::policy::CallLimits;
use crate::intake::{self, take_in};
use crate::ports::ledger::EntryId;
use crate::ports::{Acceptance, LedgerError, RawRequest, RequestSource};

/// A stream that nobody reads here.
#[derive(Debug)]
struct Nothing;

#[async_trait]
impl RequestSource for Nothing {
    async fn read(&self, _: usize, _: Duration) -> Result<Vec<RawRequest>, LedgerError> {
        Ok(Vec::new())
    }
    async fn reclaim(&self, _: usize, _: Duration) -> Result<Vec<RawRequest>, LedgerError> {
        Ok(Vec::new())
    }
}

/// Takes `R1` in, half a second after the workers have gone to sleep. Returns for how many claims that
/// was within the next 10 ms.
async fn claims_after(house: &House, not_before: Value) -> u32 {
    let parts = intake::Parts {
        requests: Arc::new(Nothing),
        ledger: house.ledger.clone(),
        clock: Arc::clone(&house.parts.clock),
        accounts: Arc::clone(&house.parts.accounts),
        wake: Arc::clone(&house.parts.wake),
    };
    let account = parts.accounts.iter().next().unwrap().clone();
    let request = json!({
        "v": 1, "refund_no": "R1", "account": "shop", "amount_cents": 500,
        "currency": account.currency.to_string(), "order": {"order_no": "A-7", "paid_cents": 1_000},
        "not_before": not_before,
    });
    let field = (b"request".to_vec(), request.to_string().into_bytes());
    let raw = RawRequest { entry: EntryId("1-0".to_owned()), fields: vec![field] };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = house.ledger.claims.load(Ordering::SeqCst);
    take_in(&parts, &[raw]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    house.ledger.claims.load(Ordering::SeqCst) - before
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_worker_claims_what_its_own_intake_has_admitted_at_once() {
    let accepts = Ok(Acceptance { gateway_refund_no: None });
    let scripted = |gateway: &super::script::Script, _: &super::house::Flaky| {
        gateway.submit_answers(accepts);
    };
    let house = House::open_with(scripted, &[], CallLimits::default()).await;
    assert!(claims_after(&house, Value::Null).await >= 1);
    assert_eq!(house.gateway.called(), ["submit"]);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_due_yet_wakes_nobody() {
    let house = House::open_with(|_, _| {}, &[], CallLimits::default()).await;
    assert_eq!(claims_after(&house, json!("2026-11-23T00:00:00Z")).await, 0);
    assert_eq!(house.gateway.called(), Vec::<&str>::new());
    house.close().await;
}
