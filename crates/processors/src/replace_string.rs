//! `replace_string`: replaces one text by another within a text.

use pipeline::{ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings};
use serde::Deserialize;

use crate::parts::{Condition, FirstError, Key, Pattern, Replacement, all, replace_all};

pub(crate) const FACTORY: Factory = Factory::of::<ReplaceString>();

/// Settings of `replace_string`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to replace, in order.
    entries: Vec<EntryConfig>,
}

/// One text to replace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryConfig {
    /// The field; in a list, every text. What is missing or not a text is left alone.
    source: Key,
    /// The text, as it is; for patterns there is `substitute_string`.
    from: String,
    /// What stands in its place.
    to: String,
    /// Only for these events.
    #[serde(default)]
    replace_when: Condition,
}

struct ReplaceString(Vec<Entry>);

struct Entry {
    source: Key,
    from: Pattern,
    to: Replacement,
    when: Condition,
}

impl Configured for ReplaceString {
    const NAME: &'static str = "replace_string";
    const EXAMPLE: &'static str = r#"
settings: { entries: [{ source: price, from: "$", to: "USD " }] }
before:   { price: "$10.50" }
after:    [{ price: USD 10.50 }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.entries.is_empty() {
            return Err(settings.problem("entries", "there are none").with_help("add one"));
        }
        let entry = |(n, entry): (usize, EntryConfig)| {
            let at = format!("entries[{n}].from");
            if entry.from.is_empty() {
                return Err(settings.problem(&at, "it is empty"));
            }
            let from = Pattern::literal(&entry.from).map_err(|it| settings.problem(&at, it))?;
            let to = Replacement::literal(&entry.to);
            Ok(Entry { source: entry.source, from, to, when: entry.replace_when })
        };
        let entries = all(config.entries.into_iter().enumerate().map(entry))?;
        Ok(ReplaceString(entries))
    }
}

impl Processor for ReplaceString {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let mut errors = FirstError::default();
        for Entry { source, from, to, when } in &self.0 {
            errors.note(replace_all(event, when, source, from, to));
        }
        errors.result().map(|()| Flow::Keep)
    }
}
