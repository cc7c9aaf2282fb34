//! `demo`: the whole product on this machine.

use std::process::ExitCode;

use crate::shell::{cargo, hand_over};

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let build = ["run", "--release", "--package", "app", "--bin", "streamdex"];
    let mut command = cargo(build);
    command.args(["--", "demo"]).args(arguments);
    hand_over(command)
}
