//! The pipeline from the stream of a table to an index, beside a raw loader that sends prepared
//! requests, and beside what people write in Python: the same documents into the same server, one
//! after the other in one run.
//!
//! The servers are processes of their own, and so is each loader: its CPU time and its memory are
//! its own. The server is the embedded endpoint, or the cluster at `STREAMDEX_TEST_OPENSEARCH_URL`.

mod loaders;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use aws::Http;
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

pub(crate) use self::loaders::load;
use crate::rig::Rig;

/// How many documents; `STREAMDEX_BENCH_DOCUMENTS` says another number.
const DOCUMENTS: u64 = 100_000;
const ROUNDS: u32 = 3;
/// How many prepared requests the raw loader has under way. The best of them is the limit.
const AT_ONCE: [&str; 2] = ["2", "4"];
const PYTHON: &str = include_str!("sink.py");

/// What a loader says of itself.
struct Figures {
    documents: f64,
    seconds: f64,
    cpu: f64,
    peak_mb: f64,
}

impl Figures {
    fn of(printed: &[u8]) -> anyhow::Result<Figures> {
        let said: Value = serde_json::from_slice(printed)
            .with_context(|| String::from_utf8_lossy(printed).into_owned())?;
        let number = |name: &str| said[name].as_f64().with_context(|| format!("no {name}: {said}"));
        Ok(Figures {
            documents: number("documents")?,
            seconds: number("seconds")?,
            cpu: number("cpu")?,
            peak_mb: number("peak_mb")?,
        })
    }

    fn per_second(&self) -> f64 {
        self.documents / self.seconds
    }

    fn per_cpu_second(&self) -> f64 {
        self.documents / self.cpu
    }

    fn cpu_us(&self) -> f64 {
        1e6 * self.cpu / self.documents
    }

    fn print(&self, name: &str, more: &str) {
        println!(
            "{name:<34} {:>8.0} docs/s {:>9.0} docs per CPU second {:>7.2} µs of CPU per document {:>6.0} MB at the peak{more}",
            self.per_second(),
            self.per_cpu_second(),
            self.cpu_us(),
            self.peak_mb,
        );
    }
}

pub(crate) async fn run() -> anyhow::Result<()> {
    let n = std::env::var("STREAMDEX_BENCH_DOCUMENTS").ok().and_then(|it| it.parse().ok());
    let n: u64 = n.unwrap_or(DOCUMENTS);
    let servers = Servers::start().await?;
    println!(
        "## Sink: {n} documents of 1 KB from the stream of an embedded table into {}, the same server for all, one after the other",
        servers.name
    );
    let rig = Rig::at(&servers.dynamodb, &servers.opensearch).await?;
    rig.create_table().await?;
    rig.fill(n).await?;
    let bench = Bench { servers, n, http: Http::plain() };
    bench.run().await
}

struct Bench {
    servers: Servers,
    n: u64,
    http: Http,
}

impl Bench {
    async fn run(&self) -> anyhow::Result<()> {
        let mut shares = Vec::new();
        let (mut best, mut sink_us, mut peak) = (0.0f64, f64::MAX, 0.0f64);
        for round in 0..ROUNDS {
            // Reading and converting, and nothing behind it: what is not the sink's.
            let source = self.ours(&format!("source-{round}"), "source").await?;
            source.print(&format!("round {round}: the source alone"), "");
            let mut raw: Option<Figures> = None;
            for at_once in AT_ONCE {
                let index = format!("raw-{round}-{at_once}");
                let figures = self.ours(&index, at_once).await?;
                figures.print(&format!("round {round}: raw loader, {at_once} at once"), "");
                if raw.as_ref().is_none_or(|it| it.per_second() < figures.per_second()) {
                    raw = Some(figures);
                }
            }
            let raw = raw.context("there is one")?;
            let ours = self.ours(&format!("ours-{round}"), "ours").await?;
            let share = 100.0 * ours.per_second() / raw.per_second();
            let sink = ours.cpu_us() - source.cpu_us();
            let more = format!("   {share:.1} % of raw   sink alone {sink:.2} µs per document");
            ours.print(&format!("round {round}: the pipeline"), &more);
            shares.push(share);
            best = best.max(ours.per_cpu_second());
            sink_us = sink_us.min(sink);
            peak = peak.max(ours.peak_mb);
        }
        shares.sort_by(f64::total_cmp);
        println!(
            "the pipeline: {:.1} % of raw (median of {ROUNDS}; aim 95), sink {sink_us:.2} µs of CPU per document (best; aim 1.5), {peak:.0} MB at the peak (aim 128)",
            shares[shares.len() / 2]
        );
        self.python(best).await
    }

