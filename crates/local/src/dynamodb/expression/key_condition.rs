//! Key conditions: which partition, and which range of it. Pure.

use wire::attribute_value::AttributeValue;

use super::{
    ExpressionError, Placeholders, Role,
    ast::{Call, Comparator, Logic, Operand, Path},
    operands::{Term, arguments, check_bounds},
    parser,
};

const ROLE: Role = Role::KeyCondition;

/// The items that a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyCondition {
    /// The value of the partition key.
    pub(crate) partition: AttributeValue,
    /// What must be true of the sort key.
    pub(crate) sort: Option<SortCondition>,
}

/// What must be true of a sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SortCondition {
    /// Never with [`Comparator::NotEqual`].
    Compare(Comparator, AttributeValue),
    Between(AttributeValue, AttributeValue),
    BeginsWith(AttributeValue),
}

impl KeyCondition {
    /// Reads a key condition on a table or index whose key attributes have these names.
    ///
    /// # Errors
    ///
    /// When it is none, or does not fix the partition key.
    pub(crate) fn parse(
        text: &str,
        partition_name: &str,
        sort_name: Option<&str>,
        placeholders: &mut Placeholders,
    ) -> Result<KeyCondition, ExpressionError> {
        let mut parts = Vec::new();
        split(parser::logic(ROLE, text)?, placeholders, &mut parts)?;
        let (mut partition, mut sort) = (None, None);
        for (name, condition) in parts {
            let place = if name == partition_name { &mut partition } else { &mut sort };
            if name != partition_name && Some(name.as_str()) != sort_name {
                let missed =
                    if partition.is_none() { partition_name } else { sort_name.unwrap_or(&name) };
                return Err(missed_element(missed));
            }
            if place.replace(condition).is_some() {
                return Err(ExpressionError::new(
                    "KeyConditionExpressions must only contain one condition per key",
                ));
            }
        }
        match partition {
            None => Err(missed_element(partition_name)),
            Some(SortCondition::Compare(Comparator::Equal, partition)) => {
                Ok(KeyCondition { partition, sort })
            }
            Some(_) => Err(ExpressionError::new("Query key condition not supported")),
        }
    }
}

fn missed_element(name: &str) -> ExpressionError {
    ExpressionError(format!("Query condition missed key schema element: {name}"))
}

/// Takes a conjunction apart into one condition per key.
fn split(
    logic: Logic,
    placeholders: &mut Placeholders,
    parts: &mut Vec<(String, SortCondition)>,
) -> Result<(), ExpressionError> {
    match logic {
        Logic::And(a, b) => {
            split(*a, placeholders, parts)?;
            split(*b, placeholders, parts)
        }
        Logic::Or(..) => Err(not_allowed("OR")),
        Logic::Not(_) => Err(not_allowed("NOT")),
        Logic::In(..) => Err(not_allowed("IN")),
        Logic::Compare(_, Comparator::NotEqual, _) => Err(not_allowed("<>")),
        Logic::Compare(a, comparator, b) => {
            let (path, comparator, value) = match (a, b) {
                (Operand::Path(path), Operand::Value(value)) => (path, comparator, value),
                (Operand::Value(value), Operand::Path(path)) => (path, mirrored(comparator), value),
                (a, b) => return Err(not_a_pair(&a, &b)),
            };
            let name = key_name(path, placeholders)?;
            let value = placeholders.value(ROLE, value)?;
            parts.push((name, SortCondition::Compare(comparator, value)));
            Ok(())
        }
        Logic::Between(it, low, high) => {
            let Operand::Path(path) = it else { return Err(not_a_pair(&it, &low)) };
            let name = key_name(path, placeholders)?;
            let low = literal(low, placeholders)?;
            let high = literal(high, placeholders)?;
            check_bounds(ROLE, &Term::Literal(low.clone()), &Term::Literal(high.clone()))?;
            parts.push((name, SortCondition::Between(low, high)));
            Ok(())
        }
        Logic::Call(call) => begins_with(call, placeholders, parts),
    }
}

fn begins_with(
    call: Call,
    placeholders: &mut Placeholders,
    parts: &mut Vec<(String, SortCondition)>,
) -> Result<(), ExpressionError> {
    if call.function != "begins_with" {
        super::operands::check_function(ROLE, &call)?;
        return Err(not_allowed(&call.function));
    }
    let [path, start] = arguments(ROLE, call)?;
    let Operand::Path(path) = path else { return Err(not_a_pair(&path, &start)) };
    let name = key_name(path, placeholders)?;
    let start = literal(start, placeholders)?;
    if !matches!(start, AttributeValue::S(_) | AttributeValue::B(_)) {
        return Err(ROLE.invalid(format_args!(
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: {}",
            start.type_name()
        )));
    }
    parts.push((name, SortCondition::BeginsWith(start)));
    Ok(())
}

fn key_name(path: Path, placeholders: &mut Placeholders) -> Result<String, ExpressionError> {
    let path = placeholders.path(ROLE, path)?;
    let name = path.attribute().to_owned();
    if path.0.len() == 1 {
        return Ok(name);
    }
    Err(ExpressionError(format!(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: {name}"
    )))
}

fn literal(
    operand: Operand,
    placeholders: &mut Placeholders,
) -> Result<AttributeValue, ExpressionError> {
    match operand {
        Operand::Value(name) => placeholders.value(ROLE, name),
        other => Err(not_a_pair(&other, &other)),
    }
}

fn not_allowed(operator: &str) -> ExpressionError {
    ExpressionError(format!("Invalid operator used in KeyConditionExpression: {operator}"))
}

fn not_a_pair(a: &Operand, b: &Operand) -> ExpressionError {
    ExpressionError::new(match (a, b) {
        (Operand::Call(_), _) | (_, Operand::Call(_)) => {
            "KeyConditionExpressions cannot contain nested operations"
        }
        (Operand::Value(_), Operand::Value(_)) => {
            "Invalid condition in KeyConditionExpression: No key attribute specified"
        }
        _ => {
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"
        }
    })
}

fn mirrored(comparator: Comparator) -> Comparator {
    match comparator {
        Comparator::Less => Comparator::Greater,
        Comparator::LessOrEqual => Comparator::GreaterOrEqual,
        Comparator::Greater => Comparator::Less,
        Comparator::GreaterOrEqual => Comparator::LessOrEqual,
        same => same,
    }
}
