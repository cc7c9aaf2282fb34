//! What `parse_json`, `parse_ion` and `parse_xml` have in common: from which field, to which. Pure.

use pipeline::{ConfigError, Event, Flow, Map, ProcessError, Settings, Value};
use serde::Deserialize;

use super::{Condition, Key, Tags, describe, failed, open};

/// How deep `depth` may go.
const DEPTH_MAX: usize = 10;

/// What becomes of an event whose text cannot be parsed and that gets no tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFailure {
    /// It goes on as it was.
    Skip,
    /// It goes on as it was.
    SkipSilently,
}

/// From which field to which.
#[derive(Debug)]
pub(crate) struct Parsing {
    pub(crate) source: Key,
    pub(crate) destination: Option<Key>,
    pub(crate) pointer: Option<Key>,
    pub(crate) depth: usize,
    pub(crate) overwrite: bool,
    pub(crate) delete_source: bool,
    pub(crate) normalize_keys: bool,
    pub(crate) when: Condition,
    pub(crate) tags: Tags,
    pub(crate) on_failure: Option<OnFailure>,
}

/// The default of `source`.
pub(crate) fn message() -> Key {
    Key::top("message")
}

/// The default of `overwrite_if_destination_exists`.
pub(crate) fn yes() -> bool {
    true
}

impl Parsing {
    /// Checks what the types of the settings do not.
    pub(crate) fn checked(self, settings: &Settings) -> Result<Parsing, ConfigError> {
        if DEPTH_MAX < self.depth {
            let problem = format!("it is {}, more than {DEPTH_MAX}", self.depth);
            return Err(settings.problem("depth", problem).with_help("write 0 for all levels"));
        }
        Ok(self)
    }

    /// Parses the field with `parse`.
    pub(crate) fn process(
        &self,
        event: &mut Event,
        parse: impl FnOnce(&str) -> Result<Value, String>,
    ) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        match self.parse(open(event)?, parse) {
            Err(_) if self.on_failure.is_some() => {
                self.tags.mark(event);
                Ok(Flow::Keep)
            }
            result => self.tags.settle(event, result),
        }
    }

    fn parse(
        &self,
        fields: &mut Map,
        parse: impl FnOnce(&str) -> Result<Value, String>,
    ) -> Result<(), ProcessError> {
        let text = match self.source.get(fields) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(text)) => text,
            Some(other) => return failed(format!("`{}` is {}", self.source, describe(other))),
        };
        let mut value = match parse(text) {
            Ok(value) => value,
            Err(problem) => return failed(format!("`{}`: {problem}", self.source)),
        };
        if self.normalize_keys {
            normalize(&mut value);
        }
        if let Some(pointer) = &self.pointer {
            value = self.point(pointer, value, fields);
        }
        if 0 < self.depth {
            cut(&mut value, self.depth);
        }
        self.put(fields, value)
    }

    /// The part of the value that is wanted, by its own name; all of it if there is no such part.
    fn point(&self, pointer: &Key, value: Value, fields: &Map) -> Value {
        let Value::Map(map) = &value else { return value };
        let Some(part) = pointer.get(map) else { return value };
        let mut result = Map::default();
        let name = Key::top(pointer.last());
        let by_path = self.destination.is_none() && name.is_in(fields);
        let key = if by_path { pointer } else { &name };
        match key.put(&mut result, part.clone()) {
            Ok(()) => Value::Map(result),
            Err(_) => value,
        }
    }

    fn put(&self, fields: &mut Map, value: Value) -> Result<(), ProcessError> {
        match (&self.destination, value) {
            (Some(key), value) => {
                if self.overwrite || !key.is_in(fields) {
                    key.check(fields)?;
                    self.remove_source(fields);
                    key.put(fields, value)?;
                }
            }
            (None, Value::Map(map)) => {
                self.remove_source(fields);
                for (name, value) in map {
                    if self.overwrite || !fields.contains_key(&name) {
                        fields.insert(name, value);
                    }
                }
            }
            (None, other) => {
                let found = describe(&other);
                return failed(format!(
                    "`{}` holds {found}; only a map can become fields",
                    self.source
                ));
            }
        }
        Ok(())
    }

    fn remove_source(&self, fields: &mut Map) {
        if self.delete_source {
            self.source.remove(fields);
        }
    }
}

/// Writes what is deeper than `depth` as text.
fn cut(value: &mut Value, depth: usize) {
    let below = |value: &mut Value| match value {
        Value::Map(_) | Value::List(_) if depth <= 1 => *value = Value::String(value.to_string()),
        other => cut(other, depth - 1),
    };
    match value {
        Value::Map(map) => map.values_mut().for_each(below),
        Value::List(values) => values.iter_mut().for_each(below),
        _ => {}
    }
}

/// Puts `_` for every character that Data Prepper does not have in a key.
fn normalize(value: &mut Value) {
    match value {
        Value::Map(map) => {
            let taken = std::mem::take(map);
            for (name, mut value) in taken {
                normalize(&mut value);
                let allowed = |it: char| it.is_ascii_alphanumeric() || " .-_~@/[]()$".contains(it);
                let name = name.chars().map(|it| if allowed(it) { it } else { '_' }).collect();
                map.insert(name, value);
            }
        }
        Value::List(values) => values.iter_mut().for_each(normalize),
        _ => {}
    }
}
