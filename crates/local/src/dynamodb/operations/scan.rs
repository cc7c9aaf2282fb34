//! `Scan`.

use std::ops::{Bound, RangeBounds};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    page::{Page, Shown, only_count, start_key},
    parameters::{
        Consumed, Names, Values, limit, parse, placeholders, read_units, refuse_not_yet, required,
    },
    query::refuse_index,
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
    exclusive_start_key: Option<&'a RawValue>,
    limit: Option<i64>,
    segment: Option<i64>,
    total_segments: Option<i64>,
    select: Option<String>,
    #[serde(default)]
    consistent_read: bool,
    return_consumed_capacity: Option<String>,
}

pub(crate) fn scan(endpoint: &Endpoint, caller: &Caller, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    refuse_not_yet(body)?;
    let request: Request<'_> = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    refuse_index(request.index_name.as_deref())?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let limit = limit(request.limit, "limit", i32::MAX as usize)?;
    let hashes = hashes(request.segment, request.total_segments)?;
    let projection = request.projection_expression.as_deref();
    let only_count = only_count(request.select.as_deref(), projection.is_some(), false)?;
    let filter = request.filter_expression.as_deref();
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
    let mut range = segment_range(hashes);
    if let Some((start, _)) = start_key(request.exclusive_start_key, &cell.schema)? {
        if !range.contains(&start) {
            return Err(ApiError::Validation(format!(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: {} Segment: {}",
                request.total_segments.unwrap_or(1),
                request.segment.unwrap_or(0)
            )));
        }
        range.0 = Bound::Excluded(start);
    }

    let (name, page) = {
        let table = cell.read();
        let page = Page::of(table.items.range(range).map(|(_, item)| item), limit);
        (table.description.name.clone(), page)
    };
    let mut answer = page.answer(&Shown { filter, projection, only_count });
    let units = read_units(page.size_bytes(), request.consistent_read);
    if let Some(consumed) = consumed.shown(&name, units) {
        answer.value("ConsumedCapacity", consumed);
    }
    Ok(answer.finish())
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
