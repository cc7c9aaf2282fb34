//! Makes tables out of the records of journals and snapshots.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::Path,
};

use journal::Journal;

use super::codec::{self, Entry, Image, KeptRecord};
use crate::dynamodb::{
    item::Item,
    stream::{Sequence, record::Record},
    table::{Table, index::IndexUnits},
};

/// How far numbers jump when a store is opened. A number that was given away, but went down with the
/// power before it was on the disk, is never given away again.
const SEQUENCE_GAP: u64 = 1 << 20;

/// Tables as far as they have been read.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// By number.
    pub(crate) tables: BTreeMap<u64, Table>,
    /// The largest number that a table ever had.
    pub(crate) last_id: u64,
    /// What transactions were done, by their tokens.
    pub(crate) tokens: BTreeMap<String, (u64, u64)>,
    /// What became of tables, so that what comes late for them is no surprise.
    dropped: HashSet<u64>,
    /// The items of a snapshot that its records refer to.
    items: HashMap<u32, Item>,
    n_unknown: u64,
    n_lost: u64,
}

impl Replay {
    /// Reads a snapshot.
    pub(crate) fn snapshot(&mut self, path: &Path) -> io::Result<()> {
        self.items.clear();
        self.file(path)?;
        self.items = HashMap::new();
        Ok(())
    }

    /// Reads a journal, and returns it open.
    pub(crate) fn journal(&mut self, path: &Path) -> io::Result<Journal> {
        self.file(path)
    }

    /// Says what was lost, and readies the tables for new changes.
    pub(crate) fn finish(&mut self) {
        if 0 < self.n_unknown {
            tracing::warn!(records = self.n_unknown, "records that make no sense were skipped");
        }
        if 0 < self.n_lost {
            tracing::warn!(
                records = self.n_lost,
                "stream records whose items were damaged are lost"
            );
        }
        for table in self.tables.values_mut() {
            table.sequence.0 += SEQUENCE_GAP;
            table.ready();
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<Journal> {
        let (journal, damages) = Journal::open(path, |record| match codec::read(record) {
            Some(entry) => self.entry(entry),
            None => self.n_unknown += 1,
        })?;
        for damage in damages {
            tracing::warn!(
                file = %path.display(), from = damage.bytes.start, to = damage.bytes.end,
                "damaged bytes were skipped; the changes in them are lost, everything else is there"
            );
        }
        Ok(journal)
    }

    fn entry(&mut self, entry: Entry) {
        match entry {
            Entry::Several(entries) => entries.into_iter().for_each(|it| self.entry(it)),
            Entry::State { id, version, state } => {
                self.last_id = self.last_id.max(id);
                if self.dropped.contains(&id) {
                    return;
                }
                let table =
                    self.tables.entry(id).or_insert_with(|| Table::new(state.description.clone()));
                if table.version < version {
                    table.restore(*state);
                    table.version = version;
                }
            }
            Entry::Token { token, request, at_ms } => {
                self.tokens.insert(token, (request, at_ms));
            }
            Entry::Dropped { id } => {
                self.last_id = self.last_id.max(id);
                self.tables.remove(&id);
                self.dropped.insert(id);
            }
            Entry::Writes { id, version, now_ms, writes } => {
                let Some(table) = self.tables.get_mut(&id) else {
                    self.n_unknown += u64::from(!self.dropped.contains(&id));
                    return;
                };
                if table.version < version {
                    for (sequence, change) in writes {
                        table.sequence = Sequence(sequence.0.saturating_sub(1));
                        // Indexes are filled when everything is there.
                        table.apply(change, now_ms, &mut IndexUnits::new());
                        // Even if damage made it no change.
                        table.sequence = sequence;
                    }
                    table.version = version;
                }
            }
            Entry::Items { id, items } => {
                for (key, reference, item) in items {
                    if reference != 0 {
                        self.items.insert(reference, item.clone());
                    }
                    if let Some(table) = self.tables.get_mut(&id) {
                        table.items.insert(key, item);
                    }
                }
            }
            Entry::Records { id, label, shard, records } => {
                for record in records {
                    self.record(id, &label, &shard, record);
                }
            }
        }
    }

    fn record(&mut self, id: u64, label: &str, shard: &str, kept: KeptRecord) {
        let KeptRecord { sequence, created_ms, by_ttl, old, new } = kept;
        let (Ok(old), Ok(new)) = (self.image(old), self.image(new)) else {
            self.n_lost += 1;
            return;
        };
        let Some(table) = self.tables.get_mut(&id) else { return };
        table.newest_ms = table.newest_ms.max(created_ms);
        // That of the table itself has no name.
        if label.is_empty() {
            table.history.push(Record { sequence, created_ms, old, new, by_ttl });
            return;
        }
        let stream = table.streams.iter_mut().find(|it| it.label == label);
        let shard = stream.and_then(|it| it.shards.iter_mut().find(|it| it.state.id == shard));
        if let Some(shard) = shard {
            shard.log.push(Record { sequence, created_ms, old, new, by_ttl });
        }
    }

    /// The item that an image is, or `Err` if it was damaged.
    fn image(&mut self, image: Option<Image>) -> Result<Option<Item>, ()> {
        let Some(Image { reference, item }) = image else { return Ok(None) };
        match item {
            Some(item) => Ok(Some(self.items.entry(reference).or_insert(item).clone())),
            None => self.items.get(&reference).cloned().map(Some).ok_or(()),
        }
    }
}
