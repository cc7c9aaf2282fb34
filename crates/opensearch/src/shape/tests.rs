use std::sync::Arc;

use bytes::Bytes;
use pipeline::{Document, Origin, Path, Table};
use wire::json::Cursor;

use super::*;
use crate::Bulk;

const USUAL: &str = r#"
hosts: ["http://localhost:9200"]
index: books
document_id: '${getMetadata("primary_key")}'
action: '${getMetadata("opensearch_action")}'
document_version: '${getMetadata("document_version")}'
document_version_type: external
"#;

fn shape(yaml: &str) -> Result<Shape, ConfigError> {
    let settings = Settings::from_yaml(yaml)?;
    let (config, _) = Config::read(&settings)?;
    Shape::new(&config, &settings)
}

fn event(name: &str, author: &str, title: &str) -> Event {
    let record = format!(
        r#"{{"eventName":"{name}","dynamodb":{{"Keys":{{"author":{{"S":"{author}"}},"bookTitle":{{"S":"{title}"}}}},"NewImage":{{"price":{{"N":"1.50"}}}},"SequenceNumber":"7"}}}}"#
    );
    let body = Bytes::from(record);
    let record = wire::stream::record(&mut Cursor::new(&body)).unwrap();
    let document = Document::Item(body.slice(record.new_image.clone()));
    let table = Table {
        name: "books".to_owned(),
        partition_key: "author".to_owned(),
        sort_key: Some("bookTitle".to_owned()),
    };
    let (table, path, version) = (Arc::new(table), Path::Stream, 1_764_000_000_000_001);
    Event {
        document,
        origin: Some(Origin { table, body, record, path, version }),
        ..Event::default()
    }
}

fn lines(shape: &Shape, event: &Event) -> Result<String, String> {
    let mut out = Vec::new();
    shape.write(event, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_change_becomes_two_lines_and_a_removal_one() {
    let shape = shape(USUAL).unwrap();
    assert!(!shape.uses_fields());
    assert_eq!(
        lines(&shape, &event("MODIFY", "Dan \\\"B\\\"", "x")).unwrap(),
        "{\"index\":{\"_index\":\"books\",\"_id\":\"Dan \\\"B\\\"|x\",\"version\":1764000000000001,\
         \"version_type\":\"external\"}}\n{\"price\":1.50}\n"
    );
    assert_eq!(
        lines(&shape, &event("REMOVE", "a", "b")).unwrap(),
        "{\"delete\":{\"_index\":\"books\",\"_id\":\"a|b\",\"version\":1764000000000001,\
         \"version_type\":\"external\"}}\n"
    );
}

#[test]
fn a_date_in_the_name_of_the_index_is_that_of_the_clock() {
    let dated = USUAL.replace("index: books", "index: 'books-%{yyyy.MM}'");
    let clock = pipeline::Clock::at(pipeline::Timestamp(1_764_000_000_000));
    let of_now = shape(&dated).unwrap().with_clock(&clock);
    let written = lines(&of_now, &event("INSERT", "a", "b")).unwrap();
    assert!(written.starts_with("{\"index\":{\"_index\":\"books-2025.11\","), "{written}");
    assert_eq!(of_now.same_index(), None);
    let too_fine = USUAL.replace("index: books", "index: 'books-%{mm}'");
    assert!(shape(&too_fine).unwrap_err().to_string().contains("hour"));
}

#[test]
fn what_a_processor_set_goes_before_what_the_record_says() {
    let shape = shape(USUAL).unwrap();
    let mut event = event("INSERT", "a", "b");
    event.metadata.insert("primary_key".to_owned(), "mine".into());
    event.metadata.insert("opensearch_action".to_owned(), "delete".into());
    assert!(
        lines(&shape, &event)
            .unwrap()
            .starts_with("{\"delete\":{\"_index\":\"books\",\"_id\":\"mine\"")
    );
}

#[test]
fn updates_carry_no_version() {
    let yaml = USUAL.replace("'${getMetadata(\"opensearch_action\")}'", "upsert");
    assert_eq!(
        lines(&shape(&yaml).unwrap(), &event("INSERT", "a", "b")).unwrap(),
        "{\"update\":{\"_index\":\"books\",\"_id\":\"a|b\"}}\n{\"doc\":{\"price\":1.50},\"doc_as_upsert\":true}\n"
    );
}

#[test]
fn an_id_that_is_too_long_is_rejected_before_it_spoils_the_request() {
    let shape = shape(USUAL).unwrap();
    let fits = "x".repeat(510);
    assert!(lines(&shape, &event("INSERT", &fits, "b")).is_ok());
    assert!(
        lines(&shape, &event("INSERT", &(fits.clone() + "x"), "b"))
            .unwrap_err()
            .contains("513 bytes")
    );
    // Escapes do not count.
    assert!(lines(&shape, &event("INSERT", &"\\n".repeat(510), "b")).is_ok());
}

#[test]
fn a_record_that_cannot_be_read_is_rejected_alone() {
    let shape = shape(USUAL).unwrap();
    let mut bad = event("INSERT", "a", "b");
    bad.document = Document::Item(Bytes::from_static(br#"{"x":{"N":"nan"}}"#));
    let events = [event("INSERT", "a", "1"), bad, event("INSERT", "a", "2")];
    let (mut next, mut rejected) = (0, Vec::new());
    let bulk = Bulk::fill(&shape, &events, &mut next, usize::MAX, &mut rejected);
    assert_eq!(bulk.items.iter().map(|it| it.event).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(rejected.len(), 1);
    assert_eq!((rejected[0].event, next), (1, 3));
}

#[test]
fn requests_are_cut_by_size_and_lose_nothing() {
    let shape = shape(USUAL).unwrap();
    let events: Vec<Event> = (0..10).map(|n| event("INSERT", "a", &n.to_string())).collect();
    let one = lines(&shape, &events[0]).unwrap().len();
    for (bytes_max, sizes) in
        [(1, vec![1; 10]), (one * 3, vec![3, 3, 3, 1]), (one * 3 - 1, vec![2; 5])]
    {
        let mut next = 0;
        let mut seen = Vec::new();
        while next < events.len() {
            seen.push(
                Bulk::fill(&shape, &events, &mut next, bytes_max, &mut Vec::new()).items.len(),
            );
        }
        assert_eq!(seen, sizes, "{bytes_max}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_with_a_remedy() {
    for (change, with, says) in [
        ("index: books", "index: ''", "name of the index"),
        (
            "action: '${getMetadata(\"opensearch_action\")}'",
            "action: insert",
            "write one of index, create",
        ),
        ("hosts: [\"http://localhost:9200\"]", "hosts: []", "at least one"),
        ("hosts: [\"http://localhost:9200\"]", "hosts: [localhost]", "https://host:9200"),
        (
            "document_version: '${getMetadata(\"document_version\")}'",
            "document_version: '7'",
            "expression",
        ),
        ("index: books", "index: books\nusername: me", "go together"),
        ("index: books", "index: books\nscript: {}", "not carry it out yet"),
        ("index: books", "indx: books", "index"),
    ] {
        let error = shape(&USUAL.replace(change, with)).unwrap_err().to_string();
        assert!(error.contains(says), "{with}: {error}");
    }
}
