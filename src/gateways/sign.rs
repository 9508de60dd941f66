//! The one signer of the MD5 family: drop empty values, sort by name, join as `k=v&…`, append
//! `&key=SECRET`, MD5, upper-case hex.
//!
//! Sources: IOTPay "Signing" (develop.iotpay.ca/guide/signature.html, read 2026-11) documents the
//! steps. iOnline Pay documents MD5 and that every response must be verified; its steps are
//! assumed to be the same ones (SwiftPass family, gateways.md section B).
//!
//! This module never logs and never returns the text that it signs: the key is in it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// The name of the signature's own field, which is never signed.
pub const SIGN_FIELD: &str = "sign";

/// The parameters of one request or response, in the order in which they are signed.
pub type Params = BTreeMap<String, String>;

/// The signature over `params` with `key`: 32 upper-case hex digits.
///
/// Empty values and the field `sign` are left out.
pub fn sign(params: &Params, key: &str) -> String {
    digest(
        params
            .iter()
            .filter(|(name, value)| *name != SIGN_FIELD && !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str())),
        key,
    )
}

/// Whether `params` carry a valid signature. Upper and lower case are equal, as one endpoint of
/// the family answers in lower case; the comparison takes the same time wherever it differs.
///
/// `false` if the field `sign` is missing.
pub fn verify(params: &Params, key: &str) -> bool {
    params.get(SIGN_FIELD).is_some_and(|given| equal(given, &sign(params, key)))
}

/// How many readings of the signing steps a received signature may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The one that [`sign`] follows.
    Strict,
    /// Also IOTPay's own PHP sample: names in natural order without regard to case, and nulls
    /// kept as `name=`.
    ///
    /// Source: IOTPay "Interface rule" (develop.iotpay.ca/interface-rule.html, read 2026-11). The
    /// orders differ for no field set that is published today; for nulls the samples disagree.
    Tolerant,
}

/// Whether `given` is the signature of the received `fields` (`None` is a JSON null), the field
/// `sign` left out.
///
/// The readings are tried one after the other. Each needs the key, so that several of them make a
/// forgery no easier.
pub(crate) fn verify_received(
    fields: &[(&str, Option<&str>)],
    given: &str,
    key: &str,
    reading: Reading,
) -> bool {
    let without_nulls: Vec<(&str, &str)> = fields
        .iter()
        .filter(|(name, value)| *name != SIGN_FIELD && value.is_some_and(|text| !text.is_empty()))
        .map(|(name, value)| (*name, value.unwrap_or_default()))
        .collect();
    if in_any_order(without_nulls, given, key, reading) {
        return true;
    }
    if reading == Reading::Strict || !fields.iter().any(|(_, value)| value.is_none()) {
        return false;
    }
    let with_nulls = fields
        .iter()
        .filter(|(name, value)| *name != SIGN_FIELD && *value != Some(""))
        .map(|(name, value)| (*name, value.unwrap_or_default()))
        .collect();
    in_any_order(with_nulls, given, key, reading)
}

/// Tries the order of the signing steps, then the natural order where the reading allows it.
fn in_any_order(mut pairs: Vec<(&str, &str)>, given: &str, key: &str, reading: Reading) -> bool {
    pairs.sort_unstable();
    if equal(given, &digest(pairs.iter().copied(), key)) {
        return true;
    }
    if reading == Reading::Strict {
        return false;
    }
    pairs.sort_by(|(a, _), (b, _)| natural_order(a, b));
    equal(given, &digest(pairs.into_iter(), key))
}

/// PHP's natural order without regard to case: runs of digits compare as numbers, letters as if
/// they were capitals.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (digits_a, digits_b) = (leading_digits(a), leading_digits(b));
        if digits_a > 0 && digits_b > 0 {
            let (run_a, rest_a) = a.split_at(digits_a);
            let (run_b, rest_b) = b.split_at(digits_b);
            let order = number_order(run_a, run_b);
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (rest_a, rest_b);
            continue;
        }
        match (a.split_first(), b.split_first()) {
            (Some((x, rest_a)), Some((y, rest_b))) => {
                let order = x.to_ascii_uppercase().cmp(&y.to_ascii_uppercase());
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (x, y) => return x.is_some().cmp(&y.is_some()),
        }
    }
}

/// How many digits `text` begins with.
fn leading_digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// Compares two runs of digits as numbers of any size.
fn number_order(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |run: &[u8]| run.iter().skip_while(|b| **b == b'0').copied().collect();
    let (a, b): (Vec<u8>, Vec<u8>) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

/// The signature over pairs that have been chosen and sorted.
fn digest<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, key: &str) -> String {
    let mut hasher = Md5::new();
    for (name, value) in pairs {
        hasher.update(name.as_bytes());
        hasher.update(b"=");
        hasher.update(value.as_bytes());
        hasher.update(b"&");
    }
    hasher.update(b"key=");
    hasher.update(key.as_bytes());
    hex_upper(&hasher.finalize())
}

