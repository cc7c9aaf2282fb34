//! The operations of DynamoDB Streams.

pub(super) mod describe_stream;
pub(super) mod get_records;
pub(super) mod get_shard_iterator;
pub(super) mod list_streams;

use std::sync::Arc;

use crate::dynamodb::{
    endpoint::{Cell, Endpoint},
    error::ApiError,
    request::Caller,
};

/// The table that a stream belongs to, deleted or not, and the label of the stream.
fn find(endpoint: &Endpoint, arn: &str) -> Result<(Arc<Cell>, String), ApiError> {
    let not_found = || {
        ApiError::ResourceNotFound(format!("Requested resource not found: Stream: {arn} not found"))
    };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _partition, "dynamodb", region, _account, resource] = parts[..] else {
        return Err(not_found());
    };
    let ["table", name, "stream", label] = resource.split('/').collect::<Vec<_>>()[..] else {
        return Err(not_found());
    };
    let cell = {
        let tables = endpoint.tables();
        let has_stream = |cell: &&Arc<Cell>| {
            let table = cell.read();
            table.description.region == region
                && table.description.name == name
                && table.streams.iter().any(|it| it.label == label)
        };
        let live = tables.live.get(&(region.to_owned(), name.to_owned()));
        live.into_iter().chain(&tables.deleted).find(has_stream).cloned()
    };
    let cell = cell.ok_or_else(not_found)?;
    endpoint.tick(&cell)?;
    Ok((cell, label.to_owned()))
}

/// Every table whose streams the caller may see, deleted ones included.
fn all(endpoint: &Endpoint, caller: &Caller) -> Vec<Arc<Cell>> {
    let tables = endpoint.tables();
    let is_here = |cell: &&Arc<Cell>| cell.read().description.region == caller.region;
    tables.live.values().chain(&tables.deleted).filter(is_here).cloned().collect()
}
