//! `parse_json`: makes fields of a field that holds JSON text.
//!
//! Differs from Data Prepper: numbers keep all their digits; a text that is no JSON is a failure,
//! marked or set aside, unless `handle_failed_events` says that it goes on.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{
    Condition, Key, Tags,
    parsed::{OnFailure, Parsing, message, yes},
};

pub(crate) const FACTORY: Factory = Factory::of::<ParseJson>();

/// Settings of `parse_json`.
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
    /// Puts `_` for the characters in names that Data Prepper does not allow.
    #[serde(default)]
    normalize_keys: bool,
    /// Only for these events.
    #[serde(default)]
    parse_when: Condition,
    /// What an event is marked with if its text cannot be parsed.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Lets an event go on whose text cannot be parsed, whether it is marked or not.
    handle_failed_events: Option<OnFailure>,
}

struct ParseJson(Parsing);

impl Configured for ParseJson {
    const NAME: &'static str = "parse_json";
    const EXAMPLE: &'static str = r#"
- settings: { source: address, destination: address }
  before:   { address: '{"city": "London", "zip": ["E1", 7.50]}' }
  after:    [{ address: { city: London, zip: [E1, 7.50] } }]
- settings: { source: text, delete_source: true, depth: 1 }
  before:   { text: '{"a": {"b": 1}}' }
  after:    [{ a: '{"b":1}' }]
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
            normalize_keys: config.normalize_keys,
            when: config.parse_when,
            tags: config.tags_on_failure,
            on_failure: config.handle_failed_events,
        };
        parsing.checked(settings).map(ParseJson)
    }
}

impl Processor for ParseJson {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        self.0.process(event, |text| {
            Value::from_json(text.as_bytes()).map_err(|error| error.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn text_becomes_fields() {
        for (settings, before, after, why) in [
            ("{}", r#"{"message":"{\"a\":1}"}"#, r#"{"message":"{\"a\":1}","a":1}"#, "by default"),
            ("{}", r#"{"x":1}"#, r#"{"x":1}"#, "nothing there"),
            ("{source: t}", r#"{"t":"{\"t\":2}"}"#, r#"{"t":2}"#, "over itself"),
            (
                "{source: t, overwrite_if_destination_exists: false}",
                r#"{"t":"{\"t\":2}"}"#,
                r#"{"t":"{\"t\":2}"}"#,
                "not over it",
            ),
            (
                "{source: t, destination: d}",
                r#"{"t":"[1]"}"#,
                r#"{"t":"[1]","d":[1]}"#,
                "any value",
            ),
            (
                "{source: t, pointer: /a/b, delete_source: true}",
                r#"{"t":"{\"a\":{\"b\":[7]}}"}"#,
                r#"{"b":[7]}"#,
                "a part",
            ),
            (
                "{source: t, pointer: /a/0, delete_source: true}",
                r#"{"t":"{\"a\":[7]}"}"#,
                r#"{"0":7}"#,
                "of a list",
            ),
            (
                "{source: t, pointer: /x, delete_source: true}",
                r#"{"t":"{\"a\":1}"}"#,
                r#"{"a":1}"#,
                "no such part",
            ),
            (
                "{source: t, pointer: a/b, delete_source: true}",
                r#"{"t":"{\"a\":{\"b\":7}}","b":0}"#,
                r#"{"b":0,"a":{"b":7}}"#,
                "its name is taken",
            ),
            (
                "{source: t, delete_source: true, depth: 2}",
                r#"{"t":"{\"a\":{\"b\":[{}],\"c\":1}}"}"#,
                r#"{"a":{"b":"[{}]","c":1}}"#,
                "two levels",
            ),
            (
                "{source: t, delete_source: true, normalize_keys: true}",
                r#"{"t":"{\"a:b\":1}"}"#,
                r#"{"a_b":1}"#,
                "names",
            ),
            ("{source: t, handle_failed_events: skip}", r#"{"t":"{"}"#, r#"{"t":"{"}"#, "goes on"),
        ] {
            assert_eq!(run(&FACTORY, settings, before).unwrap(), after, "{settings}: {why}");
        }
        for bad in
            [r#"{"message":"{"}"#, r#"{"message":"[]"}"#, r#"{"message":{}}"#, r#"{"message":""}"#]
        {
            assert!(run(&FACTORY, "{}", bad).is_err(), "{bad}");
            assert_eq!(tags(&FACTORY, "{tags_on_failure: [t]}", bad), ["t"]);
        }
        assert_eq!(problem(&FACTORY, "{depth: 11}").at, "depth");
        assert_eq!(problem(&FACTORY, "{destination: /}").at, "destination");
        assert_eq!(problem(&FACTORY, "{destination: ' '}").at, "destination");
    }
}
