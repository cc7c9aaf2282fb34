//! `sim`: the source's decisions against crashes, stalls and late answers, all from one seed.

use std::process::ExitCode;

use crate::shell::{Misused, cargo, hand_over};

/// Optimised, as `--release` is: a quarter of an hour on one core.
const SEEDS: &str = "100000";

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, value) = match arguments[..] {
        [] => ("STREAMDEX_SIM_SEEDS", SEEDS),
        ["--seeds", n] => ("STREAMDEX_SIM_SEEDS", n),
        [seed] => ("STREAMDEX_SIM_SEED", seed),
        _ => return Err(Misused("`sim` takes one seed, or `--seeds N`".to_owned()).into()),
    };
    if value.parse::<u64>().is_err() {
        return Err(Misused(format!("`{value}` is not a number; write one, as in `sim 17`")).into());
    }
    println!("{name}={value}");
    // One is looked at closely, and soon built; many should be over soon.
    let mut command = cargo(if name == "STREAMDEX_SIM_SEED" {
        "test --package dynamodb --test simulation -- --nocapture"
    } else {
        "test --release --package dynamodb --test simulation -- --nocapture"
    });
    command.env(name, value);
    hand_over(command)
}
