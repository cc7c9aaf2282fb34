//! `translate`: looks a value up in a table: `404` becomes `Not Found`.
//!
//! The field that is set stands beside the one that is looked up, also in every object of a list:
//! with the source `lines/status` it is a field of each line.
//!
//! Differs from Data Prepper: tables are in the pipeline file or in a local file, not in S3.

mod table;

use std::{fs, sync::Arc};

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings,
    SourceText, Value,
};
use serde::Deserialize;

use self::table::Table;
use crate::parts::{Condition, FirstError, Key, Tags, Type, all, convert, open, text_of};

pub(crate) const FACTORY: Factory = Factory::of::<Translate>();

/// Settings of `translate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to look up.
    #[serde(default)]
    mappings: Vec<MappingConfig>,
    /// A file with more mappings. Where it has the same source and target, what is here wins.
    file: Option<FileConfig>,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

/// A local file of mappings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileConfig {
    /// Its path.
    name: String,
    /// Not here: the file must be local.
    aws: Option<Value>,
}

/// What stands in a file of mappings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileContent {
    mappings: Vec<MappingConfig>,
}

/// One value to look up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingConfig {
    /// The field; or several beside each other, whose texts are joined by `,`.
    source: Sources,
    /// What to set.
    targets: Vec<TargetConfig>,
}

/// One field or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sources {
    One(String),
    Several(Vec<String>),
}

/// One field to set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetConfig {
    /// The field.
    target: Key,
    /// What to set for which value: `404`, several as `a,b`, or numbers as `200-299`.
    map: Option<Value>,
    /// Patterns, which are tried where the map has no answer.
    regex: Option<RegexConfig>,
    /// What to set if there is no answer at all; otherwise nothing is.
    default: Option<Value>,
    /// The type of what is set.
    #[serde(default = "string", rename = "type")]
    to: Type,
    /// Only for these events.
    #[serde(default)]
    translate_when: Condition,
}

/// What to set for values that match a pattern.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegexConfig {
    /// What to set for which pattern; the first that matches.
    patterns: Value,
    /// The pattern must match the whole value. Otherwise, what it matches is replaced.
    #[serde(default = "yes")]
    exact: bool,
}

fn yes() -> bool {
    true
}

fn string() -> Type {
    Type::String
}

struct Translate {
    mappings: Vec<Mapping>,
    tags: Tags,
}

struct Mapping {
    /// The way to the map, or to the list of maps, the fields are in.
    parent: Option<Key>,
    names: Vec<String>,
    targets: Vec<Target>,
}

struct Target {
    key: Key,
    table: Table,
    default: Option<Value>,
    to: Type,
    when: Condition,
}

impl Configured for Translate {
    const NAME: &'static str = "translate";
    const EXAMPLE: &'static str = r#"
- settings:
    mappings:
      - source: status
        targets:
          - { target: text, map: { 404: Not Found, "200-299": fine, "a,b": letter }, default: other }
          - { target: ok, map: { "200-299": true }, default: false, type: boolean }
  before:   { status: 204 }
  after:    [{ status: 204, text: fine, ok: true }]
- settings:
    mappings:
      - source: lines/code
        targets: [{ target: name, regex: { patterns: { "A[0-9]+": Book } } }]
  before:   { lines: [{ code: A1 }, { code: B2 }] }
  after:    [{ lines: [{ code: A1, name: Book }, { code: B2 }] }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let mappings = config.mappings.into_iter().enumerate();
        let mut mappings =
            all(mappings.map(|(n, it)| Mapping::build(it, settings, &format!("mappings[{n}]"))))?;
        if let Some(file) = config.file {
            if file.aws.is_some() {
                return Err(settings
                    .problem("file.aws", "mappings are not read from S3")
                    .with_help("put the file beside the pipeline file and name its path"));
            }
            let problem = |error: String| settings.problem("file.name", error);
            let text = fs::read_to_string(&file.name)
                .map_err(|error| problem(format!("`{}` cannot be read: {error}", file.name)))?;
            let there = Settings::from_source(SourceText { name: file.name, text })?;
            let content: FileContent = there.read()?;
            for (n, mapping) in content.mappings.into_iter().enumerate() {
                let mut mapping = Mapping::build(mapping, &there, &format!("mappings[{n}]"))?;
                let known = |target: &Target| {
                    mappings.iter().any(|it: &Mapping| {
                        it.names == mapping.names
                            && it.parent == mapping.parent
                            && it.targets.iter().any(|it| it.key == target.key)
                    })
                };
                let known: Vec<bool> = mapping.targets.iter().map(known).collect();
                let mut known = known.into_iter();
                mapping.targets.retain(|_| known.next() == Some(false));
                mappings.push(mapping);
            }
        }
        if mappings.is_empty() {
            return Err(settings.problem("", "at least one of `mappings` and `file` must be there"));
        }
        Ok(Translate { mappings, tags: config.tags_on_failure })
    }
}