/// Whether two signatures are the same but for case, in constant time.
fn equal(given: &str, expected: &str) -> bool {
    given.to_ascii_uppercase().as_bytes().ct_eq(expected.as_bytes()).into()
}

/// Upper-case hex.
fn hex_upper(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f])
        .filter_map(|nibble| DIGITS.get(usize::from(nibble)).copied().map(char::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "192006250b4c09247ec02edce69f6a2d"; // the family's public example key

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_published_vector_of_the_family_is_reproduced() {
        let params = params(&[
            ("appid", "wxd930ea5d5a258f4f"),
            ("mch_id", "10000100"),
            ("device_info", "1000"),
            ("body", "test"),
            ("nonce_str", "ibuaiVcKdpRxkhJA"),
        ]);
        assert_eq!(sign(&params, KEY), "9A0A8659F005D6984697E2CA0A9CF3B7");
    }

    #[test]
    fn the_documented_sample_parameters_of_iotpay_sign_without_the_empty_device() {
        let params = params(&[
            ("channelId", "WX_MICROPAY"),
            ("clientIp", "24.80.45.254"),
            ("device", ""),
            ("loginName", "vincent"),
            ("mchId", "10000576"),
            ("mchRefundNo", "1537224899791"),
            ("payOrderId", "U00180918065500913991007022"),
            ("refundAmount", "1"),
        ]);
        assert_eq!(sign(&params, KEY), "748D1D840DE13003F3481760B5244CA9");
    }

    #[test]
    fn a_signature_is_compared_without_regard_to_case_and_a_missing_one_fails() {
        let mut signed = params(&[("a", "1")]);
        assert!(!verify(&signed, KEY));
        let signature = sign(&signed, KEY);
        signed.insert("sign".to_owned(), signature.to_ascii_lowercase());
        assert!(verify(&signed, KEY));
        signed.insert("sign".to_owned(), signature[..31].to_owned());
        assert!(!verify(&signed, KEY));
    }

    #[test]
    fn the_natural_order_ignores_case_and_counts_digits() {
        let mut names = ["refundAmount", "refundable", "a10", "a9", "B", "a", "_x", "a09b"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a", "a9", "a09b", "a10", "B", "refundable", "refundAmount", "_x"]);
    }

    #[test]
    fn a_tolerant_reading_takes_the_natural_order_and_kept_nulls_and_a_strict_one_neither() {
        let fields = [
            ("refundAmount", Some("1")),
            ("refundable", Some("2")),
            ("gone", None),
            ("empty", Some("")),
            ("sign", Some("x")),
        ];
        let natural = digest([("refundable", "2"), ("refundAmount", "1")].into_iter(), KEY);
        let nulls =
            digest([("gone", ""), ("refundAmount", "1"), ("refundable", "2")].into_iter(), KEY);
        for given in [natural, nulls] {
            assert!(verify_received(&fields, &given, KEY, Reading::Tolerant));
            assert!(!verify_received(&fields, &given, KEY, Reading::Strict));
        }
        let plain = digest([("refundAmount", "1"), ("refundable", "2")].into_iter(), KEY);
        assert!(verify_received(&fields, &plain, KEY, Reading::Strict));
        assert!(!verify_received(&fields, "", KEY, Reading::Tolerant));
    }

    fn any_params() -> impl Strategy<Value = Params> {
        proptest::collection::btree_map("[a-zA-Z_]{1,12}(_[0-9])?", "\\PC{0,20}", 0..12)
    }

    proptest! {
        #[test]
        fn what_was_signed_verifies(mut params in any_params(), key in "[ -~]{1,40}") {
            params.remove(SIGN_FIELD);
            let signature = sign(&params, &key);
            prop_assert_eq!(signature.len(), 32);
            params.insert(SIGN_FIELD.to_owned(), signature);
            prop_assert!(verify(&params, &key));
        }

        #[test]
        fn any_changed_value_breaks_the_signature(
            mut params in any_params(), name in "[a-z]{1,8}", value in "[a-z]{1,8}", key in "[ -~]{1,40}",
        ) {
            params.remove(SIGN_FIELD);
            prop_assume!(name != SIGN_FIELD && params.get(&name) != Some(&value));
            let signature = sign(&params, &key);
            params.insert(name, value);
            params.insert(SIGN_FIELD.to_owned(), signature);
            prop_assert!(!verify(&params, &key));
        }

        #[test]
        fn empty_values_do_not_count(mut params in any_params(), name in "[a-z]{1,8}", key in "[ -~]{1,40}") {
            params.remove(&name);
            let without = sign(&params, &key);
            params.insert(name, String::new());
            prop_assert_eq!(sign(&params, &key), without);
        }
    }
}
