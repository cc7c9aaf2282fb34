//! `…_when`: whether a processor has something to do with an event. Pure.

use expression::{Expression, ParseError};
use pipeline::{Event, Map, ProcessError};
use serde::Deserialize;

use super::open;

/// A condition that was read when the pipeline started. By default it always holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Condition(Option<Expression>);

impl TryFrom<String> for Condition {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Condition, ParseError> {
        Expression::parse(&text).map(|expression| Condition(Some(expression)))
    }
}

impl Condition {
    /// Whether it is true of the event. Opens the document only if the condition looks into it.
    pub(crate) fn holds(&self, event: &mut Event) -> Result<bool, ProcessError> {
        let Some(expression) = &self.0 else { return Ok(true) };
        self.prepare(event)?;
        Ok(expression.holds(event))
    }

    /// The same, but what has no value is an error.
    pub(crate) fn is_true(&self, event: &mut Event) -> Result<bool, ProcessError> {
        let Some(expression) = &self.0 else { return Ok(true) };
        self.prepare(event)?;
        expression.is_true(event).map_err(|error| ProcessError(error.to_string()))
    }

    /// Whether it is true of `fields` in place of the document.
    pub(crate) fn holds_for(&self, fields: &Map, event: &Event) -> bool {
        let Some(expression) = &self.0 else { return true };
        expression.is_true_of(fields, event).unwrap_or(false)
    }

    /// Whether there is none.
    pub(crate) fn is_always(&self) -> bool {
        self.0.is_none()
    }

    fn prepare(&self, event: &mut Event) -> Result<(), ProcessError> {
        if self.0.as_ref().is_some_and(Expression::uses_fields) {
            open(event)?;
        }
        Ok(())
    }
}