impl Mapping {
    fn build(config: MappingConfig, settings: &Settings, at: &str) -> Result<Mapping, ConfigError> {
        let at_source = format!("{at}.source");
        let problem = |problem: String| settings.problem(&at_source, problem);
        let sources = match config.source {
            Sources::One(source) => vec![source],
            Sources::Several(sources) => sources,
        };
        let keys: Result<Vec<Key>, _> = sources.iter().map(|it| Key::parse(it)).collect();
        let keys = keys.map_err(|error| problem(error.to_string()))?;
        let Some(first) = keys.first() else { return Err(problem("it names no field".to_owned())) };
        let parent = first.parent();
        if keys.iter().any(|key| key.parent() != parent) {
            return Err(problem("the fields must stand beside each other".to_owned()));
        }
        if config.targets.is_empty() {
            return Err(settings.problem(&format!("{at}.targets"), "there are none"));
        }
        let names = keys.iter().map(|key| key.last().to_owned()).collect();
        let targets = config.targets.into_iter().enumerate();
        let targets =
            targets.map(|(n, it)| Target::build(it, settings, &format!("{at}.targets[{n}]")));
        Ok(Mapping { parent, names, targets: all(targets)? })
    }
}

impl Target {
    fn build(config: TargetConfig, settings: &Settings, at: &str) -> Result<Target, ConfigError> {
        if config.map.is_none() && config.regex.is_none() {
            let problem = "at least one of `map` and `regex` must be there";
            return Err(settings.problem(at, problem));
        }
        let typed = |value: Value, at: String| {
            convert(&value, config.to, 0).map_err(|error| settings.problem(&at, error))
        };
        let mut table = Table::default();
        for (keys, value) in entries(config.map, settings, &format!("{at}.map"))? {
            let value = Arc::new(typed(value, format!("{at}.map"))?);
            table.add(&keys, &value).map_err(|it| settings.problem(&format!("{at}.map"), it))?;
        }
        if let Some(regex) = config.regex {
            let at = format!("{at}.regex.patterns");
            for (pattern, value) in entries(Some(regex.patterns), settings, &at)? {
                table
                    .add_pattern(&pattern, typed(value, at.clone())?, regex.exact)
                    .map_err(|problem| settings.problem(&at, problem))?;
            }
        }
        let default = config.default.map(|it| typed(it, format!("{at}.default"))).transpose()?;
        let TargetConfig { target: key, to, translate_when: when, .. } = config;
        Ok(Target { key, table, default, to, when })
    }

    fn find(&self, source: &str) -> Result<Option<Value>, ProcessError> {
        match self.table.find(source, self.to)? {
            Some(value) => Ok(Some(value)),
            None => Ok(self.default.clone()),
        }
    }
}

fn entries(map: Option<Value>, settings: &Settings, at: &str) -> Result<Map, ConfigError> {
    match map {
        None => Ok(Map::default()),
        Some(Value::Map(map)) => Ok(map),
        Some(_) => {
            Err(settings.problem(at, "it must be a map, of values and what to set for them"))
        }
    }
}

impl Processor for Translate {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let mut errors = FirstError::default();
        for mapping in &self.mappings {
            for target in &mapping.targets {
                errors.note(mapping.translate(target, event));
            }
        }
        self.tags.settle(event, errors.result())
    }
}

impl Mapping {
    fn translate(&self, target: &Target, event: &mut Event) -> Result<(), ProcessError> {
        if !target.when.holds(event)? {
            return Ok(());
        }
        let fields = open(event)?;
        let Some(parent) = &self.parent else { return self.translate_in(target, fields) };
        match parent.get_mut(fields) {
            Some(value) => self.translate_below(target, value),
            None => self.translate_through_lists(target, parent, fields),
        }
    }

    /// The way to the source may lead through a list: then it is every object in it.
    fn translate_through_lists(
        &self,
        target: &Target,
        parent: &Key,
        fields: &mut Map,
    ) -> Result<(), ProcessError> {
        let Some((first, rest)) = parent.split() else { return Ok(()) };
        match fields.get_mut(first) {
            Some(Value::Map(map)) => self.translate_through_lists(target, &rest, map),
            Some(Value::List(values)) => values.iter_mut().try_for_each(|value| match value {
                Value::Map(map) => match rest.get_mut(map) {
                    Some(value) => self.translate_below(target, value),
                    None => self.translate_through_lists(target, &rest, map),
                },
                _ => Ok(()),
            }),
            _ => Ok(()),
        }
    }

    fn translate_below(&self, target: &Target, value: &mut Value) -> Result<(), ProcessError> {
        match value {
            Value::Map(map) => self.translate_in(target, map),
            Value::List(values) => {
                values.iter_mut().try_for_each(|value| self.translate_below(target, value))
            }
            _ => Ok(()),
        }
    }

    fn translate_in(&self, target: &Target, fields: &mut Map) -> Result<(), ProcessError> {
        let mut texts = Vec::with_capacity(self.names.len());
        for name in &self.names {
            match fields.get(name) {
                None | Some(Value::Null | Value::Map(_) | Value::List(_)) => return Ok(()),
                Some(value) => texts.push(text_of(value)),
            }
        }
        match target.find(&texts.join(","))? {
            Some(value) => target.key.put(fields, value),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
