//! A dead letter: one record that can never be indexed, with all it takes to send it again. Pure.
//!
//! Its form is that of Data Prepper's dead letters and of a running service's, so that `streamdex dlq`
//! reads them all.

use std::fmt::Write;

use opensearch::Rejected;
use pipeline::Timestamp;
use serde_json::Value;
use wire::json::write_string;

use crate::stream::Entry;

/// A letter, written, and what to call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Its text, a JSON object.
    pub body: String,
    /// The same without the record, for places that take no large messages.
    pub summary: String,
    /// What tells it from others. The same record has the same name however often it is written.
    pub name: String,
    /// What must stay in order: changes of one document.
    pub group: String,
}

/// Who writes letters, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// The function's name.
    pub function: &'a str,
    /// The invocation.
    pub request_id: &'a str,
    /// When we gave up.
    pub at: Timestamp,
}

impl Letter {
    /// The letter of the record at `entry.place` of `payload`.
    pub(crate) fn of(
        sender: Sender<'_>,
        entry: &Entry,
        refused: &Rejected,
        payload: &[u8],
    ) -> Letter {
        // Who gave up: the sink, or we ourselves when we read the record.
        let plugin = if refused.lines.is_empty() { "dynamodb" } else { "opensearch" };
        let mut summary = format!("{{\"pluginId\":\"{plugin}\",\"pluginName\":\"{plugin}\"");
        text("pipelineName", sender.function, &mut summary);
        text("requestId", sender.request_id, &mut summary);
        text("timestamp", &opensearch::instant(sender.at), &mut summary);
        summary.push_str(",\"failedData\":{\"sequenceNumber\":");
        push_string(&mut summary, &entry.sequence_text);
        let sent = Sent::of(refused, entry);
        text("index", &sent.index, &mut summary);
        text("indexId", &sent.id, &mut summary);
        text("action", &sent.action, &mut summary);
        text("cause", &refused.cause, &mut summary);
        text("message", &refused.reason, &mut summary);
        let _ = write!(
            summary,
            ",\"status\":{},\"version\":{},\"versionType\":\"external_gte\",\"path\":\"stream\"",
            refused.status, sent.version
        );
        if let Some(table) = &entry.keys {
            summary.push_str(",\"table\":{\"name\":");
            push_string(&mut summary, &table.name);
            text("partitionKey", &table.partition_key, &mut summary);
            if let Some(sort_key) = &table.sort_key {
                text("sortKey", sort_key, &mut summary);
            }
            summary.push('}');
        }
        summary.push_str(",\"eventMetadata\":{\"table_name\":");
        push_string(&mut summary, &entry.table);
        text("event_id", &entry.event_id, &mut summary);
        let _ = write!(
            summary,
            ",\"dynamodb_timestamp\":{},\"ttl_delete\":{}}}",
            entry.created_ms, entry.by_ttl
        );
        let mut body = summary.clone();
        if let Some(document) = document_of(refused) {
            body.push_str(",\"document\":");
            body.push_str(&in_xml(document));
        }
        // As text: it may be just what is wrong with it.
        text("record", &String::from_utf8_lossy(&payload[entry.place.clone()]), &mut body);
        body.push_str("}}");
        summary.push_str("}}");
        let name = [&entry.sequence_text, &entry.event_id].into_iter().find(|it| is_plain(it));
        let name = name.map_or_else(
            || format!("{}-{}", sender.request_id, entry.place.start),
            ToString::to_string,
        );
        let table = Some(&entry.table).filter(|it| is_table(it));
        let name = table.map_or_else(|| name.clone(), |table| format!("{table}/{name}"));
        let group = if entry.document_id.is_empty() { &name } else { &entry.document_id };
        Letter { group: group.clone(), body, summary, name }
    }
}

/// What a request said of the document; if there was none, what it would have said.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    action: String,
    index: String,
    id: String,
    version: u64,
}

