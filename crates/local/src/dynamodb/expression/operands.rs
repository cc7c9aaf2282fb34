//! Operands with a meaning: places, values, and the size of either. Pure.

use std::{borrow::Cow, cmp::Ordering};

use wire::{attribute_value::AttributeValue, number::Number};

use super::{
    ExpressionError, Placeholders, Role,
    ast::{Call, Comparator, Operand, Path},
    document,
};

/// Something in a condition that has a value, or has none in some items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    Path(Path),
    Literal(AttributeValue),
    Size(Box<Term>),
}

impl Term {
    /// Gives an operand its meaning.
    pub(crate) fn bind(
        operand: Operand,
        role: Role,
        placeholders: &mut Placeholders,
    ) -> Result<Term, ExpressionError> {
        match operand {
            Operand::Path(path) => placeholders.path(role, path).map(Term::Path),
            Operand::Value(name) => placeholders.value(role, name).map(Term::Literal),
            Operand::Call(call) if call.function == "size" => {
                let [argument] = arguments(role, call)?;
                let term = Term::bind(argument, role, placeholders)?;
                term.expect_type(role, "operator or function: size", |it| size(it).is_some())?;
                Ok(Term::Size(Box::new(term)))
            }
            Operand::Call(call) => {
                check_function(role, &call)?;
                Err(role.invalid(format_args!(
                    "The function is not allowed to be used this way in an expression; function: {}",
                    call.function
                )))
            }
            // The grammar of conditions has no sums.
            Operand::Sum(..) => Err(role.invalid("Syntax error")),
        }
    }

    /// Its value in `item`, if it has one there.
    pub(crate) fn value<'a>(&'a self, item: &[u8]) -> Option<Cow<'a, AttributeValue>> {
        match self {
            Term::Path(path) => document::find(item, path).map(Cow::Owned),
            Term::Literal(value) => Some(Cow::Borrowed(value)),
            Term::Size(of) => {
                let n = size(&*of.value(item)?)?;
                Some(Cow::Owned(AttributeValue::N(Number::from(n as u64))))
            }
        }
    }

    /// Refuses a literal of the wrong type. What is in the item is not known yet.
    pub(crate) fn expect_type(
        &self,
        role: Role,
        operator: &str,
        fits: impl Fn(&AttributeValue) -> bool,
    ) -> Result<(), ExpressionError> {
        match self {
            Term::Literal(value) if !fits(value) => Err(role.invalid(format_args!(
                "Incorrect operand type for operator or function; {operator}, operand type: {}",
                value.type_name()
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses an operand that is the same place as the first.
    pub(crate) fn distinct_from(
        &self,
        role: Role,
        operator: &str,
        first: &Term,
    ) -> Result<(), ExpressionError> {
        match (first, self) {
            (Term::Path(first), Term::Path(second)) if first == second => {
                Err(role.invalid(format_args!(
                    "The first operand must be distinct from the remaining operands for this operator or function; operator: {operator}, first operand: {}",
                    first.listed()
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The functions of conditions.
pub(crate) const CONDITION_FUNCTIONS: [&str; 6] = [
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "begins_with",
    "contains",
    "size",
];
/// The functions of updates.
pub(crate) const UPDATE_FUNCTIONS: [&str; 2] = ["if_not_exists", "list_append"];

/// Refuses a function that does not exist, or not in this kind of expression.
pub(crate) fn check_function(role: Role, call: &Call) -> Result<(), ExpressionError> {
    let name = call.function.as_str();
    let (own, others, place) = match role {
        Role::Update => (&UPDATE_FUNCTIONS[..], &CONDITION_FUNCTIONS[..], "an update"),
        _ => (&CONDITION_FUNCTIONS[..], &UPDATE_FUNCTIONS[..], "a condition"),
    };
    if own.contains(&name) {
        Ok(())
    } else if others.contains(&name) {
        Err(role.invalid(format_args!(
            "The function is not allowed in {place} expression; function: {name}"
        )))
    } else {
        Err(role.invalid(format_args!("Invalid function name; function: {name}")))
    }
}

/// The arguments of a call that must have `N` of them.
pub(crate) fn arguments<const N: usize>(
    role: Role,
    call: Call,
) -> Result<[Operand; N], ExpressionError> {
    call.arguments.try_into().map_err(|arguments: Vec<Operand>| {
        role.invalid(format_args!(
            "Incorrect number of operands for operator or function; operator or function: {}, number of operands: {}",
            call.function,
            arguments.len()
        ))
    })
}

/// An operand that must be a place.
pub(crate) fn place(
    role: Role,
    function: &str,
    operand: Operand,
    placeholders: &mut Placeholders,
) -> Result<Path, ExpressionError> {
    match operand {
        Operand::Path(path) => placeholders.path(role, path),
        _ => Err(role.invalid(format_args!(
            "Operator or function requires a document path; operator or function: {function}"
        ))),
    }
}

/// What the `size` function says.
fn size(value: &AttributeValue) -> Option<usize> {
    Some(match value {
        AttributeValue::S(text) => text.chars().map(char::len_utf16).sum(),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::M(attributes) => attributes.len(),
        AttributeValue::L(values) => values.len(),
        AttributeValue::Ss(texts) => texts.len(),
        AttributeValue::Ns(numbers) => numbers.len(),
        AttributeValue::Bs(blobs) => blobs.len(),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => return None,
    })
}

/// The order of two values, if their type has one and is the same.
pub(crate) fn order(a: &AttributeValue, b: &AttributeValue) -> Option<Ordering> {
    match (a, b) {
        (AttributeValue::S(a), AttributeValue::S(b)) => Some(a.cmp(b)),
        (AttributeValue::N(a), AttributeValue::N(b)) => Some(a.cmp(b)),
        (AttributeValue::B(a), AttributeValue::B(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Whether a value has a type that can be ordered.
pub(crate) fn is_ordered(value: &AttributeValue) -> bool {
    order(value, value).is_some()
}

/// Whether `a comparator b` is true.
pub(crate) fn compare(a: &AttributeValue, comparator: Comparator, b: &AttributeValue) -> bool {
    let is = |accepts: fn(Ordering) -> bool| order(a, b).is_some_and(accepts);
    match comparator {
        Comparator::Equal => a == b,
        Comparator::NotEqual => a != b,
        Comparator::Less => is(Ordering::is_lt),
        Comparator::LessOrEqual => is(Ordering::is_le),
        Comparator::Greater => is(Ordering::is_gt),
        Comparator::GreaterOrEqual => is(Ordering::is_ge),
    }
}

/// Refuses literal bounds of `BETWEEN` that are of different types or in the wrong order.
pub(crate) fn check_bounds(role: Role, low: &Term, high: &Term) -> Result<(), ExpressionError> {
    let (Term::Literal(low), Term::Literal(high)) = (low, high) else { return Ok(()) };
    let requires = match order(low, high) {
        None => "same data type for lower and upper bounds",
        Some(Ordering::Greater) => "upper bound to be greater than or equal to lower bound",
        Some(_) => return Ok(()),
    };
    Err(role.invalid(format_args!(
        "The BETWEEN operator requires {requires}; lower bound operand: AttributeValue: {}, upper bound operand: AttributeValue: {}",
        shown(low),
        shown(high)
    )))
}

/// A value in a message: `{N:5}`.
fn shown(value: &AttributeValue) -> String {
    let text = match value {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => number.to_string(),
        _ => "…".to_owned(),
    };
    format!("{{{}:{text}}}", value.type_name())
}
