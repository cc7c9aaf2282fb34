//! The tables of an endpoint, and the one way to change them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak},
};

use super::{
    error::ApiError,
    faults::Faults,
    key::KeySchema,
    request::Caller,
    store::{Store, codec},
    stream::KEEP_MS,
    table::{
        Change, Outcome, Table,
        description::Description,
        index::{IndexDescription, IndexUnits},
    },
    tokens::Tokens,
};
use crate::{clock::Clock, objects::ObjectStore};

/// How many records the streams of a deleted table may have and still be kept: they hold memory, and
/// whoever deletes a large table wants it back.
const DELETED_RECORDS_MAX: usize = 100_000;
/// How many deleted tables are kept for their streams.
const DELETED_TABLES_MAX: usize = 100;
/// How many expired items are removed, and how many items put into a new index, before others may
/// read and write again.
const EXPIRED_AT_ONCE: usize = 1000;
const BACKFILLED_AT_ONCE: usize = 2000;

/// Everything behind a handle.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) tables: RwLock<Tables>,
    /// `None` keeps nothing.
    pub(crate) store: Option<Store>,
    /// What transactions were done under which token.
    pub(crate) tokens: Tokens,
    /// Where exports are written to.
    pub(crate) objects: RwLock<Option<Arc<dyn ObjectStore>>>,
    /// Itself, for what outlives a request.
    pub(crate) handle: Weak<Endpoint>,
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
    /// What indexes have used.
    pub(crate) index_units: IndexUnits,
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
        let outcome = self.table.apply(change, self.now_ms, &mut self.index_units);
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
    /// What an index of a table is.
    pub(crate) fn index(cell: &Cell, name: &str) -> Result<IndexDescription, ApiError> {
        let table = cell.read();
        let index = table.index(name).ok_or_else(|| no_index(name))?;
        if index.backfilled_to.is_some() {
            return Err(ApiError::Validation(format!(
                "Cannot read from backfilling global secondary index: {name}"
            )));
        }
        Ok(index.description.clone())
    }

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
        table.ready();
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
        self.forget_deleted(&mut tables, now_ms)
    }

    /// Forgets deleted tables whose streams nobody can read any more.
    fn forget_deleted(&self, tables: &mut Tables, now_ms: u64) -> Result<(), ApiError> {
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

    /// Does what time has made due in all tables, whether or not anyone asks for it.
    pub(crate) fn sweep(self: &Arc<Endpoint>) -> Result<(), ApiError> {
        let cells: Vec<Arc<Cell>> = {
            let tables = self.tables();
            tables.live.values().chain(&tables.deleted).cloned().collect()
        };
        for cell in &cells {
            self.tick(cell)?;
            while self.expire(cell)? {}
        }
        let now_ms = self.clock.now_ms();
        let has_deleted = !self.tables().deleted.is_empty();
        if has_deleted {
            self.forget_deleted(&mut self.tables_mut(), now_ms)?;
        }
        self.settle()
    }

    /// Removes some of the items whose time to live is over; says whether there may be more.
    fn expire(&self, cell: &Cell) -> Result<bool, ApiError> {
        let due = |table: &Table| match &table.expiries {
            Some(expiries) => expiries.due(self.clock.now_ms(), EXPIRED_AT_ONCE),
            None => Vec::new(),
        };
        if due(&cell.read()).is_empty() {
            return Ok(false);
        }
        self.write_even_deleted(cell, |writing| {
            // Again: it may have been written to in between.
            let keys = due(writing.table());
            let is_full = keys.len() == EXPIRED_AT_ONCE;
            for key in keys {
                writing.apply(Change { key, new: None, by_ttl: true });
            }
            Ok(is_full)
        })
    }

    /// Fills new indexes piece by piece, while others read and write.
    pub(crate) fn backfill(&self, cell: Arc<Cell>) {
        let Some(endpoint) = self.handle.upgrade() else { return };
        // A thread of its own: it outlives the request.
        std::thread::spawn(move || {
            Endpoint::fill(&cell);
            drop(endpoint);
        });
    }

    /// Fills the indexes of a table that are not full yet.
    pub(crate) fn fill(cell: &Cell) {
        while cell.lock().backfill(BACKFILLED_AT_ONCE) {}
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

    /// As [`Endpoint::write`], also when only the streams of the table are left.
    pub(crate) fn write_even_deleted<T>(
        &self,
        cell: &Cell,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut writing = self.begin(cell)?;
        let result = change(&mut writing);
        if let Some(record) = Self::written(cell, &mut writing) {
            self.append(|| record)?;
        }
        self.journal_state(cell, &mut writing)?;
        result
    }

    /// Locks several tables and changes them, all in one record of the journal: after a crash either
    /// everything is there or nothing; `note` is part of it. `cells` must be in the order of their numbers.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::write`].
    pub(crate) fn write_several<T>(
        &self,
        cells: &[Arc<Cell>],
        note: Option<Vec<u8>>,
        change: impl FnOnce(&mut [Writing<'_>]) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        debug_assert!(cells.is_sorted_by_key(|it| it.id), "else two could wait for each other");
        let mut all = Vec::new();
        for cell in cells {
            let writing = self.begin(cell)?;
            if writing.table().description.deleted_ms.is_some() {
                return Err(not_found(&writing.table().description.name));
            }
            all.push(writing);
        }
        let result = change(&mut all);
        let pairs = cells.iter().zip(&mut all);
        let mut records: Vec<Vec<u8>> =
            pairs.filter_map(|(cell, writing)| Self::written(cell, writing)).collect();
        if !records.is_empty() {
            records.extend(note);
            self.append(|| codec::several(&records))?;
        }
        result
    }

    /// Locks a table and does what is due.
    fn begin<'a>(&self, cell: &'a Cell) -> Result<Writing<'a>, ApiError> {
        if let Some(store) = &self.store {
            store.check()?;
        }
        let now_ms = self.clock.now_ms();
        let mut writing = Writing {
            table: cell.lock(),
            now_ms,
            writes: Vec::new(),
            has_journal: self.store.is_some(),
            index_units: IndexUnits::new(),
            is_altered: false,
        };
        if writing.table.is_due(now_ms) {
            writing.is_altered = writing.table.tick(now_ms);
        }
        // Changes of items must find the shards they went to when they are replayed.
        self.journal_state(cell, &mut writing)?;
        Ok(writing)
    }

    /// The record of the changes made to items, if there are any.
    fn written(cell: &Cell, writing: &mut Writing<'_>) -> Option<Vec<u8>> {
        if writing.writes.is_empty() {
            return None;
        }
        writing.table.version += 1;
        let version = writing.table.version;
        Some(codec::writes(cell.id, version, writing.now_ms, &writing.writes))
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
            // The journals that told of them go.
            for record in self.tokens.records(self.clock.now_ms()) {
                if let Err(error) = store.append(&record) {
                    tracing::warn!(%error, "a token of a transaction may be forgotten");
                }
            }
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

pub(crate) fn no_index(name: &str) -> ApiError {
    ApiError::Validation(format!("The table does not have the specified index: {name}"))
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
