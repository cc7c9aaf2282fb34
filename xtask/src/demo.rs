//! `demo`: the whole product on this machine.

use std::process::ExitCode;

use crate::shell::{cargo, hand_over};

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut command = cargo("run --release --package app --bin streamdex -- demo");
    command.args(arguments);
    hand_over(command)
}
