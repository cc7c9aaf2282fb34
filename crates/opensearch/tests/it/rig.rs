//! A sink with its dead letters, and events for it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws::Environment;
use bytes::Bytes;
use opensearch::{Config, OpenSearchSink};
use pipeline::{
    Clock, ConfigError, DeadLetter, DeadLetterQueue, Document, Event, Meters, Origin, Path,
    Settings, SinkError, Table,
};
use wire::json::Cursor;

/// The settings that the documentation shows.
pub(crate) const USUAL: &str = r#"
index: books
document_id: '${getMetadata("primary_key")}'
action: '${getMetadata("opensearch_action")}'
document_version: '${getMetadata("document_version")}'
document_version_type: external
"#;

/// Keeps letters in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<DeadLetter>>>);

impl Kept {
    pub(crate) fn all(&self) -> Vec<DeadLetter> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl DeadLetterQueue for Kept {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        self.0.lock().unwrap().extend(letters);
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

pub(crate) fn try_sink(
    hosts: &[&str],
    more: &str,
) -> Result<(OpenSearchSink, Kept, Meters), ConfigError> {
    sink_of(hosts, more, "http://127.0.0.1:9")
}

/// A sink that finds S3 at `endpoint`.
pub(crate) fn at_s3(host: &str, more: &str, endpoint: &str) -> (OpenSearchSink, Kept, Meters) {
    sink_of(&[host], more, endpoint).unwrap()
}

fn sink_of(
    hosts: &[&str],
    more: &str,
    aws_endpoint: &str,
) -> Result<(OpenSearchSink, Kept, Meters), ConfigError> {
    let yaml = format!("hosts: {hosts:?}\n{more}");
    let settings = Settings::from_yaml(&yaml)?;
    let (config, _) = Config::read(&settings)?;
    let (kept, meters) = (Kept::default(), Meters::default());
    let environment = Environment::of([
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", aws_endpoint),
    ]);
    let letters = Arc::new(kept.clone());
    let sink = OpenSearchSink::new(config, &settings, environment, letters, Clock::real())?;
    Ok((sink.with_meters(&meters.of("p", "opensearch")), kept, meters))
}

pub(crate) fn sink(host: &str, more: &str) -> (OpenSearchSink, Kept, Meters) {
    try_sink(&[host], &format!("{USUAL}{more}")).unwrap()
}

/// A change of the item `id`. Without a document it is a removal.
pub(crate) fn change(id: &str, version: u64, document: Option<&str>) -> Event {
    let name = if document.is_some() { "MODIFY" } else { "REMOVE" };
    let record = format!(
        r#"{{"eventName":"{name}","dynamodb":{{"Keys":{{"id":{{"S":"{id}"}}}},"SequenceNumber":"7"}}}}"#
    );
    let body = Bytes::from(record);
    let record = wire::stream::record(&mut Cursor::new(&body)).unwrap();
    let table = Table { name: "books".to_owned(), partition_key: "id".to_owned(), sort_key: None };
    Event {
        document: Document::Json(Bytes::from(document.unwrap_or("{}").to_owned())),
        origin: Some(Origin { table: Arc::new(table), body, record, path: Path::Stream, version }),
        ..Event::default()
    }
}

/// `n` new items of some bytes each.
pub(crate) fn items(n: usize, n_bytes: usize) -> Vec<Event> {
    let text = "x".repeat(n_bytes);
    (0..n)
        .map(|it| change(&format!("id-{it}"), 10, Some(&format!(r#"{{"n":{it},"t":"{text}"}}"#))))
        .collect()
}
