//! Where an item has its place in a table: primary keys as bytes that sort as DynamoDB sorts. Pure.
//!
//! A key is a hash of the partition key, which spreads items over partitions and gives scans their
//! order, and then the key itself: the partition key with its length in front, so that none is the
//! beginning of another, and the sort key, whose bytes sort as its values do.

mod index;

use std::ops::Bound;

use wire::{
    attribute_value::AttributeValue,
    canonical::{Canonical, Member},
};

use super::expression::{ast::Comparator, key_condition::SortCondition};

/// The longest partition key.
const PARTITION_KEY_BYTES_MAX: usize = 2048;
/// The longest sort key.
const SORT_KEY_BYTES_MAX: usize = 1024;

/// The place of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Of the partition key.
    pub(crate) hash: u64,
    /// Length and bytes of the partition key, then the sort key.
    pub(crate) bytes: Box<[u8]>,
}

/// The three types that a key attribute may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum KeyType {
    S,
    N,
    B,
}

/// A key attribute: its name and type.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeyAttribute {
    pub(crate) name: String,
    pub(crate) kind: KeyType,
}

/// The attributes that make up a primary key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeySchema {
    pub(crate) partition: KeyAttribute,
    pub(crate) sort: Option<KeyAttribute>,
}

/// Why attributes make no key. The messages are DynamoDB's own, and differ between items and keys,
/// so that the caller words the first two.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("One or more parameter values were invalid: Missing the key {0} in the item")]
    Missing(String),
    #[error(
        "One or more parameter values were invalid: Type mismatch for key {name} expected: {expected} actual: {actual}"
    )]
    WrongType { name: String, expected: &'static str, actual: String },
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {name}"
    )]
    Empty { name: String, kind: &'static str },
    #[error(
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"
    )]
    PartitionTooLong,
    #[error(
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
    )]
    SortTooLong,
}

impl Key {
    /// The keys that have the same partition key: the first, and where they end.
    pub(crate) fn collection(&self) -> (Key, Bound<Key>) {
        let n_bytes = match self.bytes[..] {
            [high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => self.bytes.len(),
        };
        let bytes = self.bytes.get(..n_bytes).unwrap_or(&self.bytes).into();
        let first = Key { hash: self.hash, bytes };
        let end = end_of(&first);
        (first, end)
    }
}

impl KeyType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyType::S => "S",
            KeyType::N => "N",
            KeyType::B => "B",
        }
    }

    /// The bytes of a key value of this type, if it is.
    fn encode(self, value: &AttributeValue) -> Option<Vec<u8>> {
        match (self, value) {
            (KeyType::S, AttributeValue::S(text)) => Some(text.as_bytes().to_vec()),
            (KeyType::B, AttributeValue::B(bytes)) => Some(bytes.clone()),
            (KeyType::N, AttributeValue::N(number)) => {
                let mut bytes = Vec::new();
                number.encode(&mut bytes);
                Some(bytes)
            }
            _ => None,
        }
    }
}

impl KeyAttribute {
    /// The member of an item that holds it, and its bytes.
    fn of<'a>(&self, item: &'a Canonical) -> Result<(&'a Member, Vec<u8>), KeyError> {
        let member = item
            .members
            .iter()
            .find(|it| super::expression::document::is_named(item.name(it), &self.name))
            .ok_or_else(|| KeyError::Missing(self.name.clone()))?;
        Ok((member, self.encode_text(item.value(member))?))
    }

    fn encode_text(&self, json: &[u8]) -> Result<Vec<u8>, KeyError> {
        // The common case, without building a value: a string without escapes.
        if self.kind == KeyType::S
            && let Some(text) =
                json.strip_prefix(b"{\"S\":\"").and_then(|it| it.strip_suffix(b"\"}"))
            && !text.is_empty()
            && !text.contains(&b'\\')
        {
            return Ok(text.to_vec());
        }
        let value = AttributeValue::read(json).unwrap_or(AttributeValue::Null);
        self.encode(&value)
    }

    /// The bytes of a value of this attribute.
    pub(crate) fn encode(&self, value: &AttributeValue) -> Result<Vec<u8>, KeyError> {
        let wrong_type = || KeyError::WrongType {
            name: self.name.clone(),
            expected: self.kind.name(),
            actual: value.type_name().to_owned(),
        };
        let bytes = self.kind.encode(value).ok_or_else(wrong_type)?;
        if bytes.is_empty() {
            let kind = if self.kind == KeyType::B { "binary" } else { "string" };
            return Err(KeyError::Empty { name: self.name.clone(), kind });
        }
        Ok(bytes)
    }
}

