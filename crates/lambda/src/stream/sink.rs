//! The pipeline's sink: OpenSearch, until the invocation's time is up, with a ledger.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use aws::Environment;
use engine::Noting;
use opensearch::{Config, DeadLetters, Fate, OpenSearchSink, Rejected, queue_of};
use pipeline::{
    Clock, ConfigError, DeadLetter, DeadLetterQueue, Event, Failure, Settings as SinkSettings,
    Sink, SinkError, Tally,
};
use serde_json::{Value, json};
use tracing::warn;

use super::ledger::Ledger;
use crate::settings::{Auth, IndexName, Settings, StreamSettings};

/// Writes to OpenSearch and notes in the invocation's ledger what became of each event.
#[derive(Debug)]
pub(super) struct LedgerSink {
    opensearch: OpenSearchSink,
    /// Who is told what is not written, where what is goes on to other pipelines.
    noting: Option<Arc<Noting>>,
    clock: Clock,
}

/// Notes in the invocation's ledger what a processor gave up on.
#[derive(Debug)]
pub(super) struct LedgerLetters;

impl LedgerSink {
    /// The sink that the variables describe.
    ///
    /// # Errors
    ///
    /// When it does not like its settings.
    pub(super) fn of_variables(
        settings: &Settings,
        stream: &StreamSettings,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<LedgerSink, ConfigError> {
        // JSON is a part of YAML.
        let written = SinkSettings::from_yaml(&sink_settings(settings, stream).to_string())?;
        let (config, _warnings) = Config::read(&written)?;
        // The sink writes none: `write_by` leaves them to us.
        let no_letters = Arc::new(DeadLetters::in_folder(Path::new("/tmp"), "streamdex"));
        let environment = environment.clone();
        let opensearch =
            OpenSearchSink::new(config, &written, environment, no_letters, clock.clone())?;
        Ok(LedgerSink { opensearch, noting: None, clock: clock.clone() })
    }

    /// The sink of a pipeline file. Versions are seconds here, so equal ones are no conflict.
    ///
    /// # Errors
    ///
    /// When it does not like its settings, or a function cannot carry them out.
    pub(super) fn of_file(
        settings: &SinkSettings,
        pipeline: &str,
        noting: &Arc<Noting>,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<LedgerSink, ConfigError> {
        let (config, warnings) = Config::read(settings)?;
        for warning in warnings {
            warn!(pipeline, %warning, "the sink");
        }
        let config = config.taking_equal_versions();
        if config.dlq_file.is_some() {
            let problem = settings.problem("dlq_file", "a function has no disk that lasts");
            return Err(problem.with_help("write `dlq` with `s3`, or set DLQ_URL"));
        }
        let (environment, folder) = (environment.clone(), Path::new("/tmp"));
        let letters = queue_of(&config, settings, folder, pipeline, &environment, clock)?;
        let opensearch =
            OpenSearchSink::new(config, settings, environment, letters, clock.clone())?;
        let noting = Some(Arc::clone(noting));
        Ok(LedgerSink { opensearch, noting, clock: clock.clone() })
    }

    /// So that it does not go on to other pipelines.
    async fn note_not_written(&self, event: &Event) -> Result<(), SinkError> {
        let Some(noting) = &self.noting else { return Ok(()) };
        let failure = Failure { plugin: "opensearch".to_owned(), reason: String::new() };
        noting.add(vec![DeadLetter::of_failed(event.clone(), failure, self.clock.now())]).await
    }
}

#[async_trait]
impl DeadLetterQueue for LedgerLetters {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let ledger = Ledger::current().ok_or_else(nobody)?;
        for letter in letters {
            let (cause, reason) = (letter.cause, format!("{}: {}", letter.plugin, letter.reason));
            let refused = Rejected { cause, reason, ..Rejected::default() };
            ledger.note(&letter.event, Fate::Rejected(refused));
        }
        Ok(())
    }

    fn place(&self) -> String {
        "the dead letters of the function".to_owned()
    }
}

/// Keeps nothing: the sink has told the ledger itself.
#[derive(Debug)]
pub(super) struct Nowhere;

#[async_trait]
impl DeadLetterQueue for Nowhere {
    async fn add(&self, _letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        Ok(())
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

fn nobody() -> SinkError {
    SinkError("nobody is there to be told what became of it".to_owned())
}

/// What a pipeline file would say.
fn sink_settings(settings: &Settings, stream: &StreamSettings) -> Value {
    let index = match &stream.index {
        IndexName::Fixed(name) => name.as_str(),
        IndexName::OfTable(_) | IndexName::InFile => "${getMetadata(\"index_name\")}",
    };
    let mut written = json!({
        "hosts": [settings.host],
        "index": index,
        "index_type": "management_disabled",
        "document_id": "${getMetadata(\"document_id\")}",
        "action": "${getMetadata(\"opensearch_action\")}",
        "document_version": "${getMetadata(\"document_version\")}",
        "document_version_type": "external_gte",
    });
    match &settings.auth {
        Auth::Aws { serverless } => written["aws"] = json!({ "serverless": serverless }),
        Auth::Basic { username, password } => {
            written["username"] = username.as_str().into();
            written["password"] = password.as_str().into();
        }
        Auth::None => {}
    }
    written
}

#[async_trait]
impl Sink for LedgerSink {
    async fn write(&self, mut events: Vec<Event>) -> Result<Tally, SinkError> {
        let ledger = Ledger::current().ok_or_else(nobody)?;
        let fates = match self.opensearch.write_by(&mut events, ledger.write_by()).await {
            Ok(fates) => fates,
            Err(error) => {
                ledger.note_fault(error.to_string());
                return Err(error);
            }
        };
        let (mut tally, mut n_unsettled) = (Tally::default(), 0u64);
        for (event, fate) in events.iter().zip(fates) {
            match &fate {
                Fate::Written(_) => tally.indexed += 1,
                Fate::Superseded => tally.superseded += 1,
                Fate::Rejected(_) | Fate::SetAside => tally.dead_lettered += 1,
                Fate::Unsettled(_) => n_unsettled += 1,
            }
            if matches!(fate, Fate::Rejected(_) | Fate::SetAside) {
                self.note_not_written(event).await?;
            }
            ledger.note(event, fate);
        }
        if n_unsettled == 0 {
            return Ok(tally);
        }
        Err(SinkError(format!("{n_unsettled} of {} events are not settled", events.len())))
    }
}
