//! One document at a time.

use serde_json::json;

use crate::endpoint::Endpoint;

#[test]
fn a_document_lives() {
    Endpoint::start().check(&[
        ("GET /books/_doc/1", 404, json!({ "error": { "type": "index_not_found_exception", "resource.type": "index_expression" } })),
        (r#"PUT /books/_doc/1 {"n":1.10}"#, 201, json!({ "_index": "books", "_id": "1", "_version": 1, "result": "created", "_shards": { "total": 2, "successful": 1, "failed": 0 }, "_seq_no": 0, "_primary_term": 1 })),
        ("GET /books/_doc/1", 200, json!({ "_index": "books", "_id": "1", "_version": 1, "_seq_no": 0, "_primary_term": 1, "found": true, "_source": { "n": 1.10 } })),
        (r#"PUT /books/_doc/1?refresh=true {"n":2,"o":{"x":1}}"#, 200, json!({ "_version": 2, "result": "updated", "forced_refresh": true })),
        ("HEAD /books/_doc/1", 200, json!(null)),
        ("GET /books/_source/1", 200, json!({ "n": 2 })),
        ("GET /books/_doc/1?_source=o.x", 200, json!({ "_source": { "o": { "x": 1 } } })),
        ("GET /books/_doc/1?_source=false", 200, json!({ "found": true })),
        (r#"PUT /books/_create/1 {}"#, 409, json!({ "error": { "type": "version_conflict_engine_exception", "reason": "[1]: version conflict, document already exists (current version [2])", "index": "books", "shard": "0" }, "status": 409 })),
        (r#"PUT /books/_doc/1?if_seq_no=99&if_primary_term=1 {}"#, 409, json!({ "error": { "reason": "[1]: version conflict, required seqNo [99], primary term [1]. current document has seqNo [1] and primary term [1]" } })),
        (r#"PUT /books/_doc/1?version=3 {}"#, 400, json!({ "error": { "type": "action_request_validation_exception" } })),
        ("DELETE /books/_doc/1", 200, json!({ "result": "deleted", "_version": 3 })),
        ("DELETE /books/_doc/1", 404, json!({ "result": "not_found", "_version": 4 })),
        ("GET /books/_doc/1", 404, json!({ "_index": "books", "_id": "1", "found": false })),
        ("HEAD /books/_doc/1", 404, json!(null)),
        ("GET /books/_source/1", 404, json!({ "error": { "type": "resource_not_found_exception", "reason": "Document not found [books]/[1]" } })),
        ("DELETE /cars/_doc/1", 404, json!({ "error": { "type": "index_not_found_exception" } })),
        ("HEAD /cars", 404, json!(null)),
        ("DELETE /cars/_doc/1?version=7&version_type=external", 404, json!({ "result": "not_found", "_version": 7 })),
        ("HEAD /cars", 200, json!(null)),
        (r#"PUT /cars/_doc/1?version=6&version_type=external {}"#, 409, json!({ "error": { "reason": "[1]: version conflict, current version [7] is higher or equal to the one provided [6]" } })),
        ("PUT /books/_doc/1", 400, json!({ "error": { "type": "parse_exception", "reason": "request body is required" } })),
        (r#"PUT /Books/_doc/1 {}"#, 400, json!({ "error": { "type": "invalid_index_name_exception", "reason": "Invalid index name [Books], must be lowercase" } })),
    ]);
}

#[test]
fn every_digit_of_a_source_is_kept() {
    let endpoint = Endpoint::start();
    let source = r#"{"n":1.10,"big":123456789012345678901234567890.5,"s":"\u00e9","e":1E3}"#;
    for path in ["/books/_doc/1", "/books/_doc/1?refresh=true"] {
        endpoint.call("PUT", path, source);
        assert_eq!(endpoint.ask("GET /books/_source/1").text, source);
    }
    let hits = endpoint.ask("GET /books/_search?filter_path=hits.hits._source").text;
    assert_eq!(hits, format!(r#"{{"hits":{{"hits":[{{"_source":{source}}}]}}}}"#));
}

#[test]
fn part_of_a_document_changes() {
    Endpoint::start().check(&[
        (r#"POST /books/_update/1 {"doc":{"a":1}}"#, 404, json!({ "error": { "type": "document_missing_exception", "reason": "[1]: document missing" } })),
        (r#"POST /books/_update/1 {"doc":{"a":1},"doc_as_upsert":true}"#, 201, json!({ "result": "created" })),
        (r#"POST /books/_update/1 {"doc":{"a":1}}"#, 200, json!({ "result": "noop", "_version": 1, "_shards": { "total": 0, "successful": 0, "failed": 0 } })),
        (r#"POST /books/_update/1?_source=true {"doc":{"b":{"c":2}}}"#, 200, json!({ "result": "updated", "_version": 2, "get": { "found": true, "_source": { "a": 1, "b": { "c": 2 } } } })),
        (r#"POST /books/_update/2 {"doc":{"a":1},"upsert":{"z":9}}"#, 201, json!({ "result": "created" })),
        ("GET /books/_source/2", 200, json!({ "z": 9 })),
        (r#"POST /books/_update/1?version=1 {"doc":{}}"#, 400, json!(null)),
        (r#"POST /books/_update/1 {"dok":{}}"#, 400, json!({ "error": { "reason": "[UpdateRequest] unknown field [dok]" } })),
        (r#"POST /books/_update/1 {}"#, 400, json!({ "error": { "reason": "Validation Failed: 1: script or doc is missing;" } })),
        (r#"POST /_mget {"docs":[{"_index":"books","_id":"1"},{"_index":"books","_id":"9"},{"_index":"nope","_id":"1"}]}"#, 200, json!({ "docs": [{ "found": true, "_source": { "a": 1 } }, { "found": false }, { "error": { "type": "index_not_found_exception" } }] })),
        (r#"GET /books/_mget {"ids":["2","1"]}"#, 200, json!({ "docs": [{ "_id": "2" }, { "_id": "1" }] })),
    ]);
}

#[test]
fn a_document_that_does_not_fit_is_refused() {
    Endpoint::start().check(&[
        (r#"PUT /books {"mappings":{"dynamic":"strict","properties":{"i":{"type":"long"},"t":{"type":"text"}}}}"#, 200, json!(null)),
        (r#"PUT /books/_doc/3 {"i":"abc"}"#, 400, json!({ "error": { "type": "mapper_parsing_exception", "reason": "failed to parse field [i] of type [long] in document with id '3'. Preview of field's value: 'abc'", "caused_by": { "type": "illegal_argument_exception", "reason": "For input string: \"abc\"" } } })),
        (r#"PUT /books/_doc/3 {"t":{"x":1}}"#, 400, json!({ "error": { "caused_by": { "type": "illegal_state_exception" } } })),
        (r#"PUT /books/_doc/3 {"new":1}"#, 400, json!({ "error": { "type": "strict_dynamic_mapping_exception", "reason": "mapping set to strict, dynamic introduction of [new] within [_doc] is not allowed" } })),
        (r#"PUT /books/_doc/3 []"#, 400, json!({ "error": { "type": "mapper_parsing_exception" } })),
        ("GET /books/_doc/3", 404, json!({ "found": false })),
    ]);
}

#[test]
fn a_delete_is_forgotten_when_the_clock_says_so() {
    let endpoint = Endpoint::start();
    let put = r#"PUT /books/_doc/1?version=6&version_type=external {}"#;
    endpoint.check(&[
        ("DELETE /books/_doc/1?version=7&version_type=external", 404, json!({ "_version": 7 })),
        (put, 409, json!(null)),
    ]);
    endpoint.clock.advance(std::time::Duration::from_secs(61));
    endpoint.check(&[(put, 201, json!({ "_version": 6 }))]);
}
