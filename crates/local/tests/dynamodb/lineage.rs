//! Streams as their readers see them: shards, iterators and the passing of time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::{Client, Server, book, create_books, text};

#[test]
fn every_record_is_read_once_and_in_the_order_of_its_key() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let arn = stream_arn(&mut client);
    let mut reader = Reader::new(server.client(), &arn);
    let mut written: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for n in 0..600u64 {
        let author = format!("author {}", n * 7 % 31);
        let mut item = book(&author, "title");
        item["n"] = json!({ "N": n.to_string() });
        client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
        written.entry(author).or_default().push(n);
        match n {
            100 | 400 => {
                client.local(
                    "POST",
                    "/_local/shards",
                    &json!({ "table": "books", "split": "all" }),
                );
            }
            200 => {
                client.local("POST", "/_local/shards", &json!({ "table": "books", "roll": "all" }));
            }
            300 => {
                let one = shards(&mut client, &arn).pop_back().unwrap();
                let id = text(&one["ShardId"]);
                let done = client.local(
                    "POST",
                    "/_local/shards",
                    &json!({ "table": "books", "split": id }),
                );
                assert_eq!(done["closed"], json!([id]));
                assert_eq!(done["opened"].as_array().unwrap().len(), 2);
            }
            // A reader that works while shards come and go.
            _ if n % 50 == 0 => reader.read(),
            _ => {}
        }
    }
    reader.read();
    assert_eq!(reader.seen, written);
    // 4 + 8 by split + 8 by roll + 2 by one split + 18 by split.
    assert_eq!(reader.n_shards(), 4 + 8 + 8 + 2 + 18);

    // Whoever comes late reads the same.
    let mut late = Reader::new(server.client(), &arn);
    late.read();
    assert_eq!(late.seen, written);
}

/// Reads a stream as applications do: a shard after its parent, until shards end.
struct Reader {
    client: Client,
    arn: String,
    /// By shard; `None` at its end.
    iterators: BTreeMap<String, Option<String>>,
    /// The numbers seen of each author.
    seen: BTreeMap<String, Vec<u64>>,
    sequence_numbers: BTreeSet<String>,
}

impl Reader {
    fn new(client: Client, arn: &str) -> Reader {
        let (iterators, seen, sequence_numbers) = Default::default();
        Reader { client, arn: arn.to_owned(), iterators, seen, sequence_numbers }
    }

    fn n_shards(&self) -> usize {
        self.iterators.len()
    }

    /// Reads everything that is there now.
    fn read(&mut self) {
        for shard in shards(&mut self.client, &self.arn) {
            let id = text(&shard["ShardId"]);
            if let Some(parent) = shard.get("ParentShardId") {
                let parent = self.iterators.get(parent.as_str().unwrap());
                assert_eq!(parent, Some(&None), "a parent is listed before its child and ends");
            }
            let mut next = match self.iterators.remove(&id) {
                None => Some(iterator(&mut self.client, &self.arn, &id, "TRIM_HORIZON", None)),
                Some(next) => next,
            };
            while let Some(here) = next {
                let page =
                    self.client.call("GetRecords", &json!({ "ShardIterator": here, "Limit": 7 }));
                let records = page["Records"].as_array().unwrap();
                for record in records {
                    self.take(record, &shard);
                }
                next = page.get("NextShardIterator").map(text);
                if records.is_empty() && next.is_some() {
                    break;
                }
            }
            let ends = shard["SequenceNumberRange"].get("EndingSequenceNumber").is_some();
            assert_eq!(next.is_none(), ends, "a closed shard ends, an open one does not");
            self.iterators.insert(id, next);
        }
    }

    fn take(&mut self, record: &Value, shard: &Value) {
        let change = &record["dynamodb"];
        let number = text(&change["SequenceNumber"]);
        assert_eq!(number.len(), 21);
        assert!(shard["SequenceNumberRange"]["StartingSequenceNumber"].as_str() < Some(&number));
        assert!(self.sequence_numbers.insert(number), "read twice: {record}");
        let author = text(&change["Keys"]["author"]["S"]);
        let n = text(&change["NewImage"]["n"]["N"]).parse().unwrap();
        self.seen.entry(author).or_default().push(n);
    }
}

