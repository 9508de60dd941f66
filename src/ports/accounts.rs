//! The merchant accounts: which gateway each submits to and asks, and at what pace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gateway::{FieldError, RefundQuerier, RefundSubmitter};
use super::ops::RefundNotice;
use crate::domain::breaker::BreakerPolicy;
use crate::domain::policy::{CallLimits, Policy};
use crate::domain::{AccountName, Currency, GatewayName, Refund};

/// The limits of one gateway, for all accounts that use it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GatewayLimits {
    /// How many calls may be made.
    pub calls: CallLimits,
    /// When its submits stop because it does not answer.
    pub breaker: BreakerPolicy,
}

/// One merchant account, ready to use. Built once from the configuration.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its `[accounts.*]` name.
    pub name: AccountName,
    /// The only currency it refunds in.
    pub currency: Currency,
    /// Its pace.
    pub policy: Policy,
    /// Where its refunds are submitted.
    pub submitter: Arc<dyn RefundSubmitter>,
    /// Where its refunds are asked about; often, but not always, the same gateway.
    pub querier: Arc<dyn RefundQuerier>,
    /// How many calls may be made for it.
    pub limits: CallLimits,
    /// The most that it may send in one day (UTC), minor units, all processes together.
    pub daily_cents: Option<u64>,
    /// The longest that one call of either may take, ms: connect and total timeout together.
    pub longest_call_ms: u64,
}

impl Account {
    /// Whether this account can pay `refund` back: currency, daily limit, and what both protocols can
    /// carry.
    ///
    /// # Errors
    /// [`FieldError`] names the first field that breaks a rule.
    pub fn check(&self, refund: &Refund) -> Result<(), FieldError> {
        if refund.currency != self.currency {
            return Err(FieldError::new(
                "currency",
                format!(
                    "must be {} as account {} has it, got {}",
                    self.currency, self.name, refund.currency
                ),
            ));
        }
        // It would wait for a day that never comes.
        if let Some(limit) = self.daily_cents.filter(|limit| refund.amount.get() > *limit) {
            return Err(FieldError::new(
                "amount_cents",
                format!(
                    "must be at most {limit}, daily_cents of account {}, got {}",
                    self.name,
                    refund.amount.get()
                ),
            ));
        }
        self.submitter.check(refund)?;
        self.querier.check(refund)
    }
}

/// All accounts by name, and the limits of their gateways.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    by_name: BTreeMap<AccountName, Account>,
    gateways: BTreeMap<GatewayName, GatewayLimits>,
    notices: BTreeMap<AccountName, Vec<Arc<dyn RefundNotice>>>,
}

impl Accounts {
    /// The account of that name.
    pub fn get(&self, name: &AccountName) -> Option<&Account> {
        self.by_name.get(name)
    }

    /// All accounts, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_name.values()
    }

    /// The same accounts, with limits for their gateways.
    #[must_use]
    pub fn with_gateways(self, gateways: BTreeMap<GatewayName, GatewayLimits>) -> Self {
        Self { gateways, ..self }
    }

    /// The same accounts, with the gateways whose notices each takes.
    #[must_use]
    pub fn with_notices(self, notices: BTreeMap<AccountName, Vec<Arc<dyn RefundNotice>>>) -> Self {
        Self { notices, ..self }
    }

    /// The gateways whose notices an account takes.
    pub fn notices(&self, name: &AccountName) -> &[Arc<dyn RefundNotice>] {
        self.notices.get(name).map_or(&[], Vec::as_slice)
    }

    /// The limits of a gateway; those of one that has none set: any number of calls, and a breaker.
    pub fn gateway_limits(&self, name: &GatewayName) -> GatewayLimits {
        self.gateways.get(name).copied().unwrap_or_default()
    }
}

impl FromIterator<Account> for Accounts {
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> Self {
        let named = accounts.into_iter().map(|account| (account.name.clone(), account));
        Self { by_name: named.collect(), ..Self::default() }
    }
}
