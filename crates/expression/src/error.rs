//! What can be wrong with an expression, before it runs and when it does. Pure.

use std::{fmt, ops::Range};

/// Not an expression. Knows which characters are the trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Which bytes of the expression.
    pub span: Range<usize>,
    /// What is wrong there.
    pub problem: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ParseError {
    pub(crate) fn new(span: Range<usize>, problem: impl Into<String>) -> ParseError {
        ParseError { span, problem: problem.into(), help: None }
    }

    pub(crate) fn with_help(self, help: impl Into<String>) -> ParseError {
        ParseError { help: Some(help.into()), ..self }
    }

    /// The same trouble, seen from a text in which the expression begins at `start`.
    pub(crate) fn moved_by(self, start: usize) -> ParseError {
        ParseError { span: self.span.start + start..self.span.end + start, ..self }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// Why an expression has no value for this event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A function or a calculation was given what it cannot work with. As a condition it is false.
    #[error("{problem}")]
    Failed {
        /// What happened.
        problem: String,
        /// Which bytes of the expression it happened in.
        span: Range<usize>,
    },
    /// A condition was expected, and the value is neither true nor false. Change the expression.
    #[error("the value is {found}, neither true nor false")]
    NotBoolean {
        /// What it is instead.
        found: String,
    },
    /// The event lacks a field that a text refers to. It may have it next time.
    #[error("the event has no field `{key}`")]
    KeyNotFound {
        /// The field.
        key: String,
        /// Which bytes of the text name it.
        span: Range<usize>,
    },
    /// The document was not opened before. A mistake of ours: see `uses_fields`.
    #[error("the document is still closed")]
    Closed,
    /// The record is not DynamoDB JSON.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

impl EvalError {
    pub(crate) fn failed(span: Range<usize>, problem: impl Into<String>) -> EvalError {
        EvalError::Failed { problem: problem.into(), span }
    }
}
