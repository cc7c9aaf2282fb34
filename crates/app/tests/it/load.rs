//! The pipeline file of the second how-to project as it stands: an export of a table that is there
//! already, and its stream beside it, on our own endpoints.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, StreamViewType, WriteRequest},
};
use http::Method;
use serde_json::Value;

use crate::{
    cluster::Cluster,
    program::{Program, eventually},
    table::{client, create_books, keep_the_past, until_equal},
};

const ANY: [&str; 7] =
    ["local", "--dynamodb", "127.0.0.1:0", "--opensearch", "127.0.0.1:0", "--api", "127.0.0.1:0"];
/// How many books are there before the pipeline starts.
const BOOKS: usize = 3000;

/// The worker is killed while it loads, and the table goes on changing: what is loaded, what is
/// changed and what is removed meanwhile ends in the index as it is in the table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_exported_and_followed_by_the_file_of_the_how_to() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &ANY).await;
    let dynamodb = client(local.address("dynamodb"));
    create_books(&dynamodb, Some(StreamViewType::NewImage)).await;
    keep_the_past(&dynamodb).await;
    fill(&dynamodb).await;
    let bucket = Cluster::at(local.address("s3"));
    let (status, why) = bucket.ask(Method::PUT, "/books-export", Value::Null).await;
    assert_eq!(status, 200, "{why}");

    let file = dir.path().join("pipeline.yaml");
    let yaml = include_str!("zero-etl.yaml")
        .replace("{dynamodb}", local.address("dynamodb"))
        .replace("{opensearch}", local.address("opensearch"));
    let endpoint = format!("        endpoint: \"{}\"\n", local.address("dynamodb"));
    assert!(yaml.contains(&endpoint), "{yaml}");
    let s3 = format!("{endpoint}        s3_endpoint: \"{}\"\n", local.address("s3"));
    std::fs::write(&file, yaml.replace(&endpoint, &s3)).unwrap();
    let data = dir.path().join("worker");
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    let args = ["run", file, "--api", "127.0.0.1:0", "--data-dir", data];

    let opensearch = Cluster::at(local.address("opensearch"));
    let count = async || opensearch.get("/books/_count").await.1["count"].as_u64().unwrap_or(0);
    let worker = Program::start(dir.path(), &args).await;
    eventually("the load has begun", async || (0 < count().await).then_some(())).await;
    worker.kill();
    let key = |n: usize| HashMap::from([(author(), text("a")), (title(), text(&format!("t{n}")))]);
    for n in 0..50 {
        let delete = dynamodb.delete_item().table_name("books").set_key(Some(key(n)));
        delete.send().await.unwrap();
        let put = dynamodb.put_item().table_name("books").set_item(Some(key(n + 100)));
        put.item("changed", AttributeValue::Bool(true)).send().await.unwrap();
    }
    let worker = Program::start(dir.path(), &args).await;

    assert_eq!(until_equal(&dynamodb, &opensearch).await, BOOKS - 50);
    let api = Cluster::at(worker.address("api"));
    assert_eq!(api.metric("unaccounted_records", "books").await, Some(0.0));
    assert_eq!(api.metric("records_dead_lettered_total", "books").await, Some(0.0));
}

async fn fill(dynamodb: &Client) {
    for part in (0..BOOKS).collect::<Vec<_>>().chunks(25) {
        let puts = part.iter().map(|n| {
            let put = PutRequest::builder()
                .item(author(), text("a"))
                .item(title(), text(&format!("t{n}")))
                .item("price", AttributeValue::N(format!("{n}.5")));
            WriteRequest::builder().put_request(put.build().unwrap()).build()
        });
        let written = dynamodb.batch_write_item().request_items("books", puts.collect());
        let left: BTreeMap<_, _> = written
            .send()
            .await
            .unwrap()
            .unprocessed_items
            .unwrap_or_default()
            .into_iter()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn author() -> String {
    "author".to_owned()
}

fn title() -> String {
    "bookTitle".to_owned()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
