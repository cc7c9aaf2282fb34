//! `BatchWriteItem`: the fast way in.
//!
//! Items are read and encoded before any table is locked; each table is locked once.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    capacity::{Consumed, Used, metrics, wants_metrics, write_units},
    parameters::{attributes, key, parse, required},
};
use crate::dynamodb::{
    answer::{Answer, write_list},
    endpoint::{Cell, Endpoint},
    error::ApiError,
    item::Item,
    key::Key,
    request::Caller,
    table::{Change, Outcome},
};

/// How many items a batch may write.
const WRITES_MAX: usize = 25;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Call<'a> {
    #[serde(borrow)]
    request_items: Option<BTreeMap<String, Vec<Write<'a>>>>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Write<'a> {
    #[serde(borrow)]
    put_request: Option<Put<'a>>,
    #[serde(borrow)]
    delete_request: Option<Delete<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    #[serde(borrow)]
    item: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
}

pub(crate) fn batch_write_item(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Call<'_> = parse(body)?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let wants_metrics = wants_metrics(request.return_item_collection_metrics.as_deref())?;
    let tables = required(request.request_items, "requestItems")?;
    if tables.is_empty() {
        return Err(ApiError::constraint(
            "{}",
            "requestItems",
            "Member must have length greater than or equal to 1",
        ));
    }
    if WRITES_MAX < tables.values().map(Vec::len).sum() {
        return Err(ApiError::validation("Too many items requested for the BatchWriteItem call"));
    }
    let mut batches: Vec<(Arc<Cell>, Vec<Change>)> = Vec::new();
    for (name, writes) in tables {
        if writes.is_empty() {
            return Err(ApiError::Validation(format!(
                "The batch write request list for a table cannot be null or empty: {name}"
            )));
        }
        let cell = endpoint.table(caller, &name)?;
        let changes =
            writes.into_iter().map(|it| change(it, &cell)).collect::<Result<Vec<_>, _>>()?;
        {
            let table = cell.read();
            let mut puts = changes.iter().filter_map(|it| Some((it.new.as_ref()?, &it.key)));
            puts.try_for_each(|(item, key)| table.check_indexes(item, key))?;
        }
        batches.push((cell, changes));
    }
    check_distinct(&batches)?;

    let mut capacities = Vec::new();
    let mut all_metrics = Map::new();
    for (cell, changes) in batches {
        let (name, used, metrics) = endpoint.write(&cell, |writing| {
            let mut table = 0.0;
            let keys: Vec<Key> = if wants_metrics {
                changes.iter().map(|it| it.key.clone()).collect()
            } else {
                Vec::new()
            };
            for change in changes {
                let new_bytes = change.new.as_ref().map_or(0, Item::size_bytes);
                let old_bytes = match writing.apply(change) {
                    Outcome::Changed { old: Some(old) } => old.size_bytes(),
                    _ => 0,
                };
                table += write_units(old_bytes, new_bytes);
            }
            let indexes = std::mem::take(&mut writing.index_units);
            let metrics: Vec<Value> =
                keys.iter().filter_map(|key| metrics(writing.table(), key)).collect();
            Ok((writing.table().description.name.clone(), Used { table, indexes }, metrics))
        })?;
        capacities.extend(consumed.shown(&name, used));
        if !metrics.is_empty() {
            all_metrics.insert(name, metrics.into());
        }
    }
    let mut answer = Answer::new();
    if !capacities.is_empty() {
        answer.member("ConsumedCapacity", |out| {
            write_list(out, &capacities, |it, out| {
                out.extend_from_slice(it.to_string().as_bytes());
            });
        });
    }
    if !all_metrics.is_empty() {
        answer.value("ItemCollectionMetrics", all_metrics);
    }
    answer.json("UnprocessedItems", b"{}");
    Ok(answer.finish())
}

fn change(write: Write<'_>, cell: &Cell) -> Result<Change, ApiError> {
    match (write.put_request, write.delete_request) {
        (Some(put), None) => {
            let item = attributes(required(put.item, "item")?)?;
            let (key, item) = Item::new(&item, &cell.schema)?;
            Ok(Change { key, new: Some(item), by_ttl: false })
        }
        (None, Some(delete)) => {
            let (key, _) = key(required(delete.key, "key")?, &cell.schema)?;
            Ok(Change { key, new: None, by_ttl: false })
        }
        (Some(_), Some(_)) => Err(ApiError::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        )),
        (None, None) => Err(ApiError::validation(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        )),
    }
}

fn check_distinct(batches: &[(Arc<Cell>, Vec<Change>)]) -> Result<(), ApiError> {
    let mut keys: Vec<_> = batches
        .iter()
        .flat_map(|(cell, changes)| changes.iter().map(|change| (cell.id, &change.key)))
        .collect();
    keys.sort_unstable();
    if keys.windows(2).any(|it| it[0] == it[1]) {
        return Err(ApiError::validation("Provided list of item keys contains duplicates"));
    }
    Ok(())
}
