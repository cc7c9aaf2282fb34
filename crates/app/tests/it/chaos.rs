//! Three workers share a table's stream by leases in another table, while everything around them
//! breaks: they are killed, put to sleep beyond their leases and restarted, shards split and roll, the
//! sink refuses, stalls beyond its timeout and hangs up, DynamoDB throttles, items expire, and the table
//! is exported and loaded beside it all, once and again. At the end table and index are equal, item by
//! item.
//!
//! `cargo xtask chaos` runs the same for as long as one likes.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, StreamViewType, TimeToLiveSpecification},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    program::{Program, eventually},
    table::{client, create_books, keep_the_past, until_equal},
};

const N_WORKERS: usize = 3;
const N_WRITERS: u32 = 2;
/// Each writer has keys of its own, so that the order of its writes is known.
const KEYS_PER_WRITER: u32 = 300;
/// How long a writer rests between two writes: about 130 a second and writer.
const WRITE_REST: Duration = Duration::from_millis(7);
/// How long a worker may be silent. As short as it may be, so that leases move often.
const TERM: Duration = Duration::from_secs(3);
/// How long to leave things alone between two blows.
const BETWEEN_BLOWS: Duration = Duration::from_millis(1_500);
/// How many open shards are enough. Splitting doubles them.
const SHARDS_MAX: u64 = 8;
/// How long it takes in the tests, if nobody says.
const SECONDS: u64 = 20;

/// Two workers, one table of leases: each reads a part, and what one holds the other inherits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_a_table_and_inherit_from_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(dir.path(), 2).await;
    let split = json!({ "table": "books", "split": "all" });
    for _ in 0..2 {
        stage.tables.ask(Method::POST, "/_local/shards", split.clone()).await;
    }
    write(stage.dynamodb.clone(), 0, Writing::times(400)).await;
    let [one, two] = [0, 1].map(|n| stage.worker(n));
    eventually("both read shards", async || {
        (2 <= one.n_held(&stage).await && 2 <= two.n_held(&stage).await).then_some(())
    })
    .await;
    write(stage.dynamodb.clone(), 1, Writing::times(400)).await;
    until_equal(&stage.dynamodb, &stage.opensearch).await;

    stage.workers[0].take().unwrap().program.kill();
    write(stage.dynamodb.clone(), 0, Writing::times(200)).await;
    until_equal(&stage.dynamodb, &stage.opensearch).await;
    stage.check_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chaos_nothing_is_lost() {
    let number = |name: &str, otherwise| {
        env::var(name)
            .map_or(otherwise, |it| it.parse::<u64>().unwrap_or_else(|_| panic!("{name}={it}")))
    };
    let seconds = number("STREAMDEX_CHAOS_SECONDS", SECONDS);
    let seed = number("STREAMDEX_CHAOS_SEED", 1);
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(dir.path(), N_WORKERS).await;
    let writing = Writing::until_told();
    let writers: Vec<_> = (0..N_WRITERS)
        .map(|n| tokio::spawn(write(stage.dynamodb.clone(), n, writing.clone())))
        .collect();

    let mut random = fastrand::Rng::with_seed(seed);
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(BETWEEN_BLOWS).await;
        let blow = stage.strike(&mut random).await;
        *stage.blows.entry(blow).or_default() += 1;
    }
    writing.stop.store(true, Ordering::Release);
    for writer in writers {
        writer.await.unwrap();
    }
    stage.calm_down().await;
    let n_items = until_equal(&stage.dynamodb, &stage.opensearch).await;
    stage.check_loaded().await;
    // What was loaded late has not brought anything back.
    assert_eq!(until_equal(&stage.dynamodb, &stage.opensearch).await, n_items);
    stage.check_accounts().await;
    let n_writes = writing.n_done.load(Ordering::Relaxed);
    println!(
        "seed {seed}, {seconds} s: {n_writes} writes, {n_items} items left, table and index are equal"
    );
    for (blow, n) in &stage.blows {
        println!("  {n:>4} × {blow}");
    }
    assert!(100 < n_items, "the test has become too easy: {n_items} items");
}

