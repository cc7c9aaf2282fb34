//! Stories of one index: written, read, searched, closed and opened again.

use std::{fs, path::Path};

use proptest::{prelude::*, test_runner::TestCaseResult};
use serde_json::{Value, json};

use super::*;
use crate::{
    Key, Request,
    search::{count, search},
    versions::{Condition, VersionType},
};

const NOW: u64 = 1_700_000_000_000;

fn in_memory(mapping: &Value) -> Arc<Index> {
    let mapping = Mapping::read(mapping).unwrap();
    Index::create("books", "uuid", None, Settings::default(), mapping, NOW).unwrap().into()
}

fn on_disk(root: &Path, settings: &Value) -> Arc<Index> {
    let settings = Settings::read(settings).unwrap();
    Index::create("books", "uuid", Some(root), settings, Mapping::default(), NOW).unwrap().into()
}

fn put(id: &str, source: &str) -> Operation {
    let action = Action::Put(Bytes::copy_from_slice(source.as_bytes()));
    Operation { id: id.to_owned(), routing: None, condition: Condition::default(), action }
}

fn delete(id: &str) -> Operation {
    Operation { action: Action::Delete, ..put(id, "") }
}

fn external(version: u64, operation: Operation) -> Operation {
    let condition = Condition {
        version_type: VersionType::External,
        version: Some(version),
        ..Condition::default()
    };
    Operation { condition, ..operation }
}

/// What one write came to: `created 1`, or the reason why not.
fn write(index: &Index, operation: Operation) -> String {
    match index.write(vec![operation], NOW).remove(0) {
        Ok(done) => format!("{} {}", done.outcome.as_str(), done.stamp.version),
        Err(failure) => failure.reason,
    }
}

fn source(index: &Index, id: &str) -> Option<String> {
    let found = index.get(id).unwrap()?;
    Some(String::from_utf8(found.source.to_vec()).unwrap())
}

/// The ids that a query finds, best first.
fn ids(index: &Arc<Index>, query: &Value) -> String {
    found(index, &json!({ "query": query }))
}

fn found(index: &Arc<Index>, body: &Value) -> String {
    index.refresh(NOW).unwrap();
    let answer =
        search(vec![Arc::clone(index).into()], &Request::read(body).unwrap(), NOW).unwrap();
    let ids: Vec<String> = answer.hits.into_iter().map(|it| it.found.id).collect();
    ids.join(" ")
}

fn library() -> Arc<Index> {
    let index = in_memory(&json!({ "properties": {
        "seen": { "type": "date" }, "from": { "type": "ip" }, "tags": { "type": "keyword" }
    }}));
    for (id, source) in [
        (
            "1",
            r#"{"author":"Dan Brown","title":"The DaVinci code","year":2003,"price":9.99,"seen":"2024-01-01","in":{"stock":true},"tags":["thriller","art"]}"#,
        ),
        (
            "2",
            r#"{"author":"Dan Brown","title":"Inferno, or the code of Dante","year":2013,"price":12.5,"seen":"2024-02-15","in":{"stock":false},"from":"10.0.0.7"}"#,
        ),
        (
            "3",
            r#"{"author":"Umberto Eco","title":"The Name of the Rose","year":1980,"price":7,"seen":"2023-06-30T12:00:00Z","tags":["art"]}"#,
        ),
    ] {
        assert_eq!(write(&index, put(id, source)), "created 1");
    }
    index
}

