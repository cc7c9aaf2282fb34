//! Dead letters that go through a pipeline of their own.

use async_trait::async_trait;
use engine::{Pipeline, file::PipelineSpec};
use pipeline::{DeadLetter, DeadLetterQueue, Document, Event, Map, Outcome, SinkError, Value};

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
        let mut about = Map::default();
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
