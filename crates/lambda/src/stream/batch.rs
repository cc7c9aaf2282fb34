//! From the payload of a batch to events, and to records that can never be any. Pure.
//!
//! Nothing is copied: an event holds its place in the payload. Every record of the batch ends up in
//! exactly one of [`Batch::events`], [`Batch::poison`] and [`Batch::kept`].

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;
use pipeline::{Document, Event, Map, Origin, Path, SequenceNumber, Table, Timestamp, Value};
use wire::{
    json::{Cursor, Malformed, unescape},
    stream::{ChangeKind, Record},
};

use super::change::{Sighting, Unusable};
use crate::{
    id::{KeyValue, document_id},
    settings::{IndexName, KeyNames, StreamSettings},
};

/// A document version is a second times this, so that it compares with those of a running service.
const VERSIONS_PER_SECOND: u64 = 1_000_000;

/// One record of the batch, for whoever has to speak of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where in the payload it is.
    pub place: Range<usize>,
    /// Where in the shard it is, if it says so.
    pub sequence_number: Option<SequenceNumber>,
    /// The same, as it was written.
    pub sequence_text: String,
    /// Its `eventID`.
    pub event_id: String,
    /// Its table's name.
    pub table: String,
    /// Its table, once its keys are known.
    pub keys: Option<Arc<Table>>,
    /// Where it goes.
    pub index: String,
    /// The id of its document; empty if it has none.
    pub document_id: String,
    /// Its version.
    pub version: u64,
    /// When it happened, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Whether it is the end of an item whose time to live was over.
    pub by_ttl: bool,
    /// Whether it removes the document.
    pub removes: bool,
}

/// A batch, read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Its records, in their order.
    pub entries: Vec<Entry>,
    /// What is to be indexed, each with the number of its record.
    pub events: Vec<Event>,
    /// Records that can never be written, by number, and why.
    pub poison: Vec<(usize, String)>,
    /// How many were left as they are on purpose.
    pub kept: usize,
}

/// Reads the records at `places` of `payload`.
///
/// # Errors
///
/// When the function or its stream is set up so that all such records would fail. The text says what
/// to change.
pub(super) fn read(
    payload: &Bytes,
    places: &[Range<usize>],
    settings: &StreamSettings,
    now: Timestamp,
) -> Result<Batch, String> {
    let mut reader = Reader {
        payload,
        settings,
        tables: HashMap::new(),
        versions: HashMap::new(),
        // A batch has one order. A record without a time happened after the one before it.
        created_ms: now.0,
        batch: Batch::default(),
    };
    for place in places {
        match reader.read(place) {
            Ok(()) => {}
            Err(Unusable::Poison(reason)) => {
                reader.batch.poison.push((reader.batch.entries.len() - 1, reason));
            }
            Err(Unusable::Configuration(problem)) => return Err(problem),
        }
    }
    Ok(reader.batch)
}

struct Reader<'a> {
    payload: &'a Bytes,
    settings: &'a StreamSettings,
    tables: HashMap<String, Arc<Table>>,
    /// The last version of each item: by its table and id.
    versions: HashMap<(String, String), u64>,
    created_ms: u64,
    batch: Batch,
}

