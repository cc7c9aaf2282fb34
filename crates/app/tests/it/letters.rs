//! Dead letters from one end to the other: a document that the index refuses, what `dlq` says of
//! it, and how it comes into the index once the mapping is mended.

use aws_sdk_dynamodb::types::{AttributeValue, StreamViewType};
use http::Method;
use serde_json::json;

use crate::{
    cluster::Cluster,
    endurance::{start_worker, write_pipeline},
    program::{Program, eventually, run},
    table::{client, create_books},
};

const ANY: [&str; 7] =
    ["local", "--dynamodb", "127.0.0.1:0", "--opensearch", "127.0.0.1:0", "--api", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_index_refused_is_listed_shown_and_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &ANY).await;
    let dynamodb = client(local.address("dynamodb"));
    create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
    let opensearch = Cluster::at(local.address("opensearch"));
    let keyword = json!({ "type": "keyword" });
    let known = json!({ "author": keyword, "bookTitle": keyword });
    let strict = json!({ "mappings": { "dynamic": "strict", "properties": known } });
    let (status, why) = opensearch.ask(Method::PUT, "/books", strict).await;
    assert_eq!(status, 200, "{why}");
    let file = write_pipeline(dir.path(), &local);
    let worker = start_worker(dir.path(), &file).await;
    let api = Cluster::at(worker.address("api"));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for (title, price) in
        [("free", None), ("priceless", Some("more than gold")), ("odd", Some("?"))]
    {
        let put = dynamodb.put_item().table_name("books").item("author", text("a"));
        let put = put.item("bookTitle", text(title));
        let put = if let Some(price) = price { put.item("price", text(price)) } else { put };
        put.send().await.unwrap();
    }
    eventually("two are set aside", async || {
        let n = api.metric("records_dead_lettered_total", "books").await;
        (n == Some(2.0)).then_some(())
    })
    .await;
    assert_eq!(api.metric("unaccounted_records", "books").await, Some(0.0));

    let data = dir.path().join("worker");
    let dlq = |more: &[&str]| {
        let (code, printed, complained) =
            run(&[&["dlq"], more, &["--data-dir", data.to_str().unwrap()]].concat());
        assert_eq!(code, 0, "{more:?}: {printed}{complained}");
        printed
    };
    let listed = dlq(&["list"]);
    assert!(listed.contains("books") && listed.contains('2'), "{listed}");
    let shown = dlq(&["show"]);
    assert!(shown.contains("more than gold") && shown.contains("priceless"), "{shown}");
    assert_eq!(dlq(&["list", "--index", "another"]).matches("books").count(), 0);
    let planned = dlq(&["redrive", &file, "--dry-run"]);
    assert!(planned.contains("priceless") && planned.contains("would be"), "{planned}");

    // One item is removed before its letter is sent again: the letter must not bring it back.
    let delete = dynamodb.delete_item().table_name("books").key("author", text("a"));
    delete.key("bookTitle", text("odd")).send().await.unwrap();
    let read = async || api.metric("records_read_total", "books").await;
    eventually("the removal was read", async || (read().await == Some(4.0)).then_some(())).await;
    let mended = json!({ "properties": { "price": keyword } });
    let (status, why) = opensearch.ask(Method::PUT, "/books/_mapping", mended).await;
    assert_eq!(status, 200, "{why}");
    let sent = dlq(&["redrive", &file]);
    assert!(sent.contains("1 written, 1 superseded, 0 kept"), "{sent}");
    let documents = opensearch.all("books").await;
    assert_eq!(documents["a|priceless"]["price"], "more than gold", "{sent}");
    assert_eq!(documents.keys().collect::<Vec<_>>(), ["a|free", "a|priceless"]);
    assert!(!dlq(&["list"]).contains("books"), "none is left");
}
