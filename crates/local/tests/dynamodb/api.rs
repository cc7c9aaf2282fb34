//! Calls and what they answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{Client, Server, book, client::Answer, create_books};

#[test]
fn the_walkthrough_works() {
    let server = Server::start(None);
    let mut client = server.client();
    client.sign("123456789012", "eu-west-1");
    let created = create_books(&mut client);
    let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/books";
    assert_eq!(created["TableDescription"]["TableArn"], arn);
    assert_eq!(created["TableDescription"]["TableStatus"], "ACTIVE");

    let key = book("Dan Brown", "The DaVinci code");
    client.call("PutItem", &json!({ "TableName": "books", "Item": key }));
    let updated = client.call(
        "UpdateItem",
        &json!({
            "TableName": arn, "Key": key, "UpdateExpression": "SET subTitle = :s",
            "ExpressionAttributeValues": { ":s": { "S": "Volume-1" } }, "ReturnValues": "UPDATED_NEW",
            "ReturnConsumedCapacity": "TOTAL",
        }),
    );
    assert_eq!(
        updated,
        json!({
            "Attributes": { "subTitle": { "S": "Volume-1" } },
            "ConsumedCapacity": { "TableName": "books", "CapacityUnits": 1.0 },
        })
    );
    let got = client.call("GetItem", &json!({ "TableName": "books", "Key": key }));
    assert_eq!(got["Item"]["subTitle"]["S"], "Volume-1");
    let deleted = client.call(
        "DeleteItem",
        &json!({ "TableName": "books", "Key": key, "ReturnValues": "ALL_OLD" }),
    );
    assert_eq!(deleted["Attributes"], got["Item"]);
    assert_eq!(client.call("GetItem", &json!({ "TableName": "books", "Key": key })), json!({}));

    let table = client.call("DescribeTable", &json!({ "TableName": "books" }));
    assert_eq!(table["Table"]["ItemCount"], 0);
    assert_eq!(client.call("ListTables", &json!({}))["TableNames"], json!(["books"]));
    client.call("DeleteTable", &json!({ "TableName": "books" }));
    let gone = client.error("DescribeTable", &json!({ "TableName": "books" }));
    assert_eq!(gone, "ResourceNotFoundException");
}

#[test]
fn answers_have_the_head_that_sdks_check() {
    let server = Server::start(None);
    let mut client = server.client();
    for answer in [
        client.send("ListTables", &json!({})),
        client.send("GetItem", &json!({})),
        client.send("NoSuchCall", &json!({})),
    ] {
        let checksum = crc32fast::hash(&answer.body).to_string();
        assert_eq!(answer.header("x-amz-crc32"), Some(checksum.as_str()));
        assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(52));
        assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.0"));
    }
    let health = client.http("GET", "/", "", b"").unwrap();
    assert_eq!(health.body, b"healthy: dynamodb.us-east-1.amazonaws.com \n");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let identity = client.http("POST", "/", form, b"Action=GetCallerIdentity").unwrap();
    let xml = String::from_utf8(identity.body).unwrap();
    assert!(xml.contains("<Account>000000000000</Account>"), "{xml}");
}

