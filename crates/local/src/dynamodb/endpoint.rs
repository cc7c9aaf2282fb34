//! The tables of an endpoint, and the one way to change them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    error::ApiError,
    faults::Faults,
    key::KeySchema,
    request::Caller,
    store::{Store, codec},
    stream::KEEP_MS,
    table::{Change, Outcome, Table, description::Description},
};
use crate::clock::Clock;

/// How many records the streams of a deleted table may have and still be kept: they hold memory, and
/// whoever deletes a large table wants it back.
const DELETED_RECORDS_MAX: usize = 100_000;
/// How many deleted tables are kept for their streams.
const DELETED_TABLES_MAX: usize = 100;

/// Everything behind a handle.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) tables: RwLock<Tables>,
    /// `None` keeps nothing.
    pub(crate) store: Option<Store>,
}

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// By region and name.
    pub(crate) live: BTreeMap<(String, String), Arc<Cell>>,
    /// Tables that are gone, but whose streams can be read for a day.
    pub(crate) deleted: Vec<Arc<Cell>>,
    /// The last number given to a table.
    pub(crate) last_id: u64,
}

/// A table, its lock, and what never changes about it.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) id: u64,
    pub(crate) schema: KeySchema,
    table: RwLock<Table>,
}

impl Cell {
    pub(crate) fn new(id: u64, table: Table) -> Cell {
        Cell { id, schema: table.description.schema.clone(), table: RwLock::new(table) }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A table that is locked for changes. Everything done with it goes into one record of the journal.
pub(crate) struct Writing<'a> {
    table: RwLockWriteGuard<'a, Table>,
    pub(crate) now_ms: u64,
    /// The changes made so far; stays empty without a journal.
    writes: Vec<u8>,
    has_journal: bool,
    /// Whether more than items has changed.
    is_altered: bool,
}

impl Writing<'_> {
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Changes an item.
    pub(crate) fn apply(&mut self, change: Change) -> Outcome {
        let journal = self.has_journal.then(|| change.clone());
        let outcome = self.table.apply(change, self.now_ms);
        if let (Some(change), Outcome::Changed { .. }) = (journal, &outcome) {
            codec::push_write(&change, self.table.sequence, &mut self.writes);
        }
        outcome
    }

    /// Changes anything but items.
    pub(crate) fn alter<T>(&mut self, change: impl FnOnce(&mut Table) -> T) -> T {
        self.is_altered = true;
        change(&mut self.table)
    }
}

impl Endpoint {
    /// The table that a request means by a name or an ARN.
    pub(crate) fn table(&self, caller: &Caller, name: &str) -> Result<Arc<Cell>, ApiError> {
        let (region, name) = table_address(caller, name)?;
        let tables = self.tables();
        if let Some(cell) = tables.live.get(&(region.clone(), name.clone())) {
            return Ok(cell.clone());
        }
        // Most often the region is the mistake.
        let elsewhere = tables.live.keys().find(|(_, it)| *it == name).map(|(region, _)| region);
        Err(ApiError::ResourceNotFound(match elsewhere {
            None => format!("Requested resource not found: Table: {name} not found"),
            Some(elsewhere) => format!(
                "Requested resource not found: Table: {name} not found in {region}; it exists in {elsewhere}"
            ),
        }))
    }

