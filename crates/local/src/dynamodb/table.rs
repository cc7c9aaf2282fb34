//! A table: its items, its indexes, its streams, and what is known about it. Pure.

pub(crate) mod description;
pub(crate) mod expiries;
pub(crate) mod index;

use std::ops::Bound;

use description::{Description, Throughput};
use expiries::Expiries;
use index::{Index, IndexError, IndexUnits};

use super::{
    export::Export,
    item::Item,
    key::Key,
    partitions::Partitions,
    stream::{KEEP_MS, Sequence, Stream, ViewType, log::Log, record::Record},
    timestamp,
};

/// A table. A clone is a picture of this moment, and cheap.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) description: Description,
    pub(crate) items: Partitions,
    /// Empty while a journal is replayed; [`Table::ready`] fills them.
    pub(crate) indexes: Vec<Index>,
    /// When items expire, if they do. Filled like the indexes.
    pub(crate) expiries: Option<Expiries>,
    /// The changes of the last day, if continuous backups are on.
    pub(crate) history: Log,
    /// Oldest first.
    pub(crate) exports: Vec<Export>,
    /// Whether indexes and expiries follow changes.
    is_ready: bool,
    /// Oldest first. Only the last may be enabled.
    pub(crate) streams: Vec<Stream>,
    /// The last place in its history that was given away.
    pub(crate) sequence: Sequence,
    /// How often it has changed: grows with every record in the journal.
    pub(crate) version: u64,
    /// When the newest record was made. Time does not go back within a stream, even if a clock does.
    pub(crate) newest_ms: u64,
}

/// What becomes of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) key: Key,
    /// The item from now on; `None` to remove it.
    pub(crate) new: Option<Item>,
    /// Whether it goes because its time to live is over.
    pub(crate) by_ttl: bool,
}

/// What came of a [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was like that already. Nothing is recorded.
    Same,
    /// It was different, or was not there.
    Changed { old: Option<Item> },
}

impl Table {
    pub(crate) fn new(description: Description) -> Table {
        Table {
            description,
            items: Partitions::default(),
            indexes: Vec::new(),
            expiries: None,
            history: Log::default(),
            exports: Vec::new(),
            is_ready: false,
            streams: Vec::new(),
            sequence: Sequence::default(),
            version: 0,
            newest_ms: 0,
        }
    }

    /// Makes a change, and a record of it if a stream is on. Adds up what indexes have used.
    pub(crate) fn apply(
        &mut self,
        change: Change,
        now_ms: u64,
        index_units: &mut IndexUnits,
    ) -> Outcome {
        let Change { key, new, by_ttl } = change;
        let hash = key.hash;
        let follows = self.is_ready && !(self.indexes.is_empty() && self.expiries.is_none());
        let followed = follows.then(|| key.clone());
        let old = match &new {
            Some(new) => {
                if self.items.get(&key) == Some(new) {
                    return Outcome::Same;
                }
                self.items.insert(key, new.clone())
            }
            None => match self.items.remove(&key) {
                None => return Outcome::Same,
                old => old,
            },
        };
        // Numbers are given away whether or not a stream is on, so that a replay gives the same.
        let sequence = self.sequence.advance();
        self.newest_ms = self.newest_ms.max(now_ms);
        let created_ms = self.newest_ms;
        if let Some(key) = followed {
            self.follow(&key, old.as_ref(), new.as_ref(), index_units);
        }
        if self.description.backed_up_since_ms.is_some() {
            let (old, new) = (old.clone(), new.clone());
            self.history.push(Record { sequence, created_ms, old, new, by_ttl });
        }
        if let Some(stream) = self.enabled_stream_mut() {
            let record = Record { sequence, created_ms, old: old.clone(), new, by_ttl };
            stream.append(hash, record);
        }
        Outcome::Changed { old }
    }

    /// Tells indexes and expiries of a change.
    fn follow(
        &mut self,
        key: &Key,
        old: Option<&Item>,
        new: Option<&Item>,
        index_units: &mut IndexUnits,
    ) {
        for index in &mut self.indexes {
            for n_bytes in index.apply(key, old, new, &self.description.schema) {
                let name = (index.description.is_global, index.description.name.clone());
                *index_units.entry(name).or_default() += units(n_bytes, 1024);
            }
        }
        if let Some(expiries) = &mut self.expiries {
            expiries.apply(key, old, new);
        }
    }

    /// Refuses an item that cannot be in an index of this table.
    pub(crate) fn check_indexes(&self, item: &Item, key: &Key) -> Result<(), IndexError> {
        self.indexes.iter().try_for_each(|index| index.check(item, key))
    }

