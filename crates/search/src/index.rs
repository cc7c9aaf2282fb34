//! One index: documents go in with a version, and come out by id at once and by search soon.
//!
//! ```text
//! write ─▶ decide version ─▶ journal ─▶ version table, recent documents ─▶ tantivy
//!                               │                                           │ refresh: every second
//!                               ▼                                           ▼
//!                          acknowledged                                  searchable
//! ```
//!
//! Writes of one index happen one after the other, in [`write`]; reads hold a lock only while they
//! copy a pointer. What makes it durable is in [`log`] and [`mod@open`].

mod log;
mod maintain;
mod open;
mod read;
mod rebuild;
mod write;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tantivy::{IndexWriter, indexer::UserOperation};

use crate::{
    error::{Failure, Result},
    fields::Entry,
    mapping::Mapping,
    settings::Settings,
    shard::Shard,
    versions::{Fingerprint, Stamp, Versions},
};
use log::Log;
pub(crate) use open::write_durably;
pub(crate) use read::Snapshot;
pub use write::{Action, Done, Operation, Outcome, Update};

/// An open index.
#[derive(Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// What tells it from another of the same name.
    pub uuid: String,
    /// When it was made.
    pub created_ms: u64,
    /// Its folder, if it has one.
    root: Option<PathBuf>,
    view: RwLock<View>,
    writer: Mutex<Writer>,
    /// Held while a checkpoint is made, so that there is one at a time. Taken after the writer.
    checkpoint: Mutex<()>,
    synced: Mutex<log::Synced>,
    /// Whether there is something that searches do not see yet.
    stale: AtomicBool,
    /// Whether there is something that is not in the last checkpoint.
    dirty: AtomicBool,
    /// Writing failed: a checkpoint must make everything safe before the next write.
    broken: AtomicBool,
    last_refresh_ms: AtomicU64,
    n_refreshes: AtomicU64,
}

/// What reads need.
#[derive(Debug)]
struct View {
    mapping: Arc<Mapping>,
    settings: Arc<Settings>,
    versions: Versions,
    /// Documents that were put since the last refresh.
    recent: HashMap<Fingerprint, Recent>,
    recent_bytes: usize,
    shard: Arc<Shard>,
}

#[derive(Clone, Debug)]
struct Recent {
    id: Box<str>,
    routing: Option<Box<str>>,
    stamp: Stamp,
    source: Bytes,
}

/// What only one write at a time may touch.
struct Writer {
    /// Present while there is something to do; it costs some twenty megabytes.
    tantivy: Option<IndexWriter<Entry>>,
    batch: Vec<UserOperation<Entry>>,
    log: Option<Log>,
    /// The batch as it will be in the journal.
    record: Vec<u8>,
    next_seq_no: u64,
    /// Where the segments lie: grows with every rebuild.
    folder: u64,
    last_write_ms: u64,
    last_checkpoint_ms: u64,
    /// The index was deleted; whoever still holds it may not write.
    closed: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("next_seq_no", &self.next_seq_no).finish_non_exhaustive()
    }
}

impl Index {
    /// What the index knows of its fields.
    pub fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.view().mapping)
    }

    /// Its settings.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.view().settings)
    }

    /// How many documents there are, those that searches do not see yet included.
    pub fn n_documents(&self) -> usize {
        self.view().versions.n_live()
    }

    /// The memory that the versions of the documents take, in bytes.
    pub fn version_bytes(&self) -> usize {
        self.view().versions.memory_bytes()
    }

    /// How often what was written was made visible.
    pub fn n_refreshes(&self) -> u64 {
        self.n_refreshes.load(Ordering::Relaxed)
    }

    /// Lets the mapping grow.
    ///
    /// # Errors
    ///
    /// When it conflicts with what is there, has grown too large, or cannot be made durable.
    pub fn put_mapping(&self, addition: Mapping) -> Result<()> {
        let mut writer = self.lock_writer()?;
        let mut mapping = (*self.mapping()).clone();
        mapping.merge(addition)?;
        mapping.check_limits(&self.name, self.settings().fields_max())?;
        self.publish(&mut writer, mapping)?;
        self.finish(writer).map(drop)
    }

    /// Changes settings.
    ///
    /// # Errors
    ///
    /// When one of them cannot change, or the change cannot be made durable.
    pub fn put_settings(&self, changes: &Settings) -> Result<()> {
        let mut writer = self.lock_writer()?;
        let mut settings = (*self.settings()).clone();
        settings.update(changes, &format!("{}/{}", self.name, self.uuid))?;
        self.view_mut().settings = Arc::new(settings);
        self.log_state(&mut writer);
        self.finish(writer).map(drop)
    }

    /// The mapping from now on. Its new text fields get slots.
    fn publish(&self, writer: &mut Writer, mut mapping: Mapping) -> Result<()> {
        mapping.give_slots(&self.mapping().slots());
        let n_slots = mapping.slots().values().max().map_or(0, |it| usize::from(*it) + 1);
        if self.shard().n_slots() < n_slots {
            self.rebuild(writer, &mapping, n_slots)?;
        }
        let mut view = self.view_mut();
        view.shard.set_analyzers(&mapping);
        view.mapping = Arc::new(mapping);
        drop(view);
        self.log_state(writer);
        Ok(())
    }

    fn shard(&self) -> Arc<Shard> {
        Arc::clone(&self.view().shard)
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer, fit to write: what broke it is mended first.
    fn lock_writer(&self) -> Result<MutexGuard<'_, Writer>> {
        loop {
            let writer = lock(&self.writer);
            if writer.closed {
                return Err(Failure::no_such_index(&self.name, "index_or_alias"));
            }
            if !self.broken.load(Ordering::Acquire) {
                return Ok(writer);
            }
            drop(writer);
            self.checkpoint(0)?;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
