//! The operations: one file per call, or per few that belong together.
//!
//! Each takes who asks and the body, and returns the body of the answer.

mod backups;
mod batch_get_item;
mod batch_write_item;
mod capacity;
mod create_table;
mod delete_item;
mod exports;
mod get_item;
mod indexes;
mod legacy;
mod limits;
mod page;
mod parameters;
mod prepared;
mod put_item;
mod query;
mod scan;
mod streams;
mod tables;
mod tags;
mod time_to_live;
mod transact_get_items;
mod transact_write_items;
mod update_item;
mod update_table;
mod view;

use super::{endpoint::Endpoint, error::ApiError, request::Caller};

/// Operations of DynamoDB that this endpoint does without, and says so.
pub(crate) const LEFT_OUT: [&str; 30] = [
    "BatchExecuteStatement",
    "CreateBackup",
    "CreateGlobalTable",
    "DeleteBackup",
    "DeleteResourcePolicy",
    "DescribeBackup",
    "DescribeContributorInsights",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExecuteStatement",
    "ExecuteTransaction",
    "GetResourcePolicy",
    "ImportTable",
    "ListBackups",
    "ListContributorInsights",
    "ListGlobalTables",
    "ListImports",
    "PutResourcePolicy",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTableReplicaAutoScaling",
];

/// Says that an operation is left out.
fn left_out(_: &Endpoint, _: &Caller, _: &[u8]) -> Result<Vec<u8>, ApiError> {
    Err(ApiError::validation(
        "this endpoint does without PartiQL, on-demand backups, restores, imports, global tables, resource policies and Kinesis; use the calls for items, or Amazon DynamoDB",
    ))
}

/// What every operation is.
pub(crate) type Operation = fn(&Endpoint, &Caller, &[u8]) -> Result<Vec<u8>, ApiError>;

/// The operation that `X-Amz-Target` names.
pub(crate) fn named(service: &str, name: &str) -> Option<Operation> {
    Some(match (service, name) {
        ("DynamoDB_20120810", name) => match name {
            "BatchGetItem" => batch_get_item::batch_get_item,
            "BatchWriteItem" => batch_write_item::batch_write_item,
            "CreateTable" => create_table::create_table,
            "DeleteItem" => delete_item::delete_item,
            "DeleteTable" => tables::delete_table,
            "DescribeContinuousBackups" => backups::describe_continuous_backups,
            "DescribeExport" => exports::describe_export,
            "ExportTableToPointInTime" => exports::export_table_to_point_in_time,
            "ListExports" => exports::list_exports,
            "TransactGetItems" => transact_get_items::transact_get_items,
            "TransactWriteItems" => transact_write_items::transact_write_items,
            "DescribeEndpoints" => limits::describe_endpoints,
            "DescribeLimits" => limits::describe_limits,
            "DescribeTable" => tables::describe_table,
            "DescribeTimeToLive" => time_to_live::describe_time_to_live,
            "GetItem" => get_item::get_item,
            "ListTables" => tables::list_tables,
            "ListTagsOfResource" => tags::list_tags_of_resource,
            "PutItem" => put_item::put_item,
            "Query" => query::query,
            "Scan" => scan::scan,
            "TagResource" => tags::tag_resource,
            "UntagResource" => tags::untag_resource,
            "UpdateContinuousBackups" => backups::update_continuous_backups,
            "UpdateItem" => update_item::update_item,
            "UpdateTable" => update_table::update_table,
            "UpdateTimeToLive" => time_to_live::update_time_to_live,
            name if LEFT_OUT.contains(&name) => left_out,
            _ => return None,
        },
        ("DynamoDBStreams_20120810", name) => match name {
            "DescribeStream" => streams::describe_stream::describe_stream,
            "GetRecords" => streams::get_records::get_records,
            "GetShardIterator" => streams::get_shard_iterator::get_shard_iterator,
            "ListStreams" => streams::list_streams::list_streams,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
