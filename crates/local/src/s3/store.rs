//! Buckets and objects as files: what lies where, and how it changes.
//!
//! ```text
//! <folder>/books/2026/a.json          the object `2026/a.json` of the bucket `books`
//! <folder>/.s3/buckets/books.json     when the bucket was made, and for which region
//! <folder>/.s3/about/books/4f/….json  what else is known of an object: etag, type, metadata
//! <folder>/.s3/uploads/<id>/          an upload in parts that is not complete
//! <folder>/.s3/drafts/                files on their way to their names
//! <folder>/.s3/lock                   one process at a time
//! ```
//!
//! Everything here blocks. An object changes by one rename, so that it is the old or the new one
//! whatever dies; changes are made one at a time.

pub(crate) mod bucket;
pub(crate) mod draft;
pub(crate) mod listing;
pub(crate) mod object;
pub(crate) mod record;
mod tree;
pub(crate) mod upload;
pub(crate) mod walk;

use std::{
    fs::{self, File, TryLockError},
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Serialize, de::DeserializeOwned};

use super::OpenError;
use crate::clock::Clock;

/// Where everything that is no object lies. No bucket begins with a dot.
const OURS: &str = ".s3";

/// The folder and what guards it.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    pub(crate) clock: Clock,
    /// Held while names change. Data is written before, without it.
    changing: Mutex<()>,
    n_ids: AtomicU64,
    /// Makes the ids of this process differ from those of all others.
    random: RandomState,
    /// Released when it is dropped, and by the system when the process dies.
    _lock: File,
}

impl Store {
    pub(crate) fn open(folder: &Path, clock: Clock) -> Result<Store, OpenError> {
        let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
        let ours = folder.join(OURS);
        for name in ["about", "buckets", "uploads"] {
            fs::create_dir_all(ours.join(name)).map_err(failed)?;
        }
        let lock = File::create(ours.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { folder: folder.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // What a process that died was writing. Nobody was told that it is safe.
        let drafts = ours.join("drafts");
        match fs::remove_dir_all(&drafts) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => fs::create_dir(&drafts).map_err(failed)?,
        }
        Ok(Store {
            folder: folder.to_owned(),
            clock,
            changing: Mutex::new(()),
            n_ids: AtomicU64::new(0),
            random: RandomState::new(),
            _lock: lock,
        })
    }

    /// Sixteen bytes that nothing else was called before, as hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        let n = self.n_ids.fetch_add(1, Ordering::Relaxed);
        let word = |salt: u64| {
            let mut hasher = self.random.build_hasher();
            hasher.write_u64(n);
            hasher.write_u64(salt);
            hasher.finish()
        };
        format!("{:016x}{:016x}", word(0), word(1))
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ours(&self, names: &[&str]) -> PathBuf {
        let mut path = self.folder.join(OURS);
        path.extend(names);
        path
    }

    /// Writes a small file in one step, and the folder around it if need be.
    fn write_json(&self, path: &Path, value: &impl Serialize) -> io::Result<()> {
        let draft = self.ours(&["drafts", &self.id()]);
        fs::write(&draft, serde_json::to_vec(value)?)?;
        let result = fs::rename(&draft, path).or_else(|error| match path.parent() {
            Some(parent) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(parent)?;
                fs::rename(&draft, path)
            }
            _ => Err(error),
        });
        if result.is_err() {
            // It lies in the way of nobody; the next start would remove it.
            let _ = fs::remove_file(&draft);
        }
        result
    }
}

/// Reads a small file. `None` if there is none, or it is damaged: then we know nothing, which is
/// what the rest of the store is ready for.
fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let value = serde_json::from_slice(&bytes);
    if let Err(error) = &value {
        tracing::warn!(%error, path = %path.display(), "cannot read what was kept about an object");
    }
    Ok(value.ok())
}

/// Whether there is just nothing of that name.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

/// Removes a file that may be gone already.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_absence(&error) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
