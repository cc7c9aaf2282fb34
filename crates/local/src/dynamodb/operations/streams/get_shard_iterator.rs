//! `GetShardIterator`.

use serde::Deserialize;

use crate::dynamodb::{
    answer::Answer,
    endpoint::Endpoint,
    error::ApiError,
    operations::parameters::{one_of, parse, required},
    request::Caller,
    stream::{
        Sequence, Shard,
        iterator::{Position, ShardIterator},
    },
};

const KINDS: [&str; 4] = ["AT_SEQUENCE_NUMBER", "LATEST", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    stream_arn: Option<String>,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    sequence_number: Option<String>,
}

pub(crate) fn get_shard_iterator(
    endpoint: &Endpoint,
    _: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let arn = required(request.stream_arn, "streamArn")?;
    let shard_id = required(request.shard_id, "shardId")?;
    let kind = required(request.shard_iterator_type.as_deref(), "shardIteratorType")?;
    let kind = required(one_of(Some(kind), "shardIteratorType", &KINDS)?, "shardIteratorType")?;
    let (cell, label) = super::find(endpoint, &arn)?;
    let table = cell.read();
    let stream = table.streams.iter().find(|it| it.label == label);
    let shard = stream.and_then(|it| it.shard(&shard_id)).ok_or_else(|| {
        ApiError::ResourceNotFound(format!(
            "Requested resource not found: Shard: {shard_id} in Stream: {arn} not found"
        ))
    })?;
    let position = position(kind, request.sequence_number.as_deref(), shard, table.sequence)?;
    let iterator = ShardIterator {
        stream_arn: table.description.stream_arn(&label),
        shard_id,
        position,
        created_ms: endpoint.clock.now_ms(),
    };
    let mut answer = Answer::new();
    answer.value("ShardIterator", iterator.to_string());
    Ok(answer.finish())
}

fn position(
    kind: &str,
    number: Option<&str>,
    shard: &Shard,
    last: Sequence,
) -> Result<Position, ApiError> {
    let invalid = |why: &str| {
        ApiError::Validation(format!("One or more parameter values were invalid: {why}"))
    };
    if matches!(kind, "TRIM_HORIZON" | "LATEST") {
        return match number {
            Some(_) => Err(invalid("SequenceNumber should not be passed for this iterator type")),
            None if kind == "LATEST" => Ok(Position::At(Sequence(last.0 + 1))),
            None => Ok(Position::Horizon),
        };
    }
    let number = number.ok_or_else(|| invalid("Invalid SequenceNumber"))?;
    if !(21..=40).contains(&number.len()) || !number.bytes().all(|it| it.is_ascii_digit()) {
        return Err(ApiError::constraint(
            number,
            "sequenceNumber",
            "Member must be 21 to 40 digits",
        ));
    }
    let number = Sequence::parse(number).filter(|it| *it <= last);
    let number = number.ok_or_else(|| invalid("Invalid SequenceNumber"))?;
    if shard.state.trimmed.is_some_and(|trimmed| number <= trimmed) {
        return Err(ApiError::TrimmedData(
            "The operation attempted to read past the oldest stream record in a shard.".to_owned(),
        ));
    }
    if number < shard.state.starting || shard.state.ending.is_some_and(|ending| ending < number) {
        return Err(invalid("Invalid SequenceNumber"));
    }
    let from = if kind == "AFTER_SEQUENCE_NUMBER" { number.0 + 1 } else { number.0 };
    Ok(Position::At(Sequence(from)))
}
