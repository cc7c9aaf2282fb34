//! `fuzz`: inputs that nobody thought of, by libFuzzer, which comes with the crate `libfuzzer-sys`.
//!
//! The compiler that we use anyway can count which branches an input takes, so neither a nightly one
//! nor `cargo-fuzz` is needed. There is no address sanitizer: our code has no `unsafe`.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use crate::shell::{Misused, cargo, hand_over, root};

/// What can be fuzzed, and which feature of the crate `fuzz` it needs.
const TARGETS: [(&str, &str); 9] = [
    ("pipeline_files", ""),
    ("expressions", ""),
    ("grok", ""),
    ("dates", ""),
    ("texts", ""),
    ("documents", ""),
    ("items", ""),
    ("records", "source"),
    ("bulk_answers", "sink"),
];

/// What has the compiler count branches and comparisons for libFuzzer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
     -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// How much memory an input may take, in MB, and how long, in seconds, before it counts as a finding.
const LIMITS: [&str; 3] = ["-rss_limit_mb=1024", "-timeout=10", "-max_len=4096"];

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, minutes) = match arguments[..] {
        [name] => (name, 1),
        [name, "--minutes", n] => match n.parse::<u64>() {
            Ok(n) => (name, n),
            Err(_) => return Err(Misused(format!("`{n}` is not a number of minutes")).into()),
        },
        _ => {
            let targets = names.join("`, `");
            return Err(
                Misused(format!("`fuzz` takes one of `{targets}`, and `--minutes N`")).into()
            );
        }
    };
    let Some((_, feature)) = TARGETS.iter().find(|(it, _)| *it == name) else {
        let targets = names.join("`, `");
        return Err(Misused(format!("there is no target `{name}`; there are `{targets}`")).into());
    };
    let host = host()?;
    let fuzz = root().join("fuzz");
    let mut build = cargo("build --release");
    build.arg("--manifest-path").arg(fuzz.join("Cargo.toml"));
    // With a target named, what runs while building is built without these flags.
    build.args(["--target", &host, "--bin", name, "--features", feature]);
    let status = build.env("RUSTFLAGS", FLAGS).status()?;
    anyhow::ensure!(status.success(), "the build failed; libFuzzer needs a C++ compiler");

    // What is found on the way is kept here, and not committed.
    let corpus = fuzz.join("target/corpus").join(name);
    fs::create_dir_all(&corpus)?;
    let mut command = Command::new(fuzz.join("target").join(host).join("release").join(name));
    command.args([&corpus, &fuzz.join("seeds").join(name)]).args(LIMITS);
    command.arg(format!("-max_total_time={}", minutes * 60));
    command.arg(format!("-artifact_prefix={}/{name}-", shown(&fuzz.join("target"))));
    hand_over(command)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What this machine is, in the compiler's words.
fn host() -> anyhow::Result<String> {
    let told = Command::new("rustc").args(["--print", "host-tuple"]).output()?;
    let host = String::from_utf8(told.stdout)?.trim().to_owned();
    anyhow::ensure!(told.status.success() && !host.is_empty(), "rustc does not say what it is for");
    Ok(host)
}
