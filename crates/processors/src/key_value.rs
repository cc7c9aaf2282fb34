//! `key_value`: makes fields of a text such as `a=1&b=2`.
//!
//! Differs from Data Prepper: several equal characters as `field_split_characters` or
//! `value_split_characters` (`&&`) are one delimiter, as its documents say; different ones (`&,`) each
//! are one, as in its code.

mod groups;
mod pairs;

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use self::pairs::Reader;
use crate::parts::{Condition, Key, Pattern, Tags, describe, failed, open, parsed::message};

pub(crate) const FACTORY: Factory = Factory::of::<KeyValue>();

/// Settings of `key_value`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are settings")]
pub(crate) struct Config {
    /// The field with the text. If it is missing, nothing happens.
    #[serde(default = "message")]
    source: Key,
    /// Where the fields go; `null` for the top of the document.
    #[serde(default = "parsed_message")]
    destination: Option<Key>,
    /// What stands between two pairs: any of these characters. By default `&`.
    field_split_characters: Option<String>,
    /// In their place: a pattern.
    field_delimiter_regex: Option<Pattern>,
    /// What stands between key and value: any of these characters. By default `=`.
    value_split_characters: Option<String>,
    /// In their place: a pattern.
    key_value_delimiter_regex: Option<Pattern>,
    /// The value of a key without one.
    #[serde(default)]
    non_match_value: Value,
    /// Leaves keys without a value away.
    #[serde(default)]
    drop_keys_with_no_value: bool,
    /// Stands before every key.
    #[serde(default)]
    prefix: String,
    /// What is removed from keys.
    delete_key_regex: Option<Pattern>,
    /// What is removed from values.
    delete_value_regex: Option<Pattern>,
    /// The only keys that are wanted; without it, all are.
    #[serde(default)]
    include_keys: Vec<String>,
    /// Keys that are not wanted.
    #[serde(default)]
    exclude_keys: Vec<String>,
    /// The values of keys that are not there.
    default_values: Option<Value>,
    /// What happens to the letters of keys.
    #[serde(default)]
    transform_key: Transform,
    /// What happens to white space around keys and values.
    #[serde(default)]
    whitespace: Whitespace,
    /// Keeps one of several equal values of a key.
    #[serde(default)]
    skip_duplicate_values: bool,
    /// Removes round, square and angle brackets from values.
    #[serde(default)]
    remove_brackets: bool,
    /// Delimiters within quotes or brackets are none.
    #[serde(default)]
    value_grouping: bool,
    /// A bracket or quote that is not closed is a failure. Needs `value_grouping`.
    #[serde(default)]
    strict_grouping: bool,
    /// A quote, `"` or `'`, around values that may hold anything.
    string_literal_character: Option<char>,
    /// A value in brackets that holds pairs becomes a map.
    #[serde(default)]
    recursive: bool,
    /// Puts `_` for the characters in keys that Data Prepper does not allow.
    #[serde(default)]
    normalize_keys: bool,
    /// What is at the destination already is replaced.
    #[serde(default = "yes")]
    overwrite_if_destination_exists: bool,
    /// What an event is marked with if its text cannot be taken apart.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    key_value_when: Condition,
}

/// What happens to the letters of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Transform {
    /// Nothing.
    #[default]
    None,
    /// They become lower case.
    Lowercase,
    /// They become upper case.
    Uppercase,
    /// The first becomes upper case.
    Capitalize,
}

/// What happens to white space around keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whitespace {
    /// It stays.
    #[default]
    Lenient,
    /// It is removed.
    Strict,
}

#[expect(clippy::unnecessary_wraps, reason = "it is the default of a setting that may be null")]
fn parsed_message() -> Option<Key> {
    Some(Key::top("parsed_message"))
}

fn yes() -> bool {
    true
}

struct KeyValue {
    config: Config,
    defaults: Map,
    reader: Reader,
}

