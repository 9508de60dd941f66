//! The one signer of the MD5 family: drop empty values, sort by name, join as `k=v&…`, append
//! `&key=SECRET`, MD5, upper-case hex.
//!
//! Sources: IOTPay "Signing" (develop.iotpay.ca/guide/signature.html, read 2026-11) documents the
//! steps. iOnline Pay documents MD5 and that every response must be verified; its steps are
//! assumed to be the same ones (SwiftPass family, gateways.md section B).
//!
//! This module never logs and never returns the text that it signs: the key is in it.

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
    let mut hasher = Md5::new();
    for (name, value) in params
        .iter()
        .filter(|(name, value)| *name != SIGN_FIELD && !value.is_empty())
    {
        hasher.update(name.as_bytes());
        hasher.update(b"=");
        hasher.update(value.as_bytes());
        hasher.update(b"&");
    }
    hasher.update(b"key=");
    hasher.update(key.as_bytes());
    hex_upper(&hasher.finalize())
}

/// Whether `params` carry a valid signature. Upper and lower case are equal, as one endpoint of
/// the family answers in lower case; the comparison takes the same time wherever it differs.
///
/// `false` if the field `sign` is missing.
pub fn verify(params: &Params, key: &str) -> bool {
    let Some(given) = params.get(SIGN_FIELD) else {
        return false;
    };
    let expected = sign(params, key);
    given
        .to_ascii_uppercase()
        .as_bytes()
        .ct_eq(expected.as_bytes())
        .into()
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
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
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
