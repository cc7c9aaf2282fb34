//! What was answered is there after `kill -9`: a process of its own, killed again and again under load.
//!
//! `STREAMDEX_CRASH_ROUNDS` says how often; 200 take a minute or two, and `cargo test` makes do with
//! fewer.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Client, Server,
    client::{Answer, connect},
    text,
};

const ROUNDS_DEFAULT: u64 = 12;
/// After so many rounds it begins again with nothing, so that restarts stay short.
const ROUNDS_A_DIRECTORY: u64 = 20;
const WRITERS: u64 = 4;
const KEYS_A_WRITER: u64 = 10;
/// What accounts hold together.
const MONEY: i64 = 1000;

/// Not a test of its own: the process that is killed. Without a directory it has nothing to do.
#[test]
fn the_process_that_is_killed() {
    let Some(dir) = env::var_os("STREAMDEX_CRASH_DIR") else { return };
    let dir = Path::new(&dir);
    let server = Server::start(Some(&dir.join("data")));
    fs::write(dir.join("address.new"), server.address.to_string()).unwrap();
    fs::rename(dir.join("address.new"), dir.join("address")).unwrap();
    // Whoever started it ends it; if that one is gone, it does not stay for ever.
    thread::sleep(Duration::from_mins(1));
}

#[test]
fn what_was_answered_survives_being_killed() {
    let rounds =
        env::var("STREAMDEX_CRASH_ROUNDS").map_or(ROUNDS_DEFAULT, |it| it.parse().unwrap());
    let mut dir = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    let (mut n_answered, mut n_interrupted) = (0, 0);
    for round in 0..rounds {
        if round % ROUNDS_A_DIRECTORY == 0 {
            dir = tempfile::tempdir().unwrap();
            known = Known::default();
        }
        let mut process = Process::start(dir.path());
        let mut client = connect(process.address);
        if known.written.is_empty() {
            create(&mut client);
        }
        known.check(&mut client);
        let is_over = AtomicBool::new(false);
        let answered = thread::scope(|scope| {
            let (is_over, address, before) = (&is_over, process.address, &known.written);
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| scope.spawn(move || write(address, writer, before, is_over)))
                .collect();
            // At any moment of what they do.
            thread::sleep(Duration::from_millis(30 + round * 37 % 120));
            process.kill();
            is_over.store(true, Ordering::Relaxed);
            writers.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
        });
        for (written, maybe) in answered {
            n_answered += written.len();
            n_interrupted += maybe.len();
            known.written.extend(written);
            known.maybe.extend(maybe);
        }
    }
    let process = Process::start(dir.path());
    known.check(&mut connect(process.address));
    assert!(rounds == 0 || 0 < n_interrupted, "nothing was under way when it was killed");
    assert!(rounds < n_answered as u64, "{n_answered} answers");
}

