//! `TransactGetItems`: several items as they were at one moment.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    capacity::{Consumed, Used, read_units},
    parameters::{Names, key, parse, placeholders, required},
    transact_write_items::{BYTES_MAX, check_count},
};
use crate::dynamodb::{
    answer::{Answer, write_list},
    endpoint::{Cell, Endpoint},
    error::{ApiError, Reason},
    expression::Projection,
    item::Item,
    key::Key,
    request::Caller,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    transact_items: Option<Vec<Part<'a>>>,
    return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part<'a> {
    #[serde(borrow)]
    get: Option<Get<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get<'a> {
    table_name: Option<String>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    projection_expression: Option<String>,
    expression_attribute_names: Names,
}

pub(crate) fn transact_get_items(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request<'_> = parse(body)?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let parts = required(request.transact_items, "transactItems")?;
    check_count(parts.len())?;
    let mut wanted: Vec<(Arc<Cell>, Key, Option<Projection>)> = Vec::new();
    let mut reasons = Vec::new();
    for part in parts {
        let get = required(part.get, "transactItems.1.member.get")?;
        let name = required(get.table_name, "transactItems.1.member.get.tableName")?;
        let cell = endpoint.table(caller, &name)?;
        let text = get.projection_expression.as_deref();
        let names = get.expression_attribute_names;
        let mut placeholders = placeholders(names, None, &[text], "ProjectionExpression")?;
        let projection = text.map(|text| Projection::parse(text, &mut placeholders)).transpose()?;
        placeholders.all_used()?;
        match key(required(get.key, "transactItems.1.member.get.key")?, &cell.schema) {
            Ok((key, _)) => {
                wanted.push((cell, key, projection));
                reasons.push(Reason::NONE);
            }
            Err(error) => reasons.push(Reason::of(error)?),
        }
    }
    if wanted.len() < reasons.len() {
        return Err(ApiError::TransactionCanceled(reasons));
    }
    let (items, used) = read(&wanted);
    if BYTES_MAX < items.iter().flatten().map(Item::size_bytes).sum() {
        return Err(ApiError::validation(
            "Collection size of items in transaction has exceeded the maximum allowed size of 4MB",
        ));
    }
    let mut answer = Answer::new();
    let capacities: Vec<Value> = used
        .iter()
        .filter_map(|(name, used)| consumed.shown_in_transaction(name, used, "ReadCapacityUnits"))
        .collect();
    if !capacities.is_empty() {
        answer.value("ConsumedCapacity", capacities);
    }
    answer.member("Responses", |out| {
        write_list(out, wanted.iter().zip(&items), |((.., projection), item), out| {
            let Some(item) = item else { return out.extend_from_slice(b"{}") };
            out.extend_from_slice(b"{\"Item\":");
            match projection {
                None => out.extend_from_slice(item.json()),
                Some(projection) => {
                    projection.write(item.json(), out);
                }
            }
            out.push(b'}');
        });
    });
    Ok(answer.finish())
}

/// Reads everything while all tables are locked, and says what it cost by table.
fn read(
    wanted: &[(Arc<Cell>, Key, Option<Projection>)],
) -> (Vec<Option<Item>>, BTreeMap<String, Used>) {
    // In the order of their numbers, so that nobody waits for each other.
    let cells: BTreeMap<u64, &Arc<Cell>> =
        wanted.iter().map(|(cell, ..)| (cell.id, cell)).collect();
    let tables: BTreeMap<u64, _> = cells.into_iter().map(|(id, cell)| (id, cell.read())).collect();
    let mut used: BTreeMap<String, Used> = BTreeMap::new();
    let items = wanted
        .iter()
        .map(|(cell, key, _)| {
            let table = tables.get(&cell.id)?;
            let item = table.items.get(key).cloned();
            let units = 2.0 * read_units(item.as_ref().map_or(0, Item::size_bytes), true);
            used.entry(table.description.name.clone()).or_default().table += units;
            item
        })
        .collect();
    (items, used)
}
