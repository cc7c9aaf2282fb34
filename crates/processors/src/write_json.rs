//! `write_json`: writes a field as JSON text.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Key, open};

pub(crate) const FACTORY: Factory = Factory::of::<WriteJson>();

/// Settings of `write_json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field. If it is missing, nothing happens.
    source: Key,
    /// Where the text goes; without it, to where the value was.
    target: Option<Key>,
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
        let fields = open(event)?;
        if let Some(value) = self.0.source.get(fields) {
            let text = Value::String(value.to_string());
            self.0.target.as_ref().unwrap_or(&self.0.source).put(fields, text)?;
        }
        Ok(Flow::Keep)
    }
}
