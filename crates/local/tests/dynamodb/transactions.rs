//! Transactions, as any client sees them.

use std::thread;

use serde_json::{Value, json};

use crate::{Client, Server, book, create_books};

fn create_other(client: &mut Client) {
    client.call(
        "CreateTable",
        &json!({
            "TableName": "accounts", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        }),
    );
}

fn add(id: &str, n: i64) -> Value {
    json!({ "Update": {
        "TableName": "accounts", "Key": { "id": { "S": id } }, "UpdateExpression": "ADD n :n",
        "ExpressionAttributeValues": { ":n": { "N": n.to_string() } },
    } })
}

fn balance(client: &mut Client, id: &str) -> Value {
    let key = json!({ "TableName": "accounts", "Key": { "id": { "S": id } } });
    client.call("GetItem", &key)["Item"]["n"]["N"].clone()
}

#[test]
fn a_transaction_does_everything_or_nothing() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    create_other(&mut client);
    let put = json!({ "Put": { "TableName": "books", "Item": book("a", "t") } });
    let done = client.call(
        "TransactWriteItems",
        &json!({ "TransactItems": [put, add("x", 5)], "ReturnConsumedCapacity": "TOTAL" }),
    );
    let capacities = done["ConsumedCapacity"].as_array().unwrap();
    assert_eq!(
        capacities[1],
        json!({ "TableName": "accounts", "CapacityUnits": 2.0, "WriteCapacityUnits": 2.0 })
    );

    let insert = json!({ "Put": {
        "TableName": "books", "Item": book("a", "t"), "ConditionExpression": "attribute_not_exists(author)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    } });
    let wrong = json!({ "Update": {
        "TableName": "accounts", "Key": { "id": { "S": "y" } }, "UpdateExpression": "SET n = absent + :n",
        "ExpressionAttributeValues": { ":n": { "N": "1" } },
    } });
    let answer = client
        .send("TransactWriteItems", &json!({ "TransactItems": [add("x", 1), insert, wrong] }));
    assert_eq!(
        answer.json(),
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ValidationError]",
            "CancellationReasons": [
                { "Code": "None" },
                { "Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": book("a", "t") },
                { "Code": "ValidationError", "Message": "The provided expression refers to an attribute that does not exist in the item" },
            ],
        })
    );
    assert_eq!(balance(&mut client, "x"), "5", "nothing of it was done");

    let got = client.call(
        "TransactGetItems",
        &json!({ "TransactItems": [
            { "Get": { "TableName": "accounts", "Key": { "id": { "S": "x" } }, "ProjectionExpression": "n" } },
            { "Get": { "TableName": "accounts", "Key": { "id": { "S": "none" } } } },
            { "Get": { "TableName": "books", "Key": book("a", "t") } },
        ] }),
    );
    assert_eq!(
        got["Responses"],
        json!([{ "Item": { "n": { "N": "5" } } }, {}, { "Item": book("a", "t") }])
    );
}

#[test]
fn mistakes_are_named() {
    let server = Server::start(None);
    let mut client = server.client();
    create_other(&mut client);
    let many: Vec<Value> = (0..101).map(|n| add(&n.to_string(), 1)).collect();
    for (parts, expected) in [
        (
            json!([add("x", 1), add("x", 2)]),
            "Transaction request cannot include multiple operations on one item",
        ),
        (
            json!([]),
            "1 validation error detected: Value '[...]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            json!(many),
            "1 validation error detected: Value '[...]' at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100",
        ),
        (json!([{}]), "TransactItems can only contain one of Check, Put, Update or Delete"),
    ] {
        let answer = client.send("TransactWriteItems", &json!({ "TransactItems": parts }));
        assert_eq!(answer.json()["message"], expected);
    }
    let check = json!({ "ConditionCheck": { "TableName": "nowhere", "Key": { "id": { "S": "x" } }, "ConditionExpression": "attribute_exists(id)" } });
    let error = client.error("TransactWriteItems", &json!({ "TransactItems": [check] }));
    assert_eq!(error, "ResourceNotFoundException");
    let answer = client.send(
        "TransactWriteItems",
        &json!({ "TransactItems": [add("x", 1), { "Put": { "TableName": "accounts", "Item": { "id": { "N": "1" } } } }] }),
    );
    assert_eq!(
        answer.json()["CancellationReasons"][1]["Message"],
        "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N"
    );
}

#[test]
fn a_token_counts_once() {
    let server = Server::start(None);
    let mut client = server.client();
    create_other(&mut client);
    let request = json!({ "TransactItems": [add("x", 1)], "ClientRequestToken": "token" });
    client.call("TransactWriteItems", &request);
    client.call("TransactWriteItems", &request);
    assert_eq!(balance(&mut client, "x"), "1");
    let other = json!({ "TransactItems": [add("x", 2)], "ClientRequestToken": "token" });
    assert_eq!(client.error("TransactWriteItems", &other), "IdempotentParameterMismatchException");
    client.local("POST", "/_local/clock", &json!({ "advance_seconds": 600 }));
    client.call("TransactWriteItems", &other);
    assert_eq!(balance(&mut client, "x"), "3");
}

#[test]
fn a_token_survives_with_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Some(dir.path()));
    let mut client = server.client();
    create_other(&mut client);
    let request = json!({ "TransactItems": [add("x", 1)], "ClientRequestToken": "token" });
    client.call("TransactWriteItems", &request);
    drop(server);
    let server = Server::start(Some(dir.path()));
    let mut client = server.client();
    client.call("TransactWriteItems", &request);
    assert_eq!(balance(&mut client, "x"), "1");
}

/// Money is moved to and fro between accounts; whoever looks at all of them sees the same sum.
#[test]
fn nobody_sees_half_a_transaction() {
    let server = Server::start(None);
    create_other(&mut server.client());
    let mut client = server.client();
    client.call(
        "TransactWriteItems",
        &json!({ "TransactItems": [add("0", 100), add("1", 100), add("2", 100)] }),
    );
    thread::scope(|scope| {
        for mover in 0..3u32 {
            let mut client = server.client();
            scope.spawn(move || {
                for n in 0..150i64 {
                    let (from, to) = (mover, (mover + 1 + u32::try_from(n % 2).unwrap()) % 3);
                    client.call(
                        "TransactWriteItems",
                        &json!({ "TransactItems": [add(&from.to_string(), -n), add(&to.to_string(), n)] }),
                    );
                }
            });
        }
        let get =
            |id: &str| json!({ "Get": { "TableName": "accounts", "Key": { "id": { "S": id } } } });
        for _ in 0..150 {
            let got = client.call(
                "TransactGetItems",
                &json!({ "TransactItems": [get("0"), get("1"), get("2")] }),
            );
            let sum: i64 = got["Responses"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["Item"]["n"]["N"].as_str().unwrap().parse::<i64>().unwrap())
                .sum();
            assert_eq!(sum, 300);
        }
    });
}
