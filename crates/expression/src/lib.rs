//! The language of conditions and references in pipeline files.
//!
//! An [`Expression`] is a condition or a value: `/total > 10 and getMetadata("ttl_delete") == false`.
//! A [`Template`] is a text with holes: `orders-${/country}`. Both are read once, when the pipeline
//! starts, and say what is wrong with them; then they are evaluated for every event.
//!
//! It is the language of Data Prepper. Where the two differ on purpose, `docs/decisions` says why.

mod chance;
mod date;
mod error;
mod eval;
mod functions;
mod lexer;
mod lint;
mod operand;
mod parse;
mod pointer;
mod regex;
mod template;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;

use pipeline::{Clock, Event, Map, Value};

pub use crate::{
    date::{DatePattern, NotADatePattern, zone},
    error::{EvalError, ParseError},
    functions::{Function, functions},
    template::Template,
};
use crate::{
    eval::Scope,
    lexer::Quotes,
    operand::{Operand, View},
    tree::{Kind, Node},
};

/// An expression, ready to be evaluated. Prints as text that means the same.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    source: String,
    uses_fields: bool,
    clock: Clock,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// When it is none. The error knows which characters are the trouble.
    pub fn parse(text: &str) -> Result<Expression, ParseError> {
        Expression::read(text, Quotes::Double)
    }

    pub(crate) fn read(text: &str, quotes: Quotes) -> Result<Expression, ParseError> {
        let root = parse::parse(text, quotes)?;
        let uses_fields = eval::uses_fields(&root);
        Ok(Expression { root, source: text.to_owned(), uses_fields, clock: Clock::real() })
    }

    /// The same expression with another clock for `now()`.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Expression {
        Expression { clock, ..self }
    }

    /// Its value for this event. A number has all the digits it has in the event.
    ///
    /// # Errors
    ///
    /// When it has none: a function or a calculation was given what it cannot work with.
    pub fn eval(&self, event: &Event) -> Result<Value, EvalError> {
        self.scope(event).eval(&self.root).map(Operand::into_value)
    }

    /// Whether it is true of this event.
    ///
    /// # Errors
    ///
    /// When it has no value, or one that is neither true nor false. See also [`Expression::holds`].
    pub fn is_true(&self, event: &Event) -> Result<bool, EvalError> {
        is_true(&self.scope(event), &self.root)
    }

    /// Whether it is true of `fields` in place of the document: of an element of a list in it.
    ///
    /// # Errors
    ///
    /// As [`Expression::is_true`].
    pub fn is_true_of(&self, fields: &Map, event: &Event) -> Result<bool, EvalError> {
        is_true(&Scope { fields: Some(fields), ..self.scope(event) }, &self.root)
    }

    /// Whether it is true of this event, as a condition in a pipeline file: what has no value, or
    /// is neither true nor false, is not true.
    pub fn holds(&self, event: &Event) -> bool {
        self.is_true(event).unwrap_or(false)
    }

    /// Whether its value is true or false, if that can be told without an event: `/a > 1` is, `1` is
    /// not, `/a` may be.
    pub fn is_condition(&self) -> Option<bool> {
        match &self.root.kind {
            Kind::Field { .. } | Kind::Call { .. } => None,
            _ => Some(self.root.is_condition()),
        }
    }

    /// Whether it looks into the document, which must be open then.
    pub fn uses_fields(&self) -> bool {
        self.uses_fields
    }

    /// What is allowed, but probably not meant: a function there is none of, `and` beside `or`.
    pub fn warnings(&self) -> Vec<ParseError> {
        lint::warnings(&self.root, &self.source)
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    pub(crate) fn is_call(&self) -> bool {
        matches!(self.root.kind, Kind::Call { .. })
    }

    fn scope<'a>(&'a self, event: &'a Event) -> Scope<'a> {
        Scope { event, fields: event.fields(), clock: &self.clock }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root)
    }
}

fn is_true<'a>(scope: &Scope<'a>, root: &'a Node) -> Result<bool, EvalError> {
    let value = scope.eval(root)?;
    match value.view() {
        View::Bool(value) => Ok(value),
        view => Err(EvalError::NotBoolean { found: view.describe().to_owned() }),
    }
}
