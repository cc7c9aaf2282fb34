//! Secondary indexes, as any client sees them.

use serde_json::{Value, json};

use crate::{Client, Server, text};

/// A table with an index of every kind.
fn create(client: &mut Client) -> Value {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let index = |name: &str, keys: Value, projection: Value| json!({ "IndexName": name, "KeySchema": keys, "Projection": projection });
    client.call(
        "CreateTable",
        &json!({
            "TableName": "books",
            "KeySchema": [key("author", "HASH"), key("title", "RANGE")],
            "AttributeDefinitions": [
                { "AttributeName": "author", "AttributeType": "S" },
                { "AttributeName": "title", "AttributeType": "S" },
                { "AttributeName": "genre", "AttributeType": "S" },
                { "AttributeName": "year", "AttributeType": "N" },
            ],
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": [
                index("by-genre", json!([key("genre", "HASH"), key("year", "RANGE")]), json!({ "ProjectionType": "ALL" })),
                index("genres", json!([key("genre", "HASH")]), json!({ "ProjectionType": "KEYS_ONLY" })),
            ],
            "LocalSecondaryIndexes": [
                index("by-year", json!([key("author", "HASH"), key("year", "RANGE")]), json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": ["price"] })),
            ],
        }),
    )
}

fn put(client: &mut Client, author: &str, title: &str, genre: Option<&str>, year: i64) -> Value {
    let mut item = json!({
        "author": { "S": author }, "title": { "S": title }, "year": { "N": year.to_string() },
        "price": { "N": "9" }, "text": { "S": "long" },
    });
    if let Some(genre) = genre {
        item["genre"] = json!({ "S": genre });
    }
    client.call(
        "PutItem",
        &json!({ "TableName": "books", "Item": item, "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE" }),
    )
}

fn titles(answer: &Value) -> Vec<String> {
    answer["Items"].as_array().unwrap().iter().map(|it| text(&it["title"]["S"])).collect()
}

fn query(client: &mut Client, more: &Value) -> Value {
    let mut request = json!({
        "TableName": "books", "IndexName": "by-genre", "KeyConditionExpression": "genre = :g",
        "ExpressionAttributeValues": { ":g": { "S": "crime" } },
    });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    client.call("Query", &request)
}

