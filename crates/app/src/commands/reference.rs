//! `streamdex reference`: every key, function and metric, as Markdown or as JSON Schema.

use std::fs;

use crate::{
    cli::Reference,
    failure::Failure,
    process::say,
    reference::{pages, schema},
};

pub(super) fn run(args: &Reference) -> Result<(), Failure> {
    if args.schema {
        say(&format_args!("{:#}", schema()));
        return Ok(());
    }
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("cannot write to {}: {error}", args.out.display()))
    };
    fs::create_dir_all(&args.out).map_err(cannot)?;
    for (name, text) in pages() {
        fs::write(args.out.join(name), text).map_err(cannot)?;
        say(&args.out.join(name).display());
    }
    Ok(())
}
