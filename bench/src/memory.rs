//! The memory of a worker under load with default settings: a table loaded by an export, and then as
//! many changes by its stream. The endpoints are another process.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::{
    process::{Killed, program, resident, start},
    rig::Rig,
    sink::Servers,
};

/// How many items; `STREAMDEX_BENCH_DOCUMENTS` says another number.
const ITEMS: u64 = 60_000;
const AIM_MB: f64 = 128.0;
const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) async fn run() -> anyhow::Result<()> {
    let n = std::env::var("STREAMDEX_BENCH_DOCUMENTS").ok().and_then(|it| it.parse().ok());
    let n: u64 = n.unwrap_or(ITEMS);
    println!("## Memory: `streamdex run` with default settings, {n} items of 1 KB");
    let servers = Servers::start().await?;
    let rig = Rig::at(&servers.dynamodb, &servers.opensearch).await?;
    rig.create_table().await?;
    let past = json!({
        "TableName": "books",
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
    });
    rig.dynamodb.ask("UpdateContinuousBackups", &past).await?;
    rig.fill(n).await?;
    let bucket = Request::put(format!("{}/books-export", servers.s3)).body(Bytes::new())?;
    rig.http.send(bucket, Duration::from_secs(10)).await?;

    let folder = tempfile::tempdir()?;
    let worker = Worker::start(&servers, folder.path())?;
    let began = tokio::time::Instant::now();
    until(&rig, "/books/_count", n).await?;
    worker.print("a load by export", n, began.elapsed())?;
    let began = tokio::time::Instant::now();
    rig.fill_with(n, 2).await?;
    let api = Worker::api(folder.path())?;
    until_metric(&rig, &api, 2 * n).await?;
    worker.print("and as many changes by the stream", n, began.elapsed())?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("resident three seconds later {:.1} MB\n", worker.memory("VmRSS:")?);
    Ok(())
}

struct Worker(Killed);

impl Worker {
    fn start(servers: &Servers, folder: &Path) -> anyhow::Result<Worker> {
        let file = folder.join("pipeline.yaml");
        let endpoint = format!("        endpoint: \"{}\"\n", servers.dynamodb);
        let s3 = format!("{endpoint}        s3_endpoint: \"{}\"\n", servers.s3);
        let yaml = include_str!("../../crates/app/tests/it/zero-etl.yaml")
            .replace("{dynamodb}", &servers.dynamodb)
            .replace("{opensearch}", &servers.opensearch)
            .replace("123456789012:table", "000000000000:table")
            .replace(&endpoint, &s3);
        std::fs::write(&file, yaml)?;
        let program = program()?;
        Ok(Worker(start(&program, folder, &file, "data")?))
    }

    fn api(folder: &Path) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(folder.join("addresses"))?;
        let addresses: Value = serde_json::from_str(&text)?;
        Ok(addresses["api"].as_str().unwrap_or_default().to_owned())
    }

    fn memory(&self, name: &str) -> anyhow::Result<f64> {
        resident(self.0.0.id(), name)
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    fn print(&self, name: &str, n: u64, took: Duration) -> anyhow::Result<()> {
        let (peak, program) = (self.memory("VmHWM:")?, self.memory("RssFile:")?);
        println!(
            "{name:<34} {:>8.0} items/s   peak {peak:>6.1} MB (aim {AIM_MB}), of which the program itself {program:.1} MB",
            n as f64 / took.as_secs_f64()
        );
        Ok(())
    }
}

async fn until(rig: &Rig, path: &str, n: u64) -> anyhow::Result<()> {
    let began = tokio::time::Instant::now();
    loop {
        let counted = rig.search(Method::GET, path, &Value::Null).await;
        if counted.is_ok_and(|it| it["count"] == n) {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "not all of it came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Until the worker has written so many.
async fn until_metric(rig: &Rig, api: &str, n: u64) -> anyhow::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "as Prometheus has it")]
    let wanted = n as f64;
    let began = tokio::time::Instant::now();
    loop {
        let request = Request::get(format!("{api}/metrics")).body(Bytes::new())?;
        let answer = rig.http.send(request, Duration::from_secs(10)).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = text.lines().find(|it| it.starts_with("records_indexed_total{"));
        let indexed = line.and_then(|it| it.rsplit(' ').next()?.parse::<f64>().ok());
        if indexed.is_some_and(|it| wanted <= it) {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "not all of it came: {line:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
