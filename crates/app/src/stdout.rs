//! The `stdout` sink: one document a line, for trying things out.

use std::io::Write;

use async_trait::async_trait;
use pipeline::{ConfigError, Event, Settings, Sink, SinkError, Tally};
use serde::Deserialize;

/// Settings of `stdout`: none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {}

/// Prints documents.
#[derive(Debug)]
pub(crate) struct StdoutSink;

impl StdoutSink {
    /// The sink that `settings` describe.
    ///
    /// # Errors
    ///
    /// When there are any.
    pub(crate) fn new(settings: &Settings) -> Result<StdoutSink, ConfigError> {
        settings.read::<Config>().map(|Config {}| StdoutSink)
    }
}

#[async_trait]
impl Sink for StdoutSink {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        let indexed = events.len() as u64;
        let mut lines = Vec::new();
        for event in &events {
            let start = lines.len();
            if event.write_document(&mut lines).is_err() {
                lines.truncate(start);
                lines.extend_from_slice(b"null");
            }
            lines.push(b'\n');
        }
        let mut out = std::io::stdout().lock();
        out.write_all(&lines)
            .and_then(|()| out.flush())
            .map_err(|error| SinkError(format!("cannot print: {error}")))?;
        Ok(Tally { indexed, ..Tally::default() })
    }
}
