//! IOTPay's refund interface, as a merchant without refundd would write it.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// An error of any kind.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

// The sandbox's own merchant and key.
const MERCHANT: &str = "10000576";
const KEY: &str = "sandbox-iotpay-key";

/// A refund to make.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) no: String,
    /// Cents.
    pub(crate) amount: u64,
}

/// What of an answer is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    ret_code: String,
    res_code: Option<String>,
    mch_refund_no: Option<String>,
    refund_amount: Option<u64>,
    status: Option<u8>,
}

/// A gateway over kept-alive connections.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    client: reqwest::Client,
    submit: String,
    query: String,
}

impl Gateway {
    /// The gateway at `url`.
    pub(crate) fn new(url: &str, connections: usize) -> Result<Self, Error> {
        let client = reqwest::Client::builder().pool_max_idle_per_host(connections).build()?;
        let submit = format!("{url}/v1/refund_order");
        Ok(Self { client, submit, query: format!("{url}/v1/query_refund") })
    }

    /// Submits a refund; an error unless it was taken.
    pub(crate) async fn submit(&self, refund: &Refund) -> Result<(), Error> {
        let (amount, order) = (refund.amount.to_string(), format!("U-{}", refund.no));
        let params = BTreeMap::from([
            ("mchId", MERCHANT),
            ("mchRefundNo", &refund.no),
            ("refundAmount", &amount),
            ("clientIp", "127.0.0.1"),
            ("loginName", "bench"),
            ("payOrderId", &order),
            ("currency", "CAD"),
        ]);
        let answer = self.post(&self.submit, params).await?;
        if answer.res_code.as_deref() == Some("SUCCESS") {
            return Ok(());
        }
        Err(format!("refused: {answer:?}").into())
    }

    /// Asks for a refund. Whether it is done; an error if it ended otherwise.
    pub(crate) async fn is_done(&self, refund: &Refund) -> Result<bool, Error> {
        let params = BTreeMap::from([("mchId", MERCHANT), ("mchRefundNo", refund.no.as_str())]);
        let answer = self.post(&self.query, params).await?;
        let own = answer.mch_refund_no.as_ref() == Some(&refund.no)
            && answer.refund_amount == Some(refund.amount);
        match answer.status {
            Some(2) if own => Ok(true),
            Some(1) if own => Ok(false),
            _ => Err(format!("not refunded, or another refund: {answer:?}").into()),
        }
    }

    async fn post(&self, url: &str, params: BTreeMap<&str, &str>) -> Result<Answer, Error> {
        let response = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(signed_form(params)?)
            .send()
            .await?
            .error_for_status()?;
        let answer: Answer = serde_json::from_slice(&response.bytes().await?)?;
        if answer.ret_code == "SUCCESS" { Ok(answer) } else { Err(format!("{answer:?}").into()) }
    }
}

/// Joined by name, the key last, MD5 in capitals; all of it as JSON in one form field. There are no
/// empty values here.
fn signed_form(params: BTreeMap<&str, &str>) -> Result<String, Error> {
    let mut hash = Md5::new();
    for (name, value) in &params {
        hash.update(format!("{name}={value}&"));
    }
    hash.update(format!("key={KEY}"));
    let sign: String = hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
    let mut signed = params;
    signed.insert("sign", &sign);
    let json = serde_json::to_string(&signed)?;
    Ok(form_urlencoded::Serializer::new(String::new()).append_pair("params", &json).finish())
}
