//! Trying things out: `plan` and `evaluate`, which write nothing.

use aws_sdk_dynamodb::types::StreamViewType;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    pipelines::{LOCAL, PIPELINES, put, write},
    program::{Program, run},
    table::{client, create_books},
};

fn example(name: &str) -> String {
    format!("{}/../../docs/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Every line that `plan` prints, as JSON.
#[track_caller]
fn plan(file: &str, records: &str) -> Vec<Value> {
    let (code, stdout, stderr) = run(&["plan", file, "--records", records]);
    assert_eq!(code, 0, "{stderr}");
    stdout.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

#[test]
fn the_example_of_a_single_table_gives_every_kind_its_index() {
    let plans = plan(&example("single-table.yaml"), &example("single-table.jsonl"));
    let seen: Vec<(Value, Value)> =
        plans.iter().map(|it| (it["sinks"][0]["index"].clone(), it["filtered"].clone())).collect();
    let unrouted = "no sink wants it: none of their routes is true of it";
    let expected = [
        (json!("customers"), Value::Null),
        (json!("orders"), Value::Null),
        (json!("review"), Value::Null),
        (Value::Null, json!(unrouted)),
        (json!("review"), Value::Null),
        (json!("customers"), Value::Null),
    ];
    assert_eq!(seen, expected);
    assert_eq!(
        plans[1],
        json!({
            "document": { "entityType": "order", "total": 10.250 },
            "metadata": {
                "primary_key": "CUSTOMER#1|ORDER#7",
                "partition_key": "CUSTOMER#1",
                "sort_key": "ORDER#7",
                "table_name": "AppTable",
                "dynamodb_timestamp": 1_768_469_402_000u64,
                "dynamodb_event_name": "INSERT",
                "opensearch_action": "index",
                "document_version": 1_768_469_402_000_000u64,
                "ttl_delete": false,
            },
            "sinks": [{
                "index": "orders",
                "id": "CUSTOMER#1|ORDER#7",
                "action": "index",
                "version": 1_768_469_402_000_000u64,
                "routing": null,
            }],
        })
    );
    assert_eq!(plans[4]["sinks"][0]["action"], "delete");
    assert_eq!(plans[5]["metadata"]["dynamodb_event_name"], Value::Null, "of an export");
}

#[test]
fn a_plan_tells_what_is_dropped_set_aside_split_and_handed_on() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let file = write(
        "pipelines.yaml",
        r#"
up:
  source:
    dynamodb: {tables: [{table_arn: "arn:aws:dynamodb:us-east-1:1:table/t", stream: {}}]}
  processor:
    - drop_events: {drop_when: '/kind == "noise"'}
    - parse_json: {source: text}
    - split_event: {field: tags, delimiter: ","}
  sink:
    - opensearch: {hosts: ["http://a"], index: raw, document_id: '${/id}'}
    - pipeline: {name: down}
down:
  source: {pipeline: {name: up}}
  processor:
    - add_entries: {entries: [{key: seen, value: true}]}
  sink:
    - opensearch: {hosts: ["http://a"], index: 'by-${/kind}', document_id: '${/id}'}
"#,
    );
    let records = write(
        "records.jsonl",
        r#"{"Item":{"id":{"S":"1"},"kind":{"S":"noise"}}}
{"Item":{"id":{"S":"2"},"kind":{"S":"a"},"text":{"S":"{broken"}}}
{"Item":{"id":{"S":"3"},"kind":{"S":"a"},"tags":{"S":"x,y"}}}
nonsense
"#,
    );
    let plans = plan(&file, &records);
    assert_eq!(plans[0], json!({ "filtered": "dropped by `drop_events`" }));
    let reason = plans[1]["dead_letter"].as_str().unwrap();
    assert!(reason.starts_with("parse_json: "), "{reason}");
    let sinks: Vec<(&Value, &Value)> = plans[2]["sinks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["index"], &it["document"]["tags"]))
        .collect();
    assert_eq!(plans[2]["document"]["tags"], "x");
    let expected = [
        (&json!("raw"), &Value::Null),
        (&json!("raw"), &json!("y")),
        (&json!("by-a"), &json!("x")),
        (&json!("by-a"), &json!("y")),
    ];
    assert_eq!(sinks, expected);
    assert!(plans[3]["dead_letter"].as_str().unwrap().contains("not JSON"), "{}", plans[3]);
}

#[tokio::test]
async fn a_plan_takes_items_from_the_table_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &LOCAL).await;
    let dynamodb = client(local.address("dynamodb"));
    create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
    let file = write(dir.path(), &local, PIPELINES);
    let plan = |n: &str| {
        let (code, stdout, stderr) = run(&["plan", &file, "--sample", n]);
        assert_eq!(code, 0, "{stderr}");
        let lines = stdout.lines().map(|it| serde_json::from_str(it).unwrap());
        lines.collect::<Vec<Value>>()
    };
    assert!(plan("5").is_empty(), "there is nothing in the table");
    for (title, pages) in [("Draft", 600), ("Life", 600), ("Notes", 100)] {
        put(&dynamodb, title, pages).await;
    }
    let plans = plan("100");
    assert_eq!(plans.len(), 3);
    let filtered = plans.iter().filter(|it| it["filtered"] == "dropped by `drop_events`");
    assert_eq!(filtered.count(), 1, "{plans:?}");
    let life = plans.iter().find(|it| it["document"]["bookTitle"] == "Life").unwrap();
    let document = json!({ "author": "Ada", "bookTitle": "Life", "pages": 600, "by": "Ada, Life" });
    assert_eq!(life["document"], document);
    assert_eq!(life["metadata"]["primary_key"], "Ada|Life");
    assert_eq!(life["sinks"].as_array().unwrap().len(), 2, "also where it is handed on");
    assert_eq!(life["sinks"][0]["index"], "all-books");
    assert_eq!(life["sinks"][0]["id"], "Ada|Life");
    assert_eq!(life["sinks"][1]["index"], "long-books");
    assert_eq!(plan("2").len(), 2, "no more than asked for");

    let opensearch = Cluster::at(local.address("opensearch"));
    for index in ["all-books", "long-books"] {
        assert_eq!(opensearch.get(&format!("/{index}")).await.0, 404, "{index} was not made");
    }
    let away = std::fs::read_to_string(&file).unwrap().replace("table/books", "table/none");
    std::fs::write(&file, away).unwrap();
    let (code, _, stderr) = run(&["plan", &file, "--sample", "5"]);
    assert!(code == 1 && stderr.contains("none"), "{code}: {stderr}");
}

#[test]
fn whoever_reads_only_the_beginning_hears_no_complaint() {
    use std::io::Read;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_streamdex"))
        .args(["reference", "--schema"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The schema is larger than any pipe, so the rest finds nobody there.
    child.stdout.take().unwrap().read_exact(&mut [0; 1]).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

#[test]
fn an_expression_is_tried_on_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let event = dir.path().join("event.json");
    std::fs::write(&event, r#"{"price": 10.250000000000000000000000000001}"#).unwrap();
    let event = event.to_str().unwrap();
    for (args, code, expected) in [
        (&["/price > 10.25", "--event", event][..], 0, r#"{"result":true}"#),
        (&["/price", "--event", event], 0, r#"{"result":10.250000000000000000000000000001}"#),
        (&[r#"hasTags("a", "b")"#, "--tags", "a,b"], 0, r#"{"result":true}"#),
        (&["-5 + 3"], 0, r#"{"result":-2}"#),
        (&["/missing > 3", "--mode", "conditional"], 0, r#"{"result":false}"#),
        (
            &["/a =", "--mode", "parse"],
            1,
            r#"{"result":false,"error":"`=` compares nothing; write `==`","kind":"parse","span":[3,4]}"#,
        ),
        (
            &["x-${nothing}", "--mode", "format"],
            1,
            r#"{"error":"the event has no field `nothing`","kind":"key_not_found","span":[4,11]}"#,
        ),
    ] {
        let (actual, stdout, stderr) = run(&[&["evaluate"], args].concat());
        assert_eq!((actual, stdout.trim_end(), stderr.as_str()), (code, expected, ""), "{args:?}");
    }
}

#[test]
fn permissions_are_those_that_the_files_need() {
    let file = format!("{}/tests/it/zero-etl.yaml", env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let yaml = std::fs::read_to_string(file).unwrap();
    let yaml = yaml
        .replace(r#"        endpoint: "{dynamodb}""#, "")
        .replace("{opensearch}", "https://search-books-x7.us-east-1.es.amazonaws.com")
        .replace(
            "        index: \"books\"",
            "        aws: {region: us-east-1}\n        index: books",
        );
    let path = dir.path().join("p.yaml");
    std::fs::write(&path, yaml).unwrap();
    let (code, stdout, stderr) = run(&["validate", "--permissions", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let policy: Value = serde_json::from_str(&stdout).unwrap();
    let allowed: Vec<(&str, String)> = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["Sid"].as_str().unwrap(), it["Resource"][0].as_str().unwrap().to_owned()))
        .collect();
    let table = "arn:aws:dynamodb:us-east-1:123456789012:table/books";
    let expected = [
        ("TakeOnRoles", "arn:aws:iam::123456789012:role/pipeline-role".to_owned()),
        ("DescribeTable", table.to_owned()),
        ("ReadStream", format!("{table}/stream/*")),
        ("ExportTable", table.to_owned()),
        ("FollowExport", format!("{table}/export/*")),
        ("WriteAndReadExport", "arn:aws:s3:::books-export/ddb-to-opensearch-export/*".to_owned()),
        ("WriteToDomain", "arn:aws:es:us-east-1:*:domain/books/*".to_owned()),
    ];
    assert_eq!(allowed, expected);
}
