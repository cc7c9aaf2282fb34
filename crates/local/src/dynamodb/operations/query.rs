//! `Query`.

use std::ops::{Bound, RangeBounds};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    page::{Page, Shown, only_count, start_key},
    parameters::{
        Consumed, Names, Values, limit, parse, placeholders, read_units, refuse_not_yet, required,
    },
};
use crate::dynamodb::{
    endpoint::Endpoint,
    error::ApiError,
    expression::{Condition, KeyCondition, Projection, Role},
    key::{Key, KeyError, KeySchema},
    request::Caller,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    table_name: Option<String>,
    index_name: Option<String>,
    key_condition_expression: Option<String>,
    filter_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Names,
    #[serde(borrow)]
    expression_attribute_values: Values<'a>,
    #[serde(borrow)]
    exclusive_start_key: Option<&'a RawValue>,
    limit: Option<i64>,
    scan_index_forward: Option<bool>,
    select: Option<String>,
    #[serde(default)]
    consistent_read: bool,
    return_consumed_capacity: Option<String>,
}

pub(crate) fn query(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    refuse_not_yet(body)?;
    let request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    refuse_index(request.index_name.as_deref())?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let limit = limit(request.limit, "limit", i32::MAX as usize)?;
    let projection = request.projection_expression.as_deref();
    let only_count = only_count(request.select.as_deref(), projection.is_some(), false)?;
    let key_text = request.key_condition_expression.as_deref();
    let filter = request.filter_expression.as_deref();
    let mut placeholders = placeholders(
        request.expression_attribute_names,
        request.expression_attribute_values,
        &[key_text, filter, projection],
        "KeyConditionExpression",
    )?;
    let key_text = key_text.ok_or_else(|| {
        ApiError::validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        )
    })?;
    let schema = &cell.schema;
    let sort_name = schema.sort.as_ref().map(|it| it.name.as_str());
    let condition =
        KeyCondition::parse(key_text, &schema.partition.name, sort_name, &mut placeholders)?;
    let filter =
        filter.map(|it| Condition::parse(Role::Filter, it, &mut placeholders)).transpose()?;
    let projection = projection.map(|it| Projection::parse(it, &mut placeholders)).transpose()?;
    placeholders.all_used()?;
    if let Some(filter) = &filter {
        leaves_key_alone(filter, schema)?;
    }
    let is_forward = request.scan_index_forward.unwrap_or(true);
    let start = start_key(request.exclusive_start_key, schema)?.map(|(key, _)| key);
    let range = range(schema, &condition, start, is_forward)?;

    let (name, page) = {
        let table = cell.read();
        let items = table.items.range(range).map(|(_, item)| item);
        let page = if is_forward { Page::of(items, limit) } else { Page::of(items.rev(), limit) };
        (table.description.name.clone(), page)
    };
    let mut answer = page.answer(&Shown { filter, projection, only_count });
    let units = read_units(page.size_bytes(), request.consistent_read);
    if let Some(consumed) = consumed.shown(&name, units) {
        answer.value("ConsumedCapacity", consumed);
    }
    Ok(answer.finish())
}

/// There are no indexes yet.
pub(crate) fn refuse_index(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        None => Ok(()),
        Some(name) => Err(ApiError::Validation(format!(
            "The table does not have the specified index: {name}"
        ))),
    }
}

/// The keys to read, from behind `start` on.
fn range(
    schema: &KeySchema,
    condition: &KeyCondition,
    start: Option<Key>,
    is_forward: bool,
) -> Result<(Bound<Key>, Bound<Key>), ApiError> {
    let (low, high) =
        schema.range(&condition.partition, condition.sort.as_ref()).map_err(|error| match error {
            KeyError::WrongType { .. } => ApiError::validation(
                "One or more parameter values were invalid: Condition parameter type does not match schema type",
            ),
            error => error.into(),
        })?;
    let Some(start) = start else { return Ok((low, high)) };
    if !(low.as_ref(), high.as_ref()).contains(&start) {
        return Err(ApiError::validation(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    Ok(if is_forward { (Bound::Excluded(start), high) } else { (low, Bound::Excluded(start)) })
}

fn leaves_key_alone(filter: &Condition, schema: &KeySchema) -> Result<(), ApiError> {
    let mut in_key = None;
    filter.visit_paths(&mut |path| {
        if in_key.is_none() && schema.has(path.attribute()) {
            in_key = Some(path.attribute().to_owned());
        }
    });
    match in_key {
        None => Ok(()),
        Some(name) => Err(ApiError::Validation(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
        ))),
    }
}
