//! Where documents are kept that the index will never take: in a file, or in a bucket.

mod file;
mod s3;
mod stored;

use std::{path::Path, sync::Arc};

use aws::Environment;
use pipeline::{Clock, ConfigError, DeadLetterQueue, Settings};

pub use self::{
    file::DeadLetters,
    s3::S3Letters,
    stored::{Store, StoredLetters},
};
use crate::Config;

/// The queue that the settings ask for; without one, a file of `folder`.
///
/// # Errors
///
/// When the prefix of keys has a date that is none.
pub fn queue_of(
    config: &Config,
    settings: &Settings,
    folder: &Path,
    pipeline: &str,
    environment: &Environment,
    clock: &Clock,
) -> Result<Arc<dyn DeadLetterQueue>, ConfigError> {
    if let Some(dlq) = &config.dlq {
        let letters = S3Letters::new(&dlq.s3, pipeline, environment.clone(), clock.clone());
        let letters =
            letters.map_err(|problem| settings.problem("dlq.s3.key_path_prefix", problem))?;
        return Ok(Arc::new(letters));
    }
    Ok(match &config.dlq_file {
        Some(path) => Arc::new(DeadLetters::in_file(path, pipeline)),
        None => Arc::new(DeadLetters::in_folder(folder, pipeline)),
    })
}
