//! Where leases and checkpoints are kept: in the data directory, or in a table that several
//! processes share.

use std::{path::Path, sync::Arc};

use aws::Environment;
use coordination::{Coordination, FileLeases, LeaseStore, TableLeases};
use pipeline::{Clock, ConfigError, Settings, SourceText};
use tracing::info;

use crate::{
    cli::Run,
    failure::{Failure, warn_of},
};

/// The block of Data Prepper's process file that is ours to read.
const BLOCK: &str = "source_coordination";
const BLOCK_IN_CAMEL_CASE: &str = "sourceCoordination";

/// What the command line says, or else the process file, or else the data directory.
///
/// # Errors
///
/// When either makes no sense.
pub(crate) fn choose(args: &Run) -> Result<Coordination, Failure> {
    if let Some(address) = &args.leases {
        return Coordination::from_address(address).map_err(|it| Failure::wrong(it.to_string()));
    }
    match &args.config {
        Some(file) => read_process_file(file),
        None => Ok(Coordination::default()),
    }
}

fn read_process_file(file: &Path) -> Result<Coordination, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("cannot read {name}: {error}")))?;
    let mistake = |error: ConfigError| Failure::mistakes(&error.each().into_iter().collect());
    let settings = Settings::from_source(SourceText { name, text }).map_err(mistake)?;
    let (mut coordination, mut warnings) = (Coordination::default(), Vec::new());
    for (key, value) in settings.entries() {
        if [BLOCK, BLOCK_IN_CAMEL_CASE].contains(&key) {
            let (read, more) = Coordination::read(&value).map_err(mistake)?;
            coordination = read;
            warnings.extend(more);
        } else {
            let problem = format!("`{key}` is not carried out by this version");
            warnings.push(ConfigError::new("", problem).with_place(value.key_place()));
        }
    }
    warn_of(&warnings.into_iter().collect());
    Ok(coordination)
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
