//! `substitute_string`: replaces what a pattern matches in a text.

use pipeline::{ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings};
use serde::Deserialize;

use crate::parts::{Condition, FirstError, Key, Pattern, Replacement, Tags, all, replace_all};

pub(crate) const FACTORY: Factory = Factory::of::<SubstituteString>();

/// Settings of `substitute_string`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to replace, in order.
    entries: Vec<EntryConfig>,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

/// One pattern to replace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryConfig {
    /// The field; in a list, every text. What is missing or not a text is left alone.
    source: Key,
    /// The pattern.
    from: Pattern,
    /// What stands in its place; `$1` or `${name}` for a group of the pattern, `\$` for a `$`.
    to: String,
    /// Only for these events.
    #[serde(default)]
    substitute_when: Condition,
}

struct SubstituteString {
    entries: Vec<Entry>,
    tags: Tags,
}

struct Entry {
    source: Key,
    from: Pattern,
    to: Replacement,
    when: Condition,
}

impl Configured for SubstituteString {
    const NAME: &'static str = "substitute_string";
    const EXAMPLE: &'static str = r"
settings: { entries: [{ source: name, from: '(\w+), (\w+)', to: '$2 $1' }] }
before:   { name: 'Lovelace, Ada' }
after:    [{ name: Ada Lovelace }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.entries.is_empty() {
            return Err(settings.problem("entries", "there are none").with_help("add one"));
        }
        let entry = |(n, entry): (usize, EntryConfig)| {
            let to = Replacement::parse(&entry.to, &entry.from)
                .map_err(|problem| settings.problem(&format!("entries[{n}].to"), problem))?;
            let EntryConfig { source, from, substitute_when: when, .. } = entry;
            Ok(Entry { source, from, to, when })
        };
        let entries = all(config.entries.into_iter().enumerate().map(entry))?;
        Ok(SubstituteString { entries, tags: config.tags_on_failure })
    }
}

impl Processor for SubstituteString {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let mut errors = FirstError::default();
        for Entry { source, from, to, when } in &self.entries {
            errors.note(replace_all(event, when, source, from, to));
        }
        self.tags.settle(event, errors.result())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run};

    #[test]
    fn every_match_is_replaced() {
        for (entry, before, after) in [
            ("from: 'a', to: 'b'", r#"{"s":"aXa"}"#, r#"{"s":"bXb"}"#),
            ("from: '(?<y>\\d+)', to: '<${y}>'", r#"{"s":"a1b22"}"#, r#"{"s":"a<1>b<22>"}"#),
            ("from: '(a)', to: '$10\\$'", r#"{"s":"a"}"#, r#"{"s":"a0$"}"#),
            ("from: 'x*', to: '-'", r#"{"s":"ab"}"#, r#"{"s":"-a-b-"}"#),
            ("from: '(?<=a)b', to: ''", r#"{"s":"abcb"}"#, r#"{"s":"acb"}"#),
            ("from: 'a', to: 'b'", r#"{"s":["a",1,"xa"]}"#, r#"{"s":["b",1,"xb"]}"#),
            ("from: 'a', to: 'b'", r#"{"s":{"a":"a"}}"#, r#"{"s":{"a":"a"}}"#),
            ("from: 'a', to: 'b', substitute_when: /x}", r#"{"s":"a"}"#, r#"{"s":"a"}"#),
        ] {
            let settings = format!("{{entries: [{{source: s, {}}}]}}", entry.trim_end_matches('}'));
            assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{settings}");
        }
        for (entry, at) in [
            ("from: '(', to: ''", "entries[0].from"),
            ("from: a, to: '$1'", "entries[0].to"),
            ("from: a, to: '${x}'", "entries[0].to"),
            ("from: a, to: '5 $'", "entries[0].to"),
        ] {
            let settings = format!("{{entries: [{{source: s, {entry}}}]}}");
            assert_eq!(problem(&FACTORY, &settings).at, at, "{entry}");
        }
    }
}