impl KeySchema {
    /// The attributes, partition key first.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    /// Whether an attribute is part of the key.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.attributes().any(|it| it.name == name)
    }

    /// The place of an item, and its members that say so, partition key first.
    pub(crate) fn key_of<'a>(
        &self,
        item: &'a Canonical,
    ) -> Result<(Key, &'a Member, Option<&'a Member>), KeyError> {
        let (partition_member, partition) = self.partition.of(item)?;
        let (sort_member, sort) = match &self.sort {
            None => (None, Vec::new()),
            Some(attribute) => {
                let (member, bytes) = attribute.of(item)?;
                (Some(member), bytes)
            }
        };
        if SORT_KEY_BYTES_MAX < sort.len() {
            return Err(KeyError::SortTooLong);
        }
        Ok((key(&partition, &sort)?, partition_member, sort_member))
    }

    /// The place of an item whose key attributes have these values, `{"S":"x"}`.
    pub(crate) fn key_of_values(
        &self,
        partition: &[u8],
        sort: Option<&[u8]>,
    ) -> Result<Key, KeyError> {
        let sort = match (&self.sort, sort) {
            (Some(attribute), Some(json)) => attribute.encode_text(json)?,
            (Some(attribute), None) => return Err(KeyError::Missing(attribute.name.clone())),
            (None, _) => Vec::new(),
        };
        key(&self.partition.encode_text(partition)?, &sort)
    }

    /// The range of keys that a query asks for.
    pub(crate) fn range(
        &self,
        partition: &AttributeValue,
        sort: Option<&SortCondition>,
    ) -> Result<(Bound<Key>, Bound<Key>), KeyError> {
        let partition = self.partition.encode(partition)?;
        let first = key(&partition, &[])?;
        let at = |value: &AttributeValue| -> Result<Key, KeyError> {
            let bytes = match &self.sort {
                Some(attribute) => attribute.encode(value)?,
                None => Vec::new(),
            };
            key(&partition, &bytes)
        };
        let end = end_of(&first);
        Ok(match sort {
            None => (Bound::Included(first), end),
            Some(SortCondition::Compare(comparator, value)) => {
                let at = at(value)?;
                match comparator {
                    Comparator::Less => (Bound::Included(first), Bound::Excluded(at)),
                    Comparator::LessOrEqual => (Bound::Included(first), Bound::Included(at)),
                    Comparator::Greater => (Bound::Excluded(at), end),
                    Comparator::GreaterOrEqual => (Bound::Included(at), end),
                    Comparator::Equal | Comparator::NotEqual => {
                        (Bound::Included(at.clone()), Bound::Included(at))
                    }
                }
            }
            Some(SortCondition::Between(low, high)) => {
                (Bound::Included(at(low)?), Bound::Included(at(high)?))
            }
            Some(SortCondition::BeginsWith(start)) => {
                let kind = self.sort.as_ref().map(|it| &it.kind);
                let start = match (start, kind) {
                    // An empty beginning fits everything, though no key is empty.
                    (AttributeValue::S(text), Some(KeyType::S)) if text.is_empty() => first,
                    (AttributeValue::B(bytes), Some(KeyType::B)) if bytes.is_empty() => first,
                    (start, _) => at(start)?,
                };
                let end = end_of(&start);
                (Bound::Included(start), end)
            }
        })
    }
}

fn key(partition: &[u8], sort: &[u8]) -> Result<Key, KeyError> {
    let n_bytes = u16::try_from(partition.len())
        .ok()
        .filter(|n_bytes| usize::from(*n_bytes) <= PARTITION_KEY_BYTES_MAX)
        .ok_or(KeyError::PartitionTooLong)?;
    let bytes = [&n_bytes.to_be_bytes(), partition, sort].concat();
    Ok(Key { hash: hash(partition), bytes: bytes.into() })
}

/// The end of all keys that begin with this one.
fn end_of(key: &Key) -> Bound<Key> {
    let mut bytes = key.bytes.to_vec();
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return Bound::Excluded(Key { hash: key.hash, bytes: bytes.into() });
        }
    }
    match key.hash.checked_add(1) {
        Some(hash) => Bound::Excluded(Key { hash, bytes: Box::default() }),
        None => Bound::Unbounded,
    }
}

/// Spreads partition keys evenly over 64 bits: FNV-1a, and a mix so that the high bits are as good
/// as the low ones. It is part of the data on disk and never changes.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    for factor in [0xFF51_AFD7_ED55_8CCD, 0xC4CE_B9FE_1A85_EC53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
