//! The merchant accounts: which gateway each submits to and asks, and at what pace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gateway::{FieldError, RefundQuerier, RefundSubmitter};
use crate::domain::policy::Policy;
use crate::domain::{AccountName, Currency, Refund};

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
    /// The longest that one call of either may take, ms: connect and total timeout together.
    pub longest_call_ms: u64,
}

impl Account {
    /// Whether this account can pay `refund` back: currency, and what both protocols can carry.
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
        self.submitter.check(refund)?;
        self.querier.check(refund)
    }
}

/// All accounts by name.
#[derive(Debug, Clone, Default)]
pub struct Accounts(BTreeMap<AccountName, Account>);

impl Accounts {
    /// The account of that name.
    pub fn get(&self, name: &AccountName) -> Option<&Account> {
        self.0.get(name)
    }

    /// All accounts, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.values()
    }
}

impl FromIterator<Account> for Accounts {
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> Self {
        Self(accounts.into_iter().map(|account| (account.name.clone(), account)).collect())
    }
}