/// Everything there is: the endpoints, the workers, and what has been done to them.
struct Stage {
    dir: PathBuf,
    file: String,
    leases: String,
    /// Ends with the test.
    _local: Program,
    dynamodb: Client,
    tables: Cluster,
    opensearch: Cluster,
    workers: Vec<Option<Worker>>,
    n_shards: u64,
    n_started: usize,
    blows: BTreeMap<&'static str, u64>,
}

struct Worker {
    program: Program,
    /// Until when it sleeps.
    asleep: Option<tokio::time::Instant>,
}

impl Stage {
    async fn set(dir: &Path, n_workers: usize) -> Stage {
        let any = "127.0.0.1:0";
        let data = dir.join("data");
        let args = ["local", "--dynamodb", any, "--opensearch", any, "--s3", any, "--api", any];
        let data = ["--data-dir", data.to_str().unwrap()];
        let local = Program::start(dir, &[&args[..], &data].concat()).await;
        let dynamodb = client(local.address("dynamodb"));
        create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
        keep_the_past(&dynamodb).await;
        let bucket = Cluster::at(local.address("s3"));
        let (status, why) = bucket.ask(Method::PUT, "/books-export", Value::Null).await;
        assert_eq!(status, 200, "{why}");
        // The first export has something in it.
        for n in 0..N_WRITERS {
            write(dynamodb.clone(), n, Writing::times(200)).await;
        }
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires");
        let ttl = ttl.build().unwrap();
        let switch_on = dynamodb.update_time_to_live().table_name("books");
        switch_on.time_to_live_specification(ttl).send().await.unwrap();
        let file = dir.join("pipeline.yaml");
        let yaml = include_str!("chaos.yaml")
            .replace("{dynamodb}", local.address("dynamodb"))
            .replace("{s3}", local.address("s3"))
            .replace("{opensearch}", local.address("opensearch"));
        std::fs::write(&file, yaml).unwrap();
        let mut stage = Stage {
            dir: dir.to_owned(),
            file: file.to_str().unwrap().to_owned(),
            leases: format!(
                "dynamodb://leases?region=us-east-1&endpoint={}&term={}s",
                local.address("dynamodb"),
                TERM.as_secs()
            ),
            tables: Cluster::at(local.address("dynamodb")),
            opensearch: Cluster::at(local.address("opensearch")),
            _local: local,
            dynamodb,
            workers: Vec::new(),
            n_shards: 1,
            n_started: 0,
            blows: BTreeMap::new(),
        };
        for _ in 0..n_workers {
            let worker = stage.start_worker().await;
            stage.workers.push(Some(worker));
        }
        stage
    }

    async fn start_worker(&mut self) -> Worker {
        self.n_started += 1;
        let dir = self.dir.join(format!("worker-{}", self.n_started));
        std::fs::create_dir_all(&dir).unwrap();
        let data = dir.join("data");
        let data = data.to_str().unwrap();
        let args = ["run", &self.file, "--api", "127.0.0.1:0", "--data-dir", data, "--leases"];
        let program = Program::start(&dir, &[&args[..], &[&self.leases]].concat()).await;
        Worker { program, asleep: None }
    }

    fn worker(&self, n: usize) -> &Worker {
        self.workers[n].as_ref().unwrap()
    }