#[test]
fn refusals_have_dynamodbs_types() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let message = |answer: &Answer| {
        let json = answer.json();
        let message = json.get("message").or(json.get("Message"));
        message.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let key = book("a", "b");
    for (operation, body, kind, part) in [
        ("Nope", json!({}), "com.amazon.coral.service#UnknownOperationException", ""),
        ("GetItem", json!([]), "com.amazon.coral.service#SerializationException", ""),
        ("GetItem", json!({}), VALIDATION, "Value null at 'tableName'"),
        (
            "GetItem",
            json!({ "TableName": 5 }),
            "com.amazon.coral.service#SerializationException",
            "",
        ),
        ("GetItem", json!({ "TableName": "no such" }), VALIDATION, "Invalid table/index name."),
        (
            "GetItem",
            json!({ "TableName": "nosuch", "Key": key }),
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            "Requested resource not found: Table: nosuch not found",
        ),
        (
            "GetItem",
            json!({ "TableName": "books", "Key": { "author": { "S": "a" } } }),
            VALIDATION,
            "The provided key element does not match the schema",
        ),
        (
            "PutItem",
            json!({ "TableName": "books", "Item": { "author": { "S": "a" } } }),
            VALIDATION,
            "Missing the key bookTitle in the item",
        ),
        (
            "PutItem",
            json!({ "TableName": "books", "Item": book("a", "") }),
            VALIDATION,
            "cannot contain an empty string value. Key: bookTitle",
        ),
        (
            "PutItem",
            json!({ "TableName": "books", "Item": { "author": { "S": "a" }, "bookTitle": { "S": "b" }, "x": { "S": "x".repeat(400 * 1024) } } }),
            VALIDATION,
            "Item size has exceeded the maximum allowed size",
        ),
        (
            "PutItem",
            json!({ "TableName": "books", "Item": key, "ConditionExpression": "attribute_exists(author)" }),
            "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "The conditional request failed",
        ),
        (
            "PutItem",
            json!({ "TableName": "books", "Item": key, "Expected": { "a": { "Exists": false, "Value": { "S": "x" } } } }),
            VALIDATION,
            "Value cannot be used when Exists is false for Attribute: a",
        ),
        (
            "UpdateItem",
            json!({ "TableName": "books", "Key": key, "UpdateExpression": "SET author = :a", "ExpressionAttributeValues": { ":a": { "S": "x" } } }),
            VALIDATION,
            "Cannot update attribute author. This attribute is part of the key",
        ),
        (
            "CreateTable",
            json!({ "TableName": "books", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }], "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "S" }] }),
            "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
            "Table already exists: books",
        ),
    ] {
        let answer = client.send(operation, &body);
        assert_eq!(answer.status, 400, "{operation} {body}");
        assert_eq!(answer.json()["__type"], kind, "{operation} {body}");
        assert!(message(&answer).contains(part), "{operation} {body}: {}", message(&answer));
    }
    client.sign("test", "eu-central-1");
    let elsewhere = client.send("DescribeTable", &json!({ "TableName": "books" }));
    assert!(message(&elsewhere).contains("it exists in us-east-1"), "{}", message(&elsewhere));
    client.authorization = "Basic x".to_owned();
    assert_eq!(client.error("ListTables", &json!({})), "IncompleteSignatureException");
}

const VALIDATION: &str = "com.amazon.coral.validate#ValidationException";

#[test]
fn a_failed_condition_can_show_the_item() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let item = book("a", "b");
    client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
    let answer = client.send(
        "PutItem",
        &json!({
            "TableName": "books", "Item": item, "ConditionExpression": "attribute_not_exists(author)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }),
    );
    assert_eq!(answer.json()["Item"], item);
}

#[test]
fn queries_page_in_order_both_ways() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    for n in 0..23 {
        let item = book("Dan Brown", &format!("{n:02}"));
        client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
        let item = book("someone else", &format!("{n:02}"));
        client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
    }
    for (is_forward, condition, n_expected) in [
        (true, "author = :a", 23),
        (false, "author = :a", 23),
        (true, "author = :a AND bookTitle >= :t", 13),
        (false, "author = :a AND bookTitle < :t", 10),
        (true, "author = :a AND begins_with(bookTitle, :t)", 1),
    ] {
        let mut query = json!({
            "TableName": "books", "KeyConditionExpression": condition, "Limit": 5,
            "ExpressionAttributeValues": { ":a": { "S": "Dan Brown" }, ":t": { "S": "10" } },
            "ScanIndexForward": is_forward, "ProjectionExpression": "bookTitle",
        });
        if !condition.contains(":t") {
            query["ExpressionAttributeValues"].as_object_mut().unwrap().remove(":t");
        }
        let items = pages(&mut client, "Query", query);
        let titles: Vec<&str> =
            items.iter().map(|it| it["bookTitle"]["S"].as_str().unwrap()).collect();
        assert_eq!(titles.len(), n_expected, "{condition}");
        assert!(titles.is_sorted_by(|a, b| if is_forward { a < b } else { b < a }), "{titles:?}");
    }
}

