//! A DynamoDB and an S3 that do what the test says.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use md5::{Digest, Md5};
use serde_json::{Value, json};

/// Cheap to clone; clones are the same endpoint.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    /// What the next exports come to; `COMPLETED` when there is nothing here.
    pub(crate) export_ends: Vec<&'static str>,
    /// The items that an export or scan finds, as DynamoDB JSON.
    pub(crate) items: Vec<Value>,
    pub(crate) n_files: usize,
    /// Exports by ARN: how they end, and how often they were looked at.
    pub(crate) exports: BTreeMap<String, (&'static str, u32)>,
    pub(crate) tokens: BTreeMap<String, String>,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Objects that nobody gets while they are named here.
    pub(crate) held_back: BTreeSet<String>,
    /// Whether anything below this name was asked for.
    pub(crate) asked: BTreeSet<String>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) stream: Option<(String, &'static str)>,
    pub(crate) recovery: Option<&'static str>,
    /// Operations that are refused with this error: `GetRecords` → `AccessDeniedException`.
    pub(crate) refusals: BTreeMap<&'static str, (&'static str, u32)>,
    pub(crate) n_calls: BTreeMap<String, u64>,
    pub(crate) bucket_error: Option<(u16, &'static str)>,
    /// What goes wrong with the next ranges of objects: `overwritten`, `cut`.
    pub(crate) range_faults: Vec<&'static str>,
    pub(crate) n_ranges: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Shard {
    pub(crate) stream: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) closed: bool,
    pub(crate) records: Vec<String>,
    /// How many records at its beginning are gone.
    pub(crate) trimmed: usize,
}

pub(crate) const STREAM: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/books/stream/1";
const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/books";

