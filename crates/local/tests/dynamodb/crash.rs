//! What was answered is there after a crash.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{Server, book, create_books, text};

/// A copy of the files, taken at any moment, is what kill -9 at that moment leaves behind.
#[test]
fn a_copy_taken_under_load_has_everything_that_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Some(dir.path()));
    create_books(&mut server.client());
    let answered: Mutex<Vec<(String, u64)>> = Mutex::default();
    let is_over = AtomicBool::new(false);
    let copies: Vec<(tempfile::TempDir, usize)> = thread::scope(|scope| {
        let (answered, is_over, server) = (&answered, &is_over, &server);
        for writer in 0..4 {
            scope.spawn(move || {
                let mut client = server.client();
                for n in 0..20_000u64 {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let title = format!("{writer}-{}", n % 50);
                    let mut item = book("a", &title);
                    item["n"] = json!({ "N": n.to_string() });
                    client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
                    answered.lock().unwrap().push((title, n));
                }
            });
        }
        let copies = (0..12).map(|n| {
            thread::sleep(Duration::from_millis(20 + n * 7));
            let copy = tempfile::tempdir().unwrap();
            let n_answered = answered.lock().unwrap().len();
            copy_files(dir.path(), copy.path());
            (copy, n_answered)
        });
        let copies = copies.collect();
        is_over.store(true, Ordering::Relaxed);
        copies
    });

    let answered = answered.into_inner().unwrap();
    for (copy, n_answered) in copies {
        let server = Server::start(Some(copy.path()));
        let mut client = server.client();
        let scanned = client.call("Scan", &json!({ "TableName": "books" }));
        let found = |title: &str| {
            let item = scanned["Items"]
                .as_array()
                .unwrap()
                .iter()
                .find(|it| it["bookTitle"]["S"] == title);
            item.and_then(|it| it["n"]["N"].as_str()?.parse::<u64>().ok())
        };
        for (title, n) in &answered[..n_answered] {
            let found = found(title);
            assert!(
                found.is_some_and(|found| *n <= found),
                "{title}: {n} was answered, found {found:?}"
            );
        }
        // The stream tells the same story, once each.
        let n_records = count_records(&mut client);
        assert!(n_answered <= n_records && n_records <= answered.len() + 4, "{n_records}");
    }
}

fn count_records(client: &mut crate::Client) -> usize {
    let table = client.call("DescribeTable", &json!({ "TableName": "books" }));
    let arn = &table["Table"]["LatestStreamArn"];
    let stream = client.call("DescribeStream", &json!({ "StreamArn": arn }));
    let mut numbers = HashSet::new();
    for shard in stream["StreamDescription"]["Shards"].as_array().unwrap() {
        let answer = client.call("GetShardIterator", &json!({ "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" }));
        let mut next: Value = answer["ShardIterator"].clone();
        loop {
            let page = client.call("GetRecords", &json!({ "ShardIterator": next }));
            let records = page["Records"].as_array().unwrap();
            for record in records {
                let number = text(&record["dynamodb"]["SequenceNumber"]);
                assert!(numbers.insert(number), "read twice: {record}");
            }
            next = page["NextShardIterator"].clone();
            if records.is_empty() || next.is_null() {
                break;
            }
        }
    }
    numbers.len()
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
