//! `MessagePack` as records use it: one array a value, by position, without the empty end.

use std::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::RecordError;
use crate::domain::UnixMillis;

/// Bytes that most records fit in, so that writing one takes memory once.
const USUAL: usize = 256;

/// Most values that memory is taken for before they were read: what announces more grows as it comes.
const AT_ONCE: usize = 8;

/// Serializes an array of values, each with whether it is needed; those at the end that are not are
/// left off, and a reader takes their defaults. The array tells its length: what was cut off is missed.
macro_rules! array {
    ($serializer:expr; $($value:expr => $needed:expr),+ $(,)?) => {{
        let needed = [$($needed),+];
        let len = needed.iter().rposition(|needed| *needed).map_or(0, |last| last + 1);
        let mut array = serde::Serializer::serialize_tuple($serializer, len)?;
        let mut left = 0..len;
        $(
            if left.next().is_some() {
                serde::ser::SerializeTuple::serialize_element(&mut array, &$value)?;
            }
        )+
        serde::ser::SerializeTuple::end(array)
    }};
}

pub(super) use array;

/// These bytes, and the value after them.
pub(super) fn write(head: &[u8], value: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::with_capacity(USUAL);
    out.extend_from_slice(head);
    value.serialize(&mut rmp_serde::Serializer::new(&mut out))?;
    Ok(out)
}

/// One value, and nothing after it.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RecordError> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut reader)?;
    // Only where no byte is left is there no marker of another value to be read.
    match u8::deserialize(&mut reader) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(RecordError::Value("end")),
    }
}

/// How far a moment is from another: it wraps, so that it is exact for any two.
pub(super) fn since(at: UnixMillis, base: UnixMillis) -> i64 {
    at.get().wrapping_sub(base.get())
}

/// The moment that is so far from another.
pub(super) fn after(base: UnixMillis, millis: i64) -> UnixMillis {
    UnixMillis::new(base.get().wrapping_add(millis))
}

/// A list whose announced length takes no memory.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let announced = seq.size_hint().unwrap_or_default();
                let mut all = Vec::with_capacity(announced.min(AT_ONCE));
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(List(all))
            }
        }

        deserializer.deserialize_seq(Each(PhantomData))
    }
}