#[test]
fn a_parallel_scan_finds_everything_once() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let long = "x".repeat(6000);
    for batch in 0..20 {
        let writes: Vec<Value> = (0..25)
            .map(|n| {
                let mut item = book(&format!("author {batch}-{}", n % 7), &n.to_string());
                item["text"] = json!({ "S": long });
                json!({ "PutRequest": { "Item": item } })
            })
            .collect();
        client.call("BatchWriteItem", &json!({ "RequestItems": { "books": writes } }));
    }
    for n_segments in [1, 3, 16] {
        let mut found = BTreeSet::new();
        let mut n_found = 0;
        for segment in 0..n_segments {
            let scan = json!({
                "TableName": "books", "Segment": segment, "TotalSegments": n_segments,
                "FilterExpression": "bookTitle <> :t", "ExpressionAttributeValues": { ":t": { "S": "3" } },
            });
            for item in pages(&mut client, "Scan", scan) {
                n_found += 1;
                found.insert((item["author"].to_string(), item["bookTitle"].to_string()));
            }
        }
        assert_eq!((n_found, found.len()), (480, 480), "{n_segments} segments");
    }
    // 500 items of 6 KB are three pages of 1 MB.
    let first = client.call("Scan", &json!({ "TableName": "books", "Select": "COUNT" }));
    assert_eq!(first["Count"], first["ScannedCount"]);
    assert!((150..180).contains(&first["Count"].as_u64().unwrap()), "{first}");
    assert!(first["LastEvaluatedKey"].is_object() && first.get("Items").is_none());
}

/// All items of a query or scan.
fn pages(client: &mut Client, operation: &str, mut request: Value) -> Vec<Value> {
    let mut items = Vec::new();
    loop {
        let page = client.call(operation, &request);
        items.extend(page["Items"].as_array().unwrap().iter().cloned());
        match page.get("LastEvaluatedKey") {
            None => return items,
            Some(key) => request["ExclusiveStartKey"] = key.clone(),
        }
    }
}

#[test]
fn batches_write_and_read_several_tables() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let put = |n: usize| json!({ "PutRequest": { "Item": book("a", &n.to_string()) } });
    let delete = |n: usize| json!({ "DeleteRequest": { "Key": book("a", &n.to_string()) } });
    let write = |writes: Vec<Value>| json!({ "RequestItems": { "books": writes } });
    let answer = client.call("BatchWriteItem", &write((0..25).map(put).collect()));
    assert_eq!(answer, json!({ "UnprocessedItems": {} }));
    client.call("BatchWriteItem", &write(vec![delete(0), put(25), delete(99)]));

    let keys: Vec<Value> = (0..30).map(|n| book("a", &n.to_string())).collect();
    let read =
        client.call("BatchGetItem", &json!({ "RequestItems": { "books": { "Keys": keys } } }));
    assert_eq!(read["Responses"]["books"].as_array().unwrap().len(), 25);
    assert_eq!(read["UnprocessedKeys"], json!({}));

    for (body, when) in [
        (write((0..26).map(put).collect()), "too many"),
        (write(vec![put(1), delete(1)]), "one item twice"),
        (write(vec![]), "none"),
        (write(vec![json!({})]), "neither put nor delete"),
        (json!({ "RequestItems": {} }), "no table"),
    ] {
        assert_eq!(client.error("BatchWriteItem", &body), "ValidationException", "{when}");
    }
}

#[test]
fn what_does_not_fit_into_a_batch_is_handed_back() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let long = "x".repeat(390 * 1024);
    let keys: Vec<Value> = (0..50).map(|n| book("a", &n.to_string())).collect();
    for key in &keys {
        let mut item = key.clone();
        item["text"] = json!({ "S": long });
        client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
    }
    let mut wanted = json!({ "books": { "Keys": keys, "ProjectionExpression": "bookTitle" } });
    let mut n_found = 0;
    let mut n_calls = 0;
    while wanted != json!({}) {
        let page = client.call("BatchGetItem", &json!({ "RequestItems": wanted }));
        n_found += page["Responses"]["books"].as_array().unwrap().len();
        n_calls += 1;
        wanted = page["UnprocessedKeys"].clone();
    }
    assert_eq!((n_found, n_calls), (50, 2));
}

