//! Measures Streamdex on this machine: side by side where there is something to compare with.
//!
//! `cargo xtask bench` runs all of it but `steady`, which takes its time: `cargo xtask bench steady
//! --minutes 10`; `cargo xtask bench convert` one part. What a run said, with
//! the machine it ran on, stands in `docs/benchmarks.md`.

#![expect(clippy::print_stdout, reason = "the figures are what the program is asked for")]

mod convert;
mod export;
mod expression;
mod lambda;
mod latency;
mod local;
mod memory;
mod process;
mod processors;
mod records;
mod rig;
mod sink;
mod steady;
mod stream;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long `steady` takes if nobody says.
const STEADY_MINUTES: u64 = 10;

fn main() -> anyhow::Result<()> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut minutes = STEADY_MINUTES;
    if let Some(at) = wanted.iter().position(|it| it == "--minutes") {
        let number = wanted.get(at + 1).and_then(|it| it.parse().ok());
        minutes = number.ok_or_else(|| anyhow::anyhow!("write a number behind `--minutes`"))?;
        wanted.drain(at..at + 2);
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some((sink::LOADER, arguments)) =
        wanted.split_first().map(|(it, rest)| (it.as_str(), rest))
    {
        return runtime.block_on(sink::load(arguments));
    }
    if is_wanted("convert") {
        convert::run()?;
    }
    if is_wanted("export") {
        export::run()?;
    }
    if is_wanted("expression") {
        expression::run()?;
    }
    if is_wanted("stream") {
        runtime.block_on(stream::run())?;
    }
    if is_wanted("latency") {
        runtime.block_on(latency::run())?;
    }
    if is_wanted("lambda") {
        runtime.block_on(lambda::run())?;
    }
    if is_wanted("sink") {
        runtime.block_on(sink::run())?;
    }
    if is_wanted("memory") {
        runtime.block_on(memory::run())?;
    }
    if wanted.iter().any(|it| it == "steady") {
        runtime.block_on(steady::run(minutes))?;
    }
    if is_wanted("local") {
        local::run(&runtime)?;
    }
    if is_wanted("process") {
        runtime.block_on(process::run())?;
    }
    if is_wanted("processors") {
        processors::run()?;
    }
    Ok(())
}
