//! `trim_string`: removes white space around the text of some fields.

use pipeline::{ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings};
use serde::Deserialize;

use crate::parts::{Condition, Key, change_texts, open};

pub(crate) const FACTORY: Factory = Factory::of::<TrimString>();

/// Settings of `trim_string`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The fields to change; in a list, every text. What is missing or not a text is left alone.
    with_keys: Vec<Key>,
    /// Only for these events.
    #[serde(default)]
    trim_string_when: Condition,
}

struct TrimString(Config);

impl Configured for TrimString {
    const NAME: &'static str = "trim_string";
    const EXAMPLE: &'static str = r#"
settings: { with_keys: [name, tags] }
before:   { name: " Ada\n", tags: [" a", 1] }
after:    [{ name: Ada, tags: [a, 1] }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.with_keys.is_empty() {
            return Err(settings.problem("with_keys", "it is empty").with_help("name a field"));
        }
        Ok(TrimString(config))
    }
}

impl Processor for TrimString {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.trim_string_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let fields = open(event)?;
        for key in &self.0.with_keys {
            change_texts(key, fields, &|text| {
                let trimmed = text.trim();
                if trimmed.len() < text.len() {
                    *text = trimmed.to_owned();
                }
            });
        }
        Ok(Flow::Keep)
    }
}
