//! A value while an expression is worked out: borrowed wherever it can be. Pure.

use std::{borrow::Cow, cmp::Ordering};

use pipeline::{Decimal, Map, Number, Value, compare_numbers};

use crate::tree::{Comparison, Literal};

/// What a part of an expression amounts to.
#[derive(Clone, Debug)]
pub(crate) enum Operand<'a> {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Cow<'a, str>),
    /// What stands in the event; all digits of a number are kept.
    Field(&'a Value),
    Made(Value),
    Set(&'a [Literal]),
}

/// An operand, seen by an operator.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'a> {
    Null,
    Bool(bool),
    Number(Digits<'a>),
    Text(&'a str),
    List(&'a [Value]),
    Map(&'a Map),
    Set(&'a [Literal]),
}

/// A number, which may have more digits than a [`Decimal`] can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Digits<'a> {
    Decimal(Decimal),
    Many(&'a str),
}

impl<'a> Digits<'a> {
    fn of(number: &'a Number) -> Digits<'a> {
        let text = number.as_str();
        Decimal::parse(text).map_or(Digits::Many(text), Digits::Decimal)
    }

    fn compare(self, other: Digits<'_>) -> Option<Ordering> {
        match (self, other) {
            (Digits::Decimal(a), Digits::Decimal(b)) => Some(a.cmp(&b)),
            (Digits::Many(a), Digits::Many(b)) => compare_numbers(a, b),
            (Digits::Many(a), Digits::Decimal(b)) => compare_numbers(a, &b.to_string()),
            (Digits::Decimal(a), Digits::Many(b)) => compare_numbers(&a.to_string(), b),
        }
    }
}

impl<'a> Operand<'a> {
    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Operand::Null => View::Null,
            Operand::Bool(value) => View::Bool(*value),
            Operand::Number(number) => View::Number(Digits::Decimal(*number)),
            Operand::Text(text) => View::Text(text),
            Operand::Field(value) => View::of(value),
            Operand::Made(value) => View::of(value),
            Operand::Set(literals) => View::Set(literals),
        }
    }

    /// The text, if it is one, for as long as the event lives.
    pub(crate) fn into_text(self) -> Result<Cow<'a, str>, Operand<'a>> {
        match self {
            Operand::Text(text) => Ok(text),
            Operand::Field(Value::String(text)) => Ok(Cow::Borrowed(text)),
            Operand::Made(Value::String(text)) => Ok(Cow::Owned(text)),
            other => Err(other),
        }
    }

    pub(crate) fn into_value(self) -> Value {
        match self {
            Operand::Null => Value::Null,
            Operand::Bool(value) => Value::Bool(value),
            Operand::Number(number) => number_value(number),
            Operand::Text(text) => Value::String(text.into_owned()),
            Operand::Field(value) => value.clone(),
            Operand::Made(value) => value,
            Operand::Set(literals) => Value::List(literals.iter().map(literal_value).collect()),
        }
    }

    /// Writes it as a text inside another: objects and lists as JSON, nothing for null.
    pub(crate) fn write_text(&self, out: &mut String) {
        match self {
            Operand::Null => {}
            Operand::Text(text) => out.push_str(text),
            Operand::Field(value) => write_text(value, out),
            Operand::Made(value) => write_text(value, out),
            other => write_text(&other.clone().into_value(), out),
        }
    }
}

impl<'a> From<&'a Literal> for Operand<'a> {
    fn from(literal: &'a Literal) -> Operand<'a> {
        match literal {
            Literal::Null => Operand::Null,
            Literal::Bool(value) => Operand::Bool(*value),
            Literal::Number(number) => Operand::Number(*number),
            Literal::Text(text) => Operand::Text(Cow::Borrowed(text)),
        }
    }
}

impl<'a> View<'a> {
    fn of(value: &'a Value) -> View<'a> {
        match value {
            Value::Null => View::Null,
            Value::Bool(value) => View::Bool(*value),
            Value::Number(number) => View::Number(Digits::of(number)),
            Value::String(text) => View::Text(text),
            Value::List(values) => View::List(values),
            Value::Map(map) => View::Map(map),
        }
    }

    /// What it is, for a message.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            View::Null => "null",
            View::Bool(_) => "a boolean",
            View::Number(_) => "a number",
            View::Text(_) => "a text",
            View::List(_) => "a list",
            View::Map(_) => "a map",
            View::Set(_) => "a set",
        }
    }

    /// Whether both are the same, numbers by value.
    pub(crate) fn equals(self, other: View<'_>) -> bool {
        match (self, other) {
            (View::Null, View::Null) => true,
            (View::Bool(a), View::Bool(b)) => a == b,
            (View::Number(a), View::Number(b)) => a.compare(b) == Some(Ordering::Equal),
            (View::Text(a), View::Text(b)) => a == b,
            (View::List(a), View::List(b)) => equal_lists(a, b),
            (View::Map(a), View::Map(b)) => equal_maps(a, b),
            (View::Set(a), View::Set(b)) => {
                a.iter().all(|it| b.contains(it)) && b.iter().all(|it| a.contains(it))
            }
            _ => false,
        }
    }

    /// What `comparison` says about the two. Only numbers have an order.
    pub(crate) fn is(self, comparison: Comparison, other: View<'_>) -> bool {
        let order = || match (self, other) {
            (View::Number(a), View::Number(b)) => a.compare(b),
            _ => None,
        };
        match comparison {
            Comparison::Equal => self.equals(other),
            Comparison::Unequal => !self.equals(other),
            Comparison::Less => order().is_some_and(Ordering::is_lt),
            Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
            Comparison::Greater => order().is_some_and(Ordering::is_gt),
            Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        }
    }
}

fn equal_lists(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| View::of(a).equals(View::of(b)))
}

fn equal_maps(a: &Map, b: &Map) -> bool {
    let same = |(key, value)| b.get(key).is_some_and(|it| View::of(value).equals(View::of(it)));
    a.len() == b.len() && a.iter().all(same)
}

fn literal_value(literal: &Literal) -> Value {
    Operand::from(literal).into_value()
}

/// A number as a value of its own.
pub(crate) fn number_value(number: Decimal) -> Value {
    // A decimal is written as JSON writes numbers.
    number.to_string().parse().map_or(Value::Null, Value::Number)
}

/// Writes a value as a text inside another.
pub(crate) fn write_text(value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::String(text) => out.push_str(text),
        Value::List(_) | Value::Map(_) => out.push_str(&value.to_string()),
    }
}
