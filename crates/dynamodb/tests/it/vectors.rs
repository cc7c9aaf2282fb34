//! Records, rows, and what becomes of them: `tests/vectors/records.json`.
//!
//! `{"$number": "…"}` is a number with exactly these digits. Where Data Prepper's own answer would
//! differ, the case says so as its `quirk`.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use dynamodb::{Conversion, ExportFormat, Rows, Versions, ViewOnRemove, convert};
use pipeline::{Event, Path, Table};
use serde_json::{Value, json, value::RawValue};

const CASES: &str = include_str!("../vectors/records.json");

#[test]
fn every_case_gives_what_it_says() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    assert!(30 <= cases.len());
    for case in &cases {
        let name = format!("{} {}", case["id"], case["name"]);
        let ways = match case["source"].as_str() {
            Some("stream") => vec![of_stream(case)],
            _ => of_export(case),
        };
        for events in ways {
            check(case, &events, &name);
        }
    }
}

fn check(case: &Value, events: &[Event], name: &str) {
    // What is set aside is no event of the index, and what was passed over is none at all.
    let events: Vec<&Event> = events.iter().filter(|it| it.failure.is_none()).collect();
    let expected = case["expected"].as_array().unwrap();
    let expected: Vec<&Value> = expected.iter().filter(|it| it["skipped"] != true).collect();
    assert_eq!(events.len(), expected.len(), "{name}");
    for (event, expected) in events.into_iter().zip(expected) {
        let mut document = Vec::new();
        event.write_document(&mut document).unwrap();
        let document: Box<RawValue> = serde_json::from_slice(&document).unwrap();
        assert_eq!(shown(&document), spelled(&expected["document"]), "{name}");
        for (key, value) in expected["metadata"].as_object().unwrap() {
            let found = event.metadata(key).unwrap();
            let found = found.map_or_else(|| "null".to_owned(), |it| it.to_string());
            let found: Value = serde_json::from_str(&found).unwrap();
            assert_eq!(found, *value, "{name}: {key}");
        }
        for absent in case["expected"][0]["metadata_absent"].as_array().into_iter().flatten() {
            assert_eq!(event.metadata(absent.as_str().unwrap()).unwrap(), None, "{name}");
        }
        if let Some(kind) = expected["event_type"].as_str() {
            let path = event.origin.as_ref().unwrap().path;
            assert_eq!(kind == "STREAM", path == Path::Stream, "{name}");
        }
    }
}

/// A document with its numbers as they are written, keys sorted.
fn shown(raw: &RawValue) -> String {
    let text = raw.get();
    match text.as_bytes()[0] {
        b'{' => {
            let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
            let members: Vec<_> =
                members.iter().map(|(key, it)| format!("{}:{}", json!(key), shown(it))).collect();
            format!("{{{}}}", members.join(","))
        }
        b'[' => {
            let elements: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
            format!("[{}]", elements.iter().map(|it| shown(it)).collect::<Vec<_>>().join(","))
        }
        b'"' => serde_json::from_str::<Value>(text).unwrap().to_string(),
        _ => text.to_owned(),
    }
}

/// What is expected, in the same way.
fn spelled(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            if let Some(digits) = members.get("$number").and_then(Value::as_str) {
                return digits.to_owned();
            }
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let members: Vec<_> =
                sorted.iter().map(|(key, it)| format!("{}:{}", json!(key), spelled(it))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(spelled).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn table(case: &Value) -> Arc<Table> {
    let text = |name: &str| case["table"][name].as_str().map(str::to_owned);
    let (name, partition_key) = (text("name").unwrap(), text("partition_key").unwrap());
    // Some cases have keys without a sort key, whatever their table says.
    let keys = &case["records"][0];
    let keys = keys["dynamodb"].get("Keys").or_else(|| keys.get("Item")).unwrap();
    let sort_key = text("sort_key").filter(|it| keys.get(it).is_some());
    Arc::new(Table { name, partition_key, sort_key })
}

fn of_stream(case: &Value) -> Vec<Event> {
    let started_ms = case["options"]["stream_start_ms"].as_u64();
    let conversion = Conversion {
        table: table(case),
        view_on_remove: match case["options"]["view_on_remove"].as_str() {
            Some("OLD_IMAGE") => ViewOnRemove::OldImage,
            _ => ViewOnRemove::NewImage,
        },
        // As the source works it out.
        not_before_ms: started_ms.map_or(0, |it| it - 5 * 60 * 1000 + 1),
    };
    let body = Bytes::from(json!({ "Records": case["records"] }).to_string());
    convert(&body, &conversion, &mut Versions::default()).unwrap().events
}

/// By file in both languages, and by scan.
fn of_export(case: &Value) -> Vec<Vec<Event>> {
    let read_ms = case["options"]["export_time_ms"].as_u64().unwrap();
    let rows = |format| Rows { table: table(case), read_ms, format };
    let records = case["records"].as_array().unwrap();
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let lines = lines.join("\n");
    let items: Vec<&Value> = records.iter().map(|it| &it["Item"]).collect();
    let page = json!({ "Items": items }).to_string();
    let mut ways = vec![
        rows(ExportFormat::DynamodbJson).of_lines(lines.into_bytes()).0,
        rows(ExportFormat::DynamodbJson).of_page(page.as_bytes()).unwrap().events,
    ];
    if let Some(line) = case["ion_line"].as_str() {
        ways.push(rows(ExportFormat::Ion).of_lines(line.as_bytes().to_vec()).0);
    }
    ways
}
