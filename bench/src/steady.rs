//! Memory over time: the program as a process, a stream of changes at a steady rate, and the table
//! exported and loaded beside it again and again. It must not grow.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::{
    process::{Killed, program, resident},
    rig::Rig,
};

const ITEMS: u64 = 20_000;
/// Batches of 25 changes a second.
const BATCHES_PER_SECOND: u64 = 16;
const PRINT_EVERY: Duration = Duration::from_secs(30);
/// How long to rest between two loads.
const LOAD_EVERY: Duration = Duration::from_secs(20);
/// How much more the last third may take than the second, which has seen everything at least once.
const GROWTH_MAX: f64 = 1.10;
const GROWTH_MB_MAX: f64 = 8.0;

pub(crate) async fn run(minutes: u64) -> anyhow::Result<()> {
    println!(
        "## Steady: {} changes a second and a load of {ITEMS} items every {} s, for {minutes} minutes",
        BATCHES_PER_SECOND * 25,
        LOAD_EVERY.as_secs()
    );
    let folder = tempfile::tempdir()?;
    let stage = Stage::set(folder.path()).await?;
    let (seen, n_changes) = stage.watch(Duration::from_secs(minutes * 60)).await?;
    stage.check_accounts().await?;
    let took = seen.last().map_or(Duration::ZERO, |it| it.0);
    let most = |from: u32, to: u32| {
        let in_time = seen.iter().filter(|it| (took * from / 3..=took * to / 3).contains(&it.0));
        in_time.map(|it| it.1).fold(0.0, f64::max)
    };
    let (first, second, last) = (most(0, 1), most(1, 2), most(2, 3));
    println!(
        "{n_changes} changes; most memory of the worker in the first third {first:.1} MB, in the second \
         {second:.1} MB, in the last {last:.1} MB; nothing unaccounted"
    );
    let most = (second * GROWTH_MAX).max(second + GROWTH_MB_MAX);
    anyhow::ensure!(last <= most, "memory grows");
    println!("flat\n");
    Ok(())
}

/// The processes, and whom to ask.
struct Stage {
    local: Killed,
    worker: Killed,
    rig: Rig,
    api: String,
}

impl Stage {
    async fn set(folder: &Path) -> anyhow::Result<Stage> {
        let path = |name: &str| folder.join(name).display().to_string();
        let any = "127.0.0.1:0";
        let local = started(&[
            "local",
            "--dynamodb",
            any,
            "--opensearch",
            any,
            "--s3",
            any,
            "--api",
            any,
            "--data-dir",
            &path("endpoints"),
            "--addresses",
            &path("local"),
        ])?;
        let endpoints = addresses(&folder.join("local")).await?;
        let address = |name: &str| endpoints[name].as_str().unwrap_or_default();
        let rig = Rig::at(address("dynamodb"), address("opensearch")).await?;
        rig.create_table().await?;
        let recovery = json!({ "PointInTimeRecoveryEnabled": true });
        let question =
            json!({ "TableName": "books", "PointInTimeRecoverySpecification": recovery });
        rig.dynamodb.ask("UpdateContinuousBackups", &question).await?;
        ask(&rig, Method::PUT, &format!("{}/books-export", address("s3"))).await?;
        rig.fill(ITEMS).await?;
        let endpoint = format!("        endpoint: \"{}\"\n", address("dynamodb"));
        let pipeline = include_str!("../../crates/app/tests/it/zero-etl.yaml")
            .replace("{dynamodb}", address("dynamodb"))
            .replace("{opensearch}", address("opensearch"))
            .replace(&endpoint, &format!("{endpoint}        s3_endpoint: \"{}\"\n", address("s3")));
        anyhow::ensure!(pipeline.contains("s3_endpoint"), "the pipeline file has changed");
        std::fs::write(folder.join("pipeline.yaml"), pipeline)?;
        let worker = started(&[
            "run",
            &path("pipeline.yaml"),
            "--log",
            "error",
            "--api",
            any,
            "--data-dir",
            &path("worker-data"),
            "--addresses",
            &path("worker"),
        ])?;
        let worker_endpoints = addresses(&folder.join("worker")).await?;
        let api = worker_endpoints["api"].as_str().unwrap_or_default().to_owned();
        Ok(Stage { local, worker, rig, api })
    }

