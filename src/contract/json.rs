//! Reading JSON more strictly than serde does: no duplicate keys, no bottomless nesting, and every
//! value kept as it was written until a rule has looked at it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Longest piece of somebody's input that an error repeats, characters.
const SHOWN: usize = 60;

/// One JSON object, its values still as they were written.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    entries: Vec<(String, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads an object. The caller has seen that the text begins with `{`.
    ///
    /// # Errors
    /// What is wrong with the text, with its position.
    pub(super) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let entries = reader.deserialize_map(Entries)?;
        reader.end()?;
        Ok(Self { entries })
    }

    /// The names, in the order they were written, repeated if they were.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// The first name that is written twice.
    pub(super) fn duplicate(&self) -> Option<&str> {
        let mut seen = HashSet::with_capacity(self.entries.len());
        self.names().find(|name| !seen.insert(*name))
    }

    /// The value of that name as it was written; `None` if it is not there or `null`.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.written(name).filter(|raw| *raw != "null")
    }

    /// The value of that name as it was written, `null` included.
    pub(super) fn written(&self, name: &str) -> Option<&'a str> {
        let mut values = self.entries.iter().filter(|(known, _)| known == name);
        values.next().map(|(_, raw)| raw.get())
    }

    /// As [`get`](Self::get), but `None` as well if the name is written twice: then nobody can say
    /// which value was meant.
    pub(super) fn unambiguous(&self, name: &str) -> Option<&'a str> {
        let times = self.names().filter(|known| *known == name).count();
        if times == 1 { self.get(name) } else { None }
    }
}

/// Collects the entries of an object without looking into the values.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// Checks a whole JSON value: duplicate keys at any level, nesting deeper than `depth`, escapes
/// that are no character, numbers that no double can hold.
///
/// # Errors
/// What is wrong, with its position inside `text`.
pub(super) fn check_deep(text: &str, depth: usize) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Strict { depth }.deserialize(&mut reader)?;
    reader.end()
}

/// A value that may nest `depth` levels more.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth }),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format!(
                    "the key \"{}\" is written twice",
                    cut(&name)
                )));
            }
            seen.insert(name);
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A JSON value in words, short enough for a log line: `12.5`, `the string "a"`, `an array`.
pub(super) fn shown(raw: &str) -> String {
    match raw.as_bytes().first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "an array".to_owned(),
        Some(b'"') => format!("the string {}", cut(raw)),
        _ => cut(raw),
    }
}

/// The beginning of a text, control characters made visible.
pub(super) fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    visible(&short)
}

/// The text with control characters made visible, so that no input can forge a log line.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
