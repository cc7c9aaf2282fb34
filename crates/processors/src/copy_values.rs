//! `copy_values`: copies fields, or the fields of every object in one list to another list.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, FirstError, Key, Tags, describe, failed, open};

pub(crate) const FACTORY: Factory = Factory::of::<CopyValues>();

/// Settings of `copy_values`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to copy, in order.
    entries: Vec<Entry>,
    /// A list of objects to copy from. The keys of the entries are fields of its elements then.
    from_list: Option<Key>,
    /// The list to make: objects with nothing but the copied fields.
    to_list: Option<Key>,
    /// A list that is there already is replaced. Otherwise nothing happens.
    #[serde(default)]
    overwrite_if_to_list_exists: bool,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

/// One field to copy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The field. One that is missing is no mistake.
    from_key: Key,
    /// Its copy.
    to_key: Key,
    /// A field that is there already is replaced. Otherwise nothing happens.
    #[serde(default)]
    overwrite_if_to_key_exists: bool,
    /// Only for these events.
    #[serde(default)]
    copy_when: Condition,
}

struct CopyValues {
    entries: Vec<Entry>,
    lists: Option<Lists>,
    tags: Tags,
}

struct Lists {
    from: Key,
    to: Key,
    overwrite: bool,
}

impl Configured for CopyValues {
    const NAME: &'static str = "copy_values";
    const EXAMPLE: &'static str = r"
- settings: { entries: [{ from_key: name, to_key: search/name }] }
  before:   { name: Ada }
  after:    [{ name: Ada, search: { name: Ada } }]
- settings:
    entries: [{ from_key: sku, to_key: id }]
    from_list: lines
    to_list: ids
  before:   { lines: [{ sku: A1, n: 2 }, { n: 3 }] }
  after:    [{ lines: [{ sku: A1, n: 2 }, { n: 3 }], ids: [{ id: A1 }, {}] }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.entries.is_empty() {
            return Err(settings.problem("entries", "there are none").with_help("add one"));
        }
        let lists = match (config.from_list, config.to_list) {
            (Some(from), Some(to)) => {
                Some(Lists { from, to, overwrite: config.overwrite_if_to_list_exists })
            }
            (None, None) if config.overwrite_if_to_list_exists => {
                return Err(settings.problem("overwrite_if_to_list_exists", "it needs `to_list`"));
            }
            (None, None) => None,
            _ => {
                return Err(settings.problem(
                    "",
                    "Both from_list and to_list should be specified when copying entries between lists.",
                ));
            }
        };
        Ok(CopyValues { entries: config.entries, lists, tags: config.tags_on_failure })
    }
}

impl Processor for CopyValues {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if let Some(lists) = &self.lists {
            let result = self.copy_list(lists, event);
            return self.tags.settle(event, result);
        }
        let mut errors = FirstError::default();
        for entry in &self.entries {
            errors.note(entry.copy(event));
        }
        self.tags.settle(event, errors.result())
    }
}

impl Entry {
    fn copy(&self, event: &mut Event) -> Result<(), ProcessError> {
        if !self.copy_when.holds(event)? {
            return Ok(());
        }
        let fields = open(event)?;
        if self.from_key == self.to_key
            || (!self.overwrite_if_to_key_exists && self.to_key.is_in(fields))
        {
            return Ok(());
        }
        match self.from_key.get(fields).cloned() {
            Some(value) => self.to_key.put(fields, value),
            None => Ok(()),
        }
    }
}

impl CopyValues {
    fn copy_list(&self, lists: &Lists, event: &mut Event) -> Result<(), ProcessError> {
        let mut entries = Vec::new();
        for entry in &self.entries {
            if entry.copy_when.holds(event)? {
                entries.push(entry);
            }
        }
        let fields = open(event)?;
        if !lists.overwrite && lists.to.is_in(fields) {
            return Ok(());
        }
        let list = match lists.from.get(fields) {
            None => return Ok(()),
            Some(Value::List(values)) => values,
            Some(other) => {
                return failed(format!("`{}` is {}, not a list", lists.from, describe(other)));
            }
        };
        let mut copies = Vec::with_capacity(list.len());
        for value in list {
            let Value::Map(element) = value else {
                return failed(format!(
                    "`{}` holds {}, not only objects",
                    lists.from,
                    describe(value)
                ));
            };
            let mut copy = Map::default();
            for entry in &entries {
                let there = entry.to_key.is_in(&copy) && !entry.overwrite_if_to_key_exists;
                if let Some(value) = entry.from_key.get(element).filter(|_| !there) {
                    entry.to_key.put(&mut copy, value.clone())?;
                }
            }
            copies.push(Value::Map(copy));
        }
        lists.to.put(fields, Value::List(copies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn values_are_copied_only_where_there_is_room() {
        for (settings, before, after, why) in [
            (
                "{entries: [{from_key: a, to_key: b}]}",
                r#"{"b":1}"#,
                r#"{"b":1}"#,
                "nothing to copy",
            ),
            (
                "{entries: [{from_key: a, to_key: b}]}",
                r#"{"a":1,"b":2}"#,
                r#"{"a":1,"b":2}"#,
                "no room",
            ),
            (
                "{entries: [{from_key: a, to_key: b, overwrite_if_to_key_exists: true}]}",
                r#"{"a":1,"b":2}"#,
                r#"{"a":1,"b":1}"#,
                "replaced",
            ),
            (
                "{entries: [{from_key: x, to_key: y}], from_list: a, to_list: b}",
                r#"{"a":[{"x":1}],"b":0}"#,
                r#"{"a":[{"x":1}],"b":0}"#,
                "the list is there",
            ),
            (
                "{entries: [{from_key: x, to_key: y}], from_list: a, to_list: a, overwrite_if_to_list_exists: true}",
                r#"{"a":[{"x":1}]}"#,
                r#"{"a":[{"y":1}]}"#,
                "onto itself",
            ),
        ] {
            assert_eq!(run(&FACTORY, settings, before).unwrap(), after, "{settings}: {why}");
        }
        let settings = "{entries: [{from_key: x, to_key: y}], from_list: a, to_list: b}";
        assert!(run(&FACTORY, settings, r#"{"a":[1]}"#).is_err());
        assert_eq!(problem(&FACTORY, "{entries: [{from_key: x, to_key: y}], to_list: b}").at, "");
        assert_eq!(problem(&FACTORY, "{entries: []}").at, "entries");
    }
}
