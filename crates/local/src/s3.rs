//! The embedded S3 endpoint: buckets and objects as a plain folder that a person can open.
//!
//! It answers the calls that exports, dead letters and leases need, to any SDK; `operation.rs` has
//! the list. A bucket is a folder and an object is a file, under the names
//! they have, wherever a file system can hold them; a file that someone puts there is an object.
//! What a file cannot say about itself lies in the folder `.s3` beside the buckets.
//!
//! Nothing is verified that has to do with rights: this endpoint is yours. What is built for
//! trying things out hangs at `/_local/faults`, where errors can be ordered. The program itself
//! needs no HTTP: `direct.rs` has what it may call.

mod address;
mod answer;
mod calls;
mod checksum;
mod chunked;
mod condition;
mod crc;
mod describe;
mod direct;
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

pub use self::direct::ObjectError;
use self::{faults::Faults, store::Store};
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

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
