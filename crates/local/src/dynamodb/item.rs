//! A stored item: the bytes that are handed out, and what must be known about them. Pure.

use std::sync::Arc;

use wire::{
    canonical::{Canonical, Member},
    json::{Cursor, Malformed},
};

use super::key::{Key, KeyError, KeySchema};

/// The largest item, as DynamoDB counts.
pub(crate) const ITEM_BYTES_MAX: usize = 400 * 1024;

/// Five words: the size, then place and length of the two key attributes.
const HEADER_BYTES: usize = 20;

/// An item in one piece of memory, shared by the table and the stream records that show it.
///
/// Its canonical JSON, and before it where in the JSON the key attributes are: keys are asked for
/// far more often than items change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item(Arc<[u8]>);

/// Why an item cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ItemError {
    #[error("{0}")]
    Key(#[from] KeyError),
    #[error("Item size has exceeded the maximum allowed size")]
    TooLarge,
}

impl Item {
    /// Takes an item with the place it belongs to.
    pub(crate) fn new(canonical: &Canonical, schema: &KeySchema) -> Result<(Key, Item), ItemError> {
        let (key, partition, sort) = schema.key_of(canonical)?;
        if ITEM_BYTES_MAX < canonical.size_bytes {
            return Err(ItemError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(HEADER_BYTES + canonical.json.len());
        let mut word = |value: usize| {
            // An item of 400 KiB is far below 4 GiB, even with every byte escaped.
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&value.to_le_bytes());
        };
        word(canonical.size_bytes);
        for member in [Some(partition), sort] {
            let (start, end) = member.map_or((0, 0), whole);
            word(start);
            word(end - start);
        }
        bytes.extend_from_slice(&canonical.json);
        Ok((key, Item(bytes.into())))
    }

    /// Takes back what [`Item::as_bytes`] gave, if that is what it is.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Item> {
        let item = Item(bytes.into());
        let n_bytes = bytes.len().checked_sub(HEADER_BYTES)?;
        let fits = |at| item.word(at) + item.word(at + 1) <= n_bytes;
        (fits(1) && fits(3)).then_some(item)
    }

    /// Everything about it, to be kept.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its canonical JSON.
    pub(crate) fn json(&self) -> &[u8] {
        &self.0[HEADER_BYTES..]
    }

    /// Its size as DynamoDB charges it.
    pub(crate) fn size_bytes(&self) -> usize {
        self.word(0)
    }

    /// Appends its key attributes as an item of their own.
    pub(crate) fn write_key(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        out.extend_from_slice(self.member(1));
        if self.word(4) != 0 {
            out.push(b',');
            out.extend_from_slice(self.member(3));
        }
        out.push(b'}');
    }

    /// Its place in a table of this schema. `None` if it is an item of another.
    pub(crate) fn key(&self, schema: &KeySchema) -> Option<Key> {
        let value = |at: usize| -> Result<&[u8], Malformed> {
            let mut cursor = Cursor::new(self.member(at));
            cursor.string()?;
            cursor.expect(b':')?;
            cursor.skip()
        };
        let sort = if self.word(4) == 0 { None } else { Some(value(3).ok()?) };
        schema.key_of_values(value(1).ok()?, sort).ok()
    }

    /// About how many bytes of it are key, for the size of stream records.
    pub(crate) fn key_size_bytes(&self) -> usize {
        // `"name":{"S":"value"}`: the name and the value are what counts.
        let of = |n_bytes: usize| n_bytes.saturating_sub(r#""":{"S":""}"#.len());
        of(self.word(2)) + of(self.word(4))
    }

    fn member(&self, at: usize) -> &[u8] {
        &self.json()[self.word(at)..][..self.word(at + 1)]
    }

    fn word(&self, at: usize) -> usize {
        let bytes = &self.0[at * 4..at * 4 + 4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
    }
}

/// From the quote before its name to the end of its value.
fn whole(member: &Member) -> (usize, usize) {
    (member.name.start - 1, member.value.end)
}
