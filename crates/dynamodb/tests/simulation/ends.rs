//! Both ends, and what is known of what went from one to the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};

use coordination::Lease;
use dynamodb::{Described, Progress};
use pipeline::Timestamp;

pub(crate) const N_KEYS: u8 = 8;
/// How long the index remembers that something was deleted: as our sink sets it.
const GC_DELETES: Duration = Duration::from_hours(1);

/// One change of an item.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: u8,
    /// None if it was deleted.
    pub(crate) value: Option<u32>,
    pub(crate) created: Timestamp,
}

/// A shard of the stream.
#[derive(Debug)]
pub(crate) struct StreamShard {
    pub(crate) parent: Option<usize>,
    pub(crate) closed: bool,
    keys: Range<u8>,
    /// Its changes, by their place in the table's.
    pub(crate) changes: Vec<usize>,
}

/// A table and its stream.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) items: BTreeMap<u8, u32>,
    pub(crate) changes: Vec<Change>,
    pub(crate) shards: Vec<StreamShard>,
}

impl Default for Table {
    fn default() -> Table {
        let first =
            StreamShard { parent: None, closed: false, keys: 0..N_KEYS, changes: Vec::new() };
        Table { items: BTreeMap::new(), changes: Vec::new(), shards: vec![first] }
    }
}

impl Table {
    /// Gives it items that are older than its stream.
    pub(crate) fn fill(&mut self, rng: &mut fastrand::Rng) {
        self.items.extend((0..N_KEYS).map(|key| (key, rng.u32(..))));
    }

    pub(crate) fn change(&mut self, now: Timestamp, key: u8, value: Option<u32>) {
        match value {
            Some(value) => self.items.insert(key, value),
            None => self.items.remove(&key),
        };
        let mut shards = self.shards.iter_mut();
        let shard = shards.find(|it| !it.closed && it.keys.contains(&key)).unwrap();
        shard.changes.push(self.changes.len());
        self.changes.push(Change { key, value, created: now });
    }

    pub(crate) fn open(&self) -> Vec<usize> {
        (0..self.shards.len()).filter(|it| !self.shards[*it].closed).collect()
    }

    pub(crate) fn n_open(&self) -> usize {
        self.open().len()
    }

    /// Closes a shard and opens its child, or its two.
    pub(crate) fn reshard(&mut self, at: usize, split: bool) {
        let Range { start, end } = self.shards[at].keys.clone();
        let middle = if split { start + (end - start) / 2 } else { end };
        self.shards[at].closed = true;
        for keys in [start..middle, middle..end].into_iter().filter(|it| !it.is_empty()) {
            let changes = Vec::new();
            self.shards.push(StreamShard { parent: Some(at), closed: false, keys, changes });
        }
    }

    pub(crate) fn close_all(&mut self) {
        for shard in &mut self.shards {
            shard.closed = true;
        }
    }

    /// As `DescribeStream` tells.
    pub(crate) fn describe(&self) -> Vec<Described> {
        let shards = self.shards.iter().enumerate();
        let described = shards.map(|(n, it)| Described {
            id: shard_id(n),
            parent: it.parent.map(shard_id),
            closed: it.closed,
        });
        described.collect()
    }
}

pub(crate) fn shard_id(n: usize) -> String {
    format!("shard-{n:03}")
}

pub(crate) fn shard_number(id: &str) -> usize {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

/// What a record is called: place 0 is the number 1.
pub(crate) fn progress(place: usize, version: u64) -> Progress {
    Progress { after: Some((place + 1).to_string().parse().unwrap()), version }
}

/// How many of all changes lie before the end of `progress`.
pub(crate) fn places(progress: Progress) -> usize {
    progress.after.map_or(0, |it| it.to_string().parse().unwrap())
}

/// Whether a checkpoint lies behind every change that may not wait.
pub(crate) fn is_saved(
    table: &Table,
    leases: &[Lease],
    may_wait: impl Fn(&Change) -> bool,
) -> bool {
    let saved = |shard: usize| {
        let lease = leases.iter().find(|it| shard_number(&it.partition) == shard);
        let text = lease.and_then(|it| it.checkpoint.as_deref());
        text.map_or(0, |it| places(it.parse().unwrap()))
    };
    let mut shards = table.shards.iter().enumerate();
    shards.all(|(n, shard)| {
        let saved = saved(n);
        shard.changes.iter().all(|it| *it < saved || may_wait(&table.changes[*it]))
    })
}

/// An index with external versions.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: BTreeMap<u8, Entry>,
}

#[derive(Debug)]
struct Entry {
    version: u64,
    value: Option<u32>,
    written: Timestamp,
}

impl Index {
    /// Writes a document or deletes it, unless there is something newer or the same.
    pub(crate) fn write(&mut self, now: Timestamp, key: u8, version: u64, value: Option<u32>) {
        self.entries.retain(|_, it| it.value.is_some() || now <= it.written.after(GC_DELETES));
        if self.entries.get(&key).is_none_or(|it| it.version < version) {
            self.entries.insert(key, Entry { version, value, written: now });
        }
    }

    pub(crate) fn documents(&self) -> BTreeMap<u8, u32> {
        self.entries.iter().filter_map(|(key, it)| Some((*key, it.value?))).collect()
    }
}

/// What must never happen is noticed here.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By the place of the change: whether it has arrived at the index at least once.
    pub(crate) applied: Vec<bool>,
    /// Which version each change got, the first time and ever after.
    pub(crate) versions: BTreeMap<usize, u64>,
    /// Which leases were ever given.
    pub(crate) tokens: BTreeSet<(String, u64)>,
    pub(crate) checkpoints: BTreeMap<String, Progress>,
    pub(crate) read: usize,
    pub(crate) delivered: usize,
    pub(crate) returned: usize,
    pub(crate) dropped: usize,
}

impl Ledger {
    /// A change was read, and numbered.
    pub(crate) fn note_version(&mut self, place: usize, version: u64) {
        let before = *self.versions.entry(place).or_insert(version);
        assert_eq!(before, version, "change {place} came again with another version");
    }

    /// A lease was given.
    pub(crate) fn note_token(&mut self, partition: &str, token: u64) {
        let is_new = self.tokens.insert((partition.to_owned(), token));
        assert!(is_new, "{partition} was given twice with the token {token}");
    }

    /// A checkpoint was written.
    pub(crate) fn note_checkpoint(&mut self, table: &Table, shard: &str, to: Progress) {
        let before = self.checkpoints.insert(shard.to_owned(), to);
        assert!(before.is_none_or(|it| it <= to), "{shard}: the checkpoint went back");
        let mut changes = table.shards[shard_number(shard)].changes.iter();
        let missing = changes.find(|it| **it < places(to) && !self.applied[**it]);
        assert_eq!(missing, None, "{shard}: saved too much");
    }

    /// A shard was read to its end.
    pub(crate) fn note_finished(&self, table: &Table, shard: &str) {
        let changes = &table.shards[shard_number(shard)].changes;
        assert!(changes.iter().all(|it| self.applied[*it]), "{shard}: finished too early");
    }
}
