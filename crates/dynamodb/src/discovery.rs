//! What DynamoDB says about the table and the shards of its stream.

use aws::{CallError, JsonService};
use pipeline::Table;
use serde_json::{Value, json};

use crate::{TableArn, plan::Described};

/// How many shards `DescribeStream` lists at a time. It allows no more.
const SHARDS_PER_PAGE: u32 = 100;
/// How many pages of shards we are ready to read: tens of thousands of shards.
const PAGES_MAX: usize = 1_000;

/// What DynamoDB says of a table.
#[derive(Clone, Debug)]
pub(crate) struct DescribedTable {
    pub(crate) table: Table,
    /// As DynamoDB tells it.
    pub(crate) arn: String,
    /// What to call the table in other calls.
    pub(crate) name: String,
    /// Its stream, if that is on: the ARN and the view type.
    pub(crate) stream: Option<(String, String)>,
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
    #[error("not allowed to call {operation}: {message}; grant `dynamodb:{operation}` on {arn}")]
    NotAllowed { operation: String, message: String, arn: String },
    #[error(
        "point-in-time recovery is off for table `{table}`, and an export needs it; enable it, or write \
         `scan: {{}}` instead of `export`"
    )]
    NoRecovery { table: String },
    #[error("the stream {0} is gone")]
    StreamGone(String),
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

/// What an error of a call about `arn` means.
fn about(arn: &str) -> impl Fn(CallError) -> DiscoveryError {
    move |error| match error {
        CallError::Refused { operation, code, message, .. } if code == "AccessDeniedException" => {
            DiscoveryError::NotAllowed { operation, message, arn: arn.to_owned() }
        }
        error => DiscoveryError::Call(error),
    }
}

impl DescribedTable {
    /// The ARN of its stream, if that will do.
    pub(crate) fn stream_arn(&self) -> Result<&str, DiscoveryError> {
        let table = self.table.name.clone();
        match &self.stream {
            None => Err(DiscoveryError::NoStream { table }),
            Some((arn, view)) if matches!(view.as_str(), "NEW_IMAGE" | "NEW_AND_OLD_IMAGES") => {
                Ok(arn)
            }
            Some((_, view)) => Err(DiscoveryError::NoNewImage { table, view: view.clone() }),
        }
    }
}

/// Asks what the table looks like.
pub(crate) async fn describe_table(
    dynamodb: &JsonService,
    arn: &TableArn,
) -> Result<DescribedTable, DiscoveryError> {
    // DynamoDB takes the ARN for the name, so that tables of other accounts can be read. Endpoints
    // on this machine have other accounts in their ARNs than the file may say.
    let name = if dynamodb.endpoint().contains("amazonaws.com") { &arn.text } else { &arn.table };
    let answer = match dynamodb.ask("DescribeTable", &json!({ "TableName": name })).await {
        Err(error) if error.code() == Some("ResourceNotFoundException") => {
            let (table, endpoint) = (arn.table.clone(), dynamodb.endpoint().to_owned());
            return Err(DiscoveryError::NoTable { table, endpoint });
        }
        answer => answer.map_err(about(&arn.text))?,
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
    let view = specification.and_then(|it| text(it, "StreamViewType")).unwrap_or_default();
    let stream = text(described, "LatestStreamArn").filter(|_| is_enabled);
    Ok(DescribedTable {
        table,
        arn: text(described, "TableArn").unwrap_or(&arn.text).to_owned(),
        name: name.clone(),
        stream: stream.map(|it| (it.to_owned(), view.to_owned())),
    })
}

/// Makes sure that the table can be exported.
pub(crate) async fn check_recovery(
    dynamodb: &JsonService,
    described: &DescribedTable,
) -> Result<(), DiscoveryError> {
    let question = json!({ "TableName": described.name });
    let answer = match dynamodb.ask("DescribeContinuousBackups", &question).await {
        // An endpoint that does not know it keeps no backups to look at.
        Err(error) if error.code() == Some("UnknownOperationException") => return Ok(()),
        answer => answer.map_err(about(&described.arn))?,
    };
    let path = ["ContinuousBackupsDescription", "PointInTimeRecoveryDescription"];
    let status = path.iter().try_fold(&answer, |it, name| it.get(name));
    match status.and_then(|it| text(it, "PointInTimeRecoveryStatus")) {
        Some("ENABLED") => Ok(()),
        _ => Err(DiscoveryError::NoRecovery { table: described.table.name.clone() }),
    }
}

/// Asks for every shard of the stream; or, which is much less where there are thousands, for the
/// children of one.
pub(crate) async fn describe_stream(
    streams: &JsonService,
    stream_arn: &str,
    children_of: Option<&str>,
) -> Result<Vec<Described>, DiscoveryError> {
    let malformed = || DiscoveryError::Malformed { operation: "DescribeStream" };
    let mut shards = Vec::new();
    let mut question = json!({ "StreamArn": stream_arn, "Limit": SHARDS_PER_PAGE });
    if let Some(parent) = children_of {
        question["ShardFilter"] = json!({ "Type": "CHILD_SHARDS", "ShardId": parent });
    }
    for _ in 0..PAGES_MAX {
        let answer = match streams.ask("DescribeStream", &question).await {
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                return Err(DiscoveryError::StreamGone(stream_arn.to_owned()));
            }
            answer => answer.map_err(about(stream_arn))?,
        };
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
