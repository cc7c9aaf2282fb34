//! The embedded endpoints, listening.

use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    serve::{Listener, ListenerExt},
};
use local::{clock::Clock, dynamodb::DynamoDb, opensearch::OpenSearch, s3::S3};
use pipeline::Stop;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tracing::{debug, error};

use crate::{cli::EndpointArgs, failure::Failure, process::listen};

/// The endpoints of `demo` and `local`.
pub(crate) struct Endpoints {
    pub(crate) dynamodb: SocketAddr,
    pub(crate) opensearch: SocketAddr,
    pub(crate) s3: SocketAddr,
    /// Objects are files, always; without a data folder they lie here and go with the process.
    _temporary: Option<TempDir>,
    stores: (DynamoDb, OpenSearch),
    servers: Vec<JoinHandle<()>>,
}

impl Endpoints {
    /// Opens the stores in `data_dir` and serves them until `stop` is asked.
    ///
    /// # Errors
    ///
    /// When an address is taken, or a store cannot be opened.
    pub(crate) async fn start(
        args: &EndpointArgs,
        data_dir: Option<&Path>,
        stop: &Stop,
    ) -> Result<Endpoints, Failure> {
        let dynamodb = listen("--dynamodb", args.dynamodb, false).await?;
        let opensearch = listen("--opensearch", args.opensearch, false).await?;
        let s3 = listen("--s3", args.s3, false).await?;
        let clock = Clock::default();
        let folder = |name: &str| data_dir.map(|it| it.join(name));
        let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
        let tables = DynamoDb::open(folder("dynamodb").as_deref(), clock.clone());
        let tables = tables.map_err(|error| failed(&error))?;
        let indices = OpenSearch::open(folder("opensearch").as_deref(), clock.clone());
        let indices = indices.map_err(|error| failed(&error))?;
        let temporary = match data_dir {
            Some(_) => None,
            None => Some(TempDir::new().map_err(|error| failed(&error))?),
        };
        let objects = folder("s3").or_else(|| temporary.as_ref().map(|it| it.path().to_owned()));
        let objects = S3::open(&objects.unwrap_or_default(), clock);
        let objects = objects.map_err(|error| failed(&error))?;
        tables.export_to(Arc::new(objects.clone()));
        Ok(Endpoints {
            dynamodb: address_of(&dynamodb)?,
            opensearch: address_of(&opensearch)?,
            s3: address_of(&s3)?,
            _temporary: temporary,
            servers: vec![
                serve(dynamodb, tables.router(), stop.clone()),
                serve(opensearch, indices.router(), stop.clone()),
                serve(s3, objects.router(), stop.clone()),
            ],
            stores: (tables, indices),
        })
    }

    /// Writes everything down and ends.
    pub(crate) async fn close(self) {
        for server in self.servers {
            server.abort();
        }
        self.stores.0.close().await;
        self.stores.1.close().await;
    }
}

/// Where a listener listens.
///
/// # Errors
///
/// When the system does not say.
pub(crate) fn address_of(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::failed(error.to_string()))
}

/// Serves `router` until `stop` is asked.
pub(crate) fn serve(listener: TcpListener, router: Router, stop: Stop) -> JoinHandle<()> {
    // What is small must not wait for what comes next: clients do not send before they have it.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "answers may come late");
        }
    });
    serve_on(listener, router, stop)
}

/// Serves `router` to whoever a listener lets in, until `stop` is asked.
pub(crate) fn serve_on<L>(listener: L, router: Router, stop: Stop) -> JoinHandle<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
            error!(%error, "an endpoint ended");
        }
    })
}
