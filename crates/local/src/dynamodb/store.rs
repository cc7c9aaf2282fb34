//! Keeps tables on disk: a journal of all changes, and now and then a snapshot of each table.
//!
//! ```text
//! lock                            one process at a time
//! journal-00000007.log            changes, newest file last
//! table-00000003.000000000912.snapshot   table 3 as it was after its 912th change
//! ```
//!
//! A change is appended while its table is locked, and flushed to the system before the request is
//! answered; one flush serves all that wait. Every record carries the version of its table, so that a
//! replay skips what a snapshot already has. When the journal has grown as large as the snapshots,
//! a new file is begun, each table that has changed is written again from a picture, and the older
//! files go. Nothing waits for that but the moment in which a picture is taken.

pub(crate) mod codec;
pub(crate) mod replay;
pub(crate) mod snapshot;

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use journal::Journal;

use super::{endpoint::Cell, error::ApiError, table::Table};
use replay::Replay;

/// How much a journal may hold before it is worth compacting, however small the tables are.
const COMPACT_BYTES_MIN: u64 = 64 << 20;

/// How often, and after which pause, to try again when another process has the directory.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the data directory cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data directory `{}` is in use by another process; stop that one, or choose another directory",
        .0.display()
    )]
    InUse(PathBuf),
    /// The system refuses it.
    #[error(
        "cannot use the data directory `{}`: {source}; make it writable, or choose another directory",
        dir.display()
    )]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The files of an endpoint.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// Released when the process ends, however it ends.
    _lock: File,
    journal: Mutex<Open>,
    /// How many records were appended, and how many of them are flushed.
    appended: AtomicU64,
    flushed: AtomicU64,
    /// Bytes in all journal files, and how many make it worth compacting them.
    journal_bytes: AtomicU64,
    compact_at_bytes: AtomicU64,
    is_compacting: AtomicBool,
    /// Why nothing can be written any more.
    failure: OnceLock<String>,
}

#[derive(Debug)]
struct Open {
    journal: Journal,
    generation: u64,
}

/// The journal cannot be written, so that changes would be lost.
#[derive(Clone, Debug, thiserror::Error)]
#[error("changes can no longer be written to disk: {0}; make room, then restart")]
pub(crate) struct Unwritable(String);

impl From<Unwritable> for ApiError {
    fn from(error: Unwritable) -> ApiError {
        ApiError::Internal(error.to_string())
    }
}

