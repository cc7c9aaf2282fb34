//! `PutItem`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    capacity::{Consumed, Used, metrics, wants_metrics, write_units},
    legacy::{self, Conditions},
    parameters::{Names, Values, attributes, one_of, parse, required, returns_item_on_failure},
    prepared::{Action, Prepared, bind_condition},
};
use crate::dynamodb::{
    answer::Answer, endpoint::Endpoint, error::ApiError, item::Item, request::Caller,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    table_name: Option<String>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    #[serde(borrow)]
    expression_attribute_values: Values<'a>,
    #[serde(borrow)]
    expected: Conditions<'a>,
    conditional_operator: Option<String>,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

pub(crate) fn put_item(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let returns_old =
        one_of(request.return_values.as_deref(), "returnValues", &["ALL_OLD", "NONE"])
            .map_err(|_| ApiError::validation("Return values set to invalid value"))?
            == Some("ALL_OLD");
    let returns_item =
        returns_item_on_failure(request.return_values_on_condition_check_failure.as_deref())?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let wants_metrics = wants_metrics(request.return_item_collection_metrics.as_deref())?;
    let text = request.condition_expression.as_deref();
    legacy::not_both(
        &[
            ("Expected", request.expected.is_some()),
            ("ConditionalOperator", request.conditional_operator.is_some()),
        ],
        &[("ConditionExpression", text.is_some())],
    )?;
    let condition = bind_condition(
        text,
        request.expression_attribute_names,
        request.expression_attribute_values,
    )?;
    let expected = legacy::condition(request.expected, request.conditional_operator.as_deref())?;
    let (key, item) = Item::new(&attributes(required(request.item, "item")?)?, &cell.schema)?;
    let new_bytes = item.size_bytes();
    let condition = condition.or(expected);
    let prepared = Prepared { key, condition, returns_item, action: Action::Put(item) };

    let (name, old, indexes, metrics) = endpoint.write(&cell, |writing| {
        let old = writing.table().items.get(&prepared.key).cloned();
        if let Some(change) = prepared.change(writing.table())? {
            writing.apply(change);
        }
        let table = writing.table();
        let metrics = wants_metrics.then(|| metrics(table, &prepared.key)).flatten();
        let name = table.description.name.clone();
        Ok((name, old, std::mem::take(&mut writing.index_units), metrics))
    })?;

    let mut answer = Answer::new();
    if let Some(old) = old.as_ref().filter(|_| returns_old) {
        answer.json("Attributes", old.json());
    }
    let table = write_units(old.map_or(0, |it| it.size_bytes()), new_bytes);
    if let Some(consumed) = consumed.shown(&name, Used { table, indexes }) {
        answer.value("ConsumedCapacity", consumed);
    }
    if let Some(metrics) = metrics {
        answer.value("ItemCollectionMetrics", metrics);
    }
    Ok(answer.finish())
}
