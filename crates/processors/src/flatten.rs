//! `flatten`: makes one level of fields from many: `{a: {b: 1}}` becomes `{a.b: 1}`.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, Target, describe, failed, open};

pub(crate) const FACTORY: Factory = Factory::of::<Flatten>();

/// Settings of `flatten`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field to flatten; `""` for the whole document.
    source: Target,
    /// Where the new fields go; `""` for the top of the document.
    target: Target,
    /// Removes what was flattened.
    #[serde(default, alias = "remove_processed_fields")]
    remove_source_keys: bool,
    /// Leaves the positions in lists away; what has the same name then becomes a list.
    #[serde(default, alias = "remove_list_indices")]
    remove_list_elements: bool,
    /// Leaves the brackets of lists away, too. Needs `remove_list_elements`.
    #[serde(default)]
    remove_brackets: bool,
    /// Fields, seen from the source, that stay as they are.
    #[serde(default)]
    exclude_keys: Vec<String>,
    /// What stands between the names; one character.
    #[serde(default = "dot")]
    flatten_separator: String,
    /// What an event is marked with if the source cannot be flattened.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    flatten_when: Condition,
}

fn dot() -> String {
    ".".to_owned()
}

struct Flatten(Config);

impl Configured for Flatten {
    const NAME: &'static str = "flatten";
    const EXAMPLE: &'static str = r#"
- settings: { source: "", target: flat }
  before:   { a: { b: 1 }, l: [{ c: 2 }] }
  after:    [{ a: { b: 1 }, l: [{ c: 2 }], flat: { a.b: 1, "l[0].c": 2 } }]
- settings: { source: "", target: "", remove_source_keys: true, remove_list_elements: true, remove_brackets: true }
  before:   { a: { b: 1, d: {} }, l: [{ c: 2 }, { c: 3 }] }
  after:    [{ a.b: 1, a.d: {}, l.c: [2, 3] }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.remove_brackets && !config.remove_list_elements {
            let problem = "it needs `remove_list_elements: true`";
            return Err(settings.problem("remove_brackets", problem));
        }
        if config.flatten_separator.chars().count() != 1 {
            return Err(settings.problem("flatten_separator", "it must be one character"));
        }
        Ok(Flatten(config))
    }
}

impl Processor for Flatten {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.flatten_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.flatten(event);
        self.0.tags_on_failure.settle(event, result)
    }
}

impl Flatten {
    fn flatten(&self, event: &mut Event) -> Result<(), ProcessError> {
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
        let mut flat = Map::default();
        for (name, value) in source {
            self.walk(name.clone(), value, &mut flat);
        }
        let mut result = fields.clone();
        if self.0.remove_source_keys {
            self.remove_source(&mut result);
        }
        match &self.0.target {
            Target::Root => result.extend(flat),
            Target::Field(key) => key.put(&mut result, Value::Map(flat))?,
        }
        *fields = result;
        Ok(())
    }

    fn remove_source(&self, fields: &mut Map) {
        let excluded = |name: &str| {
            let is = |it: &String| it.trim_start_matches('/') == name;
            self.0.exclude_keys.iter().any(is)
        };
        match &self.0.source {
            Target::Root => fields.retain(|name, _| excluded(name)),
            Target::Field(key) => match key.get_mut(fields) {
                Some(Value::Map(map)) if !self.0.exclude_keys.is_empty() => {
                    map.retain(|name, _| excluded(name));
                }
                _ => {
                    key.remove(fields);
                }
            },
        }
    }

    fn walk(&self, path: String, value: &Value, flat: &mut Map) {
        if self.is_excluded(&path) {
            return;
        }
        match value {
            Value::Map(map) if !map.is_empty() => {
                for (name, value) in map {
                    let separator = &self.0.flatten_separator;
                    self.walk(format!("{path}{separator}{name}"), value, flat);
                }
            }
            Value::List(values) if !values.is_empty() => {
                for (n, value) in values.iter().enumerate() {
                    let step = match (self.0.remove_brackets, self.0.remove_list_elements) {
                        (true, _) => String::new(),
                        (false, true) => "[]".to_owned(),
                        (false, false) => format!("[{n}]"),
                    };
                    self.walk(format!("{path}{step}"), value, flat);
                }
            }
            value => self.add(path, value, flat),
        }
    }

    fn add(&self, path: String, value: &Value, flat: &mut Map) {
        match flat.get_mut(&path) {
            Some(Value::List(values)) if self.0.remove_list_elements => values.push(value.clone()),
            Some(first) if self.0.remove_list_elements => {
                *first = Value::List(vec![std::mem::take(first), value.clone()]);
            }
            _ => {
                flat.insert(path, value.clone());
            }
        }
    }

    fn is_excluded(&self, path: &str) -> bool {
        let is = |key: &String| {
            let key =
                Key::parse(key).map(|it| it.to_string().replace('/', &self.0.flatten_separator));
            key.is_ok_and(|key| key == path)
        };
        !self.0.exclude_keys.is_empty() && self.0.exclude_keys.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn every_level_becomes_one() {
        for (settings, before, after) in [
            (
                "source: a, target: ''",
                r#"{"a":{"b":{"c":null}}}"#,
                r#"{"a":{"b":{"c":null}},"b.c":null}"#,
            ),
            ("source: a, target: a", r#"{"a":{"b":{"c":1}}}"#, r#"{"a":{"b.c":1}}"#),
            (
                "source: a, target: b, remove_processed_fields: true",
                r#"{"a":{"b":{"c":1}}}"#,
                r#"{"b":{"b.c":1}}"#,
            ),
            (
                "source: '', target: '', remove_source_keys: true, remove_list_indices: true",
                r#"{"l":[{"a":1},{"a":2},3],"e":[],"m":{}}"#,
                r#"{"l[].a":[1,2],"l[]":3,"e":[],"m":{}}"#,
            ),
            (
                "source: '', target: '', remove_source_keys: true, exclude_keys: [x]",
                r#"{"x":{"y":1},"a":{"b":1}}"#,
                r#"{"x":{"y":1},"a.b":1}"#,
            ),
            (
                "source: '', target: '', remove_source_keys: true, flatten_separator: _",
                r#"{"a":{"b":1}}"#,
                r#"{"a_b":1}"#,
            ),
            ("source: missing, target: x", r#"{"a":1}"#, r#"{"a":1}"#),
        ] {
            assert_eq!(
                run(&FACTORY, &format!("{{{settings}}}"), before).unwrap(),
                after,
                "{settings}"
            );
        }
        assert!(run(&FACTORY, "{source: a, target: ''}", r#"{"a":[1]}"#).is_err());
        assert_eq!(
            problem(&FACTORY, "{source: a, target: b, remove_brackets: true}").at,
            "remove_brackets"
        );
        assert_eq!(
            problem(&FACTORY, "{source: a, target: b, flatten_separator: ''}").at,
            "flatten_separator"
        );
        assert!(problem(&FACTORY, "{source: a}").to_string().contains("target"));
    }
}
