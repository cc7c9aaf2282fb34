//! How a command ends when it does not do what was asked: one clear text, and an exit code.

use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// It could not be done: exit code 1.
    pub(crate) fn failed(text: impl Into<String>) -> Failure {
        Failure { code: 1, text: text.into() }
    }

    /// It was asked in a way that makes no sense: exit code 2.
    pub(crate) fn wrong(text: impl Into<String>) -> Failure {
        Failure { code: 2, text: text.into() }
    }

    /// Prints the text and gives the exit code.
    #[expect(clippy::print_stderr, reason = "this is where failures are told")]
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("error: {}", self.text);
        ExitCode::from(self.code)
    }
}
