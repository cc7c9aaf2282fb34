//! `DescribeStream`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::dynamodb::{
    answer::Answer,
    endpoint::Endpoint,
    error::ApiError,
    operations::parameters::{limit, one_of, parse, required},
    request::Caller,
    stream::{Shard, Stream},
    timestamp::seconds,
};

/// How many shards an answer may have.
const SHARDS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    stream_arn: Option<String>,
    exclusive_start_shard_id: Option<String>,
    limit: Option<i64>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    r#type: Option<String>,
    shard_id: Option<String>,
}

pub(crate) fn describe_stream(
    endpoint: &Endpoint,
    _: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let limit = limit(request.limit, "limit", SHARDS_MAX)?.unwrap_or(SHARDS_MAX);
    let arn = required(request.stream_arn, "streamArn")?;
    let filter = request.shard_filter.as_ref();
    let kinds = ["CHILD_SHARDS"];
    let kind = one_of(filter.and_then(|it| it.r#type.as_deref()), "shardFilter.type", &kinds)?;
    let parent = match kind {
        None => None,
        Some(_) => {
            let id = filter.and_then(|it| it.shard_id.as_deref());
            Some(required(id, "shardFilter.shardId")?)
        }
    };
    let (cell, label) = super::find(endpoint, &arn)?;
    let table = cell.read();
    let stream = table.streams.iter().find(|it| it.label == label);
    let stream = stream.ok_or_else(|| {
        ApiError::ResourceNotFound(format!("Requested resource not found: Stream: {arn} not found"))
    })?;
    let rest = behind(stream, request.exclusive_start_shard_id.as_deref());
    let is_wanted = |it: &&Shard| parent.is_none_or(|id| it.state.parent.as_deref() == Some(id));
    let mut wanted = rest.iter().filter(is_wanted);
    let page: Vec<&Shard> = wanted.by_ref().take(limit).collect();
    let mut description = json!({
        "CreationRequestDateTime": seconds(stream.created_ms),
        "KeySchema": table.description.key_schema(),
        "Shards": page.iter().map(|it| shown(it)).collect::<Value>(),
        "StreamArn": table.description.stream_arn(&label),
        "StreamLabel": label,
        "StreamStatus": if stream.is_enabled() { "ENABLED" } else { "DISABLED" },
        "StreamViewType": stream.view_type.name(),
        "TableName": table.description.name,
    });
    if wanted.next().is_some()
        && let Some(last) = page.last()
    {
        description["LastEvaluatedShardId"] = last.state.id.clone().into();
    }
    let mut answer = Answer::new();
    answer.value("StreamDescription", description);
    Ok(answer.finish())
}

/// The shards behind this one; it may have been forgotten since the page before.
fn behind<'a>(stream: &'a Stream, id: Option<&str>) -> &'a [Shard] {
    let Some(id) = id else { return &stream.shards };
    let start = match stream.shards.iter().position(|it| it.state.id == id) {
        Some(at) => at + 1,
        None => stream.shards.partition_point(|it| it.state.id.as_str() < id),
    };
    &stream.shards[start..]
}

fn shown(shard: &Shard) -> Value {
    let mut range = json!({ "StartingSequenceNumber": shard.state.starting.to_string() });
    if let Some(ending) = shard.state.ending {
        range["EndingSequenceNumber"] = ending.to_string().into();
    }
    let mut shown = json!({ "ShardId": shard.state.id, "SequenceNumberRange": range });
    if let Some(parent) = &shard.state.parent {
        shown["ParentShardId"] = parent.as_str().into();
    }
    shown
}