impl Sent {
    fn of(refused: &Rejected, entry: &Entry) -> Sent {
        let line = refused.lines.split(|it| *it == b'\n').next().unwrap_or_default();
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        let said = line.as_object().and_then(|it| it.iter().next());
        let (action, about) = said.map_or(("", &Value::Null), |(op, about)| (op.as_str(), about));
        let or = |name: &str, other: &str| about[name].as_str().unwrap_or(other).to_owned();
        let by_kind = if entry.removes { "delete" } else { "index" };
        Sent {
            action: if action.is_empty() { by_kind } else { action }.to_owned(),
            index: or("_index", &entry.index),
            id: or("_id", &entry.document_id),
            version: about["version"].as_u64().unwrap_or(entry.version),
        }
    }
}

/// The document as it was sent.
fn document_of(refused: &Rejected) -> Option<&str> {
    let (_action, document) = std::str::from_utf8(&refused.lines).ok()?.split_once('\n')?;
    Some(document.trim_end()).filter(|it| !it.is_empty())
}

/// Adds a member with a text.
fn text(name: &str, value: &str, out: &mut String) {
    let _ = write!(out, ",\"{name}\":");
    push_string(out, value);
}

/// Whether it can be part of a file name.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

fn is_table(text: &str) -> bool {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.');
    3 <= text.len() && text.len() <= 255 && text.bytes().all(is_plain)
}

/// Queues refuse the two characters that XML does not have.
fn push_string(out: &mut String, value: &str) {
    let mut json = Vec::with_capacity(value.len() + 2);
    write_string(value, &mut json);
    let json = String::from_utf8_lossy(&json);
    out.push_str(&in_xml(&json));
}

fn in_xml(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: &str = "1970-01-01T00:00:00.007Z";

    fn letter(record: &str, entry: Entry) -> Letter {
        let sender = Sender { function: "f", request_id: "r-1", at: Timestamp(7) };
        let refused = Rejected {
            status: 400,
            reason: "it's \"bad\"".to_owned(),
            lines: "{\"index\":{\"_id\":\"a|b\",\"version\":9}}\n{\"x\":1}\n".into(),
            ..Rejected::default()
        };
        let entry = Entry { place: 0..record.len(), ..entry };
        Letter::of(sender, &entry, &refused, record.as_bytes())
    }

    #[test]
    fn a_letter_holds_the_whole_record() {
        let record = "{\"eventName\":\"INSERT\",\"x\":\"\\u0000 \u{ffff} '\"}";
        let entry = Entry {
            sequence_text: "123".to_owned(),
            document_id: "a|b".to_owned(),
            index: "books".to_owned(),
            ..Entry::default()
        };
        let letter = letter(record, entry);
        let body: Value = serde_json::from_str(&letter.body).unwrap();
        let data = &body["failedData"];
        assert_eq!((&data["record"], &data["document"]), (&record.into(), &json!({ "x": 1 })));
        assert_eq!(data["message"], "it's \"bad\"");
        assert_eq!(data["sequenceNumber"], "123");
        assert_eq!((&data["indexId"], &data["version"]), (&json!("a|b"), &json!(9)));
        assert_eq!((&data["status"], &body["timestamp"]), (&json!(400), &json!(AT)));
        assert!(!letter.body.contains('\u{ffff}'), "no queue takes it");
        let summary: Value = serde_json::from_str(&letter.summary).unwrap();
        let data = &summary["failedData"];
        assert!(data.get("record").is_none() && data["index"] == "books");
        assert_eq!((letter.name.as_str(), letter.group.as_str()), ("123", "a|b"));
    }

    #[test]
    fn a_record_without_a_number_has_a_name_all_the_same() {
        let named = |sequence: &str, event: &str| {
            let entry = Entry {
                sequence_text: sequence.to_owned(),
                event_id: event.to_owned(),
                ..Entry::default()
            };
            letter("{}", entry).name
        };
        assert_eq!(named("", "ab12"), "ab12");
        assert_eq!(named("../..", "x y"), "r-1-0");
        let entry =
            Entry { table: "books".to_owned(), sequence_text: "7".to_owned(), ..Entry::default() };
        assert_eq!(letter("{}", entry).name, "books/7");
    }
}
