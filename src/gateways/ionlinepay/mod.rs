//! iOnline Pay: unified refund and unified refund query.
//!
//! Source: iOnline Pay "API Documentation", "Query Refund", Request and Response Parameters, for the
//! query. The refund's own page and the "Security Specification" could not be read.
//!
//! Assumed, by analogy with SwiftPass, whose field names these are:
//! * the refund: service `ionline.unified.trade.refund` with `out_trade_no` or `transaction_id`,
//!   `out_refund_no`, `total_fee`, `refund_fee`, `op_user_id`;
//! * the signature: [`sign`](super::sign), over every field but `sign`;
//! * "Form-Data" on the page means `application/x-www-form-urlencoded`;
//! * an answer whose `status` is not 0 is unsigned, and therefore teaches nothing.
//!
//! Adapter for the ports [`RefundSubmitter`] and [`RefundQuerier`]. It decides nothing.

mod answers;
pub mod codes;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod hot;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use secrecy::SecretString;

use super::{http, key_is_set, notice, params_hash, url, within};
use crate::domain::refund::ParamsHash;
use crate::domain::{GatewayName, Refund, RefundNo};
use crate::gateways::sign::{Params, Reading, SIGN_FIELD};
use crate::ports::{
    Acceptance, FieldError, GatewayError, NoticeError, QueryAnswer, RefundNotice, RefundQuerier,
    RefundSubmitter,
};

/// One `[gateways.*]` entry of protocol `ionlinepay`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The entry's name.
    pub name: GatewayName,
    /// The one address of all services, such as `https://pay.ionlinepay.com/gateway/`. The
    /// configuration sees to it that it is https or loopback.
    pub base_url: String,
    /// `mch_id`, assigned by iOnline Pay, up to 32 characters.
    pub merchant_id: String,
    /// The key that signs.
    pub key: SecretString,
    /// The service that refunds. Assumed.
    pub refund_service: String,
    /// The service that answers about refunds. Source: "Query Refund", `service`.
    pub query_service: String,
    /// `op_user_id` of a refund; the merchant id if there is none. Assumed.
    pub op_user_id: Option<String>,
    /// Whether the reason of a refund is sent, as `refund_reason`. Off: the query returns such a
    /// field, but whether the refund takes it is not documented. Assumed.
    pub send_reason: bool,
}

impl Settings {
    /// Settings with the defaults of the page, and with the assumed ones where there is no page.
    pub fn new(
        name: GatewayName,
        base_url: impl Into<String>,
        merchant_id: impl Into<String>,
        key: SecretString,
    ) -> Self {
        Self {
            name,
            base_url: base_url.into(),
            merchant_id: merchant_id.into(),
            key,
            refund_service: "ionline.unified.trade.refund".to_owned(),
            query_service: "ionline.unified.trade.refundquery".to_owned(),
            op_user_id: None,
            send_reason: false,
        }
    }
}

/// One iOnline Pay gateway, shared by the accounts that use it.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    http: http::Client,
    url: Url,
}

impl Gateway {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`FieldError`] names the setting that breaks a rule.
    pub fn new(settings: Settings, http: http::Client) -> Result<Self, FieldError> {
        within("merchant_id", &settings.merchant_id, wire::STRING_32)?;
        within("refund_service", &settings.refund_service, wire::STRING_32)?;
        // The page's own service has 33 characters in a field of `String(32)`.
        within("query_service", &settings.query_service, 64)?;
        if let Some(user) = &settings.op_user_id {
            within("op_user_id", user, wire::STRING_32)?;
        }
        key_is_set(&settings.key)?;
        let url = url("base_url", &settings.base_url)?;
        Ok(Self { settings, http, url })
    }

    /// Signs and sends once.
    async fn post(&self, params: Params) -> Result<Vec<u8>, GatewayError> {
        let params = wire::signed(params, &self.settings.key)?;
        let fields: Vec<(&str, &str)> =
            params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.http.post_form(&self.url, &fields).await
    }
}

/// Submits refunds to iOnline Pay.
#[derive(Debug, Clone)]
pub struct IonlinepaySubmitter {
    gateway: Arc<Gateway>,
}

impl IonlinepaySubmitter {
    /// Submits to `gateway`.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

#[async_trait]
impl RefundSubmitter for IonlinepaySubmitter {
    fn gateway(&self) -> &GatewayName {
        &self.gateway.settings.name
    }

    fn check(&self, refund: &Refund) -> Result<(), FieldError> {
        wire::check_submit(&self.gateway.settings, refund)
    }

    fn params_hash(&self, refund: &Refund) -> ParamsHash {
        let params = wire::submit_params(&self.gateway.settings, refund);
        params_hash(&params, &[wire::NONCE, SIGN_FIELD])
    }

    async fn submit(&self, refund: &Refund) -> Result<Acceptance, GatewayError> {
        self.check(refund).map_err(|err| GatewayError::Request(err.to_string()))?;
        let settings = &self.gateway.settings;
        let params = wire::submit_params(settings, refund);
        let body = self.gateway.post(params).await?;
        answers::read_submit(settings, refund, &body)
    }
}

/// Asks iOnline Pay about refunds, by our own refund number.
#[derive(Debug, Clone)]
pub struct IonlinepayQuerier {
    gateway: Arc<Gateway>,
}

impl IonlinepayQuerier {
    /// Asks `gateway`.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

#[async_trait]
impl RefundQuerier for IonlinepayQuerier {
    fn gateway(&self) -> &GatewayName {
        &self.gateway.settings.name
    }

    /// The query carries nothing of the refund but its number, which always fits.
    fn check(&self, _refund: &Refund) -> Result<(), FieldError> {
        Ok(())
    }

    async fn query(&self, refund: &Refund) -> Result<QueryAnswer, GatewayError> {
        let settings = &self.gateway.settings;
        let params = wire::query_params(settings, refund);
        let body = self.gateway.post(params).await?;
        answers::read_query(settings, refund, &body)
    }
}

/// Notices are not documented for refunds. Assumed: the fields of a refund, or of the first line of
/// the query, as SwiftPass sends them.
impl RefundNotice for Gateway {
    fn gateway(&self) -> &GatewayName {
        &self.settings.name
    }

    fn notified(&self, body: &[u8]) -> Result<RefundNo, NoticeError> {
        let names = notice::Names {
            merchant: (wire::MERCHANT, &self.settings.merchant_id),
            refund_no: &[wire::REFUND_NO, "out_refund_no_0"],
            reading: Reading::Strict,
        };
        notice::read(body, &self.settings.key, &names)
    }

    fn acknowledgement(&self) -> &'static str {
        notice::RECEIVED
    }
}

#[cfg(test)]
mod fuzz_tests;