    /// Writes, has the table loaded and looks at the memory; says what it saw and how much it wrote.
    async fn watch(&self, time: Duration) -> anyhow::Result<(Vec<(Duration, f64)>, u64)> {
        let Stage { local, worker, rig, api } = self;
        let began = Instant::now();
        let (mut n_changes, mut random) = (0u64, fastrand::Rng::with_seed(2));
        let mut seen = Vec::new();
        let mut write = interval(Duration::from_millis(1000 / BATCHES_PER_SECOND));
        write.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut look, mut print, mut load) =
            (interval(Duration::from_millis(200)), interval(PRINT_EVERY), interval(LOAD_EVERY));
        load.reset();
        print.reset();
        while began.elapsed() < time {
            tokio::select! {
                _ = write.tick() => {
                    let puts: Vec<Value> = (0..25)
                        .map(|at| {
                            // Each key once: one request may not name an item twice.
                            let n = (n_changes + at) % ITEMS;
                            json!({ "PutRequest": { "Item": crate::records::item(&mut random, n) } })
                        })
                        .collect();
                    rig.dynamodb.ask("BatchWriteItem", &json!({ "RequestItems": { "books": puts } })).await?;
                    n_changes += 25;
                }
                _ = look.tick() => {
                    seen.push((began.elapsed(), resident(worker.0.id(), "VmRSS:")?));
                }
                _ = load.tick() => {
                    ask(rig, Method::POST, &format!("{api}/api/v1/pipelines/books/load")).await?;
                }
                _ = print.tick() => {
                    let view = view(rig, api).await?;
                    println!(
                        "{:>5} s  worker {:>6.1} MB   read {:>9}   lag {} ms   (endpoints {:.0} MB)",
                        began.elapsed().as_secs(), resident(worker.0.id(), "VmRSS:")?, view["read"], view["lag_ms"],
                        resident(local.0.id(), "VmRSS:")?
                    );
                }
            }
        }
        Ok((seen, n_changes))
    }

    /// Waits until what is on its way has arrived; then it is known what became of everything.
    async fn check_accounts(&self) -> anyhow::Result<()> {
        let mut last = view(&self.rig, &self.api).await?;
        for _ in 0..100 {
            if last["in_flight"] == 0 {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            last = view(&self.rig, &self.api).await?;
        }
        anyhow::ensure!(last["unaccounted"] == 0, "unaccounted records: {last}");
        anyhow::ensure!(last["dead_lettered"] == 0, "dead letters: {last}");
        Ok(())
    }
}

fn started(arguments: &[&str]) -> anyhow::Result<Killed> {
    let mut command = Command::new(program()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
    Ok(Killed(command.spawn()?))
}

/// What a program wrote once all of it answered.
async fn addresses(file: &Path) -> anyhow::Result<Value> {
    for _ in 0..3_000 {
        if let Ok(text) = std::fs::read_to_string(file) {
            return Ok(serde_json::from_str(&text)?);
        }
        sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("{} was not written", file.display())
}

async fn view(rig: &Rig, api: &str) -> anyhow::Result<Value> {
    ask(rig, Method::GET, &format!("{api}/api/v1/pipelines/books")).await
}

async fn ask(rig: &Rig, method: Method, uri: &str) -> anyhow::Result<Value> {
    let request = http::Request::builder().method(method).uri(uri).body(Bytes::new())?;
    let answer = rig.http.send(request, Duration::from_secs(30)).await?;
    anyhow::ensure!(answer.status.is_success(), "{uri} answers {}", answer.status);
    Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}
