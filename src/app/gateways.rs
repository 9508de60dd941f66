//! The accounts of the configuration with their gateways' adapters.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::AppError;
use crate::config::{self, Config, GatewaySettings, Protocol};
use crate::domain::{AccountName, GatewayName};
use crate::gateways::{http, ionlinepay, iotpay};
use crate::ports::accounts::GatewayLimits;
use crate::ports::{Account, Accounts, RefundNotice, RefundQuerier, RefundSubmitter};

/// The accounts of the configuration, ready to call their gateways.
///
/// # Errors
/// [`AppError`] names the gateway and the setting.
pub fn accounts(config: &Config, keys: &config::Keys) -> Result<Accounts, AppError> {
    let mut gateways = BTreeMap::new();
    for (name, settings) in &config.gateways {
        let Some(key) = keys.by_gateway.get(name) else {
            continue;
        };
        let gateway = Gateway::build(name, settings, key, config.settings.worker.concurrency)?;
        gateways.insert(name, (gateway, settings));
    }
    let account = |(name, account): (&AccountName, &config::AccountConfig)| {
        let (submit, submit_settings) = gateways.get(&account.submit)?;
        let (query, query_settings) = gateways.get(&account.query)?;
        Some(Account {
            name: name.clone(),
            currency: account.currency,
            policy: account.policy,
            submitter: submit.submitter(account.client_ip.clone()),
            querier: query.querier(),
            limits: account.limits,
            daily_cents: account.daily_cents,
            longest_call_ms: longest_call_ms(submit_settings).max(longest_call_ms(query_settings)),
        })
    };
    let accounts: Accounts = config.accounts.iter().filter_map(account).collect();
    let limits = |(name, gateway): (&GatewayName, &GatewaySettings)| {
        (
            name.clone(),
            GatewayLimits { calls: gateway.limits.calls(), breaker: gateway.breaker.policy() },
        )
    };
    let notices = |(name, account): (&AccountName, &config::AccountConfig)| {
        let (submit, _) = gateways.get(&account.submit)?;
        let mut notices = vec![submit.notices()];
        if account.query != account.submit {
            notices.extend(gateways.get(&account.query).map(|(query, _)| query.notices()));
        }
        Some((name.clone(), notices))
    };
    let notices = config.accounts.iter().filter_map(notices).collect();
    let accounts = accounts.with_notices(notices);
    Ok(accounts.with_gateways(config.gateways.iter().map(limits).collect()))
}

fn longest_call_ms(settings: &GatewaySettings) -> u64 {
    settings.connect_timeout_ms.saturating_add(settings.timeout_ms)
}

/// One `[gateways.*]` entry, shared by the accounts that use it.
#[derive(Debug, Clone)]
enum Gateway {
    Iotpay(Arc<iotpay::Gateway>),
    Ionlinepay(Arc<ionlinepay::Gateway>),
}

impl Gateway {
    fn build(
        name: &GatewayName,
        settings: &GatewaySettings,
        key: &secrecy::SecretString,
        concurrency: u32,
    ) -> Result<Self, AppError> {
        let client = http::Client::new(&http::Settings {
            connect_timeout_ms: settings.connect_timeout_ms,
            timeout_ms: settings.timeout_ms,
            read_timeout_ms: settings.timeout_ms,
            idle_per_host: usize::try_from(concurrency).unwrap_or(usize::MAX),
            ..http::Settings::default()
        })?;
        let named = |source| AppError::Gateway { gateway: name.clone(), source };
        Ok(match settings.protocol {
            // `iotpay_card` is refused by the configuration until its adapter is there.
            Protocol::Iotpay | Protocol::IotpayCard => {
                let settings = iotpay_settings(name, settings, key);
                Self::Iotpay(Arc::new(iotpay::Gateway::new(settings, client).map_err(named)?))
            }
            Protocol::Ionlinepay => {
                let settings = ionlinepay_settings(name, settings, key);
                let gateway = ionlinepay::Gateway::new(settings, client).map_err(named)?;
                Self::Ionlinepay(Arc::new(gateway))
            }
        })
    }

    fn submitter(&self, client_ip: Option<String>) -> Arc<dyn RefundSubmitter> {
        match self {
            Self::Iotpay(gateway) => {
                Arc::new(iotpay::IotpaySubmitter::new(Arc::clone(gateway), client_ip))
            }
            Self::Ionlinepay(gateway) => {
                Arc::new(ionlinepay::IonlinepaySubmitter::new(Arc::clone(gateway)))
            }
        }
    }

    fn notices(&self) -> Arc<dyn RefundNotice> {
        match self {
            Self::Iotpay(gateway) => gateway.clone(),
            Self::Ionlinepay(gateway) => gateway.clone(),
        }
    }

    fn querier(&self) -> Arc<dyn RefundQuerier> {
        match self {
            Self::Iotpay(gateway) => Arc::new(iotpay::IotpayQuerier::new(Arc::clone(gateway))),
            Self::Ionlinepay(gateway) => {
                Arc::new(ionlinepay::IonlinepayQuerier::new(Arc::clone(gateway)))
            }
        }
    }
}

fn iotpay_settings(
    name: &GatewayName,
    settings: &GatewaySettings,
    key: &secrecy::SecretString,
) -> iotpay::Settings {
    let login = settings.login_name.clone().unwrap_or_default();
    let base = iotpay::Settings::new(
        name.clone(),
        &settings.base_url,
        &settings.merchant_id,
        login,
        key.clone(),
    );
    let or = |set: &Option<String>, default: String| set.clone().unwrap_or(default);
    iotpay::Settings {
        submit_path: or(&settings.submit_path, base.submit_path),
        query_path: or(&settings.query_path, base.query_path),
        query_id_field: or(&settings.query_id_field, base.query_id_field),
        status_map: settings.status_words().unwrap_or(base.status_map),
        not_found_codes: settings.not_found_codes.clone().unwrap_or(base.not_found_codes),
        not_found_texts: settings.not_found_texts.clone().unwrap_or(base.not_found_texts),
        send_currency: settings.send_currency.unwrap_or(base.send_currency),
        ..base
    }
}

fn ionlinepay_settings(
    name: &GatewayName,
    settings: &GatewaySettings,
    key: &secrecy::SecretString,
) -> ionlinepay::Settings {
    let base = ionlinepay::Settings::new(
        name.clone(),
        &settings.base_url,
        &settings.merchant_id,
        key.clone(),
    );
    ionlinepay::Settings {
        refund_service: settings.refund_service.clone().unwrap_or(base.refund_service),
        query_service: settings.query_service.clone().unwrap_or(base.query_service),
        op_user_id: settings.op_user_id.clone().or(base.op_user_id),
        send_reason: settings.send_reason.unwrap_or(base.send_reason),
        ..base
    }
}
