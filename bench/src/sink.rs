//! The sink beside a raw loader that sends prepared requests, and beside what people write in Python:
//! the same documents into the same server, one after the other in one run.
//!
//! The server is a process of its own, so that the CPU time of this one is that of the sink: the
//! embedded endpoint, or the cluster at `STREAMDEX_TEST_OPENSEARCH_URL`.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use aws::{Environment, Http};
use bytes::Bytes;
use dynamodb::{Conversion, Versions, ViewOnRemove, convert};
use futures::{StreamExt, stream};
use http::{Method, Request};
use opensearch::{Bulk, Config, DeadLetters, OpenSearchSink, Shape};
use pipeline::{Clock, Event, Settings, Sink, Table};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::convert::per_second;

/// Pages of a thousand changes, about 1 KB each.
const PAGES: u64 = 40;
const PAGE: u64 = 1_000;
/// How many prepared requests the raw loader has under way: as many as we have at first.
const AT_ONCE: usize = 2;
const REQUEST_BYTES: usize = 2 << 20;

const PYTHON: &str = include_str!("sink.py");

pub(crate) async fn run() -> anyhow::Result<()> {
    let n = PAGES * PAGE;
    println!("## Sink: {n} documents of 1 KB, the same server for all, one after the other");
    let (server, address) = server().await?;
    let http = Http::plain();
    let mut best: Option<(f64, f64)> = None;
    for round in 0..3 {
        let raw = raw(&http, &address, &format!("raw-{round}")).await?;
        let ours = ours(&http, &address, &format!("ours-{round}")).await?;
        println!(
            "round {round}: raw {:>7.0}/s {:>5.2} µs   ours {:>7.0}/s {:>5.2} µs   {:>5.1} % of raw   sink alone {:.2} µs per document",
            raw.0,
            raw.1,
            ours.0,
            ours.1,
            100.0 * ours.0 / raw.0,
            ours.1 - raw.1
        );
        if best.is_none_or(|it| it.0 < ours.0) {
            best = Some(ours);
        }
    }
    python(&address, best.map_or(1.0, |it| it.1))?;
    drop(server);
    println!();
    Ok(())
}

/// Documents per second, and microseconds of our CPU per document.
fn figures(took: Duration, cpu: Duration) -> (f64, f64) {
    let n = PAGES * PAGE;
    (per_second(n, took), 1e6 / per_second(n, cpu))
}

/// Events as a source gives them, page by page.
fn pages() -> anyhow::Result<Vec<Vec<Event>>> {
    let table = Table {
        name: "books".to_owned(),
        partition_key: "author".to_owned(),
        sort_key: Some("bookTitle".to_owned()),
    };
    let conversion = Conversion {
        table: Arc::new(table),
        view_on_remove: ViewOnRemove::NewImage,
        not_before_ms: 0,
    };
    let mut versions = Versions::default();
    (0..PAGES)
        .map(|page| {
            let body = Bytes::from(crate::records::get_records_from(page * PAGE, PAGE));
            Ok(convert(&body, &conversion, &mut versions)?.events)
        })
        .collect()
}

fn settings(address: &str, index: &str) -> anyhow::Result<(Config, Settings)> {
    let settings = Settings::from_yaml(&format!(
        "hosts: ['{address}']\nindex: {index}\ndocument_id: '${{getMetadata(\"primary_key\")}}'\n\
         action: '${{getMetadata(\"opensearch_action\")}}'\n\
         document_version: '${{getMetadata(\"document_version\")}}'\ndocument_version_type: external\n\
         number_of_replicas: 0"
    ))?;
    let (config, _) = Config::read(&settings)?;
    Ok((config, settings))
}

async fn raw(http: &Http, address: &str, index: &str) -> anyhow::Result<(f64, f64)> {
    let (config, settings) = settings(address, index)?;
    create(http, address, index).await?;
    let shape = Shape::new(&config, &settings)?;
    let events: Vec<Event> = pages()?.into_iter().flatten().collect();
    let (mut next, mut rejected, mut bodies) = (0, Vec::new(), Vec::new());
    while next < events.len() {
        let bulk = Bulk::fill(&shape, &events, &mut next, REQUEST_BYTES, &mut rejected);
        bodies.push(Bytes::from(bulk.body));
    }
    drop(events);
    let (began, cpu) = (tokio::time::Instant::now(), process_cpu());
    let mut sending = stream::iter(bodies)
        .map(|body| ask(http, Method::POST, address, "/_bulk?filter_path=errors", body))
        .buffer_unordered(AT_ONCE);
    while let Some(answer) = sending.next().await {
        answer?;
    }
    Ok(figures(began.elapsed(), process_cpu().saturating_sub(cpu)))
}

