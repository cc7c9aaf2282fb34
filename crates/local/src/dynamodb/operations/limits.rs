//! `DescribeLimits`, `DescribeEndpoints`.

use serde_json::json;

use crate::dynamodb::{endpoint::Endpoint, error::ApiError, request::Caller};

pub(crate) fn describe_limits(_: &Endpoint, _: &Caller, _: &[u8]) -> Result<Vec<u8>, ApiError> {
    // Those of a new account.
    let limits = json!({
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    });
    Ok(limits.to_string().into_bytes())
}

pub(crate) fn describe_endpoints(
    _: &Endpoint,
    caller: &Caller,
    _: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let address = format!("dynamodb.{}.amazonaws.com", caller.region);
    let endpoints = json!({ "Endpoints": [{ "Address": address, "CachePeriodInMinutes": 1440 }] });
    Ok(endpoints.to_string().into_bytes())
}