#[test]
fn iterators_begin_where_they_say() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let arn = stream_arn(&mut client);
    client.local("POST", "/_local/shards", &json!({ "table": "books", "count": 1 }));
    let put = |client: &mut Client, n: u32| {
        client.call("PutItem", &json!({ "TableName": "books", "Item": book("a", &n.to_string()) }));
    };
    let id = text(&shards(&mut client, &arn)[0]["ShardId"]);
    let early_latest = iterator(&mut client, &arn, &id, "LATEST", None);
    (0..5).for_each(|n| put(&mut client, n));
    let late_latest = iterator(&mut client, &arn, &id, "LATEST", None);
    let horizon = iterator(&mut client, &arn, &id, "TRIM_HORIZON", None);
    let all = read(&mut client, &horizon);
    let second = text(&all[1]["dynamodb"]["SequenceNumber"]);
    let at = iterator(&mut client, &arn, &id, "AT_SEQUENCE_NUMBER", Some(&second));
    let after = iterator(&mut client, &arn, &id, "AFTER_SEQUENCE_NUMBER", Some(&second));
    put(&mut client, 5);

    for (iterator, expected, when) in [
        (&early_latest, "012345", "latest, before any write"),
        (&late_latest, "5", "latest"),
        (&horizon, "012345", "the horizon"),
        (&at, "12345", "at the second"),
        (&after, "2345", "behind the second"),
    ] {
        let titles: String = read(&mut client, iterator)
            .iter()
            .map(|it| text(&it["dynamodb"]["Keys"]["bookTitle"]["S"]))
            .collect();
        assert_eq!(titles, expected, "{when}");
    }

    let request = |kind: &str, number: Option<&str>| {
        let mut request = json!({ "StreamArn": arn, "ShardId": id, "ShardIteratorType": kind });
        if let Some(number) = number {
            request["SequenceNumber"] = number.into();
        }
        request
    };
    for (request, error) in [
        (request("SOMEWHERE", None), "ValidationException"),
        (request("AT_SEQUENCE_NUMBER", None), "ValidationException"),
        (request("AT_SEQUENCE_NUMBER", Some("abc")), "ValidationException"),
        (request("AT_SEQUENCE_NUMBER", Some("199999999999999999999")), "ValidationException"),
        (request("LATEST", Some(&second)), "ValidationException"),
    ] {
        assert_eq!(client.error("GetShardIterator", &request), error, "{request}");
    }
    let limit = json!({ "ShardIterator": horizon, "Limit": 1001 });
    assert_eq!(client.error("GetRecords", &limit), "ValidationException");
}