    pub(crate) fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables_mut(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a table.
    pub(crate) fn create(
        &self,
        description: Description,
        prepare: impl FnOnce(&mut Table),
    ) -> Result<Arc<Cell>, ApiError> {
        let address = (description.region.clone(), description.name.clone());
        let mut tables = self.tables_mut();
        if tables.live.contains_key(&address) {
            let name = &address.1;
            return Err(ApiError::ResourceInUse(format!("Table already exists: {name}")));
        }
        tables.last_id += 1;
        let mut table = Table::new(description);
        prepare(&mut table);
        table.version = 1;
        self.append(|| codec::state(tables.last_id, &table))?;
        let cell = Arc::new(Cell::new(tables.last_id, table));
        tables.live.insert(address, cell.clone());
        Ok(cell)
    }

    /// Removes a table. Its streams stay for a day.
    pub(crate) fn delete(&self, cell: &Arc<Cell>) -> Result<(), ApiError> {
        let mut tables = self.tables_mut();
        let address = {
            let table = cell.read();
            (table.description.region.clone(), table.description.name.clone())
        };
        // Whoever comes second finds nothing.
        if tables.live.remove(&address).is_none() {
            return Err(not_found(&address.1));
        }
        let now_ms = self.clock.now_ms();
        if is_worth_keeping(&cell.read()) {
            tables.deleted.push(cell.clone());
            self.write(cell, |writing| {
                writing.alter(|table| table.delete(now_ms));
                Ok(())
            })?;
        } else {
            self.append(|| codec::dropped(cell.id))?;
        }
        let mut n_kept = tables.deleted.len();
        let is_forgotten = |cell: &mut Arc<Cell>| {
            let deleted_ms = cell.read().description.deleted_ms;
            let is_old = deleted_ms.is_some_and(|it| it + KEEP_MS <= now_ms);
            let goes = is_old || DELETED_TABLES_MAX < n_kept;
            n_kept -= usize::from(goes);
            goes
        };
        for cell in tables.deleted.extract_if(.., is_forgotten) {
            self.append(|| codec::dropped(cell.id))?;
        }
        Ok(())
    }

    /// Locks a table and changes it. What `change` does is in the journal when this returns, and on
    /// its way to the disk once [`Endpoint::settle`] has.
    ///
    /// # Errors
    ///
    /// Those of `change`; and when the table is gone, or the journal cannot be written.
    pub(crate) fn write<T>(
        &self,
        cell: &Cell,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.write_even_deleted(cell, |writing| {
            let it = &writing.table().description;
            if it.deleted_ms.is_some() {
                return Err(not_found(&it.name));
            }
            change(writing)
        })
    }

    fn write_even_deleted<T>(
        &self,
        cell: &Cell,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        if let Some(store) = &self.store {
            store.check()?;
        }
        let now_ms = self.clock.now_ms();
        let mut writing = Writing {
            table: cell.lock(),
            now_ms,
            writes: Vec::new(),
            has_journal: self.store.is_some(),
            is_altered: false,
        };
        if writing.table.is_due(now_ms) {
            writing.is_altered = writing.table.tick(now_ms);
        }
        // Changes of items must find the shards they went to when they are replayed.
        self.journal_state(cell, &mut writing)?;
        let result = change(&mut writing);
        if !writing.writes.is_empty() {
            writing.table.version += 1;
            let version = writing.table.version;
            self.append(|| codec::writes(cell.id, version, now_ms, &writing.writes))?;
        }
        self.journal_state(cell, &mut writing)?;
        result
    }

    /// Does what time has made due before a stream is read.
    pub(crate) fn tick(&self, cell: &Cell) -> Result<(), ApiError> {
        if cell.read().is_due(self.clock.now_ms()) {
            self.write_even_deleted(cell, |_| Ok(()))?;
        }
        Ok(())
    }

    fn journal_state(&self, cell: &Cell, writing: &mut Writing<'_>) -> Result<(), ApiError> {
        if !std::mem::take(&mut writing.is_altered) {
            return Ok(());
        }
        writing.table.version += 1;
        self.append(|| codec::state(cell.id, &writing.table))
    }

    fn append(&self, record: impl FnOnce() -> Vec<u8>) -> Result<(), ApiError> {
        match &self.store {
            Some(store) => Ok(store.append(&record())?),
            None => Ok(()),
        }
    }

    /// Makes sure that everything that any answer could show survives the death of the process.
    ///
    /// Called once per request, in one place, before it is answered.
    pub(crate) fn settle(self: &Arc<Endpoint>) -> Result<(), ApiError> {
        let Some(store) = &self.store else { return Ok(()) };
        store.settle()?;
        if store.begins_compaction() {
            let endpoint = self.clone();
            // A thread of its own: it writes for seconds, and outlives the request.
            std::thread::spawn(move || endpoint.compact());
        }
        Ok(())
    }

    pub(crate) fn compact(&self) {
        let Some(store) = &self.store else { return };
        let cells = || {
            let tables = self.tables();
            tables.live.values().chain(&tables.deleted).cloned().collect()
        };
        if let Err(error) = store.compact(cells) {
            tracing::warn!(%error, "could not compact the journal; will try again when it has grown");
        }
    }
}

/// Whether a table that is deleted has streams that someone may still want to read.
fn is_worth_keeping(table: &Table) -> bool {
    let shards = table.streams.iter().flat_map(|it| &it.shards);
    let n_records: usize = shards.map(|it| it.log.len()).sum();
    !table.streams.is_empty() && n_records <= DELETED_RECORDS_MAX
}

fn not_found(name: &str) -> ApiError {
    ApiError::ResourceNotFound(format!("Requested resource not found: Table: {name} not found"))
}

/// Region and name of the table that a request means.
pub(crate) fn table_address(caller: &Caller, name: &str) -> Result<(String, String), ApiError> {
    let address = match name.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", _partition, "dynamodb", region, _account, resource] => {
            let name = resource.strip_prefix("table/").and_then(|it| it.split('/').next());
            (region.to_owned(), name.unwrap_or_default().to_owned())
        }
        _ => (caller.region.clone(), name.to_owned()),
    };
    check_table_name(&address.1)?;
    Ok(address)
}

/// Refuses what cannot be the name of a table.
pub(crate) fn check_table_name(name: &str) -> Result<(), ApiError> {
    let fits = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.');
    if (3..=255).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(ApiError::validation(
        "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
    ))
}
