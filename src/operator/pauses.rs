//! Stopping submits and letting them go again.

use schemars::JsonSchema;
use serde::Serialize;

use super::{ActError, Desk, person};
use crate::contract::PauseView;
use crate::domain::state::Decision;
use crate::domain::{AccountName, UnixMillis};
use crate::ports::ledger::Pause;

/// What a pause or a resume has done.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PauseDone {
    /// `pause` or `resume`.
    pub action: &'static str,
    /// The account; left out for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether this changed anything: a pause that stood already keeps who set it, and why.
    pub changed: bool,
    /// What still stops submits of the account, or of any if it was about all.
    pub paused: Vec<PauseView>,
}

impl Desk {
    /// Stops the submits of an account, or of all (`None`). Queries go on. Durable; from the return
    /// on, no new submit leaves.
    ///
    /// # Errors
    /// [`ActError::UnknownAccount`], [`ActError::Words`], [`ActError::Ledger`]. Harmless to repeat.
    pub async fn pause(&self, account: Option<&str>, by: &Decision) -> Result<PauseDone, ActError> {
        let pause = self.of(account, by, &[])?;
        let changed = self.ledger.pause(&pause).await?;
        self.told("pause", &pause, changed).await
    }

    /// Lets the submits of an account, or of all that are not paused by themselves, go on. With `seen`,
    /// only if it still is the pause that was set at that moment: another one may have been set since,
    /// for a reason that the person does not know.
    ///
    /// # Errors
    /// As [`Self::pause`]. Harmless to repeat.
    pub async fn resume(
        &self,
        account: Option<&str>,
        by: &Decision,
        seen: Option<UnixMillis>,
    ) -> Result<PauseDone, ActError> {
        // What has left the configuration while it was paused can still be let go.
        let known = self.ledger.pauses().await?;
        let resume = self.of(account, by, &known)?;
        let changed = self.ledger.resume(&resume, seen).await?;
        self.told("resume", &resume, changed).await
    }

    /// What is paused now.
    ///
    /// # Errors
    /// [`ActError::Ledger`].
    pub async fn pauses(&self) -> Result<Vec<Pause>, ActError> {
        Ok(self.ledger.pauses().await?)
    }

    fn of(&self, account: Option<&str>, by: &Decision, known: &[Pause]) -> Result<Pause, ActError> {
        let by = person(by)?;
        let account = account.map(|name| self.account(name, known)).transpose()?;
        Ok(Pause { account, who: by.who, reason: by.reason, at: self.clock.now() })
    }

    fn account(&self, name: &str, known: &[Pause]) -> Result<AccountName, ActError> {
        let is_known = |account: &AccountName| {
            self.accounts.contains_key(account)
                || known.iter().any(|pause| pause.account.as_ref() == Some(account))
        };
        let account = AccountName::parse(name).ok().filter(is_known);
        account.ok_or_else(|| {
            let likeness = |account: &AccountName| strsim::jaro_winkler(account.as_str(), name);
            let scored = self.accounts.keys().map(|account| (likeness(account), account));
            let best = scored.max_by(|one, other| one.0.total_cmp(&other.0));
            let near = best.filter(|(score, _)| *score >= 0.8).map(|(_, name)| name.to_string());
            ActError::UnknownAccount { account: name.to_owned(), near }
        })
    }

    async fn told(
        &self,
        action: &'static str,
        asked: &Pause,
        changed: bool,
    ) -> Result<PauseDone, ActError> {
        let mut paused = self.ledger.pauses().await?;
        paused.retain(|pause| {
            asked.account.is_none() || pause.account.is_none() || pause.account == asked.account
        });
        Ok(PauseDone {
            action,
            account: asked.account.as_ref().map(ToString::to_string),
            changed,
            paused: paused.iter().map(PauseView::of).collect(),
        })
    }
}
