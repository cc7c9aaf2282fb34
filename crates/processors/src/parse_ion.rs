//! `parse_ion`: makes fields of a field that holds Amazon Ion text.
//!
//! Differs from Data Prepper: numbers keep all their digits; annotations are left away; blobs become
//! base64 text and timestamps the text they were written as; a text that is no Ion is a failure,
//! marked or set aside, unless `handle_failed_events` says that it goes on.

mod reader;

use pipeline::{ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings};
use serde::Deserialize;

use crate::parts::{
    Condition, Key, Tags,
    parsed::{OnFailure, Parsing, message, yes},
};

pub(crate) const FACTORY: Factory = Factory::of::<ParseIon>();

/// Settings of `parse_ion`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field with the text. If it is missing, nothing happens.
    #[serde(default = "message")]
    source: Key,
    /// Where the result goes; without it, to the top of the document.
    destination: Option<Key>,
    /// The part of the text that is wanted, `/a/b`; if there is none, all of it.
    pointer: Option<Key>,
    /// How many levels become fields; what is deeper stays text. 0 for all; at most 10.
    #[serde(default)]
    depth: usize,
    /// Fields that are there already are replaced.
    #[serde(default = "yes")]
    overwrite_if_destination_exists: bool,
    /// Removes the field with the text.
    #[serde(default)]
    delete_source: bool,
    /// Only for these events.
    #[serde(default)]
    parse_when: Condition,
    /// What an event is marked with if its text cannot be parsed.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Lets an event go on whose text cannot be parsed, whether it is marked or not.
    handle_failed_events: Option<OnFailure>,
}

struct ParseIon(Parsing);

impl Configured for ParseIon {
    const NAME: &'static str = "parse_ion";
    const EXAMPLE: &'static str = r#"
- settings: { source: text, delete_source: true }
  before:   { text: "{name: Ada, price: 10.50, at: 2025-06-05T04:03:02Z, tags: ['a b', note::c]}" }
  after:    [{ name: Ada, price: 10.50, at: "2025-06-05T04:03:02Z", tags: [a b, c] }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let parsing = Parsing {
            source: config.source,
            destination: config.destination,
            pointer: config.pointer,
            depth: config.depth,
            overwrite: config.overwrite_if_destination_exists,
            delete_source: config.delete_source,
            normalize_keys: false,
            when: config.parse_when,
            tags: config.tags_on_failure,
            on_failure: config.handle_failed_events,
        };
        parsing.checked(settings).map(ParseIon)
    }
}

impl Processor for ParseIon {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        self.0.process(event, reader::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn text_becomes_fields() {
        let settings = "{source: t, destination: d, delete_source: true, pointer: a}";
        assert_eq!(run(&FACTORY, settings, r#"{"t":"{a:1}"}"#).unwrap(), r#"{"d":{"a":1}}"#);
        assert!(run(&FACTORY, "{}", r#"{"message":"{"}"#).is_err());
        assert!(run(&FACTORY, "{}", r#"{"message":"7"}"#).is_err());
        assert_eq!(problem(&FACTORY, "{depth: 11}").at, "depth");
    }
}
