//! The loaders that are ours: the pipeline, its source alone, and requests that are prepared. Each
//! is a process of its own, and prints what it took.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws::{Environment, Http};
use bytes::Bytes;
use engine::Pipeline;
use futures::{StreamExt, stream};
use http::{Method, Request};
use opensearch::{Bulk, Config, DeadLetters, OpenSearchSink, Shape};
use pipeline::{Clock, Event, Settings, Sink, SinkError, Stop, Tally};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use crate::{process::resident, rig::Rig};

const REQUEST_BYTES: usize = 2 << 20;
const PATIENCE: Duration = Duration::from_mins(10);

/// Takes the arguments that the bench started it with.
pub(crate) async fn load(arguments: &[String]) -> anyhow::Result<()> {
    let [kind, dynamodb, opensearch, index, n] = arguments else {
        anyhow::bail!("the bench starts its loaders itself")
    };
    let n: u64 = n.parse()?;
    let rig = Rig::at(dynamodb, opensearch).await?;
    let settings = Settings::from_yaml(&format!(
        "hosts: ['{opensearch}']\nindex: {index}\ndocument_id: '${{getMetadata(\"primary_key\")}}'\n\
         action: '${{getMetadata(\"opensearch_action\")}}'\n\
         document_version: '${{getMetadata(\"document_version\")}}'\ndocument_version_type: external"
    ))?;
    let (config, _) = Config::read(&settings)?;
    let (took, cpu) = match kind.as_str() {
        "ours" => {
            let folder = tempfile::tempdir()?;
            let letters = Arc::new(DeadLetters::in_folder(folder.path(), "bench"));
            let (environment, clock) = (Environment::of([]), Clock::real());
            let sink = OpenSearchSink::new(config, &settings, environment, letters, clock)?;
            sink.check().await?;
            run(&rig, Box::new(sink), n).await?
        }
        "source" => run(&rig, Box::new(Nothing), n).await?,
        at_once => {
            let shape = Shape::new(&config, &settings)?;
            let bodies = prepared(&rig, shape, n).await?;
            raw(opensearch, bodies, at_once.parse()?).await?
        }
    };
    let said = json!({
        "documents": n,
        "seconds": took.as_secs_f64(),
        "cpu": cpu.as_secs_f64(),
        "peak_mb": resident(std::process::id(), "VmHWM:")?,
    });
    println!("{said}");
    Ok(())
}

/// Reads the stream to its end with all that the program does; says how long it took, and the CPU
/// time of this process.
async fn run(rig: &Rig, sink: Box<dyn Sink>, n: u64) -> anyhow::Result<(Duration, Duration)> {
    let pipeline = Pipeline::new("bench", Vec::new(), Vec::new(), vec![sink.into()], Clock::real());
    let source = Box::new(rig.source("TRIM_HORIZON")?);
    let (stopper, stop) = Stop::pair();
    let (began, cpu) = (Instant::now(), process_cpu());
    let running = {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { pipeline.run(source, stop).await })
    };
    let indexed = || pipeline.accounts().now().indexed;
    while indexed() < n {
        anyhow::ensure!(began.elapsed() < PATIENCE, "{:?}", pipeline.accounts().now());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let figures = (began.elapsed(), process_cpu().saturating_sub(cpu));
    stopper.stop();
    running.await??;
    let account = pipeline.accounts().now();
    anyhow::ensure!(account.unaccounted() == 0 && account.indexed == n, "{account:?}");
    Ok(figures)
}

/// Takes everything, and does nothing.
struct Nothing;

#[async_trait]
impl Sink for Nothing {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        Ok(Tally { indexed: events.len() as u64, ..Tally::default() })
    }
}

/// Hands what it is given to whoever prepares requests.
struct Handing {
    shape: Shape,
    bodies: mpsc::UnboundedSender<Bytes>,
}

#[async_trait]
impl Sink for Handing {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        let (mut next, mut rejected) = (0, Vec::new());
        while next < events.len() {
            let bulk = Bulk::fill(&self.shape, &events, &mut next, REQUEST_BYTES, &mut rejected);
            let _ = self.bodies.send(bulk.body.into());
        }
        Ok(Tally { indexed: events.len() as u64, ..Tally::default() })
    }
}

/// The requests of the whole stream, put together beforehand.
async fn prepared(rig: &Rig, shape: Shape, n: u64) -> anyhow::Result<Vec<Bytes>> {
    let (bodies, mut prepared) = mpsc::unbounded_channel();
    run(rig, Box::new(Handing { shape, bodies }), n).await?;
    let mut all = Vec::new();
    let mut joined: Vec<u8> = Vec::new();
    while let Some(body) = prepared.recv().await {
        joined.extend_from_slice(&body);
        if REQUEST_BYTES <= joined.len() {
            all.push(std::mem::take(&mut joined).into());
        }
    }
    if !joined.is_empty() {
        all.push(joined.into());
    }
    Ok(all)
}

async fn raw(
    address: &str,
    bodies: Vec<Bytes>,
    at_once: usize,
) -> anyhow::Result<(Duration, Duration)> {
    let http = Http::plain();
    let (began, cpu) = (Instant::now(), process_cpu());
    let mut sending = stream::iter(bodies)
        .map(async |body| -> anyhow::Result<()> {
            let request = Request::builder()
                .method(Method::POST)
                .uri(format!("{address}/_bulk?filter_path=errors"))
                .header("content-type", "application/x-ndjson")
                .body(body)?;
            let answer = http.send(request, Duration::from_mins(2)).await?;
            anyhow::ensure!(answer.status.is_success(), "{}", answer.status);
            let said: serde_json::Value = serde_json::from_slice(&answer.body)?;
            anyhow::ensure!(said["errors"] == false, "{said}");
            Ok(())
        })
        .buffer_unordered(at_once);
    while let Some(answer) = sending.next().await {
        answer?;
    }
    Ok((began.elapsed(), process_cpu().saturating_sub(cpu)))
}

fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
