//! A gateway's answer as received: one flat JSON object, every field of it, values by their exact
//! text.
//!
//! A signature covers fields that we do not know and numbers as they were written, so nothing is
//! parsed into a type before the signature has been checked. A field that occurs twice makes the
//! whole answer unreadable: two readers would understand it differently.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::sign::{self, Reading, SIGN_FIELD};
use crate::domain::GatewayRefundNo;
use crate::ports::GatewayError;

/// Longest piece of a gateway's text that goes into an error, characters.
const TEXT_MAX: usize = 200;

/// The fields of an answer; `None` is a JSON null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer(BTreeMap<String, Option<String>>);

/// What the signature of an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    /// There is one, and it is right.
    Valid,
    /// There is none.
    Missing,
    /// There is one, and it is wrong.
    Wrong,
    /// There is one and it is right, but the signed text could be read as other fields as well.
    Unclear,
}

impl Answer {
    /// Reads a body.
    ///
    /// # Errors
    /// [`GatewayError::Unreadable`] unless it is one JSON object without repeated names.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, GatewayError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(GatewayError::Unreadable("empty".to_owned()));
        }
        serde_json::from_slice(body)
            .map_err(|err| GatewayError::Unreadable(format!("not a JSON object: {err}")))
    }

    /// Makes one of names and values that did not come as JSON.
    ///
    /// # Errors
    /// [`GatewayError::Unreadable`] if a name occurs twice.
    pub(crate) fn of(pairs: Vec<(String, String)>) -> Result<Self, GatewayError> {
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            if fields.contains_key(&name) {
                let name = clip(&name);
                return Err(GatewayError::Unreadable(format!("{name:?} occurs twice")));
            }
            fields.insert(name, Some(value));
        }
        Ok(Self(fields))
    }

    /// The text of a field; `None` if it is missing, null or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Option::as_deref).filter(|text| !text.is_empty())
    }

    /// The text of the first of `names` that has one, for an error message.
    pub(crate) fn note(&self, names: &[&str]) -> String {
        names.iter().find_map(|name| self.text(name)).map_or_else(String::new, clip)
    }

    /// A count of minor units; `None` if the field is missing, null or empty.
    ///
    /// # Errors
    /// [`GatewayError::Unreadable`] for anything but a whole number from 0 up.
    pub(crate) fn cents(&self, name: &str) -> Result<Option<u64>, GatewayError> {
        self.text(name)
            .map(|text| {
                Some(text)
                    .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| {
                        let text = clip(text);
                        GatewayError::Unreadable(format!("{name} is {text:?}, not an amount"))
                    })
            })
            .transpose()
    }

    /// The gateway's id of the refund. One that does not parse is dropped: nothing is ever matched
    /// on it.
    pub(crate) fn gateway_refund_no(&self, name: &str) -> Option<GatewayRefundNo> {
        self.text(name).and_then(|text| GatewayRefundNo::parse(text).ok())
    }

    /// Every name, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Checks the signature over every field received.
    pub(crate) fn signature(&self, key: &str, reading: Reading) -> Signature {
        let Some(given) = self.text(SIGN_FIELD) else {
            return Signature::Missing;
        };
        let fields: Vec<(&str, Option<&str>)> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        if !sign::verify_received(&fields, given, key, reading) {
            Signature::Wrong
        } else if fields.iter().any(|(name, value)| hides_fields(name, value.unwrap_or_default())) {
            Signature::Unclear
        } else {
            Signature::Valid
        }
    }
}

/// Whether a field holds what could be fields of its own.
///
/// The signed text is `name=value&name=value`, and nothing in it shows where a value ends. Whoever
/// can change an answer on its way, and has got a text of his own into it before, could otherwise
/// fold the true fields into a value and cut false ones out of that text, under a right signature.
fn hides_fields(name: &str, value: &str) -> bool {
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    name.contains(['&', '='])
        || value
            .split('&')
            .skip(1)
            .any(|rest| rest.split_once('=').is_some_and(|(name, _)| is_name(name)))
}

/// `text`, shortened to what an error message can carry.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

/// Collects the fields of the object.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answer, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            let value = value_text(raw.get()).map_err(A::Error::custom)?;
            if fields.contains_key(&name) {
                let name = clip(&name);
                return Err(A::Error::custom(format!("{name:?} occurs twice")));
            }
            fields.insert(name, value);
        }
        Ok(Answer(fields))
    }
}

/// The text of a value: strings unescaped, everything else as it was written.
fn value_text(raw: &str) -> Result<Option<String>, serde_json::Error> {
    if raw == "null" {
        return Ok(None);
    }
    if raw.starts_with('"') {
        return serde_json::from_str(raw).map(Some);
    }
    Ok(Some(raw.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_the_text_they_were_written_with() {
        let body =
            br#" {"a":"x\u00e9\"","b":1.50,"c":1e2,"d":null,"e":{"f": [1, 2]},"g":true,"h":""} "#;
        let answer = Answer::parse(body).unwrap();
        assert_eq!(answer.text("a"), Some("xé\""));
        assert_eq!(answer.text("b"), Some("1.50"));
        assert_eq!(answer.text("c"), Some("1e2"));
        assert_eq!(answer.text("d"), None);
        assert_eq!(answer.text("e"), Some(r#"{"f": [1, 2]}"#));
        assert_eq!(answer.text("g"), Some("true"));
        assert_eq!(answer.text("h"), None);
    }

    #[test]
    fn amounts_are_whole_numbers_and_nothing_else() {
        let answer = Answer::parse(
            br#"{"a":"100","b":100,"c":"1.00","d":-1,"e":"+1","f":1e2,"g":"","h":18446744073709551616}"#,
        )
        .unwrap();
        assert_eq!(answer.cents("a").unwrap(), Some(100));
        assert_eq!(answer.cents("b").unwrap(), Some(100));
        assert_eq!(answer.cents("g").unwrap(), None);
        for bad in ["c", "d", "e", "f", "h"] {
            assert!(answer.cents(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_signature_over_a_value_that_could_be_fields_proves_nothing() {
        let signature = |name: &str, value: &str| {
            let mut params = sign::Params::new();
            params.insert("mch_id".to_owned(), "1".to_owned());
            params.insert(name.to_owned(), value.to_owned());
            params.insert(SIGN_FIELD.to_owned(), sign::sign(&params, "key"));
            let body = serde_json::to_vec(&params).unwrap();
            Answer::parse(&body).unwrap().signature("key", Reading::Strict)
        };
        for value in ["late & cold", "a=b", "Tea & Co = best", "&", "x&=1", "x&y", "1"] {
            assert_eq!(signature("body", value), Signature::Valid, "{value}");
        }
        for value in ["Tea&status=2", "&refund_status_0=SUCCESS", "x&y&z="] {
            assert_eq!(signature("body", value), Signature::Unclear, "{value}");
        }
        for name in ["body=Tea&z", "x&status", "a=b"] {
            assert_eq!(signature(name, "1"), Signature::Unclear, "{name}");
        }
    }

    #[test]
    fn what_is_not_one_plain_object_is_unreadable() {
        for body in [
            "",
            " \n",
            "<html>502</html>",
            "[]",
            "\"SUCCESS\"",
            "null",
            "{",
            "{\"a\":1",
            "{} {}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":\"\\ud800\"}",
            "{'a':1}",
        ] {
            let err = Answer::parse(body.as_bytes()).unwrap_err();
            assert!(matches!(err, GatewayError::Unreadable(_)), "{body}: {err}");
        }
        assert!(Answer::parse(b"{\"a\":\"\xff\"}").is_err());
    }
}
