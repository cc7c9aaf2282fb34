//! Indices, mappings, settings, aliases, templates, and what `_cat` and `_cluster` say of them.

use serde_json::json;

use crate::endpoint::Endpoint;

#[test]
fn an_index_shows_what_it_was_given() {
    Endpoint::start().check(&[
        (r#"PUT /books {"settings":{"number_of_shards":2,"refresh_interval":"5s"},"mappings":{"properties":{"a":{"type":"keyword"}}},"aliases":{"book1":{"is_write_index":true}}}"#, 200, json!(null)),
        ("GET /books", 200, json!({ "books": {
            "aliases": { "book1": { "is_write_index": true } },
            "mappings": { "properties": { "a": { "type": "keyword" } } },
            "settings": { "index": { "number_of_shards": "2", "number_of_replicas": "1", "refresh_interval": "5s", "provided_name": "books" } },
        }})),
        ("GET /book1/_mapping", 200, json!({ "books": { "mappings": { "properties": { "a": { "type": "keyword" } } } } })),
        (r#"PUT /books/_mapping {"properties":{"b":{"type":"long"}}}"#, 200, json!({ "acknowledged": true })),
        (r#"PUT /books/_mapping {"properties":{"a":{"type":"text"}}}"#, 400, json!({ "error": { "type": "illegal_argument_exception", "reason": "mapper [a] cannot be changed from type [keyword] to [text]" } })),
        (r#"PUT /books/_settings {"index":{"refresh_interval":"1s"}}"#, 200, json!({ "acknowledged": true })),
        (r#"PUT /books/_settings {"number_of_shards":3}"#, 400, json!({ "error": { "type": "illegal_argument_exception" } })),
        ("GET /books/_settings/index.refresh*", 200, json!({ "books": { "settings": { "index": { "refresh_interval": "1s" } } } })),
        ("GET /books/_settings?flat_settings=true", 200, json!({ "books": { "settings": { "index.number_of_shards": "2" } } })),
        (r#"PUT /cars {"mapings":{}}"#, 400, json!({ "error": { "type": "parse_exception", "reason": "unknown key [mapings] for create index" } })),
        (r#"PUT /cars {"settings":{"index.nope":1}}"#, 400, json!(null)),
        ("HEAD /cars", 404, json!(null)),
        ("PUT /_cars", 400, json!(null)),
        ("GET /zz*", 200, json!({})),
        ("GET /zz", 404, json!({ "error": { "root_cause": [{ "type": "index_not_found_exception" }] } })),
        ("GET /zz*/_search", 200, json!({ "_shards": { "total": 0 }, "hits": { "max_score": 0.0, "hits": [] } })),
        ("DELETE /book1", 400, json!({ "error": { "reason": "The provided expression [book1] matches an alias, specify the corresponding concrete indices instead." } })),
        ("DELETE /books,zz", 404, json!(null)),
        ("DELETE /bo*", 200, json!({ "acknowledged": true })),
        ("HEAD /books", 404, json!(null)),
    ]);
}

#[test]
fn a_write_block_blocks_writes() {
    Endpoint::start().check(&[
        ("PUT /books", 200, json!(null)),
        (r#"PUT /books/_settings {"index.blocks.write":true}"#, 200, json!(null)),
        (r#"PUT /books/_doc/1 {}"#, 403, json!({ "error": { "type": "cluster_block_exception", "reason": "index [books] blocked by: [FORBIDDEN/8/index write (api)];" } })),
        (r#"PUT /books/_settings {"index.blocks.write":null}"#, 200, json!(null)),
        (r#"PUT /books/_doc/1 {}"#, 201, json!(null)),
        (r#"PUT /books/_settings {"index.blocks.read_only_allow_delete":true}"#, 200, json!(null)),
        (r#"PUT /books/_doc/1 {}"#, 429, json!(null)),
        ("DELETE /books/_doc/1", 200, json!(null)),
    ]);
}

#[test]
fn an_alias_is_swapped_at_once() {
    Endpoint::start().check(&[
        ("PUT /books-1", 200, json!(null)),
        ("PUT /books-2", 200, json!(null)),
        (r#"PUT /books-1/_doc/1?refresh=true {"v":1,"kind":"a"}"#, 201, json!(null)),
        (r#"PUT /books-2/_doc/1?refresh=true {"v":2,"kind":"b"}"#, 201, json!(null)),
        ("PUT /books-1/_alias/books", 200, json!({ "acknowledged": true })),
        ("GET /books/_source/1", 200, json!({ "v": 1 })),
        (r#"POST /_aliases {"actions":[{"add":{"index":"books-2","alias":"books"}},{"remove":{"index":"books-1","alias":"books"}}]}"#, 200, json!({ "acknowledged": true })),
        ("GET /books/_source/1", 200, json!({ "v": 2 })),
        ("GET /_alias/books", 200, json!({ "books-2": { "aliases": { "books": {} } } })),
        ("GET /_alias/nope", 404, json!({ "error": "alias [nope] missing", "status": 404 })),
        ("HEAD /_alias/books", 200, json!(null)),
        ("HEAD /_alias/nope", 404, json!(null)),
        (r#"POST /_aliases {"actions":[{"remove":{"index":"books-1","alias":"nope"}}]}"#, 404, json!({ "error": { "type": "aliases_not_found_exception" } })),
        (r#"POST /_aliases {"actions":[]}"#, 400, json!(null)),
        (r#"PUT /books-*/_alias/all {"filter":{"term":{"kind.keyword":"a"}}}"#, 200, json!(null)),
        ("GET /all/_count", 200, json!({ "count": 1 })),
        ("GET /all/_search", 200, json!({ "hits": { "hits": [{ "_index": "books-1" }] } })),
        ("GET /books-*/_count", 200, json!({ "count": 2 })),
        ("PUT /books", 400, json!({ "error": { "reason": "Invalid index name [books], already exists as alias" } })),
        (r#"PUT /all/_doc/2 {}"#, 400, json!(null)),
        ("DELETE /books-2/_alias/books", 200, json!(null)),
        ("GET /books/_source/1", 404, json!(null)),
    ]);
}

#[test]
fn templates_shape_new_indices() {
    Endpoint::start().check(&[
        (r#"PUT /_component_template/base {"template":{"mappings":{"properties":{"id":{"type":"keyword"}}}}}"#, 200, json!({ "acknowledged": true })),
        (r#"PUT /_index_template/books {"index_patterns":["books*"],"priority":10,"composed_of":["base"],"template":{"settings":{"number_of_shards":2},"aliases":{"library":{}}}}"#, 200, json!(null)),
        ("GET /_index_template/books", 200, json!({ "index_templates": [{ "name": "books", "index_template": { "priority": 10 } }] })),
        ("GET /_index_template/nope", 404, json!({ "error": { "type": "resource_not_found_exception" } })),
        ("HEAD /_index_template/books", 200, json!(null)),
        ("HEAD /_index_template/nope", 404, json!(null)),
        (r#"PUT /books-1/_doc/1 {"id":"x","n":1}"#, 201, json!(null)),
        ("GET /books-1", 200, json!({ "books-1": { "aliases": { "library": {} }, "settings": { "index": { "number_of_shards": "2" } }, "mappings": { "properties": { "id": { "type": "keyword" }, "n": { "type": "long" } } } } })),
        ("POST /_index_template/_simulate_index/books-9", 200, json!({ "template": { "mappings": { "properties": { "id": { "type": "keyword" } } } } })),
        (r#"PUT /_index_template/bad {"index_patterns":["x"],"template":{"mappings":{"properties":{"a":{"type":"nope"}}}}}"#, 400, json!(null)),
        (r#"PUT /_template/old {"index_patterns":["old*"],"settings":{"number_of_replicas":0}}"#, 200, json!(null)),
        ("GET /_template/old", 200, json!({ "old": { "order": 0, "index_patterns": ["old*"], "settings": { "index": { "number_of_replicas": "0" } } } })),
        ("GET /_template/nope", 404, json!({})),
        ("PUT /old-1", 200, json!(null)),
        ("GET /_cluster/health/old-1", 200, json!({ "status": "green" })),
        ("DELETE /_index_template/books", 200, json!(null)),
        ("DELETE /_index_template/books", 404, json!({ "error": { "type": "index_template_missing_exception" } })),
    ]);
}

#[test]
fn the_cluster_says_how_it_is() {
    let endpoint = Endpoint::start();
    endpoint.check(&[
        ("GET /_cluster/health", 200, json!({ "status": "green", "number_of_nodes": 1, "active_primary_shards": 0 })),
        (r#"PUT /books/_doc/1?refresh=true {"a":1}"#, 201, json!(null)),
        ("GET /_cluster/health?level=indices", 200, json!({ "status": "yellow", "indices": { "books": { "status": "yellow" } } })),
        ("GET /_cluster/health?wait_for_status=yellow", 200, json!({ "timed_out": false })),
        ("GET /_cluster/health?wait_for_status=green&timeout=1s", 408, json!({ "timed_out": true })),
        ("GET /_cluster/settings", 200, json!({ "persistent": {}, "transient": {} })),
        ("GET /_nodes?filter_path=nodes.*.version,nodes.*.http.publish_address", 200, json!(null)),
        ("GET /_cat/indices?format=json", 200, json!([{ "health": "yellow", "status": "open", "index": "books", "pri": "1", "rep": "1", "docs.count": "1", "docs.deleted": "0" }])),
        ("GET /_cat/count/books?format=json&h=count", 200, json!([{ "count": "1" }])),
        ("GET /_cat/health?format=json&h=status", 200, json!([{ "status": "yellow" }])),
        ("GET /books/_stats", 200, json!({ "_all": { "primaries": { "docs": { "count": 1 } } } })),
        ("POST /books/_flush", 200, json!({ "_shards": { "failed": 0 } })),
        ("POST /books/_forcemerge?max_num_segments=1", 200, json!({ "_shards": { "failed": 0 } })),
        (r#"POST /_analyze {"text":"The DaVinci's code-2"}"#, 200, json!({ "tokens": [
            { "token": "the", "start_offset": 0, "end_offset": 3, "type": "<ALPHANUM>", "position": 0 },
            { "token": "davinci's", "position": 1 }, { "token": "code", "position": 2 }, { "token": "2", "type": "<NUM>", "position": 3 }] })),
    ]);
    let cat = endpoint.ask("GET /_cat/indices?v&h=health,index,docs.count").text;
    assert_eq!(cat, "health index docs.count\nyellow books          1\n");
}
