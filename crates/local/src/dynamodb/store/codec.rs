//! The records of journal and snapshots, to bytes and back. Pure.
//!
//! ```text
//! T id version state          anything but items has changed: the new state, as JSON
//! D id                        the table is gone
//! W id version ms write…      items have changed: flags sequence hash key [item]
//! M length record…            several W, all of them or none
//! K ms request token          a transaction was done under this token
//! I id entry…                 items of a snapshot: hash key reference item
//! R id label shard entry…     stream records of a snapshot: sequence ms flags [image] [image]
//! ```
//!
//! An image is a reference number, and the item itself where the number is used first. Numbers are
//! little endian; texts have their length in front.

use serde::de::Error as _;

use crate::dynamodb::{
    item::Item,
    key::Key,
    stream::{Sequence, record::Record},
    table::{Change, Table, description::State},
};

const PUT: u8 = 1;
const BY_TTL: u8 = 2;

/// A record, read.
#[derive(Debug)]
pub(crate) enum Entry {
    State { id: u64, version: u64, state: Box<State> },
    Dropped { id: u64 },
    Several(Vec<Entry>),
    Token { token: String, request: u64, at_ms: u64 },
    Writes { id: u64, version: u64, now_ms: u64, writes: Vec<(Sequence, Change)> },
    Items { id: u64, items: Vec<(Key, u32, Item)> },
    Records { id: u64, label: String, shard: String, records: Vec<KeptRecord> },
}

/// A stream record whose images may be elsewhere.
#[derive(Debug)]
pub(crate) struct KeptRecord {
    pub(crate) sequence: Sequence,
    pub(crate) created_ms: u64,
    pub(crate) by_ttl: bool,
    pub(crate) old: Option<Image>,
    pub(crate) new: Option<Image>,
}

/// A reference number, and the item itself where it is used first.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) reference: u32,
    pub(crate) item: Option<Item>,
}

/// `T`.
pub(crate) fn state(id: u64, table: &Table) -> Vec<u8> {
    let mut out = head(b'T', id);
    out.extend_from_slice(&table.version.to_le_bytes());
    let json = serde_json::to_vec(&table.state()).expect("a state is plain data");
    out.extend_from_slice(&json);
    out
}

/// `D`.
pub(crate) fn dropped(id: u64) -> Vec<u8> {
    head(b'D', id)
}

/// `W`, around what [`push_write`] has gathered.
pub(crate) fn writes(id: u64, version: u64, now_ms: u64, writes: &[u8]) -> Vec<u8> {
    let mut out = head(b'W', id);
    out.reserve_exact(16 + writes.len());
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&now_ms.to_le_bytes());
    out.extend_from_slice(writes);
    out
}

/// `M`; one record alone needs no frame.
pub(crate) fn several(records: &[Vec<u8>]) -> Vec<u8> {
    if let [only] = records {
        return only.clone();
    }
    let mut out = vec![b'M'];
    for record in records {
        push_bytes(record, &mut out);
    }
    out
}

/// `K`.
pub(crate) fn token(token: &str, request: u64, at_ms: u64) -> Vec<u8> {
    let mut out = head(b'K', at_ms);
    out.extend_from_slice(&request.to_le_bytes());
    push_bytes(token.as_bytes(), &mut out);
    out
}

/// Appends one change for [`writes`].
pub(crate) fn push_write(change: &Change, sequence: Sequence, out: &mut Vec<u8>) {
    let flag = |it: bool, flag: u8| if it { flag } else { 0 };
    out.push(flag(change.new.is_some(), PUT) | flag(change.by_ttl, BY_TTL));
    out.extend_from_slice(&sequence.0.to_le_bytes());
    push_key(&change.key, out);
    if let Some(item) = &change.new {
        push_bytes(item.as_bytes(), out);
    }
}

/// The beginning of `I`.
pub(crate) fn items(id: u64) -> Vec<u8> {
    head(b'I', id)
}

/// Appends one item to `I`. Reference 0 is never referred to.
pub(crate) fn push_item(key: &Key, reference: u32, item: &Item, out: &mut Vec<u8>) {
    push_key(key, out);
    out.extend_from_slice(&reference.to_le_bytes());
    push_bytes(item.as_bytes(), out);
}

/// The beginning of `R`.
pub(crate) fn records(id: u64, label: &str, shard: &str) -> Vec<u8> {
    let mut out = head(b'R', id);
    push_bytes(label.as_bytes(), &mut out);
    push_bytes(shard.as_bytes(), &mut out);
    out
}

