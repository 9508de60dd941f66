//! Spoilt stored texts: what is read is what would be written, or it is an error.

use super::super::held::{Hold, as_held};
use super::tests::{asked, sample};
use super::*;
use crate::domain::evidence::{StatusLine, StatusWord};
use crate::domain::state::{RefundState, StateKind};
use crate::fuzzing::Target;
use crate::fuzzing::mutate::mutated;

#[test]
fn fuzz_of_a_stored_refund_reads_what_it_would_write() {
    let corpus: Vec<Vec<u8>> = [StateKind::Requested, StateKind::Settled]
        .map(|kind| {
            let mut record = sample(kind);
            if kind == StateKind::Settled {
                record.refund.reason = Some("late".to_owned());
                record.refund.device = Some("WEB \u{1f375}".to_owned());
                record.refund.client_ip = Some("203.0.113.7".to_owned());
                record.refund.requested_at = Some(UnixMillis::new(-1));
                record.refund.not_before = Some(UnixMillis::new(1_700_000_000_000));
                record.refund.order.paid = AmountCents::new(900).ok();
            }
            encode_refund(&record).unwrap()
        })
        .into();
    let target =
        Target { name: "stored-refund", cases: 3_000, memory_per_byte: 8, memory_more: 16_384 };
    target.run(
        |dice| mutated(dice, &corpus),
        |bytes| decode_refund("R1", bytes),
        |bytes, read| {
            let Ok((refund, order_scope)) = read else {
                return false;
            };
            assert_eq!(bytes[0], VERSION);
            let record = RefundRecord { refund, order_scope, ..sample(StateKind::Requested) };
            let again = decode_refund("R1", &encode_refund(&record).unwrap()).unwrap();
            assert_eq!(again, (record.refund, record.order_scope));
            true
        },
    );
}

/// Settled with so many lines that say nothing but what the record says.
fn with_shortest_lines(count: usize) -> RefundRecord {
    let mut record = sample(StateKind::Settled);
    if let RefundState::Settled(end) = &mut record.state {
        let line = StatusLine {
            n: 0,
            word: StatusWord::Success,
            status: "SUCCESS".to_owned(),
            gateway_refund_no: None,
            time: None,
            reason: None,
            ..end.lines[0].clone()
        };
        end.lines = vec![line; count];
    }
    record
}

#[test]
fn fuzz_of_a_stored_state_reads_what_it_would_write() {
    let mut corpus: Vec<Vec<u8>> =
        StateKind::ALL.iter().map(|kind| encode_state(&sample(*kind)).unwrap()).collect();
    corpus.push(encode_state(&with_shortest_lines(400)).unwrap());
    // A line of three bytes is a status line of some hundred, twice while it is read.
    let target =
        Target { name: "stored-state", cases: 5_000, memory_per_byte: 160, memory_more: 16_384 };
    target.run(
        |dice| mutated(dice, &corpus),
        |bytes| decode_state(asked(), bytes),
        |bytes, read| {
            let Ok(record) = read else {
                return false;
            };
            assert_eq!(bytes[1], VERSION);
            // The scripts go by the letter and the workers by the rest: both must say the same.
            let written = encode_state(&record).unwrap();
            assert_eq!(bytes[0], written[0]);
            assert_eq!(decode_state(asked(), &written).unwrap(), record);
            true
        },
    );
}

#[test]
fn fuzz_of_a_lease_never_makes_a_refund_look_unsent() {
    let leases = ["12 i 0 1700000000000 ab12.3", "7 u 2 1700000000000 -", "7 q 0 0 f.1"];
    let corpus = leases.map(|text| text.as_bytes().to_vec());
    let target = Target { name: "lease", cases: 4_000, memory_per_byte: 0, memory_more: 0 };
    target.run(
        |dice| mutated(dice, &corpus),
        |bytes| Hold::parse(std::str::from_utf8(bytes).unwrap_or_default()),
        |bytes, hold| {
            let Some(hold) = hold else {
                return false;
            };
            let record = as_held(sample(StateKind::Requested), hold);
            let query = bytes.split(|b| *b == b' ').nth(1) == Some(b"q");
            assert_eq!(record.state.kind() == StateKind::Requested, query);
            true
        },
    );
}
