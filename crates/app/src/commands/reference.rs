//! `streamdex reference`: every key, function and metric, as Markdown or as JSON Schema.

use std::fs;

use crate::{
    cli::Reference,
    failure::Failure,
    reference::{pages, schema},
};

#[expect(clippy::print_stdout, reason = "the schema, or what was written, is what is asked for")]
pub(super) fn run(args: &Reference) -> Result<(), Failure> {
    if args.schema {
        println!("{:#}", schema());
        return Ok(());
    }
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("cannot write to {}: {error}", args.out.display()))
    };
    fs::create_dir_all(&args.out).map_err(cannot)?;
    for (name, text) in pages() {
        fs::write(args.out.join(name), text).map_err(cannot)?;
        println!("{}", args.out.join(name).display());
    }
    Ok(())
}
