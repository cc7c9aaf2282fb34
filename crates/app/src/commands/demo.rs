//! `streamdex demo`: all of it on this machine, with something to look at.

mod books;

use std::{path::Path, sync::Arc, time::Duration};

use aws::{Access, AwsConfig, Environment, Http, JsonService};
use bytes::Bytes;
use coordination::Coordination;
use engine::Pipeline;
use http::{Request, header};
use pipeline::Stop;
use serde_json::{Value, json};

use super::{
    run::{either, end},
    write_addresses,
};
use crate::{
    api::Api,
    cli::{Demo, EndpointArgs},
    endpoints::{Endpoints, address_of, serve},
    failure::{Failure, warn_of},
    leases,
    process::{listen, stop_on_signal},
    service::{Files, Service},
    status,
};

/// How many items one request may write.
const BATCH: u32 = 25;
/// How long the pipeline may take to be ready. It takes milliseconds.
const READY_MAX: Duration = Duration::from_secs(20);
/// How long to wait for answers of endpoints in this very process.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn run(args: Demo) -> Result<(), Failure> {
    let EndpointArgs { data_dir, api, .. } = &args.endpoints;
    let (stopper, shutdown) = Stop::pair();
    let stop = either(stop_on_signal(), shutdown);
    // What is written to a temporary folder is gone with the process.
    let temporary = tempfile::tempdir().map_err(|error| Failure::failed(error.to_string()))?;
    let folder = data_dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let (end_serving, serving) = Stop::pair();
    let listener = listen("--api", api.api, false).await?;
    let endpoints = Endpoints::start(&args.endpoints, Some(&folder), &serving).await?;
    let dynamodb = format!("http://{}", endpoints.dynamodb);
    let opensearch = format!("http://{}", endpoints.opensearch);
    let s3 = format!("http://{}", endpoints.s3);
    let api_address = format!("http://{}", address_of(&listener)?);

    let table = Books::at(&dynamodb).await?;
    let is_new = table.create().await?;
    create_index(&opensearch).await?;

    let file = folder.join("books.yaml");
    let yaml = include_str!("demo/books.yaml");
    let yaml = yaml.replace("{dynamodb}", &dynamodb).replace("{opensearch}", &opensearch);
    std::fs::write(&file, yaml)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", file.display())))?;
    let environment = Environment::of_process();
    let files = Files::at(std::slice::from_ref(&file), false);
    let loaded = files.load(&environment).await?;
    warn_of(&loaded.warnings);
    let leases = leases::open(Coordination::default(), &folder, environment.clone()).await?;
    let service = Service::build(&loaded, files, &folder, leases, environment, None)?;
    let service = Arc::new(service);
    service.check().await?;
    let pipelines = service.pipelines();
    let router = Api::of(Arc::clone(&service), stopper).router();
    let server = serve(listener, router, serving);
    let running = {
        let stop = stop.clone();
        tokio::spawn(async move { service.run(stop).await })
    };
    let pipeline = pipelines[0].clone();
    wait_until_ready(&pipeline).await?;
    if is_new {
        table.fill(args.books).await?;
    }
    let addresses =
        [("dynamodb", dynamodb), ("opensearch", opensearch), ("s3", s3), ("api", api_address)];
    introduce(addresses.each_ref().map(|(_, it)| it.as_str()), &file, data_dir.as_deref());
    write_addresses(api.addresses.as_deref(), &addresses)?;

    let change = table.keep_changing(args.books.max(1), args.writes_per_second);
    tokio::select! {
        changed = change => changed?,
        () = status::show(&pipeline) => {}
        () = stop => {}
    }
    let _ = running.await;
    end_serving.stop();
    end(server).await;
    endpoints.close().await;
    Ok(())
}

/// The table of the demo.
struct Books {
    dynamodb: JsonService,
}

