//! `bench`: how fast and how small it is on this machine.

use std::process::ExitCode;

use crate::shell::{cargo, hand_over};

/// Asks for the program as it is shipped; its build takes several times as long.
const AS_SHIPPED: &str = "--release";

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (profile, arguments) = match arguments.split_first() {
        Some((first, rest)) if first == AS_SHIPPED => ("release", rest),
        _ => ("measure", arguments),
    };
    // Some of the benches start the program itself.
    let build = format!("build --profile {profile} --locked --package app --package bench");
    anyhow::ensure!(cargo(&build).status()?.success(), "the build failed");
    let mut command = cargo(&format!("run --profile {profile} --locked --package bench --"));
    command.args(arguments);
    hand_over(command)
}
