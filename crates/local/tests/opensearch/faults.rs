//! Faults on demand.

use serde_json::json;

use crate::endpoint::Endpoint;

const LINES: [&str; 2] = [r#"{"index":{"_index":"books","_id":"1"}}"#, "{}"];

#[test]
fn a_bulk_request_fails_as_often_as_asked() {
    let endpoint = Endpoint::start();
    endpoint.check(&[(
        r#"POST /_local/faults {"target":"bulk","status":503,"times":2}"#,
        200,
        json!({ "acknowledged": true }),
    )]);
    for status in [503, 503, 200] {
        assert_eq!(endpoint.bulk("/_bulk", &LINES).status, status);
    }
    endpoint.check(&[
        (r#"POST /_local/faults {"target":"bulk","status":503,"for_ms":60000}"#, 200, json!(null)),
        ("GET /books/_doc/1", 200, json!(null)),
    ]);
    assert_eq!(endpoint.bulk("/_bulk", &LINES).status, 503);
    endpoint.clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(endpoint.bulk("/_bulk", &LINES).status, 200);
}

#[test]
fn items_are_refused_one_in_so_many() {
    let endpoint = Endpoint::start();
    endpoint.check(&[(
        r#"POST /_local/faults {"target":"bulk_item","status":429,"every":3,"times":100}"#,
        200,
        json!(null),
    )]);
    let lines: Vec<&str> = (0..6).flat_map(|_| LINES).collect();
    let items = endpoint.bulk("/_bulk", &lines).json()["items"].clone();
    let statuses: Vec<u64> = items
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["index"]["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 200, 429, 200, 200, 429]);
    assert_eq!(items[2]["index"]["error"]["type"], "opensearch_rejected_execution_exception");
    endpoint.check(&[("DELETE /_local/faults", 200, json!(null))]);
    assert_eq!(endpoint.bulk("/_bulk", &lines).json()["errors"], false);
}

#[test]
fn a_connection_breaks_or_an_answer_is_late() {
    let endpoint = Endpoint::start();
    endpoint.check(&[(
        r#"POST /_local/faults {"target":"bulk","reset":true,"times":1}"#,
        200,
        json!(null),
    )]);
    let body = LINES.map(|it| format!("{it}\n")).concat();
    let headers = "content-type: application/x-ndjson\r\n";
    assert!(endpoint.send("POST", "/_bulk", headers, body.as_bytes()).is_err());
    endpoint.check(&[(
        r#"POST /_local/faults {"target":"bulk","delay_ms":300,"times":1}"#,
        200,
        json!(null),
    )]);
    let before = endpoint.clock.now_ms();
    assert_eq!(endpoint.bulk("/_bulk", &LINES).status, 200);
    assert!(300 <= endpoint.clock.now_ms() - before);
    endpoint.check(&[
        (r#"POST /_local/faults {"target":"bulk"}"#, 400, json!(null)),
        (r#"POST /_local/faults {"target":"x","status":503}"#, 400, json!(null)),
    ]);
}
