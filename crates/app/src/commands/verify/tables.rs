//! The tables of all pipelines, as the comparison reads them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws::{CallError, JsonService};
use futures::{StreamExt, TryStreamExt};
use pipeline::{Table, Value};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::{sync::Mutex, time::Instant};
use verify::{EndError, Page, Row, Tables};

use crate::{failure::Failure, plugins::Built};

/// How many items are read by their keys at the same time.
const GETS: usize = 16;
/// How long to wait before a call that was throttled is made again, at first and at most.
const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How often a call is made before it is given up.
const TRIES: usize = 10;

/// All tables of some pipelines.
pub(super) struct Scanned(Vec<One>);

struct One {
    /// The place of its pipeline.
    pipeline: usize,
    table: Arc<Table>,
    /// What to call it.
    arn: String,
    /// The types of its keys, by their names: `S`, `N` or `B`.
    keys: BTreeMap<String, String>,
    n_items: u64,
    dynamodb: JsonService,
    max_rcu: Option<u32>,
    /// When what was read so far will have been earned.
    paid_at: Mutex<Instant>,
}

type Item<'a> = BTreeMap<&'a str, &'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scan<'a> {
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    last_evaluated_key: Option<&'a RawValue>,
    #[serde(default)]
    consumed_capacity: Option<Capacity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Capacity {
    capacity_units: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got<'a> {
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
}

impl Scanned {
    /// The tables of these pipelines, each described by DynamoDB.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be described.
    pub(super) async fn of(built: &[Built], max_rcu: Option<u32>) -> Result<Scanned, Failure> {
        let mut all = Vec::new();
        for (pipeline, built) in built.iter().enumerate() {
            let Some(config) = built.source_config() else { continue };
            let dynamodb = built.dynamodb().await.map_err(Failure::failed)?;
            for table in &config.tables {
                let arn = &table.table_arn;
                let one = One::described(pipeline, &arn.text, &arn.table, &dynamodb, max_rcu);
                all.push(one.await.map_err(|it| Failure::failed(it.0))?);
            }
        }
        if all.is_empty() {
            return Err(Failure::wrong("no pipeline has a source"));
        }
        Ok(Scanned(all))
    }

    /// About how many items they have.
    pub(super) fn n_items(&self) -> u64 {
        self.0.iter().map(|it| it.n_items).sum()
    }

    /// The place of the pipeline of each table, and the table.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &Arc<Table>)> {
        self.0.iter().map(|it| (it.pipeline, &it.table))
    }

    /// A key that somebody typed, and the table that has such keys.
    ///
    /// # Errors
    ///
    /// When no table has, or several have.
    pub(super) fn key(&self, text: &str) -> Result<(usize, String), Failure> {
        let wrong = |what: &str| {
            Failure::wrong(format!(
                "--key {text}: {what}; write it like {{\"id\": {{\"S\": \"x\"}}}}"
            ))
        };
        let Ok(key) = serde_json::from_str::<Item<'_>>(text) else {
            return Err(wrong("it is no key in DynamoDB JSON"));
        };
        let fits = |it: &One| it.keys.keys().map(String::as_str).eq(key.keys().copied());
        let mut places = (0..self.0.len()).filter(|n| fits(&self.0[*n]));
        match (places.next(), places.next()) {
            (Some(table), None) => Ok((table, key_text(&key, &self.0[table]))),
            (None, _) => Err(wrong("no table has keys of these names")),
            _ => Err(wrong("several tables have keys of these names; name one pipeline's file")),
        }
    }
}

/// The key of an item, its attributes in one order.
fn key_text(item: &Item<'_>, one: &One) -> String {
    let part = |name: &String| {
        let name_text = json!(name);
        format!("{name_text}:{}", item.get(name.as_str()).map_or("null", |it| it.get()))
    };
    let parts: Vec<String> = one.keys.keys().map(part).collect();
    format!("{{{}}}", parts.join(","))
}

impl One {
    async fn described(
        pipeline: usize,
        arn: &str,
        name: &str,
        dynamodb: &JsonService,
        max_rcu: Option<u32>,
    ) -> Result<One, EndError> {
        let question = json!({ "TableName": arn });
        let answer = call(dynamodb, "DescribeTable", &question.to_string()).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        let about = &answer["Table"];
        let schema = about["KeySchema"].as_array().cloned().unwrap_or_default();
        let of_kind = |kind: &str| {
            let key = schema.iter().find(|it| it["KeyType"] == kind)?;
            key["AttributeName"].as_str().map(str::to_owned)
        };
        let no_keys = || EndError("DescribeTable: the table has no keys".to_owned());
        let partition_key = of_kind("HASH").ok_or_else(no_keys)?;
        let sort_key = of_kind("RANGE");
        let types = about["AttributeDefinitions"].as_array().cloned().unwrap_or_default();
        let keys = [Some(&partition_key), sort_key.as_ref()].into_iter().flatten().map(|name| {
            let kind = types.iter().find(|it| it["AttributeName"] == **name);
            let kind = kind.and_then(|it| it["AttributeType"].as_str()).unwrap_or("S");
            (name.clone(), kind.to_owned())
        });
        Ok(One {
            pipeline,
            arn: arn.to_owned(),
            keys: keys.collect(),
            n_items: about["ItemCount"].as_u64().unwrap_or_default(),
            dynamodb: dynamodb.clone(),
            max_rcu,
            paid_at: Mutex::new(Instant::now()),
            table: Arc::new(Table { name: name.to_owned(), partition_key, sort_key }),
        })
    }

