//! Which kind of event woke us: a batch of the stream, a request, or something that is not for us. Pure.
//!
//! Only as much of the payload is read as it takes to tell. What nobody here can handle is an error:
//! an answer, any answer, would count as success, and what was in the event would be gone.

use std::ops::Range;

use wire::json::{Cursor, Malformed};

/// What a DynamoDB stream writes as `eventSource`.
const STREAM_SOURCE: &[u8] = b"aws:dynamodb";

/// An event we can handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Records of a DynamoDB stream, each with its place in the payload.
    Stream(Vec<Range<usize>>),
    /// A request through a REST API, or an HTTP API that speaks the first format.
    RestV1,
    /// A request through an HTTP API.
    HttpV2,
    /// A request to the function's own address.
    FunctionUrl,
}

impl Trigger {
    /// A name for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Trigger::Stream(_) => "stream",
            Trigger::RestV1 => "rest_v1",
            Trigger::HttpV2 => "http_v2",
            Trigger::FunctionUrl => "function_url",
        }
    }
}

/// An event that is none of ours. The invocation fails with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this function handles DynamoDB streams, REST APIs, HTTP APIs and function URLs, but was invoked \
     with {0}; remove that trigger"
)]
pub struct Unsupported(pub String);

/// What was found on the way through the outermost object.
#[expect(clippy::struct_excessive_bools, reason = "each says that one member was there")]
#[derive(Default)]
struct Seen {
    records: Option<Vec<Range<usize>>>,
    /// The `eventSource` of the first record that has one.
    source: Option<String>,
    http_method: bool,
    version_2: bool,
    /// `requestContext.http`, `requestContext.elb`, `requestContext.domainName`.
    context_http: bool,
    context_elb: bool,
    domain: String,
    /// What else may say where it comes from.
    hints: Vec<&'static str>,
}

/// Tells what `payload` is.
///
/// # Errors
///
/// When it is none of the events above. The error says what it looks like.
pub fn trigger(payload: &[u8]) -> Result<Trigger, Unsupported> {
    let mut cursor = Cursor::new(payload);
    if !matches!(cursor.peek(), Ok(b'{')) {
        return Err(Unsupported("a payload that is no JSON object".to_owned()));
    }
    let seen = look(payload)
        .map_err(|error| Unsupported(format!("a payload that cannot be read: {error}")))?;
    if let Some(records) = seen.records {
        return match seen.source.as_deref() {
            Some(source) if source.as_bytes() != STREAM_SOURCE => {
                Err(Unsupported(format!("records of `{source}`")))
            }
            None if !records.is_empty() => {
                Err(Unsupported("records that do not say where they come from".to_owned()))
            }
            _ => Ok(Trigger::Stream(records)),
        };
    }
    if seen.context_elb {
        return Err(Unsupported("a request of an Application Load Balancer".to_owned()));
    }
    if seen.context_http || (seen.version_2 && !seen.domain.is_empty()) {
        let is_url = seen.domain.contains(".lambda-url.");
        return Ok(if is_url { Trigger::FunctionUrl } else { Trigger::HttpV2 });
    }
    if seen.http_method {
        return Ok(Trigger::RestV1);
    }
    Err(Unsupported(match seen.hints.first() {
        Some(hint) => (*hint).to_owned(),
        None => "an event of an unknown kind".to_owned(),
    }))
}

