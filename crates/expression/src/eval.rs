//! The value of an expression for one event.
//!
//! What a condition cannot make sense of is false, at the place where it happens: `/missing > 3` is
//! false, and so `not (/missing > 3)` is true. What a function or a calculation cannot make sense
//! of has no value, and neither has all that it is a part of. Both are so in Data Prepper.

use std::borrow::Cow;

use pipeline::{Clock, Decimal, Event, Map, Number, Value};

use crate::{
    error::EvalError,
    functions::Call,
    operand::{Digits, Operand, View},
    pointer::Pointer,
    regex,
    tree::{Calculation, Kind, Literal, Node, Pattern, Type, is_mixed},
};

/// What an expression can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) event: &'a Event,
    /// Where pointers begin: the document, or an element of a list in it.
    pub(crate) fields: Option<&'a Map>,
    pub(crate) clock: &'a Clock,
}

impl<'a> Scope<'a> {
    pub(crate) fn field(&self, pointer: &Pointer) -> Result<Option<&'a Value>, EvalError> {
        self.fields.map(|fields| pointer.find(fields)).ok_or(EvalError::Closed)
    }

    pub(crate) fn metadata(&self, name: &str) -> Result<Option<Value>, EvalError> {
        self.event.metadata(name).map_err(|error| EvalError::Damaged(error.to_string()))
    }

    pub(crate) fn eval(&self, node: &'a Node) -> Result<Operand<'a>, EvalError> {
        Ok(match &node.kind {
            Kind::Literal(literal) => Operand::from(literal),
            Kind::Field { pointer, .. } => {
                self.field(pointer)?.map_or(Operand::Null, Operand::Field)
            }
            Kind::Set(literals) => Operand::Set(literals),
            Kind::Not(inner) => match self.eval(inner)?.view() {
                View::Bool(value) => Operand::Bool(!value),
                _ => Operand::Bool(false),
            },
            Kind::Minus(inner) => {
                let operand = self.eval(inner)?;
                Operand::Number(number(&operand, inner, Calculation::Subtract)?.negated())
            }
            Kind::And(left, right) => self.both(left, right)?,
            Kind::Or(left, right) => self.either(left, right)?,
            Kind::Compare(how, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                Operand::Bool(left.view().is(*how, right.view()))
            }
            Kind::Calculate(how, left, right) => self.calculate(*how, left, right, node)?,
            Kind::Matches { text, pattern, wanted } => {
                let text = self.eval(text)?;
                let matches = match text.view() {
                    View::Text(text) => self.matches(text, pattern, node)?,
                    _ => None,
                };
                // What is missing matches nothing, and does not fail to match either.
                Operand::Bool(matches == Some(*wanted))
            }
            Kind::IsOneOf { value, set, wanted } => {
                if is_mixed(set) {
                    let problem = "the set mixes texts, numbers or booleans";
                    return Err(EvalError::failed(node.span.clone(), problem));
                }
                let value = self.eval(value)?;
                let found = set.iter().any(|it| Operand::from(it).view().equals(value.view()));
                Operand::Bool(found == *wanted)
            }
            Kind::HasType(inner, kind) => {
                let value = self.eval(inner)?;
                Operand::Bool(matches!(value, Operand::Field(value) if has_type(value, *kind)))
            }
            Kind::Call { name, function, arguments } => {
                Call { name, arguments, scope: self, span: &node.span }.call(*function)?
            }
        })
    }

    /// Both sides must be booleans. The right one is spared where it cannot change the result.
    fn both(&self, left: &'a Node, right: &'a Node) -> Result<Operand<'a>, EvalError> {
        let left = matches!(self.eval(left)?.view(), View::Bool(true));
        if !left && right.never_fails() {
            return Ok(Operand::Bool(false));
        }
        let right = matches!(self.eval(right)?.view(), View::Bool(true));
        Ok(Operand::Bool(left && right))
    }

    fn either(&self, left: &'a Node, right: &'a Node) -> Result<Operand<'a>, EvalError> {
        let left = match self.eval(left)?.view() {
            View::Bool(value) => Some(value),
            _ => None,
        };
        if left == Some(true) && right.is_condition() && right.never_fails() {
            return Ok(Operand::Bool(true));
        }
        let right = match self.eval(right)?.view() {
            View::Bool(value) => Some(value),
            _ => None,
        };
        // `true or 0` is false: a side that is no boolean spoils the whole.
        Ok(Operand::Bool(matches!((left, right), (Some(a), Some(b)) if a || b)))
    }

    fn calculate(
        &self,
        how: Calculation,
        left: &'a Node,
        right: &'a Node,
        whole: &Node,
    ) -> Result<Operand<'a>, EvalError> {
        let (a, b) = (self.eval(left)?, self.eval(right)?);
        if let (Calculation::Add, View::Text(a), View::Text(b)) = (how, a.view(), b.view()) {
            return Ok(Operand::Text(Cow::Owned([a, b].concat())));
        }
        let (a, b) = (number(&a, left, how)?, number(&b, right, how)?);
        let result = match how {
            Calculation::Add => a.plus(b),
            Calculation::Subtract => a.minus(b),
            Calculation::Multiply => a.times(b),
            Calculation::Divide => a.over(b),
            Calculation::Remainder => remainder(a, b),
        };
        let problem = || match how {
            Calculation::Divide | Calculation::Remainder if b == Decimal::ZERO => {
                format!("`{a} {how} 0` has no value")
            }
            Calculation::Remainder => format!("`{a} % {b}`: both must be whole and below 2³¹"),
            _ => format!("`{a} {how} {b}` is too large"),
        };
        let result = result.ok_or_else(|| EvalError::failed(whole.span.clone(), problem()))?;
        Ok(Operand::Number(result))
    }

    /// Whether the pattern matches all of `text`; `None` if there is no pattern.
    fn matches(
        &self,
        text: &str,
        pattern: &Pattern,
        node: &Node,
    ) -> Result<Option<bool>, EvalError> {
        let result = match pattern {
            Pattern::Fixed { regex: None, .. } => return Ok(None),
            Pattern::Fixed { regex: Some(regex), .. } => regex.is_match(text),
            Pattern::Field(pointer) => match self.field(pointer)? {
                Some(Value::String(source)) => match regex::whole(source) {
                    Ok(regex) => regex.is_match(text),
                    Err(_) => return Ok(None),
                },
                _ => return Ok(None),
            },
        };
        result.map(Some).map_err(|_| {
            EvalError::failed(node.span.clone(), "the pattern takes too long for this text")
        })
    }
}

