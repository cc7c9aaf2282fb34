//! `csv`: makes fields of a line of values with commas between them.
//!
//! Columns without a name are called `column1`, `column2`, and so on.

mod line;

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, describe, failed, open, parsed::message};

pub(crate) const FACTORY: Factory = Factory::of::<Csv>();

/// Settings of `csv`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field with the line. If it is missing, nothing happens.
    #[serde(default = "message")]
    source: Key,
    /// What stands between two values; one character.
    #[serde(default = "comma")]
    delimiter: char,
    /// What stands around a value that holds the delimiter; doubled within it.
    #[serde(default = "quote")]
    quote_character: char,
    /// The names of the columns.
    #[serde(default)]
    column_names: Vec<String>,
    /// The field that holds the names of the columns as such a line, and goes before `column_names`.
    column_names_source_key: Option<Key>,
    /// Removes the field with the names of the columns.
    #[serde(default = "yes")]
    delete_header: bool,
    /// Removes the field with the line.
    #[serde(default)]
    delete_source: bool,
    /// Takes all the lines of a text, not only the first; their values follow each other.
    #[serde(default)]
    multiline: bool,
    /// What an event is marked with if its line cannot be taken apart.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    csv_when: Condition,
}

fn comma() -> char {
    ','
}

fn quote() -> char {
    '"'
}

fn yes() -> bool {
    true
}

struct Csv(Config);

impl Configured for Csv {
    const NAME: &'static str = "csv";
    const EXAMPLE: &'static str = r#"
- settings: { source: line, column_names: [name, city], delete_source: true }
  before:   { line: 'Ada,"London, UK",36' }
  after:    [{ name: Ada, city: "London, UK", column3: "36" }]
- settings: { source: line, column_names_source_key: header, delimiter: ";" }
  before:   { line: Ada;36, header: name;age }
  after:    [{ line: Ada;36, name: Ada, age: "36" }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.delimiter == config.quote_character {
            let problem = "it is the same as `delimiter`";
            return Err(settings.problem("quote_character", problem));
        }
        Ok(Csv(config))
    }
}

impl Processor for Csv {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.csv_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.take_apart(event);
        self.0.tags_on_failure.settle(event, result)
    }
}

impl Csv {
    fn take_apart(&self, event: &mut Event) -> Result<(), ProcessError> {
        let Config { source, delimiter, quote_character, .. } = &self.0;
        let fields = open(event)?;
        let read = |key: &Key, multiline: bool| match key.get(fields) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => line::read(text, *delimiter, *quote_character, multiline)
                .map(Some)
                .map_err(|problem| ProcessError(format!("`{key}`: {problem}"))),
            Some(other) => failed(format!("`{key}` is {}, not a text", describe(other))),
        };
        let Some(values) = read(source, self.0.multiline)? else { return Ok(()) };
        let header = match &self.0.column_names_source_key {
            Some(key) => read(key, false)?,
            None => None,
        };
        let names = header.as_ref().unwrap_or(&self.0.column_names);
        if self.0.delete_header
            && header.is_some()
            && let Some(key) = &self.0.column_names_source_key
        {
            key.remove(fields);
        }
        if self.0.delete_source {
            source.remove(fields);
        }
        for (n, value) in values.into_iter().enumerate() {
            let name = names.get(n).cloned().unwrap_or_else(|| format!("column{}", n + 1));
            fields.insert(name, Value::String(value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn a_line_becomes_fields() {
        for (settings, before, after) in [
            ("{}", r#"{"message":"1,2"}"#, r#"{"message":"1,2","column1":"1","column2":"2"}"#),
            ("{delete_source: true}", r#"{"message":"1\n2"}"#, r#"{"column1":"1"}"#),
            (
                "{delete_source: true, multiline: true}",
                r#"{"message":"1\n2"}"#,
                r#"{"column1":"1","column2":"2"}"#,
            ),
            (
                "{column_names: [a, b, c], delete_source: true}",
                r#"{"message":"1,2"}"#,
                r#"{"a":"1","b":"2"}"#,
            ),
            (
                "{column_names: [a], column_names_source_key: h, delete_header: false, delete_source: true}",
                r#"{"message":"1","h":"x"}"#,
                r#"{"h":"x","x":"1"}"#,
            ),
            (
                "{column_names: [a], column_names_source_key: h, delete_source: true}",
                r#"{"message":"1"}"#,
                r#"{"a":"1"}"#,
            ),
            ("{}", r#"{"x":1}"#, r#"{"x":1}"#),
        ] {
            assert_eq!(run(&FACTORY, settings, before).unwrap(), after, "{settings}");
        }
        for bad in [r#"{"message":"\"x"}"#, r#"{"message":7}"#] {
            assert!(run(&FACTORY, "{}", bad).is_err());
            assert_eq!(tags(&FACTORY, "{tags_on_failure: [t]}", bad), ["t"]);
        }
        assert_eq!(problem(&FACTORY, "{delimiter: '\"'}").at, "quote_character");
        assert_eq!(problem(&FACTORY, "{delimiter: ab}").at, "delimiter");
    }
}
