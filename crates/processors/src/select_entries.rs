//! `select_entries`: keeps the fields that are named, and no others.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Pattern, Tags, open};

pub(crate) const FACTORY: Factory = Factory::of::<SelectEntries>();

/// Settings of `select_entries`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The fields to keep. One that is missing or null is left away.
    #[serde(default)]
    include_keys: Vec<Key>,
    /// Patterns for the whole names of more fields to keep.
    #[serde(default)]
    include_keys_regex: Vec<Pattern>,
    /// Where the fields are that the patterns are for; otherwise at the top.
    include_keys_regex_pointer: Option<Key>,
    /// Only for these events; others keep all their fields.
    #[serde(default)]
    select_when: Condition,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

struct SelectEntries {
    keys: Vec<Key>,
    patterns: Vec<Pattern>,
    below: Option<Key>,
    when: Condition,
    tags: Tags,
}

impl Configured for SelectEntries {
    const NAME: &'static str = "select_entries";
    const EXAMPLE: &'static str = r"
- settings: { include_keys: [name, address/city, missing] }
  before:   { PK: 7, name: Ada, address: { street: x, city: London } }
  after:    [{ name: Ada, address: { city: London } }]
- settings: { include_keys_regex: ['c.*'], include_keys_regex_pointer: address }
  before:   { PK: 7, address: { street: x, city: London, country: UK } }
  after:    [{ address: { city: London, country: UK } }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.include_keys.is_empty() && config.include_keys_regex.is_empty() {
            return Err(settings
                .problem("", "neither `include_keys` nor `include_keys_regex` names a field")
                .with_help("name at least one"));
        }
        if config.include_keys_regex.is_empty() && config.include_keys_regex_pointer.is_some() {
            let problem = "it needs `include_keys_regex`";
            return Err(settings.problem("include_keys_regex_pointer", problem));
        }
        let patterns: Result<Vec<_>, _> =
            config.include_keys_regex.iter().map(Pattern::whole).collect();
        let patterns = patterns.map_err(|error| settings.problem("include_keys_regex", error))?;
        Ok(SelectEntries {
            keys: config.include_keys,
            patterns,
            below: config.include_keys_regex_pointer,
            when: config.select_when,
            tags: config.tags_on_failure,
        })
    }
}

impl Processor for SelectEntries {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.select(open(event)?);
        self.tags.settle(event, result)
    }
}

impl SelectEntries {
    fn select(&self, fields: &mut Map) -> Result<(), ProcessError> {
        let mut selected = Map::default();
        let mut keep = |key: &Key| match key.get(fields) {
            // A list on the way is kept as a map of what was named in it, as in Data Prepper.
            Some(value) if *value != Value::Null => key.put(&mut selected, value.clone()),
            _ => Ok(()),
        };
        for key in &self.keys {
            keep(key)?;
        }
        for key in self.matching(fields)? {
            keep(&key)?;
        }
        *fields = selected;
        Ok(())
    }

    fn matching(&self, fields: &Map) -> Result<Vec<Key>, ProcessError> {
        let parent = match &self.below {
            None => fields,
            Some(below) => match below.get(fields) {
                Some(Value::Map(map)) => map,
                _ => return Ok(Vec::new()),
            },
        };
        let mut keys = Vec::new();
        for name in parent.keys() {
            for pattern in &self.patterns {
                if pattern.is_match(name)? {
                    keys.push(match &self.below {
                        Some(below) => below.child(name),
                        None => Key::top(name),
                    });
                    break;
                }
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn only_what_is_there_and_named_is_kept() {
        for (settings, before, after) in [
            ("{include_keys: [a]}", r#"{"a":null,"b":1}"#, "{}"),
            ("{include_keys: [b, a]}", r#"{"a":1,"b":2,"c":3}"#, r#"{"b":2,"a":1}"#),
            ("{include_keys: [l/1]}", r#"{"l":[1,2]}"#, r#"{"l":{"1":2}}"#),
            ("{include_keys: [a], select_when: /a == 2}", r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#),
            (
                "{include_keys: [a], include_keys_regex: ['b.']}",
                r#"{"b1":1,"b":2,"a":3}"#,
                r#"{"a":3,"b1":1}"#,
            ),
            ("{include_keys_regex: [x], include_keys_regex_pointer: a}", r#"{"a":1}"#, "{}"),
        ] {
            assert_eq!(run(&FACTORY, settings, before).unwrap(), after, "{settings}");
        }
        assert_eq!(problem(&FACTORY, "{select_when: /a}").at, "");
    }
}