impl Configured for KeyValue {
    const NAME: &'static str = "key_value";
    const EXAMPLE: &'static str = r#"
- settings: { source: query, destination: parameters }
  before:   { query: "q=book&page=2&debug" }
  after:    [{ query: "q=book&page=2&debug", parameters: { q: book, page: "2", debug: null } }]
- settings: { source: line, destination: null, field_split_characters: ",", whitespace: strict, value_grouping: true }
  before:   { line: 'a = 1, b = "x, y", a = 2' }
  after:    [{ line: 'a = 1, b = "x, y", a = 2', a: ["1", "2"], b: '"x, y"' }]
"#;
    type Config = Config;

    fn build(mut config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let both = |name: &str, other: &str| {
            settings
                .problem(name, format!("it is there together with `{other}`"))
                .with_help("remove one")
        };
        if config.field_split_characters.is_some() && config.field_delimiter_regex.is_some() {
            return Err(both("field_delimiter_regex", "field_split_characters"));
        }
        if config.value_split_characters.is_some() && config.key_value_delimiter_regex.is_some() {
            return Err(both("key_value_delimiter_regex", "value_split_characters"));
        }
        if let Some(key) = config.include_keys.iter().find(|it| config.exclude_keys.contains(it)) {
            let problem = format!("`{key}` is in `include_keys`, too");
            return Err(settings.problem("exclude_keys", problem));
        }
        if config.strict_grouping && !config.value_grouping {
            return Err(settings.problem("strict_grouping", "it needs `value_grouping: true`"));
        }
        if config.string_literal_character.is_some_and(|it| it != '"' && it != '\'') {
            let problem = "it must be `\"` or `'`";
            return Err(settings.problem("string_literal_character", problem));
        }
        let pattern = |name: &str, characters: Option<&str>, default: &str| {
            any_of(characters.unwrap_or(default)).map_err(|problem| settings.problem(name, problem))
        };
        let between_pairs = match config.field_delimiter_regex.take() {
            Some(pattern) => pattern,
            None => {
                pattern("field_split_characters", config.field_split_characters.as_deref(), "&")?
            }
        };
        let within_pair = match config.key_value_delimiter_regex.take() {
            Some(pattern) => pattern,
            None => {
                pattern("value_split_characters", config.value_split_characters.as_deref(), "=")?
            }
        };
        let defaults = match config.default_values.take() {
            None => Map::default(),
            Some(Value::Map(map)) => map,
            Some(_) => return Err(settings.problem("default_values", "it must be a map")),
        };
        let reader = Reader {
            between_pairs,
            within_pair,
            grouping: config.value_grouping || config.recursive,
            strict: config.strict_grouping,
            literal: config.string_literal_character,
        };
        Ok(KeyValue { config, defaults, reader })
    }
}

/// A pattern for any of some characters, or for all of them if they are equal.
fn any_of(characters: &str) -> Result<Pattern, String> {
    let mut letters = characters.chars();
    let Some(first) = letters.next() else { return Err("it is empty".to_owned()) };
    if letters.all(|it| it == first) {
        return Pattern::literal(characters);
    }
    // They may be escaped as for a regular expression, because in Data Prepper they must be.
    let mut class = String::new();
    for letter in characters.chars().filter(|it| *it != '\\') {
        if letter.is_ascii_punctuation() {
            class.push('\\');
        }
        class.push(letter);
    }
    Pattern::new(&format!("[{class}]"))
}

impl Processor for KeyValue {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.config.key_value_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.take_apart(open(event)?);
        self.config.tags_on_failure.settle(event, result)
    }
}

