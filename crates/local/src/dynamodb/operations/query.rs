//! `Query`.

use std::ops::{Bound, RangeBounds};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    capacity::Consumed,
    legacy::{self, Conditions},
    page::{Shown, only_count},
    parameters::{Names, Values, limit, parse, placeholders, required},
    view::View,
};
use crate::dynamodb::{
    endpoint::Endpoint,
    error::ApiError,
    expression::{Condition, KeyCondition, Projection, Role},
    key::KeySchema,
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
    key_conditions: Conditions<'a>,
    #[serde(borrow)]
    query_filter: Conditions<'a>,
    conditional_operator: Option<String>,
    attributes_to_get: Option<Vec<String>>,
    #[serde(borrow)]
    exclusive_start_key: Option<&'a RawValue>,
    limit: Option<i64>,
    scan_index_forward: Option<bool>,
    select: Option<String>,
    consistent_read: Option<bool>,
    return_consumed_capacity: Option<String>,
}

pub(crate) fn query(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let mut request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name.take(), "tableName")?)?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let limit = limit(request.limit, "limit", i32::MAX as usize)?;
    let is_consistent = request.consistent_read.unwrap_or(false);
    let select = request.select.take();
    let has_projection =
        request.projection_expression.is_some() || request.attributes_to_get.is_some();
    let start = request.exclusive_start_key;
    let is_forward = request.scan_index_forward.unwrap_or(true);
    let mut view = View::of(&cell, request.index_name.as_deref(), is_consistent)?;
    let only_count = only_count(select.as_deref(), has_projection, view.is_index())?;
    let Asked { condition, filter, projection } = bind(request, view.schema())?;
    view.show(select.as_deref(), projection.as_ref(), filter.as_ref())?;
    if let Some(filter) = &filter {
        leaves_key_alone(filter, view.schema())?;
    }
    let mut range = view.range(&condition)?;
    if let Some(start) = view.start_key(start)? {
        if !range.contains(&start) {
            return Err(ApiError::validation(
                "The provided starting key is outside query boundaries based on provided conditions",
            ));
        }
        let side = if is_forward { &mut range.0 } else { &mut range.1 };
        *side = Bound::Excluded(start);
    }

    let (page, name) = view.page(range, limit, is_forward)?;
    let last_key = view.last_key();
    let mut answer = page.answer(&Shown { filter, projection, only_count, last_key });
    if let Some(consumed) = consumed.shown(&name, view.used(page.size_bytes(), is_consistent)) {
        answer.value("ConsumedCapacity", consumed);
    }
    Ok(answer.finish())
}

/// What the expressions of a query mean, or its legacy parameters.
struct Asked {
    condition: KeyCondition,
    filter: Option<Condition>,
    projection: Option<Projection>,
}

fn bind(request: Request<'_>, schema: &KeySchema) -> Result<Asked, ApiError> {
    let key_text = request.key_condition_expression.as_deref();
    let filter = request.filter_expression.as_deref();
    let projection = request.projection_expression.as_deref();
    legacy::not_both(
        &[
            ("AttributesToGet", request.attributes_to_get.is_some()),
            ("QueryFilter", request.query_filter.is_some()),
            ("ConditionalOperator", request.conditional_operator.is_some()),
            ("KeyConditions", request.key_conditions.is_some()),
        ],
        &[
            ("ProjectionExpression", projection.is_some()),
            ("FilterExpression", filter.is_some()),
            ("KeyConditionExpression", key_text.is_some()),
        ],
    )?;
    let mut placeholders = placeholders(
        request.expression_attribute_names,
        request.expression_attribute_values,
        &[key_text, filter, projection],
        "KeyConditionExpression",
    )?;
    let condition = match (key_text, &request.key_conditions) {
        (Some(text), _) => {
            let sort_name = schema.sort.as_ref().map(|it| it.name.as_str());
            KeyCondition::parse(text, &schema.partition.name, sort_name, &mut placeholders)?
        }
        (None, Some(conditions)) => legacy::key_condition(conditions, schema)?,
        (None, None) => {
            return Err(ApiError::validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            ));
        }
    };
    let filter =
        filter.map(|it| Condition::parse(Role::Filter, it, &mut placeholders)).transpose()?;
    let projection = projection.map(|it| Projection::parse(it, &mut placeholders)).transpose()?;
    placeholders.all_used()?;
    let old_filter =
        legacy::condition(request.query_filter, request.conditional_operator.as_deref())?;
    let old_projection = legacy::attributes_to_get(request.attributes_to_get.as_deref())?;
    Ok(Asked {
        condition,
        filter: filter.or(old_filter),
        projection: projection.or(old_projection),
    })
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
