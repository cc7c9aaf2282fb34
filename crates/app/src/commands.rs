//! One file per command.

mod demo;
mod dlq;
mod local;
mod run;
mod validate;

use std::path::{Path, PathBuf};

use aws::Environment;
use engine::file::{Loaded, load};
use serde_json::{Map, Value};

use crate::{
    cli::Command,
    failure::{Failure, warn_of},
};

/// Does what was asked.
///
/// # Errors
///
/// When it could not be done.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        // It holds everything at once, which is too much for the stack of a task.
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Local(args) => local::run(args).await,
        Command::Run(args) => Box::pin(run::run(args)).await,
        Command::Validate(args) => validate::run(&args),
        Command::Dlq(args) => Box::pin(dlq::run(args)).await,
    }
}

/// Reads pipeline files, and tells what is worth a warning in them.
fn load_files(files: &[PathBuf], environment: &Environment) -> Result<Loaded, Failure> {
    let loaded = load(files, &|name| environment.get(name));
    let loaded = loaded.map_err(|problems| Failure::mistakes(&problems))?;
    warn_of(&loaded.warnings);
    Ok(loaded)
}

/// The addresses by name, for `--addresses`.
fn write_addresses(file: Option<&Path>, addresses: &[(&str, String)]) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let addresses: Map<String, Value> =
        addresses.iter().map(|(name, it)| ((*name).to_owned(), it.as_str().into())).collect();
    // Whoever waits for the file must never see half of it.
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, Value::Object(addresses).to_string())
        .and_then(|()| std::fs::rename(&unfinished, file))
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", file.display())))
}
