//! Reading forms and writing signed JSON, as both protocols need it.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::exchange::Trouble;
use super::faults::Fault;
use crate::gateways::sign::{self, Params, SIGN_FIELD};

/// An answer before it is signed and written.
#[derive(Debug, Default)]
pub(super) struct Answer {
    params: Params,
    /// Names whose values are written as JSON numbers.
    pub(super) numbers: &'static [&'static str],
    /// Whether it carries a signature.
    pub(super) signed: bool,
}

impl Answer {
    /// Adds a parameter.
    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.params.insert(name.into(), value.into());
    }

    /// Adds several parameters.
    pub(super) fn with(mut self, pairs: &[(&str, &str)]) -> Self {
        for (name, value) in pairs {
            self.set(*name, *value);
        }
        self
    }

    /// Marks it as signed.
    pub(super) const fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Signs it, unless a fault is in the way, and writes it as one JSON object.
    pub(super) fn finish(mut self, key: &str, fault: Option<&Fault>) -> Vec<u8> {
        if self.signed && fault != Some(&Fault::NoSignature) {
            let mut signature = sign::sign(&self.params, key);
            if fault == Some(&Fault::BadSignature) {
                // A well-formed signature, but of something else.
                signature = sign::sign(&self.params, &signature);
            }
            self.set(SIGN_FIELD, signature);
        }
        let mut json = Vec::with_capacity(64 + self.params.len() * 48);
        for (name, value) in &self.params {
            json.push(if json.is_empty() { b'{' } else { b',' });
            write_text(&mut json, name);
            json.push(b':');
            if self.numbers.contains(&name.as_str()) {
                json.extend_from_slice(value.as_bytes());
            } else {
                write_text(&mut json, value);
            }
        }
        json.push(b'}');
        json
    }
}

/// Writes a JSON string.
fn write_text(json: &mut Vec<u8>, text: &str) {
    // Text into memory: neither the encoding nor the writing can fail.
    let _ = serde_json::to_writer(json, text);
}

/// The fields of an urlencoded form. Of a name that comes twice, the last value counts.
pub(super) fn form(body: &[u8]) -> Params {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The members of a JSON object as text, as they are signed; nulls are left out. `None` if it is
/// no object.
pub(super) fn json_params(text: &str) -> Option<Params> {
    let members: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
    let text_of = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some(value.to_string())
        }
    };
    let params = members.into_iter().filter_map(|(name, value)| Some((name, text_of(value)?)));
    Some(params.collect())
}

/// A field that must be there, of up to `max` characters.
pub(super) fn required(params: &Params, name: &'static str, max: usize) -> Result<String, Trouble> {
    optional(params, name, max)?.ok_or(Trouble::Field(name))
}

/// A field that may be there, of up to `max` characters; an empty one is not there.
pub(super) fn optional(
    params: &Params,
    name: &'static str,
    max: usize,
) -> Result<Option<String>, Trouble> {
    match params.get(name) {
        Some(value) if value.chars().count() > max => Err(Trouble::Field(name)),
        Some(value) if !value.is_empty() => Ok(Some(value.clone())),
        _ => Ok(None),
    }
}

/// An amount in cents that must be there: decimal digits, above 0.
pub(super) fn cents(params: &Params, name: &'static str) -> Result<u64, Trouble> {
    let text = required(params, name, 18)?;
    match text.parse::<u64>() {
        Ok(cents) if cents > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(cents),
        _ => Err(Trouble::Field(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_and_an_empty_one_has_no_fields() {
        let read = form(b"params=%7B%22a%22%3A%22x+y%26z%22%7D&b=");
        assert_eq!(read["params"], r#"{"a":"x y&z"}"#);
        assert_eq!(read["b"], "");
        assert!(form(b"").is_empty());
    }

    #[test]
    fn json_numbers_are_signed_as_their_digits_and_nulls_are_left_out() {
        let read = json_params(r#"{"n":12,"s":"12","none":null}"#).unwrap();
        assert_eq!((read["n"].as_str(), read["s"].as_str()), ("12", "12"));
        assert_eq!(read.len(), 2);
        assert!(json_params("[1]").is_none());
    }

    #[test]
    fn an_answer_is_one_json_object_with_a_signature_that_holds() {
        let mut answer = Answer::default().with(&[("b", "say \"hi\"\n"), ("n", "7")]).signed();
        answer.numbers = &["n"];
        let json = String::from_utf8(answer.finish("key", None)).unwrap();
        let read = json_params(&json).unwrap();
        assert!(sign::verify(&read, "key"), "{json}");
        assert!(json.contains("\"n\":7"), "{json}");
        assert_eq!(read["b"], "say \"hi\"\n");
    }

    #[test]
    fn amounts_are_plain_digits_above_zero() {
        for bad in ["", "0", "-1", "+1", "1.0", " 1", "99999999999999999999"] {
            let params = Params::from([("fee".to_owned(), bad.to_owned())]);
            assert!(cents(&params, "fee").is_err(), "{bad:?}");
        }
        let params = Params::from([("fee".to_owned(), "120".to_owned())]);
        assert_eq!(cents(&params, "fee").unwrap(), 120);
    }
}