#[test]
fn documents_are_found_by_all_kinds_of_queries() {
    let index = library();
    for (query, expected) in [
        (json!({ "match_all": {} }), "1 2 3"),
        (json!({ "match_none": {} }), ""),
        (json!({ "match": { "title": "code" } }), "1 2"),
        (json!({ "match": { "title": { "query": "the code", "operator": "and" } } }), "1 2"),
        (json!({ "match": { "title": "CODE davinci" } }), "1 2"),
        (json!({ "match": { "year": "2003" } }), "1"),
        (json!({ "match": { "nope": "x" } }), ""),
        (json!({ "match_phrase": { "title": "davinci code" } }), "1"),
        (json!({ "match_phrase": { "title": "code davinci" } }), ""),
        (json!({ "multi_match": { "query": "dan", "fields": ["title", "author"] } }), "1 2"),
        (json!({ "term": { "author.keyword": "Dan Brown" } }), "1 2"),
        (json!({ "term": { "author.keyword": "dan brown" } }), ""),
        (json!({ "term": { "title": "inferno" } }), "2"),
        (json!({ "term": { "year": 1980 } }), "3"),
        (json!({ "term": { "year": 1980.5 } }), ""),
        (json!({ "term": { "price": 12.5 } }), "2"),
        (json!({ "term": { "price": 9.99 } }), "1"),
        (json!({ "term": { "price": 7 } }), "3"),
        (json!({ "term": { "in.stock": true } }), "1"),
        (json!({ "term": { "seen": "2024-02-15" } }), "2"),
        (json!({ "term": { "seen": "2024-02" } }), "2"),
        (json!({ "term": { "from": "10.0.0.0/24" } }), "2"),
        (json!({ "term": { "_id": "3" } }), "3"),
        (json!({ "term": { "tags": "art" } }), "1 3"),
        (json!({ "terms": { "year": [1980, 2013] } }), "2 3"),
        (json!({ "terms": { "author.keyword": ["Umberto Eco", "x"] } }), "3"),
        (json!({ "terms": { "title": ["rose", "inferno"] } }), "2 3"),
        (json!({ "range": { "year": { "gte": 2003, "lt": 2013 } } }), "1"),
        (json!({ "range": { "year": { "gt": 2003.5 } } }), "2"),
        (json!({ "range": { "price": { "lte": 9.99 } } }), "1 3"),
        (json!({ "range": { "seen": { "gte": "2024" } } }), "1 2"),
        (json!({ "range": { "seen": { "lte": "2024-01" } } }), "1 3"),
        (json!({ "range": { "seen": { "gt": "2024-01-01||+1M/M" } } }), ""),
        (json!({ "range": { "author.keyword": { "gt": "E" } } }), "3"),
        (json!({ "exists": { "field": "in.stock" } }), "1 2"),
        (json!({ "exists": { "field": "in" } }), "1 2"),
        (json!({ "exists": { "field": "title" } }), "1 2 3"),
        (json!({ "exists": { "field": "tags" } }), "1 3"),
        (json!({ "ids": { "values": ["3", "1", "9"] } }), "1 3"),
        (json!({ "prefix": { "author.keyword": "Dan" } }), "1 2"),
        (json!({ "prefix": { "title": "dan" } }), "2"),
        (
            json!({ "bool": { "must": [{ "match": { "title": "code" } }], "must_not": { "term": { "year": 2003 } } } }),
            "2",
        ),
        (json!({ "bool": { "must_not": { "term": { "year": 2003 } } } }), "2 3"),
        (
            json!({ "bool": { "should": [{ "term": { "year": 2003 } }, { "term": { "year": 1980 } }] } }),
            "1 3",
        ),
        (
            json!({ "bool": { "filter": { "range": { "year": { "gte": 2000 } } }, "should": { "match": { "title": "dante" } } } }),
            "2 1",
        ),
        (json!({ "bool": {} }), "1 2 3"),
        (json!({ "constant_score": { "filter": { "term": { "year": 1980 } } } }), "3"),
        (json!({ "query_string": { "query": "title:code AND year:>2005" } }), "2"),
        (json!({ "query_string": { "query": "dan*" } }), "2 1"),
        (json!({ "query_string": { "query": "inferno" } }), "2"),
        (json!({ "query_string": { "query": "in.stock:true OR year:1980" } }), "1 3"),
    ] {
        let seen = ids(&index, &query);
        let sorted = |text: &str| {
            let mut ids: Vec<&str> = text.split(' ').collect();
            ids.sort_unstable();
            ids.join(" ")
        };
        assert_eq!(sorted(&seen), sorted(expected), "{query}");
        let counted = count(
            &[Arc::clone(&index).into()],
            &Request::read_count(&json!({ "query": query })).unwrap(),
            NOW,
        );
        assert_eq!(counted.unwrap(), expected.split_whitespace().count() as u64, "{query}");
    }
}

#[test]
fn the_better_match_comes_first() {
    let index = library();
    // Shorter, so that the word says more about it.
    assert_eq!(ids(&index, &json!({ "match": { "title": "code" } })), "1 2");
    assert_eq!(ids(&index, &json!({ "match": { "title": { "query": "code dante" } } })), "2 1");
    let boosted = json!({ "bool": { "should": [
        { "term": { "year": { "value": 1980, "boost": 3 } } }, { "term": { "year": 2003 } }
    ]}});
    assert_eq!(ids(&index, &boosted), "3 1");
}

