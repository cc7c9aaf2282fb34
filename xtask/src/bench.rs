//! `bench`: how fast and how small it is on this machine.

use std::process::ExitCode;

use crate::shell::{cargo, hand_over};

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut command = cargo("run --release --package bench --");
    command.args(arguments);
    hand_over(command)
}
