//! The parameters from before there were expressions: `Expected`, `AttributeUpdates`,
//! `KeyConditions`, `QueryFilter`, `ScanFilter`, `ConditionalOperator`, `AttributesToGet`. Pure.
//!
//! Each becomes what an expression becomes, so that there is one meaning of both.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use wire::attribute_value::AttributeValue;

use super::parameters::{one_of, value};
use crate::dynamodb::{
    error::ApiError,
    expression::{
        Condition, KeyCondition, Projection, Update,
        ast::{Comparator, Path, Step},
        key_condition::SortCondition,
        operands::{Term, is_ordered},
    },
    key::KeySchema,
    table::index::projection,
};

const OPERATORS: [&str; 13] = [
    "IN",
    "NULL",
    "BETWEEN",
    "LT",
    "NOT_CONTAINS",
    "EQ",
    "GT",
    "NOT_NULL",
    "NE",
    "LE",
    "BEGINS_WITH",
    "GE",
    "CONTAINS",
];

/// A condition on one attribute.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeCondition<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    exists: Option<bool>,
    #[serde(borrow)]
    attribute_value_list: Option<Vec<&'a RawValue>>,
    comparison_operator: Option<String>,
}

/// Conditions by attribute.
pub(crate) type Conditions<'a> = Option<BTreeMap<String, AttributeCondition<'a>>>;

/// What becomes of one attribute.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeUpdate<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    action: Option<String>,
}

/// Updates by attribute.
pub(crate) type Updates<'a> = Option<BTreeMap<String, AttributeUpdate<'a>>>;

/// Refuses a request that has parameters of both kinds.
pub(crate) fn not_both(
    legacy: &[(&str, bool)],
    expressions: &[(&str, bool)],
) -> Result<(), ApiError> {
    let given = |parameters: &[(&str, bool)]| {
        let given: Vec<&str> = parameters.iter().filter(|it| it.1).map(|it| it.0).collect();
        (!given.is_empty()).then(|| given.join(", "))
    };
    match (given(legacy), given(expressions)) {
        (Some(legacy), Some(expressions)) => Err(ApiError::Validation(format!(
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{legacy}}} Expression parameters: {{{expressions}}}"
        ))),
        _ => Ok(()),
    }
}

/// `Expected`, `QueryFilter` or `ScanFilter`, with their `ConditionalOperator`.
pub(crate) fn condition(
    conditions: Conditions<'_>,
    operator: Option<&str>,
) -> Result<Option<Condition>, ApiError> {
    let operator = one_of(operator, "conditionalOperator", &["OR", "AND"])?;
    let conditions = conditions.unwrap_or_default();
    match (operator, conditions.len()) {
        (Some(_), 0) => {
            return Err(ApiError::validation(
                "ConditionalOperator cannot be used without Filter or Expected",
            ));
        }
        (Some(_), 1) => {
            return Err(ApiError::validation(
                "ConditionalOperator can only be used when Filter or Expected has two or more elements",
            ));
        }
        _ => {}
    }
    let mut all = Vec::new();
    for (name, condition) in conditions {
        all.push(condition.bind(&name)?);
    }
    let join = |a: Condition, b: Condition| match operator {
        Some("OR") => Condition::Or(Box::new(a), Box::new(b)),
        _ => Condition::And(Box::new(a), Box::new(b)),
    };
    Ok(all.into_iter().reduce(join))
}

