//! `bench`: how fast and how small it is on this machine.

use std::process::ExitCode;

use crate::shell::{cargo, hand_over};

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    // One of the benches starts the program itself.
    let built = cargo("build --release --locked --package app --package bench").status()?;
    anyhow::ensure!(built.success(), "the build failed");
    let mut command = cargo("run --release --locked --package bench --");
    command.args(arguments);
    hand_over(command)
}
