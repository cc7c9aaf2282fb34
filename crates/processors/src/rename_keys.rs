//! `rename_keys`: gives fields other names.
//!
//! Differs from Data Prepper: with `from_key_regex` and without `overwrite_if_to_key_exists`, only
//! the first field that matches is renamed, as there; with it, the last one stays.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, FirstError, Key, Pattern, Tags, all, open};

pub(crate) const FACTORY: Factory = Factory::of::<RenameKeys>();

/// Settings of `rename_keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to rename, in order. Either this or `transform_key`.
    #[serde(default)]
    entries: Vec<EntryConfig>,
    /// What to do with the names of all fields, however deep.
    transform_key: Option<Transform>,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

/// One field to rename.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryConfig {
    /// The field. One that is missing is no mistake.
    from_key: Option<Key>,
    /// In its place: a pattern for the whole name of a field at the top.
    from_key_regex: Option<Pattern>,
    /// Its new name.
    to_key: Key,
    /// A field that has the name already is replaced. Otherwise nothing happens.
    #[serde(default)]
    overwrite_if_to_key_exists: bool,
    /// Only for these events.
    #[serde(default)]
    rename_when: Condition,
}

/// What happens to every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Transform {
    /// Nothing.
    None,
    /// All letters become lower case.
    Lowercase,
    /// All letters become upper case.
    Uppercase,
    /// The first letter becomes upper case.
    Capitalize,
}

enum RenameKeys {
    Entries(Vec<Entry>, Tags),
    All(Transform),
}

struct Entry {
    from: From,
    to: Key,
    overwrite: bool,
    when: Condition,
}

enum From {
    Key(Key),
    Pattern(Pattern),
}

impl Configured for RenameKeys {
    const NAME: &'static str = "rename_keys";
    const EXAMPLE: &'static str = r"
- settings: { entries: [{ from_key: PK, to_key: id }, { from_key: a/b, to_key: b }] }
  before:   { PK: 7, a: { b: x } }
  after:    [{ id: 7, a: {}, b: x }]
- settings: { entries: [{ from_key_regex: 'gsi\d+_pk', to_key: owner }] }
  before:   { gsi1_pk: ada, gsi2_pk: bob }
  after:    [{ owner: ada, gsi2_pk: bob }]
- settings: { transform_key: lowercase }
  before:   { Name: Ada, Address: { City: London } }
  after:    [{ name: Ada, address: { city: London } }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        match (config.transform_key, config.entries.is_empty()) {
            (Some(transform), true) => return Ok(RenameKeys::All(transform)),
            (Some(_), false) => {
                return Err(settings
                    .problem("transform_key", "it is there together with `entries`")
                    .with_help("entries and transform_key are mutually exclusive options"));
            }
            (None, true) => {
                return Err(settings.problem("", "entries or transform_key is required"));
            }
            (None, false) => {}
        }
        let entry = |(n, entry): (usize, EntryConfig)| {
            let at = format!("entries[{n}]");
            let from =
                match (entry.from_key, entry.from_key_regex) {
                    (Some(key), None) => From::Key(key),
                    (None, Some(pattern)) => From::Pattern(pattern.whole().map_err(|error| {
                        settings.problem(&format!("{at}.from_key_regex"), error)
                    })?),
                    _ => {
                        return Err(settings.problem(
                            &at,
                            "exactly one of `from_key` and `from_key_regex` must be there",
                        ));
                    }
                };
            let EntryConfig { to_key, overwrite_if_to_key_exists, rename_when, .. } = entry;
            let overwrite = overwrite_if_to_key_exists;
            Ok(Entry { from, to: to_key, overwrite, when: rename_when })
        };
        let entries = all(config.entries.into_iter().enumerate().map(entry))?;
        Ok(RenameKeys::Entries(entries, config.tags_on_failure))
    }
}

impl Processor for RenameKeys {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        match self {
            RenameKeys::All(Transform::None) => {}
            RenameKeys::All(transform) => transform.apply(open(event)?),
            RenameKeys::Entries(entries, tags) => {
                let mut errors = FirstError::default();
                for entry in entries {
                    errors.note(entry.rename(event));
                }
                return tags.settle(event, errors.result());
            }
        }
        Ok(Flow::Keep)
    }
}

