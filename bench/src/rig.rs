//! Endpoints on free ports, a table with a stream, and requests to both.

use std::{path::Path, sync::Arc, time::Duration};

use aws::{Access, AwsConfig, Environment, Http, JsonService};
use bytes::Bytes;
use coordination::MemoryLeases;
use dynamodb::DynamoDbSource;
use http::{Method, Request};
use local::{clock::Clock, dynamodb::DynamoDb, opensearch::OpenSearch};
use pipeline::Settings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How many items one request may write.
const BATCH: u64 = 25;

pub(crate) struct Rig {
    pub(crate) dynamodb: JsonService,
    pub(crate) dynamodb_address: String,
    pub(crate) opensearch_address: String,
    pub(crate) http: Http,
}

impl Rig {
    /// Endpoints in memory, or with their data in a folder.
    pub(crate) async fn start(data_dir: Option<&Path>) -> anyhow::Result<Rig> {
        let folder = |name: &str| data_dir.map(|it| it.join(name));
        let tables = DynamoDb::open(folder("dynamodb").as_deref(), Clock::default());
        let tables = tables.map_err(|error| anyhow::anyhow!("{error}"))?;
        let indices = OpenSearch::open(folder("opensearch").as_deref(), Clock::default());
        let indices = indices.map_err(|error| anyhow::anyhow!("{error}"))?;
        let serve = async |router: axum::Router| -> anyhow::Result<String> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = format!("http://{}", listener.local_addr()?);
            tokio::spawn(async move { axum::serve(listener, router).await });
            Ok(address)
        };
        let dynamodb_address = serve(tables.router()).await?;
        let opensearch_address = serve(indices.router()).await?;
        Rig::at(&dynamodb_address, &opensearch_address).await
    }

    /// Endpoints that somebody else has started.
    pub(crate) async fn at(
        dynamodb_address: &str,
        opensearch_address: &str,
    ) -> anyhow::Result<Rig> {
        let config = AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(dynamodb_address.to_owned()),
            ..AwsConfig::default()
        };
        let access = Access::new(config, Environment::of([]));
        let dynamodb =
            JsonService::new(&access, "DYNAMODB", "dynamodb", "DynamoDB_20120810").await?;
        let (dynamodb_address, opensearch_address) =
            (dynamodb_address.to_owned(), opensearch_address.to_owned());
        Ok(Rig { dynamodb, dynamodb_address, opensearch_address, http: Http::plain() })
    }

    pub(crate) async fn create_table(&self) -> anyhow::Result<()> {
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let table = json!({
            "TableName": "books",
            "KeySchema": [key("author", "HASH"), key("bookTitle", "RANGE")],
            "AttributeDefinitions": [attribute("author"), attribute("bookTitle")],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
        });
        self.dynamodb.ask("CreateTable", &table).await?;
        Ok(())
    }

    /// Writes items of about 1 KB.
    pub(crate) async fn fill(&self, n_items: u64) -> anyhow::Result<()> {
        self.fill_with(n_items, 1).await
    }

    /// The same, and others for another seed: what is the same as before is no change.
    pub(crate) async fn fill_with(&self, n_items: u64, seed: u64) -> anyhow::Result<()> {
        let mut random = fastrand::Rng::with_seed(seed);
        for first in (0..n_items).step_by(usize::try_from(BATCH)?) {
            let puts: Vec<Value> = (first..n_items.min(first + BATCH))
                .map(|n| json!({ "PutRequest": { "Item": crate::records::item(&mut random, n) } }))
                .collect();
            let request = json!({ "RequestItems": { "books": puts } });
            self.dynamodb.ask("BatchWriteItem", &request).await?;
        }
        Ok(())
    }

    /// A source that reads the stream of the table from its beginning.
    pub(crate) fn source(&self, start_position: &str) -> anyhow::Result<DynamoDbSource> {
        let settings = Settings::from_yaml(&format!(
            "tables: [{{ table_arn: 'arn:aws:dynamodb:us-east-1:000000000000:table/books', \
             stream: {{ start_position: {start_position} }} }}]\n\
             aws: {{ region: us-east-1, endpoint: '{}' }}",
            self.dynamodb_address
        ))?;
        let (config, _) = dynamodb::Config::read(&settings)?;
        let leases = Arc::new(MemoryLeases::default());
        let clock = pipeline::Clock::real();
        Ok(DynamoDbSource::new(config, Environment::of([]), "bench", leases, clock))
    }

    /// Asks the OpenSearch endpoint.
    pub(crate) async fn search(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.opensearch_address))
            .header("content-type", "application/json")
            .body(Bytes::from(body))?;
        let answer = self.http.send(request, Duration::from_secs(30)).await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }
}
