//! What a pipeline file says is what the running program does: processors, routes, several
//! pipelines; and it can be paused, resumed and changed without losing its place.

use std::path::Path;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, StreamViewType},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    program::{Program, eventually},
    table::{client, create_books},
};

pub(crate) const LOCAL: [&str; 7] =
    ["local", "--dynamodb", "127.0.0.1:0", "--opensearch", "127.0.0.1:0", "--api", "127.0.0.1:0"];

pub(crate) const PIPELINES: &str = r#"
books:
  source:
    dynamodb:
      tables:
        - table_arn: "arn:aws:dynamodb:us-east-1:123456789012:table/books"
          stream: {start_position: TRIM_HORIZON}
      aws: {region: us-east-1, endpoint: "{dynamodb}"}
  processor:
    - drop_events: {drop_when: '/bookTitle == "Draft"'}
    - add_entries: {entries: [{key: by, format: "${author}, ${bookTitle}"}]}
  route:
    - long: '/pages > 500'
  sink:
    - opensearch:
        hosts: ["{opensearch}"]
        index: all-books
        document_id: '${getMetadata("primary_key")}'
        document_version: '${getMetadata("document_version")}'
        document_version_type: external
    - pipeline: {name: long-books, routes: [long]}
long-books:
  source: {pipeline: {name: books}}
  processor:
    - delete_entries: {with_keys: [by]}
  sink:
    - opensearch:
        hosts: ["{opensearch}"]
        index: long-books
        password: secret-word
        username: ada
        document_id: '${getMetadata("primary_key")}'
"#;

pub(crate) fn write(dir: &Path, local: &Program, text: &str) -> String {
    let file = dir.join("pipelines.yaml");
    let yaml = text
        .replace("{dynamodb}", local.address("dynamodb"))
        .replace("{opensearch}", local.address("opensearch"));
    std::fs::write(&file, yaml).unwrap();
    file.to_str().unwrap().to_owned()
}

pub(crate) async fn put(dynamodb: &Client, title: &str, pages: u32) {
    let put = dynamodb.put_item().table_name("books");
    let put = put.item("author", AttributeValue::S("Ada".to_owned()));
    let put = put.item("bookTitle", AttributeValue::S(title.to_owned()));
    put.item("pages", AttributeValue::N(pages.to_string())).send().await.unwrap();
}

pub(crate) async fn titles(opensearch: &Cluster, index: &str) -> Vec<String> {
    let (status, _) = opensearch.get(&format!("/{index}")).await;
    if status == 404 {
        return Vec::new();
    }
    opensearch.all(index).await.into_keys().collect()
}

#[tokio::test]
async fn what_the_file_says_is_done_and_can_be_changed_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &LOCAL).await;
    let dynamodb = client(local.address("dynamodb"));
    let opensearch = Cluster::at(local.address("opensearch"));
    create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
    let file = write(dir.path(), &local, PIPELINES);
    let data = dir.path().join("worker");
    let args = ["run", &file, "--api", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let worker = Program::start(dir.path(), &args).await;
    let api = Cluster::at(worker.address("api"));

    for (title, pages) in [("Draft", 600), ("Notes", 100), ("Life", 600)] {
        put(&dynamodb, title, pages).await;
    }
    let all = eventually("the books are written", async || {
        let (status, _) = opensearch.get("/all-books").await;
        let all = if status == 200 { opensearch.all("all-books").await } else { return None };
        (all.len() == 2).then_some(all)
    })
    .await;
    let life = json!({ "author": "Ada", "bookTitle": "Life", "pages": 600, "by": "Ada, Life" });
    assert_eq!(all["Ada|Life"], life);
    let long = eventually("the long ones are handed on", async || {
        let (status, _) = opensearch.get("/long-books").await;
        let long = if status == 200 { opensearch.all("long-books").await } else { return None };
        (long.len() == 1).then_some(long)
    })
    .await;
    let life = json!({ "author": "Ada", "bookTitle": "Life", "pages": 600 });
    assert_eq!(long["Ada|Life"], life);
    for (metric, pipeline, expected) in [
        ("records_filtered_total", "books", 1.0),
        ("records_indexed_total", "books", 2.0),
        ("records_passed_total", "books", 1.0),
        ("records_indexed_total", "long-books", 1.0),
        ("unaccounted_records", "books", 0.0),
        ("unaccounted_records", "long-books", 0.0),
        ("books_drop_events_recordsIn_total", "books", 3.0),
        ("books_drop_events_recordsOut_total", "books", 2.0),
    ] {
        assert_eq!(api.metric(metric, pipeline).await, Some(expected), "{metric} of {pipeline}");
    }
    let (status, definitions) = api.get("/pipelines").await;
    let text = definitions.to_string();
    assert!(
        status == 200 && text.contains("drop_events") && !text.contains("secret-word"),
        "{text}"
    );

    let ask = async |path: &str| api.ask(Method::POST, path, Value::Null).await;
    assert_eq!(ask("/api/v1/pipelines/books/pause").await.0, 200);
    assert_eq!(api.get("/api/v1/pipelines/books").await.1["paused"], true);
    put(&dynamodb, "Later", 1).await;
    let (status, refusal) = ask("/api/v1/pipelines/long-books/pause").await;
    assert!(status == 409 && refusal["error"].as_str().unwrap().contains("has no source"));
    assert_eq!(ask("/api/v1/pipelines/none/pause").await.0, 404);
    assert_eq!(titles(&opensearch, "all-books").await.len(), 2, "nothing is read meanwhile");
    assert_eq!(ask("/api/v1/pipelines/books/resume").await.0, 200);
    eventually("what was written meanwhile is read", async || {
        (titles(&opensearch, "all-books").await.len() == 3).then_some(())
    })
    .await;

    write(dir.path(), &local, &PIPELINES.replace("drop_events:", "drop_evens:"));
    let (status, refusal) = ask("/api/v1/pipelines/books/reload").await;
    assert_eq!(status, 409);
    assert!(
        refusal["error"].as_str().unwrap().contains("did you mean `drop_events`?"),
        "{refusal}"
    );
    let changed = PIPELINES.replace("format: \"${author}, ${bookTitle}\"", "value: us");
    write(dir.path(), &local, &changed);
    let (status, reloaded) = ask("/api/v1/pipelines/long-books/reload").await;
    assert_eq!((status, &reloaded["reloaded"]), (200, &json!(["books", "long-books"])));
    put(&dynamodb, "Last", 1).await;
    eventually("the new definition holds", async || {
        (opensearch.all("all-books").await.get("Ada|Last")?["by"] == "us").then_some(())
    })
    .await;
    let all = opensearch.all("all-books").await;
    assert_eq!(all["Ada|Notes"]["by"], "Ada, Notes", "what was safe is not read again");
    assert_eq!(api.metric("records_read_total", "books").await, Some(5.0), "counted on");
    assert_eq!(api.metric("unaccounted_records", "books").await, Some(0.0));
    let (status, _) = worker.terminate().await;
    assert!(status.success(), "{status}");
}
