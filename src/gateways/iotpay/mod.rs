//! IOTPay (general orders: WeChat Pay, Alipay and UnionPay): `refund_order` and its query.
//!
//! Source: IOTPay "Refund interface" (develop.iotpay.ca/guide/refund.html, last updated 4/1/24) for
//! the refund; IOTPay "Signing" for the signature. The page "Query Refund" could not be read, so
//! everything about the query is **assumed** from XxPay, which IOTPay descends from, and is a
//! setting.
//!
//! The page lists two fields of the answer, `retCode` and `retMsg`, and says to look at `resCode`.
//! Assumed, from XxPay: an answer may carry a signature, `status`, `refundOrderId` and an echo of
//! `mchRefundNo` and `refundAmount`; whatever of it is there is checked.
//!
//! Adapter for the ports [`RefundSubmitter`] and [`RefundQuerier`]. It decides nothing.

pub mod codes;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod hot;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use secrecy::SecretString;

use super::{http, key_is_set, notice, params_hash, url, within};
use crate::domain::evidence::StatusWord;
use crate::domain::refund::ParamsHash;
use crate::domain::{GatewayName, Refund, RefundNo};
use crate::gateways::sign::{Reading, SIGN_FIELD};
use crate::ports::{
    Acceptance, FieldError, GatewayError, NoticeError, QueryAnswer, RefundNotice, RefundQuerier,
    RefundSubmitter,
};

/// One `[gateways.*]` entry of protocol `iotpay`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The entry's name.
    pub name: GatewayName,
    /// Scheme, host and port, such as `https://api.iotpaycloud.com`; a path before the paths below
    /// is kept. The configuration sees to it that it is https or loopback.
    pub base_url: String,
    /// `mchId`, assigned by IOTPay, up to 30 characters.
    pub merchant_id: String,
    /// `loginName`, the merchant's login, up to 32 characters.
    pub login_name: String,
    /// The merchant key that signs.
    pub key: SecretString,
    /// Path of the refund. Source: "Refund interface", Endpoint.
    pub submit_path: String,
    /// Path of the refund query. Assumed.
    pub query_path: String,
    /// The field in which the query names our refund number. Assumed.
    pub query_id_field: String,
    /// What a numeric `status` means; a status that is missing here is unlisted and settles nothing.
    ///
    /// Assumed, from XxPay: 0 created, 1 refunding, 2 success, 3 failed. XxPay also stores 3 when
    /// its own channel timed out, where the refund may yet happen, so 3 proves nothing by default
    /// ([`StatusWord::FailedUnproven`]); a merchant whose gateway has been certified maps it to
    /// [`StatusWord::Failed`]. 4 is left out on purpose: it is success in XxPay, "closed, outcome
    /// unknown" in its successor Jeepay, and "cancelled by system" on IOTPay's own orders.
    pub status_map: BTreeMap<String, StatusWord>,
    /// Codes that say "no such refund" in answer to a query. Assumed: 0112, order not found.
    pub not_found_codes: Vec<String>,
    /// Texts that say the same where there is no code, compared whole and without regard to case.
    /// Assumed.
    pub not_found_texts: Vec<String>,
    /// Whether `currency` is sent. Off: the current parameter table has dropped the field, only an
    /// older table and the sample code still have it. A merchant whose account insists turns it on.
    pub send_currency: bool,
}

impl Settings {
    /// Settings with the defaults of the pages, and with the assumed ones where there is no page.
    pub fn new(
        name: GatewayName,
        base_url: impl Into<String>,
        merchant_id: impl Into<String>,
        login_name: impl Into<String>,
        key: SecretString,
    ) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            name,
            base_url: base_url.into(),
            merchant_id: merchant_id.into(),
            login_name: login_name.into(),
            key,
            submit_path: "/v1/refund_order".to_owned(),
            query_path: "/v1/query_refund".to_owned(),
            query_id_field: wire::REFUND_NO.to_owned(),
            status_map: default_status_map(),
            not_found_codes: owned(&["0112"]),
            not_found_texts: owned(&[
                "refund order not found",
                "refund order does not exist",
                "refund order not exist",
                "退款订单不存在",
            ]),
            send_currency: false,
        }
    }
}

/// See [`Settings::status_map`].
fn default_status_map() -> BTreeMap<String, StatusWord> {
    [
        ("0", StatusWord::Processing),
        ("1", StatusWord::Processing),
        ("2", StatusWord::Success),
        ("3", StatusWord::FailedUnproven),
    ]
    .into_iter()
    .map(|(status, word)| (status.to_owned(), word))
    .collect()
}

/// One IOTPay gateway, shared by the accounts that use it.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    http: http::Client,
    submit_url: Url,
    query_url: Url,
}