    /// Does something bad; says what.
    async fn strike(&mut self, random: &mut fastrand::Rng) -> &'static str {
        self.wake(tokio::time::Instant::now());
        let victim = random.usize(0..self.workers.len());
        match random.u32(0..14) {
            0..3 => {
                self.workers[victim].take().unwrap().program.kill();
                let worker = self.start_worker().await;
                self.workers[victim] = Some(worker);
                "worker killed with -9 and another started"
            }
            3..5 => {
                let seconds = random.u64(2..8);
                let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
                let worker = self.workers[victim].as_mut().unwrap();
                if worker.asleep.is_some() {
                    return "worker left asleep";
                }
                worker.program.signal("STOP");
                worker.asleep = Some(until);
                if TERM.as_secs() < seconds {
                    "worker paused beyond its lease"
                } else {
                    "worker paused"
                }
            }
            5 => {
                let worker = self.workers[victim].take().unwrap();
                worker.program.signal("CONT");
                worker.program.terminate().await;
                let worker = self.start_worker().await;
                self.workers[victim] = Some(worker);
                "worker ended in good order and another started"
            }
            6..8 => {
                let how = if self.n_shards < SHARDS_MAX { "split" } else { "roll" };
                if how == "split" {
                    self.n_shards *= 2;
                }
                let order = json!({ "table": "books", how: "all" });
                let (status, answer) = self.tables.ask(Method::POST, "/_local/shards", order).await;
                assert_eq!(status, 200, "{answer}");
                if how == "split" { "all shards split" } else { "all shards rolled" }
            }
            8..11 => {
                let (fault, name) = match random.u32(0..4) {
                    0 => (json!({ "status": 429 }), "sink answers 429"),
                    1 => (json!({ "status": 500 }), "sink answers 500"),
                    2 => (json!({ "delay_ms": 3_000 }), "sink answers after its timeout"),
                    _ => (json!({ "reset": true }), "sink hangs up"),
                };
                let mut fault = fault;
                fault["target"] = "bulk".into();
                fault["for_ms"] = random.u64(500..2_500).into();
                let (status, answer) =
                    self.opensearch.ask(Method::POST, "/_local/faults", fault).await;
                assert_eq!(status, 200, "{answer}");
                name
            }
            11..13 => {
                let awake = self.workers.iter().flatten().find(|it| it.asleep.is_none());
                let Some(worker) = awake else { return "everybody left asleep" };
                let api = Cluster::at(worker.program.address("api"));
                let (status, answer) =
                    api.ask(Method::POST, "/api/v1/pipelines/books/load", Value::Null).await;
                assert_eq!((status, &answer["loading"][0]), (200, &json!("books")), "{answer}");
                "table to be loaded once more"
            }
            _ => {
                let operation =
                    ["DescribeExport", "GetRecords", "Query", "DescribeStream", "GetShardIterator"];
                let operation = operation[random.usize(0..operation.len())];
                let fault = json!({
                    "operation": operation, "error": "ThrottlingException",
                    "times": random.u64(1..20), "for_ms": 2_000,
                });
                let (status, answer) = self.tables.ask(Method::POST, "/_local/faults", fault).await;
                assert_eq!(status, 200, "{answer}");
                "DynamoDB throttles"
            }
        }
    }

    /// Wakes those whose time has come.
    fn wake(&mut self, now: tokio::time::Instant) {
        for worker in self.workers.iter_mut().flatten() {
            if worker.asleep.is_some_and(|until| until <= now) {
                worker.program.signal("CONT");
                worker.asleep = None;
            }
        }
    }

    /// Ends all faults and pauses.
    async fn calm_down(&mut self) {
        for worker in self.workers.iter_mut().flatten() {
            worker.program.signal("CONT");
            worker.asleep = None;
        }
        for cluster in [&self.tables, &self.opensearch] {
            cluster.ask(Method::DELETE, "/_local/faults", Value::Null).await;
        }
    }

    /// Waits until no load is wanted or under way, as the leases say.
    async fn check_loaded(&self) {
        eventually("all loads are done", async || {
            let mut pages = self.dynamodb.scan().table_name("leases").into_paginator().send();
            let (mut is_done, mut generation) = (false, 0);
            while let Some(page) = pages.next().await {
                for item in page.unwrap().items.unwrap_or_default() {
                    let text = |name: &str| item.get(name).and_then(|it| it.as_s().ok());
                    let partition = text("sourcePartitionKey").unwrap();
                    if partition.ends_with("/load/") {
                        let record: Value =
                            serde_json::from_str(text("partitionProgressState")?).unwrap();
                        is_done = record["stage"] == "Done";
                        generation = record["generation"].as_u64().unwrap();
                    }
                    let is_open = text("sourcePartitionStatus").unwrap() != "COMPLETED";
                    if partition.contains("/gap/") && is_open {
                        return None;
                    }
                }
            }
            is_done.then(|| println!("the table was loaded {generation} times"))
        })
        .await;
    }

    /// Prints what became of everything that the live workers read; none of it may be unknown.
    async fn check_accounts(&self) {
        for (n, worker) in self.workers.iter().flatten().enumerate() {
            let api = Cluster::at(worker.program.address("api"));
            let (_, views) = api.get("/api/v1/pipelines").await;
            let view = &views["pipelines"][0];
            println!("worker {n}: {view}");
            for name in ["unaccounted", "dead_lettered"] {
                assert_eq!(view[name], 0, "worker {n}: {name}");
            }
            eventually("nothing is on its way", async || {
                let (_, views) = api.get("/api/v1/pipelines").await;
                (views["pipelines"][0]["in_flight"] == 0).then_some(())
            })
            .await;
        }
    }
}