    /// Waits until what was read so far has been earned.
    async fn wait(&self) {
        let at = *self.paid_at.lock().await;
        tokio::time::sleep_until(at).await;
    }

    async fn use_up(&self, capacity: Option<Capacity>) {
        let (Some(most), Some(used)) = (self.max_rcu, capacity) else { return };
        let mut paid_at = self.paid_at.lock().await;
        let from = (*paid_at).max(Instant::now());
        let seconds = used.capacity_units.max(0.0) / f64::from(most.max(1));
        *paid_at = from + Duration::from_secs_f64(seconds);
    }

    fn row(&self, table: usize, item: &RawValue) -> Result<Row, EndError> {
        let fields: Item<'_> =
            serde_json::from_str(item.get()).map_err(|it| nonsense("item", &it))?;
        Ok(Row { table, key: key_text(&fields, self), item: item.get().to_owned() })
    }

    async fn item(&self, table: usize, key: &str) -> Result<Option<Row>, EndError> {
        let name = json!(self.arn);
        let question = format!(r#"{{"TableName":{name},"ConsistentRead":true,"Key":{key}}}"#);
        let answer = call(&self.dynamodb, "GetItem", &question).await?;
        let got: Got<'_> =
            serde_json::from_slice(&answer).map_err(|it| nonsense("GetItem", &it))?;
        let row = got.item.map(|it| self.row(table, it)).transpose()?;
        // Under the key that was asked for: a number may be written in several ways.
        Ok(row.map(|row| Row { key: key.to_owned(), ..row }))
    }
}

fn nonsense(call: &str, error: &serde_json::Error) -> EndError {
    EndError(format!("{call}: the answer makes no sense: {error}"))
}

/// Makes a call; again if it was throttled.
async fn call(
    dynamodb: &JsonService,
    operation: &str,
    question: &str,
) -> Result<bytes::Bytes, EndError> {
    let mut wait = WAIT_MIN;
    let mut n_left = TRIES;
    loop {
        n_left -= 1;
        let error = match dynamodb.call(operation, question.to_owned()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if n_left == 0 || !error.is_transient() {
            return Err(told(operation, &error));
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}

fn told(operation: &str, error: &CallError) -> EndError {
    let hint = match error.code() {
        Some("AccessDeniedException") => format!("; grant `dynamodb:{operation}` on the table"),
        _ => String::new(),
    };
    EndError(format!("{error}{hint}"))
}

#[async_trait]
impl Tables for Scanned {
    fn n(&self) -> usize {
        self.0.len()
    }

    async fn page(
        &self,
        table: usize,
        segment: u32,
        segments: u32,
        after: Option<&str>,
    ) -> Result<Page, EndError> {
        let one = &self.0[table];
        one.wait().await;
        let name = json!(one.arn);
        let start = after.map(|it| format!(r#","ExclusiveStartKey":{it}"#)).unwrap_or_default();
        let question = format!(
            r#"{{"TableName":{name},"Segment":{segment},"TotalSegments":{segments},"ReturnConsumedCapacity":"TOTAL"{start}}}"#
        );
        let answer = call(&one.dynamodb, "Scan", &question).await?;
        let scan: Scan<'_> = serde_json::from_slice(&answer).map_err(|it| nonsense("Scan", &it))?;
        let rows = scan.items.iter().map(|it| one.row(table, it)).collect::<Result<_, _>>()?;
        let next = scan.last_evaluated_key.map(|it| it.get().to_owned());
        one.use_up(scan.consumed_capacity).await;
        Ok(Page { rows, next })
    }

    async fn rows(&self, table: usize, keys: &[String]) -> Result<Vec<Option<Row>>, EndError> {
        let one = &self.0[table];
        let items: Vec<_> = keys.iter().map(|key| one.item(table, key)).collect();
        futures::stream::iter(items).buffered(GETS).try_collect().await
    }

    async fn now_ms(&self) -> Result<u64, EndError> {
        let mut earliest = u64::MAX;
        for one in &self.0 {
            let now = one.dynamodb.now_ms().await.map_err(|it| EndError(it.to_string()))?;
            earliest = earliest.min(now);
        }
        Ok(earliest)
    }

    fn keys_of(&self, document: &[u8]) -> Vec<(usize, String)> {
        let Ok(Value::Map(fields)) = Value::from_json(document) else { return Vec::new() };
        let key = |one: &One| {
            let part = |(name, kind): (&String, &String)| {
                let text = match (kind.as_str(), fields.get(name)?) {
                    ("N", Value::Number(it)) => it.as_str().to_owned(),
                    ("S" | "B", Value::String(it)) => it.clone(),
                    _ => return None,
                };
                Some(format!("{}:{}", json!(name), json!({ kind: text })))
            };
            let parts: Option<Vec<String>> = one.keys.iter().map(part).collect();
            Some(format!("{{{}}}", parts?.join(",")))
        };
        let keys = self.0.iter().enumerate();
        keys.filter_map(|(table, one)| Some((table, key(one)?))).collect()
    }
}