#[test]
fn numbers_keep_38_digits_and_sort_by_value() {
    let server = Server::start(None);
    let mut client = server.client();
    client.call("CreateTable", &json!({
        "TableName": "numbers", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "p", "KeyType": "HASH" }, { "AttributeName": "n", "KeyType": "RANGE" }],
        "AttributeDefinitions": [{ "AttributeName": "p", "AttributeType": "S" }, { "AttributeName": "n", "AttributeType": "N" }],
    }));
    let sorted = [
        "-12345678901234567890123456789012345678",
        "-10",
        "-9.5",
        "-0.0001",
        "0",
        "0.0001",
        "9",
        "10",
        "12345678901234567890123456789012345677",
        "12345678901234567890123456789012345678",
    ];
    for n in sorted.iter().rev() {
        let item = json!({ "p": { "S": "x" }, "n": { "N": n } });
        client.call("PutItem", &json!({ "TableName": "numbers", "Item": item }));
    }
    let query = json!({
        "TableName": "numbers", "KeyConditionExpression": "p = :p", "Limit": 3,
        "ExpressionAttributeValues": { ":p": { "S": "x" } },
    });
    let items = pages(&mut client, "Query", query);
    let found: Vec<&str> = items.iter().map(|it| it["n"]["N"].as_str().unwrap()).collect();
    assert_eq!(found, sorted);
    let sum = client.call("UpdateItem", &json!({
        "TableName": "numbers", "Key": { "p": { "S": "x" }, "n": { "N": "1e1" } }, "ReturnValues": "UPDATED_NEW",
        "UpdateExpression": "SET s = :a + :b",
        "ExpressionAttributeValues": { ":a": { "N": sorted[9] }, ":b": { "N": "0.00" } },
    }));
    assert_eq!(sum["Attributes"]["s"]["N"], sorted[9]);
}

