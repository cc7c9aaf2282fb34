//! How long after a write to the table the document is there: by its id, and by a search.

use std::{sync::Arc, time::Duration};

use aws::Environment;
use engine::Pipeline;
use http::Method;
use opensearch::{Config, DeadLetters, OpenSearchSink};
use pipeline::{Clock, Settings, Sink, Stop};
use serde_json::{Value, json};

use crate::rig::Rig;

const WRITES: u64 = 60;

pub(crate) async fn run() -> anyhow::Result<()> {
    println!(
        "## Latency: write to the table until the document is there, {WRITES} single writes, idle otherwise"
    );
    let rig = Rig::start(None).await?;
    rig.create_table().await?;
    let settings = Settings::from_yaml(&format!(
        "hosts: ['{}']\nindex: books\ndocument_id: '${{getMetadata(\"primary_key\")}}'\n\
         document_version: '${{getMetadata(\"document_version\")}}'\ndocument_version_type: external",
        rig.opensearch_address
    ))?;
    let (config, _) = Config::read(&settings)?;
    let folder = tempfile::tempdir()?;
    let letters = Arc::new(DeadLetters::in_folder(folder.path(), "bench"));
    let sink = Arc::new(OpenSearchSink::new(
        config,
        &settings,
        Environment::of([]),
        letters,
        Clock::real(),
    )?);
    sink.check().await?;
    let sink: Box<dyn Sink> = Box::new(sink);
    let pipeline = Pipeline::new("bench", Vec::new(), Vec::new(), vec![sink.into()], Clock::real());
    let (stopper, stop) = Stop::pair();
    let source = Box::new(rig.source("LATEST")?);
    let running = {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { pipeline.run(source, stop).await })
    };
    while !pipeline.is_ready() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (mut by_id, mut by_search) = (Vec::new(), Vec::new());
    for n in 0..WRITES {
        // Not in step with the refresh of the index.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(300..1300))).await;
        let began = tokio::time::Instant::now();
        let item = json!({ "author": { "S": "a" }, "bookTitle": { "S": n.to_string() } });
        rig.dynamodb.ask("PutItem", &json!({ "TableName": "books", "Item": item })).await?;
        let id = format!("/books/_doc/a%7C{n}");
        until(async || Ok(rig.search(Method::GET, &id, &Value::Null).await?["found"] == true))
            .await?;
        by_id.push(began.elapsed());
        let query = json!({ "query": { "ids": { "values": [format!("a|{n}")] } } });
        until(async || {
            let found = rig.search(Method::POST, "/books/_search", &query).await?;
            Ok(found["hits"]["total"]["value"] == 1)
        })
        .await?;
        by_search.push(began.elapsed());
    }
    stopper.stop();
    running.await??;
    for (name, times) in [("readable by id", &mut by_id), ("found by a search", &mut by_search)] {
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_millis();
        println!("{name:<24} p50 {:>5} ms   p99 {:>5} ms", at(50), at(99));
    }
    println!("(the index refreshes once a second, as OpenSearch does by default)\n");
    Ok(())
}

async fn until(mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    for _ in 0..10_000 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("waited in vain")
}
