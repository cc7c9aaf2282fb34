//! A DynamoDB table, through the AWS SDK.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
        PointInTimeRecoverySpecification, ScalarAttributeType, StreamSpecification, StreamViewType,
    },
};
use serde_json::{Value, json};

use crate::{cluster::Cluster, program::PATIENCE};

/// How often to compare, and how long to wait for both to become equal.
const COMPARE_EVERY: Duration = Duration::from_millis(50);
const EQUAL_WITHIN: Duration = PATIENCE.saturating_mul(3);

/// The SDK, talking to `endpoint`.
pub(crate) fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// Creates the table of the first how-to project.
pub(crate) async fn create_books(client: &Client, view: Option<StreamViewType>) {
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let attribute = |name: &str| {
        let builder = AttributeDefinition::builder().attribute_name(name);
        builder.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let stream = view.map(|view| {
        StreamSpecification::builder().stream_enabled(true).stream_view_type(view).build().unwrap()
    });
    client
        .create_table()
        .table_name("books")
        .key_schema(key("author", KeyType::Hash))
        .key_schema(key("bookTitle", KeyType::Range))
        .attribute_definitions(attribute("author"))
        .attribute_definitions(attribute("bookTitle"))
        .billing_mode(BillingMode::PayPerRequest)
        .set_stream_specification(stream)
        .send()
        .await
        .unwrap();
}

/// Switches point-in-time recovery on, which exports need.
pub(crate) async fn keep_the_past(dynamodb: &Client) {
    let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let update = dynamodb.update_continuous_backups().table_name("books");
    update.point_in_time_recovery_specification(on.build().unwrap()).send().await.unwrap();
}

/// Every item, by `author|bookTitle`, as the document it should be.
pub(crate) async fn all(client: &Client) -> BTreeMap<String, Value> {
    let mut items = BTreeMap::new();
    let mut pages = client.scan().table_name("books").into_paginator().send();
    while let Some(page) = pages.next().await {
        for item in page.unwrap().items.unwrap_or_default() {
            let text = |name: &str| item[name].as_s().unwrap().clone();
            let id = format!("{}|{}", text("author"), text("bookTitle"));
            items.insert(id, document(&item));
        }
    }
    items
}

/// Waits until every item of the table `books` is in the index `books` as it is in the table, and
/// nothing else; says how many those are. Prints the verdict on each item that differs when it takes
/// too long. The table may still change: items expire.
pub(crate) async fn until_equal(client: &Client, opensearch: &Cluster) -> usize {
    let began = tokio::time::Instant::now();
    loop {
        let (table, index) = (all(client).await, opensearch.all("books").await);
        if table == index {
            println!(
                "verdict: {} items, each as it is in the table, and nothing else",
                table.len()
            );
            return table.len();
        }
        if EQUAL_WITHIN < began.elapsed() {
            let mut verdict = String::new();
            let ids = table.keys().chain(index.keys().filter(|it| !table.contains_key(*it)));
            for id in ids.filter(|id| table.get(*id) != index.get(*id)) {
                let what = match (table.get(id), index.get(id)) {
                    (Some(item), None) => format!("MISSING in the index: {item}"),
                    (None, Some(document)) => format!("TOO MUCH in the index: {document}"),
                    (item, document) => format!("DIFFERENT: {item:?} is {document:?} in the index"),
                };
                let _ = write!(verdict, "\n  {id}: {what}");
            }
            panic!("the index does not equal the table of {} items:{verdict}", table.len());
        }
        tokio::time::sleep(COMPARE_EVERY).await;
    }
}

/// What an item is as a document: worked out here once more, from the SDK's types.
fn document(item: &HashMap<String, AttributeValue>) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
}

fn plain(value: &AttributeValue) -> Value {
    let number = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    match value {
        AttributeValue::S(text) => json!(text),
        AttributeValue::N(text) => number(text),
        AttributeValue::Bool(it) => json!(it),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::M(map) => document(map),
        AttributeValue::L(list) => list.iter().map(plain).collect(),
        AttributeValue::Ss(texts) => json!(texts),
        AttributeValue::Ns(numbers) => numbers.iter().map(number).collect(),
        other => panic!("{other:?} is not written by these tests"),
    }
}