impl Fake {
    pub(crate) fn new() -> Fake {
        let fake = Fake::default();
        fake.change(|it| {
            it.stream = Some((STREAM.to_owned(), "NEW_AND_OLD_IMAGES"));
            it.recovery = Some("ENABLED");
            it.n_files = 3;
            it.shards.push(Shard {
                stream: STREAM.to_owned(),
                id: shard_id(1, "a"),
                ..Shard::default()
            });
        });
        fake
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Listens, and returns the address.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let fake = self.clone();
        let router = Router::new().fallback(
            async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| match headers
                .get("x-amz-target")
                .and_then(|it| it.to_str().ok())
            {
                Some(target) => fake.dynamodb(target.split('.').nth(1).unwrap(), &body),
                None => fake.s3(&method, &uri, &headers).await,
            },
        );
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn dynamodb(&self, operation: &str, body: &[u8]) -> Response {
        let question: Value = serde_json::from_slice(body).unwrap();
        let answer = self.change(|it| {
            *it.n_calls.entry(operation.to_owned()).or_default() += 1;
            it.answer(operation, &question)
        });
        match answer {
            Ok(answer) => answer.to_string().into_response(),
            Err(code) => {
                let body = json!({ "__type": code, "message": format!("{operation} says no") });
                let status = if code == "InternalServerError" { 500 } else { 400 };
                (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
            }
        }
    }

    async fn s3(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let error = |status: u16, code: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            (StatusCode::from_u16(status).unwrap(), body).into_response()
        };
        let key = uri.path().trim_start_matches("/exports/").to_owned();
        if let Some((status, code)) = self.change(|it| it.bucket_error) {
            return error(status, code);
        }
        if uri.query().is_some() {
            return "<ListBucketResult></ListBucketResult>".into_response();
        }
        while self.change(|it| {
            it.asked.insert(key.clone());
            it.held_back.contains(&key)
        }) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let Some(object) = self.change(|it| it.objects.get(&key).cloned()) else {
            return error(404, "NoSuchKey");
        };
        let etag = [("etag", "\"e\"".to_owned()), ("content-length", object.len().to_string())];
        if *method == Method::HEAD {
            return (etag, Bytes::new()).into_response();
        }
        let range = headers.get("range").and_then(|it| it.to_str().ok());
        let part = match range.and_then(|it| it.strip_prefix("bytes=")?.split_once('-')) {
            Some((from, to)) => {
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                let part = object[from..object.len().min(to + 1)].to_vec();
                assert_eq!(headers.get("if-match").unwrap(), "\"e\"");
                let fault = self.change(|it| {
                    it.n_ranges += 1;
                    it.range_faults.pop()
                });
                match fault {
                    Some("overwritten") => return error(412, "PreconditionFailed"),
                    Some(_cut) => part[..part.len() / 2].to_vec(),
                    None => part,
                }
            }
            None => object,
        };
        part.into_response()
    }
}

/// As DynamoDB names them: when a shard was made is part of its name.
pub(crate) fn shard_id(made_ms: u64, letter: &str) -> String {
    format!("shardId-{made_ms:020}-{letter}")
}

/// A change of the item `key` as the stream tells of it.
pub(crate) fn record(name: &str, key: &str, value: u64, n: u64, second: u64) -> String {
    let image = json!({ "k": { "S": key }, "v": { "N": value.to_string() } });
    let image =
        if name == "REMOVE" { json!({ "OldImage": image }) } else { json!({ "NewImage": image }) };
    let mut change = json!({
        "ApproximateCreationDateTime": second,
        "Keys": { "k": { "S": key } },
        "SequenceNumber": format!("{n:021}"),
    });
    change.as_object_mut().unwrap().extend(image.as_object().unwrap().clone());
    json!({ "eventName": name, "dynamodb": change }).to_string()
}

pub(crate) fn item(key: &str, value: u64) -> Value {
    json!({ "k": { "S": key }, "v": { "N": value.to_string() } })
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Ion knows these items as well.
fn ion(item: &Value) -> String {
    format!(
        "$ion_1_0 {{Item:{{k:\"{}\",v:{}.}}}}",
        item["k"]["S"].as_str().unwrap(),
        item["v"]["N"].as_str().unwrap()
    )
}

impl State {
    fn answer(&mut self, operation: &str, question: &Value) -> Result<Value, &'static str> {
        if let Some((code, n)) = self.refusals.get_mut(operation)
            && 0 < *n
        {
            *n -= 1;
            return Err(*code);
        }
        let text = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
        match operation {
            "DescribeTable" => Ok(self.describe_table(&text("TableName"))),
            "DescribeContinuousBackups" => {
                let status = self.recovery.ok_or("UnknownOperationException")?;
                let recovery = json!({ "PointInTimeRecoveryStatus": status });
                Ok(
                    json!({ "ContinuousBackupsDescription": { "PointInTimeRecoveryDescription": recovery } }),
                )
            }
            "ExportTableToPointInTime" => {
                let n = self.tokens.len() + 1;
                let token = text("ClientToken");
                let known = self.tokens.contains_key(&token);
                let arn = self.tokens.entry(token).or_insert_with(|| format!("{TABLE}/export/{n}"));
                let arn = arn.clone();
                if !known {
                    let end = if self.export_ends.is_empty() {
                        "COMPLETED"
                    } else {
                        self.export_ends.remove(0)
                    };
                    self.export(&arn, n, end, &text("ExportFormat"));
                }
                Ok(
                    json!({ "ExportDescription": { "ExportArn": arn, "ExportStatus": "IN_PROGRESS" } }),
                )
            }
            "DescribeExport" => {
                let arn = text("ExportArn");
                let export = self.exports.get_mut(&arn).ok_or("ExportNotFoundException")?;
                export.1 += 1;
                let status = if export.1 < 2 { "IN_PROGRESS" } else { export.0 };
                if status == "VANISHED" {
                    return Err("ExportNotFoundException");
                }
                let n = arn.rsplit('/').next().unwrap().to_owned();
                Ok(json!({ "ExportDescription": {
                    "ExportArn": arn, "ExportStatus": status, "ExportManifest": format!("{n}/manifest-summary.json"),
                    "FailureMessage": "as the test said",
                } }))
            }
            "DescribeStream" => self.describe_stream(question),
            "GetShardIterator" => self.iterator(question),
            "GetRecords" => self.records(question),
            "Scan" => Ok(self.scan(question)),
            _ => Err("UnknownOperationException"),
        }
    }

    fn describe_table(&self, name: &str) -> Value {
        let key = json!({ "AttributeName": "k", "KeyType": "HASH" });
        let mut table = json!({ "TableName": name, "TableArn": TABLE.replace("books", name), "KeySchema": [key] });
        if let Some((arn, view)) = &self.stream {
            table["LatestStreamArn"] = arn.replace("books", name).into();
            table["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
        }
        json!({ "Table": table })
    }

    /// Writes what an export leaves in the bucket.
    fn export(&mut self, arn: &str, n: usize, end: &'static str, format: &str) {
        self.exports.insert(arn.to_owned(), (end, 0));
        let mut list = String::new();
        let line =
            |it: &Value| if format == "ION" { ion(it) } else { json!({ "Item": it }).to_string() };
        let per_file = self.items.len().div_ceil(self.n_files.max(1)).max(1);
        for (file, items) in self.items.chunks(per_file).enumerate() {
            let text: String = items.iter().map(|it| line(it) + "\n").collect();
            let object = gzip(text.as_bytes());
            let key = format!("{n}/data/{file}.json.gz");
            list += &json!({
                "itemCount": items.len(),
                "md5Checksum": STANDARD.encode(Md5::digest(&object)),
                "etag": "x-1",
                "dataFileS3Key": key,
            })
            .to_string();
            list += "\n";
            self.objects.insert(key, object);
        }
        let summary = json!({
            "version": "2020-06-30", "exportArn": arn, "exportTime": "2026-11-27T12:00:00Z",
            "itemCount": self.items.len() + usize::from(end == "MISMATCHED"), "outputFormat": format,
            "manifestFilesS3Key": format!("{n}/manifest-files.json"),
        });
        let sum = STANDARD.encode(Md5::digest(summary.to_string()));
        self.objects.insert(format!("{n}/manifest-summary.checksum"), sum.into_bytes());
        self.objects.insert(format!("{n}/manifest-summary.json"), summary.to_string().into_bytes());
        self.objects.insert(format!("{n}/manifest-files.json"), list.into_bytes());
        if end == "WRONG_CHECKSUM" {
            let sum = STANDARD.encode(Md5::digest("something else"));
            self.objects.insert(format!("{n}/manifest-summary.checksum"), sum.into_bytes());
        }
        if ["MISMATCHED", "WRONG_CHECKSUM"].contains(&end) {
            self.exports.insert(arn.to_owned(), ("COMPLETED", 0));
        }
        if end == "WITHOUT_FILES" {
            self.exports.insert(arn.to_owned(), ("COMPLETED", 0));
            self.objects.retain(|key, _| !key.starts_with(&format!("{n}/data/")));
        }
    }

    fn describe_stream(&self, question: &Value) -> Result<Value, &'static str> {
        let arn = question["StreamArn"].as_str().unwrap();
        let parent = question["ShardFilter"]["ShardId"].as_str();
        let of_stream: Vec<&Shard> = self.shards.iter().filter(|it| it.stream == arn).collect();
        if of_stream.is_empty() {
            return Err("ResourceNotFoundException");
        }
        let wanted =
            of_stream.into_iter().filter(|it| parent.is_none() || it.parent.as_deref() == parent);
        let shards: Vec<Value> = wanted
            .map(|it| {
                let mut shard = json!({ "ShardId": it.id, "SequenceNumberRange": { "StartingSequenceNumber": "1" } });
                if it.closed {
                    shard["SequenceNumberRange"]["EndingSequenceNumber"] = "9".into();
                }
                if let Some(parent) = &it.parent {
                    shard["ParentShardId"] = parent.as_str().into();
                }
                shard
            })
            .collect();
        Ok(json!({ "StreamDescription": { "Shards": shards } }))
    }

    fn iterator(&self, question: &Value) -> Result<Value, &'static str> {
        let id = question["ShardId"].as_str().unwrap();
        let shard = self.shards.iter().find(|it| it.id == id).ok_or("ResourceNotFoundException")?;
        let at = match question["ShardIteratorType"].as_str().unwrap() {
            "LATEST" => shard.records.len(),
            "TRIM_HORIZON" => shard.trimmed,
            _ => {
                let after = question["SequenceNumber"].as_str().unwrap();
                let found = shard.records.iter().position(|it| it.contains(after));
                let at = found.ok_or("TrimmedDataAccessException")? + 1;
                if at <= shard.trimmed {
                    return Err("TrimmedDataAccessException");
                }
                at
            }
        };
        Ok(json!({ "ShardIterator": format!("{id}:{at}") }))
    }

