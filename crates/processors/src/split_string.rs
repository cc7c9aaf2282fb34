//! `split_string`: makes a list of a text.
//!
//! As in Data Prepper, empty texts at the end are left away.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, FirstError, Key, Pattern, Tags, all, delimiter, open, split};

pub(crate) const FACTORY: Factory = Factory::of::<SplitString>();

/// Settings of `split_string`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to split, in order.
    entries: Vec<EntryConfig>,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

/// One field to split.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryConfig {
    /// The field. What is missing or not a text is left alone.
    source: Key,
    /// What stands between the parts.
    delimiter: Option<String>,
    /// In its place: a pattern.
    delimiter_regex: Option<Pattern>,
    /// Only for these events.
    #[serde(default)]
    split_when: Condition,
}

struct SplitString {
    entries: Vec<Entry>,
    tags: Tags,
}

struct Entry {
    source: Key,
    delimiter: Pattern,
    when: Condition,
}

impl Configured for SplitString {
    const NAME: &'static str = "split_string";
    const EXAMPLE: &'static str = r#"
settings: { entries: [{ source: tags, delimiter: "," }, { source: words, delimiter_regex: '\s+' }] }
before:   { tags: "a,b,,c,,", words: "one  two" }
after:    [{ tags: [a, b, "", c], words: [one, two] }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.entries.is_empty() {
            return Err(settings.problem("entries", "there are none").with_help("add one"));
        }
        let entry = |(n, entry): (usize, EntryConfig)| {
            let at = format!("entries[{n}]");
            let delimiter = delimiter(entry.delimiter, entry.delimiter_regex)
                .map_err(|problem| settings.problem(&at, problem))?;
            let Some(delimiter) = delimiter else {
                let problem = "exactly one of `delimiter` and `delimiter_regex` must be there";
                return Err(settings.problem(&at, problem));
            };
            Ok(Entry { source: entry.source, delimiter, when: entry.split_when })
        };
        let entries = all(config.entries.into_iter().enumerate().map(entry))?;
        Ok(SplitString { entries, tags: config.tags_on_failure })
    }
}

impl Processor for SplitString {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let mut errors = FirstError::default();
        for entry in &self.entries {
            errors.note(entry.split(event));
        }
        self.tags.settle(event, errors.result())
    }
}

impl Entry {
    fn split(&self, event: &mut Event) -> Result<(), ProcessError> {
        if !self.when.holds(event)? {
            return Ok(());
        }
        let fields = open(event)?;
        if let Some(value @ Value::String(_)) = self.source.get_mut(fields)
            && let Value::String(text) = &*value
        {
            let parts = split(&self.delimiter, text)?;
            *value = Value::List(parts.into_iter().map(Value::from).collect());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn a_text_becomes_a_list() {
        for (settings, before, after) in [
            ("{source: a, delimiter: ','}", r#"{"a":""}"#, r#"{"a":[""]}"#),
            ("{source: a, delimiter: ','}", r#"{"a":"x"}"#, r#"{"a":["x"]}"#),
            ("{source: a, delimiter: ','}", r#"{"a":",x"}"#, r#"{"a":["","x"]}"#),
            ("{source: a, delimiter: ','}", r#"{"a":",,"}"#, r#"{"a":[]}"#),
            ("{source: a, delimiter: '.'}", r#"{"a":"x.y"}"#, r#"{"a":["x","y"]}"#),
            ("{source: a, delimiter_regex: ''}", r#"{"a":"xy"}"#, r#"{"a":["x","y"]}"#),
            ("{source: a, delimiter: ','}", r#"{"a":7}"#, r#"{"a":7}"#),
            (
                "{source: a, delimiter: ',', split_when: /b == 1}",
                r#"{"a":"x,y"}"#,
                r#"{"a":"x,y"}"#,
            ),
        ] {
            let settings = format!("{{entries: [{settings}]}}");
            assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{settings}");
        }
        for settings in [
            "{source: a}",
            "{source: a, delimiter: x, delimiter_regex: y}",
            "{source: a, delimiter: ''}",
        ] {
            assert_eq!(problem(&FACTORY, &format!("{{entries: [{settings}]}}")).at, "entries[0]");
        }
    }
}
