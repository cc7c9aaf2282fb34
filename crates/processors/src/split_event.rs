//! `split_event`: makes several events of one: one for each element of a list, or part of a text.
//!
//! The new events have all that the old one had, also its metadata. To write them as several
//! documents, give each an id of its own in the sink: `${getMetadata("primary_key")}-${/line/sku}`.
//! Deleting the item then cannot delete them all.
//!
//! Differs from Data Prepper: an event with an empty list goes on as it is.

use pipeline::{
    ConfigError, Configured, Document, Event, Factory, Flow, ProcessError, Processor, Settings,
    Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Pattern, Tags, delimiter, open, split};

pub(crate) const FACTORY: Factory = Factory::of::<SplitEvent>();

/// Settings of `split_event`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The list or the text. An event without it goes on as it is.
    field: Key,
    /// What stands between the parts of a text.
    delimiter: Option<String>,
    /// In its place: a pattern.
    delimiter_regex: Option<Pattern>,
    /// Only for these events.
    #[serde(default)]
    split_event_when: Condition,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

struct SplitEvent {
    field: Key,
    delimiter: Option<Pattern>,
    when: Condition,
    tags: Tags,
}

impl Configured for SplitEvent {
    const NAME: &'static str = "split_event";
    const EXAMPLE: &'static str = r#"
- settings: { field: lines }
  before:   { order: 7, lines: [{ sku: A }, { sku: B }] }
  after:    [{ order: 7, lines: { sku: A } }, { order: 7, lines: { sku: B } }]
- settings: { field: names, delimiter: "," }
  before:   { names: "Ada,Bob" }
  after:    [{ names: Ada }, { names: Bob }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let delimiter = delimiter(config.delimiter, config.delimiter_regex)
            .map_err(|problem| settings.problem("delimiter", problem))?;
        Ok(SplitEvent {
            field: config.field,
            delimiter,
            when: config.split_event_when,
            tags: config.tags_on_failure,
        })
    }
}

impl Processor for SplitEvent {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        match self.split(event) {
            Err(error) => self.tags.settle(event, Err(error)),
            done => done,
        }
    }
}

impl SplitEvent {
    fn split(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let fields = open(event)?;
        let parts: Vec<Value> = match (self.field.get(fields), &self.delimiter) {
            (Some(Value::String(text)), Some(delimiter)) => {
                split(delimiter, text)?.into_iter().map(Value::String).collect()
            }
            (Some(Value::List(values)), None) => values.clone(),
            _ => return Ok(Flow::Keep),
        };
        if parts.is_empty() {
            return Ok(Flow::Keep);
        }
        // Every new event gets all of the others' fields, but not the list itself.
        if let Some(value) = self.field.get_mut(fields) {
            *value = Value::Null;
        }
        let mut events = Vec::with_capacity(parts.len());
        for part in parts {
            let mut child = event.clone();
            if let Document::Fields(fields) = &mut child.document {
                self.field.put(fields, part)?;
            }
            events.push(child);
        }
        Ok(Flow::Replace(events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{event, problem, run};

    #[test]
    fn what_cannot_be_split_goes_on() {
        for before in [r"{}", r#"{"a":"x,y"}"#, r#"{"a":[]}"#, r#"{"a":7}"#] {
            assert_eq!(run(&FACTORY, "{field: a}", before).unwrap(), before);
        }
        let settings = r"{field: a/b, delimiter_regex: '\s'}";
        assert_eq!(
            run(&FACTORY, settings, r#"{"a":{"b":"x y"}}"#).unwrap(),
            r#"{"a":{"b":"x"}} {"a":{"b":"y"}}"#
        );
        assert_eq!(
            run(&FACTORY, settings, r#"{"a":{"b":["x"]}}"#).unwrap(),
            r#"{"a":{"b":["x"]}}"#
        );
        assert_eq!(
            problem(&FACTORY, "{field: a, delimiter: x, delimiter_regex: y}").at,
            "delimiter"
        );
    }

    #[test]
    fn the_new_events_keep_the_metadata() {
        let processor = (FACTORY.build)(&Settings::from_yaml("{field: a}").unwrap()).unwrap();
        let mut event = event(r#"{"a":[1,2]}"#);
        event.metadata.insert("x".to_owned(), true.into());
        event.tags.push("t".to_owned());
        let Flow::Replace(events) = processor.process(&mut event).unwrap() else { panic!() };
        assert!(events.iter().all(|it| it.metadata == event.metadata && it.tags == event.tags));
    }
}
