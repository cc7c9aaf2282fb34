//! The embedded OpenSearch endpoint: what a client of OpenSearch 2.19 can say, on this machine.
//!
//! [`OpenSearch`] opens the indices and hands out a router. A request is read in [`mod@http`], finds
//! its call in [`routes`], and the call, one file per subject, asks the engine, `search`.
//! Calls are plain functions on blocking threads; nothing here waits for the disk on an async one.

#![expect(
    clippy::unnecessary_wraps,
    reason = "every call has the same shape, also one that cannot fail"
)]

mod aliases;
mod answer;
mod bulk;
mod call;
mod cat;
mod cluster;
mod condition;
mod documents;
mod faults;
mod http;
mod indices;
mod routes;
mod searches;
mod templates;
mod upkeep;
mod views;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicUsize},
};

use search::{Failure, Node};

use crate::clock::Clock;
use faults::Faults;
use views::Views;

/// The version of OpenSearch whose clients may expect us to behave as it does.
const VERSION: &str = "2.19.2";

/// An OpenSearch endpoint. Cheap to clone; clones are the same endpoint.
#[derive(Clone, Debug)]
pub struct OpenSearch(Arc<Server>);

/// What the calls work with.
#[derive(Debug)]
struct Server {
    node: Node,
    clock: Clock,
    faults: Faults,
    views: Views,
    /// The bytes of all requests that are being worked on.
    in_flight_bytes: AtomicUsize,
    /// What the node calls itself.
    id: String,
}

/// Why the indices could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the OpenSearch data in {}: {}", path.display(), failure.reason)]
pub struct OpenError {
    path: PathBuf,
    failure: Failure,
}

impl OpenSearch {
    /// Opens the indices in `data_dir`; without one, they live in memory. `clock` says when deletes
    /// are forgotten and what `now` means in a query.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, or holds something that cannot be opened.
    pub fn open(data_dir: Option<&Path>, clock: Clock) -> Result<OpenSearch, OpenError> {
        let (node, problems) = Node::open(data_dir, clock.now_ms()).map_err(|failure| {
            OpenError { path: data_dir.unwrap_or(Path::new("memory")).to_owned(), failure }
        })?;
        for problem in problems {
            tracing::warn!("{problem}");
        }
        let id = node.new_id();
        let (faults, views) = (Faults::default(), Views::default());
        let in_flight_bytes = AtomicUsize::new(0);
        let server = Arc::new(Server { node, clock, faults, views, in_flight_bytes, id });
        upkeep::start(&server);
        Ok(OpenSearch(server))
    }

    /// The endpoint as a service; whoever calls binds the address.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.0))
    }

    /// Makes everything durable, for a clean end.
    pub async fn close(&self) {
        let server = Arc::clone(&self.0);
        let closed = tokio::task::spawn_blocking(move || server.node.close(server.clock.now_ms()));
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                tracing::error!(%failure, "an index could not be closed; its journal will be read when it is opened");
            }
            Err(error) => tracing::error!(%error, "closing the indices was interrupted"),
        }
    }
}
