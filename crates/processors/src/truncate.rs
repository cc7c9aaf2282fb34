//! `truncate`: cuts texts off at the beginning, at the end, or both.
//!
//! Differs from Data Prepper: characters are counted, not halves of them.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, all, open};

pub(crate) const FACTORY: Factory = Factory::of::<Truncate>();

/// Settings of `truncate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to cut, in order.
    entries: Vec<Entry>,
}

/// How to cut some fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The fields; in a list, every text. Without it, all texts at the top of the document.
    #[serde(default)]
    source_keys: Vec<Key>,
    /// How many characters to leave away at the beginning.
    start_at: Option<usize>,
    /// How many characters to keep from there.
    length: Option<usize>,
    /// Cuts the texts in maps, too.
    #[serde(default)]
    recursive: bool,
    /// Only for these events.
    #[serde(default)]
    truncate_when: Condition,
}

struct Truncate(Vec<Entry>);

impl Configured for Truncate {
    const NAME: &'static str = "truncate";
    const EXAMPLE: &'static str = r"
- settings: { entries: [{ source_keys: [a, b], length: 5 }, { source_keys: [c], start_at: 4, length: 6 }] }
  before:   { a: 'hello,world', b: [short, 'too long'], c: new information }
  after:    [{ a: hello, b: [short, 'too l'], c: inform }]
- settings: { entries: [{ start_at: 2, recursive: true }] }
  before:   { a: xxA, b: { c: xxC }, d: 12345 }
  after:    [{ a: A, b: { c: C }, d: 12345 }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.entries.is_empty() {
            return Err(settings.problem("entries", "there are none").with_help("add one"));
        }
        let entry = |(n, entry): (usize, Entry)| {
            if entry.start_at.is_none() && entry.length.is_none() {
                let problem = "at least one of `start_at` and `length` must be there";
                return Err(settings.problem(&format!("entries[{n}]"), problem));
            }
            Ok(entry)
        };
        all(config.entries.into_iter().enumerate().map(entry)).map(Truncate)
    }
}

impl Processor for Truncate {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        for entry in &self.0 {
            if !entry.truncate_when.holds(event)? {
                continue;
            }
            let fields = open(event)?;
            if entry.source_keys.is_empty() {
                fields.values_mut().for_each(|value| entry.cut(value));
            }
            for key in &entry.source_keys {
                if let Some(value) = key.get_mut(fields) {
                    entry.cut(value);
                }
            }
        }
        Ok(Flow::Keep)
    }
}

impl Entry {
    fn cut(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let nth = |n: usize, text: &str| {
                    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
                };
                let start = nth(self.start_at.unwrap_or(0), text);
                let end =
                    start + self.length.map_or(text.len() - start, |n| nth(n, &text[start..]));
                if start != 0 || end != text.len() {
                    *text = text[start..end].to_owned();
                }
            }
            Value::List(values) => values.iter_mut().for_each(|value| match value {
                Value::Map(_) if !self.recursive => {}
                value => self.cut(value),
            }),
            Value::Map(map) if self.recursive => map.values_mut().for_each(|it| self.cut(it)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn characters_stay_whole() {
        for (entry, before, after) in [
            ("length: 2", r#"{"a":"aé😀b"}"#, r#"{"a":"aé"}"#),
            ("length: 3", r#"{"a":"aé😀b"}"#, r#"{"a":"aé😀"}"#),
            ("start_at: 9", r#"{"a":"abc"}"#, r#"{"a":""}"#),
            ("length: 0", r#"{"a":"abc"}"#, r#"{"a":""}"#),
            ("length: 1", r#"{"a":{"b":"abc"}}"#, r#"{"a":{"b":"abc"}}"#),
            ("length: 1, truncate_when: /a == 1", r#"{"a":"abc"}"#, r#"{"a":"abc"}"#),
        ] {
            let settings = format!("{{entries: [{{{entry}}}]}}");
            assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{entry}");
        }
        assert_eq!(problem(&FACTORY, "{entries: [{}]}").at, "entries[0]");
        assert_eq!(problem(&FACTORY, "{entries: [{length: -1}]}").at, "entries[0].length");
    }
}
