//! Measures what happens between bytes and bytes: one core, CPU time, no server and no search engine,
//! so that it is built as it is shipped within a minute.
//!
//! `cargo xtask bench` runs it beside `bench`.

#![expect(clippy::print_stdout, reason = "the figures are what the program is asked for")]

mod convert;
mod export;
mod expression;
mod processors;
mod records;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    if is_wanted("convert") {
        convert::run()?;
    }
    if is_wanted("export") {
        export::run()?;
    }
    if is_wanted("expression") {
        expression::run()?;
    }
    if is_wanted("processors") {
        processors::run()?;
    }
    Ok(())
}
