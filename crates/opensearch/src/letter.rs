//! A dead letter as it is written down: Data Prepper's JSON, and beyond it what it takes to send one
//! again. Reads our own and Data Prepper's. Pure.

use std::fmt::Write;

use pipeline::{DeadLetter, Event, Origin, Path, Timestamp};
use serde_json::{Map, Value, value::RawValue};
use wire::json::write_string;

/// How much of an error type makes a cause.
const CAUSE_UNKNOWN: &str = "unknown";

/// A dead letter that was read.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    /// Made of its content, so that the same letter has the same name everywhere.
    pub id: String,
    /// The pipeline that gave up.
    pub pipeline: String,
    /// The plugin that did: `opensearch`, `dynamodb`, `parse_json`.
    pub plugin: String,
    /// When, in milliseconds since 1970.
    pub at: Timestamp,
    /// The index it was for; empty if that was not known.
    pub index: String,
    /// The `_id`, if it was known.
    pub document_id: Option<String>,
    /// What was to be done; Data Prepper does not say.
    pub action: Option<String>,
    /// The document version.
    pub version: Option<u64>,
    /// How versions are compared.
    pub version_type: Option<String>,
    /// The routing.
    pub routing: Option<String>,
    /// OpenSearch's status; 0 if it was never asked.
    pub status: u16,
    /// One word to sort by.
    pub cause: String,
    /// Why, for a person.
    pub reason: String,
    /// The document as JSON, as it was to be sent.
    pub document: Option<String>,
    /// The record of the table, as it arrived.
    pub record: Option<Record>,
    /// The whole letter, as it was written.
    pub text: String,
}

/// A record of a table in a letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// As it arrived.
    pub text: String,
    /// The table.
    pub table: String,
    /// Its partition key.
    pub partition_key: String,
    /// Its sort key.
    pub sort_key: Option<String>,
    /// Whether it is a row of an export.
    pub is_export: bool,
}

/// Writes a letter as one JSON object, without line breaks.
pub(crate) fn write(pipeline: &str, letter: &DeadLetter, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"pluginId\":");
    write_string(&letter.plugin, out);
    out.extend_from_slice(b",\"pluginName\":");
    write_string(&letter.plugin, out);
    out.extend_from_slice(b",\"pipelineName\":");
    write_string(pipeline, out);
    out.extend_from_slice(b",\"failedData\":{\"index\":");
    write_string(&letter.index, out);
    member("indexId", letter.id.as_deref(), out);
    out.extend_from_slice(format!(",\"status\":{}", letter.status).as_bytes());
    member("message", Some(&letter.reason), out);
    out.extend_from_slice(b",\"document\":");
    write_document(letter, out);
    // Beyond what Data Prepper writes.
    member("cause", Some(&letter.cause), out);
    member("action", Some(&letter.action), out);
    if let Some((version, kind)) = &letter.version {
        out.extend_from_slice(format!(",\"version\":{version}").as_bytes());
        member("versionType", Some(kind), out);
    }
    if let Some(routing) = &letter.routing {
        member("routing", Some(routing), out);
    }
    write_origin(&letter.event, out);
    out.extend_from_slice(b"},\"timestamp\":");
    write_string(&instant(letter.at), out);
    out.push(b'}');
}

fn member(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
    match value {
        Some(value) => write_string(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn write_document(letter: &DeadLetter, out: &mut Vec<u8>) {
    let start = out.len();
    let written = match &letter.document {
        Some(document) => {
            out.extend_from_slice(document);
            true
        }
        None => letter.event.write_document(out).is_ok(),
    };
    // A letter must be JSON, whatever is wrong with its document.
    if !written || serde_json::from_slice::<&RawValue>(&out[start..]).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn write_origin(event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"eventMetadata\":{");
    let mut is_first = true;
    let names = Origin::NAMES.iter().copied();
    let set = event.metadata.keys().map(String::as_str);
    for name in names.chain(set.filter(|it| !Origin::NAMES.contains(it))) {
        if let Ok(Some(value)) = event.metadata(name) {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            write_string(name, out);
            out.push(b':');
            value.write_json(out);
        }
    }
    out.push(b'}');
    if !event.tags.is_empty() {
        let tags: Vec<Value> = event.tags.iter().map(|it| it.as_str().into()).collect();
        out.extend_from_slice(format!(",\"tags\":{}", Value::Array(tags)).as_bytes());
    }
    let Some(origin) = &event.origin else { return };
    if let Some(number) = origin.sequence_number() {
        member("sequenceNumber", Some(&number.to_string()), out);
    }
    out.extend_from_slice(b",\"table\":{\"name\":");
    write_string(&origin.table.name, out);
    member("partitionKey", Some(&origin.table.partition_key), out);
    member("sortKey", origin.table.sort_key.as_deref(), out);
    out.extend_from_slice(match origin.path {
        Path::Stream => b"},\"path\":\"stream\"",
        Path::Export => b"},\"path\":\"export\"",
    });
    // As text: it may be just what is wrong with it.
    member("record", Some(&String::from_utf8_lossy(origin.whole())), out);
}

/// Reads the letters of a file: Data Prepper's objects, or one letter a line. Says how many lines
/// were neither.
pub(crate) fn read(text: &str) -> (Vec<Letter>, usize) {
    if let Ok(whole) = serde_json::from_str::<Map<String, Value>>(text)
        && whole.contains_key("dlqObjects")
    {
        return read_whole(text);
    }
    let (mut letters, mut n_bad) = (Vec::new(), 0);
    for line in text.lines().filter(|it| !it.trim().is_empty()) {
        if let Some(letter) = read_one(line) {
            letters.push(letter);
            continue;
        }
        // A line may be such an object itself.
        let (more, bad) =
            if line.contains("dlqObjects") { read_whole(line) } else { (Vec::new(), 1) };
        letters.extend(more);
        n_bad += bad;
    }
    (letters, n_bad)
}

fn read_whole(text: &str) -> (Vec<Letter>, usize) {
    #[derive(serde::Deserialize)]
    struct Whole<'a> {
        #[serde(borrow, rename = "dlqObjects")]
        objects: Vec<&'a RawValue>,
    }
    let Ok(whole) = serde_json::from_str::<Whole<'_>>(text) else { return (Vec::new(), 1) };
    let read: Vec<Option<Letter>> = whole.objects.iter().map(|it| read_one(it.get())).collect();
    let n_bad = read.iter().filter(|it| it.is_none()).count();
    (read.into_iter().flatten().collect(), n_bad)
}

/// Reads one letter.
pub(crate) fn read_one(text: &str) -> Option<Letter> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written<'a> {
        #[serde(default)]
        plugin_name: String,
        #[serde(default)]
        pipeline_name: String,
        #[serde(borrow)]
        failed_data: &'a RawValue,
        #[serde(default)]
        timestamp: String,
    }
    #[derive(serde::Deserialize)]
    struct Data<'a> {
        #[serde(borrow, default)]
        document: Option<&'a RawValue>,
    }
    let written: Written<'_> = serde_json::from_str(text).ok()?;
    let raw = written.failed_data.get();
    let data: Map<String, Value> = serde_json::from_str(raw).ok()?;
    let document = serde_json::from_str::<Data<'_>>(raw).ok()?.document.map(RawValue::get);
    let string = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    let reason = string("message").unwrap_or_default();
    let status = data.get("status").and_then(Value::as_u64).unwrap_or(0);
    Some(Letter {
        id: name_of(text),
        pipeline: written.pipeline_name,
        plugin: written.plugin_name,
        at: moment(&written.timestamp).unwrap_or(Timestamp(0)),
        index: string("index").unwrap_or_default(),
        document_id: string("indexId"),
        action: string("action"),
        version: data.get("version").and_then(Value::as_u64),
        version_type: string("versionType"),
        routing: string("routing"),
        status: u16::try_from(status).unwrap_or(0),
        cause: string("cause").unwrap_or_else(|| cause_of(&reason)),
        reason,
        document: document.and_then(document_of),
        record: record_of(&data),
        text: text.to_owned(),
    })
}