impl KeyValue {
    fn take_apart(&self, fields: &mut Map) -> Result<(), ProcessError> {
        let Config { source, destination, overwrite_if_destination_exists, .. } = &self.config;
        let text = match source.get(fields) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(text)) => text,
            Some(other) => return failed(format!("`{source}` is {}", describe(other))),
        };
        let mut map = self.map_of(text, 0)?;
        for (key, value) in &self.defaults {
            if !map.contains_key(key) {
                map.insert(key.clone(), value.clone());
            }
        }
        match destination {
            Some(key) if !overwrite_if_destination_exists && key.is_in(fields) => Ok(()),
            Some(key) => key.put(fields, Value::Map(map)),
            None => {
                for (key, value) in map {
                    if *overwrite_if_destination_exists || !fields.contains_key(&key) {
                        fields.insert(key, value);
                    }
                }
                Ok(())
            }
        }
    }

    fn map_of(&self, text: &str, depth: usize) -> Result<Map, ProcessError> {
        let mut map = Map::default();
        for (key, value) in self.reader.pairs(text)? {
            let Some(key) = self.key_of(key)? else { continue };
            let value = match value {
                None if self.config.drop_keys_with_no_value => continue,
                None => self.config.non_match_value.clone(),
                Some("") if self.config.drop_keys_with_no_value => continue,
                Some(text) => self.value_of(text, depth)?,
            };
            match map.get_mut(&key) {
                None => {
                    map.insert(key, value);
                }
                Some(Value::List(values)) => {
                    if !(self.config.skip_duplicate_values && values.contains(&value)) {
                        values.push(value);
                    }
                }
                Some(first) if self.config.skip_duplicate_values && *first == value => {}
                Some(first) => *first = Value::List(vec![std::mem::take(first), value]),
            }
        }
        Ok(map)
    }

    fn key_of(&self, text: &str) -> Result<Option<String>, ProcessError> {
        let config = &self.config;
        let text = if config.whitespace == Whitespace::Strict { text.trim() } else { text };
        let deleted = without(config.delete_key_regex.as_ref(), text)?;
        let key = config.transform_key.of(&deleted);
        let wanted = (config.include_keys.is_empty() || config.include_keys.contains(&key))
            && !config.exclude_keys.contains(&key);
        if key.trim().is_empty() || !wanted {
            return Ok(None);
        }
        let key = format!("{}{key}", config.prefix);
        if !config.normalize_keys {
            return Ok(Some(key));
        }
        let allowed = |it: char| it.is_ascii_alphanumeric() || " .-_~@/[]()$".contains(it);
        Ok(Some(key.chars().map(|it| if allowed(it) { it } else { '_' }).collect()))
    }

    fn value_of(&self, text: &str, depth: usize) -> Result<Value, ProcessError> {
        let config = &self.config;
        let text = if config.whitespace == Whitespace::Strict { text.trim() } else { text };
        if config.recursive
            && let Some(inner) = groups::inside_brackets(text)
            && self.reader.is_pair(inner)?
        {
            if groups::DEPTH_MAX < depth {
                return failed(format!("`{}` is nested too deep", config.source));
            }
            return self.map_of(inner, depth + 1).map(Value::Map);
        }
        let mut value = without(config.delete_value_regex.as_ref(), text)?;
        if config.remove_brackets {
            value.retain(|it| !"()[]<>".contains(it));
        }
        if let Some(quote) = config.string_literal_character
            && let Some(inner) = value.strip_prefix(quote).and_then(|it| it.strip_suffix(quote))
        {
            return Ok(Value::String(inner.to_owned()));
        }
        Ok(Value::String(value))
    }
}

fn without(pattern: Option<&Pattern>, text: &str) -> Result<String, ProcessError> {
    let deleted = pattern.map(|it| it.replace(text, |_, _| {})).transpose()?;
    Ok(deleted.flatten().unwrap_or_else(|| text.to_owned()))
}

impl Transform {
    fn of(self, key: &str) -> String {
        match self {
            Transform::None => key.to_owned(),
            Transform::Lowercase => key.to_lowercase(),
            Transform::Uppercase => key.to_uppercase(),
            Transform::Capitalize => {
                let mut letters = key.chars();
                let first = letters.next().map(char::to_uppercase);
                first.into_iter().flatten().chain(letters).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
