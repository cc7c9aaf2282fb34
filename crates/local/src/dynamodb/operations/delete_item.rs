//! `DeleteItem`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::parameters::{
    Consumed, Names, Values, check, condition, key, one_of, parse, placeholders, required,
    returns_item_on_failure, write_units,
};
use crate::dynamodb::{
    answer::Answer, endpoint::Endpoint, error::ApiError, request::Caller, table::Change,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    table_name: Option<String>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    #[serde(borrow)]
    expression_attribute_values: Values<'a>,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    return_consumed_capacity: Option<String>,
}

pub(crate) fn delete_item(
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
    let text = request.condition_expression.as_deref();
    let mut placeholders = placeholders(
        request.expression_attribute_names,
        request.expression_attribute_values,
        &[text],
        "ConditionExpression",
    )?;
    let condition = condition(text, &mut placeholders)?;
    placeholders.all_used()?;
    let (key, _) = key(required(request.key, "key")?, &cell.schema)?;

    let (name, old) = endpoint.write(&cell, |writing| {
        let old = writing.table().items.get(&key).cloned();
        check(condition.as_ref(), old.as_ref(), returns_item)?;
        writing.apply(Change { key, new: None, by_ttl: false });
        Ok((writing.table().description.name.clone(), old))
    })?;

    let mut answer = Answer::new();
    if let Some(old) = old.as_ref().filter(|_| returns_old) {
        answer.json("Attributes", old.json());
    }
    let units = write_units(old.map_or(0, |it| it.size_bytes()), 0);
    if let Some(consumed) = consumed.shown(&name, units) {
        answer.value("ConsumedCapacity", consumed);
    }
    Ok(answer.finish())
}
