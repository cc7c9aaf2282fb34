//! The address of a field, to read, write and remove it. Pure.

use std::fmt;

use pipeline::{Map, ProcessError, Value};
use serde::Deserialize;

use super::failed;

/// How long a key may be.
const LENGTH_MAX: usize = 2048;

/// The address of a field: `/customer/name`, or `customer/name` for short. `~1` stands for a `/`
/// in a name and `~0` for a `~`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Key(Vec<String>);

/// Not the address of a field.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAKey {
    #[error("it names no field; write a key such as `name` or `customer/name`")]
    Empty,
    #[error("a key has at most {LENGTH_MAX} bytes")]
    Long,
}

impl TryFrom<String> for Key {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Key, NotAKey> {
        Key::parse(&text)
    }
}

impl Key {
    pub(crate) fn parse(text: &str) -> Result<Key, NotAKey> {
        let path = text.strip_prefix('/').unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.trim().is_empty() {
            return Err(NotAKey::Empty);
        }
        if LENGTH_MAX < path.len() {
            return Err(NotAKey::Long);
        }
        let name = |step: &str| {
            if step.contains('~') {
                step.replace("~1", "/").replace("~0", "~")
            } else {
                step.to_owned()
            }
        };
        Ok(Key(path.split('/').map(name).collect()))
    }

    /// The key of a field at the top, whatever is in its name.
    pub(crate) fn top(name: &str) -> Key {
        Key(vec![name.to_owned()])
    }

    /// The address of what the field is in; `None` at the top.
    pub(crate) fn parent(&self) -> Option<Key> {
        let (_, way) = self.0.split_last()?;
        (!way.is_empty()).then(|| Key(way.to_vec()))
    }

    /// The field `name` in the map at this one.
    pub(crate) fn child(&self, name: &str) -> Key {
        let mut steps = self.0.clone();
        steps.push(name.to_owned());
        Key(steps)
    }

    /// The name of the field itself, without the way to it.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The first step, and the address from there, if there are more.
    pub(crate) fn split(&self) -> Option<(&str, Key)> {
        let (first, rest) = self.0.split_first()?;
        (!rest.is_empty()).then(|| (first.as_str(), Key(rest.to_vec())))
    }

    pub(crate) fn get<'a>(&self, fields: &'a Map) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(fields.get(first)?, |value, step| match value {
            Value::Map(map) => map.get(step),
            Value::List(values) => values.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    pub(crate) fn get_mut<'a>(&self, fields: &'a mut Map) -> Option<&'a mut Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(fields.get_mut(first)?, |value, step| match value {
            Value::Map(map) => map.get_mut(step),
            Value::List(values) => values.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    pub(crate) fn is_in(&self, fields: &Map) -> bool {
        self.get(fields).is_some()
    }

    /// Whether [`Key::put`] would succeed.
    pub(crate) fn check(&self, fields: &Map) -> Result<(), ProcessError> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(()) };
        let Some(mut value) = fields.get(first) else { return Ok(()) };
        for step in rest {
            let next = match value {
                Value::Map(map) => map.get(step),
                Value::List(values) => {
                    let index = step.parse().ok().filter(|it: &usize| *it <= values.len());
                    let Some(index) = index else { return self.blocked() };
                    values.get(index)
                }
                _ => return self.blocked(),
            };
            match next {
                Some(next) => value = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Sets the field, and makes the maps on the way to it. Either that or nothing.
    pub(crate) fn put(&self, fields: &mut Map, value: Value) -> Result<(), ProcessError> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(()) };
        if let Some(field) = fields.get_mut(first) {
            if rest.is_empty() {
                *field = value;
                return Ok(());
            }
            self.check(fields)?;
        }
        let mut place = fields.entry(first.clone()).or_insert(Value::Null);
        for step in rest {
            place = match place {
                Value::List(values) => {
                    let index = step.parse().unwrap_or(values.len());
                    if values.len() <= index {
                        values.push(Value::Null);
                    }
                    let last = values.len().saturating_sub(1);
                    &mut values[index.min(last)]
                }
                Value::Map(map) => map.entry(step.clone()).or_insert(Value::Null),
                other => {
                    *other = Value::Map(Map::default());
                    let Value::Map(map) = other else { return Ok(()) };
                    map.entry(step.clone()).or_insert(Value::Null)
                }
            };
        }
        *place = value;
        Ok(())
    }

    /// Takes the field away.
    pub(crate) fn remove(&self, fields: &mut Map) -> Option<Value> {
        let (last, way) = self.0.split_last()?;
        let Some((first, way)) = way.split_first() else { return fields.shift_remove(last) };
        let parent = way.iter().try_fold(fields.get_mut(first)?, |value, step| match value {
            Value::Map(map) => map.get_mut(step),
            Value::List(values) => values.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        })?;
        match parent {
            Value::Map(map) => map.shift_remove(last),
            Value::List(values) => {
                let index = last.parse().ok().filter(|it: &usize| *it < values.len())?;
                Some(values.remove(index))
            }
            _ => None,
        }
    }

    fn blocked<T>(&self) -> Result<T, ProcessError> {
        failed(format!("`{self}` cannot be set: there is no map on the way to it"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Where a processor puts its result: a field, or the whole document, written as `""`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Target {
    #[default]
    Root,
    Field(Key),
}

impl TryFrom<String> for Target {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Target, NotAKey> {
        if text.is_empty() || text == "/" {
            return Ok(Target::Root);
        }
        Key::parse(&text).map(Target::Field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Map {
        let Value::Map(map) = Value::from_json(json.as_bytes()).unwrap() else { panic!("{json}") };
        map
    }

    #[test]
    fn a_key_reads_writes_and_removes_through_maps_and_lists() {
        for (before, key, after, why) in [
            (r"{}", "a", Some(r#"{"a":1}"#), "a new field"),
            (r"{}", "/a/b/c/", Some(r#"{"a":{"b":{"c":1}}}"#), "maps are made on the way"),
            (r#"{"a":null}"#, "a/b", None, "null is no map"),
            (r#"{"a":"x"}"#, "a/b", None, "a text is no map"),
            (r#"{"a":[{"b":0}]}"#, "a/0/b", Some(r#"{"a":[{"b":1}]}"#), "into a list"),
            (r#"{"a":[0]}"#, "a/1", Some(r#"{"a":[0,1]}"#), "behind its end"),
            (r#"{"a":[0]}"#, "a/2", None, "not further behind"),
            (r#"{"a":[0]}"#, "a/x", None, "by a name"),
            (r"{}", "a~1b", Some(r#"{"a/b":1}"#), "a slash in a name"),
            (r"{}", "a.b", Some(r#"{"a.b":1}"#), "a dot is part of the name"),
        ] {
            let (mut fields, key) = (fields(before), Key::parse(key).unwrap());
            let result = key.put(&mut fields, 1i64.into());
            assert_eq!(result.is_ok(), after.is_some(), "{why}");
            assert_eq!(Value::Map(fields.clone()).to_string(), after.unwrap_or(before), "{why}");
            if after.is_some() {
                assert_eq!(key.remove(&mut fields), Some(1i64.into()), "{why}");
                assert!(!key.is_in(&fields), "{why}");
            }
        }
        assert!(Key::parse("/").is_err() && Key::parse(" ").is_err());
    }
}
