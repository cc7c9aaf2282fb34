//! The pipeline's sink: OpenSearch, until the invocation's time is up, with a ledger.

use std::path::Path;

use async_trait::async_trait;
use aws::Environment;
use opensearch::{Config, DeadLetters, Fate, OpenSearchSink};
use pipeline::{Clock, ConfigError, Event, Settings as SinkSettings, Sink, SinkError, Tally};
use serde_json::{Value, json};

use super::ledger::Ledger;
use crate::settings::{Auth, IndexName, Settings, StreamSettings};

/// Writes to OpenSearch and notes in the invocation's ledger what became of each event.
#[derive(Debug)]
pub(super) struct LedgerSink {
    opensearch: OpenSearchSink,
}

impl LedgerSink {
    pub(super) fn new(
        settings: &Settings,
        stream: &StreamSettings,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<LedgerSink, ConfigError> {
        // JSON is a part of YAML.
        let written = SinkSettings::from_yaml(&sink_settings(settings, stream).to_string())?;
        let (config, _warnings) = Config::read(&written)?;
        // The sink writes none: `write_by` leaves them to us.
        let no_letters = DeadLetters::in_folder(Path::new("/tmp"), "streamdex");
        let environment = environment.clone();
        let opensearch =
            OpenSearchSink::new(config, &written, environment, no_letters, clock.clone())?;
        Ok(LedgerSink { opensearch })
    }
}

/// What a pipeline file would say.
fn sink_settings(settings: &Settings, stream: &StreamSettings) -> Value {
    let index = match &stream.index {
        IndexName::Fixed(name) => name.as_str(),
        IndexName::OfTable(_) => "${getMetadata(\"index_name\")}",
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
        let ledger = Ledger::current()
            .ok_or_else(|| SinkError("nobody is there to be told what became of it".to_owned()))?;
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
                Fate::Rejected { .. } => tally.dead_lettered += 1,
                Fate::Unsettled(_) => n_unsettled += 1,
            }
            ledger.note(event, fate);
        }
        if n_unsettled == 0 {
            return Ok(tally);
        }
        Err(SinkError(format!("{n_unsettled} of {} events are not settled", events.len())))
    }
}
