use std::sync::Arc;

use bytes::Bytes;
use pipeline::{Document, Table};
use wire::json::Cursor;

use super::*;

/// A letter of a change in the table `books`.
fn dead_letter() -> DeadLetter {
    let record = r#"{"eventName":"MODIFY","dynamodb":{"Keys":{"author":{"S":"Dan \"B\""},"n":{"N":"7"}},"NewImage":{"price":{"N":"1.50"}},"SequenceNumber":"42"}}"#;
    let body = Bytes::from_static(record.as_bytes());
    let record = wire::stream::record(&mut Cursor::new(&body)).unwrap();
    let document = Document::Item(body.slice(record.new_image.clone()));
    let table = Arc::new(Table {
        name: "books".to_owned(),
        partition_key: "author".to_owned(),
        sort_key: Some("n".to_owned()),
    });
    let origin = Origin { table, body, record, path: Path::Stream, version: 9 };
    let event =
        Event { document, origin: Some(origin), tags: vec!["odd".to_owned()], ..Event::default() };
    DeadLetter {
        event,
        at: Timestamp(1_769_863_996_789),
        plugin: "opensearch".to_owned(),
        index: "books".to_owned(),
        id: Some("Dan \"B\"|7".to_owned()),
        action: "index".to_owned(),
        version: Some((9, "external".to_owned())),
        routing: Some("r".to_owned()),
        document: None,
        status: 400,
        cause: "mapper_parsing_exception".to_owned(),
        reason: "failed to parse field [price] caused by x".to_owned(),
    }
}

fn written(letter: &DeadLetter) -> String {
    let mut out = Vec::new();
    write("p", letter, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_letter_has_the_form_of_data_prepper_and_more() {
    let text = written(&dead_letter());
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["pluginId"], "opensearch");
    assert_eq!(json["pipelineName"], "p");
    assert_eq!(json["timestamp"], "2026-01-31T12:53:16.789Z");
    let data = &json["failedData"];
    assert_eq!(data["index"], "books");
    assert_eq!(data["indexId"], "Dan \"B\"|7");
    assert_eq!(data["status"], 400);
    assert!(text.contains(r#""document":{"price":1.50}"#), "every digit is kept: {text}");
    assert_eq!(data["eventMetadata"]["document_version"], 9);
    assert_eq!(data["sequenceNumber"], format!("{:021}", 42));
    assert_eq!(data["tags"][0], "odd");
}

#[test]
fn what_was_written_is_read_again() {
    let text = written(&dead_letter());
    let (letters, n_bad) = read(&format!("{text}\n{text}\n{{\"cut sho"));
    assert_eq!((letters.len(), n_bad), (2, 1), "a line cut short by a crash is counted");
    let letter = &letters[0];
    assert_eq!(letter.id, letters[1].id, "the same letter has the same name");
    assert_eq!(letter.version, Some(9));
    assert_eq!(letter.version_type.as_deref(), Some("external"));
    assert_eq!(letter.routing.as_deref(), Some("r"));
    assert_eq!(letter.action.as_deref(), Some("index"));
    assert_eq!(letter.cause, "mapper_parsing_exception");
    assert_eq!(letter.document.as_deref(), Some(r#"{"price":1.50}"#));
    assert_eq!(letter.at, Timestamp(1_769_863_996_789));
    let record = letter.record.clone().unwrap();
    assert_eq!((record.table.as_str(), record.partition_key.as_str()), ("books", "author"));
    assert!(record.text.contains("\"SequenceNumber\":\"42\""));
    assert!(!record.is_export);
}

#[test]
fn a_document_that_is_no_json_does_not_spoil_the_letter() {
    let mut letter = dead_letter();
    letter.event.document = Document::Item(Bytes::from_static(b"{\"a\":{\"N\":\"x\"}}"));
    let (letters, n_bad) = read(&written(&letter));
    assert_eq!((letters[0].document.as_ref(), n_bad), (None, 0));
    letter.document = Some(Bytes::from_static(b"{\"as\":\"sent\"}"));
    assert_eq!(read(&written(&letter)).0[0].document.as_deref(), Some("{\"as\":\"sent\"}"));
}

#[test]
fn letters_of_data_prepper_are_read() {
    let text = r#"{"dlqObjects":[
        {"pluginId":"opensearch","pluginName":"opensearch","pipelineName":"p","failedData":{"index":"i","indexId":"7","status":400,"message":"failed to parse field [a]","document":{"a": "x"}},"timestamp":"2026-01-31T12:34:56.789Z"},
        {"pluginId":"opensearch","pluginName":"opensearch","pipelineName":"p","failedData":{"index":"i","indexId":null,"status":0,"message":"","document":"{\"a\":1}"},"timestamp":"2026-01-31T12:34:56.789Z"}]}"#;
    let (letters, n_bad) = read(text);
    assert_eq!((letters.len(), n_bad), (2, 0));
    assert_eq!(letters[0].cause, "mapper_parsing_exception", "told by its message");
    assert_eq!(letters[0].document.as_deref(), Some("{\"a\": \"x\"}"));
    assert_eq!((letters[0].version, letters[0].action.as_ref()), (None, None));
    assert_eq!(letters[1].document.as_deref(), Some("{\"a\":1}"), "a text that holds JSON");
    assert_eq!(letters[1].document_id, None);
    assert_eq!(read("{\"dlqObjects\":[]}").0.len(), 0, "such files exist");
    assert_eq!(read("").0.len(), 0);
}

#[test]
fn letters_are_filtered() {
    let letter = &read(&written(&dead_letter())).0[0];
    let day = |text| moment(text);
    for (filter, takes) in [
        (Filter::default(), true),
        (Filter { cause: Some("mapper_parsing_exception".to_owned()), ..Filter::default() }, true),
        (Filter { cause: Some("mapper".to_owned()), ..Filter::default() }, false),
        (Filter { index: Some("other".to_owned()), ..Filter::default() }, false),
        (Filter { pipeline: Some("p".to_owned()), ..Filter::default() }, true),
        (Filter { since: day("2026-01-31"), until: day("2026-02-01"), ..Filter::default() }, true),
        (Filter { since: day("2026-01-31T12:54:00Z"), ..Filter::default() }, false),
        (Filter { until: day("2026-01-31"), ..Filter::default() }, false),
    ] {
        assert_eq!(filter.takes(letter), takes, "{filter:?}");
    }
    assert_eq!(moment("yesterday"), None);
}
