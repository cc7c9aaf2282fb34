//! Where endpoints put files: what an S3 endpoint must be able to do for DynamoDB's exports.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::Mutex,
};

use bytes::Bytes;

use crate::s3::{self, S3};

/// Buckets that objects can be put into. The S3 endpoint is one; so is [`MemoryObjects`].
pub trait ObjectStore: Send + Sync + fmt::Debug {
    /// Whether there is such a bucket.
    fn has_bucket(&self, bucket: &str) -> bool;

    /// Puts an object, and returns its etag without quotes.
    ///
    /// # Errors
    ///
    /// When there is no such bucket, or the object cannot be kept.
    fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<String, ObjectError>;
}

/// Why an object cannot be put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is no such bucket.
    #[error("The specified bucket does not exist")]
    NoSuchBucket,
    /// Anything else; it says what.
    #[error("{0}")]
    Failed(String),
}

impl ObjectStore for S3 {
    fn has_bucket(&self, bucket: &str) -> bool {
        S3::has_bucket(self, bucket)
    }

    fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<String, ObjectError> {
        let kind = match key.rsplit('.').next() {
            Some("json") => "application/json",
            Some("gz") => "application/gzip",
            _ => "application/octet-stream",
        };
        self.put_object(bucket, key, kind, &body).map_err(|error| match error {
            s3::ObjectError::NoSuchBucket { .. } => ObjectError::NoSuchBucket,
            error => ObjectError::Failed(error.to_string()),
        })
    }
}

/// Objects in memory, gone with the process. For tests, and for whoever runs no S3 endpoint.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    buckets: Mutex<BTreeMap<String, BTreeMap<String, Bytes>>>,
}

impl MemoryObjects {
    /// One with these buckets.
    pub fn with_buckets(names: &[&str]) -> MemoryObjects {
        let buckets = names.iter().map(|it| ((*it).to_owned(), BTreeMap::new())).collect();
        MemoryObjects { buckets: Mutex::new(buckets) }
    }

    /// Everything in a bucket, by key.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Bytes> {
        self.lock().get(bucket).cloned().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeMap<String, Bytes>>> {
        self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl ObjectStore for MemoryObjects {
    fn has_bucket(&self, bucket: &str) -> bool {
        self.lock().contains_key(bucket)
    }

    fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<String, ObjectError> {
        use md5::{Digest, Md5};
        let mut etag = String::new();
        for byte in Md5::digest(&body) {
            // Writing to memory does not fail.
            let _ = write!(etag, "{byte:02x}");
        }
        let mut buckets = self.lock();
        let objects = buckets.get_mut(bucket).ok_or(ObjectError::NoSuchBucket)?;
        objects.insert(key.to_owned(), body);
        Ok(etag)
    }
}
