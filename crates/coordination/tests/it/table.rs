//! Leases in a table of the embedded endpoint, over HTTP.

use std::time::Duration;

use aws::{Access, AwsConfig, Environment, JsonService};
use coordination::{LEASE_TERM, Lease, LeaseError, LeaseStore, TableConfig, TableLeases};
use local::dynamodb::DynamoDb;
use pipeline::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::{START, check_lease_store};

/// An embedded DynamoDB on a port of its own, gone with the test's runtime.
pub(crate) struct Endpoint {
    address: String,
}

impl Endpoint {
    pub(crate) async fn start() -> Endpoint {
        let dynamodb = DynamoDb::open(None, local::clock::Clock::default()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, dynamodb.router()).await });
        Endpoint { address }
    }

    fn config(&self) -> TableConfig {
        TableConfig {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some(self.address.clone()),
            ..TableConfig::named("leases")
        }
    }

    pub(crate) async fn open(&self) -> TableLeases {
        self.open_as(self.config()).await.unwrap()
    }

    async fn open_as(&self, config: TableConfig) -> Result<TableLeases, LeaseError> {
        TableLeases::open(config, Environment::of([]), Clock::at(START)).await
    }

    /// Calls as any client would.
    async fn ask(&self, operation: &str, question: Value) -> Value {
        let config = AwsConfig {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some(self.address.clone()),
            ..AwsConfig::default()
        };
        let access = Access::new(config, Environment::of([]));
        let dynamodb = JsonService::new(&access, "DYNAMODB", "dynamodb", "DynamoDB_20120810").await;
        dynamodb.unwrap().ask(operation, &question).await.unwrap()
    }

    /// Has the next calls of an operation go wrong.
    async fn order_fault(&self, fault: Value) {
        let request = http::Request::post(format!("{}/_local/faults", self.address));
        let request = request.body(bytes::Bytes::from(fault.to_string())).unwrap();
        let answer = aws::Http::plain().send(request, Duration::from_secs(5)).await.unwrap();
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_table_is_a_lease_store() {
    let endpoint = Endpoint::start().await;
    check_lease_store(&endpoint.open().await).await;
}

/// Clocks an hour apart: each worker counts by its own how long it saw nothing of the other.
#[tokio::test]
async fn clocks_that_differ_neither_hasten_nor_hinder_a_take_over() {
    let endpoint = Endpoint::start().await;
    let (ada, bob) = (endpoint.open().await, endpoint.open().await);
    let hour = Duration::from_hours(1);
    let bobs = |part: u32| Timestamp(START.0).after(hour + LEASE_TERM * part / 3);
    let mut lease = ada.acquire("shard", "ada", START).await.unwrap().unwrap();

    for part in 0..3 {
        assert!(bob.acquire("shard", "bob", bobs(part)).await.unwrap().is_none(), "too early");
    }
    ada.save(&mut lease, START.after(LEASE_TERM)).await.unwrap();
    for part in 3..6 {
        assert!(bob.acquire("shard", "bob", bobs(part)).await.unwrap().is_none(), "renewed");
    }
    let taken = bob.acquire("shard", "bob", bobs(6)).await.unwrap().unwrap();
    assert_eq!(taken.token, 2);
    let error = ada.save(&mut lease, START.after(LEASE_TERM * 2)).await.unwrap_err();
    assert_eq!(error.to_string(), "shard now belongs to bob");
}

#[tokio::test]
async fn of_many_workers_one_gets_the_shard() {
    let endpoint = Endpoint::start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let store = endpoint.open().await;
        tasks.spawn(async move {
            let owner = format!("worker {n}");
            store.acquire("shard", &owner, START).await.unwrap().is_some()
        });
    }
    let won = tasks.join_all().await;
    assert_eq!(won.iter().filter(|it| **it).count(), 1);
}

/// The call was carried out, and its answer lost on the way.
#[tokio::test]
async fn an_answer_that_is_lost_does_not_lose_the_lease() {
    let endpoint = Endpoint::start().await;
    let store = endpoint.open().await;
    let lost_answer =
        || json!({ "operation": "PutItem", "reset": true, "performed": true, "times": 1 });
    endpoint.order_fault(lost_answer()).await;
    let mut lease = store.acquire("shard", "ada", START).await.unwrap().expect("it was performed");
    endpoint.order_fault(lost_answer()).await;
    lease.checkpoint = Some("7".to_owned());
    store.save(&mut lease, START).await.unwrap();
    endpoint.order_fault(lost_answer()).await;
    store.release(lease).await.unwrap();
    let left = store.list("shard").await.unwrap();
    assert_eq!((left[0].checkpoint.as_deref(), left[0].free), (Some("7"), true));
}

