//! The parameters from before there were expressions, which old tools still send.

use serde_json::{Value, json};

use crate::{Client, Server, book, create_books};

fn fill(client: &mut Client) {
    create_books(client);
    for (title, n, tags) in
        [("a", 1, json!(["x"])), ("b", 2, json!(["x", "y"])), ("c", 3, json!(["z"]))]
    {
        let mut item = book("one", title);
        item["n"] = json!({ "N": n.to_string() });
        item["tags"] = json!({ "SS": tags });
        client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
    }
}

#[test]
fn conditions_and_filters_mean_what_expressions_mean() {
    let server = Server::start(None);
    let mut client = server.client();
    fill(&mut client);
    let value = |kind: &str, value: &str| json!({ kind: value });
    for (filter, operator, expected) in [
        (
            json!({ "n": { "ComparisonOperator": "GT", "AttributeValueList": [value("N", "1")] } }),
            Value::Null,
            "bc",
        ),
        (
            json!({ "n": { "ComparisonOperator": "BETWEEN", "AttributeValueList": [value("N", "1"), value("N", "2")] } }),
            Value::Null,
            "ab",
        ),
        (
            json!({ "n": { "ComparisonOperator": "IN", "AttributeValueList": [value("N", "1"), value("N", "3")] } }),
            Value::Null,
            "ac",
        ),
        (
            json!({ "tags": { "ComparisonOperator": "CONTAINS", "AttributeValueList": [value("S", "x")] } }),
            Value::Null,
            "ab",
        ),
        (
            json!({ "tags": { "ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [value("S", "x")] } }),
            Value::Null,
            "c",
        ),
        (json!({ "none": { "ComparisonOperator": "NULL" } }), Value::Null, "abc"),
        (json!({ "n": { "ComparisonOperator": "NOT_NULL" } }), Value::Null, "abc"),
        (
            json!({
                "n": { "ComparisonOperator": "EQ", "AttributeValueList": [value("N", "1")] },
                "bookTitle": { "ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [value("S", "c")] },
            }),
            json!("OR"),
            "ac",
        ),
    ] {
        let request =
            json!({ "TableName": "books", "ScanFilter": filter, "ConditionalOperator": operator });
        let scanned = client.call("Scan", &request);
        let titles: String = scanned["Items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["bookTitle"]["S"].as_str().unwrap())
            .collect();
        assert_eq!(titles, expected, "{filter}");
    }
    let queried = client.call(
        "Query",
        &json!({
            "TableName": "books", "AttributesToGet": ["bookTitle"],
            "KeyConditions": {
                "author": { "ComparisonOperator": "EQ", "AttributeValueList": [value("S", "one")] },
                "bookTitle": { "ComparisonOperator": "GE", "AttributeValueList": [value("S", "b")] },
            },
            "QueryFilter": { "n": { "ComparisonOperator": "NE", "AttributeValueList": [value("N", "3")] } },
        }),
    );
    assert_eq!(queried["Items"], json!([{ "bookTitle": { "S": "b" } }]));
    assert_eq!(queried["ScannedCount"], 2);
}

#[test]
fn writes_expect_and_update() {
    let server = Server::start(None);
    let mut client = server.client();
    fill(&mut client);
    let item = book("one", "a");
    let put = |expected: Value| json!({ "TableName": "books", "Item": item, "Expected": expected });
    let refused = client.error("PutItem", &put(json!({ "author": { "Exists": false } })));
    assert_eq!(refused, "ConditionalCheckFailedException");
    let updated = client.call(
        "UpdateItem",
        &json!({
            "TableName": "books", "Key": item, "ReturnValues": "ALL_NEW",
            "Expected": { "n": { "Value": { "N": "1" } } },
            "AttributeUpdates": {
                "n": { "Action": "ADD", "Value": { "N": "10" } },
                "tags": { "Action": "DELETE", "Value": { "SS": ["x"] } },
                "title": { "Value": { "S": "new" } },
                "none": { "Action": "DELETE" },
            },
        }),
    );
    assert_eq!(
        updated["Attributes"],
        json!({
            "author": { "S": "one" }, "bookTitle": { "S": "a" }, "n": { "N": "11" },
            "title": { "S": "new" },
        })
    );
    let got = client.call(
        "BatchGetItem",
        &json!({ "RequestItems": { "books": { "Keys": [item], "AttributesToGet": ["n"] } } }),
    );
    assert_eq!(got["Responses"]["books"], json!([{ "n": { "N": "11" } }]));
    // Taking something from an item that is not there does not make one.
    let key = book("none", "none");
    client.call(
        "UpdateItem",
        &json!({ "TableName": "books", "Key": key, "AttributeUpdates": { "n": { "Action": "DELETE" } } }),
    );
    assert_eq!(client.call("GetItem", &json!({ "TableName": "books", "Key": key })), json!({}));
    client.call(
        "DeleteItem",
        &json!({ "TableName": "books", "Key": item, "Expected": { "n": { "ComparisonOperator": "GT", "AttributeValueList": [{ "N": "10" }] } } }),
    );
}

#[test]
fn mistakes_are_named() {
    let server = Server::start(None);
    let mut client = server.client();
    fill(&mut client);
    let key = book("one", "a");
    for (operation, more, message) in [
        (
            "UpdateItem",
            json!({ "Key": key, "AttributeUpdates": {}, "UpdateExpression": "REMOVE n" }),
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributeUpdates} Expression parameters: {UpdateExpression}",
        ),
        (
            "UpdateItem",
            json!({ "Key": key, "AttributeUpdates": { "n": { "Action": "PUT" } } }),
            "One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified",
        ),
        (
            "UpdateItem",
            json!({ "Key": key, "AttributeUpdates": { "n": { "Action": "ADD", "Value": { "S": "x" } } } }),
            "One or more parameter values were invalid: ADD action is not supported for the type S",
        ),
        (
            "PutItem",
            json!({ "Item": key, "Expected": { "n": { "Exists": true } } }),
            "One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: n",
        ),
        (
            "Scan",
            json!({ "ConditionalOperator": "OR" }),
            "ConditionalOperator cannot be used without Filter or Expected",
        ),
        (
            "Scan",
            json!({ "ScanFilter": { "n": { "ComparisonOperator": "EQ", "AttributeValueList": [] } } }),
            "One or more parameter values were invalid: Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        (
            "Query",
            json!({ "KeyConditions": { "bookTitle": { "ComparisonOperator": "EQ", "AttributeValueList": [{ "S": "a" }] } } }),
            "Query condition missed key schema element: author",
        ),
        (
            "Query",
            json!({ "KeyConditions": { "author": { "ComparisonOperator": "GT", "AttributeValueList": [{ "S": "a" }] } } }),
            "Query key condition not supported",
        ),
    ] {
        let mut request = more.clone();
        request["TableName"] = "books".into();
        let answer = client.send(operation, &request);
        assert_eq!(answer.json()["message"], message, "{operation} {more}");
    }
}
