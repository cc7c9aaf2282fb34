//! Objects without HTTP, for the rest of the program: exports, dead letters.
//!
//! Everything here blocks; from a task, call it where blocking is allowed.

use std::io::Read;

use super::{
    S3, address,
    condition::Conditions,
    error::{ApiError, Code},
    store::{
        listing::{Item, Wanted},
        record::Description,
    },
};

/// The largest object that is read as a whole.
const READ_BYTES_MAX: u64 = 1 << 30;
/// How many objects are looked at before the next are.
const PAGE_ITEMS: usize = 1000;

/// Why nothing was done to an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Nobody has created the bucket.
    #[error("the bucket {bucket} does not exist; create it first")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
    },
    /// There is no such object.
    #[error("there is no object {key} in the bucket {bucket}")]
    NoSuchKey {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// It cannot be done like this, or not now; the text says why.
    #[error("{0}")]
    Refused(String),
}

impl S3 {
    /// Whether there is such a bucket.
    pub fn has_bucket(&self, bucket: &str) -> bool {
        self.store.bucket(bucket).is_ok()
    }

    /// Creates a bucket, unless it is there.
    ///
    /// # Errors
    ///
    /// When it cannot be called so, or the disk is full.
    pub fn create_bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        match self.store.create_bucket(bucket, None) {
            Err(error) if !error.is(Code::BucketAlreadyOwnedByYou) => {
                Err(explained(&error, bucket, ""))
            }
            _ => Ok(()),
        }
    }

    /// Writes an object as if it was put, and returns its etag without quotes.
    ///
    /// # Errors
    ///
    /// When there is no such bucket, the key is empty or too long, or the disk is full.
    pub fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<String, ObjectError> {
        let put = || {
            if key.is_empty() {
                return Err(Code::InvalidRequest.because("a key has at least one letter"));
            }
            address::check_key(key)?;
            let mut draft = self.store.draft(None)?;
            draft.write(body)?;
            let (description, conditions) =
                (Description::of_type(content_type), Conditions::default());
            let record =
                self.store.commit(bucket, key, draft.finish(), description, &conditions)?;
            Ok(record.content.etag)
        };
        put().map_err(|error| explained(&error, bucket, key))
    }

    /// Reads an object.
    ///
    /// # Errors
    ///
    /// When it is not there, or larger than a gigabyte.
    pub fn get_object(&self, bucket: &str, key: &str) -> Result<Vec<u8>, ObjectError> {
        let get = || {
            let object = self.store.object(bucket, key)?;
            let n_bytes = object.record.stamp.n_bytes;
            if READ_BYTES_MAX < n_bytes {
                return Err(Code::EntityTooLarge.because("the object is larger than a gigabyte"));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(n_bytes).unwrap_or_default());
            object.file.take(n_bytes).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        get().map_err(|error| explained(&error, bucket, key))
    }

    /// The first keys that begin with `prefix`, in order, at most `keys_max` of them.
    ///
    /// # Errors
    ///
    /// When there is no such bucket.
    pub fn list_keys(
        &self,
        bucket: &str,
        prefix: &str,
        keys_max: usize,
    ) -> Result<Vec<String>, ObjectError> {
        let mut keys = Vec::new();
        let mut after = None;
        while keys.len() < keys_max {
            let wanted = Wanted {
                prefix: prefix.to_owned(),
                delimiter: None,
                after,
                items_max: PAGE_ITEMS.min(keys_max - keys.len()),
            };
            let page = self.store.list(bucket, &wanted);
            let page = page.map_err(|error| explained(&error, bucket, prefix))?;
            keys.extend(page.items.into_iter().map(|item| match item {
                Item::Object(key, _) | Item::Prefix(key) => key,
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(keys)
    }

    /// Deletes an object; it is no error that there is none.
    ///
    /// # Errors
    ///
    /// When there is no such bucket.
    pub fn delete_object(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        let deleted = self.store.delete(bucket, key, &Conditions::default());
        deleted.map_err(|error| explained(&error, bucket, key))
    }
}

fn explained(error: &ApiError, bucket: &str, key: &str) -> ObjectError {
    let bucket = bucket.to_owned();
    if error.is(Code::NoSuchBucket) {
        ObjectError::NoSuchBucket { bucket }
    } else if error.is(Code::NoSuchKey) {
        ObjectError::NoSuchKey { bucket, key: key.to_owned() }
    } else {
        ObjectError::Refused(error.to_string())
    }
}
