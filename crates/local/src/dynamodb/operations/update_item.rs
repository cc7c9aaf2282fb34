//! `UpdateItem`.

use serde::Deserialize;
use serde_json::value::RawValue;
use wire::{
    attribute_value::{read_attributes, write_attributes},
    canonical::{self, Canonical},
    json::Cursor,
};

use super::parameters::{
    Consumed, Names, Values, check, condition, key, one_of, parse, placeholders, required,
    returns_item_on_failure, write_units,
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::Endpoint,
    error::ApiError,
    expression::{Projection, Update},
    item::{Item, ItemError},
    key::KeySchema,
    request::Caller,
    table::Change,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    table_name: Option<String>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    #[serde(borrow)]
    expression_attribute_values: Values<'a>,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    return_consumed_capacity: Option<String>,
}

pub(crate) fn update_item(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let returns = one_of(
        request.return_values.as_deref(),
        "returnValues",
        &["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"],
    )?
    .unwrap_or("NONE");
    let returns_item =
        returns_item_on_failure(request.return_values_on_condition_check_failure.as_deref())?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let (update_text, condition_text) =
        (request.update_expression.as_deref(), request.condition_expression.as_deref());
    let mut placeholders = placeholders(
        request.expression_attribute_names,
        request.expression_attribute_values,
        &[update_text, condition_text],
        "UpdateExpression",
    )?;
    let update = update_text.map(|text| Update::parse(text, &mut placeholders)).transpose()?;
    let condition = condition(condition_text, &mut placeholders)?;
    placeholders.all_used()?;
    if let Some(update) = &update {
        leaves_key_alone(update, &cell.schema)?;
    }
    let (key, key_attributes) = key(required(request.key, "key")?, &cell.schema)?;

    let (name, old, new) = endpoint.write(&cell, |writing| {
        let old = writing.table().items.get(&key).cloned();
        check(condition.as_ref(), old.as_ref(), returns_item)?;
        let new = updated(update.as_ref(), old.as_ref(), &key_attributes, &cell.schema)?;
        writing.apply(Change { key, new: Some(new.clone()), by_ttl: false });
        Ok((writing.table().description.name.clone(), old, new))
    })?;

    let mut answer = Answer::new();
    let shown = match returns {
        "ALL_OLD" | "UPDATED_OLD" => old.as_ref(),
        "ALL_NEW" | "UPDATED_NEW" => Some(&new),
        _ => None,
    };
    if let Some(item) = shown {
        let mut attributes = Vec::new();
        let paths = || update.iter().flat_map(Update::paths).cloned().collect();
        let any = if returns.starts_with("ALL") {
            attributes.extend_from_slice(item.json());
            true
        } else {
            Projection::of(paths()).write(item.json(), &mut attributes)
        };
        if any {
            answer.json("Attributes", &attributes);
        }
    }
    let units = write_units(old.map_or(0, |it| it.size_bytes()), new.size_bytes());
    if let Some(consumed) = consumed.shown(&name, units) {
        answer.value("ConsumedCapacity", consumed);
    }
    Ok(answer.finish())
}

fn leaves_key_alone(update: &Update, schema: &KeySchema) -> Result<(), ApiError> {
    match update.paths().iter().find(|it| schema.has(it.attribute())) {
        None => Ok(()),
        Some(path) => Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
            path.attribute()
        ))),
    }
}

/// What becomes of the item, or of one that does not exist yet.
fn updated(
    update: Option<&Update>,
    old: Option<&Item>,
    key: &Canonical,
    schema: &KeySchema,
) -> Result<Item, ApiError> {
    let before = old.map_or(key.json.as_slice(), Item::json);
    let unreadable = |error: wire::json::Malformed| ApiError::Internal(error.to_string());
    let mut attributes = read_attributes(before).map_err(unreadable)?;
    if let Some(update) = update {
        update.apply(&mut attributes)?;
    }
    let mut json = Vec::with_capacity(before.len() + 64);
    write_attributes(&attributes, &mut json);
    let canonical = canonical::attributes(&mut Cursor::new(&json))?;
    match Item::new(&canonical, schema) {
        Ok((_, item)) => Ok(item),
        Err(ItemError::TooLarge) => {
            Err(ApiError::validation("Item size to update has exceeded the maximum allowed size"))
        }
        Err(error) => Err(error.into()),
    }
}
