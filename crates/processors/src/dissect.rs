//! `dissect`: takes a text apart at fixed delimiters: `%{date} %{level}: %{message}`.
//!
//! | | |
//! |---|---|
//! | `%{name}` | becomes a field |
//! | `%{}`, `%{?name}` | is left away |
//! | `%{+name}`, `%{+name/2}` | is appended to the field, in this order |
//! | `%{?name} … %{&name}` | the first is the name of the field, the second its value |
//! | `%{name->}` | the delimiter behind it may stand there several times |
//!
//! Differs from Data Prepper: a text that does not fit is left alone, and can be marked with
//! `tags_on_failure`.

mod pattern;

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use self::pattern::Dissection;
use crate::parts::{Condition, Key, Tags, Type, all, convert, open};

pub(crate) const FACTORY: Factory = Factory::of::<Dissect>();

/// Settings of `dissect`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// A pattern for each field to take apart.
    map: Value,
    /// The types of new fields: `integer`, `long`, `double`, `string`, `boolean`, `big_decimal`.
    target_types: Option<Value>,
    /// What an event is marked with if a text does not fit its pattern.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    dissect_when: Condition,
}

struct Dissect {
    dissections: Vec<(Key, Dissection)>,
    types: Vec<(Key, Type)>,
    tags: Tags,
    when: Condition,
}

impl Configured for Dissect {
    const NAME: &'static str = "dissect";
    const EXAMPLE: &'static str = r#"
- settings: { map: { log: "%{date} %{level}: %{message}" } }
  before:   { log: "07-25-2023 ERROR: no room" }
  after:    [{ log: "07-25-2023 ERROR: no room", date: 07-25-2023, level: ERROR, message: no room }]
- settings: { map: { log: "%{+name/2}, %{+name/1} %{age}" }, target_types: { age: integer } }
  before:   { log: "Lovelace, Ada 36" }
  after:    [{ log: "Lovelace, Ada 36", name: AdaLovelace, age: 36 }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let map = |value: Value, at: &str| match value {
            Value::Map(map) => Ok(map),
            _ => Err(settings.problem(at, "it must be a map")),
        };
        let dissection = |(name, pattern): (String, Value)| {
            let at = format!("map.{name}");
            let problem = |problem: String| settings.problem(&at, problem);
            let key = Key::parse(&name).map_err(|error| problem(error.to_string()))?;
            let Value::String(pattern) = pattern else {
                return Err(problem("it must be a pattern".to_owned()));
            };
            Ok((key, Dissection::parse(&pattern).map_err(problem)?))
        };
        let dissections = all(map(config.map, "map")?.into_iter().map(dissection))?;
        if dissections.is_empty() {
            return Err(settings
                .problem("map", "it is empty")
                .with_help("name a field and its pattern"));
        }
        let mut types = Vec::new();
        let target_types = config.target_types.map(|it| map(it, "target_types")).transpose()?;
        for name in target_types.unwrap_or_default().keys() {
            let at = format!("target_types.{name}");
            let key = Key::parse(name).map_err(|it| settings.problem(&at, it.to_string()))?;
            let to = settings.get(&at).map(|it| it.read::<Type>());
            let to = to.unwrap_or_else(|| {
                Err(settings.problem("target_types", "its names may have no dots"))
            })?;
            types.push((key, to));
        }
        let Config { tags_on_failure: tags, dissect_when: when, .. } = config;
        Ok(Dissect { dissections, types, tags, when })
    }
}

impl Processor for Dissect {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let fields = open(event)?;
        let mut fits = true;
        for (key, dissection) in &self.dissections {
            let Some(Value::String(text)) = key.get(fields) else { continue };
            let Some(found) = dissection.read(text) else {
                fits = false;
                continue;
            };
            self.add(found, fields)?;
        }
        if !fits {
            self.tags.mark(event);
        }
        Ok(Flow::Keep)
    }
}

impl Dissect {
    fn add(&self, found: Vec<(String, String)>, fields: &mut Map) -> Result<(), ProcessError> {
        for (name, text) in found {
            let Ok(key) = Key::parse(&name) else { continue };
            let value = Value::String(text);
            let to = self.types.iter().find(|(it, _)| *it == key).map(|(_, to)| *to);
            // As in Data Prepper, what cannot be converted stays a text.
            let value = match to {
                Some(to) => convert(&value, to, 0).unwrap_or(value),
                None => value,
            };
            key.put(fields, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn what_does_not_fit_is_left_alone() {
        let settings = "{map: {a: '%{x}-%{y}'}, tags_on_failure: [t]}";
        assert_eq!(tags(&FACTORY, settings, r#"{"a":"b"}"#), ["t"]);
        assert!(tags(&FACTORY, settings, r#"{"b":"c"}"#).is_empty());
        let typed = "{map: {a: '%{x}-%{y}'}, target_types: {x: long, y: long}}";
        assert_eq!(run(&FACTORY, typed, r#"{"a":"1-b"}"#).unwrap(), r#"{"a":"1-b","x":1,"y":"b"}"#);
        for (settings, at) in [
            ("{map: {a: '%{x'}}", "map.a"),
            ("{map: {a: '%{x}%{y}'}}", "map.a"),
            ("{map: {}}", "map"),
            ("{map: x}", "map"),
        ] {
            assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
        }
        assert!(
            problem(&FACTORY, "{map: {a: '%{x}'}, target_types: {x: int}}")
                .to_string()
                .contains("int")
        );
    }
}
