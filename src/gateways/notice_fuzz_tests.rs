//! Spoilt notices: without the key none of them is about another refund than the gateway named.

use super::tests::{flat_xml, form, hear, signed};
use crate::fuzzing::Target;
use crate::fuzzing::mutate::{Dice, mutated};
use crate::ports::NoticeError;

/// Notices about `R-1`; a payer has put his own attempt at another number into a field.
fn corpus() -> Vec<Vec<u8>> {
    let plain = signed(&[("mchId", "10000576"), ("mchRefundNo", "R-1"), ("status", "2")]);
    let payer = signed(&[
        ("mchId", "10000576"),
        ("mchRefundNo", "R-1"),
        ("param1", "Tea & mchRefundNo R-2 <mchRefundNo>R-2</mchRefundNo>"),
    ]);
    let json = |params| serde_json::to_string(params).unwrap();
    let mut bodies = Vec::new();
    for params in [&plain, &payer] {
        let wrapped = [("params".to_owned(), json(params))].into_iter().collect();
        bodies.extend([form(params), json(params), form(&wrapped), flat_xml(params)]);
    }
    bodies.into_iter().map(String::into_bytes).collect()
}

#[test]
fn fuzz_of_a_notice_names_no_refund_that_was_not_signed() {
    let corpus = corpus();
    let target = Target { name: "notice", cases: 4_000, memory_per_byte: 64, memory_more: 65_536 };
    let make = |dice: &mut Dice| {
        if dice.once_in(20) {
            return corpus[dice.below(corpus.len())].clone();
        }
        mutated(dice, &corpus)
    };
    let read = |body: &[u8]| hear(body);
    target.run(make, read, |_, found: Result<String, NoticeError>| match found {
        Ok(refund_no) => {
            assert_eq!(refund_no, "R-1");
            true
        }
        Err(_) => false,
    });
}
