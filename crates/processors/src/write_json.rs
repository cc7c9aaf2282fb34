//! `write_json`: writes a field as JSON text.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, open};

pub(crate) const FACTORY: Factory = Factory::of::<WriteJson>();

/// Settings of `write_json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field. If it is missing, nothing happens.
    source: Key,
    /// Where the text goes; without it, to where the value was.
    target: Option<Key>,
    /// Only for these events.
    #[serde(default)]
    write_json_when: Condition,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

struct WriteJson(Config);

impl Configured for WriteJson {
    const NAME: &'static str = "write_json";
    const EXAMPLE: &'static str = r#"
settings: { source: details, target: text }
before:   { details: { a: [1.50, x] } }
after:    [{ details: { a: [1.50, x] }, text: '{"a":[1.50,"x"]}' }]
"#;
    type Config = Config;

    fn build(config: Config, _: &Settings) -> Result<Self, ConfigError> {
        Ok(WriteJson(config))
    }
}

impl Processor for WriteJson {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.write_json_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let fields = open(event)?;
        let written = self.0.source.get(fields).map(|value| Value::String(value.to_string()));
        let target = self.0.target.as_ref().unwrap_or(&self.0.source);
        let result = written.map_or(Ok(()), |text| target.put(fields, text));
        self.0.tags_on_failure.settle(event, result)
    }
}