impl Entry {
    fn rename(&self, event: &mut Event) -> Result<(), ProcessError> {
        if !self.when.holds(event)? {
            return Ok(());
        }
        let fields = open(event)?;
        match &self.from {
            From::Key(from) => self.rename_one(from, fields),
            From::Pattern(pattern) => {
                let names: Vec<String> = fields.keys().cloned().collect();
                for name in names {
                    if pattern.is_match(&name)? {
                        self.rename_one(&Key::top(&name), fields)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn rename_one(&self, from: &Key, fields: &mut Map) -> Result<(), ProcessError> {
        if *from == self.to || !from.is_in(fields) {
            return Ok(());
        }
        if !self.overwrite && self.to.is_in(fields) {
            return Ok(());
        }
        // `a` to `a/b`: the way goes through what is moved away.
        let value = from.remove(fields).unwrap_or_default();
        if let Err(error) = self.to.check(fields) {
            from.put(fields, value)?;
            return Err(error);
        }
        self.to.put(fields, value)
    }
}

impl Transform {
    fn apply(self, fields: &mut Map) {
        let taken = std::mem::take(fields);
        for (name, mut value) in taken {
            self.apply_below(&mut value);
            fields.insert(self.of(&name), value);
        }
    }

    fn apply_below(self, value: &mut Value) {
        match value {
            Value::Map(map) => self.apply(map),
            Value::List(values) => values.iter_mut().for_each(|value| self.apply_below(value)),
            _ => {}
        }
    }

    fn of(self, name: &str) -> String {
        match self {
            Transform::None => name.to_owned(),
            Transform::Lowercase => name.to_lowercase(),
            Transform::Uppercase => name.to_uppercase(),
            Transform::Capitalize => {
                let mut letters = name.chars();
                let first = letters.next().map(char::to_uppercase);
                first.into_iter().flatten().chain(letters).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn names_change_only_where_there_is_room() {
        for (entry, before, after, why) in [
            ("from_key: a, to_key: b", r#"{"c":1}"#, r#"{"c":1}"#, "nothing to rename"),
            ("from_key: a, to_key: b", r#"{"a":null}"#, r#"{"b":null}"#, "null moves"),
            ("from_key: a, to_key: a", r#"{"a":1}"#, r#"{"a":1}"#, "the same"),
            ("from_key: a, to_key: b", r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#, "no room"),
            (
                "from_key: a, to_key: b, overwrite_if_to_key_exists: true",
                r#"{"a":1,"b":2}"#,
                r#"{"b":1}"#,
                "",
            ),
            ("from_key: a, to_key: a/b", r#"{"a":1}"#, r#"{"a":{"b":1}}"#, "into itself"),
            (
                "from_key: l/0/x, to_key: y",
                r#"{"l":[{"x":1}]}"#,
                r#"{"l":[{}],"y":1}"#,
                "out of a list",
            ),
            (
                "from_key_regex: 'a.*', to_key: b",
                r#"{"xa":0,"a1":1,"a2":2}"#,
                r#"{"xa":0,"a2":2,"b":1}"#,
                "the first",
            ),
            (
                "from_key_regex: 'a.*', to_key: b, overwrite_if_to_key_exists: true",
                r#"{"a1":1,"a2":2}"#,
                r#"{"b":2}"#,
                "the last",
            ),
            ("from_key: a, to_key: b, rename_when: /a == 2", r#"{"a":1}"#, r#"{"a":1}"#, "not now"),
        ] {
            let settings = format!("{{entries: [{{{entry}}}]}}");
            assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{entry}: {why}");
        }
        let settings = "{entries: [{from_key: a, to_key: b/c}]}";
        assert!(run(&FACTORY, settings, r#"{"b":"text","a":1}"#).is_err());
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for (settings, at) in [
            ("{}", ""),
            ("{entries: [{from_key: a, to_key: b}], transform_key: lowercase}", "transform_key"),
            ("{entries: [{to_key: b}]}", "entries[0]"),
            ("{entries: [{from_key_regex: '(', to_key: b}]}", "entries[0].from_key_regex"),
            ("{entries: [{from_key: '', to_key: b}]}", "entries[0].from_key"),
        ] {
            assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
        }
    }
}
