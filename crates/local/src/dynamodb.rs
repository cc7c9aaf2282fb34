//! DynamoDB, its Streams and the part of STS that clients need, on your machine.
//!
//! Any SDK can talk to it: JSON 1.0 over HTTP, DynamoDB's own errors, ARNs with the region and the
//! account that the request is signed for. Signatures are never verified.
//!
//! ```text
//! http ─→ operations ─→ endpoint ─→ table: items, streams
//!              │            └──→ store: journal, snapshots
//!              └─ expression: conditions, updates, projections
//! ```
//!
//! What is decided is decided in pure files: the expression language, keys and their order, the life
//! of streams. [`local_api`] moves the clock, splits shards and orders faults, for tests.

mod answer;
mod endpoint;
mod error;
mod export;
mod expression;
mod faults;
mod http;
mod item;
mod key;
mod local_api;
mod operations;
mod partitions;
mod request;
mod store;
mod stream;
mod sts;
mod sweeper;
mod table;
mod timestamp;
mod tokens;

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

pub use store::OpenError;

use crate::{clock::Clock, objects::ObjectStore};
use endpoint::{Cell, Endpoint, Tables};
use faults::Faults;
use store::Store;
use tokens::Tokens;

/// An embedded DynamoDB. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    endpoint: Arc<Endpoint>,
}

impl DynamoDb {
    /// Opens the tables in `data_dir`, which belongs to it alone; without one, nothing is kept.
    ///
    /// # Errors
    ///
    /// When the directory is in use or cannot be written. Damage is no error: what can be read is
    /// there, and a warning says what is not.
    pub fn open(data_dir: Option<&Path>, clock: Clock) -> Result<DynamoDb, OpenError> {
        let mut tables = Tables::default();
        let mut kept = None;
        let mut tokens = Tokens::default();
        if let Some(dir) = data_dir {
            let (store, replay) = Store::open(dir)?;
            tables.last_id = replay.last_id;
            tokens = Tokens::restored(replay.tokens, clock.now_ms());
            for (id, table) in replay.tables {
                let address = (table.description.region.clone(), table.description.name.clone());
                let is_deleted = table.description.deleted_ms.is_some();
                let cell = Arc::new(Cell::new(id, table));
                if is_deleted {
                    tables.deleted.push(cell);
                } else {
                    tables.live.insert(address, cell);
                }
            }
            kept = Some(store);
        }
        let endpoint = Arc::new_cyclic(|handle| Endpoint {
            clock,
            faults: Faults::default(),
            tables: RwLock::new(tables),
            store: kept,
            tokens,
            objects: RwLock::default(),
            handle: handle.clone(),
        });
        Ok(DynamoDb { endpoint })
    }

    /// Says where exports are written to. Without it, they fail.
    pub fn export_to(&self, objects: Arc<dyn ObjectStore>) {
        let mut place = self.endpoint.objects.write().unwrap_or_else(PoisonError::into_inner);
        *place = Some(objects);
    }

    /// What answers requests; bind a listener and serve it.
    pub fn router(&self) -> axum::Router {
        sweeper::start(&self.endpoint);
        http::router(self.endpoint.clone())
    }

    /// Waits until everything that was acknowledged is on the disk.
    #[expect(
        clippy::unused_async,
        reason = "the interface leaves room for waiting without blocking"
    )]
    pub async fn close(&self) {
        if let Some(store) = &self.endpoint.store
            && let Err(error) = store.sync()
        {
            tracing::error!(%error, "could not write everything to disk");
        }
    }
}
