//! `Scan`.

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
    expression::{Condition, Projection, Role},
    key::Key,
    request::Caller,
};

/// How many segments a scan may have.
const SEGMENTS_MAX: i64 = 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    table_name: Option<String>,
    index_name: Option<String>,
    filter_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Names,
    #[serde(borrow)]
    expression_attribute_values: Values<'a>,
    #[serde(borrow)]
    scan_filter: Conditions<'a>,
    conditional_operator: Option<String>,
    attributes_to_get: Option<Vec<String>>,
    #[serde(borrow)]
    exclusive_start_key: Option<&'a RawValue>,
    limit: Option<i64>,
    segment: Option<i64>,
    total_segments: Option<i64>,
    select: Option<String>,
    consistent_read: Option<bool>,
    return_consumed_capacity: Option<String>,
}

pub(crate) fn scan(endpoint: &Endpoint, caller: &Caller, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name.take(), "tableName")?)?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let limit = limit(request.limit, "limit", i32::MAX as usize)?;
    let segment = (request.segment, request.total_segments);
    let hashes = hashes(segment.0, segment.1)?;
    let is_consistent = request.consistent_read.unwrap_or(false);
    let select = request.select.take();
    let has_projection =
        request.projection_expression.is_some() || request.attributes_to_get.is_some();
    let start = request.exclusive_start_key;
    let mut view = View::of(&cell, request.index_name.as_deref(), is_consistent)?;
    let only_count = only_count(select.as_deref(), has_projection, view.is_index())?;
    let (filter, projection) = bind(request)?;
    view.show(select.as_deref(), projection.as_ref(), filter.as_ref())?;
    let mut range = segment_range(hashes);
    if let Some(start) = view.start_key(start)? {
        if !range.contains(&start) {
            return Err(ApiError::Validation(format!(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: {} Segment: {}",
                segment.1.unwrap_or(1),
                segment.0.unwrap_or(0)
            )));
        }
        range.0 = Bound::Excluded(start);
    }

    let (page, name) = view.page(range, limit, true)?;
    let last_key = view.last_key();
    let mut answer = page.answer(&Shown { filter, projection, only_count, last_key });
    if let Some(consumed) = consumed.shown(&name, view.used(page.size_bytes(), is_consistent)) {
        answer.value("ConsumedCapacity", consumed);
    }
    Ok(answer.finish())
}

/// What the expressions of a scan mean, or its legacy parameters.
fn bind(request: Request<'_>) -> Result<(Option<Condition>, Option<Projection>), ApiError> {
    let filter = request.filter_expression.as_deref();
    let projection = request.projection_expression.as_deref();
    legacy::not_both(
        &[
            ("AttributesToGet", request.attributes_to_get.is_some()),
            ("ScanFilter", request.scan_filter.is_some()),
            ("ConditionalOperator", request.conditional_operator.is_some()),
        ],
        &[("ProjectionExpression", projection.is_some()), ("FilterExpression", filter.is_some())],
    )?;
    let mut placeholders = placeholders(
        request.expression_attribute_names,
        request.expression_attribute_values,
        &[filter, projection],
        "FilterExpression",
    )?;
    let filter =
        filter.map(|it| Condition::parse(Role::Filter, it, &mut placeholders)).transpose()?;
    let projection = projection.map(|it| Projection::parse(it, &mut placeholders)).transpose()?;
    placeholders.all_used()?;
    let old_filter =
        legacy::condition(request.scan_filter, request.conditional_operator.as_deref())?;
    let old_projection = legacy::attributes_to_get(request.attributes_to_get.as_deref())?;
    Ok((filter.or(old_filter), projection.or(old_projection)))
}

/// The first and last hash of a segment.
fn hashes(segment: Option<i64>, total: Option<i64>) -> Result<(u64, u64), ApiError> {
    let (segment, total) = match (segment, total) {
        (None, None) => return Ok((0, u64::MAX)),
        (Some(_), None) => {
            return Err(ApiError::validation(
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            ));
        }
        (None, Some(_)) => {
            return Err(ApiError::validation(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            ));
        }
        (Some(segment), Some(total)) => (segment, total),
    };
    if !(1..=SEGMENTS_MAX).contains(&total) {
        let rule =
            if total < 1 { "greater than or equal to 1" } else { "less than or equal to 1000000" };
        return Err(ApiError::constraint(
            total,
            "totalSegments",
            &format!("Member must have value {rule}"),
        ));
    }
    if !(0..SEGMENTS_MAX).contains(&segment) {
        let rule =
            if segment < 0 { "greater than or equal to 0" } else { "less than or equal to 999999" };
        return Err(ApiError::constraint(
            segment,
            "segment",
            &format!("Member must have value {rule}"),
        ));
    }
    if total <= segment {
        return Err(ApiError::Validation(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not less than TotalSegments: {total}"
        )));
    }
    let start = |segment: i64| {
        (u128::from(segment.unsigned_abs()) << 64) / u128::from(total.unsigned_abs())
    };
    let hash = |it: u128| u64::try_from(it).unwrap_or(u64::MAX);
    let (first, next) = (start(segment), start(segment + 1));
    Ok((hash(first), hash(next - 1)))
}

fn segment_range((first, last): (u64, u64)) -> (Bound<Key>, Bound<Key>) {
    let at = |hash| Key { hash, bytes: Box::default() };
    let end = last.checked_add(1).map_or(Bound::Unbounded, |hash| Bound::Excluded(at(hash)));
    (Bound::Included(at(first)), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_all_hashes_once() {
        for total in [1, 2, 3, 7, 1000, SEGMENTS_MAX] {
            let of = |segment| hashes(Some(segment), Some(total)).unwrap();
            assert_eq!(of(0).0, 0);
            assert_eq!(of(total - 1).1, u64::MAX);
            for segment in (1..total).take(1000) {
                assert_eq!(of(segment).0, of(segment - 1).1 + 1, "{segment} of {total}");
            }
        }
    }
}