impl Store {
    /// Opens the files in `dir`, and returns the tables that are in them.
    pub(crate) fn open(dir: &Path) -> Result<(Store, Replay), OpenError> {
        let unusable = |source| OpenError::Unusable { dir: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(unusable)?;
        let lock = File::create(dir.join("lock")).map_err(unusable)?;
        // Whoever had it may be about to let go: a process that was killed, a thread at its end.
        let mut tries = 0..LOCK_TRIES;
        while let Err(error) = lock.try_lock() {
            match (error, tries.next()) {
                (TryLockError::WouldBlock, Some(_)) => std::thread::sleep(LOCK_PAUSE),
                (TryLockError::WouldBlock, None) => return Err(OpenError::InUse(dir.to_owned())),
                (TryLockError::Error(source), _) => return Err(unusable(source)),
            }
        }
        Store::read(dir, lock).map_err(unusable)
    }

    fn read(dir: &Path, lock: File) -> io::Result<(Store, Replay)> {
        let files = Files::list(dir)?;
        files.unfinished.iter().try_for_each(fs::remove_file)?;
        let mut replay = Replay::default();
        let mut snapshot_bytes = 0;
        for (id, versions) in &files.snapshots {
            let mut newest_first = versions.iter().rev();
            if let Some(version) = newest_first.next() {
                let path = snapshot_path(dir, *id, *version);
                snapshot_bytes += fs::metadata(&path)?.len();
                replay.snapshot(&path)?;
            }
            for version in newest_first {
                fs::remove_file(snapshot_path(dir, *id, *version))?;
            }
        }
        let mut journal_bytes = 0;
        let mut newest = None;
        for generation in &files.journals {
            let journal = replay.journal(&journal_path(dir, *generation))?;
            journal_bytes += journal.len();
            newest = Some(Open { journal, generation: *generation });
        }
        let open = match newest {
            Some(open) => open,
            None => {
                Open { journal: Journal::open(&journal_path(dir, 1), |_| ())?.0, generation: 1 }
            }
        };
        replay.finish();
        for (id, versions) in &files.snapshots {
            if !replay.tables.contains_key(id) {
                remove_snapshots(dir, *id, versions.iter().copied())?;
            }
        }
        let store = Store {
            dir: dir.to_owned(),
            _lock: lock,
            journal: Mutex::new(open),
            appended: AtomicU64::new(0),
            flushed: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(journal_bytes),
            compact_at_bytes: AtomicU64::new(snapshot_bytes.max(COMPACT_BYTES_MIN)),
            is_compacting: AtomicBool::new(false),
            failure: OnceLock::new(),
        };
        Ok((store, replay))
    }

    /// Makes sure that changes can be kept, before any is made.
    pub(crate) fn check(&self) -> Result<(), Unwritable> {
        self.failure.get().map_or(Ok(()), |why| Err(Unwritable(why.clone())))
    }

    /// Adds a record. Safe after the next [`Store::settle`].
    pub(crate) fn append(&self, record: &[u8]) -> Result<(), Unwritable> {
        let mut open = self.open_journal();
        let before = open.journal.len();
        open.journal.append(record).map_err(|error| self.fail(&error))?;
        self.journal_bytes.fetch_add(open.journal.len() - before, Ordering::Relaxed);
        self.appended.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Hands all that was appended to the system, unless someone else has.
    pub(crate) fn settle(&self) -> Result<(), Unwritable> {
        let appended = self.appended.load(Ordering::Acquire);
        let is_settled = || appended <= self.flushed.load(Ordering::Acquire);
        if is_settled() {
            return self.check();
        }
        let mut open = self.open_journal();
        // Whoever had the lock before may have flushed ours as well.
        if is_settled() {
            return self.check();
        }
        open.journal.flush().map_err(|error| self.fail(&error))?;
        self.flushed.store(self.appended.load(Ordering::Acquire), Ordering::Release);
        self.check()
    }

    /// Waits until everything is on the disk.
    pub(crate) fn sync(&self) -> Result<(), Unwritable> {
        self.open_journal().journal.sync().map_err(|error| self.fail(&error))
    }

    /// Whether the journal has grown so far that the caller must now call [`Store::compact`].
    pub(crate) fn begins_compaction(&self) -> bool {
        self.compact_at_bytes.load(Ordering::Relaxed) < self.journal_bytes.load(Ordering::Relaxed)
            && !self.is_compacting.swap(true, Ordering::AcqRel)
    }

    /// Writes snapshots of all tables that have changed, and removes the journals they replace.
    /// `cells` is called once writers have moved on to the next journal.
    pub(crate) fn compact(&self, cells: impl FnOnce() -> Vec<Arc<Cell>>) -> io::Result<()> {
        let result = self.rotate().and_then(|generation| {
            let cells = cells();
            let files = Files::list(&self.dir)?;
            let mut snapshot_bytes = 0;
            for cell in &cells {
                snapshot_bytes += self.snapshot(cell, &files)?;
            }
            let old = files.journals.iter().filter(|it| **it < generation);
            old.map(|it| journal_path(&self.dir, *it)).try_for_each(fs::remove_file)?;
            for (id, versions) in &files.snapshots {
                if !cells.iter().any(|cell| cell.id == *id) {
                    remove_snapshots(&self.dir, *id, versions.iter().copied())?;
                }
            }
            let open = self.open_journal();
            self.journal_bytes.store(open.journal.len(), Ordering::Relaxed);
            self.compact_at_bytes.store(snapshot_bytes.max(COMPACT_BYTES_MIN), Ordering::Relaxed);
            Ok(())
        });
        if result.is_err() {
            // Again when as much has been added once more.
            let bytes = self.journal_bytes.load(Ordering::Relaxed);
            self.compact_at_bytes.store(bytes.saturating_mul(2), Ordering::Relaxed);
        }
        self.is_compacting.store(false, Ordering::Release);
        result
    }

    /// Begins a new journal; returns its number.
    fn rotate(&self) -> io::Result<u64> {
        let mut open = self.open_journal();
        open.journal.sync()?;
        self.flushed.store(self.appended.load(Ordering::Acquire), Ordering::Release);
        let generation = open.generation + 1;
        let (journal, _) = Journal::open(&journal_path(&self.dir, generation), |_| ())?;
        *open = Open { journal, generation };
        Ok(generation)
    }

    /// Writes one table, unless it is there already; returns how long its snapshot is.
    fn snapshot(&self, cell: &Cell, files: &Files) -> io::Result<u64> {
        let picture: Table = cell.read().clone();
        let path = snapshot_path(&self.dir, cell.id, picture.version);
        let before = files.snapshots.get(&cell.id).map(Vec::as_slice).unwrap_or_default();
        if !before.contains(&picture.version) {
            let unfinished = path.with_extension("unfinished");
            snapshot::write(&unfinished, cell.id, &picture)?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.dir)?.sync_all()?;
        }
        let older = before.iter().copied().filter(|it| *it != picture.version);
        remove_snapshots(&self.dir, cell.id, older)?;
        Ok(fs::metadata(&path)?.len())
    }

    fn open_journal(&self) -> MutexGuard<'_, Open> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: &io::Error) -> Unwritable {
        let why = self.failure.get_or_init(|| {
            tracing::error!(%error, dir = %self.dir.display(), "cannot write the journal; refusing requests from now on");
            error.to_string()
        });
        Unwritable(why.clone())
    }
}

/// What lies in a data directory.
#[derive(Debug, Default)]
struct Files {
    /// Oldest first.
    journals: Vec<u64>,
    /// Versions by table, oldest first.
    snapshots: BTreeMap<u64, Vec<u64>>,
    /// What a crash left of snapshots.
    unfinished: Vec<PathBuf>,
}

impl Files {
    fn list(dir: &Path) -> io::Result<Files> {
        let mut files = Files::default();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let parts: Vec<&str> = name.split(['-', '.']).collect();
            match parts[..] {
                ["journal", generation, "log"] => files.journals.extend(generation.parse::<u64>()),
                ["table", id, version, "snapshot"] => {
                    if let (Ok(id), Ok(version)) = (id.parse(), version.parse()) {
                        files.snapshots.entry(id).or_default().push(version);
                    }
                }
                ["table", _, _, "unfinished"] => files.unfinished.push(dir.join(&*name)),
                _ => {}
            }
        }
        files.journals.sort_unstable();
        files.snapshots.values_mut().for_each(|it| it.sort_unstable());
        Ok(files)
    }
}

fn journal_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("journal-{generation:08}.log"))
}

fn snapshot_path(dir: &Path, id: u64, version: u64) -> PathBuf {
    dir.join(format!("table-{id:08}.{version:012}.snapshot"))
}

fn remove_snapshots(
    dir: &Path,
    id: u64,
    mut versions: impl Iterator<Item = u64>,
) -> io::Result<()> {
    versions.try_for_each(|version| fs::remove_file(snapshot_path(dir, id, version)))
}

#[cfg(test)]
mod tests;
