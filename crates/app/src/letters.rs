//! Where pipelines keep what they give up on: a file of the data directory, or a pipeline for that.

use std::sync::Arc;

use async_trait::async_trait;
use engine::{Pipeline, file::PipelineSpec};
use opensearch::DeadLetters;
use pipeline::{DeadLetter, DeadLetterQueue, Document, Event, Map, Outcome, SinkError, Value};

/// Keeps letters in one file, which the sinks of the pipeline write to as well.
#[derive(Debug)]
pub(crate) struct LocalLetters(pub(crate) DeadLetters);

impl LocalLetters {
    /// As whoever adds to them takes them.
    pub(crate) fn shared(letters: DeadLetters) -> Arc<dyn DeadLetterQueue> {
        Arc::new(LocalLetters(letters))
    }
}

#[async_trait]
impl DeadLetterQueue for LocalLetters {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let file = self.0.clone();
        let added = tokio::task::spawn_blocking(move || {
            let letters: Vec<opensearch::DeadLetter<'_>> = letters
                .iter()
                .map(|it| opensearch::DeadLetter {
                    event: &it.event,
                    at: it.at,
                    index: &it.index,
                    action: &it.action,
                    status: it.status,
                    reason: &it.reason,
                })
                .collect();
            file.add(&letters)
        });
        let place = self.place();
        match added.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(SinkError(format!("cannot write dead letters to {place}: {error}")))
            }
            Err(error) => Err(SinkError(error.to_string())),
        }
    }

    fn place(&self) -> String {
        self.0.path().display().to_string()
    }
}

/// Sends what another pipeline gives up on through [`PipelineSpec::FAILURE`], with the reason.
#[derive(Debug)]
pub(crate) struct FailurePipeline {
    to: Pipeline,
    from: String,
}

impl FailurePipeline {
    /// What `from` gives up on goes to `to`.
    pub(crate) fn new(to: Pipeline, from: &str) -> FailurePipeline {
        FailurePipeline { to, from: from.to_owned() }
    }

    /// The event with the reason in it, under the names of Data Prepper.
    fn event(&self, letter: DeadLetter) -> Event {
        let DeadLetter { mut event, plugin, index, id, status, reason, .. } = letter;
        let mut about = Map::new();
        let mut add = |name: &str, value: Value| about.insert(name.to_owned(), value);
        add("pluginId", plugin.as_str().into());
        add("pluginName", plugin.into());
        add("pipelineName", self.from.as_str().into());
        add("errorMessage", reason.into());
        add("status", i64::from(status).into());
        add("index", index.into());
        add("indexId", id.map_or(Value::Null, Value::from));
        if event.open().is_err() {
            // It is no document. What came is in the record, which the event still has.
            event.document = Document::default();
        }
        if let Ok(fields) = event.open() {
            fields.insert("_failure_metadata".to_owned(), Value::Map(about));
        }
        event.failure = None;
        event
    }
}

#[async_trait]
impl DeadLetterQueue for FailurePipeline {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let events = letters.into_iter().map(|it| self.event(it)).collect();
        match self.to.deliver_now(events).await {
            Outcome::Delivered => Ok(()),
            Outcome::Failed => {
                let problem = self.to.accounts().now().problem.unwrap_or_default();
                Err(SinkError(format!("{}: {problem}", self.place())))
            }
        }
    }

    fn place(&self) -> String {
        format!("the pipeline {}", PipelineSpec::FAILURE)
    }
}
