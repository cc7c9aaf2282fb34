//! `add_entries`: adds fields or metadata: a literal, a text with fields in it, or an expression.
//!
//! Differs from Data Prepper: a `format` may hold any expression, such as
//! `${getMetadata("primary_key")}`, not only keys; numbers keep their digits,
//! objects and lists become JSON.

use expression::{Expression, ParseError};
use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{
    Condition, FirstError, Format, Key, Tags, each_element, failed, on_element, open,
};

pub(crate) const FACTORY: Factory = Factory::of::<AddEntries>();

/// Settings of `add_entries`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to add, in order; each sees what the former have added.
    entries: Vec<EntryConfig>,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

/// One thing to add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are settings")]
struct EntryConfig {
    /// The field to set. May hold `${…}`, and `%{…}` for a part of today's date in UTC.
    key: Option<String>,
    /// The metadata to set in place of a field.
    metadata_key: Option<String>,
    /// A literal: any value.
    value: Option<Value>,
    /// A text in which `${key}` stands for a field; for one that is missing there is nothing.
    format: Option<Format>,
    /// An expression whose value it is.
    value_expression: Option<ValueExpression>,
    /// What is there already is replaced. Otherwise it stays.
    #[serde(default)]
    overwrite_if_key_exists: bool,
    /// What is there already becomes a list, and the value its last element.
    #[serde(default)]
    append_if_key_exists: bool,
    /// Only for these events.
    #[serde(default)]
    add_when: Condition,
    /// A list of objects; each of them gets the field.
    iterate_on: Option<Key>,
    /// Only for these elements; asked of the document, unless `evaluate_when_on_element` says other.
    #[serde(default)]
    add_to_element_when: Condition,
    /// Asks `add_to_element_when` of the element.
    #[serde(default)]
    evaluate_when_on_element: bool,
    /// Takes the key for the name of a field, even with a `/` in it. Only with `iterate_on`.
    #[serde(default = "yes")]
    flatten_key: bool,
    /// `format` and `value_expression` see the element and not the document. Only with `iterate_on`.
    #[serde(default = "yes")]
    disable_root_keys: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct ValueExpression(Expression);

impl TryFrom<String> for ValueExpression {
    type Error = ParseError;

    fn try_from(text: String) -> Result<ValueExpression, ParseError> {
        Expression::parse(&text).map(ValueExpression)
    }
}

struct AddEntries {
    entries: Vec<Entry>,
    tags: Tags,
}

struct Entry {
    place: Place,
    source: Source,
    exists: Exists,
    when: Condition,
    elements: Option<Elements>,
}

/// What to set.
enum Place {
    Field(Key),
    Dynamic(Format),
    Metadata(String),
}

/// Where the value comes from.
enum Source {
    Literal(Value),
    Format(Format),
    Expression(Expression),
}

/// What to do with what is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exists {
    Keep,
    Overwrite,
    Append,
}

/// Which elements of which list get the field.
struct Elements {
    list: Key,
    when: Condition,
    when_of_element: bool,
    flat: bool,
    from_root: bool,
}

impl Configured for AddEntries {
    const NAME: &'static str = "add_entries";
    const EXAMPLE: &'static str = r#"
- settings:
    entries:
      - { key: deleted, value: false }
      - { key: name/full, format: "${first} ${last}" }
      - { key: table, value_expression: 'getMetadata("table")' }
      - { key: tags, value: new, append_if_key_exists: true }
  metadata: { table: books }
  before: { first: Ada, last: L., tags: old }
  after:
    - { first: Ada, last: L., tags: [old, new], deleted: false, name: { full: Ada L. }, table: books }
- settings:
    entries:
      - iterate_on: lines
        key: total
        value_expression: /price * /n
        add_to_element_when: /n > 0
        evaluate_when_on_element: true
  before: { lines: [{ price: 0.1, n: 3 }, { price: 5, n: 0 }] }
  after: [{ lines: [{ price: 0.1, n: 3, total: 0.3 }, { price: 5, n: 0 }] }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.entries.is_empty() {
            return Err(settings.problem("entries", "there are none").with_help("add one"));
        }
        let mut entries = Vec::new();
        let mut errors = Vec::new();
        for (n, entry) in config.entries.into_iter().enumerate() {
            // An explicit `value: null` is a value.
            let at = format!("entries[{n}]");
            let has_value = settings.get(&format!("{at}.value")).is_some();
            match read_entry(entry, has_value) {
                Ok(entry) => entries.push(entry),
                Err((key, problem)) => {
                    errors.push(settings.problem(&format!("{at}{key}"), problem));
                }
            }
        }
        ConfigError::all(errors)
            .map_or(Ok(AddEntries { entries, tags: config.tags_on_failure }), Err)
    }
}

