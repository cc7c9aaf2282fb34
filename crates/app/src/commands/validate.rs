//! `streamdex validate`: checks pipeline files without asking anybody.

use aws::Environment;

use super::permissions::policy;
use crate::{
    cli::Validate,
    failure::{Failure, warn_of},
    plugins::Surroundings,
    process::say,
    process_file::ProcessFile,
    service::{Files, build_all},
};

pub(super) fn run(args: &Validate) -> Result<(), Failure> {
    let mut process = ProcessFile::default();
    if let Some(config) = &args.config {
        process = ProcessFile::read(config)?;
        if args.files.is_empty() {
            say(&format_args!("valid: {}", config.display()));
            return Ok(());
        }
    }
    let environment = Environment::of_process();
    let loaded = Files::at(&args.files, args.osis).read(&environment)?;
    warn_of(&loaded.warnings);
    let built = build_all(&loaded, &Surroundings::without_place(environment))?;
    if args.permissions {
        say(&format_args!("{:#}", policy(&loaded, &process.coordination)));
        return Ok(());
    }
    let names: Vec<&str> = loaded.pipelines.iter().map(|it| it.name.as_str()).collect();
    debug_assert_eq!(built.len(), names.len(), "every pipeline was built");
    say(&format_args!("valid: {}", names.join(", ")));
    Ok(())
}
