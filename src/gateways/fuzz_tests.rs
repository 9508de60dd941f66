//! What the fuzz targets of both protocols share: spoilt bodies, and what a body shows to somebody
//! who reads it without refundd's code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::answer::Answer;
use super::sign::{self, Params, SIGN_FIELD};
use crate::fuzzing::mutate::{Dice, mutated, mutated_text};

/// The family's public example key.
pub(super) const KEY: &str = "192006250b4c09247ec02edce69f6a2d";

/// A body with a right signature.
pub(super) fn signed(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut params: Params =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    params.insert(SIGN_FIELD.to_owned(), sign::sign(&params, KEY));
    serde_json::to_vec(&params).unwrap()
}

/// A body without one.
pub(super) fn unsigned(fields: &[(&str, &str)]) -> Vec<u8> {
    serde_json::to_vec(&fields.iter().copied().collect::<BTreeMap<_, _>>()).unwrap()
}

/// A body as somebody on the wire could make it of `corpus` without the key.
pub(super) fn forged(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    if !dice.once_in(3) {
        return mutated(dice, corpus);
    }
    // The signed text does not show where a value ends. Cuts it wherever a field could begin, then
    // folds a few runs of fields into the value before them.
    let Some(mut fields) = fields_of(&corpus[dice.below(corpus.len())]) else {
        return mutated(dice, corpus);
    };
    let sign = fields.remove(SIGN_FIELD).unwrap_or_default();
    let text = fields.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
    let mut pieces: Vec<String> = text.split('&').map(str::to_owned).collect();
    for _ in 0..dice.below(4) {
        let from = dice.below(pieces.len());
        let to = if dice.once_in(2) { pieces.len() } else { from + 1 + dice.below(8) };
        let run = from..to.min(pieces.len());
        let folded = pieces[run.clone()].join("&");
        pieces.splice(run, [folded]);
    }
    let pairs = pieces.iter().filter_map(|piece| piece.split_once('='));
    let mut made: BTreeMap<&str, &str> = pairs.collect();
    made.insert(SIGN_FIELD, &sign);
    serde_json::to_vec(&made).unwrap()
}

/// A body as the gateway itself could make it: spoilt, then signed.
pub(super) fn resigned(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let example = &corpus[dice.below(corpus.len())];
    if let (false, Some(mut fields)) = (dice.once_in(3), fields_of(example)) {
        let parts: Vec<Vec<u8>> =
            fields.iter().flat_map(|(k, v)| [k, v]).map(|text| text.as_bytes().to_vec()).collect();
        fields.remove(SIGN_FIELD);
        for _ in 0..=dice.below(3) {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = names[dice.below(names.len())].clone();
            let other = parts[dice.below(parts.len())].clone();
            match dice.below(4) {
                0 => drop(fields.remove(&name)),
                1 => {
                    let spoilt = mutated_text(dice, &[name.clone().into_bytes(), other]);
                    let value = fields.remove(&name).unwrap_or_default();
                    fields.insert(spoilt, value);
                }
                2 => drop(fields.insert(name, String::from_utf8(other).unwrap())),
                _ => {
                    let value = mutated_text(dice, &[fields[&name].clone().into_bytes(), other]);
                    fields.insert(name, value);
                }
            }
            if fields.is_empty() {
                break;
            }
        }
        fields.insert(SIGN_FIELD.to_owned(), sign::sign(&fields, KEY));
        return serde_json::to_vec(&fields).unwrap();
    }
    // Numbers stay as they were written.
    let body = mutated(dice, &without_signatures(corpus));
    match (fields_of(&body), body.iter().position(|b| *b == b'{')) {
        (Some(fields), Some(at)) if !fields.contains_key(SIGN_FIELD) => {
            let sign = format!("\"sign\":\"{}\"", sign::sign(&fields, KEY));
            let comma = if fields.is_empty() { "" } else { "," };
            let (head, tail) = body.split_at(at + 1);
            [head, sign.as_bytes(), comma.as_bytes(), tail].concat()
        }
        _ => body,
    }
}

/// The same bodies before the gateway signed them.
fn without_signatures(corpus: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let strip = |body: &Vec<u8>| {
        let text = String::from_utf8(body.clone()).unwrap();
        let Some((head, tail)) = text.split_once("\"sign\":\"") else {
            return text.into_bytes();
        };
        let tail = tail.get(33..).unwrap_or_default();
        format!("{head}{}", tail.strip_prefix(',').unwrap_or(tail)).into_bytes()
    };
    corpus.iter().map(strip).collect()
}

/// The fields of a body that is an object without repeated names, as the signature takes them.
pub(super) fn fields_of(body: &[u8]) -> Option<Params> {
    let answer = Answer::parse(body).ok()?;
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    assert!(answer.names().eq(fields.keys()), "two readers read two different answers");
    let text = |raw: &str| match raw {
        "null" => String::new(),
        raw => serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned()),
    };
    let mut fields: Params =
        fields.into_iter().map(|(name, raw)| (name, text(raw.get()))).collect();
    fields.retain(|_, value| !value.is_empty());
    Some(fields)
}

/// What the key's holder has signed in a body, whatever the order and wherever values end.
pub(super) type SignedText = BTreeSet<String>;

/// See [`SignedText`].
pub(super) fn signed_text(body: &[u8]) -> Option<SignedText> {
    let mut fields = fields_of(body)?;
    fields.remove(SIGN_FIELD)?;
    let text: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
    Some(text.join("&").split('&').map(str::to_owned).collect())
}

/// What the honest bodies say, by what is signed in them.
pub(super) struct Honest(BTreeMap<SignedText, Vec<String>>);

impl Honest {
    /// `says` gives what a body decides on the strength of its signature, if anything.
    pub(super) fn new(corpus: &[Vec<u8>], says: impl Fn(&[u8]) -> Vec<String>) -> Self {
        let signed = corpus.iter().filter_map(|body| Some((signed_text(body)?, says(body))));
        Self(signed.collect())
    }

    /// Holds what a body made without the key decides against what the key's holder has said.
    pub(super) fn hold(&self, body: &[u8], decided: &[String]) {
        if decided.is_empty() {
            return;
        }
        let said = signed_text(body).and_then(|text| self.0.get(&text));
        let said = said.unwrap_or_else(|| panic!("{decided:?} without the key"));
        assert!(decided.iter().all(|one| said.contains(one)), "{decided:?}, said was {said:?}");
    }
}
