//! Items whose time to live is over.

use serde_json::{Value, json};

use crate::{Client, Server, book, create_books};

fn seconds(client: &mut Client) -> u64 {
    client.local("GET", "/_local/clock", &Value::Null)["now_ms"].as_u64().unwrap() / 1000
}

fn advance(client: &mut Client, seconds: u64) {
    client.local("POST", "/_local/clock", &json!({ "advance_seconds": seconds }));
}

fn titles(client: &mut Client) -> Vec<String> {
    let scanned = client.call("Scan", &json!({ "TableName": "books" }));
    let items = scanned["Items"].as_array().unwrap();
    let mut titles: Vec<String> =
        items.iter().map(|it| it["bookTitle"]["S"].as_str().unwrap().to_owned()).collect();
    titles.sort();
    titles
}

fn put(client: &mut Client, title: &str, until: &Value) {
    let mut item = book("a", title);
    item["until"] = until.clone();
    client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
}

#[test]
fn items_go_when_their_time_is_over_and_the_stream_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Some(dir.path()));
    let mut client = server.client();
    create_books(&mut client);
    let now = seconds(&mut client);
    let at = |second: u64| json!({ "N": second.to_string() });
    put(&mut client, "before it was switched on", &at(now + 100));
    client.call(
        "UpdateTimeToLive",
        &json!({ "TableName": "books", "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "until" } }),
    );
    put(&mut client, "soon", &at(now + 100));
    put(&mut client, "prolonged", &at(now + 100));
    put(&mut client, "prolonged", &at(now + 100_000));
    put(&mut client, "a text", &json!({ "S": (now + 100).to_string() }));
    put(&mut client, "long ago", &at(1));
    assert_eq!(titles(&mut client).len(), 5);

    // The setting survives, and so does what it is about.
    drop(server);
    let server = Server::start(Some(dir.path()));
    let mut client = server.client();
    advance(&mut client, 102);
    assert_eq!(titles(&mut client), ["a text", "long ago", "prolonged"]);

    let table = client.call("DescribeTable", &json!({ "TableName": "books" }));
    let arn = &table["Table"]["LatestStreamArn"];
    let stream = client.call("DescribeStream", &json!({ "StreamArn": arn }));
    let mut removed = Vec::new();
    for shard in stream["StreamDescription"]["Shards"].as_array().unwrap() {
        let iterator = client.call(
            "GetShardIterator",
            &json!({ "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" }),
        );
        let page =
            client.call("GetRecords", &json!({ "ShardIterator": iterator["ShardIterator"] }));
        removed.extend(
            page["Records"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|it| it["eventName"] == "REMOVE")
                .cloned(),
        );
    }
    assert_eq!(removed.len(), 2);
    for record in removed {
        assert_eq!(
            record["userIdentity"],
            json!({ "PrincipalId": "dynamodb.amazonaws.com", "Type": "Service" })
        );
    }
}

/// Nobody moves the clock or asks for anything: the endpoint looks by itself.
#[test]
fn items_go_by_themselves() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    client.call(
        "UpdateTimeToLive",
        &json!({ "TableName": "books", "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "until" } }),
    );
    let until = seconds(&mut client) - 10;
    put(&mut client, "over", &json!({ "N": until.to_string() }));
    let is_gone = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        titles(&mut client).is_empty()
    });
    assert!(is_gone);
}
