//! `chaos`: three real workers on one pipeline while everything around them breaks. The driver is a
//! test of the program, `crates/app/tests/it/chaos.rs`, because this crate may not know the others.

use std::process::ExitCode;

use anyhow::Context;

use crate::shell::{Misused, cargo, root, shown};

/// How long it takes if nobody says.
const MINUTES: &str = "2";

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (mut minutes, mut seed) = (MINUTES, "1");
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(name) = rest.next() {
        match (name, rest.next()) {
            ("--minutes", Some(n)) => minutes = n,
            ("--seed", Some(n)) => seed = n,
            _ => {
                let problem = "`chaos` takes `--minutes N` and `--seed N`";
                return Err(Misused(problem.to_owned()).into());
            }
        }
    }
    let number = |text: &str| {
        let number = text.parse::<u64>();
        number
            .map_err(|_| Misused(format!("`{text}` is not a number; write one, as in `--seed 17`")))
    };
    let seconds = number(minutes)?.saturating_mul(60);
    number(seed)?;
    let mut command = cargo(
        "test --package app --test it -- --nocapture --exact chaos::in_chaos_nothing_is_lost",
    );
    command
        .current_dir(root())
        .env("STREAMDEX_CHAOS_SECONDS", seconds.to_string())
        .env("STREAMDEX_CHAOS_SEED", seed);
    println!("STREAMDEX_CHAOS_SECONDS={seconds} STREAMDEX_CHAOS_SEED={seed} {}", shown(&command));
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(&command)))?;
    println!("verdict: {}", if status.success() { "equal" } else { "NOT EQUAL, see above" });
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