fn look(payload: &[u8]) -> Result<Seen, Malformed> {
    let mut seen = Seen::default();
    let mut cursor = Cursor::new(payload);
    cursor.object(|cursor, key| {
        match key {
            b"Records" if cursor.peek()? == b'[' => records(cursor, &mut seen)?,
            b"httpMethod" => seen.http_method = !is_null(cursor)?,
            b"version" => seen.version_2 = cursor.skip()? == br#""2.0""#,
            b"requestContext" if cursor.peek()? == b'{' => context(cursor, &mut seen)?,
            b"DDBStreamBatchInfo" | b"KinesisBatchInfo" => {
                seen.hints.insert(0, "a message of an on-failure destination");
                cursor.skip()?;
            }
            b"detail-type" => {
                seen.hints.push("an EventBridge event");
                cursor.skip()?;
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok::<(), Malformed>(())
    })?;
    cursor.end()?;
    Ok(seen)
}

fn records(cursor: &mut Cursor<'_>, seen: &mut Seen) -> Result<(), Malformed> {
    let mut places = Vec::new();
    cursor.array(|cursor| {
        let record = cursor.skip()?;
        let end = cursor.position();
        places.push(end - record.len()..end);
        if seen.source.is_none() {
            seen.source = source(record);
        }
        Ok::<(), Malformed>(())
    })?;
    seen.records = Some(places);
    Ok(())
}

/// `eventSource`, or `EventSource` as SNS spells it.
fn source(record: &[u8]) -> Option<String> {
    let mut found = None;
    let walked = Cursor::new(record).object(|cursor, key| {
        let value = cursor.skip()?;
        if matches!(key, b"eventSource" | b"EventSource") {
            found = value.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\""));
        }
        Ok::<(), Malformed>(())
    });
    walked.ok()?;
    found.map(|it| String::from_utf8_lossy(it).into_owned())
}

fn context(cursor: &mut Cursor<'_>, seen: &mut Seen) -> Result<(), Malformed> {
    cursor.object(|cursor, key| {
        match key {
            b"http" => seen.context_http = !is_null(cursor)?,
            b"elb" => seen.context_elb = !is_null(cursor)?,
            b"domainName" if cursor.peek()? == b'"' => {
                seen.domain = String::from_utf8_lossy(cursor.string()?).into_owned();
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok(())
    })
}

fn is_null(cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
    Ok(cursor.skip()? == b"null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_known_by_what_only_it_has() {
        for (payload, expected, which) in [
            (r#"{"Records":[]}"#, Trigger::Stream(vec![]), "a batch that a filter emptied"),
            (
                r#"{"Records":[{"eventSource":"aws:dynamodb"}]}"#,
                Trigger::Stream(std::iter::once(12..42).collect()),
                "a batch",
            ),
            (r#"{"httpMethod":"GET","requestContext":{}}"#, Trigger::RestV1, "REST API"),
            (
                r#"{"version":"1.0","httpMethod":"GET","requestContext":{"domainName":"x"}}"#,
                Trigger::RestV1,
                "an HTTP API told to speak the first format",
            ),
            (
                r#"{"version":"2.0","httpMethod":null,"requestContext":{"http":{}}}"#,
                Trigger::HttpV2,
                "HTTP API, as an emulator sends it",
            ),
            (
                r#"{"version":"2.0","requestContext":{"http":{},"domainName":"x.lambda-url.eu-west-1.on.aws"}}"#,
                Trigger::FunctionUrl,
                "function URL",
            ),
        ] {
            assert_eq!(trigger(payload.as_bytes()), Ok(expected), "{which}");
        }
    }

    #[test]
    fn an_event_that_is_not_ours_is_named() {
        for (payload, named) in [
            (r#"{"Records":[{"eventSource":"aws:sqs"}]}"#, "records of `aws:sqs`"),
            (r#"{"Records":[{"EventSource":"aws:sns"}]}"#, "records of `aws:sns`"),
            (r#"{"Records":[{"a":1}]}"#, "do not say where they come from"),
            (r#"{"requestContext":{"condition":"x"},"DDBStreamBatchInfo":{}}"#, "on-failure"),
            (r#"{"httpMethod":"GET","requestContext":{"elb":{}}}"#, "Load Balancer"),
            (r#"{"detail-type":"Scheduled Event"}"#, "EventBridge"),
            (r"{}", "unknown kind"),
            (r#"{"Records":[{"eventSource":"aws:dynamodb"}"#, "cannot be read"),
            ("[]", "no JSON object"),
            ("null", "no JSON object"),
            ("", "no JSON object"),
        ] {
            let error = trigger(payload.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{payload}: {error}");
        }
    }
}
