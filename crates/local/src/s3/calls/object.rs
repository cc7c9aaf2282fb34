//! `PutObject`, `GetObject`, `HeadObject`, `DeleteObject`.

use std::{ops::Range, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
};

use crate::s3::{
    answer::{self, Answer},
    condition::Conditions,
    error::{ApiError, Code},
    expected::Expected,
    head::Head,
    range::Asked,
    store::{
        Store,
        object::Object,
        record::{Description, Record},
    },
    time,
    transfer::{self, blocking},
};

/// Which bytes go back, and why these.
enum Selection {
    Whole,
    Range(Range<u64>),
    Part(Range<u64>, usize),
}

pub(crate) async fn put(
    store: &Arc<Store>,
    head: &Head,
    body: &mut Body,
) -> Result<Answer, ApiError> {
    let description = Description::of(head)?;
    let expected = Expected::of(head)?;
    let conditions = Conditions::of(head);
    let (bucket, key) = (head.bucket().to_owned(), head.key().to_owned());
    // Nobody should send gigabytes to a bucket that is not there.
    let (probe, name) = (store.clone(), bucket.clone());
    blocking(move || probe.bucket(&name)).await?;
    let finished = transfer::receive(store, body, &expected, None).await?;
    let store = store.clone();
    let record = blocking(move || store.commit(&bucket, &key, finished, description, &conditions));
    let record = record.await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::put_etag(&mut answer, &record.content.etag);
    answer::put_checksum(&mut answer, record.content.checksum.as_ref());
    Ok(answer)
}

/// Both `GetObject` and `HeadObject`, which differ in nothing but the body.
pub(crate) async fn get(
    store: &Arc<Store>,
    head: &Head,
    with_body: bool,
) -> Result<Answer, ApiError> {
    let (store, bucket, key) = (store.clone(), head.bucket().to_owned(), head.key().to_owned());
    let object = blocking(move || store.object(&bucket, &key)).await?;
    let Object { file, record } = object;
    let modified_ms = record.stamp.modified_ms();
    match Conditions::of(head).check_read(&record.content.etag, modified_ms) {
        Err(error) if error.is(Code::NotModified) => {
            let mut answer = answer::empty(StatusCode::NOT_MODIFIED);
            answer::put_etag(&mut answer, &record.content.etag);
            answer::put(&mut answer, header::LAST_MODIFIED, time::http(modified_ms));
            return Ok(answer);
        }
        result => result?,
    }
    let selection = select(head, &record)?;
    let mut answer = describe(head, &record, &selection);
    if with_body {
        let range = match selection {
            Selection::Whole => 0..record.stamp.n_bytes,
            Selection::Range(range) | Selection::Part(range, _) => range,
        };
        *answer.body_mut() = transfer::send(file, range);
    }
    Ok(answer)
}

pub(crate) async fn delete(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let (store, bucket, key) = (store.clone(), head.bucket().to_owned(), head.key().to_owned());
    let conditions = Conditions::of(head);
    blocking(move || store.delete(&bucket, &key, &conditions)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn select(head: &Head, record: &Record) -> Result<Selection, ApiError> {
    let n_bytes = record.stamp.n_bytes;
    let asked = head.header(header::RANGE.as_str());
    if let Some(number) = head.query.filled("partNumber") {
        if asked.is_some() {
            return Err(Code::InvalidRequest
                .because("Cannot specify both Range header and partNumber query parameter"));
        }
        return part(number, record);
    }
    let is_of_this = head
        .header(header::IF_RANGE.as_str())
        .is_none_or(|it| it.trim_matches('"') == record.content.etag);
    match asked.and_then(Asked::parse).filter(|_| is_of_this) {
        None => Ok(Selection::Whole),
        Some(range) => match range.within(n_bytes) {
            Ok(range) => Ok(Selection::Range(range)),
            Err(_) => Err(Code::InvalidRange
                .about("RangeRequested", asked.unwrap_or_default())
                .with("ActualObjectSize", n_bytes.to_string())),
        },
    }
}

/// A part of an object by its number. An object that was put at once is its own first part.
fn part(number: &str, record: &Record) -> Result<Selection, ApiError> {
    let number: usize = number.parse().ok().filter(|it| *it != 0).ok_or_else(|| {
        Code::InvalidArgument
            .because("Part number must be an integer between 1 and 10000, inclusive")
            .with("ArgumentValue", number)
    })?;
    let whole = [record.stamp.n_bytes];
    let parts = if record.content.parts.is_empty() { &whole } else { &record.content.parts[..] };
    let size = *parts.get(number - 1).ok_or(Code::InvalidPartNumber)?;
    let start = parts[..number - 1].iter().sum::<u64>();
    Ok(Selection::Part(start..start + size, record.content.parts.len()))
}

/// The head of the answer.
fn describe(head: &Head, record: &Record, selection: &Selection) -> Answer {
    let n_bytes = record.stamp.n_bytes;
    let mut answer = answer::empty(StatusCode::OK);
    record.description.tell(&head.query, answer.headers_mut());
    answer::put_etag(&mut answer, &record.content.etag);
    answer::put(&mut answer, header::LAST_MODIFIED, time::http(record.stamp.modified_ms()));
    answer.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let n_sent = match selection {
        Selection::Whole => {
            let mode = head.header("x-amz-checksum-mode").unwrap_or_default();
            if mode.eq_ignore_ascii_case("enabled") {
                answer::put_checksum(&mut answer, record.content.checksum.as_ref());
            }
            n_bytes
        }
        Selection::Range(range) | Selection::Part(range, _) => {
            if !range.is_empty() {
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                let (first, last) = (range.start, range.end - 1);
                let content_range = format!("bytes {first}-{last}/{n_bytes}");
                answer::put(&mut answer, header::CONTENT_RANGE, content_range);
            }
            range.end - range.start
        }
    };
    if let Selection::Part(_, n_parts @ 1..) = selection {
        let name = HeaderName::from_static("x-amz-mp-parts-count");
        answer::put(&mut answer, name, n_parts.to_string());
    }
    answer::put(&mut answer, header::CONTENT_LENGTH, n_sent.to_string());
    answer
}
