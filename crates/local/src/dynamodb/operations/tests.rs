//! No bytes at all make an operation panic, and every refusal is one that SDKs can read.

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{clock::Clock, dynamodb::DynamoDb};

/// Every operation, with a request that succeeds.
#[expect(clippy::too_many_lines, reason = "it is a list")]
fn requests() -> Vec<(&'static str, &'static str, Value)> {
    let key = json!({ "p": { "S": "a" }, "s": { "N": "1" } });
    let item = json!({
        "p": { "S": "a" }, "s": { "N": "1" }, "g": { "S": "x" }, "l": { "L": [{ "M": { "x": { "BOOL": true } } }] },
        "numbers": { "NS": ["1", "2"] }, "b": { "B": "AAE=" }, "null": { "NULL": true },
    });
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/books";
    let db = "DynamoDB_20120810";
    let streams = "DynamoDBStreams_20120810";
    vec![
        (
            db,
            "PutItem",
            json!({
                "TableName": "books", "Item": item, "ConditionExpression": "attribute_not_exists(#a) OR size(b) < :n",
                "ExpressionAttributeNames": { "#a": "zz" }, "ExpressionAttributeValues": { ":n": { "N": "3" } },
                "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE",
            }),
        ),
        (
            db,
            "PutItem",
            json!({
                "TableName": "books", "Item": item, "ConditionalOperator": "OR",
                "Expected": { "g": { "ComparisonOperator": "IN", "AttributeValueList": [{ "S": "x" }] }, "zz": { "Exists": false } },
            }),
        ),
        (
            db,
            "GetItem",
            json!({ "TableName": "books", "Key": key, "ProjectionExpression": "l[0].x, g", "ConsistentRead": true }),
        ),
        (
            db,
            "UpdateItem",
            json!({
                "TableName": "books", "Key": key, "UpdateExpression": "SET n = if_not_exists(n, :n) + :n, l = list_append(l, l) REMOVE b ADD c :n DELETE zs :s",
                "ExpressionAttributeValues": { ":n": { "N": "3" }, ":s": { "SS": ["a"] } }, "ReturnValues": "UPDATED_NEW",
            }),
        ),
        (
            db,
            "UpdateItem",
            json!({ "TableName": "books", "Key": key, "AttributeUpdates": { "n": { "Action": "ADD", "Value": { "N": "1" } } } }),
        ),
        (
            db,
            "Query",
            json!({
                "TableName": "books", "IndexName": "ggg", "KeyConditionExpression": "g = :g AND begins_with(p, :g)", "FilterExpression": "contains(numbers, :n)",
                "ExpressionAttributeValues": { ":g": { "S": "x" }, ":n": { "N": "1" } }, "ExclusiveStartKey": { "p": { "S": "xa" }, "s": { "N": "1" }, "g": { "S": "x" } },
            }),
        ),
        (
            db,
            "Query",
            json!({
                "TableName": "books", "KeyConditions": { "p": { "ComparisonOperator": "EQ", "AttributeValueList": [{ "S": "a" }] } },
                "QueryFilter": { "g": { "ComparisonOperator": "NOT_NULL" } }, "AttributesToGet": ["g"], "Limit": 3,
            }),
        ),
        (
            db,
            "Scan",
            json!({ "TableName": "books", "Segment": 0, "TotalSegments": 2, "Select": "COUNT", "IndexName": "lll" }),
        ),
        (db, "BatchGetItem", json!({ "RequestItems": { "books": { "Keys": [key] } } })),
        (
            db,
            "BatchWriteItem",
            json!({ "RequestItems": { "books": [{ "PutRequest": { "Item": item } }, { "DeleteRequest": { "Key": { "p": { "S": "b" }, "s": { "N": "1" } } } }] } }),
        ),
        (
            db,
            "TransactWriteItems",
            json!({ "TransactItems": [{ "Put": { "TableName": "books", "Item": item } }], "ClientRequestToken": "token" }),
        ),
        (
            db,
            "TransactGetItems",
            json!({ "TransactItems": [{ "Get": { "TableName": "books", "Key": key } }] }),
        ),
        (
            db,
            "DeleteItem",
            json!({ "TableName": "books", "Key": { "p": { "S": "b" }, "s": { "N": "1" } } }),
        ),
        (
            db,
            "UpdateTable",
            json!({ "TableName": "books", "BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": false }),
        ),
        (db, "DescribeTable", json!({ "TableName": "books" })),
        (db, "ListTables", json!({ "Limit": 10 })),
        (
            db,
            "UpdateTimeToLive",
            json!({ "TableName": "books", "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "ttl" } }),
        ),
        (db, "DescribeTimeToLive", json!({ "TableName": "books" })),
        (db, "TagResource", json!({ "ResourceArn": arn, "Tags": [{ "Key": "a", "Value": "b" }] })),
        (db, "ListTagsOfResource", json!({ "ResourceArn": arn })),
        (db, "UntagResource", json!({ "ResourceArn": arn, "TagKeys": ["a"] })),
        (
            db,
            "UpdateContinuousBackups",
            json!({ "TableName": "books", "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 3 } }),
        ),
        (db, "DescribeContinuousBackups", json!({ "TableName": "books" })),
        (
            db,
            "ExportTableToPointInTime",
            json!({ "TableArn": arn, "S3Bucket": "bucket", "ExportFormat": "ION", "ClientToken": "token" }),
        ),
        (db, "ListExports", json!({ "TableArn": arn })),
        (db, "DescribeLimits", json!({})),
        (db, "DescribeEndpoints", json!({})),
        (streams, "ListStreams", json!({ "TableName": "books" })),
        (streams, "DescribeStream", json!({ "StreamArn": "{stream}" })),
        (
            streams,
            "GetShardIterator",
            json!({ "StreamArn": "{stream}", "ShardId": "{shard}", "ShardIteratorType": "TRIM_HORIZON" }),
        ),
        (streams, "GetRecords", json!({ "ShardIterator": "{iterator}" })),
        (db, "DeleteTable", json!({ "TableName": "books" })),
    ]
}

fn call(db: &DynamoDb, service: &str, name: &str, body: &[u8]) -> Result<Value, ApiError> {
    let caller = Caller::of(&HeaderMap::new()).unwrap();
    let answer = named(service, name).unwrap()(&db.endpoint, &caller, body)?;
    Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() })
}

fn fresh() -> DynamoDb {
    let db = DynamoDb::open(None, Clock::default()).unwrap();
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let attribute =
        |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let table = json!({
        "TableName": "books", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("p", "HASH"), key("s", "RANGE")],
        "AttributeDefinitions": [attribute("p", "S"), attribute("s", "N"), attribute("g", "S")],
        "GlobalSecondaryIndexes": [{ "IndexName": "ggg", "KeySchema": [key("g", "HASH"), key("p", "RANGE")], "Projection": { "ProjectionType": "ALL" } }],
        "LocalSecondaryIndexes": [{ "IndexName": "lll", "KeySchema": [key("p", "HASH"), key("g", "RANGE")], "Projection": { "ProjectionType": "KEYS_ONLY" } }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    call(&db, "DynamoDB_20120810", "CreateTable", table.to_string().as_bytes()).unwrap();
    db
}

/// The request with the names that it was made for.
fn filled(db: &DynamoDb, request: &Value) -> String {
    let text = request.to_string();
    if !text.contains("{stream}") && !text.contains("{iterator}") {
        return text;
    }
    let streams = "DynamoDBStreams_20120810";
    let listed = call(db, streams, "ListStreams", b"{}").unwrap();
    let arn = listed["Streams"][0]["StreamArn"].as_str().unwrap().to_owned();
    let stream =
        call(db, streams, "DescribeStream", json!({ "StreamArn": arn }).to_string().as_bytes())
            .unwrap();
    let shard = stream["StreamDescription"]["Shards"][0]["ShardId"].as_str().unwrap().to_owned();
    let iterator = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST" });
    let iterator = call(db, streams, "GetShardIterator", iterator.to_string().as_bytes()).unwrap();
    text.replace("{stream}", &arn)
        .replace("{shard}", &shard)
        .replace("{iterator}", iterator["ShardIterator"].as_str().unwrap())
}

#[test]
fn every_request_of_the_list_succeeds() {
    let db = fresh();
    for (service, name, request) in requests() {
        let answer = call(&db, service, name, filled(&db, &request).as_bytes());
        assert!(answer.is_ok(), "{name}: {answer:?}");
    }
}

#[test]
fn what_is_left_out_says_so() {
    let db = fresh();
    for name in LEFT_OUT {
        let error = call(&db, "DynamoDB_20120810", name, b"{}").unwrap_err();
        assert!(error.to_string().contains("PartiQL"), "{name}: {error}");
    }
    assert!(named("DynamoDB_20120810", "Nonsense").is_none());
    assert!(named("Nonsense", "PutItem").is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever bytes come: an answer that is JSON, or an error with a type and a message.
    #[test]
    fn no_bytes_make_an_operation_panic(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let all = requests();
        let (service, name, _) = &all[at.index(all.len())];
        check_is_an_answer(call(&fresh(), service, name, &bytes));
    }

    /// A request with one part of it replaced, cut or doubled.
    #[test]
    fn no_damage_makes_an_operation_panic(
        at in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), n_bytes in 0..12usize,
        instead in prop::sample::select(vec![
            "", "null", "{}", "[]", "\"\"", "0", "-1", "1e400", "true", "[[[[", "\\", "\u{0}", "{\"S\":\"\"}", "{\"N\":\"x\"}", "{\"NS\":[]}", ",", "\"a\":",
        ]),
    ) {
        let db = fresh();
        let all = requests();
        let (service, name, request) = &all[at.index(all.len())];
        let text = filled(&db, request).into_bytes();
        let from = from.index(text.len());
        let to = text.len().min(from + n_bytes);
        let damaged = [&text[..from], instead.as_bytes(), &text[to..]].concat();
        check_is_an_answer(call(&db, service, name, &damaged));
    }

    /// A request with one value in it replaced: JSON still, but not what it should be.
    #[test]
    fn no_other_value_makes_an_operation_panic(
        at in any::<prop::sample::Index>(), which in any::<prop::sample::Index>(),
        instead in prop::sample::select(vec![
            json!(null), json!({}), json!([]), json!(""), json!(-1), json!(1e300), json!(i64::MAX), json!("x".repeat(70_000)),
            json!({ "S": "" }), json!({ "N": "1e999" }), json!({ "B": "!" }), json!({ "M": { "": { "S": "x" } } }), json!({ "L": [{ "L": [{}] }] }),
            json!([null]), json!(["a", "a"]), json!("#a"), json!(":v"), json!("a.b[99999999999]"), json!("size(size(a)) = :n"),
        ]),
    ) {
        let db = fresh();
        let all = requests();
        let (service, name, request) = &all[at.index(all.len())];
        let mut request: Value = serde_json::from_str(&filled(&db, request)).unwrap();
        let n_values = count(&request);
        replace(&mut request, &mut which.index(n_values), &instead);
        check_is_an_answer(call(&db, service, name, request.to_string().as_bytes()));
    }
}

fn check_is_an_answer(answer: Result<Value, ApiError>) {
    if let Err(error) = answer {
        let body: Value = serde_json::from_slice(&error.body()).unwrap();
        let kind = body["__type"].as_str().unwrap();
        assert!(kind.contains('#') && !kind.ends_with("InternalServerError"), "{body}");
        assert!(body["message"].is_string() || body["Message"].is_string(), "{body}");
        assert_eq!(error.status(), 400, "{body}");
    }
}

/// How many values there are in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Replaces the value of this number.
fn replace(value: &mut Value, at: &mut usize, instead: &Value) -> bool {
    if *at == 0 {
        value.clone_from(instead);
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(values) => values.iter_mut().any(|it| replace(it, at, instead)),
        Value::Object(members) => members.values_mut().any(|it| replace(it, at, instead)),
        _ => false,
    }
}
