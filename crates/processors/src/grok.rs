//! `grok`: takes a text apart by patterns that have names: `%{IP:client} %{WORD:method}`.
//!
//! Differs from Data Prepper: a pattern is given up after a number of steps, not after
//! `timeout_millis`, so that the same text always has the same result; `0` there still means never to
//! give up early. `performance_metadata` counts patterns, but not time.

mod compile;
mod library;

use std::{collections::HashMap, fs, path::Path};

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use self::compile::Grokker;
use crate::parts::{Condition, Key, Tags, Type, all, convert, open, text_of};

pub(crate) const FACTORY: Factory = Factory::of::<Grok>();

/// The metadata that `performance_metadata` sets.
const ATTEMPTED: &str = "_total_grok_patterns_attempted";

/// Settings of `grok`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are settings")]
pub(crate) struct Config {
    /// Patterns for each field, tried in order. A field that is missing is skipped.
    #[serde(rename = "match")]
    matches: Value,
    /// Where the new fields go; without it, to the top of the document.
    target_key: Option<Key>,
    /// Stops at the first pattern of a field that matches.
    #[serde(default = "yes")]
    break_on_match: bool,
    /// Sets fields to null for parts of a pattern that matched nothing.
    #[serde(default)]
    keep_empty_captures: bool,
    /// Leaves `%{WORD}` away; otherwise it becomes a field `WORD`.
    #[serde(default = "yes")]
    named_captures_only: bool,
    /// Fields that are replaced; in others, what is there and what is new become a list.
    #[serde(default)]
    keys_to_overwrite: Vec<String>,
    /// More patterns: `{ ISBN: '[0-9-]{10,17}' }`.
    pattern_definitions: Option<Value>,
    /// Folders with files of patterns, on each line a name, a space and a pattern.
    #[serde(default)]
    patterns_directories: Vec<String>,
    /// Which files in them.
    #[serde(default = "star")]
    patterns_files_glob: String,
    /// `0` never gives a pattern up early. Otherwise see above.
    #[serde(default = "half_a_minute")]
    timeout_millis: u64,
    /// What an event is marked with if no pattern matches.
    #[serde(default)]
    tags_on_match_failure: Tags,
    /// What it is marked with if a pattern is given up; by default the same.
    tags_on_timeout: Option<Tags>,
    /// Sets the metadata `_total_grok_patterns_attempted`.
    #[serde(default)]
    performance_metadata: bool,
    /// Only for these events.
    #[serde(default)]
    grok_when: Condition,
}

fn yes() -> bool {
    true
}

fn star() -> String {
    "*".to_owned()
}

fn half_a_minute() -> u64 {
    30_000
}

struct Grok {
    fields: Vec<(Key, Vec<Grokker>)>,
    target: Option<Key>,
    break_on_match: bool,
    keep_empty: bool,
    overwrite: Vec<String>,
    on_no_match: Tags,
    on_timeout: Tags,
    counts: bool,
    when: Condition,
}

impl Configured for Grok {
    const NAME: &'static str = "grok";
    const EXAMPLE: &'static str = r#"
- settings: { match: { log: ["%{IP:client} %{WORD:method} %{NUMBER:ms:int}"] } }
  before:   { log: "10.0.0.1 GET 42" }
  after:    [{ log: "10.0.0.1 GET 42", client: 10.0.0.1, method: GET, ms: 42 }]
- settings:
    match: { text: ["^%{ISBN:isbn}$", "%{GREEDYDATA:other}"] }
    pattern_definitions: { ISBN: "[0-9-]{10,17}" }
    target_key: book
  before:   { text: 0-306-40615-2 }
  after:    [{ text: 0-306-40615-2, book: { isbn: 0-306-40615-2 } }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let library = library(&config, settings)?;
        let Value::Map(matches) = config.matches else {
            return Err(settings.problem("match", "it must be a map, of fields and their patterns"));
        };
        let never_give_up = config.timeout_millis == 0;
        let field = |(name, patterns): (String, Value)| {
            let at = format!("match.{name}");
            let key = Key::parse(&name).map_err(|it| settings.problem(&at, it.to_string()))?;
            let patterns = match patterns {
                Value::List(patterns) if !patterns.is_empty() => patterns,
                Value::String(pattern) => vec![Value::String(pattern)],
                _ => return Err(settings.problem(&at, "it must be a list of patterns")),
            };
            let compile = |(n, pattern): (usize, &Value)| {
                let named = config.named_captures_only;
                Grokker::compile(&text_of(pattern), &library, named, never_give_up)
                    .map_err(|problem| settings.problem(&format!("{at}[{n}]"), problem))
            };
            Ok((key, all(patterns.iter().enumerate().map(compile))?))
        };
        let fields = all(matches.into_iter().map(field))?;
        if fields.is_empty() {
            return Err(settings
                .problem("match", "it is empty")
                .with_help("name a field and its patterns"));
        }
        Ok(Grok {
            fields,
            target: config.target_key,
            break_on_match: config.break_on_match,
            keep_empty: config.keep_empty_captures,
            overwrite: config.keys_to_overwrite,
            on_timeout: config
                .tags_on_timeout
                .unwrap_or_else(|| config.tags_on_match_failure.clone()),
            on_no_match: config.tags_on_match_failure,
            counts: config.performance_metadata,
            when: config.grok_when,
        })
    }
}

