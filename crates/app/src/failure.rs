//! How a command ends when it does not do what was asked: one clear text, and an exit code.

use std::process::ExitCode;

use engine::file::{Problems, Warnings};

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

/// Tells what a file's author should know, though it can be run.
#[expect(clippy::print_stderr, reason = "it is shown with the line of the file, as mistakes are")]
pub(crate) fn warn_of(warnings: &Warnings) {
    if !warnings.is_empty() {
        eprintln!("{warnings}");
    }
}

impl Failure {
    /// It could not be done: exit code 1.
    pub(crate) fn failed(text: impl Into<String>) -> Failure {
        Failure { code: 1, text: format!("error: {}", text.into()) }
    }

    /// A pipeline file cannot be run: exit code 2.
    pub(crate) fn mistakes(problems: &Problems) -> Failure {
        Failure { code: 2, text: problems.to_string() }
    }

    /// It was asked in a way that makes no sense: exit code 2.
    pub(crate) fn wrong(text: impl Into<String>) -> Failure {
        Failure { code: 2, text: format!("error: {}", text.into()) }
    }

    /// Table and index differ, which was told: exit code 3.
    pub(crate) fn differing() -> Failure {
        Failure { code: 3, text: String::new() }
    }

    /// All that there is to say was said: exit code 1.
    pub(crate) fn told() -> Failure {
        Failure { code: 1, text: String::new() }
    }

    /// What it says.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Prints the text and gives the exit code.
    #[expect(clippy::print_stderr, reason = "this is where failures are told")]
    pub(crate) fn report(self) -> ExitCode {
        if !self.text.is_empty() {
            eprintln!("{}", self.text.trim_end());
        }
        ExitCode::from(self.code)
    }
}
