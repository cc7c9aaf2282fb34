//! What DynamoDB says about the table and the shards of its stream.

use aws::{CallError, JsonService};
use pipeline::Table;
use serde_json::{Value, json};

use crate::{TableArn, plan::Described};

/// How many shards `DescribeStream` lists at a time. It allows no more.
const SHARDS_PER_PAGE: u32 = 100;
/// How many pages of shards we are ready to read: tens of thousands of shards.
const PAGES_MAX: usize = 1_000;

/// A table whose stream can be read.
#[derive(Clone, Debug)]
pub(crate) struct Streamed {
    pub(crate) table: Table,
    pub(crate) stream_arn: String,
}

/// Why a table's stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("there is no table `{table}` at {endpoint}; create it, or correct `table_arn`")]
    NoTable { table: String, endpoint: String },
    #[error(
        "table `{table}` has no stream; enable one with the view type NEW_AND_OLD_IMAGES or NEW_IMAGE"
    )]
    NoStream { table: String },
    #[error(
        "the stream of table `{table}` has the view type {view}, which leaves out the new image; \
         enable it again with NEW_AND_OLD_IMAGES or NEW_IMAGE"
    )]
    NoNewImage { table: String, view: String },
    #[error(
        "not allowed to call {operation}: {message}; grant `dynamodb:{operation}` on the table and its stream"
    )]
    NotAllowed { operation: String, message: String },
    #[error(transparent)]
    Call(CallError),
    #[error("{operation}: the answer makes no sense")]
    Malformed { operation: &'static str },
}

impl DiscoveryError {
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, DiscoveryError::Call(error) if error.is_transient())
    }
}

impl From<CallError> for DiscoveryError {
    fn from(error: CallError) -> DiscoveryError {
        match error {
            CallError::Refused { operation, code, message, .. }
                if code == "AccessDeniedException" =>
            {
                DiscoveryError::NotAllowed { operation, message }
            }
            error => DiscoveryError::Call(error),
        }
    }
}

/// Asks what the table looks like, and whether its stream will do.
pub(crate) async fn describe_table(
    dynamodb: &JsonService,
    arn: &TableArn,
) -> Result<Streamed, DiscoveryError> {
    // DynamoDB takes the ARN for the name, so that tables of other accounts can be read. Endpoints
    // on this machine have other accounts in their ARNs than the file may say.
    let name = if dynamodb.endpoint().contains("amazonaws.com") { &arn.text } else { &arn.table };
    let answer = match dynamodb.ask("DescribeTable", &json!({ "TableName": name })).await {
        Err(error) if error.code() == Some("ResourceNotFoundException") => {
            let (table, endpoint) = (arn.table.clone(), dynamodb.endpoint().to_owned());
            return Err(DiscoveryError::NoTable { table, endpoint });
        }
        answer => answer?,
    };
    let malformed = || DiscoveryError::Malformed { operation: "DescribeTable" };
    let described = answer.get("Table").ok_or_else(malformed)?;
    let key = |kind: &str| {
        let keys = described.get("KeySchema")?.as_array()?;
        let key = keys.iter().find(|it| text(it, "KeyType") == Some(kind))?;
        text(key, "AttributeName").map(str::to_owned)
    };
    let table = Table {
        name: arn.table.clone(),
        partition_key: key("HASH").ok_or_else(malformed)?,
        sort_key: key("RANGE"),
    };
    let specification = described.get("StreamSpecification");
    let is_enabled = specification
        .and_then(|it| it.get("StreamEnabled"))
        .is_some_and(|it| it.as_bool() == Some(true));
    let (true, Some(stream_arn)) = (is_enabled, text(described, "LatestStreamArn")) else {
        return Err(DiscoveryError::NoStream { table: table.name });
    };
    let view = specification.and_then(|it| text(it, "StreamViewType")).unwrap_or_default();
    if !matches!(view, "NEW_IMAGE" | "NEW_AND_OLD_IMAGES") {
        return Err(DiscoveryError::NoNewImage { table: table.name, view: view.to_owned() });
    }
    Ok(Streamed { table, stream_arn: stream_arn.to_owned() })
}

/// Asks for every shard of the stream.
pub(crate) async fn describe_stream(
    streams: &JsonService,
    stream_arn: &str,
) -> Result<Vec<Described>, DiscoveryError> {
    let malformed = || DiscoveryError::Malformed { operation: "DescribeStream" };
    let mut shards = Vec::new();
    let mut question = json!({ "StreamArn": stream_arn, "Limit": SHARDS_PER_PAGE });
    for _ in 0..PAGES_MAX {
        let answer = streams.ask("DescribeStream", &question).await?;
        let description = answer.get("StreamDescription").ok_or_else(malformed)?;
        let page = description.get("Shards").and_then(Value::as_array).ok_or_else(malformed)?;
        for shard in page {
            let range = shard.get("SequenceNumberRange");
            shards.push(Described {
                id: text(shard, "ShardId").ok_or_else(malformed)?.to_owned(),
                parent: text(shard, "ParentShardId").map(str::to_owned),
                closed: range.is_some_and(|it| text(it, "EndingSequenceNumber").is_some()),
            });
        }
        match text(description, "LastEvaluatedShardId") {
            Some(last) => question["ExclusiveStartShardId"] = last.into(),
            None => return Ok(shards),
        }
    }
    Err(malformed())
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}
