//! Parameters that several operations share. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use wire::{
    attribute_value::AttributeValue,
    canonical::{self, Canonical},
    json::Cursor,
};

use crate::dynamodb::{
    error::ApiError,
    expression::{Condition, Placeholders, Role},
    item::{Item, ItemError},
    key::{Key, KeyError, KeySchema},
    table::index::IndexError,
};

/// Reads the body of a request.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    Ok(serde_json::from_slice(body)?)
}

/// A parameter that must be there.
pub(crate) fn required<T>(value: Option<T>, name: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| {
        ApiError::Validation(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// One of the values that a parameter may have.
pub(crate) fn one_of<'a>(
    value: Option<&str>,
    name: &str,
    allowed: &[&'a str],
) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    match allowed.iter().find(|it| **it == value) {
        Some(found) => Ok(Some(found)),
        None => Err(ApiError::constraint(
            value,
            name,
            &format!("Member must satisfy enum value set: [{}]", allowed.join(", ")),
        )),
    }
}

/// A number of at least one, and at most `max`.
pub(crate) fn limit(value: Option<i64>, name: &str, max: usize) -> Result<Option<usize>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    let rule = match usize::try_from(value) {
        Err(_) | Ok(0) => "greater than or equal to 1".to_owned(),
        Ok(value) if value <= max => return Ok(Some(value)),
        Ok(_) => format!("less than or equal to {max}"),
    };
    Err(ApiError::constraint(value, name, &format!("Member must have value {rule}")))
}

/// Reads attributes, checking everything that DynamoDB checks.
pub(crate) fn attributes(json: &RawValue) -> Result<Canonical, ApiError> {
    Ok(canonical::attributes(&mut Cursor::new(json.get().as_bytes()))?)
}

/// Reads the primary key of an item: exactly the attributes of the key, and nothing else.
pub(crate) fn key(json: &RawValue, schema: &KeySchema) -> Result<(Key, Canonical), ApiError> {
    key_or(json, schema, "The provided key element does not match the schema")
}

/// Reads a primary key; `mismatch` is what to say if it is none.
pub(crate) fn key_or(
    json: &RawValue,
    schema: &KeySchema,
    mismatch: &str,
) -> Result<(Key, Canonical), ApiError> {
    let canonical = attributes(json)?;
    let mismatch = || ApiError::validation(mismatch);
    if canonical.members.len() != schema.attributes().count() {
        return Err(mismatch());
    }
    match schema.key_of(&canonical) {
        Ok((key, ..)) => Ok((key, canonical)),
        Err(KeyError::Missing(_) | KeyError::WrongType { .. }) => Err(mismatch()),
        Err(error) => Err(error.into()),
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> ApiError {
        ApiError::Validation(error.to_string())
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> ApiError {
        ApiError::Validation(error.to_string())
    }
}

impl From<ItemError> for ApiError {
    fn from(error: ItemError) -> ApiError {
        ApiError::Validation(error.to_string())
    }
}

/// `ExpressionAttributeNames` as sent.
pub(crate) type Names = Option<BTreeMap<String, String>>;
/// `ExpressionAttributeValues` as sent.
pub(crate) type Values<'a> = Option<BTreeMap<String, &'a RawValue>>;

/// What the expressions of a request may refer to. `expressions` are those that it has, and the name
/// of the first, for the message if there are none.
pub(crate) fn placeholders(
    names: Names,
    values: Values<'_>,
    expressions: &[Option<&str>],
    first: &str,
) -> Result<Placeholders, ApiError> {
    if expressions.iter().all(Option::is_none) {
        if names.is_some() {
            return Err(ApiError::validation(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        if values.is_some() {
            return Err(ApiError::validation(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {first} is null"
            )));
        }
    }
    let values = match values {
        None => None,
        Some(values) => {
            let values = values.into_iter().map(|(name, json)| {
                let value = value(json).map_err(|error| match error {
                    ApiError::Validation(why) => ApiError::Validation(format!(
                        "ExpressionAttributeValues contains invalid value: {why} for key {name}"
                    )),
                    error => error,
                })?;
                Ok((name, value))
            });
            Some(values.collect::<Result<_, ApiError>>()?)
        }
    };
    Ok(Placeholders::new(names, values)?)
}

/// Reads one attribute value.
pub(crate) fn value(json: &RawValue) -> Result<AttributeValue, ApiError> {
    let mut text = Vec::new();
    canonical::value(&mut Cursor::new(json.get().as_bytes()), &mut text)?;
    AttributeValue::read(&text).map_err(|error| ApiError::Serialization(error.to_string()))
}

/// The condition of a write, if it has one.
pub(crate) fn condition(
    text: Option<&str>,
    placeholders: &mut Placeholders,
) -> Result<Option<Condition>, ApiError> {
    let parse = |text| Condition::parse(Role::Condition, text, placeholders);
    Ok(text.map(parse).transpose()?)
}

/// Refuses a write whose condition is not met by the item as it is.
pub(crate) fn check(
    condition: Option<&Condition>,
    item: Option<&Item>,
    returns_item: bool,
) -> Result<(), ApiError> {
    let holds = condition.is_none_or(|it| it.holds(item.map_or(b"{}", Item::json)));
    if holds {
        return Ok(());
    }
    Err(ApiError::ConditionalCheckFailed { item: item.filter(|_| returns_item).cloned() })
}

/// Whether a write that is refused shows the item.
pub(crate) fn returns_item_on_failure(value: Option<&str>) -> Result<bool, ApiError> {
    let name = "returnValuesOnConditionCheckFailure";
    Ok(one_of(value, name, &["ALL_OLD", "NONE"])? == Some("ALL_OLD"))
}
