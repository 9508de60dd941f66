//! Batches as the scripts take them: `MessagePack`, in the one dialect that Redis's `cmsgpack` reads, where
//! bytes are strings. A whole batch of admit, commit, forget or act is one argument.

use rmp::encode::{ByteBuf, write_array_len, write_nil, write_sint, write_str_len, write_uint};

/// Something that a script takes.
pub(super) trait Pack {
    /// Writes itself.
    fn pack(&self, to: &mut Packer);
}

/// The argument as far as it is written.
#[derive(Debug)]
pub(super) struct Packer(ByteBuf);

impl Packer {
    /// The argument that `value` becomes, about so long.
    pub(super) fn packed(value: &impl Pack, about: usize) -> Vec<u8> {
        let mut to = Self(ByteBuf::with_capacity(about));
        value.pack(&mut to);
        to.0.into_vec()
    }

    // Writing into memory cannot fail: the error of each of these is uninhabited.

    /// Begins an array; its items follow.
    pub(super) fn array(&mut self, items: usize) -> &mut Self {
        let _ = write_array_len(&mut self.0, length(items));
        self
    }

    /// A text, or bytes: a script does not tell them apart.
    pub(super) fn text(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        let text = text.as_ref();
        let _ = write_str_len(&mut self.0, length(text.len()));
        self.0.as_mut_vec().extend_from_slice(text);
        self
    }

    /// A number that the script calculates with.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let _ = write_uint(&mut self.0, number);
        self
    }

    /// The same, with a sign.
    pub(super) fn signed(&mut self, number: i64) -> &mut Self {
        let _ = write_sint(&mut self.0, number);
        self
    }

    /// A place in a list, counted from 1.
    pub(super) fn place(&mut self, place: usize) -> &mut Self {
        self.number(u64::from(length(place)))
    }

    /// A text that may be missing.
    pub(super) fn perhaps(&mut self, text: Option<impl AsRef<[u8]>>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.nothing(),
        }
    }

    /// Something else that may be missing.
    pub(super) fn option(&mut self, value: Option<&impl Pack>) -> &mut Self {
        match value {
            Some(value) => {
                value.pack(self);
                self
            }
            None => self.nothing(),
        }
    }

    /// A value that is missing.
    pub(super) fn nothing(&mut self) -> &mut Self {
        let _ = write_nil(&mut self.0);
        self
    }
}

/// Batches and records are far below this.
fn length(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}
