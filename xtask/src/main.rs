//! Every command a developer types: `cargo xtask …`. CI types nothing else.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to whoever typed the command"
)]

mod bench;
mod chaos;
mod clients;
mod demo;
mod fuzz;
mod lambda;
mod reference;
mod shell;
mod sim;
mod soak;
mod test;

use std::{env, process::ExitCode};

/// What can be typed after `cargo xtask`.
struct Command {
    usage: &'static str,
    help: &'static str,
    run: fn(&[String]) -> anyhow::Result<ExitCode>,
}

const COMMANDS: [Command; 9] = [
    Command {
        usage: "demo [ARGUMENT…]",
        help: "Builds `streamdex` for speed and runs `streamdex demo`, which takes the arguments.",
        run: demo::run,
    },
    Command {
        usage: "test [--reference]",
        help: "Runs all that CI runs: format, licences, lints, tests. Stops at the first that fails. `--reference` compares with servers of others, too.",
        run: test::run,
    },
    Command {
        usage: "clients",
        help: "Installs below `target` the clients in Python and Node.js that the tests use; `test` does it as well.",
        run: clients::run,
    },
    Command {
        usage: "sim [SEED | --seeds N]",
        help: "Simulates crashing workers from many seeds, or from the one that a failure named.",
        run: sim::run,
    },
    Command {
        usage: "chaos [--minutes N]",
        help: "Three workers, killed, paused and cut off, then table and index compared; `--seed N`.",
        run: chaos::run,
    },
    Command {
        usage: "soak [--minutes N]",
        help: "The sink under load while its cluster falls from one fault into the next, ten minutes or N.",
        run: soak::run,
    },
    Command {
        usage: "bench [--release] [NAME…]",
        help: "Builds the measurements for speed and runs them, or those named; `--release` as it is shipped.",
        run: bench::run,
    },
    Command {
        usage: "fuzz TARGET [--minutes N]",
        help: "Tries inputs that nobody thought of on a target in `fuzz/`, for a minute or N.",
        run: fuzz::run,
    },
    Command {
        usage: "lambda [arm64] [x86_64]",
        help: "Builds the zip of the Lambda function for both architectures, or one, and prints its size.",
        run: lambda::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        println!("{}", list());
        return ExitCode::SUCCESS;
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        println!("{}", list());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|it| it.name() == name) else {
        eprintln!("xtask: there is no `{name}`.\n\n{}", list());
        return ExitCode::from(2);
    };
    match (command.run)(rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            match error.downcast_ref::<shell::Misused>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::FAILURE,
            }
        }
    }
}

impl Command {
    fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or(self.usage)
    }
}

fn list() -> String {
    let commands = COMMANDS.iter().map(|it| format!("\n  {:<28}{}", it.usage, it.help));
    format!("Usage: cargo xtask COMMAND\n{}", commands.collect::<String>())
}