#[test]
fn hits_are_sorted_and_paged() {
    let index = library();
    for (body, expected) in [
        (json!({ "sort": "year" }), "3 1 2"),
        (json!({ "sort": [{ "price": "desc" }] }), "2 1 3"),
        (json!({ "sort": [{ "author.keyword": "asc" }, { "year": "desc" }] }), "2 1 3"),
        (json!({ "sort": [{ "from": "asc" }, "year"] }), "2 3 1"),
        (json!({ "sort": [{ "from": { "order": "asc", "missing": "_first" } }, "year"] }), "3 1 2"),
        (json!({ "sort": [{ "tags": "asc" }, "year"] }), "3 1 2"),
        (json!({ "sort": [{ "tags": "desc" }, "year"] }), "1 3 2"),
        (json!({ "sort": "year", "from": 1, "size": 1 }), "1"),
        (json!({ "sort": { "nope": { "unmapped_type": "long" } } }), "1 2 3"),
        (json!({ "sort": "seen", "query": { "match": { "title": "code" } } }), "1 2"),
        (json!({ "size": 0 }), ""),
    ] {
        assert_eq!(found(&index, &body), expected, "{body}");
    }
    for (sort, reason) in [
        ("nope", "No mapping found for [nope] in order to sort on"),
        ("title", "Text fields are not optimised"),
    ] {
        let request = Request { sort: Key::parse_all(sort).unwrap(), ..Request::default() };
        let failure = search(vec![Arc::clone(&index).into()], &request, NOW).unwrap_err();
        assert!(failure.cause.unwrap().reason.starts_with(reason), "{sort}");
    }
    let request = Request { from: 9_991, ..Request::default() };
    let failure = search(vec![index.into()], &request, NOW).unwrap_err();
    assert!(failure.cause.unwrap().reason.starts_with("Result window is too large, from + size must be less than or equal to: [10000] but was [10001]"));
}

