//! What people do in the simulated world.

use refundd::domain::state::Decision;
use refundd::domain::{RefundNo, StateKind};
use refundd::operator::{self, Action, Resolution};

use super::World;
use crate::proofs::simulator::gateway::Fate;
use crate::proofs::simulator::worker::Worker;

impl World {
    /// A person looks into the gateway's book and decides the refunds that wait for one.
    pub(super) async fn decide(&mut self) {
        // Whoever still has a call in hand may be about to send: a person waits until it is in the book.
        if !self.workers.iter().all(Worker::idle) || self.gateway.waiting() > 0 {
            return;
        }
        let book = self.gateway.book();
        let nos: Vec<String> = self.asked.keys().cloned().collect();
        for no in nos {
            let Some(seen) = self.stored(&no).await else { continue };
            let said = match book.get(&no).map(|entry| entry.fate) {
                Some(Fate::Processing) => continue,
                Some(Fate::Succeeded) => Resolution::Succeeded,
                Some(Fate::Failed) | None => Resolution::Failed,
            };
            if seen.record.state.kind() == StateKind::Parked && !seen.leased {
                let expected = Some(seen.record.tally.revision);
                self.act(&no, Action::Resolve(said), expected).await.expect("it may be resolved");
            }
        }
    }

    /// A person acts on some refund, without knowing what the gateway does.
    pub(super) async fn meddle(&mut self) {
        let nos: Vec<String> = self.asked.keys().cloned().collect();
        if nos.is_empty() {
            return;
        }
        let no = nos[self.rng.usize(..nos.len())].clone();
        let action = match self.rng.u8(..10) {
            0..6 => Action::Check,
            6..9 => Action::Release,
            _ => Action::Abandon,
        };
        let expected = self.stored(&no).await.map(|seen| seen.record.tally.revision);
        let first = self.act(&no, action, expected).await;
        self.acts += u32::from(first.is_ok());
        let again = self.act(&no, action, expected).await;
        assert!(action == Action::Check || again.is_err(), "{no}: done twice: {again:?}");
    }

    async fn act(
        &self,
        no: &str,
        action: Action,
        expected: Option<u32>,
    ) -> Result<operator::Done, operator::ActError> {
        let by = Decision { who: "ann".to_owned(), reason: "seen in the portal".to_owned() };
        let refund_no = RefundNo::parse(no).unwrap();
        self.desk.act(&operator::Asked { refund_no, action, by, expected }).await
    }
}