fn number(operand: &Operand<'_>, node: &Node, how: Calculation) -> Result<Decimal, EvalError> {
    let found = match operand.view() {
        View::Number(Digits::Decimal(number)) => return Ok(number),
        View::Number(Digits::Many(_)) => "a number of more than 38 digits",
        view => view.describe(),
    };
    let problem = format!("`{node}` is {found}; `{how}` needs numbers");
    Err(EvalError::failed(node.span.clone(), problem))
}

/// Only small whole numbers have a remainder in Data Prepper.
fn remainder(a: Decimal, b: Decimal) -> Option<Decimal> {
    let small = |number: Decimal| i32::try_from(number.to_i64()?).ok();
    let rest = i64::from(small(a)?).checked_rem(i64::from(small(b)?))?;
    Some(Decimal::from(rest))
}

/// Every number is a `big_decimal`; the others go by how it is written.
fn has_type(value: &Value, kind: Type) -> bool {
    match (value, kind) {
        (Value::Bool(_), Type::Boolean) => true,
        (Value::String(_), Type::String) => true,
        (Value::Map(_), Type::Map) => true,
        (Value::List(_), Type::Array) => true,
        (Value::Number(_), Type::BigDecimal) => true,
        (Value::Number(number), Type::Double) => number.as_str().contains(['.', 'e', 'E']),
        (Value::Number(number), Type::Integer) => is_integer(number),
        (Value::Number(number), Type::Long) => number.as_i64().is_some() && !is_integer(number),
        _ => false,
    }
}

fn is_integer(number: &Number) -> bool {
    number.as_i64().is_some_and(|it| i32::try_from(it).is_ok())
}

/// Whether a node looks into the document.
pub(crate) fn uses_fields(node: &Node) -> bool {
    let mut found = false;
    node.walk(&mut |node| {
        found |= match &node.kind {
            Kind::Field { .. } | Kind::Matches { pattern: Pattern::Field(_), .. } => true,
            Kind::Call { function, .. } => function.is_some_and(|it| it.uses_fields),
            _ => false,
        };
    });
    found
}

/// The name in `getMetadata("name")`, if the node is exactly that.
pub(crate) fn metadata_name(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Call { name, arguments, .. } if name == "getMetadata" => match arguments.as_slice() {
            [Node { kind: Kind::Literal(Literal::Text(name)), .. }] => {
                Some(name.strip_prefix('/').unwrap_or(name))
            }
            _ => None,
        },
        _ => None,
    }
}
