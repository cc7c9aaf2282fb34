//! `streamdex validate`: checks pipeline files without asking anybody.

use std::sync::Arc;

use aws::Environment;
use coordination::MemoryLeases;
use pipeline::{Clock, Meters};

use super::load_files;
use crate::{cli::Validate, failure::Failure, plugins::Surroundings, service::build_all};

#[expect(clippy::print_stdout, reason = "the verdict is what the command is asked for")]
pub(super) fn run(args: &Validate) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let loaded = load_files(&args.files, &environment)?;
    let surroundings = Surroundings {
        environment,
        clock: Clock::real(),
        meters: Meters::default(),
        leases: Arc::new(MemoryLeases::default()),
        dead_letters: std::path::PathBuf::new(),
    };
    let built = build_all(&loaded, &surroundings)?;
    let names: Vec<&str> = built.iter().map(|it| it.pipeline.name()).collect();
    println!("valid: {}", names.join(", "));
    Ok(())
}