#[test]
fn an_index_follows_its_table() {
    let server = Server::start(None);
    let mut client = server.client();
    let created = create(&mut client);
    let table = &created["TableDescription"];
    assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
    assert_eq!(
        table["LocalSecondaryIndexes"][0]["Projection"],
        json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": ["price"] })
    );
    assert_eq!(table["AttributeDefinitions"].as_array().unwrap().len(), 4);

    let used = put(&mut client, "a", "late", Some("crime"), 2003);
    assert_eq!(
        used["ConsumedCapacity"],
        json!({
            "TableName": "books", "CapacityUnits": 4.0, "Table": { "CapacityUnits": 1.0 },
            "GlobalSecondaryIndexes": {
                "by-genre": { "CapacityUnits": 1.0 }, "genres": { "CapacityUnits": 1.0 },
            },
            "LocalSecondaryIndexes": { "by-year": { "CapacityUnits": 1.0 } },
        })
    );
    assert_eq!(
        used["ItemCollectionMetrics"],
        json!({ "ItemCollectionKey": { "author": { "S": "a" } }, "SizeEstimateRangeGB": [0.0, 1.0] })
    );
    put(&mut client, "b", "early", Some("crime"), -7);
    put(&mut client, "c", "sparse", None, 2000);
    put(&mut client, "c", "other", Some("novel"), 2000);
    assert_eq!(titles(&query(&mut client, &json!({}))), ["early", "late"]);
    let backwards = query(&mut client, &json!({ "ScanIndexForward": false }));
    assert_eq!(titles(&backwards), ["late", "early"]);

    // Another place: a removal and an insertion in one index, nothing in the one that shows the same.
    let used = put(&mut client, "a", "late", Some("crime"), 1990);
    let used = &used["ConsumedCapacity"];
    assert_eq!(used["GlobalSecondaryIndexes"], json!({ "by-genre": { "CapacityUnits": 2.0 } }));
    client.call(
        "DeleteItem",
        &json!({ "TableName": "books", "Key": { "author": { "S": "b" }, "title": { "S": "early" } } }),
    );
    assert_eq!(titles(&query(&mut client, &json!({}))), ["late"]);
    let described = client.call("DescribeTable", &json!({ "TableName": "books" }));
    let counts: Vec<&Value> = described["Table"]["GlobalSecondaryIndexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["ItemCount"])
        .collect();
    assert_eq!(counts, [2, 2]);
}

#[test]
fn every_projection_shows_what_it_should() {
    let server = Server::start(None);
    let mut client = server.client();
    create(&mut client);
    put(&mut client, "a", "one", Some("crime"), 1);
    let names = |answer: &Value| {
        let names = answer["Items"][0].as_object().unwrap().keys();
        names.cloned().collect::<Vec<_>>().join(",")
    };
    let all = "author,genre,price,text,title,year";
    for (more, expected, when) in [
        (json!({}), all, "everything is projected"),
        (json!({ "IndexName": "genres" }), "author,genre,title", "keys of table and index"),
        (json!({ "ProjectionExpression": "price" }), "price", "some of it"),
        (
            json!({ "IndexName": "genres", "Select": "ALL_PROJECTED_ATTRIBUTES" }),
            "author,genre,title",
            "what there is",
        ),
    ] {
        assert_eq!(names(&query(&mut client, &more)), expected, "{when}");
    }
    let local = json!({
        "IndexName": "by-year", "KeyConditionExpression": "author = :g AND #y BETWEEN :l AND :h",
        "ExpressionAttributeNames": { "#y": "year" },
        "ExpressionAttributeValues": { ":g": { "S": "a" }, ":l": { "N": "0" }, ":h": { "N": "2" } },
        "ConsistentRead": true,
    });
    assert_eq!(names(&query(&mut client, &local)), "author,price,title,year");
    let mut fetched = local.clone();
    fetched["Select"] = "ALL_ATTRIBUTES".into();
    assert_eq!(names(&query(&mut client, &fetched)), all, "a local index fetches the rest");
    fetched["Select"] = Value::Null;
    fetched["ProjectionExpression"] = "#t".into();
    fetched["ExpressionAttributeNames"]["#t"] = "text".into();
    assert_eq!(names(&query(&mut client, &fetched)), "text");

    for (more, message) in [
        (
            json!({ "ConsistentRead": true }),
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            json!({ "IndexName": "genres", "Select": "ALL_ATTRIBUTES" }),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index genres because its projection type is not ALL",
        ),
        (
            json!({ "IndexName": "genres", "ProjectionExpression": "price" }),
            "One or more parameter values were invalid: Global secondary index genres does not project [price]",
        ),
        (json!({ "IndexName": "none" }), "The table does not have the specified index: none"),
        (
            json!({ "FilterExpression": "genre = :g" }),
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: genre",
        ),
        (
            json!({ "KeyConditionExpression": "author = :g" }),
            "Query condition missed key schema element: genre",
        ),
    ] {
        let mut request = json!({
            "TableName": "books", "IndexName": "by-genre", "KeyConditionExpression": "genre = :g",
            "ExpressionAttributeValues": { ":g": { "S": "crime" } },
        });
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        let answer = client.send("Query", &request);
        assert_eq!(answer.json()["message"], message, "{more}");
    }
}

#[test]
fn what_cannot_be_a_key_is_refused() {
    let server = Server::start(None);
    let mut client = server.client();
    create(&mut client);
    let item =
        |genre: Value| json!({ "author": { "S": "a" }, "title": { "S": "t" }, "genre": genre });
    let wrong = "One or more parameter values were invalid: Type mismatch for Index Key genre Expected: S Actual: N IndexName: by-genre";
    let empty = "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-genre, IndexKey: genre";
    let number = json!({ "N": "1" });
    for (operation, request, message) in [
        ("PutItem", json!({ "TableName": "books", "Item": item(number.clone()) }), wrong),
        ("PutItem", json!({ "TableName": "books", "Item": item(json!({ "S": "" })) }), empty),
        (
            "UpdateItem",
            json!({
                "TableName": "books", "Key": { "author": { "S": "a" }, "title": { "S": "t" } },
                "UpdateExpression": "SET genre = :g", "ExpressionAttributeValues": { ":g": number },
            }),
            wrong,
        ),
        (
            "BatchWriteItem",
            json!({ "RequestItems": { "books": [{ "PutRequest": { "Item": item(json!({ "N": "1" })) } }] } }),
            wrong,
        ),
    ] {
        let answer = client.send(operation, &request);
        assert_eq!(answer.json()["message"], message, "{operation}");
    }
    assert_eq!(client.call("Scan", &json!({ "TableName": "books" }))["Count"], 0);
}

#[test]
fn indexes_are_paged_and_scanned_in_segments() {
    let server = Server::start(None);
    let mut client = server.client();
    create(&mut client);
    for n in 0..25 {
        put(&mut client, &format!("author {}", n % 3), &format!("{n:02}"), Some("crime"), n / 5);
    }
    let expected: Vec<String> = titles(&query(&mut client, &json!({})));
    assert_eq!(expected.len(), 25);
    for is_forward in [true, false] {
        let (mut seen, mut start) = (Vec::new(), Value::Null);
        loop {
            let more =
                json!({ "Limit": 4, "ExclusiveStartKey": start, "ScanIndexForward": is_forward });
            let page = query(&mut client, &more);
            seen.extend(titles(&page));
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
            assert_eq!(start.as_object().unwrap().len(), 4, "keys of table and index: {start}");
        }
        if !is_forward {
            seen.reverse();
        }
        assert_eq!(seen, expected);
    }
    let mut seen: Vec<String> = Vec::new();
    for segment in 0..3 {
        let mut start = Value::Null;
        loop {
            let page = client.call(
                "Scan",
                &json!({
                    "TableName": "books", "IndexName": "by-year", "Segment": segment,
                    "TotalSegments": 3, "Limit": 5, "ExclusiveStartKey": start,
                }),
            );
            seen.extend(titles(&page));
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
        }
    }
    seen.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn an_index_can_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Some(dir.path()));
    let mut client = server.client();
    create(&mut client);
    for n in 0..3000 {
        put(&mut client, "a", &format!("{n:04}"), Some("crime"), n);
    }
    let create = json!({
        "TableName": "books",
        "AttributeDefinitions": [{ "AttributeName": "price", "AttributeType": "N" }],
        "GlobalSecondaryIndexUpdates": [{ "Create": {
            "IndexName": "by-price", "Projection": { "ProjectionType": "ALL" },
            "KeySchema": [{ "AttributeName": "price", "KeyType": "HASH" }],
        } }],
    });
    let updated = client.call("UpdateTable", &create);
    let table = &updated["TableDescription"];
    assert_eq!(table["TableStatus"], "UPDATING");
    assert_eq!(table["GlobalSecondaryIndexes"][2]["IndexStatus"], "CREATING");
    assert_eq!(table["GlobalSecondaryIndexes"][2]["Backfilling"], true);
    assert_eq!(client.error("UpdateTable", &create), "ValidationException", "it exists");
    // Written while it is being filled.
    for n in 3000..3100 {
        put(&mut client, "a", &format!("{n:04}"), Some("crime"), n);
    }
    let by_price = |client: &mut Client| {
        client.call(
            "Scan",
            &json!({ "TableName": "books", "IndexName": "by-price", "Select": "COUNT" }),
        )
    };
    let mut is_active = false;
    for _ in 0..1000 {
        let table = client.call("DescribeTable", &json!({ "TableName": "books" }));
        is_active = table["Table"]["TableStatus"] == "ACTIVE"
            && table["Table"]["GlobalSecondaryIndexes"][2]["IndexStatus"] == "ACTIVE";
        if is_active {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(is_active);
    assert_eq!(by_price(&mut client)["Count"], 3100);

    // Indexes are made again from what is on the disk.
    drop(server);
    let server = Server::start(Some(dir.path()));
    let mut client = server.client();
    assert_eq!(by_price(&mut client)["Count"], 3100);
    assert_eq!(titles(&query(&mut client, &json!({ "Limit": 1 }))), ["0000"]);

    let gone = client.call(
        "UpdateTable",
        &json!({ "TableName": "books", "GlobalSecondaryIndexUpdates": [{ "Delete": { "IndexName": "by-price" } }] }),
    );
    assert_eq!(gone["TableDescription"]["GlobalSecondaryIndexes"][2]["IndexStatus"], "DELETING");
    let table = client.call("DescribeTable", &json!({ "TableName": "books" }));
    assert_eq!(table["Table"]["GlobalSecondaryIndexes"].as_array().unwrap().len(), 2);
    assert_eq!(table["Table"]["AttributeDefinitions"].as_array().unwrap().len(), 4);
    let scan = json!({ "TableName": "books", "IndexName": "by-price" });
    assert_eq!(client.error("Scan", &scan), "ValidationException");
}

#[test]
fn tables_with_senseless_indexes_are_refused() {
    let server = Server::start(None);
    let mut client = server.client();
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let all = json!({ "ProjectionType": "ALL" });
    let invalid = "One or more parameter values were invalid: ";
    for (global, local, message) in [
        (json!([]), Value::Null, "List of GlobalSecondaryIndexes is empty"),
        (
            Value::Null,
            json!([{ "IndexName": "one", "KeySchema": [key("b", "HASH"), key("a", "RANGE")], "Projection": all }]),
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: one. index hash key: b, table hash key: a",
        ),
        (
            Value::Null,
            json!([{ "IndexName": "one", "KeySchema": [key("a", "HASH")], "Projection": all }]),
            "Index KeySchema does not have a range key for index: one",
        ),
        (
            json!([{ "IndexName": "one", "KeySchema": [key("z", "HASH")], "Projection": all }]),
            Value::Null,
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [z], AttributeDefinitions: [a, b]",
        ),
        (
            json!([{ "IndexName": "one", "KeySchema": [key("b", "HASH")], "Projection": { "ProjectionType": "INCLUDE" } }]),
            Value::Null,
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            json!([
                { "IndexName": "one", "KeySchema": [key("b", "HASH")], "Projection": all },
                { "IndexName": "one", "KeySchema": [key("b", "HASH")], "Projection": all },
            ]),
            Value::Null,
            "Duplicate index name: one",
        ),
        (
            json!([{ "IndexName": "one", "KeySchema": [key("b", "HASH")], "Projection": all, "ProvisionedThroughput": { "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 } }]),
            Value::Null,
            "ProvisionedThroughput should not be specified for index: one when BillingMode is PAY_PER_REQUEST",
        ),
        (
            json!([{ "IndexName": "one", "KeySchema": [key("a", "HASH")], "Projection": all }]),
            Value::Null,
            "",
        ),
    ] {
        let request = json!({
            "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key("a", "HASH"), key("b", "RANGE")],
            "AttributeDefinitions": [
                { "AttributeName": "a", "AttributeType": "S" },
                { "AttributeName": "b", "AttributeType": "S" },
            ],
            "GlobalSecondaryIndexes": global, "LocalSecondaryIndexes": local,
        });
        let answer = client.send("CreateTable", &request);
        if message.is_empty() {
            assert_eq!(answer.status, 200, "{}", answer.json());
        } else {
            assert_eq!(answer.json()["message"], format!("{invalid}{message}"));
        }
    }
}