    /// One of our own loaders, in a process of its own.
    async fn ours(&self, index: &str, kind: &str) -> anyhow::Result<Figures> {
        self.create(index).await?;
        let Servers { dynamodb, opensearch, .. } = &self.servers;
        let n = self.n.to_string();
        let ran = Command::new(std::env::current_exe()?)
            .args([LOADER, kind, dynamodb, opensearch, index, &n])
            .stderr(Stdio::inherit())
            .output()?;
        anyhow::ensure!(ran.status.success(), "the loader `{kind}` failed");
        self.check(index, kind == "source").await?;
        Figures::of(&ran.stdout)
    }

    /// All of it is in the index, and the next loader begins with the same server.
    async fn check(&self, index: &str, may_be_empty: bool) -> anyhow::Result<()> {
        self.ask(Method::POST, &format!("/{index}/_refresh"), Bytes::new()).await?;
        let counted = self.ask(Method::GET, &format!("/{index}/_count"), Bytes::new()).await?;
        let wanted = if may_be_empty { 0 } else { self.n };
        anyhow::ensure!(counted["count"] == wanted, "{index}: {counted}, not {wanted}");
        self.ask(Method::DELETE, &format!("/{index}"), Bytes::new()).await?;
        Ok(())
    }

    async fn create(&self, index: &str) -> anyhow::Result<()> {
        let body = json!({ "settings": { "index.number_of_replicas": 0 } }).to_string();
        let request = self.request(Method::DELETE, &format!("/{index}"), Bytes::new())?;
        self.http.send(request, Duration::from_mins(1)).await?;
        self.ask(Method::PUT, &format!("/{index}"), body.into()).await?;
        Ok(())
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Request<Bytes>> {
        let address = &self.servers.opensearch;
        Ok(Request::builder()
            .method(method)
            .uri(format!("{address}{path}"))
            .header("content-type", "application/json")
            .body(body)?)
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let request = self.request(method, path, body)?;
        let answer = self.http.send(request, Duration::from_mins(1)).await?;
        anyhow::ensure!(answer.status.is_success(), "{path}: {}", answer.status);
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// `parallel_bulk` of opensearch-py on the same stream, read with boto3.
    async fn python(&self, ours: f64) -> anyhow::Result<()> {
        let python = python();
        self.create("python").await?;
        let Servers { dynamodb, opensearch, .. } = &self.servers;
        let n = self.n.to_string();
        let ran = Command::new(&python)
            .args(["-c", PYTHON, dynamodb, opensearch, "python", &n])
            .stderr(Stdio::inherit())
            .output();
        let Some(ran) = ran.ok().filter(|it| it.status.success()) else {
            println!(
                "python: left out; `{}` needs boto3 and opensearch-py: `cargo xtask clients` installs them (STREAMDEX_CLIENTS_PYTHON names another)\n",
                python.display()
            );
            return Ok(());
        };
        let figures = Figures::of(&ran.stdout)?;
        self.check("python", false).await?;
        let times = ours / figures.per_cpu_second();
        let more =
            format!("   the pipeline does {times:.0} times as many per CPU second (aim 20)\n");
        figures.print("python, boto3 and parallel_bulk", &more);
        Ok(())
    }
}

/// What the program is called with to be a loader.
pub(crate) const LOADER: &str = "sink-loader";

fn python() -> PathBuf {
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients/python/bin/python");
    std::env::var_os("STREAMDEX_CLIENTS_PYTHON").map_or(installed, PathBuf::from)
}

pub(crate) struct Servers {
    pub(crate) dynamodb: String,
    pub(crate) opensearch: String,
    pub(crate) s3: String,
    name: String,
    _local: Guard,
    _folder: tempfile::TempDir,
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Servers {
    pub(crate) async fn start() -> anyhow::Result<Servers> {
        let program = std::env::current_exe()?.with_file_name("streamdex");
        anyhow::ensure!(program.exists(), "it is built by `cargo xtask bench`");
        let folder = tempfile::tempdir()?;
        let addresses = folder.path().join("addresses");
        let mut command = Command::new(program);
        command.args(["local", "--log", "error", "--addresses"]).arg(&addresses);
        command.arg("--data-dir").arg(folder.path().join("data"));
        for endpoint in ["--dynamodb", "--opensearch", "--s3", "--api"] {
            command.args([endpoint, "127.0.0.1:0"]);
        }
        let local = Guard(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
        let addresses = wait_for(&addresses).await?;
        let address = |name: &str| addresses[name].as_str().unwrap_or_default().to_owned();
        let (opensearch, name) = match std::env::var("STREAMDEX_TEST_OPENSEARCH_URL") {
            Ok(other) => (other.clone(), other),
            Err(_) => (address("opensearch"), "the embedded index".to_owned()),
        };
        let (dynamodb, s3) = (address("dynamodb"), address("s3"));
        Ok(Servers { dynamodb, opensearch, s3, name, _local: local, _folder: folder })
    }
}

async fn wait_for(addresses: &Path) -> anyhow::Result<Value> {
    for _ in 0..1_000 {
        if let Ok(text) = std::fs::read_to_string(addresses)
            && let Ok(addresses) = serde_json::from_str(&text)
        {
            return Ok(addresses);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("the endpoints did not start")
}
