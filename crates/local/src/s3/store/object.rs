//! Objects: found, put in place, removed.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use md5::{Digest, Md5};
use sha2::Sha256;

use super::{
    Store,
    draft::Finished,
    is_absence, read_json,
    record::{Content, Description, Record, Sidecar, Stamp},
    remove_file, tree,
};
use crate::s3::{
    condition::Conditions,
    error::{ApiError, Code},
    path::ObjectPath,
    percent,
};

/// An object may be replaced while we read about it; after so many times in a row something else
/// is wrong.
const READ_ATTEMPTS: usize = 100;
/// How much of a file is hashed at once.
const HASH_BYTES: usize = 256 * 1024;

/// An object as it was when it was opened. Later changes do not touch it.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) file: File,
    pub(crate) record: Record,
}

impl Store {
    /// Opens an object.
    ///
    /// # Errors
    ///
    /// When there is no such bucket or object.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Result<Object, ApiError> {
        let folder = self.folder_of(bucket)?;
        let path = ObjectPath::of(key);
        for _ in 0..READ_ATTEMPTS {
            let Some(place) = tree::find(&folder, &path)? else { break };
            if let Some(object) = self.object_at(bucket, key, &place)? {
                return Ok(object);
            }
        }
        Err(Code::NoSuchKey.about("Key", key))
    }

    /// Opens an object where it was seen. `None` if it is no longer there.
    pub(super) fn object_at(
        &self,
        bucket: &str,
        key: &str,
        place: &Path,
    ) -> Result<Option<Object>, ApiError> {
        let mut file = match File::open(place) {
            Err(error) if is_absence(&error) => return Ok(None),
            result => result?,
        };
        let metadata = file.metadata()?;
        let stamp = Stamp::of(&metadata)?;
        // In this order: what is written about an object is written before the object.
        let sidecar = self.sidecar(bucket, key)?;
        if let Some(record) = sidecar.as_ref().and_then(|it| it.record(stamp)) {
            return Ok(Some(Object { file, record: record.clone() }));
        }
        if stamp_at(place)? != Some(stamp) {
            return Ok(None);
        }
        let record = self.adopt(bucket, key, place, &mut file, stamp)?;
        Ok(Some(Object { file, record }))
    }

    /// Gives an object its place.
    ///
    /// # Errors
    ///
    /// When there is no such bucket, or a condition does not hold.
    pub(crate) fn commit(
        &self,
        bucket: &str,
        key: &str,
        finished: Finished,
        description: Description,
        conditions: &Conditions,
    ) -> Result<Record, ApiError> {
        let _guard = self.change();
        let folder = self.folder_of(bucket)?;
        let path = ObjectPath::of(key);
        let found = tree::find(&folder, &path)?;
        if !conditions.is_empty() {
            conditions.check_write(self.etag_at(bucket, key, found.as_deref())?.as_deref())?;
        }
        let place = tree::make_room(&folder, &path)?;
        let n = self.n_ids.fetch_add(1, Ordering::Relaxed);
        let stamp = finished.temporary.stamp(self.clock.now_ms(), n)?;
        let record = Record { stamp, content: finished.content, description };

        let mut records = vec![record.clone()];
        if let Some(stamp) = stamp_at(&place)? {
            let sidecar = self.sidecar(bucket, key)?;
            records.extend(sidecar.as_ref().and_then(|it| it.record(stamp)).cloned());
        }
        let sidecar = Sidecar { key: key.to_owned(), records };
        self.write_json(&self.sidecar_path(bucket, key), &sidecar)?;
        finished.temporary.place(&place)?;
        Ok(record)
    }

    /// Removes an object. It is no error that there is none.
    ///
    /// # Errors
    ///
    /// When there is no such bucket, or a condition does not hold.
    pub(crate) fn delete(
        &self,
        bucket: &str,
        key: &str,
        conditions: &Conditions,
    ) -> Result<(), ApiError> {
        let _guard = self.change();
        let folder = self.folder_of(bucket)?;
        let found = tree::find(&folder, &ObjectPath::of(key))?;
        if !conditions.is_empty() {
            conditions.check_write(self.etag_at(bucket, key, found.as_deref())?.as_deref())?;
        }
        if let Some(place) = found {
            remove_file(&place)?;
            remove_file(&self.sidecar_path(bucket, key))?;
            tree::prune(&folder, &place);
        }
        Ok(())
    }

    /// The etag of what lies at a place. The caller holds the lock.
    fn etag_at(
        &self,
        bucket: &str,
        key: &str,
        place: Option<&Path>,
    ) -> Result<Option<String>, ApiError> {
        let Some(place) = place else { return Ok(None) };
        let Some(stamp) = stamp_at(place)? else { return Ok(None) };
        let sidecar = self.sidecar(bucket, key)?;
        Ok(Some(match sidecar.as_ref().and_then(|it| it.record(stamp)) {
            Some(record) => record.content.etag.clone(),
            None => md5_of(&mut File::open(place)?)?,
        }))
    }

    /// Learns about a file that someone has put there or changed, and keeps it.
    fn adopt(
        &self,
        bucket: &str,
        key: &str,
        place: &Path,
        file: &mut File,
        stamp: Stamp,
    ) -> Result<Record, ApiError> {
        let etag = md5_of(file)?;
        let content = Content { etag, checksum: None, parts: Vec::new(), upload: None };
        let record = Record { stamp, content, description: Description::default() };
        let _guard = self.change();
        if stamp_at(place)? == Some(stamp) {
            let sidecar = Sidecar { key: key.to_owned(), records: vec![record.clone()] };
            self.write_json(&self.sidecar_path(bucket, key), &sidecar)?;
        }
        Ok(record)
    }

    fn sidecar(&self, bucket: &str, key: &str) -> io::Result<Option<Sidecar>> {
        let sidecar: Option<Sidecar> = read_json(&self.sidecar_path(bucket, key))?;
        Ok(sidecar.filter(|it| it.key == key))
    }

    /// By the hash of the key, so that no key is too long for it, and no folder too full.
    fn sidecar_path(&self, bucket: &str, key: &str) -> PathBuf {
        let hash = percent::hex(&Sha256::digest(key));
        let (folder, name) = hash.split_at(2);
        self.ours(&["about", bucket, folder, &format!("{name}.json")])
    }
}

/// The stamp of the file at a place, if there is one.
fn stamp_at(place: &Path) -> io::Result<Option<Stamp>> {
    match fs::symlink_metadata(place) {
        Ok(metadata) => Stamp::of(&metadata).map(Some),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The MD5 of a file that is read from its beginning.
fn md5_of(file: &mut File) -> io::Result<String> {
    let mut md5 = Md5::new();
    let mut buffer = vec![0; HASH_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(percent::hex(&md5.finalize())),
            n_bytes => md5.update(&buffer[..n_bytes]),
        }
    }
}
