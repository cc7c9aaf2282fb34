//! `UpdateItem`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    capacity::{Consumed, Used, metrics, wants_metrics, write_units},
    legacy::{self, Conditions, Updates},
    parameters::{Names, Values, key, one_of, parse, required, returns_item_on_failure},
    prepared::{Action, Prepared, bind_update, leaves_key_alone},
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::Endpoint,
    error::ApiError,
    expression::{Projection, Update, ast::Path},
    item::Item,
    request::Caller,
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
    #[serde(borrow)]
    attribute_updates: Updates<'a>,
    #[serde(borrow)]
    expected: Conditions<'a>,
    conditional_operator: Option<String>,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

pub(crate) fn update_item(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name.clone(), "tableName")?)?;
    let returns = one_of(
        request.return_values.as_deref(),
        "returnValues",
        &["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"],
    )?
    .unwrap_or("NONE");
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let wants_metrics = wants_metrics(request.return_item_collection_metrics.as_deref())?;
    let prepared = prepare(request, &cell.schema)?;

    let (name, old, new, indexes, metrics) = endpoint.write(&cell, |writing| {
        let old = writing.table().items.get(&prepared.key).cloned();
        let change = prepared.change(writing.table())?;
        let new = change.as_ref().and_then(|it| it.new.clone());
        if let Some(change) = change {
            writing.apply(change);
        }
        let table = writing.table();
        let metrics = wants_metrics.then(|| metrics(table, &prepared.key)).flatten();
        let name = table.description.name.clone();
        Ok((name, old, new, std::mem::take(&mut writing.index_units), metrics))
    })?;

    let mut answer = Answer::new();
    let Action::Update { update, .. } = &prepared.action else { return Ok(answer.finish()) };
    write_attributes(returns, update.as_ref(), old.as_ref(), new.as_ref(), &mut answer);
    let n_bytes = |item: Option<Item>| item.map_or(0, |it| it.size_bytes());
    let table = write_units(n_bytes(old), n_bytes(new));
    if let Some(consumed) = consumed.shown(&name, Used { table, indexes }) {
        answer.value("ConsumedCapacity", consumed);
    }
    if let Some(metrics) = metrics {
        answer.value("ItemCollectionMetrics", metrics);
    }
    Ok(answer.finish())
}

fn prepare(
    request: Request<'_>,
    schema: &crate::dynamodb::key::KeySchema,
) -> Result<Prepared, ApiError> {
    let returns_item =
        returns_item_on_failure(request.return_values_on_condition_check_failure.as_deref())?;
    legacy::not_both(
        &[
            ("AttributeUpdates", request.attribute_updates.is_some()),
            ("Expected", request.expected.is_some()),
            ("ConditionalOperator", request.conditional_operator.is_some()),
        ],
        &[
            ("UpdateExpression", request.update_expression.is_some()),
            ("ConditionExpression", request.condition_expression.is_some()),
        ],
    )?;
    let (update, condition) = bind_update(
        request.update_expression.as_deref(),
        request.condition_expression.as_deref(),
        request.expression_attribute_names,
        request.expression_attribute_values,
    )?;
    let old_update = legacy::update(request.attribute_updates)?;
    let expected = legacy::condition(request.expected, request.conditional_operator.as_deref())?;
    let creates = !old_update.as_ref().is_some_and(Update::only_takes);
    let update = update.or(old_update);
    if let Some(update) = &update {
        leaves_key_alone(update, schema)?;
    }
    let (key, key_attributes) = key(required(request.key, "key")?, schema)?;
    let condition = condition.or(expected);
    let action = Action::Update { update, key_attributes, creates };
    Ok(Prepared { key, condition, returns_item, action })
}

/// `Attributes`, as far as `ReturnValues` asks for them.
fn write_attributes(
    returns: &str,
    update: Option<&Update>,
    old: Option<&Item>,
    new: Option<&Item>,
    answer: &mut Answer,
) {
    let shown = match returns {
        "ALL_OLD" | "UPDATED_OLD" => old,
        "ALL_NEW" | "UPDATED_NEW" => new,
        _ => None,
    };
    let Some(item) = shown else { return };
    let mut attributes = Vec::new();
    let any = if returns.starts_with("ALL") {
        attributes.extend_from_slice(item.json());
        true
    } else {
        let paths: Vec<Path> = update.into_iter().flat_map(Update::paths).cloned().collect();
        Projection::of(paths).write(item.json(), &mut attributes)
    };
    if any {
        answer.json("Attributes", &attributes);
    }
}