#[test]
fn time_passes_for_streams() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let arn = stream_arn(&mut client);
    client.local("POST", "/_local/shards", &json!({ "table": "books", "count": 1 }));
    let id = text(&shards(&mut client, &arn)[0]["ShardId"]);
    let horizon = iterator(&mut client, &arn, &id, "TRIM_HORIZON", None);
    client.call("PutItem", &json!({ "TableName": "books", "Item": book("a", "b") }));
    let records = read(&mut client, &horizon);
    let first = text(&records[0]["dynamodb"]["SequenceNumber"]);

    advance(&mut client, 15 * 60 + 1);
    assert_eq!(
        client.error("GetRecords", &json!({ "ShardIterator": horizon })),
        "ExpiredIteratorException"
    );
    assert_eq!(shards(&mut client, &arn).len(), 1);

    advance(&mut client, 4 * 3600);
    let rolled = shards(&mut client, &arn);
    assert_eq!(rolled.len(), 2);
    assert_eq!(rolled[1]["ParentShardId"], rolled[0]["ShardId"]);
    assert!(rolled[0]["SequenceNumberRange"]["EndingSequenceNumber"].is_string());
    // The closed shard can still be read, to its end.
    let again = iterator(&mut client, &arn, &id, "AT_SEQUENCE_NUMBER", Some(&first));
    let page = client.call("GetRecords", &json!({ "ShardIterator": again }));
    assert_eq!(page["Records"].as_array().unwrap().len(), 1);
    assert_eq!(page.get("NextShardIterator"), None);

    advance(&mut client, 20 * 3600);
    let trimmed = json!({ "StreamArn": arn, "ShardId": id, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": first });
    assert_eq!(client.error("GetShardIterator", &trimmed), "TrimmedDataAccessException");
    let horizon = iterator(&mut client, &arn, &id, "TRIM_HORIZON", None);
    assert_eq!(read(&mut client, &horizon), Vec::<Value>::new());
    advance(&mut client, 4 * 3600);
    assert!(shards(&mut client, &arn).iter().all(|it| it["ShardId"] != id.as_str()));
    let gone = json!({ "StreamArn": arn, "ShardId": id, "ShardIteratorType": "TRIM_HORIZON" });
    assert_eq!(client.error("GetShardIterator", &gone), "ResourceNotFoundException");
}

#[test]
fn streams_are_switched_off_and_on() {
    let server = Server::start(None);
    let mut client = server.client();
    create_books(&mut client);
    let first = stream_arn(&mut client);
    client.call("PutItem", &json!({ "TableName": "books", "Item": book("a", "1") }));
    let switch = |on: bool| {
        let stream = if on {
            json!({ "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" })
        } else {
            json!({ "StreamEnabled": false })
        };
        json!({ "TableName": "books", "StreamSpecification": stream })
    };
    assert_eq!(client.error("UpdateTable", &switch(true)), "ValidationException");
    client.call("UpdateTable", &switch(false));
    client.call("UpdateTable", &switch(true));
    let second = stream_arn(&mut client);
    assert_ne!(first, second);
    client.call("PutItem", &json!({ "TableName": "books", "Item": book("a", "2") }));

    let listed = client.call("ListStreams", &json!({ "TableName": "books", "Limit": 1 }));
    assert_eq!(listed["Streams"][0]["StreamArn"], first);
    let rest = client.call(
        "ListStreams",
        &json!({ "ExclusiveStartStreamArn": listed["LastEvaluatedStreamArn"] }),
    );
    assert_eq!(rest["Streams"][0]["StreamArn"], second);
    for (arn, status, title) in [(&first, "DISABLED", "1"), (&second, "ENABLED", "2")] {
        let described = client.call("DescribeStream", &json!({ "StreamArn": arn }));
        assert_eq!(described["StreamDescription"]["StreamStatus"], status);
        let mut titles = Vec::new();
        for shard in shards(&mut client, arn) {
            let start = iterator(&mut client, arn, &text(&shard["ShardId"]), "TRIM_HORIZON", None);
            let records = read(&mut client, &start);
            titles.extend(records.iter().map(|it| text(&it["dynamodb"]["Keys"]["bookTitle"]["S"])));
        }
        assert_eq!(titles, [title]);
    }
    // The stream of a deleted table is there for a day.
    client.call("DeleteTable", &json!({ "TableName": "books" }));
    client.call("DescribeStream", &json!({ "StreamArn": second }));
    advance(&mut client, 24 * 3600 + 1);
    assert_eq!(
        client.error("DescribeStream", &json!({ "StreamArn": second })),
        "ResourceNotFoundException"
    );
}

fn advance(client: &mut Client, seconds: u64) {
    client.local("POST", "/_local/clock", &json!({ "advance_seconds": seconds }));
}

fn stream_arn(client: &mut Client) -> String {
    let table = client.call("DescribeTable", &json!({ "TableName": "books" }));
    text(&table["Table"]["LatestStreamArn"])
}

/// All shards, asked for one page at a time.
fn shards(client: &mut Client, arn: &str) -> VecDeque<Value> {
    let mut shards = VecDeque::new();
    let mut request = json!({ "StreamArn": arn, "Limit": 3 });
    loop {
        let page = client.call("DescribeStream", &request);
        let description = &page["StreamDescription"];
        shards.extend(description["Shards"].as_array().unwrap().iter().cloned());
        match description.get("LastEvaluatedShardId") {
            None => return shards,
            Some(id) => request["ExclusiveStartShardId"] = id.clone(),
        }
    }
}

fn iterator(
    client: &mut Client,
    arn: &str,
    shard: &str,
    kind: &str,
    number: Option<&str>,
) -> String {
    let mut request = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": kind });
    if let Some(number) = number {
        request["SequenceNumber"] = number.into();
    }
    text(&client.call("GetShardIterator", &request)["ShardIterator"])
}

fn read(client: &mut Client, iterator: &str) -> Vec<Value> {
    let page = client.call("GetRecords", &json!({ "ShardIterator": iterator }));
    page["Records"].as_array().unwrap().clone()
}
