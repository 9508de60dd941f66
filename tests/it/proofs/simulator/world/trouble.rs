//! What goes wrong in the simulated world that is nobody's call.

use refundd::domain::AccountName;
use refundd::ports::ledger::Pause;
use refundd::ports::{Clock as _, Ledger as _};

use super::World;

impl World {
    /// Something goes wrong that is nobody's call.
    pub(super) async fn trouble(&mut self) {
        let which = self.worker();
        let faults = self.faults.clone();
        if self.roll(faults.crash.saturating_mul(4)) {
            // What it held it must not give back later: its successor has another name.
            self.workers[which].crash(self.fence);
        }
        if self.roll(faults.pause.saturating_mul(4)) {
            self.workers[which].paused = true;
        } else if self.rng.bool() {
            self.workers[which].paused = false;
        }
        if self.roll(faults.switch.saturating_mul(4)) {
            self.switch().await;
        }
        if self.roll(faults.person.saturating_mul(8)) {
            self.meddle().await;
        }
        if faults.write_loss > 0 {
            self.lose_writes();
        }
    }

    async fn switch(&mut self) {
        let account = self.rng.bool().then(|| AccountName::parse("shop").unwrap());
        let (who, reason) = ("ann".to_owned(), "drill".to_owned());
        let pause = Pause { account, who, reason, at: self.clock.now() };
        if self.rng.bool() {
            self.ledger.pause(&pause).await.expect("answers");
        } else {
            self.ledger.resume(&pause, None).await.expect("answers");
        }
    }

    /// Redis goes back by some writes: those of the time since the last backup. What order systems
    /// have pushed since comes again, because a producer whose push is gone pushes again.
    fn lose_writes(&mut self) {
        match self.backup.take() {
            Some(backup) if self.rng.u8(..3) == 0 && self.losses < 2 => {
                self.ledger.lose_writes_since(backup, self.clock.now());
                self.lost_at.push(self.clock.now());
                self.losses += 1;
            }
            Some(backup) if self.rng.bool() => self.backup = Some(backup),
            _ => self.backup = Some(self.ledger.backup()),
        }
    }
}
