//! `list_to_map`: makes a map from a list of objects.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, Target, describe, failed, open, text_of};

pub(crate) const FACTORY: Factory = Factory::of::<ListToMap>();

/// Settings of `list_to_map`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The list of objects.
    source: Key,
    /// Where the map goes; without it, to the top of the document.
    #[serde(default)]
    target: Target,
    /// The field of each object that names its place in the map. Needed without `use_source_key`.
    key: Option<Key>,
    /// The field of each object that is its value; without it, all of the object is.
    value_key: Option<Key>,
    /// Takes the names of the fields of the objects for the names in the map.
    #[serde(default)]
    use_source_key: bool,
    /// With `use_source_key`: the values are those of the fields, not objects with one field.
    #[serde(default)]
    extract_value: bool,
    /// Keeps one value for each name; otherwise they are lists.
    #[serde(default)]
    flatten: bool,
    /// Which one that is.
    #[serde(default)]
    flattened_element: Kept,
    /// What an event is marked with if its list cannot be made a map.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    list_to_map_when: Condition,
}

/// Which of several values is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
}

struct ListToMap(Config);

impl Configured for ListToMap {
    const NAME: &'static str = "list_to_map";
    const EXAMPLE: &'static str = r"
- settings: { source: l, target: m, key: name, value_key: value, flatten: true }
  before:   { l: [{ name: a, value: 1 }, { name: b, value: 2 }, { name: b, value: 3 }] }
  after:    [{ l: [{ name: a, value: 1 }, { name: b, value: 2 }, { name: b, value: 3 }], m: { a: 1, b: 2 } }]
- settings: { source: l, use_source_key: true, extract_value: true }
  before:   { l: [{ name: a }, { name: b }] }
  after:    [{ l: [{ name: a }, { name: b }], name: [a, b] }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.key.is_none() && !config.use_source_key {
            let problem = "`key` is missing; it is needed unless `use_source_key` is true";
            return Err(settings.problem("", problem));
        }
        if config.extract_value && !config.use_source_key {
            return Err(settings.problem("extract_value", "it needs `use_source_key: true`"));
        }
        Ok(ListToMap(config))
    }
}

impl Processor for ListToMap {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.list_to_map_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.convert(event);
        self.0.tags_on_failure.settle(event, result)
    }
}

impl ListToMap {
    fn convert(&self, event: &mut Event) -> Result<(), ProcessError> {
        let fields = open(event)?;
        let list = match self.0.source.get(fields) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::List(values)) => values,
            Some(other) => {
                return failed(format!("`{}` is {}, not a list", self.0.source, describe(other)));
            }
        };
        let mut map = Map::default();
        for value in list {
            let Value::Map(element) = value else {
                let found = describe(value);
                return failed(format!("`{}` holds {found}, not only objects", self.0.source));
            };
            self.add(element, &mut map)?;
        }
        match &self.0.target {
            Target::Root => fields.extend(map),
            Target::Field(key) => key.put(fields, Value::Map(map))?,
        }
        Ok(())
    }

    fn add(&self, element: &Map, map: &mut Map) -> Result<(), ProcessError> {
        if self.0.use_source_key {
            for (name, value) in element {
                let value = if self.0.extract_value {
                    value.clone()
                } else {
                    Value::Map(Map::from_iter([(name.clone(), value.clone())]))
                };
                self.keep(name.clone(), value, map);
            }
            return Ok(());
        }
        let Some(key) = &self.0.key else { return Ok(()) };
        let name = match key.get(element) {
            None | Some(Value::Null) => {
                return failed(format!("an object in `{}` has no `{key}`", self.0.source));
            }
            Some(value @ (Value::Map(_) | Value::List(_))) => {
                return failed(format!("a `{key}` in `{}` is {}", self.0.source, describe(value)));
            }
            Some(value) => text_of(value),
        };
        let value = match &self.0.value_key {
            None => Value::Map(element.clone()),
            Some(key) => key.get(element).cloned().unwrap_or_default(),
        };
        self.keep(name, value, map);
        Ok(())
    }

    fn keep(&self, name: String, value: Value, map: &mut Map) {
        match (self.0.flatten, map.get_mut(&name)) {
            (true, None) => {
                map.insert(name, value);
            }
            (true, Some(old)) if self.0.flattened_element == Kept::Last => *old = value,
            (true, Some(_)) => {}
            (false, Some(Value::List(values))) => values.push(value),
            (false, _) => {
                map.insert(name, Value::List(vec![value]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn a_list_becomes_a_map() {
        const LIST: &str = r#"{"l":[{"n":"a","v":1},{"n":"a","v":2}]}"#;
        for (settings, map) in [
            ("key: n", r#"{"a":[{"n":"a","v":1},{"n":"a","v":2}]}"#),
            ("key: n, flatten: true", r#"{"a":{"n":"a","v":1}}"#),
            ("key: n, value_key: v, flatten: true, flattened_element: last", r#"{"a":2}"#),
            ("key: v, value_key: n, flatten: true", r#"{"1":"a","2":"a"}"#),
            ("use_source_key: true, flatten: true", r#"{"n":{"n":"a"},"v":{"v":1}}"#),
        ] {
            let settings = format!("{{source: l, target: m, {settings}}}");
            let after = run(&FACTORY, &settings, LIST).unwrap();
            assert_eq!(after, format!("{},\"m\":{map}}}", &LIST[..LIST.len() - 1]), "{settings}");
        }
        assert_eq!(run(&FACTORY, "{source: l, key: n}", "{}").unwrap(), "{}");
        for bad in [r#"{"l":1}"#, r#"{"l":[1]}"#, r#"{"l":[{"x":1}]}"#, r#"{"l":[{"n":{}}]}"#] {
            assert!(run(&FACTORY, "{source: l, key: n}", bad).is_err(), "{bad}");
            assert_eq!(tags(&FACTORY, "{source: l, key: n, tags_on_failure: [t]}", bad), ["t"]);
        }
        assert_eq!(problem(&FACTORY, "{source: l}").at, "");
        assert_eq!(
            problem(&FACTORY, "{source: l, key: a, extract_value: true}").at,
            "extract_value"
        );
    }
}