async fn ours(http: &Http, address: &str, index: &str) -> anyhow::Result<(f64, f64)> {
    let (config, settings) = settings(address, index)?;
    create(http, address, index).await?;
    let folder = tempfile::tempdir()?;
    let letters = Arc::new(DeadLetters::in_folder(folder.path(), "bench"));
    let sink = OpenSearchSink::new(config, &settings, Environment::of([]), letters, Clock::real())?;
    sink.check().await?;
    let pages = pages()?;
    let (began, cpu) = (tokio::time::Instant::now(), process_cpu());
    let mut pages = pages.into_iter().peekable();
    while pages.peek().is_some() {
        // As a busy lane does: all pages that wait, and a shard has four at most.
        let events: Vec<Event> = pages.by_ref().take(4).flatten().collect();
        let n = events.len() as u64;
        let tally = sink.write(events).await?;
        anyhow::ensure!(tally.indexed == n, "{tally:?}");
    }
    Ok(figures(began.elapsed(), process_cpu().saturating_sub(cpu)))
}

async fn create(http: &Http, address: &str, index: &str) -> anyhow::Result<()> {
    let body = json!({ "settings": { "index.number_of_replicas": 0 } }).to_string();
    let _ = ask(http, Method::DELETE, address, &format!("/{index}"), Bytes::new()).await;
    ask(http, Method::PUT, address, &format!("/{index}"), body.into()).await?;
    Ok(())
}

async fn ask(
    http: &Http,
    method: Method,
    address: &str,
    path: &str,
    body: Bytes,
) -> anyhow::Result<Value> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{address}{path}"))
        .header("content-type", "application/x-ndjson")
        .body(body)?;
    let answer = http.send(request, Duration::from_mins(1)).await?;
    anyhow::ensure!(answer.status.is_success(), "{}", answer.status);
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// `parallel_bulk` of opensearch-py on records as boto3 gives them, if there is a Python that has both.
fn python(address: &str, ours_us: f64) -> anyhow::Result<()> {
    let python = std::env::var("STREAMDEX_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("records.json");
    let records: Vec<Value> = (0..PAGES / 4)
        .map(|page| serde_json::from_slice(&crate::records::get_records_from(page * PAGE, PAGE)))
        .collect::<Result<_, _>>()?;
    std::fs::write(&file, Value::Array(records).to_string())?;
    let run = Command::new(&python)
        .args(["-c", PYTHON, address])
        .arg(&file)
        .stderr(Stdio::inherit())
        .output();
    let printed = run.ok().filter(|it| it.status.success());
    let Some(figures) = printed.and_then(|it| serde_json::from_slice::<Value>(&it.stdout).ok())
    else {
        println!(
            "python: left out; `{python}` needs boto3 and opensearch-py (STREAMDEX_TEST_PYTHON names another)"
        );
        return Ok(());
    };
    let per_second = figures["per_second"].as_f64().unwrap_or_default();
    let cpu_us = figures["cpu_us"].as_f64().unwrap_or_default();
    println!(
        "python parallel_bulk: {per_second:>7.0}/s {cpu_us:>5.0} µs of CPU per document; ours does {:.0} times as many per CPU second",
        cpu_us / ours_us
    );
    Ok(())
}

struct Killed(#[expect(dead_code, reason = "it is dropped")] Option<Guard>);
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn server() -> anyhow::Result<(Killed, String)> {
    if let Ok(address) = std::env::var("STREAMDEX_TEST_OPENSEARCH_URL") {
        return Ok((Killed(None), address));
    }
    let program = std::env::current_exe()?.with_file_name("streamdex");
    anyhow::ensure!(program.exists(), "it is built by `cargo xtask bench`");
    let folder = tempfile::tempdir()?;
    let addresses = folder.path().join("addresses");
    let mut command = Command::new(program);
    command.args(["local", "--log", "warn", "--addresses"]).arg(&addresses);
    for endpoint in ["--dynamodb", "--opensearch", "--s3", "--api"] {
        command.args([endpoint, "127.0.0.1:0"]);
    }
    let child = Guard(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    let address = wait_for(&addresses).await?;
    Ok((Killed(Some(child)), address))
}

async fn wait_for(addresses: &Path) -> anyhow::Result<String> {
    for _ in 0..1_000 {
        if let Ok(text) = std::fs::read_to_string(addresses) {
            let addresses: Value = serde_json::from_str(&text)?;
            if let Some(address) = addresses["opensearch"].as_str() {
                return Ok(address.to_owned());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("the endpoint did not start")
}

fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
