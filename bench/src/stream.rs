//! Records per second from a stream that is already full: into nothing, and into the embedded index.
//! Endpoints, pipeline and index share this machine's cores, and the processes are one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws::Environment;
use engine::Pipeline;
use opensearch::{Bulk, Config, DeadLetters, OpenSearchSink, Shape};
use pipeline::{Clock, Event, Settings, Sink, SinkError, Stop, Tally};
use rustix::time::{ClockId, clock_gettime};

use crate::{convert::per_second, rig::Rig};

const RECORDS: u64 = 200_000;
const PATIENCE: Duration = Duration::from_mins(3);

/// Encodes requests, and throws them away.
struct Null {
    shape: Shape,
    n: AtomicU64,
}

#[async_trait]
impl Sink for Null {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        let (mut next, mut rejected) = (0, Vec::new());
        while next < events.len() {
            Bulk::fill(&self.shape, &events, &mut next, 5 << 20, &mut rejected);
        }
        self.n.fetch_add(events.len() as u64, Ordering::Relaxed);
        Ok(Tally { indexed: events.len() as u64, ..Tally::default() })
    }
}

pub(crate) async fn run() -> anyhow::Result<()> {
    println!(
        "## Stream: {RECORDS} records of 1 KB, preloaded, in memory, everything in one process"
    );
    let rig = Rig::start(None).await?;
    rig.create_table().await?;
    let began = tokio::time::Instant::now();
    rig.fill(RECORDS).await?;
    println!(
        "(filled the table at {:.0} items/s over one connection)",
        per_second(RECORDS, began.elapsed())
    );
    let settings = Settings::from_yaml(&format!(
        "hosts: ['{}']\nindex: books\ndocument_id: '${{getMetadata(\"primary_key\")}}'\n\
         action: '${{getMetadata(\"opensearch_action\")}}'\n\
         document_version: '${{getMetadata(\"document_version\")}}'\ndocument_version_type: external",
        rig.opensearch_address
    ))?;
    let (config, _) = Config::read(&settings)?;
    let null = Null { shape: Shape::new(&config, &settings)?, n: AtomicU64::new(0) };
    measure("into a null sink", &rig, Box::new(null)).await?;
    let folder = tempfile::tempdir()?;
    let letters = Arc::new(DeadLetters::in_folder(folder.path(), "bench"));
    let sink = OpenSearchSink::new(config, &settings, Environment::of([]), letters, Clock::real())?;
    let sink = Arc::new(sink);
    sink.check().await?;
    measure("into the embedded index", &rig, Box::new(sink)).await?;
    println!();
    Ok(())
}

async fn measure(name: &str, rig: &Rig, sink: Box<dyn Sink>) -> anyhow::Result<()> {
    let pipeline = Pipeline::new("bench", Vec::new(), Vec::new(), vec![sink.into()], Clock::real());
    let source = Box::new(rig.source("TRIM_HORIZON")?);
    let (stopper, stop) = Stop::pair();
    let (began, cpu) = (tokio::time::Instant::now(), process_cpu());
    let running = {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { pipeline.run(source, stop).await })
    };
    while pipeline.accounts().now().indexed < RECORDS {
        anyhow::ensure!(began.elapsed() < PATIENCE, "{:?}", pipeline.accounts().now());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (took, cpu) = (began.elapsed(), process_cpu().saturating_sub(cpu));
    stopper.stop();
    running.await??;
    anyhow::ensure!(pipeline.accounts().now().unaccounted() == 0, "unaccounted records");
    println!(
        "{name:<24} {:>8.0} records/s   {:>8.0} records per CPU second (endpoints included)",
        per_second(RECORDS, took),
        per_second(RECORDS, cpu)
    );
    Ok(())
}

fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
