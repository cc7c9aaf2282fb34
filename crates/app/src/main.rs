//! The program `streamdex`: the commands, and what they print.

mod api;
mod cli;
mod commands;
mod endpoints;
mod failure;
mod leases;
mod letters;
mod plugins;
mod process;
mod process_file;
mod reference;
mod rehearsal;
mod service;
mod status;
mod stdout;
mod tls;

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;

use crate::{cli::Cli, failure::Failure};

/// Returns memory sooner and faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    process::log(cli.log(std::io::stdout().is_terminal()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli.command)),
        Err(error) => Err(Failure::failed(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
