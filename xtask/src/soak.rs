//! `soak`: the sink under load while its cluster falls from one fault into the next. The driver is a
//! test of the sink, `crates/opensearch/tests/it/soak.rs`, which takes some seconds in `test`.

use std::process::ExitCode;

use anyhow::Context;

use crate::shell::{Misused, cargo, root, shown};

/// How long it takes if nobody says.
const MINUTES: &str = "10";

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let minutes = match arguments {
        [] => MINUTES,
        [flag, n] if flag == "--minutes" => n,
        _ => return Err(Misused("`soak` takes `--minutes N`".to_owned()).into()),
    };
    let seconds = minutes
        .parse::<u64>()
        .map_err(|_| {
            Misused(format!("`{minutes}` is not a number; write one, as in `--minutes 5`"))
        })?
        .saturating_mul(60);
    let mut command = cargo(
        "test --package opensearch --test it -- --nocapture --exact soak::a_cluster_falls_from_one_fault_into_the_next",
    );
    command.current_dir(root()).env("STREAMDEX_SOAK_SECONDS", seconds.to_string());
    println!("STREAMDEX_SOAK_SECONDS={seconds} {}", shown(&command));
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(&command)))?;
    println!("verdict: {}", if status.success() { "all accounted for" } else { "NOT, see above" });
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