/// Appends one record to `R`. `reference` gives an item its number, and says whether it is new.
pub(crate) fn push_record(
    record: &Record,
    mut reference: impl FnMut(&Item) -> (u32, bool),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&record.sequence.0.to_le_bytes());
    out.extend_from_slice(&record.created_ms.to_le_bytes());
    out.push(u8::from(record.by_ttl));
    for image in [&record.old, &record.new] {
        match image {
            None => out.extend_from_slice(&0u32.to_le_bytes()),
            Some(item) => {
                let (reference, is_new) = reference(item);
                out.extend_from_slice(&reference.to_le_bytes());
                push_bytes(if is_new { item.as_bytes() } else { &[] }, out);
            }
        }
    }
}

/// Reads a record. `None` if it is none of ours.
pub(crate) fn read(bytes: &[u8]) -> Option<Entry> {
    let (kind, rest) = bytes.split_first()?;
    let mut from = Reader { rest };
    if *kind == b'M' {
        let entry = |from: &mut Reader<'_>| match from.bytes()? {
            // One within another would make no sense, and could be nested without end.
            [b'M', ..] => None,
            record => read(record),
        };
        return from.all(entry).map(Entry::Several);
    }
    let id = from.u64()?;
    Some(match kind {
        b'T' => {
            let version = from.u64()?;
            let state = serde_json::from_slice(from.rest).inspect_err(|error| {
                debug_assert!(false, "{}", serde_json::Error::custom(error));
            });
            Entry::State { id, version, state: Box::new(state.ok()?) }
        }
        b'D' => Entry::Dropped { id },
        b'K' => Entry::Token { request: from.u64()?, token: from.text()?, at_ms: id },
        b'W' => {
            let (version, now_ms) = (from.u64()?, from.u64()?);
            Entry::Writes { id, version, now_ms, writes: from.all(Reader::write)? }
        }
        b'I' => Entry::Items { id, items: from.all(Reader::item)? },
        b'R' => {
            let (label, shard) = (from.text()?, from.text()?);
            Entry::Records { id, label, shard, records: from.all(Reader::record)? }
        }
        _ => return None,
    })
}

fn head(kind: u8, id: u64) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&id.to_le_bytes());
    out
}

fn push_key(key: &Key, out: &mut Vec<u8>) {
    out.extend_from_slice(&key.hash.to_le_bytes());
    push_bytes(&key.bytes, out);
}

fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let n_bytes = u32::try_from(bytes.len()).expect("keys and items are far below 4 GiB");
    out.extend_from_slice(&n_bytes.to_le_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn all<T>(&mut self, read: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut all = Vec::new();
        while !self.rest.is_empty() {
            all.push(read(self)?);
        }
        Some(all)
    }

    fn write(&mut self) -> Option<(Sequence, Change)> {
        let flags = self.u8()?;
        let sequence = Sequence(self.u64()?);
        let key = self.key()?;
        let new = if flags & PUT == 0 { None } else { Some(Item::from_bytes(self.bytes()?)?) };
        Some((sequence, Change { key, new, by_ttl: flags & BY_TTL != 0 }))
    }

    fn item(&mut self) -> Option<(Key, u32, Item)> {
        Some((self.key()?, self.u32()?, Item::from_bytes(self.bytes()?)?))
    }

    fn record(&mut self) -> Option<KeptRecord> {
        Some(KeptRecord {
            sequence: Sequence(self.u64()?),
            created_ms: self.u64()?,
            by_ttl: self.u8()? != 0,
            old: self.image()?,
            new: self.image()?,
        })
    }

    #[expect(clippy::option_option, reason = "no image, and no more bytes, are two things")]
    fn image(&mut self) -> Option<Option<Image>> {
        let reference = self.u32()?;
        if reference == 0 {
            return Some(None);
        }
        let bytes = self.bytes()?;
        let item = if bytes.is_empty() { None } else { Some(Item::from_bytes(bytes)?) };
        Some(Some(Image { reference, item }))
    }

    fn key(&mut self) -> Option<Key> {
        Some(Key { hash: self.u64()?, bytes: self.bytes()?.into() })
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn bytes(&mut self) -> Option<&[u8]> {
        let n_bytes = self.u32()? as usize;
        let (bytes, rest) = self.rest.split_at_checked(n_bytes)?;
        self.rest = rest;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }
}
