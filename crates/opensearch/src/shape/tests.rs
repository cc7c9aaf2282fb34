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
    shape.write(event, &mut out).map_err(|it| it.reason)?;
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
    let clock = Clock::at(pipeline::Timestamp(1_764_000_000_000));
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
        ("index: books", "index: books\nscript: {}", "`source` is missing"),
        ("index: books", "indx: books", "index"),
    ] {
        let error = shape(&USUAL.replace(change, with)).unwrap_err().to_string();
        assert!(error.contains(says), "{with}: {error}");
    }
}

/// An event of some fields, opened or not.
fn fields(json: &str) -> Event {
    Event { document: Document::Json(Bytes::from(json.to_owned())), ..Event::default() }
}

const PLAIN: &str = "hosts: ['http://h:1']\nindex: books\ndocument_id: '7'\n";

/// The document that is written with these settings.
fn document(more: &str, event: &Event) -> String {
    let shape = shape(&format!("{PLAIN}{more}")).unwrap();
    let mut event = event.clone();
    if shape.uses_fields() {
        event.open().unwrap();
    }
    let lines = lines(&shape, &event).unwrap();
    lines.lines().nth(1).unwrap().to_owned()
}

#[test]
fn documents_are_cut_as_the_settings_say() {
    let json = r#"{"a":1,"na":2,"name":{"first":"x","last":"y"},"list":[{"k":1,"l":2},3]}"#;
    for (settings, written) in [
        ("", json),
        ("include_keys: [a]", r#"{"a":1}"#),
        ("include_keys: [n, nam]", "{}"),
        ("include_keys: [name/first, list/k]", r#"{"name":{"first":"x"},"list":[{"k":1}]}"#),
        ("exclude_keys: [name, list]", r#"{"a":1,"na":2}"#),
        (
            "exclude_keys: [/name/last, /list/k, a/b]",
            r#"{"a":1,"na":2,"name":{"first":"x"},"list":[{"l":2},3]}"#,
        ),
        ("document_root_key: name", r#"{"first":"x","last":"y"}"#),
        ("document_root_key: a", r#"{"data":1}"#),
        ("document_root_key: missing", json),
        ("document_root_key: name\ninclude_keys: [last]", r#"{"last":"y"}"#),
    ] {
        assert_eq!(document(settings, &fields(json)), written, "{settings}");
    }
}

#[test]
fn tags_are_written_once() {
    let mut event = fields(r#"{"tags":"old","a":1.50}"#);
    assert_eq!(document("tags_target_key: tags", &event), r#"{"tags":"old","a":1.50}"#, "none");
    event.tags = vec!["x".to_owned(), "\"y\"".to_owned()];
    let written = document("tags_target_key: tags", &event);
    assert_eq!(written, r#"{"tags":["x","\"y\""],"a":1.50}"#);
}

#[test]
fn the_first_action_that_applies_is_taken() {
    let to_delete = "{ type: delete, when: '/gone == true' }";
    let to_create = "{ type: create, when: '/new == true' }";
    for (actions, json, op) in [
        (format!("[{to_delete}, {{ type: index }}]"), r#"{"gone":true}"#, "delete"),
        (format!("[{to_delete}, {{ type: index }}]"), "{}", "index"),
        (format!("[{{ type: index }}, {to_delete}]"), r#"{"gone":true}"#, "delete"),
        (format!("[{{ type: index }}, {to_delete}]"), "{}", "index"),
        (format!("[{to_create}, {to_delete}]"), r#"{"gone":true,"new":true}"#, "create"),
        ("[{ type: '${/how}' }]".to_owned(), r#"{"how":"CREATE"}"#, "create"),
    ] {
        let shape = shape(&format!("{PLAIN}actions: {actions}")).unwrap();
        let mut event = fields(json);
        event.open().unwrap();
        let written = lines(&shape, &event).unwrap();
        assert!(written.starts_with(&format!("{{\"{op}\"")), "{actions} {json}: {written}");
    }
    let shape = shape(&format!("{PLAIN}actions: [{to_delete}]")).unwrap();
    let mut event = fields("{}");
    event.open().unwrap();
    assert!(lines(&shape, &event).unwrap_err().contains("none of `actions` applies"));
    let bad = Settings::from_yaml(&format!("{PLAIN}actions: [{{ type: put }}]")).unwrap();
    let told = Shape::new(&Config::read(&bad).unwrap().0, &bad).unwrap_err().to_string();
    assert!(told.contains("`put` is no action"), "{told}");
}

#[test]
fn scripts_get_the_document_and_their_parameters() {
    let script = "action: upsert\nscript:\n  source: |\n    // counts\n      ctx._source.n += params.by;\n\n    ctx._source.who = params.who\n  params: { by: 2, who: '${/name}' }";
    let shape = shape(&format!("{PLAIN}{script}")).unwrap();
    let mut event = fields(r#"{"name":"Dan"}"#);
    event.open().unwrap();
    assert_eq!(
        lines(&shape, &event).unwrap(),
        concat!(
            r#"{"update":{"_index":"books","_id":"7","retry_on_conflict":3}}"#,
            "\n",
            r#"{"script":{"lang":"painless","source":"ctx._source.n += params.by;\nctx._source.who = params.who","params":{"doc":{"name":"Dan"},"by":2,"who":"Dan"}},"upsert":{"name":"Dan"},"scripted_upsert":true}"#,
            "\n"
        )
    );
}

#[test]
fn every_part_of_the_action_line_is_written() {
    let yaml = "hosts: ['http://h:1']\nindex: 'Books ${/a}'\nnormalize_index: true\ndocument_id: '${/id}'\nrouting: '${/a}'\ndistribution_version: es6\ndocument_version: '${/v}'\ndocument_version_type: external_gte";
    assert!(shape(yaml).is_ok(), "a name that is made is made acceptable");
    let of = |json: &str| {
        let mut event = fields(json);
        event.open().unwrap();
        lines(&shape(yaml).unwrap(), &event)
    };
    assert!(of(r#"{"a":"X|Y","id":"1","v":7}"#).unwrap().starts_with(
        r#"{"index":{"_index":"booksxy","_type":"_doc","_id":"1","routing":"X|Y","version":7,"version_type":"external_gte"}}"#
    ));
    for (json, problem) in [
        (r#"{"a":"","id":"1","v":7}"#, "routing"),
        (r#"{"a":"x","v":7}"#, "its id is empty"),
        (r#"{"a":"x","id":"1","v":"1.5"}"#, "whole number"),
        (r#"{"a":"x","id":"1","v":-1}"#, "whole number"),
    ] {
        let told = of(json).unwrap_err();
        assert!(told.contains(problem), "{json}: {told}");
    }
}

#[test]
fn a_create_carries_no_version() {
    let shape = shape(&format!(
        "{PLAIN}action: create\ndocument_version: '${{/v}}'\ndocument_version_type: external"
    ))
    .unwrap();
    let mut event = fields(r#"{"v":7}"#);
    event.open().unwrap();
    let written = lines(&shape, &event).unwrap();
    assert!(written.starts_with(r#"{"create":{"_index":"books","_id":"7"}}"#), "{written}");
}

#[test]
fn names_that_no_index_may_have_are_refused_at_the_start() {
    for (name, said) in
        [("Books", "write `books`"), ("'a,b'", "`,`"), ("'Books-%{yyyy}'", "capital")]
    {
        let error = shape(&USUAL.replace("books", name)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
    let dated = shape(&USUAL.replace("books", "'books-%{yyyy.MM}'")).unwrap();
    assert_eq!(dated.names("books-2026.01").pattern, "books-*");
    assert_eq!(shape(USUAL).unwrap().names("books").pattern, "books");
}

#[test]
fn a_document_that_is_under_way_holds_the_request_back() {
    let shape = shape(USUAL).unwrap();
    let events = [event("INSERT", "a", "1"), event("INSERT", "b", "1"), event("MODIFY", "a", "1")];
    let first = Bulk::fill(&shape, &events[..1], &mut 0, usize::MAX, &mut Vec::new());
    let under_way: Vec<u64> = first.documents().collect();
    let mut next = 1;
    let room = crate::bulk::Room::of_bytes(usize::MAX);
    let may_go = |it| !under_way.contains(&it);
    let second = Bulk::fill_while(&shape, &events, &mut next, room, &mut Vec::new(), may_go);
    assert_eq!((second.items.len(), next), (1, 2), "the change of the same item waits");
    assert_eq!(second.indices, [b"books".to_vec()]);
    let room = crate::bulk::Room { items: 2, ..room };
    let cut = Bulk::fill_while(&shape, &events, &mut 0, room, &mut Vec::new(), |_| true);
    assert_eq!(cut.items.len(), 2, "cut by number, too");
}
