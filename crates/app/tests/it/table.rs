//! A DynamoDB table, through the AWS SDK.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
        ScalarAttributeType, StreamSpecification, StreamViewType,
    },
};
use serde_json::{Value, json};

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