#[test]
fn a_document_is_read_at_once_and_found_after_a_refresh() {
    let index = in_memory(&json!({}));
    write(&index, put("1", r#"{"n":1.10}"#));
    assert_eq!(source(&index, "1").unwrap(), r#"{"n":1.10}"#, "every digit is kept");
    assert_eq!(index.n_searchable(), 0);
    index.refresh(NOW).unwrap();
    assert_eq!(index.n_searchable(), 1);
    assert_eq!(source(&index, "1").unwrap(), r#"{"n":1.10}"#);
    assert_eq!(write(&index, put("1", r#"{"n":2}"#)), "updated 2");
    assert_eq!(write(&index, put("2", r#"{"n":3}"#)), "created 1");
    assert_eq!(write(&index, delete("2")), "deleted 2");
    assert_eq!(write(&index, delete("2")), "not_found 3");
    assert_eq!(source(&index, "2"), None);
    assert_eq!(ids(&index, &json!({ "match_all": {} })), "1");
    assert_eq!(ids(&index, &json!({ "term": { "n": 1.1 } })), "");
}

#[test]
fn the_interval_refreshes_and_forgets() {
    let index = in_memory(&json!({}));
    write(&index, put("1", "{}"));
    assert!(index.is_due(NOW + 1000));
    index.tick(NOW + 1000).unwrap();
    assert_eq!(index.n_searchable(), 1);
    assert!(!index.is_due(NOW + 1001), "nothing new, nothing to do");
    index.tick(NOW + 60_000).unwrap();
    assert!(lock(&index.writer).tantivy.is_none(), "an idle index lets go of its writer");
    write(&index, put("2", "{}"));
    // Each lies in a segment of its own, and nobody promises an order among equals.
    let ids = ids(&index, &json!({ "match_all": {} }));
    let mut ids: Vec<&str> = ids.split(' ').collect();
    ids.sort_unstable();
    assert_eq!(ids, ["1", "2"]);
}

#[test]
fn updates_change_part_of_a_document() {
    let index = in_memory(&json!({}));
    let update = |update: Update| Operation { action: Action::Update(update), ..put("1", "") };
    let doc = |doc: &str| Update { doc: Some(doc.into()), detect_noop: true, ..Update::default() };
    assert_eq!(write(&index, update(doc(r#"{"a":1}"#))), "[1]: document missing");
    assert_eq!(
        write(&index, update(Update { doc_as_upsert: true, ..doc(r#"{"a":1}"#) })),
        "created 1"
    );
    assert_eq!(write(&index, update(doc(r#"{"a":1}"#))), "noop 1");
    assert_eq!(write(&index, update(doc(r#"{"b":{"c":2}}"#))), "updated 2");
    index.refresh(NOW).unwrap();
    assert_eq!(write(&index, update(doc(r#"{"b":{"d":3}}"#))), "updated 3");
    assert_eq!(source(&index, "1").unwrap(), r#"{"a":1,"b":{"c":2,"d":3}}"#);
    assert_eq!(ids(&index, &json!({ "term": { "b.d": 3 } })), "1");
}

#[test]
fn a_deleted_document_comes_back_only_after_it_is_forgotten() {
    let index = in_memory(&json!({}));
    let at = |now_ms, operation| match index.write(vec![operation], now_ms).remove(0) {
        Ok(done) => format!("{} {}", done.outcome.as_str(), done.stamp.version),
        Err(failure) => failure.status.to_string(),
    };
    assert_eq!(at(NOW, external(7, delete("1"))), "not_found 7");
    assert_eq!(at(NOW + 60_000, external(6, put("1", "{}"))), "409");
    assert_eq!(at(NOW + 60_001, external(6, put("1", "{}"))), "created 6");
}

#[test]
fn a_document_that_does_not_fit_leaves_no_trace() {
    let index = in_memory(&json!({ "properties": { "n": { "type": "long" } } }));
    let failure = write(&index, put("1", r#"{"new":"x","n":"abc"}"#));
    assert!(failure.starts_with("failed to parse field [n]"), "{failure}");
    assert!(
        write(&index, put("1", r#"{"mixed":[1,"a"]}"#))
            .starts_with("failed to parse field [mixed]")
    );
    assert_eq!(index.mapping().to_json(), json!({ "properties": { "n": { "type": "long" } } }));
    assert_eq!(source(&index, "1"), None);
    assert_eq!(
        write(&index, put(&"x".repeat(513), "{}")),
        "Validation Failed: 1: id is too long, must be no longer than 512 bytes but was: 513;"
    );
}

#[test]
fn more_text_fields_than_slots_are_no_limit() {
    let folder = tempfile::tempdir().unwrap();
    let index = on_disk(folder.path(), &json!({}));
    for n in 0..40 {
        let text = format!(r#"{{"words{n}":"some words {n}","same":"thing"}}"#);
        assert_eq!(write(&index, put(&n.to_string(), &text)), "created 1");
    }
    for index in [Arc::clone(&index), reopened(folder.path())] {
        for n in [0, 15, 16, 39] {
            let query = json!({ "match": { format!("words{n}"): n.to_string() } });
            assert_eq!(ids(&index, &query), n.to_string());
        }
        let same =
            Request::read_count(&json!({ "query": { "match": { "same": "thing" } } })).unwrap();
        assert_eq!(count(&[index.into()], &same, NOW).unwrap(), 40);
    }
}

/// What a process that dies now would find when it starts again.
fn reopened(folder: &Path) -> Arc<Index> {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder, copy.path());
    let (index, problems) = Index::open(copy.path(), NOW).unwrap();
    assert_eq!(problems, [] as [String; 0]);
    // The files are mapped or held open by now.
    drop(copy);
    index.into()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_at_any_point() {
    let folder = tempfile::tempdir().unwrap();
    let index = on_disk(folder.path(), &json!({ "gc_deletes": "1h" }));
    let check = |n: u64, at: &str| {
        let index = reopened(folder.path());
        assert_eq!(index.n_documents() as u64, n - n / 3, "{at} {n}");
        for id in 0..n {
            let expected = (id % 3 != 2).then(|| format!(r#"{{"n":{id}}}"#));
            assert_eq!(source(&index, &id.to_string()), expected, "{at} {id}");
        }
        index.refresh(NOW).unwrap();
        assert_eq!(index.n_searchable(), n - n / 3, "{at} {n}");
        // Versions and deletes survive as well.
        assert!(
            write(&index, external(5, put("0", "{}"))).contains("current version [10]"),
            "{at}"
        );
        assert!(
            write(&index, external(19, put("2", "{}"))).contains("current version [20]"),
            "{at}"
        );
    };
    for n in 0..12 {
        let id = n.to_string();
        write(&index, external(10, put(&id, &format!(r#"{{"n":{n}}}"#))));
        if n % 3 == 2 {
            write(&index, external(20, delete(&id)));
            check(n + 1, "written");
        }
        match n {
            4 => index.refresh(NOW).unwrap(),
            5 | 9 => index.checkpoint(NOW).unwrap(),
            7 => index.force_merge(NOW).unwrap(),
            _ => {}
        }
        if n % 3 == 2 {
            check(n + 1, "maintained");
        }
    }
}

#[test]
fn a_half_written_record_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let index = on_disk(folder.path(), &json!({}));
    write(&index, put("1", r#"{"a":1}"#));
    let journal = folder.path().join("journal-0");
    let whole = fs::read(&journal).unwrap().len();
    write(&index, put("2", r#"{"a":2}"#));
    let bytes = fs::read(&journal).unwrap();
    for cut in [whole, whole + 1, whole + 12, bytes.len() - 1, bytes.len()] {
        fs::write(&journal, &bytes[..cut]).unwrap();
        let index = reopened(folder.path());
        assert!(source(&index, "1").is_some());
        assert_eq!(source(&index, "2").is_some(), cut == bytes.len(), "{cut}");
    }
}

#[test]
fn damage_in_the_journal_is_reported_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let index = on_disk(folder.path(), &json!({}));
    write(&index, put("1", r#"{"a":1}"#));
    let at = fs::read(folder.path().join("journal-0")).unwrap().len();
    write(&index, put("2", r#"{"a":2}"#));
    write(&index, put("3", r#"{"a":3}"#));
    let mut bytes = fs::read(folder.path().join("journal-0")).unwrap();
    bytes[at + 20] ^= 0xFF;
    fs::write(folder.path().join("journal-0"), bytes).unwrap();
    drop(index);
    let (index, problems) = Index::open(folder.path(), NOW).unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(source(&index, "1").is_some() && source(&index, "3").is_some());
    assert_eq!(source(&index, "2"), None);
}

#[test]
fn mapping_and_settings_survive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let index = on_disk(folder.path(), &json!({}));
    write(&index, put("1", r#"{"title":"x","n":1}"#));
    index.put_settings(&Settings::read(&json!({ "refresh_interval": "-1" })).unwrap()).unwrap();
    let addition = json!({ "properties": { "added": { "type": "keyword" } } });
    index.put_mapping(Mapping::read(&addition).unwrap()).unwrap();
    let again = reopened(folder.path());
    assert_eq!(again.mapping(), index.mapping());
    assert_eq!(again.settings(), index.settings());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the order in which external versions arrive, and whatever happens in between, the
    /// index ends up with the highest version of every document.
    #[test]
    fn the_highest_version_is_what_remains(writes in prop::collection::vec((0..4u8, 1..30u64, any::<bool>()), 1..40), pauses in prop::collection::vec(0..4u8, 40)) {
        check_the_highest_version_remains(&writes, &pauses)?;
    }
}

fn check_the_highest_version_remains(writes: &[(u8, u64, bool)], pauses: &[u8]) -> TestCaseResult {
    let folder = tempfile::tempdir().unwrap();
    let mut index = on_disk(folder.path(), &json!({ "translog.durability": "async" }));
    for ((id, version, is_delete), pause) in writes.iter().zip(pauses) {
        let text = format!(r#"{{"v":{version}}}"#);
        let id = id.to_string();
        let operation = if *is_delete { delete(&id) } else { put(&id, &text) };
        write(&index, external(*version, operation));
        match pause {
            0 => index.refresh(NOW).unwrap(),
            1 => index.checkpoint(NOW).unwrap(),
            2 => index = reopened(folder.path()).keep(folder.path()),
            _ => {}
        }
    }
    index.refresh(NOW).unwrap();
    let mut n_live = 0;
    for id in 0..4u8 {
        let of_id = writes.iter().filter(|it| it.0 == id);
        let highest = of_id.fold(None, |best: Option<&(u8, u64, bool)>, it| match best {
            Some(best) if it.1 <= best.1 => Some(best),
            _ => Some(it),
        });
        let expected = highest.filter(|it| !it.2).map(|it| format!(r#"{{"v":{}}}"#, it.1));
        n_live += u64::from(expected.is_some());
        prop_assert_eq!(source(&index, &id.to_string()), expected);
    }
    prop_assert_eq!(index.n_searchable(), n_live);
    Ok(())
}

impl Index {
    /// Opens the folder in earnest, after a look at a copy of it.
    fn keep(&self, folder: &Path) -> Arc<Index> {
        let (index, _) = Index::open(folder, NOW).unwrap();
        assert_eq!(index.n_documents(), self.n_documents());
        index.into()
    }
}
