//! The embedded S3 endpoint: buckets and objects as a plain folder that a person can open.
//!
//! It answers the calls that exports, dead letters and leases need, to any SDK; `operation.rs` has
//! the list. A bucket is a folder and an object is a file, under the names
//! they have, wherever a file system can hold them; a file that someone puts there is an object.
//! What a file cannot say about itself lies in the folder `.s3` beside the buckets.
//!
//! Nothing is verified that has to do with rights: this endpoint is yours. What is built for
//! trying things out hangs at `/_local/faults`, where errors can be ordered.

mod address;
mod answer;
mod calls;
mod checksum;
mod chunked;
mod condition;
mod crc;
mod describe;
mod error;
mod expected;
mod faults;
mod head;
mod operation;
mod page;
mod path;
mod percent;
mod plan;
mod query;
mod range;
mod serve;
mod signature;
mod store;
mod time;
mod transfer;
mod xml;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::Router;
use bytes::Bytes;

use self::{
    condition::Conditions,
    error::{ApiError, Code},
    faults::Faults,
    store::{Store, record::Description},
};
use crate::clock::Clock;

/// The endpoint. Clones share everything.
#[derive(Clone, Debug)]
pub struct S3 {
    store: Arc<Store>,
    faults: Arc<Mutex<Faults>>,
}

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read or written. Look at its rights.
    #[error("cannot use {} for the embedded S3", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process serves it. Stop that one, or choose another folder.
    #[error("{} is in use by another embedded S3", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Nobody has created the bucket.
    #[error("the bucket {bucket} does not exist")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
    },
    /// It cannot be written like this, or not now; the text says why.
    #[error("{0}")]
    Refused(String),
}

impl S3 {
    /// Opens the folder that holds the buckets, and makes it if need be. Objects lie under
    /// `<folder>/<bucket>/<key…>`.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, or another process serves it.
    pub fn open(folder: &Path, clock: Clock) -> Result<S3, OpenError> {
        let store = Arc::new(Store::open(folder, clock)?);
        Ok(S3 { store, faults: Arc::default() })
    }

    /// What answers requests. Whoever binds a port serves it.
    pub fn router(&self) -> Router {
        Router::new().fallback(serve::serve).with_state(self.clone())
    }

    /// Writes an object as if it was put, and returns its etag.
    ///
    /// # Errors
    ///
    /// When there is no such bucket, the key is too long, or the disk is full.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<String, PutError> {
        let store = self.store.clone();
        let (name, key) = (bucket.to_owned(), key.to_owned());
        let description = Description::of_type(content_type);
        let etag = transfer::blocking(move || {
            if key.is_empty() {
                return Err(Code::InvalidRequest.because("a key has at least one letter"));
            }
            address::check_key(&key)?;
            let mut draft = store.draft(None)?;
            draft.write(&body)?;
            let conditions = Conditions::default();
            let record = store.commit(&name, &key, draft.finish(), description, &conditions)?;
            Ok::<_, ApiError>(record.content.etag)
        });
        etag.await.map_err(|error| {
            if error.is(Code::NoSuchBucket) {
                PutError::NoSuchBucket { bucket: bucket.to_owned() }
            } else {
                PutError::Refused(error.to_string())
            }
        })
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