impl AttributeCondition<'_> {
    fn bind(&self, name: &str) -> Result<Condition, ApiError> {
        let invalid = |why: &str| {
            Err(ApiError::Validation(format!(
                "One or more parameter values were invalid: {why} for Attribute: {name}"
            )))
        };
        let place = path(name);
        let Some(operator) = &self.comparison_operator else {
            if self.attribute_value_list.is_some() {
                return invalid("AttributeValueList can only be used with a ComparisonOperator");
            }
            return match (self.exists, self.value) {
                (Some(false), None) => Ok(Condition::NotExists(place)),
                (Some(false), Some(_)) => invalid("Value cannot be used when Exists is false"),
                (Some(true), None) => invalid("Value must be provided when Exists is true"),
                (None, None) => invalid("Value must be provided when Exists is null"),
                (_, Some(json)) => {
                    let value = Term::Literal(value(json)?);
                    Ok(Condition::Compare(Term::Path(place), Comparator::Equal, value))
                }
            };
        };
        if self.exists.is_some() {
            return invalid("Exists and ComparisonOperator cannot be used together");
        }
        if self.value.is_some() && self.attribute_value_list.is_some() {
            return invalid("Value and AttributeValueList cannot be used together");
        }
        let values = self.values()?;
        check(operator, &values)?;
        let it = Term::Path(place.clone());
        let mut values = values.into_iter().map(Term::Literal);
        let mut next = || values.next().unwrap_or(Term::Literal(AttributeValue::Null));
        Ok(match operator.as_str() {
            "NULL" => Condition::NotExists(place),
            "NOT_NULL" => Condition::Exists(place),
            "CONTAINS" => Condition::Contains(it, next()),
            "NOT_CONTAINS" => Condition::Not(Box::new(Condition::Contains(it, next()))),
            "BEGINS_WITH" => Condition::BeginsWith(it, next()),
            "BETWEEN" => Condition::Between(it, next(), next()),
            "IN" => Condition::In(it, values.collect()),
            other => Condition::Compare(it, comparator(other), next()),
        })
    }

    fn values(&self) -> Result<Vec<AttributeValue>, ApiError> {
        let list = self.attribute_value_list.iter().flatten();
        list.chain(&self.value).map(|json| value(json)).collect()
    }
}

fn comparator(operator: &str) -> Comparator {
    match operator {
        "NE" => Comparator::NotEqual,
        "LT" => Comparator::Less,
        "LE" => Comparator::LessOrEqual,
        "GT" => Comparator::Greater,
        "GE" => Comparator::GreaterOrEqual,
        _ => Comparator::Equal,
    }
}

/// Refuses an operator that does not exist, or does not go with its values.
fn check(operator: &str, values: &[AttributeValue]) -> Result<(), ApiError> {
    one_of(Some(operator), "comparisonOperator", &OPERATORS)?;
    let fits = match operator {
        "NULL" | "NOT_NULL" => values.is_empty(),
        "BETWEEN" => values.len() == 2,
        "IN" => !values.is_empty(),
        _ => values.len() == 1,
    };
    if !fits {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Invalid number of argument(s) for the {operator} ComparisonOperator"
        )));
    }
    let fits: fn(&AttributeValue) -> bool = match operator {
        "LT" | "LE" | "GT" | "GE" | "BETWEEN" | "IN" => is_ordered,
        "CONTAINS" | "NOT_CONTAINS" => {
            |it| is_ordered(it) || matches!(it, AttributeValue::Bool(_) | AttributeValue::Null)
        }
        "BEGINS_WITH" => |it| matches!(it, AttributeValue::S(_) | AttributeValue::B(_)),
        _ => |_| true,
    };
    if let Some(wrong) = values.iter().find(|it| !fits(it)) {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: ComparisonOperator {operator} is not valid for {} AttributeValue type",
            wrong.type_name()
        )));
    }
    if let ("BETWEEN", [low, high]) = (operator, values)
        && crate::dynamodb::expression::operands::order(low, high)
            .is_none_or(std::cmp::Ordering::is_gt)
    {
        return Err(ApiError::validation(
            "One or more parameter values were invalid: The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ));
    }
    Ok(())
}

/// `KeyConditions`, for a table or index of this schema.
pub(crate) fn key_condition(
    conditions: &BTreeMap<String, AttributeCondition<'_>>,
    schema: &KeySchema,
) -> Result<KeyCondition, ApiError> {
    if !(1..=2).contains(&conditions.len()) {
        return Err(ApiError::validation("Conditions can be of length 1 or 2 only"));
    }
    let missed = |name: &str| {
        ApiError::Validation(format!("Query condition missed key schema element: {name}"))
    };
    let partition =
        conditions.get(&schema.partition.name).ok_or_else(|| missed(&schema.partition.name))?;
    let not_supported = || ApiError::validation("Query key condition not supported");
    let Some(SortCondition::Compare(Comparator::Equal, partition)) = partition.on_key()? else {
        return Err(not_supported());
    };
    let sort = match conditions.keys().find(|it| **it != schema.partition.name) {
        None => None,
        Some(name) => match &schema.sort {
            Some(attribute) if attribute.name == *name => {
                let condition = conditions.get(name).map(AttributeCondition::on_key).transpose()?;
                Some(condition.flatten().ok_or_else(not_supported)?)
            }
            Some(attribute) => return Err(missed(&attribute.name)),
            None => return Err(missed(name)),
        },
    };
    Ok(KeyCondition { partition, sort })
}

impl AttributeCondition<'_> {
    /// What it says about a key; `None` if it is nothing that keys can be asked for.
    fn on_key(&self) -> Result<Option<SortCondition>, ApiError> {
        let operator = self.comparison_operator.as_deref().unwrap_or_default();
        let values = self.values()?;
        check(operator, &values)?;
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or(AttributeValue::Null);
        Ok(match operator {
            "EQ" | "LT" | "LE" | "GT" | "GE" => {
                Some(SortCondition::Compare(comparator(operator), next()))
            }
            "BEGINS_WITH" => Some(SortCondition::BeginsWith(next())),
            "BETWEEN" => Some(SortCondition::Between(next(), next())),
            _ => None,
        })
    }
}