    fn records(&self, question: &Value) -> Result<Value, &'static str> {
        let (id, at) = question["ShardIterator"].as_str().unwrap().rsplit_once(':').unwrap();
        let at: usize = at.parse().unwrap();
        let shard = self.shards.iter().find(|it| it.id == id).ok_or("ResourceNotFoundException")?;
        let end = shard.records.len().min(at + 7);
        let records: Vec<Value> =
            shard.records[at..end].iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        let mut answer = json!({ "Records": records });
        if !shard.closed || end < shard.records.len() {
            answer["NextShardIterator"] = format!("{id}:{end}").into();
        }
        Ok(answer)
    }

    fn scan(&self, question: &Value) -> Value {
        let number = |name: &str| usize::try_from(question[name].as_u64().unwrap()).unwrap();
        let (segment, segments) = (number("Segment"), number("TotalSegments"));
        let of_segment = self.items.iter().enumerate().filter(|(n, _)| n % segments == segment);
        let items: Vec<&Value> = of_segment.map(|(_, it)| it).collect();
        let start = question["ExclusiveStartKey"]["k"]["S"].as_str();
        let start =
            start.map_or(0, |key| items.iter().position(|it| it["k"]["S"] == key).unwrap() + 1);
        let end = items.len().min(start + 5);
        let mut answer =
            json!({ "Items": items[start..end], "ConsumedCapacity": { "CapacityUnits": 0.5 } });
        if end < items.len() {
            answer["LastEvaluatedKey"] = json!({ "k": items[end - 1]["k"] });
        }
        answer
    }
}
