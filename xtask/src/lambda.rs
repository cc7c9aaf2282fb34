//! `lambda`: the function as it is deployed: a zip for each architecture that AWS Lambda has.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, ensure};

use crate::{
    clients::{done, python},
    shell::{Misused, root},
};

/// What Lambda calls them, and what Rust does. With musl nothing of the system is needed.
const ARCHITECTURES: [(&str, &str); 2] =
    [("arm64", "aarch64-unknown-linux-musl"), ("x86_64", "x86_64-unknown-linux-musl")];
/// Where the versions of the compiler for other machines stand.
const REQUIREMENTS: &str = "xtask/lambda/requirements.txt";
/// A larger zip is a mistake: what is small starts sooner.
const ZIP_BYTES_MAX: u64 = 6_000_000;

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let known = |it: &String| ARCHITECTURES.iter().any(|(name, _)| name == it);
    if let Some(other) = arguments.iter().find(|it| !known(it)) {
        let problem = format!("`lambda` takes `arm64` and `x86_64`, not `{other}`");
        return Err(Misused(problem).into());
    }
    let root = fs::canonicalize(root()).context("cannot find the repository")?;
    let target = root.join("target");
    let python = python(&root, REQUIREMENTS, "ziglang", &target.join("lambda/tools"))?;
    for (name, triple) in ARCHITECTURES {
        if !arguments.is_empty() && !arguments.iter().any(|it| it == name) {
            continue;
        }
        let program = build(&root, &python, triple)?;
        let archive = target.join(format!("lambda/streamdex-lambda-{name}.zip"));
        let mut pack = Command::new(&python);
        done(pack.arg(root.join("xtask/lambda/pack.py")).arg(&program).arg(&archive))?;
        let (unpacked, packed) = (fs::metadata(&program)?.len(), fs::metadata(&archive)?.len());
        println!("{}: {packed} bytes, {unpacked} unpacked", archive.display());
        ensure!(packed <= ZIP_BYTES_MAX, "the zip is larger than {ZIP_BYTES_MAX} bytes");
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the program for `triple`, and says where it is.
fn build(root: &Path, python: &Path, triple: &str) -> anyhow::Result<PathBuf> {
    done(Command::new("rustup").args(["target", "add", triple]).current_dir(root))
        .context("Rust for that machine cannot be installed; it takes rustup, and a network")?;
    let tools = python.parent().context("it is in a folder")?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([tools.to_owned()].into_iter().chain(env::split_paths(&path)))?;
    let mut command = Command::new(tools.join("cargo-zigbuild"));
    command
        .args(["zigbuild", "--release", "--locked", "--package", "lambda", "--bin", "bootstrap"])
        .args(["--target", triple])
        .env("PATH", path)
        // Smaller and quicker than the program that is built every day, and slower to build.
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .current_dir(root);
    done(&mut command)?;
    Ok(root.join("target").join(triple).join("release/bootstrap"))
}