impl Reader<'_> {
    /// Reads one record. Its entry is there whatever comes of it.
    fn read(&mut self, place: &Range<usize>) -> Result<(), Unusable> {
        let seen = Sighting::read(self.payload, place);
        self.batch.entries.push(Entry { place: place.clone(), ..Entry::default() });
        let seen = seen.map_err(|error| Unusable::Poison(format!("it cannot be read: {error}")))?;
        self.created_ms = seen.created_ms.unwrap_or(self.created_ms);
        let created_ms = self.created_ms;
        let table = seen.table().unwrap_or_default().to_owned();
        let index = self.settings.index.of(&table);
        let entry = self.batch.entries.last_mut().expect("pushed above");
        entry.sequence_number = seen.sequence_number;
        entry.sequence_text.clone_from(&seen.sequence_text);
        entry.event_id.clone_from(&seen.event_id);
        entry.table.clone_from(&table);
        entry.index.clone_from(&index);
        entry.created_ms = created_ms;
        let record = seen.record(place.clone(), created_ms)?;
        entry.removes = record.kind == ChangeKind::Remove;
        entry.by_ttl = record.by_ttl && entry.removes;

        let keys = keys(seen.keys(self.payload))
            .map_err(|error| Unusable::Poison(format!("its keys cannot be read: {error}")))?;
        let table = self.table(&table, &keys)?;
        let id = id_of(&table, &keys)?;
        let entry = self.batch.entries.last_mut().expect("pushed above");
        entry.keys = Some(Arc::clone(&table));
        if entry.by_ttl && !self.settings.deletes_by_ttl {
            self.batch.kept += 1;
            return Ok(());
        }
        // Should the clock of the stream go back, the order of the shard still holds.
        let version = created_ms / 1000 * VERSIONS_PER_SECOND;
        let last = self.versions.entry((table.name.clone(), id.clone())).or_insert(version);
        let version = version.max(*last);
        *last = version;
        entry.version = version;
        entry.document_id.clone_from(&id);
        let event = self.event(record, table, version, id, index);
        self.batch.events.push(event);
        Ok(())
    }

    fn event(
        &self,
        record: Record,
        table: Arc<Table>,
        version: u64,
        id: String,
        index: String,
    ) -> Event {
        let document = if record.kind == ChangeKind::Remove {
            Document::default()
        } else {
            Document::Item(self.payload.slice(record.new_image.clone()))
        };
        let mut metadata = Map::default();
        metadata.insert("document_id".to_owned(), Value::String(id));
        metadata.insert("index_name".to_owned(), Value::String(index));
        let body = self.payload.clone();
        let origin = Origin { table, body, record, path: Path::Stream, version };
        Event { document, origin: Some(origin), metadata, ..Event::default() }
    }

    /// The table of a record with these keys.
    fn table(&mut self, name: &str, keys: &[Key]) -> Result<Arc<Table>, Unusable> {
        if let Some(table) = self.tables.get(name) {
            check_keys(table, keys)?;
            return Ok(Arc::clone(table));
        }
        let by_name = matches!(self.settings.index, IndexName::OfTable(_));
        let is_one = matches!(self.settings.index, IndexName::Fixed(_));
        if is_one && let Some(other) = self.tables.keys().next() {
            return Err(Unusable::Configuration(format!(
                "the batch has records of the tables {other} and {name}, but ES_INDEX names one \
                 index; write `{{table}}` into ES_INDEX, or use one function per table"
            )));
        }
        if by_name && name.is_empty() {
            return Err(Unusable::Poison(
                "the record does not say its table (`eventSourceARN`), which ES_INDEX asks for"
                    .to_owned(),
            ));
        }
        let names = match &self.settings.keys {
            Some(names) => names.clone(),
            None => in_order(keys),
        };
        let table =
            Table { name: name.to_owned(), partition_key: names.partition, sort_key: names.sort };
        check_keys(&table, keys)?;
        let table = Arc::new(table);
        self.tables.insert(name.to_owned(), Arc::clone(&table));
        Ok(table)
    }
}

/// One key attribute of a record.
#[derive(Debug)]
struct Key {
    name: String,
    kind: String,
    value: String,
}

fn keys(json: &[u8]) -> Result<Vec<Key>, Malformed> {
    let mut keys = Vec::new();
    Cursor::new(json).object(|cursor, name| {
        let name = unescape(name)?.into_owned();
        cursor.object(|cursor, kind| {
            let kind = unescape(kind)?.into_owned();
            let value = unescape(cursor.string()?)?.into_owned();
            keys.push(Key { name: name.clone(), kind, value });
            Ok::<(), Malformed>(())
        })
    })?;
    Ok(keys)
}

/// Keys do not say which of them is the partition key, but their names have an order.
fn in_order(keys: &[Key]) -> KeyNames {
    let mut names: Vec<&String> = keys.iter().map(|it| &it.name).collect();
    names.sort_unstable();
    let mut names = names.into_iter().cloned();
    KeyNames { partition: names.next().unwrap_or_default(), sort: names.next() }
}

/// Whether these are the keys that the function was told of.
fn check_keys(table: &Table, keys: &[Key]) -> Result<(), Unusable> {
    if keys.is_empty() {
        return Err(Unusable::Poison("its `Keys` are empty".to_owned()));
    }
    let expected = [Some(&table.partition_key), table.sort_key.as_ref()];
    let n_expected = expected.iter().flatten().count();
    let has_all = expected.iter().flatten().all(|name| keys.iter().any(|key| key.name == **name));
    if has_all && keys.len() == n_expected {
        return Ok(());
    }
    let names: Vec<&str> = keys.iter().map(|it| it.name.as_str()).collect();
    Err(Unusable::Configuration(format!(
        "the keys of {} are {}, but DB_HASH_KEY is {} and DB_SORT_KEY is {}; set them to the table's \
         partition key and sort key",
        if table.name.is_empty() { "the table" } else { &table.name },
        names.join(" and "),
        table.partition_key,
        table.sort_key.as_deref().unwrap_or("not set"),
    )))
}

fn id_of(table: &Table, keys: &[Key]) -> Result<String, Unusable> {
    let value = |name: &str| {
        let key = keys.iter().find(|it| it.name == name);
        let poison = || Unusable::Poison(format!("its key `{name}` is not S, N or B"));
        let key = key.ok_or_else(poison)?;
        match key.kind.as_str() {
            "S" => Ok(KeyValue::Text(&key.value)),
            "N" => Ok(KeyValue::Number(&key.value)),
            "B" => Ok(KeyValue::Binary(&key.value)),
            _ => Err(poison()),
        }
    };
    let partition = value(&table.partition_key)?;
    let sort = table.sort_key.as_deref().map(value).transpose()?;
    document_id(partition, sort).map_err(|error| Unusable::Poison(error.to_string()))
}
