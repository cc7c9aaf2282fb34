//! `BatchGetItem`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    capacity::{Consumed, read_units},
    legacy,
    parameters::{Names, key, parse, placeholders, required},
};
use crate::dynamodb::{
    answer::{Answer, write_list},
    endpoint::Endpoint,
    error::ApiError,
    expression::Projection,
    item::Item,
    key::Key,
    request::Caller,
};

/// How many items a batch may ask for.
const KEYS_MAX: usize = 100;
/// How much an answer may hold. The keys of what does not fit are handed back.
const ANSWER_BYTES_MAX: usize = 16 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    request_items: Option<BTreeMap<String, Wanted<'a>>>,
    return_consumed_capacity: Option<String>,
}

/// What is wanted of one table; handed back as it came if it does not fit.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted<'a> {
    #[serde(borrow, default)]
    keys: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consistent_read: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression_attribute_names: Names,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes_to_get: Option<Vec<String>>,
}

pub(crate) fn batch_get_item(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request<'_> = parse(body)?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let mut tables = required(request.request_items, "requestItems")?;
    if tables.is_empty() {
        return Err(ApiError::constraint(
            "{}",
            "requestItems",
            "Member must have length greater than or equal to 1",
        ));
    }
    if KEYS_MAX < tables.values().map(|it| it.keys.len()).sum() {
        return Err(ApiError::validation("Too many items requested for the BatchGetItem call"));
    }
    let mut left_bytes = ANSWER_BYTES_MAX;
    let mut capacities = Vec::new();
    let mut responses = Answer::new();
    for (name, wanted) in &mut tables {
        let cell = endpoint.table(caller, name)?;
        if wanted.keys.is_empty() {
            return Err(ApiError::Validation(format!(
                "The list of keys in RequestItems for BatchGetItem is required: {name} has empty list"
            )));
        }
        let text = wanted.projection_expression.as_deref();
        legacy::not_both(
            &[("AttributesToGet", wanted.attributes_to_get.is_some())],
            &[("ProjectionExpression", text.is_some())],
        )?;
        let names = wanted.expression_attribute_names.clone();
        let mut placeholders = placeholders(names, None, &[text], "ProjectionExpression")?;
        let projection = text.map(|text| Projection::parse(text, &mut placeholders)).transpose()?;
        placeholders.all_used()?;
        let projection = match projection {
            None => legacy::attributes_to_get(wanted.attributes_to_get.as_deref())?,
            some => some,
        };
        let is_consistent = wanted.consistent_read.unwrap_or(false);
        let keys: Vec<Key> = wanted
            .keys
            .iter()
            .map(|json| Ok(key(json, &cell.schema)?.0))
            .collect::<Result<_, ApiError>>()?;
        check_distinct(&keys)?;

        let mut items: Vec<Item> = Vec::new();
        let mut units = 0.0;
        let mut n_answered = 0;
        let table_name = {
            let table = cell.read();
            for key in &keys {
                let item = table.items.get(key);
                let size_bytes = item.map_or(0, Item::size_bytes);
                if left_bytes < size_bytes {
                    break;
                }
                left_bytes -= size_bytes;
                units += read_units(size_bytes, is_consistent);
                items.extend(item.cloned());
                n_answered += 1;
            }
            table.description.name.clone()
        };
        wanted.keys.drain(..n_answered);
        capacities.extend(consumed.shown(&table_name, units));
        responses.member(name, |out| {
            write_list(out, &items, |item, out| match &projection {
                None => out.extend_from_slice(item.json()),
                Some(projection) => {
                    projection.write(item.json(), out);
                }
            });
        });
    }
    tables.retain(|_, wanted| !wanted.keys.is_empty());
    let mut answer = Answer::new();
    if !capacities.is_empty() {
        answer.value("ConsumedCapacity", capacities);
    }
    answer.json("Responses", &responses.finish());
    answer.json("UnprocessedKeys", &serde_json::to_vec(&tables)?);
    Ok(answer.finish())
}

pub(super) fn check_distinct(keys: &[Key]) -> Result<(), ApiError> {
    let mut sorted: Vec<&Key> = keys.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|it| it[0] == it[1]) {
        return Err(ApiError::validation("Provided list of item keys contains duplicates"));
    }
    Ok(())
}