/// A running endpoint. Dropping it kills it.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(dir: &Path) -> Process {
        let _ = fs::remove_file(dir.join("address"));
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "killed::the_process_that_is_killed", "--nocapture"])
            .env("STREAMDEX_CRASH_DIR", dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let mut process = Process { child: command.spawn().unwrap(), address };
        for _ in 0..4000 {
            if let Ok(address) = fs::read_to_string(dir.join("address")) {
                process.address = address.parse().unwrap();
                return process;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not start");
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn create(client: &mut Client) {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    client.call(
        "CreateTable",
        &json!({
            "TableName": "items", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("id", "HASH")],
            "AttributeDefinitions": [
                { "AttributeName": "id", "AttributeType": "S" },
                { "AttributeName": "n", "AttributeType": "N" },
            ],
            "GlobalSecondaryIndexes": [{ "IndexName": "by-n", "KeySchema": [key("n", "HASH")], "Projection": { "ProjectionType": "KEYS_ONLY" } }],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        }),
    );
    client.call(
        "CreateTable",
        &json!({
            "TableName": "accounts", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("id", "HASH")],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        }),
    );
    client.call(
        "UpdateContinuousBackups",
        &json!({ "TableName": "items", "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } }),
    );
    client.call(
        "UpdateTimeToLive",
        &json!({ "TableName": "items", "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "until" } }),
    );
    client.call(
        "TransactWriteItems",
        &json!({ "TransactItems": [add("items", "0", 0), add("accounts", "0", MONEY)] }),
    );
}

fn add(table: &str, id: &str, n: i64) -> Value {
    json!({ "Update": {
        "TableName": table, "Key": { "id": { "S": format!("account-{id}") } }, "UpdateExpression": "ADD money :n",
        "ExpressionAttributeValues": { ":n": { "N": n.to_string() } },
    } })
}

type Written = BTreeMap<String, u64>;

/// Writes until the endpoint is gone: what was answered, and what was sent and not answered.
fn write(
    address: SocketAddr,
    writer: u64,
    before: &Written,
    is_over: &AtomicBool,
) -> (Written, Written) {
    let mut client = connect(address);
    let (mut written, mut maybe) = (Written::new(), Written::new());
    let mut send = |operation: &str, body: &Value| -> Option<Answer> {
        client.send_bytes(operation, body.to_string().as_bytes()).ok()
    };
    let last = |id: &str, written: &Written| {
        written.get(id).or_else(|| before.get(id)).copied().unwrap_or(0)
    };
    for step in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        // Each writer has keys of its own, so that it knows what they must hold.
        let ids: Vec<String> = if step % 4 == 0 {
            (0..KEYS_A_WRITER).map(|key| format!("{writer}-{key}")).collect()
        } else {
            vec![format!("{writer}-{}", step % KEYS_A_WRITER)]
        };
        let items: Vec<(String, u64)> = ids
            .into_iter()
            .map(|id| {
                let n = last(&id, &written).max(maybe.get(&id).copied().unwrap_or(0)) + 1;
                (id, n)
            })
            .collect();
        let item = |id: &str, n: u64| json!({ "id": { "S": id }, "n": { "N": n.to_string() }, "text": { "S": "x".repeat(100) } });
        maybe.extend(items.iter().cloned());
        let answer = if let [(id, n)] = &items[..] {
            send("PutItem", &json!({ "TableName": "items", "Item": item(id, *n) }))
        } else {
            let puts: Vec<Value> = items
                .iter()
                .map(|(id, n)| json!({ "PutRequest": { "Item": item(id, *n) } }))
                .collect();
            send("BatchWriteItem", &json!({ "RequestItems": { "items": puts } }))
        };
        let Some(answer) = answer else { break };
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        for (id, n) in items {
            maybe.remove(&id);
            written.insert(id, n);
        }
        // Money goes from one table to another and back; both or neither.
        let n = if step % 2 == 0 { 1 } else { -1 };
        let parts =
            json!([add("items", &writer.to_string(), n), add("accounts", &writer.to_string(), -n)]);
        if send("TransactWriteItems", &json!({ "TransactItems": parts })).is_none() {
            break;
        }
    }
    (written, maybe)
}

/// What the endpoint must know.
#[derive(Default)]
struct Known {
    /// The last number of each item that was answered.
    written: Written,
    /// Numbers that were sent and not answered: they may be there.
    maybe: Written,
    /// Per shard, the last number that was read.
    read_to: BTreeMap<String, String>,
    /// The last number of each item in the stream.
    streamed: Written,
}

impl Known {
    fn check(&mut self, client: &mut Client) {
        let scanned = client.call("Scan", &json!({ "TableName": "items" }));
        let items = scanned["Items"].as_array().unwrap();
        let found: Written = items
            .iter()
            .filter_map(|it| Some((text(&it["id"]["S"]), it["n"]["N"].as_str()?.parse().ok()?)))
            .collect();
        for (id, n) in &self.written {
            let may_be = self.maybe.get(id).copied().unwrap_or(*n).max(*n);
            let is = found.get(id).copied().unwrap_or(0);
            assert!(*n <= is && is <= may_be, "{id}: {n} was answered, found {is}");
        }
        // What is there now counts as answered: it may not go again.
        self.written.extend(found.clone());
        self.maybe.clear();

        let index = client
            .call("Scan", &json!({ "TableName": "items", "IndexName": "by-n", "Select": "COUNT" }));
        assert_eq!(index["Count"], found.len(), "the index has what the table has");
        let table = client.call("DescribeTimeToLive", &json!({ "TableName": "items" }));
        assert_eq!(table["TimeToLiveDescription"]["AttributeName"], "until");
        let backups = client.call("DescribeContinuousBackups", &json!({ "TableName": "items" }));
        let point = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
        assert_eq!(point["PointInTimeRecoveryStatus"], "ENABLED");

        let mut money = 0;
        for name in ["items", "accounts"] {
            let scanned =
                client.call("Scan", &json!({ "TableName": name, "ProjectionExpression": "money" }));
            let items = scanned["Items"].as_array().unwrap();
            let of = |it: &Value| it["money"]["N"].as_str().and_then(|it| it.parse::<i64>().ok());
            money += items.iter().filter_map(of).sum::<i64>();
        }
        assert_eq!(money, MONEY, "a transaction was torn");
        self.read_stream(client);
        assert_eq!(self.streamed, found, "the stream tells the same story");
    }

    /// Reads what is new in the stream: each number once, and in order.
    fn read_stream(&mut self, client: &mut Client) {
        let table = client.call("DescribeTable", &json!({ "TableName": "items" }));
        let arn = &table["Table"]["LatestStreamArn"];
        let stream = client.call("DescribeStream", &json!({ "StreamArn": arn }));
        for shard in stream["StreamDescription"]["Shards"].as_array().unwrap() {
            let id = text(&shard["ShardId"]);
            let mut request =
                json!({ "StreamArn": arn, "ShardId": id, "ShardIteratorType": "TRIM_HORIZON" });
            if let Some(last) = self.read_to.get(&id) {
                request["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
                request["SequenceNumber"] = last.as_str().into();
            }
            let mut next = client.call("GetShardIterator", &request)["ShardIterator"].clone();
            loop {
                let page = client.call("GetRecords", &json!({ "ShardIterator": next }));
                let records = page["Records"].as_array().unwrap();
                for record in records {
                    let change = &record["dynamodb"];
                    self.read_to.insert(id.clone(), text(&change["SequenceNumber"]));
                    let Some(n) = change["NewImage"]["n"]["N"].as_str() else { continue };
                    let n: u64 = n.parse().unwrap();
                    let key = text(&change["Keys"]["id"]["S"]);
                    let before = self.streamed.insert(key, n).unwrap_or(0);
                    assert!(before < n, "{record}: {before} came before");
                }
                next = page["NextShardIterator"].clone();
                if records.is_empty() || next.is_null() {
                    break;
                }
            }
        }
    }
}