    /// The index of this name.
    pub(crate) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|it| it.description.name == name)
    }

    /// Fills indexes and expiries, which follow every change from now on.
    pub(crate) fn ready(&mut self) {
        self.is_ready = true;
        self.exports.iter_mut().for_each(Export::abandon);
        while self.backfill(usize::MAX) {}
        if self.description.deleted_ms.is_none() {
            let attribute = self.description.ttl.clone();
            self.expire_by(attribute);
        }
    }

    /// Takes another attribute for the time to live.
    pub(crate) fn expire_by(&mut self, attribute: Option<String>) {
        self.expiries = attribute.clone().map(Expiries::of);
        self.description.ttl = attribute;
        if let Some(expiries) = &mut self.expiries {
            self.items.iter().for_each(|(key, item)| expiries.apply(key, None, Some(item)));
        }
    }

    /// Puts the next `n_items` items into an index that is being filled; says whether one still is.
    pub(crate) fn backfill(&mut self, n_items: usize) -> bool {
        let Table { indexes, items, description, .. } = self;
        let Some(index) = indexes.iter_mut().find(|it| it.backfilled_to.is_some()) else {
            return false;
        };
        let from = index.backfilled_to.take().unwrap_or(Bound::Unbounded);
        let mut last = None;
        for (n, (key, item)) in items.range((from, Bound::Unbounded)).enumerate() {
            if n == n_items {
                index.backfilled_to = last.map(|key: &Key| Bound::Excluded(key.clone()));
                break;
            }
            index.apply(key, None, Some(item), &description.schema);
            last = Some(key);
        }
        indexes.iter().any(|it| it.backfilled_to.is_some())
    }

    /// The items as they were at the end of `until_ms`, as far as the history reaches.
    pub(crate) fn items_at(&self, until_ms: u64) -> Partitions {
        let mut items = self.items.clone();
        let schema = &self.description.schema;
        let later: Vec<&Record> = self.history.after(until_ms).collect();
        for record in later.into_iter().rev() {
            let item = record.new.as_ref().or(record.old.as_ref());
            let Some(key) = item.and_then(|it| it.key(schema)) else { continue };
            match &record.old {
                Some(old) => items.insert(key, old.clone()),
                None => items.remove(&key),
            };
        }
        items
    }

    pub(crate) fn enabled_stream(&self) -> Option<&Stream> {
        self.streams.last().filter(|it| it.is_enabled())
    }

    pub(crate) fn enabled_stream_mut(&mut self) -> Option<&mut Stream> {
        self.streams.last_mut().filter(|it| it.is_enabled())
    }

    /// Opens a new stream.
    pub(crate) fn enable_stream(&mut self, view_type: ViewType, now_ms: u64) {
        // A label names a moment; two streams of one table never share it.
        let last = self.streams.iter().map(|it| it.created_ms).max();
        let created_ms = last.map_or(now_ms, |last| now_ms.max(last + 1));
        let label = timestamp::label(created_ms);
        let n_shards = self.description.n_shards;
        let mut stream = Stream::open(label, view_type, n_shards, now_ms, &mut self.sequence);
        stream.created_ms = created_ms;
        self.streams.push(stream);
    }

    /// Ends the stream; says whether there was one.
    pub(crate) fn disable_stream(&mut self, now_ms: u64) -> bool {
        let Table { streams, sequence, .. } = self;
        let enabled = streams.last_mut().filter(|it| it.is_enabled());
        enabled.map(|it| it.disable(now_ms, sequence)).is_some()
    }

    /// Empties it and ends its stream, which stays readable for a day.
    pub(crate) fn delete(&mut self, now_ms: u64) {
        self.forget_items();
        self.disable_stream(now_ms);
        self.description.deleted_ms = Some(now_ms);
    }

    fn forget_items(&mut self) {
        self.items = Partitions::default();
        self.indexes.clear();
        self.expiries = None;
        self.history = Log::default();
    }

    /// Whether time alone changes something.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        let has_old = |it: &Record| it.created_ms + KEEP_MS <= now_ms;
        self.history.first().is_some_and(has_old)
            || self.streams.iter().any(|it| it.is_due(now_ms) || is_forgotten(it, now_ms))
    }

    /// Does what is due in its streams; says whether its state must be recorded.
    pub(crate) fn tick(&mut self, now_ms: u64) -> bool {
        let Table { streams, sequence, history, .. } = self;
        history.trim(now_ms.saturating_sub(KEEP_MS));
        let n_streams = streams.len();
        streams.retain(|it| !is_forgotten(it, now_ms));
        let mut has_changed = streams.len() < n_streams;
        for stream in streams {
            has_changed |= stream.tick(now_ms, sequence);
        }
        has_changed
    }

    /// What must be kept besides items and records.
    pub(crate) fn state(&self) -> description::State {
        description::State {
            description: self.description.clone(),
            streams: self.streams.iter().map(Stream::state).collect(),
            sequence: self.sequence,
            indexes: self.indexes.iter().map(|it| it.description.clone()).collect(),
            exports: self.exports.clone(),
        }
    }

    /// Takes over a state, keeping items and records.
    pub(crate) fn restore(&mut self, state: description::State) {
        let mut before = std::mem::take(&mut self.streams);
        self.streams = state
            .streams
            .into_iter()
            .map(|state| {
                let at = before.iter().position(|it| it.label == state.label);
                Stream::restore(state, at.map(|at| before.swap_remove(at)))
            })
            .collect();
        self.description = state.description;
        self.sequence = self.sequence.max(state.sequence);
        self.indexes = state.indexes.into_iter().map(Index::new).collect();
        self.exports = state.exports;
        if self.description.backed_up_since_ms.is_none() {
            self.history = Log::default();
        }
        if self.description.deleted_ms.is_some() {
            self.forget_items();
        }
    }
}

/// Units for so many bytes: at least one.
pub(crate) fn units(size_bytes: usize, unit_bytes: usize) -> f64 {
    let units = size_bytes.div_ceil(unit_bytes).max(1);
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

fn is_forgotten(stream: &Stream, now_ms: u64) -> bool {
    stream.disabled_ms.is_some_and(|it| it + KEEP_MS <= now_ms)
}

#[cfg(test)]
mod tests;
