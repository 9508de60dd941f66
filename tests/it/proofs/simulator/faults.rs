//! How likely each fault is in one seed, in percent.

use fastrand::Rng;

/// The faults of one seed. Some seeds are calm, some are a bad day, most are in between.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// No connection: proof that nothing was sent (row 10).
    pub(super) not_sent: u8,
    /// The message never arrives (row 11).
    pub(super) message_lost: u8,
    /// The gateway acts, its answer never arrives (rows 11, 18).
    pub(super) answer_lost: u8,
    /// 5xx, HTML, bad signature, reset, unknown code; executed or not (rows 12, 13, 17, 21).
    pub(super) doubtful: u8,
    /// A listed refusal.
    pub(super) refused: u8,
    /// "Too frequent" (row 15).
    pub(super) put_off: u8,
    /// Executed refunds are not shown for a while (row 20). 0: shown at once.
    pub(super) invisible: u8,
    /// And that for far longer than the account was told. Nobody can then tell a refusal from a lie, so
    /// such a gateway refuses nothing.
    pub(super) breaks_promise: bool,
    /// Unsigned answers to queries.
    pub(super) unsigned: u8,
    /// Status words that nobody has listed (row 22).
    pub(super) strange_word: u8,
    /// Signed answers with another amount (row 14).
    pub(super) wrong_amount: u8,
    /// A worker dies with everything it holds (rows 5, 7, 18).
    pub(super) crash: u8,
    /// A worker stands still, perhaps beyond its leases (row 9).
    pub(super) pause: u8,
    /// The ledger's answer to a call is lost; the call was made or not (rows 8, 19).
    pub(super) ledger: u8,
    /// Redis goes back to an earlier moment (row 27).
    pub(super) write_loss: u8,
    /// Submits are paused and resumed by a person.
    pub(super) switch: u8,
    /// A person acts on refunds.
    pub(super) person: u8,
}

impl Faults {
    /// Nothing goes wrong.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// The faults of a seed.
    pub(super) fn of(rng: &mut Rng) -> Self {
        let breaks_promise = rng.u8(..4) == 0;
        let worst = [0, 10, 30, 60][rng.usize(..4)];
        let mut some = |most: u8| {
            if rng.u8(..3) == 0 { 0 } else { rng.u8(..=most.min(worst)) }
        };
        Self {
            not_sent: some(60),
            message_lost: some(40),
            answer_lost: some(40),
            doubtful: some(40),
            refused: if breaks_promise { 0 } else { some(20) },
            put_off: some(30),
            invisible: some(60),
            breaks_promise,
            unsigned: some(30),
            strange_word: some(10),
            wrong_amount: some(2),
            crash: some(8),
            pause: some(8),
            ledger: some(30),
            write_loss: some(2),
            switch: some(4),
            person: some(6),
        }
    }
}
