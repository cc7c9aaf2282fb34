//! One file per command.

mod demo;
mod dlq;
mod evaluate;
mod lambda;
mod local;
mod permissions;
mod plan;
mod reference;
mod run;
mod validate;
mod verify;

use std::path::Path;

use serde_json::{Map, Value};

use crate::{cli::Command, failure::Failure};

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
        Command::Plan(args) => plan::run(args).await,
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::Verify(args) => Box::pin(verify::run(args)).await,
        Command::Dlq(args) => Box::pin(dlq::run(args)).await,
        Command::Lambda(args) => Box::pin(lambda::run(args)).await,
    }
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
