//! Buckets: the folders that hold objects.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Store, is_absence, read_json, remove_file, walk};
use crate::s3::{
    address,
    error::{ApiError, Code},
};

/// What is known of a bucket beside its objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) created_ms: u64,
    /// `None` is us-east-1, as in S3.
    pub(crate) region: Option<String>,
}

impl Store {
    /// The folder of a bucket.
    ///
    /// # Errors
    ///
    /// When there is no such bucket.
    pub(super) fn folder_of(&self, bucket: &str) -> Result<PathBuf, ApiError> {
        address::check_bucket(bucket)?;
        let folder = self.folder.join(bucket);
        match fs::symlink_metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => Ok(folder),
            Err(error) if !is_absence(&error) => Err(error.into()),
            _ => Err(Code::NoSuchBucket.about("BucketName", bucket)),
        }
    }

    /// Every bucket, by name. A folder that someone made is one, if its name can be a bucket's.
    pub(crate) fn buckets(&self) -> Result<Vec<(String, Bucket)>, ApiError> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() && address::check_bucket(&name).is_ok() {
                let bucket = self.bucket(&name)?;
                buckets.push((name, bucket));
            }
        }
        buckets.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(buckets)
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Bucket, ApiError> {
        let folder = self.folder_of(name)?;
        if let Some(bucket) = read_json(&self.about_bucket(name))? {
            return Ok(bucket);
        }
        let stamp = super::record::Stamp::of(&fs::symlink_metadata(folder)?)?;
        Ok(Bucket { created_ms: stamp.modified_ms(), region: None })
    }

    /// Makes a bucket.
    ///
    /// # Errors
    ///
    /// When there is one.
    pub(crate) fn create_bucket(&self, name: &str, region: Option<String>) -> Result<(), ApiError> {
        address::check_bucket(name)?;
        let _guard = self.change();
        match fs::create_dir(self.folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Code::BucketAlreadyOwnedByYou.about("BucketName", name));
            }
            result => result?,
        }
        let bucket = Bucket { created_ms: self.clock.now_ms(), region };
        Ok(self.write_json(&self.about_bucket(name), &bucket)?)
    }

    /// Removes a bucket, and the uploads in it that nobody completed.
    ///
    /// # Errors
    ///
    /// When there are objects in it, or files that are none.
    pub(crate) fn delete_bucket(&self, name: &str) -> Result<(), ApiError> {
        let _guard = self.change();
        let folder = self.folder_of(name)?;
        let is_empty = walk::Walk::new(&folder, "", None).next()?.is_none();
        if !is_empty || !remove_empty_folders(&folder)? {
            return Err(Code::BucketNotEmpty.about("BucketName", name));
        }
        self.abort_all(name)?;
        match fs::remove_dir_all(self.ours(&["about", name])) {
            Err(error) if !is_absence(&error) => return Err(error.into()),
            _ => {}
        }
        Ok(remove_file(&self.about_bucket(name))?)
    }

    fn about_bucket(&self, name: &str) -> PathBuf {
        self.ours(&["buckets", &format!("{name}.json")])
    }
}

/// Removes a folder and the folders in it, and nothing else. `false` if there was something else.
fn remove_empty_folders(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || !remove_empty_folders(&entry.path())? {
            return Ok(false);
        }
    }
    fs::remove_dir(folder)?;
    Ok(true)
}
