//! `bench`: how fast and how small it is on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Context;

use crate::{
    clients::{done, python},
    shell::{cargo, hand_over, root},
};

/// Asks for the program as it is shipped; its build takes several times as long.
const AS_SHIPPED: &str = "--release";

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (profile, arguments) = match arguments.split_first() {
        Some((first, rest)) if first == AS_SHIPPED => ("release", rest),
        _ => ("measure", arguments),
    };
    // Some of the benches start the programs themselves.
    let packages = "--package app --package bench --package lambda";
    let build = format!("build --profile {profile} --locked {packages}");
    anyhow::ensure!(cargo(&build).status()?.success(), "the build failed");
    let mut command = cargo(&format!("run --profile {profile} --locked --package bench --"));
    command.args(arguments);
    if arguments.iter().any(|it| it == "lambda") {
        let root = fs::canonicalize(root()).context("cannot find the repository")?;
        let folder = root.join("target/lambda/compared");
        let requirements = "bench/lambda/requirements.txt";
        let python = python(&root, requirements, "boto3, opensearchpy", &folder.join("python"))?;
        command.env("STREAMDEX_BENCH_PYTHON", python);
        command.env("STREAMDEX_BENCH_NODE_MODULES", node_modules(&root, &folder)?);
    }
    hand_over(command)
}

/// The handler of npm that ours is compared with, and all it takes.
fn node_modules(root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(root.join("bench/lambda").join(name), folder.join(name))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    done(install.current_dir(folder)).context("it takes Node.js with npm, and a network")?;
    Ok(folder.join("node_modules"))
}