#[tokio::test]
async fn throttling_is_waited_for_and_refusals_name_the_permission() {
    let endpoint = Endpoint::start().await;
    let store = endpoint.open().await;
    let throttled = "ProvisionedThroughputExceededException";
    endpoint.order_fault(json!({ "operation": "Query", "error": throttled, "times": 3 })).await;
    assert_eq!(store.list("").await.unwrap(), []);
    assert_eq!(store.traffic().unwrap().reads, 4);

    for (operation, call) in [("PutItem", 0), ("GetItem", 0), ("Query", 1), ("DeleteItem", 2)] {
        let fault = json!({ "operation": operation, "error": "AccessDeniedException", "times": 1 });
        endpoint.order_fault(fault).await;
        let error = match call {
            0 => store.acquire("x", "ada", START).await.map(drop),
            1 => store.list("").await.map(drop),
            _ => store.remove(Lease { partition: "x".to_owned(), ..Lease::default() }).await,
        };
        let error = error.unwrap_err().to_string();
        let expected = format!("grant `dynamodb:{operation}` on the table `leases`");
        assert!(error.contains(&expected), "{error}");
    }
    let fault = json!({ "operation": "Query", "error": throttled, "times": 8 });
    endpoint.order_fault(fault).await;
    let error = store.list("").await.unwrap_err();
    assert!(!error.is_lost());
    let error = error.to_string();
    assert!(error.contains("dynamodb table `leases`") && error.contains(throttled), "{error}");
}

#[tokio::test]
async fn the_table_is_created_as_it_was_ordered() {
    let endpoint = Endpoint::start().await;
    let strict = TableConfig { skip_table_creation: true, ..endpoint.config() };
    let error = endpoint.open_as(strict.clone()).await.unwrap_err().to_string();
    assert!(error.contains("no such table") && error.contains("sourcePartitionKey"), "{error}");

    endpoint.open().await;
    let described = endpoint.ask("DescribeTable", json!({ "TableName": "leases" })).await;
    let billing = &described["Table"]["BillingModeSummary"]["BillingMode"];
    assert_eq!(billing, "PAY_PER_REQUEST", "{described}");
    let ttl = endpoint.ask("DescribeTimeToLive", json!({ "TableName": "leases" })).await;
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "expirationTime", "{ttl}");
    endpoint.open_as(strict).await.unwrap();

    let table = "provisioned".to_owned();
    let config = TableConfig { table, capacity: Some((7, 9)), ..endpoint.config() };
    endpoint.open_as(config).await.unwrap();
    let described = endpoint.ask("DescribeTable", json!({ "TableName": "provisioned" })).await;
    let units = &described["Table"]["ProvisionedThroughput"];
    assert_eq!((&units["ReadCapacityUnits"], &units["WriteCapacityUnits"]), (&json!(7), &json!(9)));
}

#[tokio::test]
async fn a_table_of_something_else_is_refused() {
    let endpoint = Endpoint::start().await;
    let attribute = json!({ "AttributeName": "id", "AttributeType": "S" });
    endpoint
        .ask(
            "CreateTable",
            json!({
                "TableName": "leases", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [attribute],
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            }),
        )
        .await;
    let error = endpoint.open_as(endpoint.config()).await.unwrap_err().to_string();
    assert!(error.contains("its keys are `id` and `none`"), "{error}");
}

#[tokio::test]
async fn only_what_may_pass_gets_a_time_to_expire() {
    let endpoint = Endpoint::start().await;
    let store = endpoint.open().await;
    let mut shard = store.acquire("shard", "ada", START).await.unwrap().unwrap();
    store.acquire("start", "ada", START).await.unwrap().unwrap();
    (shard.done, shard.passing) = (true, true);
    store.release(shard).await.unwrap();
    let found = endpoint.ask("Scan", json!({ "TableName": "leases" })).await;
    for item in found["Items"].as_array().unwrap() {
        let expires = item.get("expirationTime").map(|it| it["N"].as_str().unwrap());
        let week_later = (START.0 / 1000 + 7 * 24 * 60 * 60).to_string();
        let expected = (item["sourcePartitionKey"]["S"] == "shard").then_some(week_later);
        assert_eq!(expires, expected.as_deref(), "{item}");
    }
    assert!(store.list("shard").await.unwrap()[0].passing);
}

#[tokio::test]
async fn prefixes_keep_installations_apart() {
    let endpoint = Endpoint::start().await;
    let blue = TableConfig { partition_prefix: Some("blue".to_owned()), ..endpoint.config() };
    let (plain, blue) = (endpoint.open().await, endpoint.open_as(blue).await.unwrap());
    assert!(plain.acquire("shard", "ada", START).await.unwrap().is_some());
    assert!(blue.acquire("shard", "bob", START).await.unwrap().is_some());
    assert_eq!(blue.list("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn more_leases_than_fit_into_one_answer_are_all_listed() {
    let endpoint = Endpoint::start().await;
    let store = endpoint.open().await;
    let checkpoint = "7".repeat(100_000);
    for n in 0..25 {
        let acquired = store.acquire(&format!("shard-{n:02}"), "ada", START).await;
        let mut lease = acquired.unwrap().unwrap();
        lease.checkpoint = Some(checkpoint.clone());
        store.save(&mut lease, START).await.unwrap();
    }
    let before = store.traffic().unwrap();
    let listed = store.list("shard-").await.unwrap();
    assert_eq!(listed.len(), 25);
    assert!(listed.is_sorted_by_key(|it| it.partition.clone()));
    assert!(1 < store.traffic().unwrap().reads - before.reads, "it fitted into one answer");
}
