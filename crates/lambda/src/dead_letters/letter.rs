//! A dead letter: one record that can never be indexed, with all it takes to send it again. Pure.
//!
//! The names are those of Data Prepper's dead letters and of a running service's, so that one tool
//! reads them all.

use std::fmt::Write;

use pipeline::Timestamp;
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

/// Why a record is dead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    /// OpenSearch's status; 0 if it was not even sent.
    pub status: u16,
    /// The reason.
    pub reason: &'a str,
}

impl Letter {
    /// The letter of the record at `entry.place` of `payload`.
    pub(crate) fn of(
        sender: Sender<'_>,
        entry: &Entry,
        cause: Cause<'_>,
        payload: &[u8],
    ) -> Letter {
        let mut summary =
            String::from("{\"pluginId\":\"opensearch\",\"pluginName\":\"opensearch\"");
        let mut text = |name: &str, value: &str| {
            let _ = write!(summary, ",\"{name}\":");
            push_string(&mut summary, value);
        };
        text("pipelineName", sender.function);
        text("requestId", sender.request_id);
        text("index", &entry.index);
        text("action", if entry.removes { "delete" } else { "index" });
        text("message", cause.reason);
        text("table_name", &entry.table);
        text("document_id", &entry.document_id);
        text("sequenceNumber", &entry.sequence_text);
        text("eventId", &entry.event_id);
        let _ = write!(
            summary,
            ",\"timestampMs\":{},\"status\":{},\"document_version\":{},\"dynamodb_timestamp\":{},\
             \"ttl_delete\":{}",
            sender.at.0, cause.status, entry.version, entry.created_ms, entry.by_ttl
        );
        let mut body = summary.clone();
        // As text: it may be just what is wrong with it.
        body.push_str(",\"record\":");
        push_string(&mut body, &String::from_utf8_lossy(&payload[entry.place.clone()]));
        body.push('}');
        summary.push('}');
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
    out.push_str(&json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(record: &str, entry: Entry) -> Letter {
        let sender = Sender { function: "f", request_id: "r-1", at: Timestamp(7) };
        let cause = Cause { status: 400, reason: "it's \"bad\"" };
        let entry = Entry { place: 0..record.len(), ..entry };
        Letter::of(sender, &entry, cause, record.as_bytes())
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
        let body: serde_json::Value = serde_json::from_str(&letter.body).unwrap();
        assert_eq!(body["record"], record);
        assert_eq!(body["message"], "it's \"bad\"");
        assert_eq!(body["sequenceNumber"], "123");
        assert_eq!(body["status"], 400);
        assert!(!letter.body.contains('\u{ffff}'), "no queue takes it");
        let summary: serde_json::Value = serde_json::from_str(&letter.summary).unwrap();
        assert!(summary.get("record").is_none() && summary["index"] == "books");
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
