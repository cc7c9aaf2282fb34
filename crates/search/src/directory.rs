//! Where tantivy keeps its files: in memory, or on the disk without waiting for it.
//!
//! A refresh writes files and a new `meta.json`, and none of it needs to be safe, because the
//! journal is. So files are written without a sync and `meta.json` lives in memory, until
//! [`Directory::pin`] and [`Directory::sync`] make one state of them the next checkpoint. What the
//! last checkpoint needs is not deleted before the next one stands.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, Lock, MmapDirectory, RamDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
    error::{DeleteError, LockError, OpenReadError, OpenWriteError},
};

/// A directory of segments. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    state: Mutex<State>,
    locks: Arc<Locks>,
}

#[derive(Debug)]
enum Files {
    Memory(RamDirectory),
    Disk { root: PathBuf, mapped: MmapDirectory },
}

#[derive(Debug, Default)]
struct State {
    /// The small files that are replaced as a whole, `meta.json` above all.
    small: HashMap<PathBuf, Vec<u8>>,
    /// How often `meta.json` was replaced.
    n_metas: u64,
    /// What the last checkpoint needs, and the one that is being made.
    pins: Vec<Pins>,
    /// Files that tantivy deleted, but a checkpoint still needs.
    doomed: HashSet<PathBuf>,
    /// Files that are safe on the disk.
    synced: HashSet<PathBuf>,
}

/// The segments of one state of the index, each with the name of its file of deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pins(HashMap<String, Option<String>>);

const META: &str = "meta.json";
const MANAGED: &str = ".managed.json";

impl Directory {
    /// An empty one in memory.
    pub(crate) fn memory() -> Directory {
        Directory::new(Files::Memory(RamDirectory::create()), State::default())
    }

    /// The one at `root`, as it was when `meta` was taken; files that came later are removed.
    ///
    /// # Errors
    ///
    /// When the disk does not let us.
    pub(crate) fn disk(root: &Path, meta: Option<Vec<u8>>) -> io::Result<Directory> {
        fs::create_dir_all(root)?;
        let pins = meta.as_deref().map(Pins::of).unwrap_or_default();
        let mut kept = Vec::new();
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let name = PathBuf::from(entry.file_name());
            if pins.need(&name) {
                kept.push(name);
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        let mut state = State { synced: kept.iter().cloned().collect(), ..State::default() };
        if let Some(meta) = meta {
            let managed = serde_json::to_vec(&kept).map_err(io::Error::other)?;
            state.small.insert(MANAGED.into(), managed);
            state.small.insert(META.into(), meta);
        }
        state.pins.push(pins);
        let mapped = MmapDirectory::open(root).map_err(io::Error::other)?;
        Ok(Directory::new(Files::Disk { root: root.to_owned(), mapped }, state))
    }

    fn new(files: Files, state: State) -> Directory {
        let inner = Inner { files, state: Mutex::new(state), locks: Arc::default() };
        Directory(Arc::new(inner))
    }

    /// The present state, whose files stay until [`Directory::release`].
    pub(crate) fn pin(&self) -> (Vec<u8>, Pins) {
        let mut state = self.state();
        let meta = state.small.get(Path::new(META)).cloned().unwrap_or_default();
        let pins = Pins::of(&meta);
        state.pins.push(pins.clone());
        (meta, pins)
    }

    /// Waits until the files of `pins` are on the disk.
    ///
    /// # Errors
    ///
    /// When the disk reports a failure.
    pub(crate) fn sync(&self, pins: &Pins) -> io::Result<()> {
        let Files::Disk { root, .. } = &self.0.files else { return Ok(()) };
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let name = PathBuf::from(entry.file_name());
            if pins.need(&name) && !self.state().synced.contains(&name) {
                File::open(entry.path())?.sync_data()?;
                self.state().synced.insert(name);
            }
        }
        File::open(root)?.sync_all()
    }

    /// From now on only `pins` are needed.
    pub(crate) fn release(&self, pins: Pins) {
        let mut state = self.state();
        state.pins = vec![pins];
        let State { pins, doomed, synced, .. } = &mut *state;
        doomed.retain(|name| {
            let needed = pins.iter().any(|it| it.need(name));
            if !needed {
                synced.remove(name);
                // Left over at worst, and then removed when the index is opened again.
                let _ = self.remove(name);
            }
            needed
        });
    }

    /// Lets go of a pin whose checkpoint came to nothing.
    pub(crate) fn unpin(&self, pins: &Pins) {
        let mut state = self.state();
        if let Some(at) = state.pins.iter().rposition(|it| it == pins) {
            state.pins.remove(at);
        }
    }

    /// Grows whenever tantivy has a new state: after a commit, and after a merge.
    pub(crate) fn n_metas(&self) -> u64 {
        self.state().n_metas
    }

    /// What the files take, in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        match &self.0.files {
            Files::Memory(memory) => memory.total_mem_usage() as u64,
            Files::Disk { root, .. } => fs::read_dir(root)
                .map(|it| it.flatten().filter_map(|it| Some(it.metadata().ok()?.len())).sum())
                .unwrap_or_default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, name: &Path) -> Result<(), DeleteError> {
        match &self.0.files {
            Files::Memory(memory) => tantivy::Directory::delete(memory, name),
            Files::Disk { root, .. } => match fs::remove_file(root.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(DeleteError::FileDoesNotExist(name.to_owned()))
                }
                other => other.map_err(|error| DeleteError::IoError {
                    io_error: Arc::new(error),
                    filepath: name.to_owned(),
                }),
            },
        }
    }
}