/// `AttributeUpdates`.
pub(crate) fn update(updates: Updates<'_>) -> Result<Option<Update>, ApiError> {
    let Some(updates) = updates else { return Ok(None) };
    let (mut set, mut remove) = (Vec::new(), Vec::new());
    let (mut add, mut delete) = (Vec::new(), Vec::new());
    let invalid = |why: String| {
        ApiError::Validation(format!("One or more parameter values were invalid: {why}"))
    };
    for (name, update) in updates {
        let action = one_of(update.action.as_deref(), "action", &["ADD", "PUT", "DELETE"])?;
        let place = path(&name);
        let value = update.value.map(value).transpose()?;
        let is_set = |it: &AttributeValue| {
            matches!(it, AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_))
        };
        match (action.unwrap_or("PUT"), value) {
            ("DELETE", None) => remove.push(place),
            ("DELETE", Some(value)) if is_set(&value) => delete.push((place, value)),
            ("DELETE", Some(value)) => {
                return Err(invalid(format!(
                    "DELETE action with value is not supported for the type {}",
                    value.type_name()
                )));
            }
            (_, None) => {
                return Err(invalid(
                    "Only DELETE action is allowed when no attribute value is specified".to_owned(),
                ));
            }
            ("ADD", Some(value)) if is_set(&value) || matches!(value, AttributeValue::N(_)) => {
                add.push((place, value));
            }
            ("ADD", Some(value)) => {
                return Err(invalid(format!(
                    "ADD action is not supported for the type {}",
                    value.type_name()
                )));
            }
            (_, Some(value)) => set.push((place, value)),
        }
    }
    Ok(Some(Update::of(set, remove, add, delete)))
}

/// `AttributesToGet`.
pub(crate) fn attributes_to_get(names: Option<&[String]>) -> Result<Option<Projection>, ApiError> {
    let Some(names) = names else { return Ok(None) };
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    if let Some([twice, _]) = sorted.windows(2).find(|it| it[0] == it[1]) {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Duplicate value in attribute name: {twice}"
        )));
    }
    Ok(Some(projection(names.iter().map(String::as_str))))
}

fn path(name: &str) -> Path {
    Path(vec![Step::Name(name.to_owned())])
}
