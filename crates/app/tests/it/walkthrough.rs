//! The walkthrough of the first how-to project, on `streamdex demo`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    program::{Program, eventually},
    table::client,
};

const ANY: [&str; 7] =
    ["demo", "--dynamodb", "127.0.0.1:0", "--opensearch", "127.0.0.1:0", "--api", "127.0.0.1:0"];

#[tokio::test]
async fn a_book_is_inserted_changed_and_removed_and_each_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Program::start(dir.path(), &[&ANY[..], &["--books", "60"]].concat()).await;
    let dynamodb = client(demo.address("dynamodb"));
    let opensearch = Cluster::at(demo.address("opensearch"));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let (author, title) = (text("Dan Brown"), text("The DaVinci code"));
    let brown = || opensearch.search("book1", json!({ "match": { "author": "brown" } }));
    eventually("the first books are there", async || {
        (opensearch.search("books", json!({ "match_all": {} })).await.len() == 60).then_some(())
    })
    .await;

    let put = dynamodb.put_item().table_name("books");
    put.item("author", author.clone()).item("bookTitle", title.clone()).send().await.unwrap();
    let id = "Dan Brown|The DaVinci code";
    let document = json!({ "author": "Dan Brown", "bookTitle": "The DaVinci code" });
    let found = eventually("the book is found", async || brown().await.remove(id)).await;
    assert_eq!(found, document);

    dynamodb
        .update_item()
        .table_name("books")
        .key("author", author.clone())
        .key("bookTitle", title.clone())
        .update_expression("SET subTitle = :subTitle")
        .expression_attribute_values(":subTitle", text("Volume-1"))
        .send()
        .await
        .unwrap();
    let volume = || opensearch.search("book1", json!({ "match": { "subTitle": "Volume-1" } }));
    let found = eventually("the change is found", async || volume().await.remove(id)).await;
    assert_eq!(found["subTitle"], "Volume-1");

    let delete = dynamodb.delete_item().table_name("books");
    delete.key("author", author).key("bookTitle", title).send().await.unwrap();
    eventually("the removal is seen", async || brown().await.is_empty().then_some(())).await;

    let api = Cluster::at(demo.address("api"));
    let (status, ready) = api.get("/health/ready").await;
    assert_eq!((status, &ready["ready"]), (200, &json!(true)), "{ready}");
    assert_eq!(api.metric("unaccounted_records", "books").await, Some(0.0));
    assert_eq!(api.metric("records_indexed_total", "books").await, Some(63.0));
    assert_eq!(api.get("/list").await.1, json!({ "pipelines": [{ "name": "books" }] }));
    let log = demo.log();
    for what in ["put-item", "book1/_search", "/metrics"] {
        assert!(log.contains(what), "the introduction does not tell of {what}:\n{log}");
    }
    let (status, took) = demo.terminate().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn what_a_data_directory_holds_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = [&ANY[..], &["--books", "30", "--data-dir", data.to_str().unwrap()]].concat();
    for round in 0..2 {
        let demo = Program::start(dir.path(), &args).await;
        let opensearch = Cluster::at(demo.address("opensearch"));
        eventually("the books are there", async || {
            (opensearch.all("books").await.len() == 30 + round).then_some(())
        })
        .await;
        let put = client(demo.address("dynamodb")).put_item().table_name("books");
        let put = put.item("author", AttributeValue::S(format!("Ada {round}")));
        put.item("bookTitle", AttributeValue::S("Notes".to_owned())).send().await.unwrap();
        eventually("the new book is there", async || {
            (opensearch.all("books").await.len() == 31 + round).then_some(())
        })
        .await;
        if round == 0 {
            demo.kill();
        }
    }
}

#[tokio::test]
async fn an_object_is_a_file_in_the_data_folder() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut args = ANY.to_vec();
    args[0] = "local";
    args.extend(["--data-dir", data.to_str().unwrap()]);
    let local = Program::start(dir.path(), &args).await;
    let s3 = Cluster::at(local.address("s3"));
    assert_eq!(s3.ask(Method::PUT, "/books", Value::Null).await.0, 200);
    assert_eq!(s3.ask(Method::PUT, "/books/2026/a.json", json!({ "a": 1 })).await.0, 200);
    assert_eq!(std::fs::read_to_string(data.join("s3/books/2026/a.json")).unwrap(), r#"{"a":1}"#);

    let dynamodb = Cluster::at(local.address("dynamodb"));
    let ahead = json!({ "advance_seconds": 100 * 86_400 });
    assert_eq!(dynamodb.ask(Method::POST, "/_local/clock", ahead).await.0, 200);
    let fault = json!({ "operation": "GetObject", "status": 503, "times": 1 });
    assert_eq!(s3.ask(Method::POST, "/_local/faults", fault).await.0, 200);
    assert_eq!(s3.get("/books/2026/a.json").await.0, 503);
    assert_eq!(s3.get("/books/2026/a.json").await, (200, json!({ "a": 1 })));
    let (_, clock) = dynamodb.get("/_local/clock").await;
    s3.ask(Method::PUT, "/books/later", json!({})).await;
    let (_, list) = s3.get("/books?prefix=later").await;
    let today = clock["now"].as_str().unwrap()[..10].to_owned();
    let says = format!("<LastModified>{today}");
    assert!(list.as_str().unwrap().contains(&says), "the clocks differ: {clock} {list}");
}
