//! A table: its items, its streams, and what is known about it. Pure.

pub(crate) mod description;

use description::Description;

use super::{
    item::Item,
    key::Key,
    partitions::Partitions,
    stream::{KEEP_MS, Sequence, Stream, ViewType, record::Record},
    timestamp,
};

/// A table. A clone is a picture of this moment, and cheap.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) description: Description,
    pub(crate) items: Partitions,
    /// Oldest first. Only the last may be enabled.
    pub(crate) streams: Vec<Stream>,
    /// The last place in its history that was given away.
    pub(crate) sequence: Sequence,
    /// How often it has changed: grows with every record in the journal.
    pub(crate) version: u64,
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
            streams: Vec::new(),
            sequence: Sequence::default(),
            version: 0,
        }
    }

    /// Makes a change, and a record of it if a stream is on.
    pub(crate) fn apply(&mut self, change: Change, now_ms: u64) -> Outcome {
        let Change { key, new, by_ttl } = change;
        let hash = key.hash;
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
        if let Some(stream) = self.enabled_stream_mut() {
            let record = Record { sequence, created_ms: now_ms, old: old.clone(), new, by_ttl };
            stream.append(hash, record);
        }
        Outcome::Changed { old }
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
        self.items = Partitions::default();
        self.disable_stream(now_ms);
        self.description.deleted_ms = Some(now_ms);
    }

    /// Whether time alone changes something.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.streams.iter().any(|it| it.is_due(now_ms) || is_forgotten(it, now_ms))
    }

    /// Does what is due in its streams; says whether its state must be recorded.
    pub(crate) fn tick(&mut self, now_ms: u64) -> bool {
        let Table { streams, sequence, .. } = self;
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
        if self.description.deleted_ms.is_some() {
            self.items = Partitions::default();
        }
    }
}

fn is_forgotten(stream: &Stream, now_ms: u64) -> bool {
    stream.disabled_ms.is_some_and(|it| it + KEEP_MS <= now_ms)
}

#[cfg(test)]
mod tests;
