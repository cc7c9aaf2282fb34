//! `GetItem`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    capacity::{Consumed, read_units},
    legacy,
    parameters::{Names, key, parse, placeholders, required},
};
use crate::dynamodb::{
    answer::Answer, endpoint::Endpoint, error::ApiError, expression::Projection, request::Caller,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    table_name: Option<String>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    attributes_to_get: Option<Vec<String>>,
    expression_attribute_names: Names,
    return_consumed_capacity: Option<String>,
}

pub(crate) fn get_item(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let text = request.projection_expression.as_deref();
    legacy::not_both(
        &[("AttributesToGet", request.attributes_to_get.is_some())],
        &[("ProjectionExpression", text.is_some())],
    )?;
    let names = request.expression_attribute_names;
    let mut placeholders = placeholders(names, None, &[text], "ProjectionExpression")?;
    let projection = text.map(|text| Projection::parse(text, &mut placeholders)).transpose()?;
    placeholders.all_used()?;
    let projection = match projection {
        None => legacy::attributes_to_get(request.attributes_to_get.as_deref())?,
        some => some,
    };
    let (key, _) = key(required(request.key, "key")?, &cell.schema)?;

    let (name, item) = {
        let table = cell.read();
        (table.description.name.clone(), table.items.get(&key).cloned())
    };
    let mut answer = Answer::new();
    if let Some(item) = &item {
        answer.member("Item", |out| match &projection {
            None => out.extend_from_slice(item.json()),
            Some(projection) => {
                projection.write(item.json(), out);
            }
        });
    }
    let is_consistent = request.consistent_read.unwrap_or(false);
    let units = read_units(item.map_or(0, |it| it.size_bytes()), is_consistent);
    if let Some(consumed) = consumed.shown(&name, units) {
        answer.value("ConsumedCapacity", consumed);
    }
    Ok(answer.finish())
}
