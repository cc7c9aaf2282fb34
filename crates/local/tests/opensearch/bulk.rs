//! Many writes in one request.

use serde_json::json;

use crate::endpoint::{Endpoint, difference};

#[track_caller]
fn check_items(endpoint: &Endpoint, lines: &[&str], expected: &serde_json::Value) {
    let seen = endpoint.bulk("/_bulk", lines).json();
    if let Some(place) = difference(expected, &seen) {
        panic!("at {place}\nexpected {expected}\nseen     {seen}");
    }
}

#[test]
fn items_are_answered_in_order_and_each_for_itself() {
    let endpoint = Endpoint::start();
    check_items(
        &endpoint,
        &[
            r#"{"index":{"_index":"books","_id":"1"}}"#,
            r#"{"n":1}"#,
            r#"{"create":{"_index":"books","_id":"1"}}"#,
            r#"{"n":2}"#,
            r#"{"update":{"_index":"books","_id":"1"}}"#,
            r#"{"doc":{"m":3}}"#,
            r#"{"index":{"_index":"books","_id":"2"}}"#,
            r#"{"n":"abc"}"#,
            r#"{"delete":{"_index":"books","_id":"9"}}"#,
            r#"{"delete":{"_index":"nope","_id":"9"}}"#,
            r#"{"index":{"_index":"Bad","_id":"9"}}"#,
            r#"{}"#,
            r#"{"index":{"_index":"books"}}"#,
            r#"{"n":4}"#,
            r#"{"delete":{"_index":"books","_id":"1"}}"#,
        ],
        &json!({ "errors": true, "items": [
            { "index": { "_index": "books", "_id": "1", "_version": 1, "result": "created", "status": 201, "_seq_no": 0, "_primary_term": 1 } },
            { "create": { "_id": "1", "status": 409, "error": { "type": "version_conflict_engine_exception", "index": "books", "shard": "0" } } },
            { "update": { "_id": "1", "_version": 2, "result": "updated", "status": 200 } },
            { "index": { "_id": "2", "status": 400, "error": { "type": "mapper_parsing_exception" } } },
            { "delete": { "_id": "9", "_version": 1, "result": "not_found", "status": 404 } },
            { "delete": { "_index": "nope", "status": 404, "error": { "type": "index_not_found_exception" } } },
            { "index": { "_index": "Bad", "status": 400, "error": { "type": "invalid_index_name_exception" } } },
            { "index": { "status": 201, "result": "created" } },
            { "delete": { "_id": "1", "_version": 3, "result": "deleted", "status": 200 } },
        ]}),
    );
    // A delete of what is not there is no error.
    check_items(
        &endpoint,
        &[r#"{"delete":{"_index":"books","_id":"9"}}"#],
        &json!({ "errors": false }),
    );
}

#[test]
fn external_versions_decide() {
    let endpoint = Endpoint::start();
    let index = |version: u64, kind: &str| {
        format!(
            r#"{{"index":{{"_index":"books","_id":"id","version":{version},"version_type":"{kind}"}}}}"#
        )
    };
    let delete = |version: u64| {
        format!(
            r#"{{"delete":{{"_index":"books","_id":"id","version":"{version}","version_type":"external"}}}}"#
        )
    };
    let lines = [
        index(10, "external"),
        "{}".into(),
        index(10, "external"),
        "{}".into(),
        index(10, "external_gte"),
        "{}".into(),
        index(9, "external_gte"),
        "{}".into(),
        delete(9),
        delete(12),
        index(11, "external"),
        "{}".into(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check_items(
        &endpoint,
        &lines,
        &json!({ "errors": true, "items": [
            { "index": { "status": 201, "_version": 10, "result": "created" } },
            { "index": { "status": 409, "error": { "reason": "[id]: version conflict, current version [10] is higher or equal to the one provided [10]" } } },
            { "index": { "status": 200, "_version": 10, "result": "updated" } },
            { "index": { "status": 409, "error": { "reason": "[id]: version conflict, current version [10] is higher than the one provided [9]" } } },
            { "delete": { "status": 409 } },
            { "delete": { "status": 200, "_version": 12, "result": "deleted" } },
            { "index": { "status": 409, "error": { "reason": "[id]: version conflict, current version [12] is higher or equal to the one provided [11]" } } },
        ]}),
    );
    // Only a delete with a version makes an index, to remember it in.
    check_items(
        &endpoint,
        &[r#"{"delete":{"_index":"new","_id":"1","version":5,"version_type":"external"}}"#],
        &json!({ "errors": false, "items": [{ "delete": { "result": "not_found", "status": 404, "_version": 5 } }] }),
    );
}

#[test]
fn a_request_that_makes_no_sense_does_nothing() {
    let endpoint = Endpoint::start();
    let headers = "content-type: application/x-ndjson\r\n";
    for (body, reason) in [
        ("", "request body is required"),
        (
            "{\"index\":{\"_index\":\"books\"}}\n{}",
            "The bulk request must be terminated by a newline [\\n]",
        ),
        (
            "{\"index\":{\"_index\":\"books\"}}\n",
            "The bulk request must be terminated by a newline [\\n]",
        ),
        (
            "{\"idx\":{}}\n{}\n",
            "Malformed action/metadata line [1], expected field [create], [delete], [index] or [update] but found [idx]",
        ),
        (
            "[]\n",
            "Malformed action/metadata line [1], expected START_OBJECT but found [START_ARRAY]",
        ),
        ("{\"index\":{}}\n{}\n", "Validation Failed: 1: index is missing;"),
        (
            "{\"index\":{\"_index\":\"books\",\"_idd\":1}}\n{}\n",
            "Action/metadata line [1] contains an unknown parameter [_idd]",
        ),
        (
            "{\"update\":{\"_index\":\"books\",\"_id\":\"1\",\"version\":1,\"version_type\":\"external\"}}\n{\"doc\":{}}\n",
            "Validation Failed: 1: Update requests do not support versioning. Please use `if_seq_no` and `if_primary_term` instead;",
        ),
        (
            "{\"index\":{\"_index\":\"books\",\"_id\":\"1\",\"version\":-1,\"version_type\":\"external\"}}\n{}\n",
            "Validation Failed: 1: illegal version value [-1] for version type [EXTERNAL];",
        ),
        ("{\"delete\":{\"_index\":\"books\"}}\n", "Validation Failed: 1: id is missing;"),
    ] {
        let reply = endpoint.send("POST", "/_bulk", headers, body.as_bytes()).unwrap();
        assert_eq!(reply.status, 400, "{body}");
        assert_eq!(reply.json()["error"]["reason"], reason, "{body}");
    }
    endpoint.check(&[("HEAD /books", 404, json!(null))]);
}

#[test]
fn a_large_request_is_taken_and_found() {
    let endpoint = Endpoint::start();
    let mut body = String::new();
    for n in 0..5000 {
        body.push_str(&format!(
            "{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"n\":{n},\"text\":\"number {n}\"}}\n"
        ));
    }
    let headers = "content-type: application/x-ndjson\r\n";
    let reply = endpoint
        .send("POST", "/books/_bulk?refresh=wait_for", headers, body.as_bytes())
        .unwrap()
        .json();
    assert_eq!(reply["errors"], false);
    assert_eq!(reply["items"].as_array().unwrap().len(), 5000);
    assert_eq!(reply["items"][4999]["index"]["_id"], "4999");
    endpoint.check(&[
        ("GET /books/_count", 200, json!({ "count": 5000 })),
        ("GET /books/_search?q=text:4242", 200, json!({ "hits": { "hits": [{ "_id": "4242" }] } })),
    ]);
}