/// The patterns we have, those in files, and those in the settings; later ones replace others.
fn library(config: &Config, settings: &Settings) -> Result<HashMap<String, String>, ConfigError> {
    let mut library = library::patterns();
    for (n, directory) in config.patterns_directories.iter().enumerate() {
        let at = format!("patterns_directories[{n}]");
        let problem = |error: std::io::Error| {
            settings.problem(&at, format!("`{directory}` cannot be read: {error}"))
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(Path::new(directory)).map_err(problem)? {
            let path = entry.map_err(problem)?.path();
            let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
            if path.is_file() && name.is_some_and(|it| fits(&it, &config.patterns_files_glob)) {
                paths.push(path);
            }
        }
        paths.sort();
        for path in paths {
            library::add_all(&fs::read_to_string(path).map_err(problem)?, &mut library);
        }
    }
    match &config.pattern_definitions {
        None => {}
        Some(Value::Map(map)) => {
            library.extend(map.iter().map(|(name, pattern)| (name.clone(), text_of(pattern))));
        }
        Some(_) => return Err(settings.problem("pattern_definitions", "it must be a map")),
    }
    Ok(library)
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(name: &str, glob: &str) -> bool {
    match glob.split_once('*') {
        None => name == glob,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.any(|at| fits(&rest[at..], after))
        }),
    }
}

/// What came of all patterns.
#[derive(Default)]
struct Outcome {
    matched: bool,
    gave_up: bool,
    n_tried: u64,
}

impl Processor for Grok {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let mut outcome = Outcome::default();
        let fields = open(event)?;
        let captured = self.capture(fields, &mut outcome);
        match &self.target {
            Some(target) if !captured.is_empty() => {
                target.check(fields)?;
                let mut below = match target.get(fields) {
                    Some(Value::Map(map)) => map.clone(),
                    _ => Map::default(),
                };
                self.merge(captured, &mut below);
                target.put(fields, Value::Map(below))?;
            }
            Some(_) => {}
            None => self.merge(captured, fields),
        }
        if self.counts {
            let before = event.metadata.get(ATTEMPTED).and_then(|it| match it {
                Value::Number(number) => number.as_i64(),
                _ => None,
            });
            let n = u64::try_from(before.unwrap_or(0)).unwrap_or(0) + outcome.n_tried;
            event.metadata.insert(ATTEMPTED.to_owned(), n.into());
        }
        if outcome.gave_up {
            self.on_timeout.mark(event);
        } else if !outcome.matched && 0 < outcome.n_tried {
            self.on_no_match.mark(event);
        }
        Ok(Flow::Keep)
    }
}

impl Grok {
    fn capture(&self, fields: &Map, outcome: &mut Outcome) -> Map {
        let mut captured = Map::default();
        for (key, grokkers) in &self.fields {
            let text = match key.get(fields) {
                None | Some(Value::Null | Value::Map(_) | Value::List(_)) => continue,
                Some(value) => text_of(value),
            };
            for grokker in grokkers {
                outcome.n_tried += 1;
                match grokker.captures(&text) {
                    Err(_) => outcome.gave_up = true,
                    Ok(None) => {}
                    Ok(Some(found)) => {
                        outcome.matched = true;
                        for (name, text, to) in found {
                            self.add(name, text, to, &mut captured);
                        }
                        if self.break_on_match {
                            break;
                        }
                    }
                }
            }
        }
        captured
    }

    fn add(&self, name: &str, text: Option<&str>, to: Type, captured: &mut Map) {
        let value = match text {
            None | Some("") if !self.keep_empty => return,
            None => Value::Null,
            Some(text) => {
                let text = Value::from(text);
                convert(&text, to, 0).unwrap_or(text)
            }
        };
        match captured.get_mut(name) {
            None => {
                captured.insert(name.to_owned(), value);
            }
            Some(Value::List(values)) => values.push(value),
            Some(first) => *first = Value::List(vec![std::mem::take(first), value]),
        }
    }

    fn merge(&self, captured: Map, fields: &mut Map) {
        for (name, value) in captured {
            match fields.get_mut(&name) {
                Some(there) if !self.overwrite.contains(&name) => {
                    let mut values = match std::mem::take(there) {
                        Value::List(values) => values,
                        one => vec![one],
                    };
                    match value {
                        Value::List(more) => values.extend(more),
                        one => values.push(one),
                    }
                    *there = Value::List(values);
                }
                _ => {
                    fields.insert(name, value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