fn read_entry(config: EntryConfig, has_value: bool) -> Result<Entry, (&'static str, String)> {
    let place = match (config.key, config.metadata_key) {
        (Some(key), None) if key.contains("${") || key.contains("%{") => {
            Place::Dynamic(Format::key(&key).map_err(|error| (".key", error))?)
        }
        (Some(key), None) if config.iterate_on.is_some() && config.flatten_key => {
            Place::Field(Key::top(&key))
        }
        (Some(key), None) => {
            Place::Field(Key::parse(&key).map_err(|error| (".key", error.to_string()))?)
        }
        (None, Some(name)) => Place::Metadata(name.trim_start_matches('/').to_owned()),
        _ => return Err(("", "exactly one of `key` and `metadata_key` must be there".to_owned())),
    };
    let value = has_value.then(|| config.value.unwrap_or_default());
    let source = match (value, config.format, config.value_expression) {
        (Some(value), None, None) => Source::Literal(value),
        (None, Some(format), None) => Source::Format(format),
        (None, None, Some(expression)) => Source::Expression(expression.0),
        _ => {
            return Err((
                "",
                "Exactly one of value, format, or value_expression must be specified".to_owned(),
            ));
        }
    };
    let exists = match (config.overwrite_if_key_exists, config.append_if_key_exists) {
        (true, true) => {
            let problem = "it cannot be true together with `overwrite_if_key_exists`";
            return Err((".append_if_key_exists", problem.to_owned()));
        }
        (true, false) => Exists::Overwrite,
        (false, true) => Exists::Append,
        (false, false) => Exists::Keep,
    };
    let needs = |what: &'static str, needed: &str| Err((what, format!("it needs `{needed}`")));
    let elements = match config.iterate_on {
        Some(_) if matches!(place, Place::Metadata(_)) => {
            return Err((".iterate_on", "the elements of a list have no metadata".to_owned()));
        }
        Some(list) => Some(Elements {
            list,
            when_of_element: config.evaluate_when_on_element,
            flat: config.flatten_key,
            from_root: !config.disable_root_keys,
            when: config.add_to_element_when,
        }),
        None if !config.add_to_element_when.is_always() => {
            return needs(".add_to_element_when", "iterate_on");
        }
        None if config.evaluate_when_on_element => {
            return needs(".evaluate_when_on_element", "iterate_on");
        }
        None if !config.flatten_key => return needs(".flatten_key", "iterate_on"),
        None if !config.disable_root_keys => return needs(".disable_root_keys", "iterate_on"),
        None => None,
    };
    if let Some(elements) = &elements
        && elements.when_of_element
        && elements.when.is_always()
    {
        return needs(".evaluate_when_on_element", "add_to_element_when");
    }
    Ok(Entry { place, source, exists, when: config.add_when, elements })
}

impl Processor for AddEntries {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let mut errors = FirstError::default();
        for entry in &self.entries {
            errors.note(entry.add(event));
        }
        self.tags.settle(event, errors.result())
    }
}

impl Entry {
    fn add(&self, event: &mut Event) -> Result<(), ProcessError> {
        if !self.when.holds(event)? {
            return Ok(());
        }
        let Some(elements) = &self.elements else {
            return match &self.place {
                Place::Metadata(name) => {
                    let value = self.source.value(event)?;
                    self.set(&Key::top(name), &mut event.metadata, value)
                }
                Place::Field(key) => {
                    let fields = open(event)?;
                    if self.exists == Exists::Keep && key.is_in(fields) {
                        return Ok(());
                    }
                    let value = self.source.value(event)?;
                    self.set(key, open(event)?, value)
                }
                Place::Dynamic(format) => {
                    let key = rendered_key(format, event, false)?;
                    let value = self.source.value(event)?;
                    self.set(&key, open(event)?, value)
                }
            };
        };
        if !elements.when_of_element && !elements.when.holds(event)? {
            return Ok(());
        }
        let from_root = if elements.from_root { Some(self.source.value(event)?) } else { None };
        each_element(event, &elements.list, |event, element| {
            if elements.when_of_element && !elements.when.holds_for(element, event) {
                return Ok(());
            }
            let (key, value) = on_element(event, element, |event| {
                let key = match &self.place {
                    Place::Field(key) => key.clone(),
                    Place::Dynamic(format) => rendered_key(format, event, elements.flat)?,
                    Place::Metadata(_) => return failed("an element has no metadata"),
                };
                let value = match &from_root {
                    Some(value) => value.clone(),
                    None => self.source.value(event)?,
                };
                Ok((key, value))
            })?;
            self.set(&key, element, value)
        })
    }

    fn set(&self, key: &Key, fields: &mut Map, value: Value) -> Result<(), ProcessError> {
        let Some(old) = key.get_mut(fields) else { return key.put(fields, value) };
        match (self.exists, old) {
            (Exists::Keep, _) => {}
            (Exists::Overwrite, old) => *old = value,
            (Exists::Append, Value::List(values)) => values.push(value),
            (Exists::Append, old) => *old = Value::List(vec![std::mem::take(old), value]),
        }
        Ok(())
    }
}

fn rendered_key(format: &Format, event: &mut Event, flat: bool) -> Result<Key, ProcessError> {
    let text = format.render(event)?;
    let key = if flat { Ok(Key::top(&text)) } else { Key::parse(&text) };
    key.map_err(|error| ProcessError(format!("the key `{text}` is none: {error}")))
}

impl Source {
    fn value(&self, event: &mut Event) -> Result<Value, ProcessError> {
        match self {
            Source::Literal(value) => Ok(value.clone()),
            Source::Format(format) => format.render(event).map(Value::String),
            Source::Expression(expression) => {
                if expression.uses_fields() {
                    open(event)?;
                }
                expression.eval(event).map_err(|error| ProcessError(error.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