impl Worker {
    /// How many shards it holds, as the table of leases says.
    async fn n_held(&self, stage: &Stage) -> usize {
        let pid = format!("-{}-", self.program.pid());
        let scan = stage.dynamodb.scan().table_name("leases").send().await.unwrap();
        let is_held = |item: &&std::collections::HashMap<String, AttributeValue>| {
            let text = |name: &str| item.get(name).and_then(|it| it.as_s().ok()).unwrap();
            text("partitionOwner").contains(&pid)
                && text("sourcePartitionStatus") == "ASSIGNED"
                && text("sourcePartitionKey").contains("/shardId-")
        };
        scan.items().iter().filter(is_held).count()
    }
}

/// For how long to write, and how much was written.
#[derive(Clone)]
struct Writing {
    n_max: u64,
    stop: Arc<AtomicBool>,
    n_done: Arc<AtomicU64>,
}

impl Writing {
    fn times(n_max: u64) -> Writing {
        Writing { n_max, stop: Arc::default(), n_done: Arc::default() }
    }

    fn until_told() -> Writing {
        Writing::times(u64::MAX)
    }
}

/// Puts, changes, removes and lets expire, at a steady rate.
async fn write(client: Client, writer: u32, writing: Writing) {
    let mut random = fastrand::Rng::with_seed(u64::from(writer));
    for n in 0..writing.n_max {
        if writing.stop.load(Ordering::Acquire) {
            return;
        }
        let key = random.u32(0..KEYS_PER_WRITER);
        let author = AttributeValue::S(format!("author {writer}"));
        let title = AttributeValue::S(format!("title {key}"));
        let n = AttributeValue::N(n.to_string());
        match random.u32(0..10) {
            0..5 => {
                let put = client.put_item().table_name("books");
                let put = put.item("author", author).item("bookTitle", title).item("n", n);
                let expires = (random.u32(0..10) == 0)
                    .then(|| ("expires".to_owned(), AttributeValue::N("1700000000".to_owned())));
                let put = expires.into_iter().fold(put, |put, (name, it)| put.item(name, it));
                put.send().await.map(drop).unwrap();
            }
            5..8 => {
                let update = client.update_item().table_name("books");
                let update = update.key("author", author).key("bookTitle", title);
                let update =
                    update.update_expression("SET n = :n").expression_attribute_values(":n", n);
                update.send().await.map(drop).unwrap();
            }
            _ => {
                let delete = client.delete_item().table_name("books");
                let delete = delete.key("author", author).key("bookTitle", title);
                delete.send().await.map(drop).unwrap();
            }
        }
        writing.n_done.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(WRITE_REST).await;
    }
}
