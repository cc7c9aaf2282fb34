//! `ListStreams`.

use serde::Deserialize;
use serde_json::json;

use crate::dynamodb::{
    answer::Answer,
    endpoint::{Endpoint, check_table_name},
    error::ApiError,
    operations::parameters::{limit, parse},
    request::Caller,
};

/// How many streams an answer may have.
const STREAMS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    table_name: Option<String>,
    exclusive_start_stream_arn: Option<String>,
    limit: Option<i64>,
}

pub(crate) fn list_streams(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let limit = limit(request.limit, "limit", STREAMS_MAX)?.unwrap_or(STREAMS_MAX);
    if let Some(name) = &request.table_name {
        check_table_name(name)?;
    }
    let mut streams = Vec::new();
    for cell in super::all(endpoint, caller) {
        endpoint.tick(&cell)?;
        let table = cell.read();
        let it = &table.description;
        if request.table_name.as_ref().is_none_or(|name| *name == it.name) {
            streams.extend(table.streams.iter().map(|stream| {
                (it.stream_arn(&stream.label), it.name.clone(), stream.label.clone())
            }));
        }
    }
    streams.sort_unstable();
    let after = request.exclusive_start_stream_arn.unwrap_or_default();
    let rest = &streams[streams.partition_point(|(arn, ..)| *arn <= after)..];
    let page = &rest[..limit.min(rest.len())];
    let shown: Vec<_> = page
        .iter()
        .map(|(arn, name, label)| {
            json!({ "StreamArn": arn, "TableName": name, "StreamLabel": label })
        })
        .collect();
    let mut answer = Answer::new();
    if let Some((arn, ..)) = page.last().filter(|_| page.len() < rest.len()) {
        answer.value("LastEvaluatedStreamArn", arn.as_str());
    }
    answer.value("Streams", shown);
    Ok(answer.finish())
}
