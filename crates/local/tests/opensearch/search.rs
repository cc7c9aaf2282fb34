//! Searching, as far as HTTP has a say in it.

use serde_json::json;

use crate::endpoint::Endpoint;

fn library() -> Endpoint {
    let endpoint = Endpoint::start();
    for (index, id, source) in [
        ("books", "1", r#"{"author":"Dan Brown","title":"The DaVinci code","year":2003}"#),
        ("books", "2", r#"{"author":"Dan Brown","title":"Inferno","year":2013}"#),
        ("films", "3", r#"{"title":"The DaVinci code, the film","year":2006}"#),
    ] {
        endpoint.call("PUT", &format!("/{index}/_doc/{id}?refresh=true"), source);
    }
    endpoint
}

#[test]
fn several_indices_are_searched_together() {
    library().check(&[
        ("GET /books,films/_search?q=davinci&sort=year:desc", 200, json!({ "_shards": { "total": 2 }, "hits": { "total": { "value": 2 }, "max_score": null, "hits": [{ "_index": "films", "_score": null, "sort": [2006] }, { "_index": "books", "sort": [2003] }] } })),
        ("GET /_search?size=1&sort=year:asc", 200, json!({ "hits": { "total": { "value": 3 }, "hits": [{ "_id": "1" }] } })),
        ("GET /*,-films/_count", 200, json!({ "count": 2 })),
        (r#"POST /_search {"query":{"term":{"_index":"films"}}}"#, 200, json!({ "hits": { "hits": [{ "_id": "3" }] } })),
        (r#"POST /_search {"sort":[{"author.keyword":"asc"}]}"#, 400, json!({ "error": { "type": "search_phase_execution_exception", "phase": "query", "root_cause": [{ "type": "query_shard_exception", "reason": "No mapping found for [author.keyword] in order to sort on", "index": "films" }] } })),
        ("GET /books,zz/_search?ignore_unavailable=true", 200, json!({ "hits": { "total": { "value": 2 } } })),
    ]);
}

#[test]
fn an_answer_has_what_was_asked_for() {
    library().check(&[
        ("GET /books/_search?q=author:dan&size=1&from=1&sort=year", 200, json!({ "timed_out": false, "hits": { "hits": [{ "_id": "2", "sort": [2013] }] } })),
        (r#"POST /books/_search {"_source":["year"],"version":true,"seq_no_primary_term":true,"query":{"ids":{"values":["1"]}}}"#, 200, json!({ "hits": { "max_score": 1.0, "hits": [{ "_score": 1.0, "_version": 1, "_seq_no": 0, "_primary_term": 1, "_source": { "year": 2003 } }] } })),
        (r#"POST /books/_search {"track_total_hits":1}"#, 200, json!({ "hits": { "total": { "value": 1, "relation": "gte" } } })),
        ("GET /books/_search?rest_total_hits_as_int=true", 200, json!({ "hits": { "total": 2 } })),
        (r#"POST /books/_search {"size":0}"#, 200, json!({ "hits": { "total": { "value": 2 }, "hits": [] } })),
        (r#"POST /books/_search {"from":9991}"#, 400, json!({ "error": { "type": "search_phase_execution_exception" } })),
        (r#"POST /books/_search {"query":{"mach":{}}}"#, 400, json!({ "error": { "type": "parsing_exception", "reason": "unknown query [mach] did you mean [match]?" } })),
        (r#"POST /books/_search {"query":{"match":{"year":"abc"}}}"#, 400, json!({ "error": { "root_cause": [{ "type": "query_shard_exception", "reason": "failed to create query: For input string: \"abc\"" }] } })),
        ("GET /books/_search?size=-1", 400, json!({ "error": { "reason": "[size] parameter cannot be negative but was [-1]" } })),
        (r#"POST /books/_count {"query":{"range":{"year":{"gte":2010}}}}"#, 200, json!({ "count": 1 })),
        ("GET /books/_count?q=year:2003", 200, json!({ "count": 1 })),
    ]);
    let without_total = library().ask(r#"POST /books/_search {"track_total_hits":false}"#);
    assert_eq!(without_total.json()["hits"].get("total"), None);
}

/// One document of one in its index, updated once: the number a real server gives.
#[test]
fn scores_are_those_of_opensearch() {
    let endpoint = Endpoint::start();
    for _ in 0..2 {
        endpoint.ask(r#"PUT /books/_doc/1?refresh=true {"title":"code"}"#);
    }
    let score =
        endpoint.ask("GET /books/_search?q=title:code").json()["hits"]["max_score"].as_f64();
    let score = score.unwrap();
    assert!((score - 0.182_321_56).abs() < 1e-6 || (score - 0.287_682_1).abs() < 1e-6, "{score}");
}

#[test]
fn hostile_requests_cost_an_error_and_nothing_else() {
    let endpoint = library();
    let deep = format!(
        r#"{{"query":{}{{"match_all":{{}}}}{}}}"#,
        r#"{"bool":{"must":"#.repeat(60),
        "}}".repeat(60)
    );
    let wide = format!(
        r#"{{"query":{{"bool":{{"should":[{}]}}}}}}"#,
        vec![r#"{"match_all":{}}"#; 2000].join(",")
    );
    let nested = "[".repeat(100_000);
    for body in [
        deep,
        wide,
        nested.clone(),
        format!(r#"{{"query":{{"query_string":{{"query":"{}"}}}}}}"#, "(".repeat(5000)),
    ] {
        let reply = endpoint.call("POST", "/books/_search", &body);
        assert_eq!(reply.status, 400, "{:.80}: {:.200}", body, reply.text);
    }
    let deep_document = format!(r#"{{"a":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(endpoint.call("PUT", "/books/_doc/9", &deep_document).status, 400);
    assert_eq!(endpoint.call("PUT", "/books/_mapping", &nested).status, 400);
    let mut fields = String::from(r#"{"n":0"#);
    for n in 0..1100 {
        fields.extend([r#","f"#, &n.to_string(), r#"":1"#]);
    }
    let reply = endpoint.call("PUT", "/books/_doc/9", &(fields + "}"));
    assert_eq!(
        reply.json()["error"]["reason"],
        "Limit of total fields [1000] in index [books] has been exceeded"
    );
    endpoint.check(&[("GET /books/_count", 200, json!({ "count": 2 }))]);
}

/// A scroll and a point in time see what was there when they began, page by page.
#[test]
fn a_view_stays_as_it_was_while_it_is_held() {
    let endpoint = library();
    let scroll =
        endpoint.ask(r#"POST /books,films/_search?scroll=1m {"size":2,"sort":["_doc"]}"#).json();
    let point = endpoint.ask("POST /books/_search/point_in_time?keep_alive=1m").json();
    endpoint.ask("DELETE /books/_doc/1?refresh=true");
    endpoint.ask(r#"PUT /films/_doc/4?refresh=true {"title":"late"}"#);
    let ids = |answer: &serde_json::Value| -> Vec<String> {
        let hits = answer["hits"]["hits"].as_array().cloned().unwrap_or_default();
        hits.iter().map(|it| it["_id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut seen = ids(&scroll);
    assert_eq!((seen.len(), scroll["hits"]["total"]["value"].as_u64()), (2, Some(3)));
    let next = format!(r#"{{"scroll":"2m","scroll_id":{}}}"#, scroll["_scroll_id"]);
    let second = endpoint.call("POST", "/_search/scroll", &next).json();
    assert_eq!(second["_scroll_id"], scroll["_scroll_id"]);
    seen.extend(ids(&second));
    seen.sort();
    assert_eq!(seen, ["1", "2", "3"]);
    assert!(ids(&endpoint.call("POST", "/_search/scroll", &next).json()).is_empty());

    let id = &point["pit_id"];
    let page = |after: &str| {
        let body =
            format!(r#"{{"pit":{{"id":{id},"keep_alive":"1m"}},"sort":["year"],"size":1{after}}}"#);
        endpoint.call("POST", "/_search", &body).json()
    };
    let first = page("");
    assert_eq!((ids(&first), &first["pit_id"]), (vec!["1".to_owned()], id));
    let after = format!(r#","search_after":{}"#, first["hits"]["hits"][0]["sort"]);
    assert_eq!(ids(&page(&after)), ["2"]);
    let listed = endpoint.ask("GET /_search/point_in_time/_all").json();
    assert_eq!(&listed["pits"][0]["pit_id"], id);

    let closing = format!(r#"{{"pit_id":[{id}]}}"#);
    let closed = endpoint.call("DELETE", "/_search/point_in_time", &closing).json();
    assert_eq!(closed["pits"][0]["successful"], json!(true));
    let freed = format!(r#"{{"scroll_id":[{}]}}"#, scroll["_scroll_id"]);
    let freed = endpoint.call("DELETE", "/_search/scroll", &freed).json();
    assert_eq!(freed, json!({ "succeeded": true, "num_freed": 1 }));
    let gone = json!({ "error": { "caused_by": { "type": "search_context_missing_exception" } } });
    for (path, body) in
        [("/_search/scroll", next), ("/_search", format!(r#"{{"pit":{{"id":{id}}}}}"#))]
    {
        let reply = endpoint.call("POST", path, &body);
        assert_eq!(reply.status, 404);
        assert_eq!(crate::endpoint::difference(&gone, &reply.json()), None);
    }
}

#[test]
fn going_on_says_what_it_does_not_understand() {
    library().check(&[
        (r#"POST /_search/scroll {"scroll_id":"x"}"#, 400, json!({ "error": { "reason": "Cannot parse scroll id" } })),
        ("POST /books/_search?scroll=1d2", 400, json!({ "error": { "type": "illegal_argument_exception" } })),
        ("POST /books/_search?scroll=2d", 400, json!({ "error": { "reason": "Keep alive for request (2d) is too large. It must be less than (24h). This limit can be set by changing the [search.max_keep_alive] cluster level setting." } })),
        ("POST /books/_search?scroll=1m&from=1", 400, json!({ "error": { "type": "action_request_validation_exception" } })),
        (r#"POST /books/_search {"search_after":[1]}"#, 400, json!({ "error": { "type": "illegal_argument_exception", "reason": "Sort must contain at least one field." } })),
        (r#"POST /books/_search {"sort":["year"],"search_after":[1,2]}"#, 400, json!({ "error": { "reason": "search_after has 2 value(s) but sort has 1." } })),
        (r#"POST /books/_search {"sort":["year"],"search_after":[2003]}"#, 200, json!({ "hits": { "hits": [{ "_id": "2" }] } })),
        ("POST /books/_search/point_in_time", 400, json!({ "error": { "type": "action_request_validation_exception" } })),
        (r#"POST /books/_search {"pit":{"id":"x"}}"#, 400, json!({ "error": { "type": "action_request_validation_exception" } })),
    ]);
}
