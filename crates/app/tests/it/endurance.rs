//! Random writes while shards split, workers die and the index is away: at the end both are equal.

use std::{path::Path, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, StreamViewType},
};
use http::Method;
use serde_json::json;

use crate::{
    cluster::Cluster,
    program::{Program, eventually},
    table::{client, create_books, until_equal},
};

const WRITES: u32 = 20_000;
const KEYS: u32 = 2_000;
/// Writers beside each other. Each has keys of its own, so that the order of its writes is known.
const WRITERS: u32 = 4;
/// How long the index answers 503.
const AWAY: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_splits_kills_and_an_outage_the_index_equals_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &local_args(&dir.path().join("data"))).await;
    let dynamodb = client(local.address("dynamodb"));
    let tables = Cluster::at(local.address("dynamodb"));
    let opensearch = Cluster::at(local.address("opensearch"));
    create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
    let file = write_pipeline(dir.path(), &local);
    let mut worker = start_worker(dir.path(), &file).await;

    let writers: Vec<_> =
        (0..WRITERS).map(|n| tokio::spawn(write(dynamodb.clone(), n, WRITES / WRITERS))).collect();
    for round in 0..3u64 {
        let split = json!({ "table": "books", "split": "all" });
        let (status, answer) = tables.ask(Method::POST, "/_local/shards", split).await;
        assert_eq!(status, 200, "{answer}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        match round {
            0 => {
                worker.kill();
                worker = start_worker(dir.path(), &file).await;
            }
            1 => {
                let for_ms = u64::try_from(AWAY.as_millis()).unwrap();
                let fault = json!({ "target": "bulk", "status": 503, "for_ms": for_ms });
                let (status, answer) = opensearch.ask(Method::POST, "/_local/faults", fault).await;
                assert_eq!(status, 200, "{answer}");
                tokio::time::sleep(AWAY / 2).await;
                // It dies while what it read cannot be written anywhere.
                worker.kill();
                worker = start_worker(dir.path(), &file).await;
                tokio::time::sleep(AWAY / 2).await;
            }
            _ => {}
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }

    let n_items = until_equal(&dynamodb, &opensearch).await;
    assert!(500 < n_items, "the test has become too easy: {n_items} items");
    let api = Cluster::at(worker.address("api"));
    assert_eq!(api.metric("unaccounted_records", "books").await, Some(0.0));
    assert_eq!(api.metric("records_dead_lettered_total", "books").await, Some(0.0));
    assert_eq!(api.metric("records_in_flight", "books").await, Some(0.0));
    let (status, took) = worker.terminate().await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
}

/// The endpoints die, too: what they acknowledged is there when they come back, and the pipeline
/// goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pipeline_survives_the_death_of_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let local = Program::start(dir.path(), &local_args(&data)).await;
    let (table_port, index_port) =
        (port(local.address("dynamodb")), port(local.address("opensearch")));
    let dynamodb = client(local.address("dynamodb"));
    create_books(&dynamodb, Some(StreamViewType::NewImage)).await;
    let file = write_pipeline(dir.path(), &local);
    let worker = start_worker(dir.path(), &file).await;

    write(dynamodb.clone(), 0, 1_000).await;
    local.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut args = local_args(&data);
    (args[2], args[4]) = (&table_port, &index_port);
    let local = Program::start(dir.path(), &args).await;
    write(dynamodb.clone(), 1, 1_000).await;

    until_equal(&dynamodb, &Cluster::at(local.address("opensearch"))).await;
    let api = Cluster::at(worker.address("api"));
    assert_eq!(api.metric("unaccounted_records", "books").await, Some(0.0));
}

fn port(address: &str) -> String {
    address.trim_start_matches("http://").to_owned()
}

fn local_args(data: &Path) -> Vec<&str> {
    let any = "127.0.0.1:0";
    let data = data.to_str().unwrap();
    vec!["local", "--dynamodb", any, "--opensearch", any, "--api", any, "--data-dir", data]
}

/// What the file of the second how-to project says of exports. The tables of these tests are empty
/// when the pipeline starts, and have no point-in-time recovery.
const EXPORT: &str = r#"          export:
            s3_bucket: "books-export"
            s3_region: "us-east-1"
            s3_prefix: "ddb-to-opensearch-export/"
"#;

/// The file of the second how-to project, with its addresses filled in, and without its export.
pub(crate) fn write_pipeline(dir: &Path, local: &Program) -> String {
    let file = dir.join("pipeline.yaml");
    let yaml = include_str!("zero-etl.yaml");
    assert!(yaml.contains(EXPORT), "{yaml}");
    let yaml = yaml
        .replace(EXPORT, "")
        .replace("{dynamodb}", local.address("dynamodb"))
        .replace("{opensearch}", local.address("opensearch"));
    std::fs::write(&file, yaml).unwrap();
    file.to_str().unwrap().to_owned()
}

pub(crate) async fn start_worker(dir: &Path, file: &str) -> Program {
    let data = dir.join("worker");
    let args = ["run", file, "--api", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let worker = Program::start(dir, &args).await;
    let api = Cluster::at(worker.address("api"));
    eventually("the worker is ready", async || {
        (api.get("/health/ready").await.0 == 200).then_some(())
    })
    .await;
    worker
}

/// Puts, changes and removes items at random, each writer its own.
async fn write(client: Client, writer: u32, n_writes: u32) {
    let mut random = fastrand::Rng::with_seed(u64::from(writer));
    for n in 0..n_writes {
        let key = random.u32(0..KEYS / WRITERS);
        let author = AttributeValue::S(format!("author {writer}"));
        let title = AttributeValue::S(format!("title {key}"));
        let n = AttributeValue::N(n.to_string());
        match random.u32(0..10) {
            0..5 => {
                let tags = vec!["a".to_owned(), format!("t{}", random.u32(0..9))];
                let put = client.put_item().table_name("books");
                let put = put.item("author", author).item("bookTitle", title).item("n", n);
                let put = put.item("price", AttributeValue::N(price(&mut random)));
                let nested =
                    [("x".to_owned(), AttributeValue::L(vec![AttributeValue::Bool(true)]))];
                let put = put.item("more", AttributeValue::M(nested.into()));
                put.item("tags", AttributeValue::Ss(tags)).send().await.map(drop).unwrap();
            }
            5..8 => {
                let update = client.update_item().table_name("books");
                let update = update.key("author", author).key("bookTitle", title);
                let update = update.update_expression("SET n = :n, changed = :yes REMOVE price");
                let update = update.expression_attribute_values(":n", n);
                let yes = AttributeValue::Bool(true);
                update.expression_attribute_values(":yes", yes).send().await.map(drop).unwrap();
            }
            _ => {
                let delete = client.delete_item().table_name("books");
                delete
                    .key("author", author)
                    .key("bookTitle", title)
                    .send()
                    .await
                    .map(drop)
                    .unwrap();
            }
        }
    }
}

/// A price in DynamoDB's one spelling: no zeros at the end.
fn price(random: &mut fastrand::Rng) -> String {
    format!("{}.{}", random.u32(1..99), random.u32(1..10))
}
