//! `test`: all that CI runs. What is quick comes first, the tests last, so that their summary is
//! what a reader sees.

use std::{
    io::{BufRead, BufReader},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{
    clients::Clients,
    reference::Servers,
    shell::{Misused, cargo, has_cargo, root, shown, timed},
};

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let servers = match arguments {
        [] => Servers::if_there()?,
        [flag] if flag == "--reference" => Servers::start()?,
        [other, ..] => return Err(Misused(format!("`test` takes no `{other}`")).into()),
    };
    let (steps, took) = timed(|| all(&servers));
    let steps: Vec<_> =
        steps?.into_iter().map(|(name, took)| format!("{name} {}", seconds(took))).collect();
    println!("\nxtask: all passed in {} ({})", seconds(took), steps.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// The steps, each with how long it took.
fn all(servers: &Servers) -> anyhow::Result<Vec<(&'static str, Duration)>> {
    let mut steps = vec![step("format", cargo("fmt --all --check"), plain)?];
    if has_cargo("deny") {
        let deny = "deny --locked check --hide-inclusion-graph licenses bans sources";
        steps.push(step("licences", cargo(deny), plain)?);
    } else {
        println!("── licences: left out; `cargo install --locked cargo-deny` brings them in");
    }
    let clippy = "clippy --workspace --all-targets --locked -- -D warnings";
    steps.push(step("lints", cargo(clippy), plain)?);
    let (clients, took) = timed(Clients::install);
    let clients = clients?;
    steps.push(("clients", took));
    let with_clients = |typed: &str| {
        let mut command = cargo(typed);
        clients.tell(&mut command);
        servers.tell(&mut command);
        command
    };
    if has_cargo("nextest") {
        let doc = "test --doc --workspace --locked";
        steps.push(step("doc tests", cargo(doc), plain)?);
        let tests = "nextest run --workspace --locked --no-fail-fast";
        steps.push(step("tests", with_clients(tests), plain)?);
    } else {
        let tests = "test --workspace --locked --no-fail-fast";
        steps.push(step("tests", with_clients(tests), adding_up)?);
    }
    Ok(steps)
}

/// Runs one step in the way `run` says, and fails if it does.
fn step(
    name: &'static str,
    mut command: Command,
    run: fn(&mut Command) -> anyhow::Result<bool>,
) -> anyhow::Result<(&'static str, Duration)> {
    println!("── {name}: {}", shown(&command));
    command.current_dir(root());
    let (passed, took) = timed(|| run(&mut command));
    let passed = passed.with_context(|| format!("cannot run `{}`", shown(&command)))?;
    if !passed {
        bail!("{name} failed after {}: {}", seconds(took), shown(&command));
    }
    println!("── {name}: passed in {}", seconds(took));
    Ok((name, took))
}

fn plain(command: &mut Command) -> anyhow::Result<bool> {
    Ok(command.status()?.success())
}

/// `cargo test` counts each test binary by itself. This adds them up.
fn adding_up(command: &mut Command) -> anyhow::Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut total = Count::default();
    for line in BufReader::new(child.stdout.take().context("it was piped")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        total.add(&line);
    }
    let passed = child.wait()?.success();
    println!(
        "\ntests: {} passed, {} failed, {} skipped",
        total.passed, total.failed, total.ignored
    );
    Ok(passed)
}

#[derive(Debug, Default, PartialEq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Count {
    /// Adds what `line` says, if it is the last one of a test binary.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split([';', '.']) {
            let Some((n, what)) = part.trim().split_once(' ') else { continue };
            let count = match what {
                "passed" => &mut self.passed,
                "failed" => &mut self.failed,
                "ignored" => &mut self.ignored,
                _ => continue,
            };
            *count += n.parse::<u64>().unwrap_or(0);
        }
    }
}

fn seconds(took: Duration) -> String {
    match took.as_secs() {
        s @ 60.. => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_binaries_are_added_up() {
        let mut total = Count::default();
        for line in [
            "running 14 tests",
            "test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.75s",
            "test a::test result: ok. 5 passed ... ok",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            total.add(line);
        }
        assert_eq!(total, Count { passed: 15, failed: 1, ignored: 2 });
    }

    #[test]
    fn long_times_are_told_in_minutes() {
        for (ms, text) in [(1_240, "1.2 s"), (59_940, "59.9 s"), (125_000, "2 min 5 s")] {
            assert_eq!(seconds(Duration::from_millis(ms)), text);
        }
    }
}