impl Pins {
    /// The segments that a `meta.json` names.
    fn of(meta: &[u8]) -> Pins {
        #[derive(Deserialize)]
        struct Meta {
            segments: Vec<Segment>,
        }
        #[derive(Deserialize)]
        struct Segment {
            segment_id: String,
            deletes: Option<Deletes>,
        }
        #[derive(Deserialize)]
        struct Deletes {
            opstamp: u64,
        }
        let segments = serde_json::from_slice::<Meta>(meta).map(|it| it.segments);
        let pins = segments.unwrap_or_default().into_iter().map(|segment| {
            let id = segment.segment_id.replace('-', "");
            let deletes = segment.deletes.map(|it| format!("{id}.{}.del", it.opstamp));
            (id, deletes)
        });
        Pins(pins.collect())
    }

    /// Whether the state cannot be opened without this file.
    fn need(&self, name: &Path) -> bool {
        let name = name.to_str().unwrap_or_default();
        let id = name.split('.').next().unwrap_or_default();
        match self.0.get(id) {
            None => false,
            Some(deletes) if name.ends_with(".del") => deletes.as_deref() == Some(name),
            Some(_) => true,
        }
    }
}

impl tantivy::Directory for Directory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match &self.0.files {
            Files::Memory(memory) => memory.get_file_handle(path),
            Files::Disk { mapped, .. } => mapped.get_file_handle(path),
        }
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let mut state = self.state();
        if state.pins.iter().any(|it| it.need(path)) {
            state.doomed.insert(path.to_owned());
            return Ok(());
        }
        state.synced.remove(path);
        self.remove(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        if self.state().small.contains_key(path) {
            return Ok(true);
        }
        match &self.0.files {
            Files::Memory(memory) => memory.exists(path),
            Files::Disk { root, .. } => Ok(root.join(path).exists()),
        }
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        match &self.0.files {
            Files::Memory(memory) => memory.open_write(path),
            Files::Disk { root, .. } => {
                let file = OpenOptions::new().write(true).create_new(true).open(root.join(path));
                match file {
                    Ok(file) => Ok(BufWriter::new(Box::new(Unsynced(file)))),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        Err(OpenWriteError::FileAlreadyExists(path.to_owned()))
                    }
                    Err(error) => Err(OpenWriteError::wrap_io_error(error, path.to_owned())),
                }
            }
        }
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let small = self.state().small.get(path).cloned();
        small.ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.n_metas += u64::from(path == Path::new(META));
        state.small.insert(path.to_owned(), data.to_owned());
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let held = Locks::acquire(&self.0.locks, &lock.filepath, lock.is_blocking);
        held.map(|it| DirectoryLock::from(Box::new(it))).ok_or(LockError::LockBusy)
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        // Readers are reloaded by us, never by being watched.
        Ok(WatchHandle::empty())
    }
}

/// A file that is as safe as the operating system makes it.
struct Unsynced(File);

impl Write for Unsynced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for Unsynced {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.0.flush()
    }
}

/// tantivy's locks, among the threads of this process. Nobody else opens the folder.
#[derive(Debug, Default)]
struct Locks {
    held: Mutex<HashSet<PathBuf>>,
    released: Condvar,
}

struct Held {
    locks: Arc<Locks>,
    path: PathBuf,
}

impl Locks {
    fn acquire(this: &Arc<Locks>, path: &Path, waits: bool) -> Option<Held> {
        let mut held = this.held.lock().unwrap_or_else(PoisonError::into_inner);
        while !held.insert(path.to_owned()) {
            if !waits {
                return None;
            }
            held = this.released.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        Some(Held { locks: Arc::clone(this), path: path.to_owned() })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
        self.locks.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use tantivy::Directory as _;

    use super::*;

    const META_JSON: &[u8] = br#"{"segments":[
        {"segment_id":"aaaa-1","deletes":{"num_deleted_docs":1,"opstamp":7}},
        {"segment_id":"bbbb-2","deletes":null}]}"#;

    #[test]
    fn a_state_needs_its_segments_and_their_latest_deletes() {
        let pins = Pins::of(META_JSON);
        for (name, needed) in [
            ("aaaa1.term", true),
            ("aaaa1.7.del", true),
            ("aaaa1.6.del", false),
            ("bbbb2.store", true),
            ("bbbb2.3.del", false),
            ("cccc3.term", false),
        ] {
            assert_eq!(pins.need(Path::new(name)), needed, "{name}");
        }
        assert_eq!(Pins::of(b"nonsense"), Pins::default());
    }

    #[test]
    fn what_a_checkpoint_needs_stays_until_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::disk(folder.path(), None).unwrap();
        let write = |name: &str| directory.open_write(Path::new(name)).unwrap().flush().unwrap();
        let exists = |name: &str| folder.path().join(name).exists();
        write("aaaa1.term");
        write("cccc3.term");
        directory.atomic_write(Path::new(META), META_JSON).unwrap();
        let (meta, pins) = directory.pin();
        directory.sync(&pins).unwrap();
        directory.release(pins);
        directory.delete(Path::new("aaaa1.term")).unwrap();
        directory.delete(Path::new("cccc3.term")).unwrap();
        assert!(exists("aaaa1.term"), "the checkpoint still needs it");
        assert!(!exists("cccc3.term"));

        write("dddd4.term");
        let reopened = Directory::disk(folder.path(), Some(meta)).unwrap();
        assert!(exists("aaaa1.term") && !exists("dddd4.term"), "back at the checkpoint");

        reopened.delete(Path::new("aaaa1.term")).unwrap();
        reopened.atomic_write(Path::new(META), br#"{"segments":[]}"#).unwrap();
        let (_, pins) = reopened.pin();
        reopened.release(pins);
        assert!(!exists("aaaa1.term"), "nobody needs it any more");
    }
}
