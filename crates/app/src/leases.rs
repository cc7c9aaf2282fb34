//! Where leases and checkpoints are kept: in the data directory, or in a table that several
//! processes share.

use std::{path::Path, sync::Arc};

use aws::Environment;
use coordination::{Coordination, FileLeases, LeaseStore, TableLeases};
use pipeline::Clock;
use tracing::info;

use crate::{cli::Run, failure::Failure};

/// What the command line says, or else the process file, or else the data directory.
///
/// # Errors
///
/// When the command line makes no sense.
pub(crate) fn choose(args: &Run, process_file: Coordination) -> Result<Coordination, Failure> {
    match &args.leases {
        Some(address) => {
            Coordination::from_address(address).map_err(|it| Failure::wrong(it.to_string()))
        }
        None => Ok(process_file),
    }
}

/// Opens the store.
///
/// # Errors
///
/// When the directory or the table cannot be used.
pub(crate) async fn open(
    coordination: Coordination,
    data_dir: &Path,
    environment: Environment,
) -> Result<Arc<dyn LeaseStore>, Failure> {
    let failed = |error: coordination::LeaseError| Failure::failed(error.to_string());
    std::fs::create_dir_all(data_dir).map_err(|error| {
        let path = data_dir.display();
        Failure::failed(format!(
            "cannot write to the data directory {path}: {error}; choose another with --data-dir"
        ))
    })?;
    match coordination {
        Coordination::DataDirectory => {
            let leases = FileLeases::open(&data_dir.join("leases.redb")).map_err(failed)?;
            Ok(Arc::new(leases))
        }
        Coordination::Table(config) => {
            info!(table = config.table, "sharing leases with other processes");
            let leases = TableLeases::open(*config, environment, Clock::real()).await;
            Ok(Arc::new(leases.map_err(failed)?))
        }
    }
}
