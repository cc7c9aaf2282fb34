//! A data directory that is opened again, after a clean end and after none.

use std::{fs, path::Path};

use serde_json::json;

use crate::endpoint::Endpoint;

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
fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::on(Some(folder.path()));
    endpoint.check(&[
        (r#"PUT /books {"settings":{"gc_deletes":"1h"},"aliases":{"book1":{}}}"#, 200, json!(null)),
        (r#"PUT /_index_template/t {"index_patterns":["t*"]}"#, 200, json!(null)),
    ]);
    for n in 0..20 {
        endpoint.call(
            "PUT",
            &format!("/books/_doc/{n}"),
            &format!(r#"{{"n":{n},"title":"number {n}"}}"#),
        );
        if n % 5 == 4 {
            endpoint
                .ask(&format!("DELETE /books/_doc/{n}?version={}&version_type=external", 100 + n));
        }
        if n == 9 {
            endpoint.ask("POST /books/_flush");
        }
    }
    endpoint.check(&[("PUT /gone", 200, json!(null)), ("DELETE /gone", 200, json!(null))]);

    // The folder as it is now is what a process that is killed leaves behind.
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), copy.path());
    let story = [
        ("GET /book1/_count", 200, json!({ "count": 16 })),
        ("GET /books/_doc/13", 200, json!({ "_version": 1, "_source": { "title": "number 13" } })),
        ("GET /books/_doc/14", 404, json!(null)),
        (r#"PUT /books/_doc/14?version=113&version_type=external {}"#, 409, json!(null)),
        ("GET /books/_search?q=title:7", 200, json!({ "hits": { "hits": [{ "_id": "7" }] } })),
        (
            "GET /books",
            200,
            json!({ "books": { "aliases": { "book1": {} }, "mappings": { "properties": { "n": { "type": "long" } } } } }),
        ),
        ("GET /_index_template/t", 200, json!(null)),
        ("HEAD /gone", 404, json!(null)),
    ];
    let crashed = Endpoint::on(Some(copy.path()));
    crashed.check(&story);
    endpoint.close();
    let closed = Endpoint::on(Some(folder.path()));
    closed.check(&story);
}

#[test]
fn a_folder_that_cannot_be_used_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("catalog.json"), "nonsense").unwrap();
    let error =
        local::opensearch::OpenSearch::open(Some(folder.path()), Default::default()).unwrap_err();
    assert!(error.to_string().contains("move it away to start with no indices"), "{error}");
}