impl Books {
    async fn at(endpoint: &str) -> Result<Books, Failure> {
        let config = AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(endpoint.to_owned()),
            ..AwsConfig::default()
        };
        let access = Access::new(config, Environment::of([]));
        let dynamodb = JsonService::new(&access, "DYNAMODB", "dynamodb", "DynamoDB_20120810").await;
        Ok(Books { dynamodb: dynamodb.map_err(failed)? })
    }

    /// Creates the table, unless it is there from an earlier demo. Says whether it is new.
    async fn create(&self) -> Result<bool, Failure> {
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let table = json!({
            "TableName": "books",
            "KeySchema": [key("author", "HASH"), key("bookTitle", "RANGE")],
            "AttributeDefinitions": [attribute("author"), attribute("bookTitle")],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {
                "StreamEnabled": true,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        });
        match self.dynamodb.ask("CreateTable", &table).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    async fn fill(&self, n_books: u32) -> Result<(), Failure> {
        let mut random = fastrand::Rng::with_seed(1);
        for first in (0..n_books).step_by(BATCH as usize) {
            let puts: Vec<Value> = (first..n_books.min(first + BATCH))
                .map(|n| json!({ "PutRequest": { "Item": books::book(n, &mut random) } }))
                .collect();
            let request = json!({ "RequestItems": { "books": puts } });
            self.dynamodb.ask("BatchWriteItem", &request).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Changes prices, so that there is something to see. Without a rate it waits for ever.
    async fn keep_changing(&self, n_books: u32, per_second: u32) -> Result<(), Failure> {
        if per_second == 0 {
            return std::future::pending().await;
        }
        let mut random = fastrand::Rng::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
        loop {
            tick.tick().await;
            let book = books::book(random.u32(0..n_books), &mut random);
            let request = json!({
                "TableName": "books",
                "Key": { "author": book["author"], "bookTitle": book["bookTitle"] },
                "UpdateExpression": "SET price = :price",
                "ExpressionAttributeValues": { ":price": { "N": books::price(&mut random) } },
            });
            self.dynamodb.ask("UpdateItem", &request).await.map_err(failed)?;
        }
    }
}

/// Creates the index with its alias, as the first how-to project does; leaves one that is there.
async fn create_index(opensearch: &str) -> Result<(), Failure> {
    let text = json!({ "type": "text", "fields": { "keyword": { "type": "keyword" } } });
    let index = json!({
        "settings": { "index": { "number_of_shards": 2, "number_of_replicas": 0, "gc_deletes": "1h" } },
        "mappings": { "properties": { "author": text, "bookTitle": text } },
        "aliases": { "book1": {} },
    });
    let request = Request::put(format!("{opensearch}/books"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(index.to_string()))
        .map_err(failed)?;
    let answer = Http::plain().send(request, TIMEOUT).await.map_err(failed)?;
    let body = String::from_utf8_lossy(&answer.body);
    if answer.status.is_success() || body.contains("resource_already_exists_exception") {
        return Ok(());
    }
    Err(Failure::failed(format!("cannot create the index: {body}")))
}

async fn wait_until_ready(pipeline: &Pipeline) -> Result<(), Failure> {
    let ready = async {
        while !pipeline.is_ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(READY_MAX, ready).await.map_err(|_| {
        let problem = pipeline.accounts().now().problem.unwrap_or_default();
        Failure::failed(format!("the pipeline did not become ready: {problem}"))
    })
}

#[expect(clippy::print_stdout, reason = "the introduction is what the command is asked for")]
fn introduce(addresses: [&str; 4], file: &Path, data_dir: Option<&Path>) {
    let [dynamodb, opensearch, s3, api] = addresses;
    let data = match data_dir {
        Some(dir) => format!("{} (kept)", dir.display()),
        None => "a temporary folder, gone when this ends; keep it with --data-dir DIR".to_owned(),
    };
    let file = file.display();
    println!(
        r#"
Streamdex keeps the index `books` (alias `book1`) equal to the table `books`.

  DynamoDB     {dynamodb}
  OpenSearch   {opensearch}
  S3           {s3}
  API          {api}
  pipeline     {file}
  data         {data}

Three things to try, in another terminal:

  1. Write an item.
     AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1 \
     aws dynamodb put-item --endpoint-url {dynamodb} --table-name books \
       --item '{{"author": {{"S": "Dan Brown"}}, "bookTitle": {{"S": "The DaVinci code"}}}}'

  2. Find it.
     curl '{opensearch}/book1/_search?q=author:brown&pretty'

  3. See what happened: read, indexed, in flight, unaccounted.
     curl {api}/metrics

Control-C ends it."#
    );
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
}