#[test]
fn tables_are_settled_and_listed() {
    let server = Server::start(None);
    let mut client = server.client();
    let arn = create_books(&mut client)["TableDescription"]["TableArn"].clone();
    let table = json!({ "TableName": "books" });
    client.call("UpdateTimeToLive", &json!({ "TableName": "books", "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "expires" } }));
    let ttl = client.call("DescribeTimeToLive", &table);
    assert_eq!(ttl["TimeToLiveDescription"]["TimeToLiveStatus"], "ENABLED");
    client.call("UpdateContinuousBackups", &json!({ "TableName": "books", "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } }));
    let backups = client.call("DescribeContinuousBackups", &table);
    let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    assert_eq!(recovery["PointInTimeRecoveryStatus"], "ENABLED");
    client.call("TagResource", &json!({ "ResourceArn": arn, "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }] }));
    client.call("UntagResource", &json!({ "ResourceArn": arn, "TagKeys": ["a"] }));
    let tags = client.call("ListTagsOfResource", &json!({ "ResourceArn": arn }));
    assert_eq!(tags["Tags"], json!([{ "Key": "b", "Value": "2" }]));
    let changed = client.call("UpdateTable", &json!({ "TableName": "books", "DeletionProtectionEnabled": true, "BillingMode": "PROVISIONED", "ProvisionedThroughput": { "ReadCapacityUnits": 3, "WriteCapacityUnits": 4 } }));
    assert_eq!(changed["TableDescription"]["ProvisionedThroughput"]["WriteCapacityUnits"], 4);
    assert_eq!(client.error("DeleteTable", &table), "ValidationException");
    assert_eq!(client.error("UpdateTable", &table), "ValidationException");

    for n in 0..5 {
        client.call(
            "CreateTable",
            &json!({
                "TableName": format!("table-{n}"), "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "B" }],
            }),
        );
    }
    let mut names = Vec::new();
    let mut request = json!({ "Limit": 2 });
    loop {
        let page = client.call("ListTables", &request);
        names.extend(page["TableNames"].as_array().unwrap().iter().cloned());
        match page.get("LastEvaluatedTableName") {
            None => break,
            Some(name) => request["ExclusiveStartTableName"] = name.clone(),
        }
    }
    assert_eq!(names, ["books", "table-0", "table-1", "table-2", "table-3", "table-4"]);
    assert!(client.call("DescribeLimits", &json!({}))["TableMaxReadCapacityUnits"].is_u64());
    assert!(client.call("DescribeEndpoints", &json!({}))["Endpoints"][0]["Address"].is_string());
}

#[test]
fn faults_happen_as_ordered() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let error = "ProvisionedThroughputExceededException";
    client.local(
        "POST",
        "/_local/faults",
        &json!({ "operation": "PutItem", "error": error, "times": 2 }),
    );
    let put = json!({ "TableName": "books", "Item": book("a", "b") });
    assert_eq!(client.error("PutItem", &put), error);
    client.call("ListTables", &json!({}));
    assert_eq!(client.error("PutItem", &put), error);
    client.call("PutItem", &put);

    client.local("POST", "/_local/faults", &json!([{ "operation": "PutItem", "reset": true, "performed": true, "times": 1 }, { "status": 503 }]));
    let lost = json!({ "TableName": "books", "Item": book("a", "lost answer") });
    assert!(client.send_bytes("PutItem", lost.to_string().as_bytes()).is_err());
    assert_eq!(client.send("ListTables", &json!({})).status, 503);
    client.local("DELETE", "/_local/faults", &json!(null));
    let got =
        client.call("GetItem", &json!({ "TableName": "books", "Key": book("a", "lost answer") }));
    assert_eq!(got["Item"], lost["Item"], "it was written all the same");

    let broken = json!({ "table": "books", "broken": true, "times": 1 });
    client.local("POST", "/_local/faults", &broken);
    client.call("ListTables", &json!({}));
    let half = client.send("DescribeTable", &json!({ "TableName": "books" }));
    assert_eq!(half.status, 200);
    assert!(serde_json::from_slice::<Value>(&half.body).is_err());
    let checksum = crc32fast::hash(&half.body).to_string();
    assert_ne!(half.header("x-amz-crc32"), Some(checksum.as_str()));
    client.call("DescribeTable", &json!({ "TableName": "books" }));
}

#[test]
fn no_bytes_make_it_stumble() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let operations = [
        "PutItem",
        "GetItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
        "Scan",
        "BatchWriteItem",
        "BatchGetItem",
        "CreateTable",
        "UpdateTable",
        "GetRecords",
        "GetShardIterator",
        "DescribeStream",
        "ListStreams",
    ];
    let deep = "{\"M\":{\"a\":".repeat(2000);
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"{\"TableName\":\"books\"".to_vec(),
        b"{\"TableName\":\"\xFF\xFE\"}".to_vec(),
        b"{\"TableName\":\"\\ud800\"}".to_vec(),
        format!("{{\"TableName\":\"books\",\"Item\":{{\"author\":{deep}").into_bytes(),
        br#"{"TableName":"books","Item":{"author":{"S":"\ud800"},"bookTitle":{"S":"x"}}}"#.to_vec(),
        br#"{"TableName":"books","Key":{"author":{"B":"%%%"},"bookTitle":{"N":"1e999999999999"}}}"#.to_vec(),
        br#"{"TableName":"books","Limit":-1,"Segment":-5,"TotalSegments":99999999999}"#.to_vec(),
        br#"{"TableName":"arn:aws:dynamodb:::table/","ShardIterator":"|||","StreamArn":"arn:::::"}"#.to_vec(),
        b"\x00\x01\x02".to_vec(),
    ];
    for operation in operations {
        for body in &bodies {
            let answer = client.send_bytes(operation, body).unwrap();
            assert!([200, 400].contains(&answer.status), "{operation} {body:?}");
        }
    }
    let long = vec![b' '; (16 << 20) + 1];
    assert_eq!(server.client().send_bytes("PutItem", &long).map_or(413, |it| it.status), 413);
    client.call("ListTables", &json!({}));
}
