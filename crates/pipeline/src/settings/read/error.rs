//! What serde says, in words of ours and with a place. Pure.

use std::{fmt, ops::Range};

use serde::de::{self, Expected, Unexpected};

use super::{Kind, Mistake, Path};
use crate::settings::nearest;

/// What serde passes up. It learns its place from the first reader it meets.
#[derive(Debug)]
pub(in crate::settings) struct ReadError(Box<Unplaced>);

#[derive(Debug)]
struct Unplaced {
    place: Option<(String, Range<usize>)>,
    problem: String,
    help: Option<String>,
    kind: Kind,
}

impl ReadError {
    pub(super) fn new(problem: impl Into<String>) -> ReadError {
        let problem = problem.into();
        ReadError(Box::new(Unplaced { place: None, problem, help: None, kind: Kind::Other }))
    }

    pub(super) fn with_help(mut self, help: Option<String>) -> ReadError {
        self.0.help = help;
        self
    }

    pub(super) fn is_second_spelling(&self) -> bool {
        self.0.kind == Kind::SecondSpelling
    }

    pub(super) fn placed(mut self, path: &Path<'_>, span: &Range<usize>) -> ReadError {
        self.0.place.get_or_insert_with(|| (path.to_string(), span.clone()));
        self
    }

    pub(super) fn located(self, path: &Path<'_>, span: &Range<usize>) -> Mistake {
        let Unplaced { place, problem, help, kind } = *self.placed(path, span).0;
        let (at, span) = place.unwrap_or_default();
        Mistake { at, span, problem, help, kind }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.problem)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        ReadError::new(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        ReadError::new(format!("expected {expected}, found {found}"))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> ReadError {
        let help = nearest(found, expected.iter().copied());
        ReadError::new(format!("`{found}` is not one of {}", list(expected)))
            .with_help(help.map(|name| format!("did you mean `{name}`?")))
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> ReadError {
        let (problem, help) = unknown(found, expected);
        ReadError::new(problem).with_help(Some(help))
    }

    fn missing_field(field: &'static str) -> ReadError {
        let mut error = ReadError::new(format!("`{field}` is missing"));
        error.0.kind = Kind::Missing(field);
        error
    }

    fn duplicate_field(field: &'static str) -> ReadError {
        // Two spellings of one setting; a key given twice is found when the file is read.
        let mut error = ReadError::new(format!("`{field}` is given in two spellings"))
            .with_help(Some("keep one of them".to_owned()));
        error.0.kind = Kind::SecondSpelling;
        error
    }
}

pub(super) fn unknown(found: &str, known: &'static [&'static str]) -> (String, String) {
    let help = match nearest(found, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "it takes no settings".to_owned(),
        None => format!("known are {}", list(known)),
    };
    (format!("there is no setting `{found}`"), help)
}

pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
