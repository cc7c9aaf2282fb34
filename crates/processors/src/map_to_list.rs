//! `map_to_list`: makes a list of objects from a map, so that its names do not become fields of the
//! index.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, Target, describe, failed, open};

pub(crate) const FACTORY: Factory = Factory::of::<MapToList>();

/// Settings of `map_to_list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The map; `""` for the whole document.
    source: Target,
    /// Where the list goes.
    target: Key,
    /// The field of each object that holds the name.
    #[serde(default = "key")]
    key_name: String,
    /// The field of each object that holds the value.
    #[serde(default = "value")]
    value_name: String,
    /// Names that do not get into the list.
    #[serde(default)]
    exclude_keys: Vec<String>,
    /// Removes from the map what got into the list.
    #[serde(default)]
    remove_processed_fields: bool,
    /// Makes lists of two, `[name, value]`, in place of objects.
    #[serde(default)]
    convert_field_to_list: bool,
    /// What an event is marked with if the source is no map.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    map_to_list_when: Condition,
}

fn key() -> String {
    "key".to_owned()
}

fn value() -> String {
    "value".to_owned()
}

struct MapToList(Config);

impl Configured for MapToList {
    const NAME: &'static str = "map_to_list";
    const EXAMPLE: &'static str = r"
- settings: { source: prices, target: price_list, key_name: currency, value_name: price, remove_processed_fields: true }
  before:   { prices: { EUR: 10.5, USD: 12 } }
  after:    [{ prices: {}, price_list: [{ currency: EUR, price: 10.5 }, { currency: USD, price: 12 }] }]
- settings: { source: m, target: m, convert_field_to_list: true, exclude_keys: [b] }
  before:   { m: { a: 1, b: 2 } }
  after:    [{ m: [[a, 1]] }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.key_name == config.value_name && !config.convert_field_to_list {
            return Err(settings.problem("value_name", "it is the same as `key_name`"));
        }
        Ok(MapToList(config))
    }
}

impl Processor for MapToList {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.map_to_list_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.convert(event);
        self.0.tags_on_failure.settle(event, result)
    }
}

impl MapToList {
    fn convert(&self, event: &mut Event) -> Result<(), ProcessError> {
        let fields = open(event)?;
        let source = match &self.0.source {
            Target::Root => &*fields,
            Target::Field(key) => match key.get(fields) {
                None | Some(Value::Null) => return Ok(()),
                Some(Value::Map(map)) => map,
                Some(other) => {
                    return failed(format!("`{key}` is {}, not a map", describe(other)));
                }
            },
        };
        let wanted = |name: &String| !self.0.exclude_keys.contains(name);
        let entries = source.iter().filter(|(name, _)| wanted(name));
        let list = entries.map(|(name, value)| {
            let (name, value) = (Value::String(name.clone()), value.clone());
            if self.0.convert_field_to_list {
                return Value::List(vec![name, value]);
            }
            let fields = [(self.0.key_name.clone(), name), (self.0.value_name.clone(), value)];
            Value::Map(Map::from_iter(fields))
        });
        let list = Value::List(list.collect());
        let mut result = fields.clone();
        if self.0.remove_processed_fields {
            match &self.0.source {
                Target::Root => result.retain(|name, _| !wanted(name)),
                Target::Field(key) => {
                    if let Some(Value::Map(map)) = key.get_mut(&mut result) {
                        map.retain(|name, _| !wanted(name));
                    }
                }
            }
        }
        self.0.target.put(&mut result, list)?;
        *fields = result;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{run, tags};

    #[test]
    fn a_map_becomes_a_list() {
        let all = "{source: '', target: l, remove_processed_fields: true, exclude_keys: [b]}";
        let after = run(&FACTORY, all, r#"{"a":1,"b":2}"#).unwrap();
        assert_eq!(after, r#"{"b":2,"l":[{"key":"a","value":1}]}"#);
        assert!(run(&FACTORY, "{source: a, target: l}", r#"{"a":[]}"#).is_err());
        assert_eq!(
            tags(&FACTORY, "{source: a, target: l, tags_on_failure: [t]}", r#"{"a":7}"#),
            ["t"]
        );
        assert_eq!(run(&FACTORY, "{source: a, target: l}", "{}").unwrap(), "{}");
    }
}
