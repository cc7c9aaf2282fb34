//! `wrap_entries`: makes objects of the elements of a list: `[a, b]` becomes `[{k: a}, {k: b}]`.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, describe, failed, open};

pub(crate) const FACTORY: Factory = Factory::of::<WrapEntries>();

/// Settings of `wrap_entries`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The list.
    source: Key,
    /// Where the objects go; without it, to where the list was.
    target: Option<Key>,
    /// The field of each object that holds the element.
    key: String,
    /// Leaves elements away that are null or an empty text.
    #[serde(default)]
    exclude_null_empty_values: bool,
    /// Appends to a target that is a list already. Otherwise it is replaced.
    #[serde(default)]
    append_if_target_exists: bool,
    /// What an event is marked with if the source is no list.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    wrap_entries_when: Condition,
}

struct WrapEntries(Config);

impl Configured for WrapEntries {
    const NAME: &'static str = "wrap_entries";
    const EXAMPLE: &'static str = r#"
settings: { source: names, target: people, key: name, exclude_null_empty_values: true }
before:   { names: [Ada, "", Bob] }
after:    [{ names: [Ada, "", Bob], people: [{ name: Ada }, { name: Bob }] }]
"#;
    type Config = Config;

    fn build(config: Config, _: &Settings) -> Result<Self, ConfigError> {
        Ok(WrapEntries(config))
    }
}

impl Processor for WrapEntries {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.wrap_entries_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.wrap(event);
        self.0.tags_on_failure.settle(event, result)
    }
}

impl WrapEntries {
    fn wrap(&self, event: &mut Event) -> Result<(), ProcessError> {
        let Config { source, key, .. } = &self.0;
        let fields = open(event)?;
        let list = match source.get(fields) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::List(values)) => values,
            Some(other) => return failed(format!("`{source}` is {}, not a list", describe(other))),
        };
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        let wrapped = list
            .iter()
            .filter(|value| !(self.0.exclude_null_empty_values && is_empty(value)))
            .map(|value| Value::Map(Map::from_iter([(key.clone(), value.clone())])));
        let wrapped: Vec<Value> = wrapped.collect();
        let target = self.0.target.as_ref().unwrap_or(source);
        match target.get_mut(fields) {
            Some(Value::List(there)) if self.0.append_if_target_exists => {
                there.extend(wrapped);
                Ok(())
            }
            _ => target.put(fields, Value::List(wrapped)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::run;

    #[test]
    fn elements_are_wrapped_in_place_or_appended() {
        let settings = "{source: a, key: k}";
        assert_eq!(
            run(&FACTORY, settings, r#"{"a":[1,null]}"#).unwrap(),
            r#"{"a":[{"k":1},{"k":null}]}"#
        );
        let append = "{source: a, target: b, key: k, append_if_target_exists: true}";
        let after = run(&FACTORY, append, r#"{"a":[1],"b":[0]}"#).unwrap();
        assert_eq!(after, r#"{"a":[1],"b":[0,{"k":1}]}"#);
        assert!(run(&FACTORY, settings, r#"{"a":{}}"#).is_err());
    }
}
