//! `drop_events`: lets events end here, as if they had been delivered.
//!
//! ```yaml
//! - drop_events: { drop_when: 'getMetadata("ttl_delete") == true' }
//! ```
//!
//! Differs from Data Prepper: a condition is checked when the pipeline starts, so what
//! `handle_failed_events` decides is only what becomes of an event for which the condition is
//! neither true nor false, or cannot be worked out.

use pipeline::{ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings};
use serde::Deserialize;

use crate::parts::Condition;

pub(crate) const FACTORY: Factory = Factory::of::<DropEvents>();

/// Settings of `drop_events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Which events to drop; `true` for all of them.
    drop_when: Condition,
    /// What becomes of an event for which the condition has no answer.
    #[serde(default)]
    handle_failed_events: OnFailure,
}

/// What becomes of an event for which the condition has no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnFailure {
    /// It goes on.
    #[default]
    Skip,
    /// It goes on.
    SkipSilently,
    /// It is dropped.
    Drop,
    /// It is dropped.
    DropSilently,
}

struct DropEvents(Config);

impl Configured for DropEvents {
    const NAME: &'static str = "drop_events";
    const EXAMPLE: &'static str = r#"
- settings: { drop_when: '/kind in {"ping", "pong"}' }
  before:   { kind: ping }
  after:    []
- settings: { drop_when: '/kind', handle_failed_events: drop }
  before:   { kind: neither true nor false }
  after:    []
- settings: { drop_when: '/kind' }
  before:   { kind: neither true nor false }
  after:    [{ kind: neither true nor false }]
"#;
    type Config = Config;

    fn build(config: Config, _: &Settings) -> Result<Self, ConfigError> {
        Ok(DropEvents(config))
    }
}

impl Processor for DropEvents {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let drop = self.0.drop_when.is_true(event).unwrap_or(matches!(
            self.0.handle_failed_events,
            OnFailure::Drop | OnFailure::DropSilently
        ));
        Ok(if drop { Flow::Drop } else { Flow::Keep })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pipeline::Document;

    use super::*;

    #[test]
    fn a_condition_on_metadata_leaves_the_document_closed() {
        let settings = r#"{ drop_when: 'getMetadata("ttl_delete") == true' }"#;
        let settings = Settings::from_yaml(settings).unwrap();
        let processor = (FACTORY.build)(&settings).unwrap();
        let document = Document::Item(Bytes::from_static(br#"{"a":{"S":"x"}}"#));
        let mut event = Event { document: document.clone(), ..Event::default() };
        assert_eq!(processor.process(&mut event).unwrap(), Flow::Keep);
        assert_eq!(event.document, document);
        event.metadata.insert("ttl_delete".to_owned(), true.into());
        assert_eq!(processor.process(&mut event).unwrap(), Flow::Drop);
        assert_eq!(event.document, document);
    }

    #[test]
    fn a_damaged_document_is_not_dropped_by_default() {
        let settings = Settings::from_yaml("{ drop_when: '/a == 1' }").unwrap();
        let processor = (FACTORY.build)(&settings).unwrap();
        let document = Document::Item(Bytes::from_static(b"{"));
        let mut event = Event { document, ..Event::default() };
        assert_eq!(processor.process(&mut event).unwrap(), Flow::Keep);
    }
}