impl Gateway {
    /// Checks the settings and joins the addresses.
    ///
    /// # Errors
    /// [`FieldError`] names the setting that breaks a rule.
    pub fn new(settings: Settings, http: http::Client) -> Result<Self, FieldError> {
        within("merchant_id", &settings.merchant_id, wire::MERCHANT_MAX)?;
        within("login_name", &settings.login_name, wire::LOGIN_MAX)?;
        within("query_id_field", &settings.query_id_field, 64)?;
        if [wire::MERCHANT, SIGN_FIELD].contains(&settings.query_id_field.as_str()) {
            let rule = "must not be a field that the query has already";
            return Err(FieldError::new("query_id_field", rule));
        }
        key_is_set(&settings.key)?;
        let base = settings.base_url.trim_end_matches('/');
        let join = |field: &str, path: &str| {
            if path.starts_with('/') {
                return url(field, &format!("{base}{path}"));
            }
            let rule = format!("must begin with /, got {path:?}");
            Err(FieldError::new(field, rule))
        };
        let submit_url = join("submit_path", &settings.submit_path)?;
        let query_url = join("query_path", &settings.query_path)?;
        Ok(Self { settings, http, submit_url, query_url })
    }
}

/// Submits refunds to IOTPay for one account.
#[derive(Debug, Clone)]
pub struct IotpaySubmitter {
    gateway: Arc<Gateway>,
    client_ip: Option<String>,
}

impl IotpaySubmitter {
    /// `client_ip` is the account's, for refunds that bring none; IOTPay requires one.
    pub fn new(gateway: Arc<Gateway>, client_ip: Option<String>) -> Self {
        Self { gateway, client_ip }
    }

    /// The refund's own address, else the account's.
    fn client_ip<'a>(&'a self, refund: &'a Refund) -> Option<&'a str> {
        let own = refund.client_ip.as_deref().filter(|ip| !ip.is_empty());
        own.or(self.client_ip.as_deref())
    }
}

#[async_trait]
impl RefundSubmitter for IotpaySubmitter {
    fn gateway(&self) -> &GatewayName {
        &self.gateway.settings.name
    }

    fn check(&self, refund: &Refund) -> Result<(), FieldError> {
        wire::check_submit(refund, self.client_ip(refund))
    }

    fn params_hash(&self, refund: &Refund) -> ParamsHash {
        let params = wire::submit_params(&self.gateway.settings, refund, self.client_ip(refund));
        params_hash(&params, &[SIGN_FIELD])
    }

    async fn submit(&self, refund: &Refund) -> Result<Acceptance, GatewayError> {
        self.check(refund).map_err(|err| GatewayError::Request(err.to_string()))?;
        let gateway = &*self.gateway;
        let params = wire::submit_params(&gateway.settings, refund, self.client_ip(refund));
        let form = wire::signed_json(params, &gateway.settings.key)?;
        let fields = [(wire::WRAPPER, form.as_str())];
        let body = gateway.http.post_form(&gateway.submit_url, &fields).await?;
        wire::read_submit(&gateway.settings, refund, &body)
    }
}

/// Asks IOTPay about refunds.
#[derive(Debug, Clone)]
pub struct IotpayQuerier {
    gateway: Arc<Gateway>,
}

impl IotpayQuerier {
    /// Asks `gateway`.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

#[async_trait]
impl RefundQuerier for IotpayQuerier {
    fn gateway(&self) -> &GatewayName {
        &self.gateway.settings.name
    }

    /// The query carries nothing of the refund but its number, which always fits.
    fn check(&self, _refund: &Refund) -> Result<(), FieldError> {
        Ok(())
    }

    async fn query(&self, refund: &Refund) -> Result<QueryAnswer, GatewayError> {
        let gateway = &*self.gateway;
        let params = wire::query_params(&gateway.settings, refund);
        let form = wire::signed_json(params, &gateway.settings.key)?;
        let fields = [(wire::WRAPPER, form.as_str())];
        let body = gateway.http.post_form(&gateway.query_url, &fields).await?;
        wire::read_query(&gateway.settings, refund, &body)
    }
}

/// Notices are not documented for refunds. Assumed: the fields of a refund, as XxPay sends them.
impl RefundNotice for Gateway {
    fn gateway(&self) -> &GatewayName {
        &self.settings.name
    }

    fn notified(&self, body: &[u8]) -> Result<RefundNo, NoticeError> {
        let names = notice::Names {
            merchant: (wire::MERCHANT, &self.settings.merchant_id),
            refund_no: &[wire::REFUND_NO],
            reading: Reading::Tolerant,
        };
        notice::read(body, &self.settings.key, &names)
    }

    fn acknowledgement(&self) -> &'static str {
        notice::RECEIVED
    }
}

#[cfg(test)]
mod fuzz_tests;