/// The document; Data Prepper writes some as a text that holds JSON.
fn document_of(raw: &str) -> Option<String> {
    match raw.trim_start().as_bytes().first()? {
        b'{' => Some(raw.to_owned()),
        b'"' => {
            let text: String = serde_json::from_str(raw).ok()?;
            serde_json::from_str::<Map<String, Value>>(&text).ok().map(|_| text)
        }
        _ => None,
    }
}

fn record_of(data: &Map<String, Value>) -> Option<Record> {
    let text = data.get("record")?.as_str()?.to_owned();
    let table = data.get("table")?;
    let name = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Record {
        text,
        table: name("name")?,
        partition_key: name("partitionKey")?,
        sort_key: name("sortKey"),
        is_export: data.get("path").and_then(Value::as_str) == Some("export"),
    })
}

/// Data Prepper gives no type of error. Its messages begin alike for alike errors.
fn cause_of(message: &str) -> String {
    let known = [
        ("failed to parse", "mapper_parsing_exception"),
        ("object mapping for", "mapper_parsing_exception"),
        ("mapping set to strict", "strict_dynamic_mapping_exception"),
        ("Limit of total fields", "illegal_argument_exception"),
        ("version conflict", "version_conflict_engine_exception"),
        ("Number of retries reached", "retries_exhausted"),
        ("no such index", "index_not_found_exception"),
    ];
    let found = known.iter().find(|(part, _)| message.contains(part));
    found.map_or(CAUSE_UNKNOWN, |(_, cause)| cause).to_owned()
}

/// A short name made of a text.
pub(crate) fn name_of(text: &str) -> String {
    format!("{:016x}", fnv(text.bytes(), 0xcbf2_9ce4_8422_2325))
}

/// A name for an object, in the form of a UUID: the same for the same content.
pub(crate) fn uuid_of(body: &[u8]) -> String {
    let one = fnv(body.iter().copied(), 0xcbf2_9ce4_8422_2325);
    let other = fnv(body.iter().rev().copied(), 0x9e37_79b9_7f4a_7c15);
    let mut uuid = String::new();
    let _ = write!(
        uuid,
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        one >> 32,
        (one >> 16) & 0xffff,
        one & 0xfff,
        other >> 52,
        other & 0xffff_ffff_ffff
    );
    uuid
}

fn fnv(bytes: impl Iterator<Item = u8>, start: u64) -> u64 {
    bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A moment as ISO 8601 writes it, in UTC.
pub fn instant(at: Timestamp) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

/// A moment out of ISO 8601, or a day.
pub fn moment(text: &str) -> Option<Timestamp> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at: jiff::Timestamp = whole.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok().map(Timestamp)
}

/// Which letters are meant.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this cause.
    pub cause: Option<String>,
    /// For this index.
    pub index: Option<String>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Not earlier.
    pub since: Option<Timestamp>,
    /// Earlier.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a letter is meant.
    pub fn takes(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|it| it == has);
        is(&self.cause, &letter.cause)
            && is(&self.index, &letter.index)
            && is(&self.pipeline, &letter.pipeline)
            && self.since.is_none_or(|it| it <= letter.at)
            && self.until.is_none_or(|it| letter.at < it)
    }
}

#[cfg(test)]
mod tests;
