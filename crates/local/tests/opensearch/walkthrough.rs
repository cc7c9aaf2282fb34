//! The walkthrough of the first seed: an index, an item, its change, its end.

use serde_json::json;

use crate::endpoint::Endpoint;

#[test]
fn a_book_is_inserted_changed_and_removed() {
    let endpoint = Endpoint::start();
    endpoint.check(&[
        ("GET /", 200, json!({ "version": { "distribution": "opensearch", "number": "2.19.2" }, "tagline": "The OpenSearch Project: https://opensearch.org/" })),
        (r#"PUT /books {"settings":{"index":{"number_of_shards":2}},"aliases":{"book1":{}}}"#, 200, json!({ "acknowledged": true, "shards_acknowledged": true, "index": "books" })),
        (r#"PUT /books {}"#, 400, json!({ "error": { "type": "resource_already_exists_exception", "index": "books" }, "status": 400 })),
    ]);
    let insert = endpoint.bulk("/_bulk?refresh=true", &[
        r#"{"index":{"_index":"books","_id":"Dan Brown|The DaVinci code","version":1700000000000001,"version_type":"external"}}"#,
        r#"{"author":"Dan Brown","bookTitle":"The DaVinci code"}"#,
    ]);
    assert_eq!(insert.json()["errors"], false, "{}", insert.text);
    endpoint.check(&[
        (r#"GET /book1/_search?q=davinci"#, 200, json!({ "hits": { "total": { "value": 1, "relation": "eq" }, "hits": [{ "_index": "books", "_id": "Dan Brown|The DaVinci code", "_source": { "author": "Dan Brown" } }] }, "_shards": { "total": 2 } })),
        (r#"GET /books/_doc/Dan%20Brown%7CThe%20DaVinci%20code"#, 200, json!({ "found": true, "_version": 1_700_000_000_000_001_u64 })),
    ]);
    endpoint.bulk("/_bulk?refresh=true", &[
        r#"{"index":{"_index":"books","_id":"Dan Brown|The DaVinci code","version":1700000000000002,"version_type":"external"}}"#,
        r#"{"author":"Dan Brown","bookTitle":"The DaVinci code","subTitle":"Volume-1"}"#,
    ]);
    endpoint.check(&[
        (
            r#"POST /books/_search {"query":{"match":{"subTitle":"volume"}}}"#,
            200,
            json!({ "hits": { "hits": [{ "_source": { "subTitle": "Volume-1" } }] } }),
        ),
        (
            r#"GET /books/_search?q=subTitle:Volume-1"#,
            200,
            json!({ "hits": { "total": { "value": 1 } } }),
        ),
    ]);
    endpoint.bulk("/_bulk?refresh=true", &[
        r#"{"delete":{"_index":"books","_id":"Dan Brown|The DaVinci code","version":1700000000000003,"version_type":"external"}}"#,
    ]);
    endpoint.check(&[
        ("GET /books/_count", 200, json!({ "count": 0 })),
        ("GET /book1/_search", 200, json!({ "hits": { "total": { "value": 0 }, "max_score": null, "hits": [] } })),
        ("GET /_cat/indices?h=index,docs.count", 200, json!(null)),
        ("DELETE /books", 200, json!({ "acknowledged": true })),
        ("GET /books/_search", 404, json!({ "error": { "type": "index_not_found_exception", "reason": "no such index [books]", "resource.type": "index_or_alias" } })),
    ]);
}

#[test]
fn what_was_written_is_found_within_a_second_or_so() {
    let endpoint = Endpoint::start();
    endpoint.check(&[(
        r#"PUT /books/_doc/1 {"title":"Inferno"}"#,
        201,
        json!({ "result": "created" }),
    )]);
    let found = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        endpoint.ask("GET /books/_count").json()["count"] == 1
    });
    assert!(found, "five seconds were not enough");
}

#[test]
fn the_wire_follows_the_rules() {
    let endpoint = Endpoint::start();
    let reply =
        endpoint.send("PUT", "/books/_doc/1", "content-type: text/plain\r\n", b"{}").unwrap();
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (406, r#"{"error":"Content-Type header [text/plain] is not supported","status":406}"#)
    );
    let reply = endpoint.send("PUT", "/books/_doc/1", "", b"{}").unwrap();
    assert_eq!(reply.json()["error"], "Content-Type header is missing");
    let reply = endpoint.send("HEAD", "/", "x-opaque-id: 7\r\n", b"").unwrap();
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    assert!(reply.head.contains("x-opaque-id: 7"), "{}", reply.head);
    let head = "content-type: application/json\r\ncontent-length: 104857601\r\n";
    let large = endpoint.send("POST", "/_bulk", head, b"").map_or(413, |it| it.status);
    assert_eq!(large, 413);
    let pretty = endpoint.ask("GET /_cluster/health?pretty&filter_path=status,timed_out");
    assert_eq!(pretty.text, "{\n  \"status\" : \"green\",\n  \"timed_out\" : false\n}\n");
    endpoint.check(&[
        ("GET /books/_serch", 400, json!({ "error": "no handler found for uri [/books/_serch] and method [GET]" })),
        ("POST /books/_settings {}", 405, json!({ "status": 405 })),
        ("GET /_search?zzz=1", 400, json!({ "error": { "type": "illegal_argument_exception", "reason": "request [/_search] contains unrecognized parameter: [zzz]" } })),
        ("POST /_search {", 400, json!({ "error": { "type": "json_parse_exception" } })),
    ]);
}
