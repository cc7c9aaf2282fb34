//! `parse_xml`: makes fields of a field that holds XML text.
//!
//! The outermost element is left away. Attributes and elements become fields; what stands there
//! several times becomes a list; the text of an element that has fields gets the name `""`.
//!
//! Differs from Data Prepper: a text that is no XML is a failure, marked or set aside, unless
//! `handle_failed_events` says that it goes on.

mod reader;

use pipeline::{ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings};
use serde::Deserialize;

use crate::parts::{
    Condition, Key, Tags,
    parsed::{OnFailure, Parsing, message, yes},
};

pub(crate) const FACTORY: Factory = Factory::of::<ParseXml>();

/// Settings of `parse_xml`.
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

struct ParseXml(Parsing);

impl Configured for ParseXml {
    const NAME: &'static str = "parse_xml";
    const EXAMPLE: &'static str = r#"
- settings: { source: text, destination: person, delete_source: true }
  before:   { text: '<Person id="7"><name>Ada</name><tag>a</tag><tag>b</tag></Person>' }
  after:    [{ person: { id: "7", name: Ada, tag: [a, b] } }]
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
        parsing.checked(settings).map(ParseXml)
    }
}

impl Processor for ParseXml {
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
        let settings = "{source: t, delete_source: true}";
        assert_eq!(run(&FACTORY, settings, r#"{"t":"<a><b>1</b></a>"}"#).unwrap(), r#"{"b":"1"}"#);
        assert!(run(&FACTORY, "{}", r#"{"message":"<a>"}"#).is_err());
        assert_eq!(problem(&FACTORY, "{depth: 11}").at, "depth");
    }
}
