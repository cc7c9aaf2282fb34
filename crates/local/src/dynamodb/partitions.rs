//! The items of a table, in the order of their keys, cheap to take a picture of. Pure.
//!
//! Cut by the first byte of the hash into 256 maps behind reference counts. A picture is a copy of
//! the 256 references; whoever writes afterwards copies the one map that is touched. So a scan, an
//! export or a snapshot sees one moment, and never stops writers for longer than a 256th of the
//! table takes to copy.

use std::{
    collections::BTreeMap,
    ops::{Bound, RangeBounds},
    sync::Arc,
};

use super::{item::Item, key::Key};

/// How many parts the keys of a table are cut into.
pub(crate) const N_PARTS: usize = 256;

/// Items by key. A clone is a picture of this moment.
#[derive(Clone, Debug)]
pub(crate) struct Partitions {
    parts: Box<[Arc<BTreeMap<Key, Item>>]>,
    n_items: usize,
    size_bytes: usize,
}

impl Default for Partitions {
    fn default() -> Partitions {
        let empty = Arc::new(BTreeMap::new());
        Partitions { parts: vec![empty; N_PARTS].into(), n_items: 0, size_bytes: 0 }
    }
}

impl Partitions {
    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.n_items
    }

    /// The size of all items together, as DynamoDB charges it.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Item> {
        self.parts[part(key.hash)].get(key)
    }

    pub(crate) fn insert(&mut self, key: Key, item: Item) -> Option<Item> {
        let part = &mut self.parts[part(key.hash)];
        self.size_bytes += item.size_bytes();
        let old = Arc::make_mut(part).insert(key, item);
        match &old {
            Some(old) => self.size_bytes -= old.size_bytes(),
            None => self.n_items += 1,
        }
        old
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Item> {
        let part = &mut self.parts[part(key.hash)];
        if !part.contains_key(key) {
            return None;
        }
        let old = Arc::make_mut(part).remove(key)?;
        self.n_items -= 1;
        self.size_bytes -= old.size_bytes();
        Some(old)
    }

    /// The items in a range of keys, in order.
    pub(crate) fn range(
        &self,
        range: (Bound<Key>, Bound<Key>),
    ) -> impl DoubleEndedIterator<Item = (&Key, &Item)> {
        let first = match &range.0 {
            Bound::Included(key) | Bound::Excluded(key) => part(key.hash),
            Bound::Unbounded => 0,
        };
        let last = match &range.1 {
            Bound::Included(key) | Bound::Excluded(key) => part(key.hash),
            Bound::Unbounded => N_PARTS - 1,
        };
        // A range that ends before it begins is empty; the standard library would panic.
        let range = if is_empty(&range) { None } else { Some(range) };
        let parts = self.parts.get(first..=last).unwrap_or_default();
        range
            .into_iter()
            .flat_map(move |range| parts.iter().flat_map(move |part| part.range(range.clone())))
    }

    /// All items, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Item)> {
        self.parts.iter().flat_map(|part| part.iter())
    }
}

fn is_empty(range: &(Bound<Key>, Bound<Key>)) -> bool {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(a), Bound::Included(b)) => b < a,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b))
        | (Bound::Excluded(a), Bound::Included(b)) => b <= a,
        _ => false,
    }
}

/// The part that a key of this hash lies in.
pub(crate) fn part(hash: u64) -> usize {
    // Eight bits.
    (hash >> 56) as usize
}
