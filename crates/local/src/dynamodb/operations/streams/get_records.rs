//! `GetRecords`: the fast way out.

use serde::Deserialize;

use crate::dynamodb::{
    answer::Answer,
    endpoint::Endpoint,
    error::ApiError,
    operations::parameters::{limit, parse, required},
    request::Caller,
    stream::{
        Sequence, ViewType,
        iterator::{EXPIRES_AFTER_MS, Position, ShardIterator},
        record::Record,
    },
    timestamp,
};

/// How many records a page may have.
const RECORDS_MAX: usize = 1000;
/// How much a page may hold.
const PAGE_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    shard_iterator: Option<String>,
    limit: Option<i64>,
}

/// What was found under the lock; it is written down afterwards.
struct Page {
    records: Vec<Record>,
    next: Option<ShardIterator>,
    view_type: ViewType,
    region: String,
}

pub(crate) fn get_records(
    endpoint: &Endpoint,
    _: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let limit = limit(request.limit, "limit", RECORDS_MAX)?.unwrap_or(RECORDS_MAX);
    let text = required(request.shard_iterator, "shardIterator")?;
    let iterator =
        ShardIterator::parse(&text).ok_or_else(|| ApiError::validation("Invalid ShardIterator"))?;
    let now_ms = endpoint.clock.now_ms();
    if iterator.is_expired(now_ms) {
        return Err(ApiError::ExpiredIterator(format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of {EXPIRES_AFTER_MS} milliseconds.",
            timestamp::label(iterator.created_ms),
            timestamp::label(now_ms)
        )));
    }
    let page = page(endpoint, &iterator, limit, now_ms)?;
    let mut answer = Answer::new();
    if let Some(next) = &page.next {
        answer.value("NextShardIterator", next.to_string());
    }
    answer.member("Records", |out| {
        out.push(b'[');
        for (at, record) in page.records.iter().enumerate() {
            if at != 0 {
                out.push(b',');
            }
            record.write(page.view_type, &page.region, out);
        }
        out.push(b']');
    });
    Ok(answer.finish())
}

fn page(
    endpoint: &Endpoint,
    iterator: &ShardIterator,
    limit: usize,
    now_ms: u64,
) -> Result<Page, ApiError> {
    let (cell, label) = super::find(endpoint, &iterator.stream_arn)?;
    let table = cell.read();
    let stream = table.streams.iter().find(|it| it.label == label);
    let found = stream.and_then(|it| Some((it, it.shard(&iterator.shard_id)?)));
    let (stream, shard) = found.ok_or_else(|| {
        ApiError::ResourceNotFound(format!(
            "Requested resource not found: Shard: {} in Stream: {} not found",
            iterator.shard_id, iterator.stream_arn
        ))
    })?;
    let from = match iterator.position {
        Position::Horizon => Sequence(0),
        Position::At(from) if shard.state.trimmed.is_some_and(|trimmed| from <= trimmed) => {
            return Err(ApiError::TrimmedData(
                "The operation attempted to read past the oldest stream record in a shard."
                    .to_owned(),
            ));
        }
        Position::At(from) => from,
    };
    let (mut records, mut size_bytes) = (Vec::new(), 0);
    let mut rest = shard.log.from(from).peekable();
    while let Some(record) = rest.peek().filter(|_| records.len() < limit) {
        size_bytes += record.size_bytes(stream.view_type);
        if PAGE_BYTES_MAX < size_bytes && !records.is_empty() {
            break;
        }
        records.extend(rest.next().cloned());
    }
    let is_end = rest.next().is_none() && !shard.is_open();
    let position = match records.last() {
        Some(Record { sequence, .. }) => Position::At(Sequence(sequence.0 + 1)),
        None => iterator.position,
    };
    let next = ShardIterator { position, created_ms: now_ms, ..iterator.clone() };
    Ok(Page {
        records,
        next: (!is_end).then_some(next),
        view_type: stream.view_type,
        region: table.description.region.clone(),
    })
}
