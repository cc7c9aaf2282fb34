//! The functions of the language: name, what it takes, an example, what it does.
//!
//! To add one, write it in the file it belongs to and add it to that file's list.

mod fields;
mod record;
mod text;
mod time;

use std::{borrow::Cow, ops::Range};

use crate::{
    error::EvalError,
    eval::Scope,
    operand::Operand,
    tree::{Kind, Node},
};

/// One function. Its example is its documentation and its test.
#[derive(Debug)]
pub struct Function {
    /// How it is called.
    pub name: &'static str,
    /// What it takes: `text, delimiter`.
    pub arguments: &'static str,
    /// How many arguments it takes at least and at most.
    pub n_arguments: (usize, usize),
    /// What it gives, in a sentence.
    pub about: &'static str,
    /// An expression, a document, and the value as JSON.
    pub example: (&'static str, &'static str, &'static str),
    /// Whether it looks into the document by itself, apart from its arguments.
    pub(crate) uses_fields: bool,
    pub(crate) call: for<'a> fn(&Call<'a, '_>) -> Result<Operand<'a>, EvalError>,
}

/// Takes as many as are given.
const ANY: usize = usize::MAX;

/// Every function, in the order of the reference.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    [record::ALL, text::ALL, fields::ALL, time::ALL].into_iter().flatten()
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    functions().map(|function| function.name)
}

pub(crate) fn named(name: &str) -> Option<&'static Function> {
    functions().find(|function| function.name == name)
}

impl Function {
    /// What is wrong with giving it `n` arguments.
    pub(crate) fn refuses(&self, n: usize) -> Option<String> {
        let (least, most) = self.n_arguments;
        let count = match (least, most) {
            _ if (least..=most).contains(&n) => return None,
            (least, most) if least == most => least.to_string(),
            (least, ANY) => format!("at least {least}"),
            (least, most) => format!("{least} to {most}"),
        };
        let (name, arguments) = (self.name, self.arguments);
        Some(format!("`{name}({arguments})` takes {count} arguments, not {n}"))
    }
}

/// A function being called.
pub(crate) struct Call<'a, 'b> {
    pub(crate) name: &'b str,
    pub(crate) arguments: &'a [Node],
    pub(crate) scope: &'b Scope<'a>,
    pub(crate) span: &'b Range<usize>,
}

impl<'a> Call<'a, '_> {
    pub(crate) fn call(&self, function: Option<&Function>) -> Result<Operand<'a>, EvalError> {
        let Some(function) = function else {
            return Err(self.wrong(format!("there is no function `{}`", self.name)));
        };
        match function.refuses(self.arguments.len()) {
            None => (function.call)(self),
            Some(problem) => Err(self.wrong(problem)),
        }
    }

    fn wrong(&self, problem: impl Into<String>) -> EvalError {
        EvalError::failed(self.span.clone(), problem)
    }

    /// The value of an argument.
    fn value(&self, n: usize) -> Result<Operand<'a>, EvalError> {
        self.arguments.get(n).map_or(Ok(Operand::Null), |node| self.scope.eval(node))
    }

    /// The text of an argument; `None` if it is missing or null.
    fn text(&self, n: usize) -> Result<Option<Cow<'a, str>>, EvalError> {
        match self.value(n)? {
            Operand::Null => Ok(None),
            operand => match operand.into_text() {
                Ok(text) => Ok(Some(text)),
                Err(
                    Operand::Field(pipeline::Value::Null) | Operand::Made(pipeline::Value::Null),
                ) => Ok(None),
                Err(other) => Err(self.not(n, "a text", &other)),
            },
        }
    }

    /// The text of an argument that must be there.
    fn needed_text(&self, n: usize) -> Result<Cow<'a, str>, EvalError> {
        self.text(n)?.ok_or_else(|| self.not(n, "a text", &Operand::Null))
    }

    /// The value of an argument that must be a field, written without quotes.
    fn field(&self, n: usize) -> Result<Operand<'a>, EvalError> {
        match self.arguments.get(n) {
            Some(Node { kind: Kind::Field { bare: true, .. }, .. }) => self.value(n),
            _ => Err(self.wrong(format!("argument {} must be a field, as in `/name`", n + 1))),
        }
    }

    fn not(&self, n: usize, wanted: &str, found: &Operand<'_>) -> EvalError {
        let found = found.view().describe();
        self.wrong(format!("argument {} of `{}` must be {wanted}, not {found}", n + 1, self.name))
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{Document, Event, Value};

    use super::*;
    use crate::Expression;

    #[test]
    fn every_example_is_true() {
        for Function { name, example: (expression, document, expected), .. } in functions() {
            let Value::Map(fields) = Value::from_json(document.as_bytes()).unwrap() else {
                panic!("{name}: the document is no object");
            };
            let event = Event { document: Document::Fields(fields), ..Event::default() };
            let expression = Expression::parse(expression).unwrap();
            assert!(expression.warnings().is_empty(), "{name}: {:?}", expression.warnings());
            assert!(expression.to_string().contains(name));
            assert_eq!(expression.eval(&event).unwrap().to_string(), *expected, "{expression}");
        }
    }

    #[test]
    fn every_function_refuses_a_wrong_number_of_arguments() {
        for function in functions() {
            let (least, most) = function.n_arguments;
            for n in [least.checked_sub(1), most.checked_add(1)].into_iter().flatten() {
                let arguments = vec!["\"x\""; n].join(", ");
                let expression =
                    Expression::parse(&format!("{}({arguments})", function.name)).unwrap();
                assert_eq!(expression.warnings().len(), 1, "{expression}");
                assert!(expression.eval(&Event::default()).is_err(), "{expression}");
            }
        }
    }
}
